"""Augmentations that draw which change is made (RandAugment, TrivialAugment, a strong mix), and
those of published systems.

The changes and the strengths are torchvision's own, the kernels too; what is drawn comes from
the addressed generator.
"""

from collections.abc import Callable
from functools import partial
from math import atan, degrees
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as kernels

from fieldmark.data.changes import (
    Area,
    Augment,
    Chance,
    Degrees,
    Strength,
    crop_beside_centre,
    erase,
    mirror,
    resized_crop,
    rotate,
)
from fieldmark.records import InputSpec

STEPS = 30  # the highest magnitude; 0 is the lowest

Ops = Annotated[int, Field(ge=0, le=14)]
Magnitude = Annotated[int, Field(ge=0, le=STEPS)]


def randaugment(
    seen: InputSpec,
    *,
    ops: Ops = 2,
    magnitude: Magnitude = 9,
    least_area: Area = 0.35,
    flip: bool = True,
) -> Augment:
    """A random resized crop, mirrored by half; then `ops` drawn changes of magnitude / 30.

    Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
    space", 2019.
    """
    return _drawn_changes(seen, ops, magnitude, least_area, flip)


def trivialaugment(seen: InputSpec, *, least_area: Area = 0.35, flip: bool = True) -> Augment:
    """A random resized crop, mirrored by half; then one drawn change of any magnitude.

    Its changes reach further than those of RandAugment. Mueller and Hutter, "TrivialAugment:
    Tuning-free Yet State-of-the-Art Data Augmentation", 2021.
    """
    return _drawn_changes(seen, 1, None, least_area, flip)


def strong(
    seen: InputSpec,
    *,
    least_area: Area = 0.2,
    flip: bool = True,
    ops: Ops = 2,
    magnitude: Magnitude = 9,
    erasing: Chance = 0.25,
) -> Augment:
    """A random resized crop, mirrored by half, RandAugment, and by chance a box of noise.

    For long training, or large networks on few images. -> float32, or uint8 where the chance
    `erasing` is 0
    """
    return _drawn_changes(seen, ops, magnitude, least_area, flip, erasing)


