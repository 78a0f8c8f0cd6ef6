"""Augmentations that Albumentations makes, seeded by the addressed generator.

Left alone, Albumentations draws the same in every worker; seeded with a number, all transforms
of a pipeline draw the same numbers, so that one happens where another does. Here they share one
generator.
"""

import json
import random
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np
import torch
from torchvision.transforms.v2 import functional as kernels

from fieldmark import streams
from fieldmark.data.changes import (
    Augment,
    Degrees,
    Pixels,
    Shift,
    Strength,
    centre_crop,
    to_pixels,
)
from fieldmark.data.pipelines import albumentations, check_text, leaves, opened
from fieldmark.errors import DataError, Mistake, SettingsError
from fieldmark.records import InputSpec
from fieldmark.streams import Stream

Three = tuple[float, float, float]
PROBES = 20  # calls on a plain image that a pipeline must survive


def cifar_albumentations(
    seen: InputSpec,
    *,
    angle: Degrees = 10.0,
    shift: Shift = 20.0,
    hole: Pixels = 16,
    flip: bool = True,
) -> Augment:
    """The preset `cifar`, by Albumentations: the same changes and chances, other draws."""
    package = albumentations()
    limit = (-shift / 255, shift / 255)  # a limit of up to 1 is a share of the full scale
    sides = (min(hole, seen.size),) * 2
    steps = [
        package.Rotate(limit=(-angle, angle), p=0.5),
        package.HorizontalFlip(p=0.5 if flip else 0.0),
        package.RGBShift(limit, limit, limit, p=0.5),
        package.Normalize(seen.mean, seen.std),
    ]
    if hole:
        steps.append(package.CoarseDropout((1, 1), sides, sides, fill=0, p=0.5))
    return _of(steps, seen)


def contrast_albumentations(
    seen: InputSpec, *, flip: bool = True, limit: Strength = 0.2
) -> Augment:
    """The preset `contrast`, by Albumentations: the same changes and chances, other draws."""
    package = albumentations()
    still, varied = (0.0, 0.0), (-limit, limit)
    powers = (max(1.0, 100 * (1 - limit)), 100 * (1 + limit))
    one = [
        package.RandomBrightnessContrast(brightness_limit=still, contrast_limit=varied),
        package.RandomGamma(gamma_limit=powers),
        package.RandomBrightnessContrast(brightness_limit=varied, contrast_limit=still),
    ]
    mirrored = package.HorizontalFlip(p=0.5 if flip else 0.0)
    return _of([mirrored, package.OneOf(one, p=0.5)], seen)


def own_pipeline(seen: InputSpec, *, pipeline: str = "") -> Augment:
    """A pipeline of one's own: `augment=FILE.yaml`; `pipeline` is then its JSON text.

    It is given the image in its stored form, (H, W, 3) uint8. What it gives, with or without
    ToTensorV2 at its end, is resized and cropped as evaluation does where it is not a square of
    the size that the network sees. A Normalize in it must have the run's own mean and standard
    deviation, and is undone, since every network's input is normalised in one place.

    Raises SettingsError where there is no pipeline, where `read_pipeline` would refuse it, where
    it fails on a plain image, or where what it gives is none.
    """
    if not pipeline:
        what = "is not given; name the file that Albumentations saved: augment=FILE.yaml"
        _refuse(what)
    check_text(pipeline)
    change = partial(_run, text=pipeline, seen=seen, cropped=False)
    word, side = seen.form[:2]
    height = side if word != "original" else 2 * seen.size
    blank = torch.full((3, height, height if word == "square" else height * 4 // 3), 128)
    given = [_probed(blank.to(torch.uint8), seed, pipeline) for seed in range(PROBES)]
    _check_given(given)
    if given[0].is_floating_point():
        _check_normalised(pipeline, seen)
    return change


def _of(steps: Sequence[Any], seen: InputSpec) -> Augment:
    package = albumentations()
    text = json.dumps(package.to_dict(package.Compose(list(steps))))
    return partial(_run, text=text, seen=seen, cropped=True)


def _run(
    image: torch.Tensor, draw: np.random.Generator, *, text: str, seen: InputSpec, cropped: bool
) -> torch.Tensor:
    """text: a pipeline as JSON, which travels to other processes as it is."""
    changed = _call(centre_crop(image, seen.size) if cropped else image, draw, text)
    if changed.shape[-2:] != (seen.size, seen.size):
        word, side = seen.evaluated_form[:2]
        sides = [side, side] if word == "square" else [side]
        changed = centre_crop(kernels.resize(changed, sides, antialias=True), seen.size)
    return to_pixels(changed, seen) if changed.is_floating_point() else changed


def _call(image: torch.Tensor, draw: np.random.Generator, text: str) -> torch.Tensor:
    """What the pipeline gives, (C, H, W). Raises DataError where it fails."""
    pipeline = opened(text)
    # one generator of each kind for all transforms: this is also 15 times as fast as seeds
    pipeline.set_random_state(draw, random.Random(int(draw.integers(2**63))))
    pixels = image.permute(1, 2, 0).contiguous().clone().numpy()
    try:
        found = pipeline(image=pixels)["image"]
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        sides = f"{pixels.shape[1]} x {pixels.shape[0]} px"
        raise DataError(f"the pipeline fails on an image of {sides} ({reason})") from error
    if isinstance(found, torch.Tensor):
        return found
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(found).transpose(2, 0, 1)))


def _probed(blank: torch.Tensor, seed: int, text: str) -> torch.Tensor:
    try:
        return _call(blank, streams.draw(Stream.PROBE, seed), text)
    except DataError as error:
        raise SettingsError([Mistake("augment.pipeline", f"{error}; mend the file")]) from error


def _check_given(given: Sequence[torch.Tensor]) -> None:
    """Refuse what is not an image of three channels, of one kind of number."""
    kinds = {image.dtype for image in given}
    if not kinds <= {torch.uint8, torch.float32}:
        _refuse("gives numbers that are neither uint8 nor float32; leave the change of type out")
    if len(kinds) > 1:
        _refuse("gives sometimes bytes and sometimes floats; give its Normalize p=1")
    if any(image.shape[0] != 3 for image in given):
        _refuse("gives images that have not three channels; leave that change out")


def normalised_by(pipeline: str) -> tuple[Three, Three] | None:
    """Mean and standard deviation in 0..1 that a pipeline normalises with.

    None where it does not, or otherwise than by one Normalize with these numbers. Raises
    SettingsError for what is no pipeline.
    """
    check_text(pipeline)
    transforms = list(leaves(opened(pipeline)))
    names = [type(transform).__name__ for transform in transforms]
    if names.count("Normalize") != 1 or "ToFloat" in names:
        return None
    found = transforms[names.index("Normalize")]
    if found.normalization != "standard":
        return None
    both = np.array([np.broadcast_to(values, 3) for values in (found.mean, found.std)])
    mean, std = (both * float(found.max_pixel_value) / 255).tolist()
    return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])


def _check_normalised(pipeline: str, seen: InputSpec) -> None:
    """Refuse floats that are no image normalised with the run's mean and standard deviation."""
    own = normalised_by(pipeline)
    if own is None:
        _refuse("gives floats that no plain Normalize made; leave the change of type out")
    if not np.allclose(own, [seen.mean, seen.std], atol=1e-4):
        numbers = ", ".join(f"{value:.6g}" for value in (*own[0], *own[1]))
        _refuse(f"normalises with other numbers than the run; add input.normalize=[{numbers}]")


def _refuse(what: str) -> NoReturn:
    raise SettingsError([Mistake("augment.pipeline", f"the pipeline {what}")])
