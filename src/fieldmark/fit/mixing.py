"""Images of a batch put into one another, and the shares of the classes that they then have.

A mix takes images (n, 3, H, W), classes (n,) int64 or labels (n, C) of 0 and 1, the number of
classes C and an addressed generator, and gives images of the same kind and shares (n, C) float32.
uint8 images stay uint8: (x / 255 - mean) / std of a blend is the blend of both, so that mixing
before that differs by rounding alone, and all that comes after goes the way of a plain batch. The
partner of an image is another one of its batch; how much of it is taken is drawn once a batch, as
in the authors' own code. Images and classes may lie on any device.
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fieldmark import streams
from fieldmark.captioned import Captioned, Seen
from fieldmark.catalog import Catalog
from fieldmark.streams import Stream

Mixed = tuple[Tensor, Tensor]
Mix = Callable[[Tensor, Tensor, int, np.random.Generator], Mixed]
Alpha = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def none() -> None:
    """No mixing: the batch and its classes are trained on as they are."""


def mixup(*, alpha: Alpha = 0.2) -> Mix:
    """Each image blended with its partner, by a weight from Beta(alpha, alpha).

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2017.
    """

    def mix(images: Tensor, targets: Tensor, classes: int, draw: np.random.Generator) -> Mixed:
        partner, taken = _partners(images, draw), draw.beta(alpha, alpha)
        mixed = torch.lerp(images.float(), images[partner].float(), taken)
        if not images.is_floating_point():
            mixed = mixed.round_()
        return mixed.to(images.dtype), _shares(targets, partner, classes, taken)

    return mix


def cutmix(*, alpha: Alpha = 1.0) -> Mix:
    """A box of each image taken from its partner, of an area from Beta(alpha, alpha).

    The box may reach over the edge; the shares are those of the pixels that were taken. Yun et
    al., "CutMix", 2019.
    """

    def mix(images: Tensor, targets: Tensor, classes: int, draw: np.random.Generator) -> Mixed:
        partner, (height, width) = _partners(images, draw), images.shape[-2:]
        half = np.sqrt(draw.beta(alpha, alpha)) / 2
        rows, columns = _span(height, half, draw), _span(width, half, draw)
        mixed = images.clone()
        mixed[..., rows, columns] = images[partner][..., rows, columns]
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        return mixed, _shares(targets, partner, classes, area / (height * width))

    return mix


def either(
    *,
    mixup_alpha: Alpha = 0.2,
    cutmix_alpha: Alpha = 1.0,
    cutmix_share: Annotated[float, Field(ge=0, le=1)] = 0.5,
) -> Mix:
    """cutmix for this share of the batches, mixup for the others."""
    blend, paste = mixup(alpha=mixup_alpha), cutmix(alpha=cutmix_alpha)

    def mix(images: Tensor, targets: Tensor, classes: int, draw: np.random.Generator) -> Mixed:
        chosen = paste if draw.random() < cutmix_share else blend
        return chosen(images, targets, classes, draw)

    return mix


MIXES = Catalog(
    "mix",
    {
        "none": (none, "every image by itself"),
        "mixup": (mixup, "two images blended"),
        "cutmix": (cutmix, "a box of one image in another"),
        "either": (either, "mixup or cutmix, by chance"),
    },
)


def addressed(
    mix: Mix, *, seed: int, classes: int
) -> Callable[[Seen, Tensor, int, int], tuple[Seen, Tensor]]:
    """The mix as a function of (images, targets, epoch, step): all it draws follows from them."""

    def mixed(images: Seen, targets: Tensor, epoch: int, step: int) -> tuple[Seen, Tensor]:
        draw = streams.draw(Stream.MIX, seed, epoch, step)
        if not isinstance(images, Captioned):
            return mix(images, targets, classes, draw)
        # words are put into one another as labels are: in the share of the other image
        both = torch.cat([_as_labels(targets, classes), images.words], dim=1)
        pixels, shares = mix(images.images, both, classes, draw)
        return Captioned(pixels, shares[:, classes:]), shares[:, :classes]

    return mixed


def _partners(images: Tensor, draw: np.random.Generator) -> Tensor:
    """Each image's partner, by place in the batch. -> (n,) int64"""
    return torch.from_numpy(draw.permutation(len(images)))


def _span(side: int, half: float, draw: np.random.Generator) -> slice:
    """Pixels along one side of the image, `half` of it to each side of a drawn place."""
    centre, reach = int(draw.integers(side)), round(half * side)
    return slice(max(0, centre - reach), min(side, centre + reach))


def _shares(targets: Tensor, partner: Tensor, classes: int, taken: float) -> Tensor:
    """`taken` of the partner's class, the rest of an image's own. -> (n, C) float32

    Of several labels (n, C) those that both have stay whole.
    """
    own = _as_labels(targets, classes)
    return torch.lerp(own, own[partner], taken)


def _as_labels(targets: Tensor, classes: int) -> Tensor:
    """-> (n, C) float32 of 0 and 1"""
    return (targets if targets.dim() == 2 else functional.one_hot(targets, classes)).float()
