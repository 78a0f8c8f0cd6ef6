"""What happens to an image in training: a function of the image and an addressed generator.

A preset takes how images become a network's input, and its options, and gives a function
(C, H, W) uint8, numpy Generator -> (C, size, size). It gives uint8; or float32 on the same scale
of 0 to 255, not clipped, where it works on normalised values: 255 * (mean + std * value). Which
of the two depends on the options alone. All it draws comes from that generator, whose seed is
(seed, epoch, row, draw); the kernels are torchvision's and deterministic. data.batch_augment has
some of the presets for many small images at once.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from fieldmark.catalog import Catalog
from fieldmark.data.augment_albumentations import is_pipeline_file, read_pipeline
from fieldmark.data.changes import (
    Area,
    Augment,
    Degrees,
    Padding,
    Pixels,
    Shift,
    Strength,
    centre_crop,
    crop_beside_centre,
    cut_hole,
    means_of,
    mirror,
    resized_crop,
    rotate,
    seeded,
    shift_channels,
)
from fieldmark.errors import DataError, Mistake, SettingsError
from fieldmark.records import InputSpec

__all__ = ["AUGMENTS", "Augment", "centre_crop", "is_pipeline_file", "read_pipeline"]


def none(seen: InputSpec) -> Augment:
    """The image as evaluation sees it."""
    return lambda image, _: centre_crop(image, seen.size)


def light(seen: InputSpec, *, shift: Strength = 0.1, flip: bool = True) -> Augment:
    """Moved by up to `shift` of the side (at least a pixel), edges repeated; mirrored by half."""
    most = max(1, round(shift * seen.size)) if shift else 0
    return lambda image, draw: mirror(_moved(image, draw, seen.size, most), draw, flip)


def standard(
    seen: InputSpec, *, least_area: Area = 0.35, flip: bool = True, colour: Strength = 0.2
) -> Augment:
    """A random resized crop, mirrored by half; brightness, contrast and saturation varied.

    The crop has `least_area` to all of the image's area, and a shape of 3:4 to 4:3.
    """
    from torchvision.transforms.v2 import functional as kernels  # it takes a second

    def change(image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        image = mirror(resized_crop(image, seen.size, least_area, draw), draw, flip)
        if not colour:
            return image
        brightness, contrast, saturation = draw.uniform(1 - colour, 1 + colour, size=3)
        image = kernels.adjust_brightness(image, float(brightness))
        image = kernels.adjust_contrast(image, float(contrast))
        varied: torch.Tensor = kernels.adjust_saturation(image, float(saturation))
        return varied

    return change


def crop(
    seen: InputSpec,
    *,
    pad: Pixels = 4,
    padding: Padding = "reflect",
    flip: bool = True,
    alternate: bool = False,
    hole: Pixels = 0,
) -> Augment:
    """Moved by up to `pad` pixels, the rest mirrored in (or edge, or zero: black); mirrored.

    hole: side of a square of the channels' mean, in every image, wholly inside it; the image is
    float32 then. alternate: mirrored or not at random in the first epoch, the other way in every
    second one (Jordan, arXiv 2404.00498); one image does not know of its epochs, so that this is
    for `augment.by=batch` alone: raises SettingsError.
    """
    if alternate:
        what = "an image by itself does not know its epochs, so this needs augment.by=batch"
        raise SettingsError([Mistake("augment.alternate", what)])

    def change(image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        image = mirror(_moved(image, draw, seen.size, pad, padding), draw, flip)
        return cut_hole(image, hole, means_of(seen), draw) if hole else image

    return change


def cifar(
    seen: InputSpec,
    *,
    angle: Degrees = 10.0,
    shift: Shift = 20.0,
    hole: Pixels = 16,
    flip: bool = True,
) -> Augment:
    """Turned by up to `angle`, mirrored, each channel shifted by up to `shift` of 255, a hole.

    Each with a chance of 0.5, in this order; what is turned in from outside is black. hole: side
    of a square of the channels' mean, which is 0 once normalised, wholly inside the image, which
    is float32 then (uint8 where hole is 0).
    """

    def change(image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        image = centre_crop(image, seen.size)
        if draw.random() < 0.5 and angle:
            image = rotate(image, float(draw.uniform(-angle, angle)))
        image = mirror(image, draw, flip)
        if draw.random() < 0.5 and shift:
            image = shift_channels(image, draw.uniform(-shift, shift, size=3))
        if not hole:
            return image
        return cut_hole(image, hole, means_of(seen), draw) if draw.random() < 0.5 else image.float()

    return change


def contrast(seen: InputSpec, *, flip: bool = True, limit: Strength = 0.2) -> Augment:
    """Mirrored by half; for half of the images one of contrast, gamma or brightness is varied.

    Contrast multiplies by 1 - limit to 1 + limit (about black, as Albumentations does), gamma
    raises to a power of the same range, brightness adds -limit to limit of the full scale.
    """
    from torchvision.transforms.v2 import functional as kernels  # it takes a second

    def change(image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        image = mirror(centre_crop(image, seen.size), draw, flip)
        if draw.random() >= 0.5:
            return image
        one, drawn = draw.integers(3), float(draw.uniform(-limit, limit))
        if one == 0:
            varied: torch.Tensor = kernels.adjust_brightness(image, 1 + drawn)  # x * factor
        elif one == 1:
            varied = kernels.adjust_gamma(image, 1 + drawn)
        else:
            varied = shift_channels(image, np.full(3, 255 * drawn))
        return varied

    return change


def own_transform(given: Callable[..., Any]) -> Callable[[InputSpec], Augment]:
    """A builder of a caller's own change of an image: (3, H, W) uint8 -> (3, h, w).

    It gives uint8, or float32 on the same scale of 0 to 255; the square in the middle is taken of
    it. What it draws from torch's, NumPy's or Python's global generators is addressed: they are
    seeded for it, and afterwards are as they were. Raises DataError for anything else.
    """

    def build(seen: InputSpec) -> Augment:
        def change(image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
            with seeded(int(draw.integers(2**32))):
                found = given(image)
            if not isinstance(found, torch.Tensor) or found.ndim != 3 or len(found) != 3:
                told = tuple(found.shape) if hasattr(found, "shape") else type(found).__name__
                raise DataError(f"augment: must give a tensor (3, height, width), not {told}")
            return centre_crop(found, seen.size)

        return change

    return build


class Built:
    """What a preset gives; a process to which it is sent builds it anew from name and options."""

    def __init__(self, name: str, options: Mapping[str, Any], seen: InputSpec):
        self._made_of = name, options, seen
        self._change: Augment = AUGMENTS[name].builder()(seen, **options)

    def __call__(self, image: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        return self._change(image, draw)

    def __reduce__(self) -> tuple[Any, ...]:
        return Built, self._made_of


class Augments(Catalog):
    """The catalog's own lines; a user's own pipeline has no name but that of its file."""

    def build(self, name: str, options: Mapping[str, Any], *args: InputSpec) -> Augment:
        """As every catalog's; what is built can be sent to a loader's worker."""
        return Built(name, options, *args)


POLICIES = "fieldmark.data.augment_policies"  # imported when one of these is asked for
ALBUMENTATIONS = "fieldmark.data.augment_albumentations"
AUGMENTS = Augments(
    "augmentation",
    {
        "none": (none, "the image as evaluation sees it"),
        "light": (light, "moved by a few pixels, mirrored where that makes sense"),
        "standard": (standard, "random resized crop, mirrored, colours varied"),
        "crop": (crop, "moved over a mirrored edge, mirrored; a hole if wanted"),
        "cifar": (cifar, "turned a little, mirrored, channels shifted, a hole"),
        "contrast": (contrast, "mirrored; contrast, gamma or brightness varied"),
        "nature": (f"{POLICIES}:nature", "mirrored, turned any way, cropped, a box of noise"),
        "scenes": (
            f"{POLICIES}:scenes",
            "cropped, brighter or darker, turned, mirrored, by chance grey",
        ),
        "strong": (
            f"{POLICIES}:strong",
            "random resized crop, mirrored, randaugment, a box of noise",
        ),
        "randaugment": (
            f"{POLICIES}:randaugment",
            "random resized crop, mirrored, two drawn changes of one strength",
        ),
        "trivialaugment": (
            f"{POLICIES}:trivialaugment",
            "random resized crop, mirrored, one drawn change of any strength",
        ),
        "cifar-albumentations": (
            f"{ALBUMENTATIONS}:cifar_albumentations",
            "cifar, made by Albumentations",
        ),
        "contrast-albumentations": (
            f"{ALBUMENTATIONS}:contrast_albumentations",
            "contrast, made by Albumentations",
        ),
        "albumentations": (
            f"{ALBUMENTATIONS}:own_pipeline",
            "a pipeline of your own: augment=FILE.yaml, as Albumentations saved it",
        ),
    },
    group="fieldmark.augments",
    also=", and .yaml or .json files that Albumentations saved",
)


def _moved(
    image: torch.Tensor, draw: np.random.Generator, size: int, most: int, padding: Padding = "edge"
) -> torch.Tensor:
    down, right = (int(move) for move in draw.integers(-most, most + 1, size=2))
    return crop_beside_centre(image, size, down, right, padding=padding)
