"""What happens to an image in training: a function of the image and an addressed generator.

A preset takes the side of the square that the network sees, and its options, and gives a
function (C, H, W) uint8, numpy Generator -> (C, size, size) uint8. All it draws comes from
that generator, whose seed is (seed, epoch, row, draw); the kernels are torchvision's and
deterministic.
"""

from collections.abc import Callable
from functools import partial
from math import exp, log, sqrt
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torchvision.transforms.v2 import functional as kernels

from fieldmark.catalog import Catalog

Augment = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]
Strength = Annotated[float, Field(ge=0, le=1)]
Area = Annotated[float, Field(gt=0, le=1)]


def none(size: int) -> Augment:
    """The image as evaluation sees it."""
    return partial(_crop_centre, size=size)


def light(size: int, *, shift: Strength = 0.1, flip: bool = True) -> Augment:
    """Moved by up to `shift` of the side (at least a pixel), edges repeated; mirrored by half."""
    return partial(_move, size=size, most=max(1, round(shift * size)) if shift else 0, flip=flip)


def standard(
    size: int, *, least_area: Area = 0.35, flip: bool = True, colour: Strength = 0.2
) -> Augment:
    """A random resized crop, mirrored by half; brightness, contrast and saturation varied.

    The crop has `least_area` to all of the image's area, and a shape of 3:4 to 4:3 (Szegedy
    et al., "Going deeper with convolutions", 2014).
    """
    return partial(_crop_and_vary, size=size, least_area=least_area, flip=flip, colour=colour)


AUGMENTS = Catalog(
    "augmentation",
    {
        "none": (none, "the image as evaluation sees it"),
        "light": (light, "moved by a few pixels, mirrored where that makes sense"),
        "standard": (standard, "random resized crop, mirrored, colours varied"),
    },
)


def centre_crop(image: torch.Tensor, size: int) -> torch.Tensor:
    """(C, H, W) uint8 -> (C, size, size), as evaluation sees it; small sides are repeated out."""
    return _crop_beside_centre(image, size, 0, 0)


def _crop_centre(image: torch.Tensor, draw: np.random.Generator, *, size: int) -> torch.Tensor:
    return centre_crop(image, size)


def _move(
    image: torch.Tensor, draw: np.random.Generator, *, size: int, most: int, flip: bool
) -> torch.Tensor:
    down, right = (int(move) for move in draw.integers(-most, most + 1, size=2))
    return _mirror(_crop_beside_centre(image, size, down, right), draw, flip)


def _crop_and_vary(
    image: torch.Tensor,
    draw: np.random.Generator,
    *,
    size: int,
    least_area: float,
    flip: bool,
    colour: float,
) -> torch.Tensor:
    top, left, height, width = _crop_box(image.shape[-2], image.shape[-1], least_area, draw)
    image = kernels.resized_crop(image, top, left, height, width, [size, size], antialias=True)
    return _vary_colour(_mirror(image, draw, flip), colour, draw)


def _crop_beside_centre(image: torch.Tensor, size: int, down: int, right: int) -> torch.Tensor:
    height, width = image.shape[-2:]
    top, left = (height - size) // 2 + down, (width - size) // 2 + right
    before = (max(0, -left), max(0, -top))
    after = (max(0, left + size - width), max(0, top + size - height))
    if any((*before, *after)):
        image = kernels.pad(image, [*before, *after], padding_mode="edge")
    top, left = top + before[1], left + before[0]
    return image[..., top : top + size, left : left + size]


def _mirror(image: torch.Tensor, draw: np.random.Generator, flip: bool) -> torch.Tensor:
    return image.flip(-1) if flip and draw.random() < 0.5 else image


def _crop_box(
    height: int, width: int, least_area: float, draw: np.random.Generator
) -> tuple[int, int, int, int]:
    """Top, left, height, width of a crop; the largest centred one where ten draws do not fit."""
    for _ in range(10):
        area = height * width * draw.uniform(least_area, 1.0)
        shape = exp(draw.uniform(log(3 / 4), log(4 / 3)))
        wide, high = round(sqrt(area * shape)), round(sqrt(area / shape))
        if 0 < wide <= width and 0 < high <= height:
            top = int(draw.integers(0, height - high + 1))
            return top, int(draw.integers(0, width - wide + 1)), high, wide
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def _vary_colour(image: torch.Tensor, strength: float, draw: np.random.Generator) -> torch.Tensor:
    if not strength:
        return image
    brightness, contrast, saturation = draw.uniform(1 - strength, 1 + strength, size=3)
    image = kernels.adjust_brightness(image, float(brightness))
    image = kernels.adjust_contrast(image, float(contrast))
    varied: torch.Tensor = kernels.adjust_saturation(image, float(saturation))
    return varied
