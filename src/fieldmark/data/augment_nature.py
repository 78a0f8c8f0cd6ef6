"""The training transforms of a published script for photos of nature, in its own order."""

from functools import partial

import numpy as np
import torch
from torchvision.transforms.v2 import functional as kernels

from fieldmark.data.changes import Augment, Chance, Degrees, erase, rotate
from fieldmark.records import InputSpec


def nature(
    seen: InputSpec,
    *,
    flip: bool = True,
    horizontal: Chance = 0.5,
    vertical: Chance = 0.5,
    angle: Degrees = 180.0,
    erasing: Chance = 0.4,
) -> Augment:
    """Mirrored across and over, turned by up to `angle`, resized, cropped; a box erased.

    Each with its chance, and in this order; `flip` false leaves both mirrors out. What is
    turned in from outside is black. The shorter side becomes 8/7 of the size that is seen (256
    for 224), of which a random square is taken. Faithful with `input.stored=original` alone,
    since it turns before it resizes. The published `ColorJitter()` without arguments, applied
    with a chance of 0.5, changes nothing: its draw is kept, and no more. The box that `erasing`
    makes is normal noise. -> float32, or uint8 where its chance is 0
    """
    mirrors = (horizontal, vertical) if flip else (0.0, 0.0)
    return partial(_change, seen=seen, mirrors=mirrors, angle=angle, erasing=erasing)


def _change(
    image: torch.Tensor,
    draw: np.random.Generator,
    *,
    seen: InputSpec,
    mirrors: tuple[float, float],
    angle: float,
    erasing: float,
) -> torch.Tensor:
    for axis, chance in zip((-1, -2), mirrors, strict=True):
        if draw.random() < chance:
            image = image.flip(axis)
    if angle:
        image = rotate(image, float(draw.uniform(-angle, angle)), nearest=True)
    draw.random()  # whether ColorJitter() is applied: an identity, as published
    image = _random_crop(kernels.resize(image, [seen.around], antialias=True), seen.size, draw)
    if not erasing:
        return image
    return erase(image, seen, draw) if draw.random() < erasing else image.float()


def _random_crop(image: torch.Tensor, size: int, draw: np.random.Generator) -> torch.Tensor:
    """Any square of `size` of an image that is no smaller."""
    top, left = (int(draw.integers(0, side - size + 1)) for side in image.shape[-2:])
    return image[..., top : top + size, left : left + size]
