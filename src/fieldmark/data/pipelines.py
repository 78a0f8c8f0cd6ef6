"""A user's own pipeline of Albumentations, as `albumentations.save` writes it: read, checked.

Albumentations is an extra and is imported here alone, when it is needed.
"""

import importlib
import json
import os
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from fieldmark.errors import Mistake, SettingsError, nearest

ENDINGS = (".yaml", ".yml", ".json")
SERIES = "2."  # 2.0.8 is the last of its line
SAVE = "save one with albumentations.save(pipeline, 'FILE.yaml', data_format='yaml')"
NEEDS = ("bbox_params", "keypoint_params")


def is_pipeline_file(name: str) -> bool:
    """Whether the name of an augmentation is that of a file."""
    return Path(name).suffix.lower() in ENDINGS


def read_pipeline(path: Path) -> str:
    """The pipeline of a file, found to be right, as JSON text: an option of `albumentations`.

    It may use any transform that changes an image alone. Raises SettingsError for a file that
    cannot be read or is no pipeline, an unknown transform or argument, another version, and for
    what needs boxes, key points, masks or other images.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            return json.dumps(_checked(json.loads(text)))
        return json.dumps(_checked(yaml.safe_load(text)))
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
    except _UnfitError as error:
        what = str(error)
    except (ValueError, TypeError, yaml.YAMLError) as error:  # TypeError: a date, say
        kind = "JSON" if path.suffix.lower() == ".json" else "YAML"
        what = _unreadable(kind, error)
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
        what = "this needs Albumentations; install it: pip install 'fieldmark[albumentations]'"
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
    _check_leaf(name, _built(package, name, node))


def _built(package: Any, name: str, node: dict[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return package.from_dict({"transform": {"p": 0.5, **node}})
    except Exception as error:
        lines = [line.partition("[")[0].strip() for line in str(error).splitlines()]
        reason = ": ".join(lines[1:3]) if len(lines) > 2 else "".join(lines[:1])
        raise _UnfitError(f"'{name}' cannot be made ({reason}); mend it there") from error


def _check_leaf(name: str, transform: Any) -> None:
    strange = set(transform.invalid_args) - set(transform.get_transform_init_args())
    if strange:
        raise _UnfitError(f"'{name}' takes no argument '{min(strange)}'; leave it out")
    if "BBox" in name or transform.targets_as_params:
        raise _UnfitError(f"'{name}' needs more than an image (boxes, masks, others); leave it out")
