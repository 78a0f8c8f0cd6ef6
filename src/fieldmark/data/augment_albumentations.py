"""Augmentations that Albumentations makes, seeded by the addressed generator.

Left alone, Albumentations draws the same in every worker; seeded with a number, all transforms
of a pipeline draw the same numbers, so that one happens where another does. Here they share one
generator.
"""

import importlib
import json
import os
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
import yaml

from fieldmark import streams
from fieldmark.data.changes import Augment, Degrees, Pixels, Shift, Strength, centre_crop, to_pixels
from fieldmark.errors import DataError, Mistake, SettingsError, nearest
from fieldmark.machine import INSTALL
from fieldmark.records import InputSpec
from fieldmark.settings.values import PIPELINES
from fieldmark.streams import Stream

SERIES = "2."  # 2.0.8 is the last of its line
SAVE = "save one with albumentations.save(pipeline, 'FILE.yaml', data_format='yaml')"
NEEDS = ("bbox_params", "keypoint_params")


def is_pipeline_file(name: str) -> bool:
    """Whether the name of an augmentation is that of a file."""
    return Path(name).suffix.lower() in PIPELINES


def read_pipeline(path: Path) -> str:
    """The pipeline of a file, found to be right, as JSON text: an option of `albumentations`.

    It may use any transform that changes an image alone. Raises SettingsError for a file that
    cannot be read or is no pipeline, an unknown transform or argument, another version, and for
    what needs boxes, key points, masks or other images.
    """
    is_json = path.suffix.lower() == ".json"
    parse: Callable[[str], Any] = json.loads if is_json else yaml.safe_load
    try:
        return json.dumps(_checked(parse(path.read_text(encoding="utf-8"))))
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
    except _UnfitError as error:
        what = str(error)
    except (ValueError, TypeError, yaml.YAMLError) as error:  # TypeError: a date, say
        what = _unreadable("JSON" if is_json else "YAML", error)
    raise SettingsError([Mistake("augment.name", f"{path}: {what}")])


def check_text(text: str) -> None:
    """Refuse a JSON text that `read_pipeline` could not have given. Raises SettingsError.

    It may come from a settings file, which anyone can have changed.
    """
    try:
        _checked(json.loads(text))
    except _UnfitError as error:
        what = str(error)
    except ValueError as error:
        what = f"{_unreadable('JSON', error)}, and name it: augment=FILE.yaml"
    else:
        return
    raise SettingsError([Mistake("augment.pipeline", what)])


def albumentations() -> Any:
    """The package. Raises SettingsError where it is not there."""
    if find_spec("albumentations") is None:
        what = f"this needs Albumentations; install it: {INSTALL} 'fieldmark[albumentations]'"
        raise SettingsError([Mistake("augment.name", what)])
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask a server for newer versions
    package = importlib.import_module("albumentations")
    # its pool of threads does not survive a fork, and one image is too small to share
    importlib.import_module("cv2").setNumThreads(0)
    return package


@lru_cache(maxsize=4)
def opened(text: str) -> Any:
    """The pipeline of a JSON text: an albumentations.Compose, one a process."""
    package = albumentations()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of arguments that it wrote itself
        found = package.from_dict(json.loads(text))
    return found if isinstance(found, package.Compose) else package.Compose([found])


def leaves(pipeline: Any) -> Iterator[Any]:
    """The transforms of a pipeline, those inside OneOf and the like too."""
    for transform in getattr(pipeline, "transforms", None) or ():
        yield from leaves(transform) if hasattr(transform, "transforms") else (transform,)


class _UnfitError(Exception):
    """What stands against a pipeline, as the end of a sentence."""


def _unreadable(kind: str, error: Exception) -> str:
    reason = str(error).partition("\n")[0]
    return f"cannot be read as {kind} ({reason}); {SAVE}"


