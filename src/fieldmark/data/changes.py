"""Single changes of one image at given parameters. Nothing is drawn here: presets do that.

An image is (C, H, W), uint8, or float32 on the same scale of 0 to 255.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import exp, log, sqrt
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from fieldmark.records import InputSpec

Augment = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]
Strength = Annotated[float, Field(ge=0, le=1)]
Chance = Annotated[float, Field(ge=0, le=1)]
Area = Annotated[float, Field(gt=0, le=1)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Pixels = Annotated[int, Field(ge=0)]
Shift = Annotated[float, Field(ge=0, le=255)]
Padding = Literal["reflect", "edge", "zero"]


def centre_crop(image: torch.Tensor, size: int) -> torch.Tensor:
    """(C, H, W) -> (C, size, size), as evaluation sees it; small sides are repeated out."""
    return crop_beside_centre(image, size, 0, 0)


def crop_beside_centre(
    image: torch.Tensor, size: int, down: int, right: int, *, padding: Padding = "edge"
) -> torch.Tensor:
    """The square of `size` whose centre lies so far down and right of the image's own.

    What lies outside repeats the edge, mirrors the image (the edge itself not twice), or is 0,
    which is black. -> (C, size, size), a view where it lies inside.
    """
    top, left = (image.shape[-2] - size) // 2 + down, (image.shape[-1] - size) // 2 + right
    return _span(_span(image, -2, top, size, padding), -1, left, size, padding)


def _span(image: torch.Tensor, axis: int, start: int, size: int, padding: Padding) -> torch.Tensor:
    """`size` places of an axis from `start` on, which may lie outside."""
    side = image.shape[axis]
    if start >= 0 and start + size <= side:
        return image.narrow(axis, start, size)
    wanted = torch.arange(start, start + size, device=image.device)
    if padding == "reflect":
        turn = max(1, 2 * (side - 1))  # the length after which the mirrored image comes again
        wanted = (side - 1 - (wanted % turn - (side - 1)).abs()) if side > 1 else wanted * 0
    taken = image.index_select(axis, wanted.clamp(0, side - 1))
    if padding == "zero":
        outside = (wanted < 0) | (wanted >= side)
        taken = taken.index_fill(axis, outside.nonzero()[:, 0], 0)
    return taken


def mirror(image: torch.Tensor, draw: np.random.Generator, flip: bool) -> torch.Tensor:
    """Left and right exchanged, for half of the draws; nothing is drawn without `flip`."""
    return image.flip(-1) if flip and draw.random() < 0.5 else image


def crop_box(
    height: int, width: int, least_area: float, draw: np.random.Generator
) -> tuple[int, int, int, int]:
    """Top, left, height, width of a crop; the largest centred one where ten draws do not fit.

    Of `least_area` to all of the area and a shape of 3:4 to 4:3 (Szegedy et al., "Going deeper
    with convolutions", 2014).
    """
    for _ in range(10):
        area = height * width * draw.uniform(least_area, 1.0)
        shape = exp(draw.uniform(log(3 / 4), log(4 / 3)))
        wide, high = round(sqrt(area * shape)), round(sqrt(area / shape))
        if 0 < wide <= width and 0 < high <= height:
            top = int(draw.integers(0, height - high + 1))
            return top, int(draw.integers(0, width - wide + 1)), high, wide
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def resized_crop(
    image: torch.Tensor, size: int, least_area: float, draw: np.random.Generator
) -> torch.Tensor:
    """A drawn `crop_box` of the image, resized. -> (C, size, size)"""
    from torchvision.transforms.v2 import functional as kernels  # it takes a second

    box = crop_box(image.shape[-2], image.shape[-1], least_area, draw)
    found: torch.Tensor = kernels.resized_crop(image, *box, [size, size], antialias=True)
    return found


def rotate(image: torch.Tensor, degrees: float, *, nearest: bool = False) -> torch.Tensor:
    """Turned counter-clockwise about its centre, same sides; what comes in from outside is 0.

    Bilinear, with the edge blended into that 0, or by nearest neighbours.
    """
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as kernels

    mode = InterpolationMode.NEAREST if nearest else InterpolationMode.BILINEAR
    turned: torch.Tensor = kernels.rotate(image, degrees, interpolation=mode)
    return turned


def shift_channels(image: torch.Tensor, shift: np.ndarray) -> torch.Tensor:
    """uint8 (C, H, W) with `shift` (C,) added to each channel, rounded, kept in 0 to 255."""
    moved = image.float() + torch.from_numpy(shift).float()[:, None, None]
    return moved.round_().clamp_(0, 255).to(torch.uint8)


def to_pixels(normalised: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    """(3, H, W) normalised values -> float32 on the scale of 0 to 255, not clipped."""
    scale, means = torch.tensor(spec.std)[:, None, None] * 255, means_of(spec)[:, None, None]
    return torch.addcmul(means, normalised, scale)


def means_of(spec: InputSpec) -> torch.Tensor:
    """What becomes 0 when an image is normalised, on the scale of 0 to 255. -> (3,) float32"""
    return torch.tensor(spec.mean) * 255


def fill_hole(
    image: torch.Tensor, top: int, left: int, side: int, values: torch.Tensor
) -> torch.Tensor:
    """The image with a square of the channels' `values` (C,) in it. -> (C, H, W) float32"""
    filled = image.to(torch.float32, copy=True)
    filled[:, top : top + side, left : left + side] = values[:, None, None]
    return filled


def cut_hole(
    image: torch.Tensor, side: int, values: torch.Tensor, draw: np.random.Generator
) -> torch.Tensor:
    """`fill_hole` at a drawn place, each equally likely where the whole square lies inside.

    So Albumentations' CoarseDropout and airbench do; DeVries and Taylor ("Improved
    Regularization of Convolutional Neural Networks with Cutout", 2017) draw its centre over the
    whole image and cut it at the edges. One that is larger than the image covers all of it.
    """
    height, width = image.shape[-2:]
    side = min(side, height, width)
    top, left = (int(draw.integers(0, length - side + 1)) for length in (height, width))
    return fill_hole(image, top, left, side, values)


def erase(image: torch.Tensor, spec: InputSpec, draw: np.random.Generator) -> torch.Tensor:
    """A box of normal noise in the image, as torchvision's RandomErasing draws its box.

    The noise has mean 0 and deviation 1 once it is normalised, so that it leaves 0 to 255. Of
    2 to 33 % of the area and a shape of 3:10 to 10:3; the image itself where ten draws do not
    fit (Zhong et al., "Random Erasing Data Augmentation", 2017). -> (C, H, W) float32
    """
    erased = image.to(torch.float32, copy=True)
    height, width = image.shape[-2:]
    for _ in range(10):
        area = height * width * draw.uniform(0.02, 0.33)
        shape = exp(draw.uniform(log(0.3), log(1 / 0.3)))
        high, wide = round(sqrt(area * shape)), round(sqrt(area / shape))
        if high < height and wide < width:
            top = int(draw.integers(0, height - high + 1))
            left = int(draw.integers(0, width - wide + 1))
            noise = torch.from_numpy(draw.standard_normal((3, high, wide), np.float32))
            erased[:, top : top + high, left : left + wide] = to_pixels(noise, spec)
            break
    return erased


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, all global generators begin at this seed; afterwards they are as they were."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
