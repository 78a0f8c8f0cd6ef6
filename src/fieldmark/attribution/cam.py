"""Heat from the maps that the body hands over to the head: Grad-CAM, HiResCAM and LayerCAM."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.attribution.cut import maps_and_gradients
from fieldmark.captioned import Seen
from fieldmark.models.maps import handovers
from fieldmark.models.precision import Autocast

Cam = Callable[[Tensor, Tensor], Tensor]


def weighted(maps: Tensor, gradients: Tensor) -> Tensor:
    """Gradients averaged over places to a weight a channel, and the channels' weighted sum.

    Selvaraju et al., "Grad-CAM", ICCV 2017. (N, C, h, w) twice -> (N, h, w)
    """
    return (gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)


def by_place(maps: Tensor, gradients: Tensor) -> Tensor:
    """Each place weighted by its own gradients, where they are positive, and the channels' sum.

    Jiang et al., "LayerCAM", TIP 2021: it holds for shallow layers, too. -> as `weighted`
    """
    return (gradients.clamp(min=0) * maps).sum(dim=1)


def at_place(maps: Tensor, gradients: Tensor) -> Tensor:
    """Each place weighted by its own gradients, of any sign, and the channels' sum.

    Draelos and Carin, "HiResCAM", arXiv 2011.08891. Where a mean over all places follows the maps
    it is Grad-CAM exactly; where places count by their attention it keeps that. -> as `weighted`
    """
    return (gradients * maps).sum(dim=1)


def cams(
    cam: Cam | None,
    classifier: nn.Module,
    images: Seen,
    classes: np.ndarray,
    *,
    layer: str | None = None,
    autocast: Autocast = nullcontext,
) -> Tensor:
    """What `cam` makes of the maps and of the gradients of each image's logit of its class.

    -> (N, h, w) of any sign, on the maps' own grid. Dearer than a pass by the image that finds the
    maps, and by the way back from the logits to them. cam: None is `at_place` where places count by
    their attention, else `weighted`. A class token's gradient at a place is large where it looks.
    Averaged over places that is lost, and tokens of the background, which the norm makes as long as
    all others, are as hot. What the token has taken in before the last block is in neither.

    Raises as `handovers` and `maps_and_gradients` do.
    """
    places = handovers(classifier, images[:1], layer=layer, autocast=autocast)
    chosen = torch.as_tensor(classes, device=_device(images))
    found = maps_and_gradients(classifier, images, chosen, places, autocast)
    its = [cam or (at_place if place.attended else weighted) for place in places]
    return together(
        [_of_images(cam(*each), len(images)) for cam, each in zip(its, found, strict=True)]
    )


grad_cam, layer_cam, hires_cam, usual_cam = (
    partial(cams, cam) for cam in (weighted, by_place, at_place, None)
)


def _device(images: Seen) -> torch.device:
    return images.device if isinstance(images, Tensor) else images.images.device


def _of_images(cams: Tensor, images: int) -> Tensor:
    """What mirror images, which follow the images, give is turned back and added."""
    if len(cams) == images:
        return cams
    return cams[:images] + cams[images:].flip(-1)


def together(cams: list[Tensor]) -> Tensor:
    """The sum on the finest grid of maps of any grids; what a place holds is by its size.

    So of linear heads on means the sum over all places is the logit, but for its bias.
    """
    if len(cams) == 1:
        return cams[0]
    sides = max((cam.shape[-2:] for cam in cams), key=lambda each: each[0] * each[1])
    dense = [cam * cam[0].numel() for cam in cams]
    return torch.stack([enlarged(cam, sides) for cam in dense]).sum(dim=0)


def enlarged(cams: Tensor, sides: tuple[int, int] | torch.Size) -> Tensor:
    """(N, h, w) -> (N, H, W), bilinear: grids' cells are squares of the image."""
    wide = functional.interpolate(cams.unsqueeze(1), tuple(sides), mode="bilinear")
    return wide.squeeze(1)