def _drawn_changes(
    seen: InputSpec,
    ops: int,
    magnitude: int | None,
    least_area: float,
    flip: bool,
    erasing: float = 0.0,
) -> Augment:
    """magnitude: None draws one for each change, from the wider ranges of TrivialAugment."""

    def change(image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        image = mirror(resized_crop(image, seen.size, least_area, draw), draw, flip)
        for _ in range(ops):
            name = CHANGES[int(draw.integers(len(CHANGES)))]
            step = int(draw.integers(STEPS + 1)) if magnitude is None else magnitude
            sign = -1 if draw.random() < 0.5 else 1
            image = changed(image, name, strength(name, step, seen.size, magnitude is None), sign)
        return _erased(image, seen, erasing, draw)

    return change


def _erased(
    image: torch.Tensor, seen: InputSpec, chance: float, draw: np.random.Generator
) -> torch.Tensor:
    """With a box of noise by chance; float32 in either case, but for a chance of 0."""
    if not chance:
        return image
    return erase(image, seen, draw) if draw.random() < chance else image.float()


def strength(name: str, step: int, size: int, wide: bool) -> float:
    """How much a change does at a step of 0 to 30 on an image of that side; 0 where it has none.

    A shear as a slope, a move in pixels, an angle in degrees, bits, the bound of solarize as a
    share of the full scale, the others as what is added to a factor of 1.
    """
    share = step / STEPS
    if name == "posterize":
        return round(8 - share * (6 if wide else 4))
    if name == "solarize":
        return 1 - share
    if name in ("move_right", "move_down"):
        return share * (32 if wide else 150 / 331 * size)
    if name == "rotate":
        return share * (135 if wide else 30)
    if name in ("shear_right", "shear_down"):
        return share * (0.99 if wide else 0.3)
    return share * (0.99 if wide else 0.9) if name in FACTORS else 0.0


def changed(image: torch.Tensor, name: str, value: float, sign: int) -> torch.Tensor:
    """uint8 (C, H, W) after one change; `sign` turns those that have two directions."""
    if name in FACTORS:
        return FACTORS[name](image, 1 + sign * value)
    if name in MOVES:
        return MOVES[name](image, sign * value)
    return OTHERS[name](image, value)


def _sheared(image: torch.Tensor, slope: float, *, across: bool) -> torch.Tensor:
    angle = degrees(atan(slope))
    return _affine(image, [angle, 0.0] if across else [0.0, angle], [0, 0], [0.0, 0.0])


def _moved(image: torch.Tensor, pixels: float, *, across: bool) -> torch.Tensor:
    return _affine(image, [0.0, 0.0], [int(pixels), 0] if across else [0, int(pixels)], None)


def _affine(
    image: torch.Tensor, shear: list[float], move: list[int], centre: list[float] | None
) -> torch.Tensor:
    found: torch.Tensor = kernels.affine(
        image,
        angle=0.0,
        translate=[float(each) for each in move],
        scale=1.0,
        shear=shear,
        interpolation=InterpolationMode.BILINEAR,
        center=centre,
    )
    return found


FACTORS: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "brightness": kernels.adjust_brightness,
    "saturation": kernels.adjust_saturation,
    "contrast": kernels.adjust_contrast,
    "sharpness": kernels.adjust_sharpness,
}
MOVES: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "shear_right": partial(_sheared, across=True),
    "shear_down": partial(_sheared, across=False),
    "move_right": partial(_moved, across=True),
    "move_down": partial(_moved, across=False),
    "rotate": rotate,
}
OTHERS: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "identity": lambda image, _: image,
    "posterize": lambda image, bits: kernels.posterize(image, int(bits)),
    "solarize": lambda image, bound: kernels.solarize(image, 255 * bound),
    "autocontrast": lambda image, _: kernels.autocontrast(image),
    "equalize": lambda image, _: kernels.equalize(image),
}
CHANGES = (*OTHERS, *MOVES, *FACTORS)


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
    mirrors = {-1: horizontal, -2: vertical} if flip else {-1: 0.0, -2: 0.0}

    def change(image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        for axis, chance in mirrors.items():
            if draw.random() < chance:
                image = image.flip(axis)
        if angle:
            image = rotate(image, float(draw.uniform(-angle, angle)), nearest=True)
        draw.random()  # whether ColorJitter() is applied: an identity, as published
        image = kernels.resize(image, [seen.around], antialias=True)
        top, left = (int(draw.integers(0, side - seen.size + 1)) for side in image.shape[-2:])
        image = image[..., top : top + seen.size, left : left + seen.size]
        return _erased(image, seen, erasing, draw)

    return change


def scenes(
    seen: InputSpec,
    *,
    brightness: Strength = 0.5,
    angle: Degrees = 45.0,
    flip: bool = True,
    horizontal: Chance = 0.5,
    vertical: Chance = 0.05,
    grayscale: Chance = 0.2,
) -> Augment:
    """Cropped, brighter or darker, turned by up to `angle`, mirrored, by chance grey.

    In this order. The crop has the size that is seen, anywhere in the stored form (224 px of
    `input.stored=square:256`); its brightness is multiplied by 1 - brightness to 1 + brightness.
    It turns as torchvision's RandomRotation by default does, by nearest neighbours, with black from
    outside. It is mirrored across and over; `flip` false leaves both out.
    """
    mirrors = {-1: horizontal, -2: vertical} if flip else {}

    def change(image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        image = _cropped(image, seen.size, draw)
        if brightness:
            factor = float(draw.uniform(1 - brightness, 1 + brightness))
            image = kernels.adjust_brightness(image, factor)
        if angle:
            image = rotate(image, float(draw.uniform(-angle, angle)), nearest=True)
        for axis, chance in mirrors.items():
            if draw.random() < chance:
                image = image.flip(axis)
        if draw.random() < grayscale:
            image = kernels.rgb_to_grayscale(image, num_output_channels=3)
        return image

    return change


def _cropped(image: torch.Tensor, size: int, draw: np.random.Generator) -> torch.Tensor:
    """A square of `size` at a drawn place; of an image that is smaller, edges are repeated."""
    spare = [max(0, side - size) for side in image.shape[-2:]]
    down, right = (int(draw.integers(0, each + 1)) - each // 2 for each in spare)
    return crop_beside_centre(image, size, down, right)