def _checked(values: Any) -> Any:
    """The same values, which are a pipeline for images alone. Raises _UnfitError."""
    if not isinstance(values, dict) or not isinstance(values.get("transform"), dict):
        raise _UnfitError(f"is not a pipeline of Albumentations; {SAVE}")
    version = values.get("__version__", SERIES)
    if not str(version).startswith(SERIES):
        raise _UnfitError(f"was saved by Albumentations {version}, and this is 2.0; {SAVE} there")
    _check(values["transform"])
    return values


def _check(node: Any) -> None:
    """Refuse the first transform, in the order of the pipeline, that cannot be had."""
    package = albumentations()
    known = importlib.import_module("albumentations.core.serialization")
    full = str(node.get("__class_fullname__", "")) if isinstance(node, dict) else ""
    name = full.rpartition(".")[2]
    if name in known.NON_SERIALIZABLE_REGISTRY:
        raise _UnfitError(f"'{name}' holds code, which a file cannot; leave it out")
    if name not in known.SERIALIZABLE_REGISTRY:
        hint = nearest(name, known.SERIALIZABLE_REGISTRY) or "; is it of another version?"
        raise _UnfitError(f"there is no transform '{name}'{hint}")
    if any(node.get(key) for key in NEEDS):
        raise _UnfitError("the pipeline is for boxes or key points; save it without them")
    if "transforms" in node:
        if not isinstance(node["transforms"], list):
            raise _UnfitError(f"'{name}' holds no list of transforms; mend it there")
        for inner in node["transforms"]:
            _check(inner)
        if not node["transforms"]:
            raise _UnfitError(f"'{name}' holds no transform; leave it out")
        _built(package, name, node)
        return
    transform = _built(package, name, node)
    strange = set(transform.invalid_args) - set(transform.get_transform_init_args())
    if strange:
        raise _UnfitError(f"'{name}' takes no argument '{min(strange)}'; leave it out")
    if "BBox" in name or transform.targets_as_params:
        raise _UnfitError(f"'{name}' needs more than an image (boxes, masks, others); leave it out")


def _built(package: Any, name: str, node: dict[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return package.from_dict({"transform": {"p": 0.5, **node}})
    except Exception as error:
        lines = [line.partition("[")[0].strip() for line in str(error).splitlines()]
        reason = ": ".join(lines[1:3]) if len(lines) > 2 else "".join(lines[:1])
        raise _UnfitError(f"'{name}' cannot be made ({reason}); mend it there") from error


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
        _refuse("is not given; name the file that Albumentations saved: augment=FILE.yaml")
    check_text(pipeline)
    word, side = seen.form[:2]
    height = side if word != "original" else 2 * seen.size
    blank = torch.full((3, height, height if word == "square" else height * 4 // 3), 128)
    blank = blank.to(torch.uint8)
    try:
        draws = (streams.draw(Stream.PROBE, seed) for seed in range(PROBES))
        given = [_call(blank, draw, opened(pipeline)) for draw in draws]
    except DataError as error:
        raise SettingsError([Mistake("augment.pipeline", f"{error}; mend the file")]) from error
    _check_given(given)
    if given[0].is_floating_point():
        _check_normalised(pipeline, seen)
    return lambda image, draw: _seen(_call(image, draw, opened(pipeline)), seen)


def _of(steps: Sequence[Any], seen: InputSpec) -> Augment:
    pipeline = albumentations().Compose(list(steps))
    return lambda image, draw: _seen(_call(centre_crop(image, seen.size), draw, pipeline), seen)


def _seen(changed: torch.Tensor, seen: InputSpec) -> torch.Tensor:
    """What a pipeline gave, on the scale of pixels and of the size that the network sees."""
    if changed.shape[-2:] != (seen.size, seen.size):
        from torchvision.transforms.v2 import functional as kernels

        word, side = seen.evaluated_form[:2]
        sides = [side, side] if word == "square" else [side]
        changed = centre_crop(kernels.resize(changed, sides, antialias=True), seen.size)
    return to_pixels(changed, seen) if changed.is_floating_point() else changed


def _call(image: torch.Tensor, draw: np.random.Generator, pipeline: Any) -> torch.Tensor:
    """What the pipeline gives, (C, H, W). Raises DataError where it fails."""
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
