"""What classes are called that a Parquet or an Arrow file has as numbers."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.data.packs import ARROW
from fieldmark.errors import DataError
from fieldmark.names import written

LABELS, SAVED = "labels.json", "dataset_info.json"  # the second beside Arrow files


def names_in_schema(path: Path) -> dict[str, list[str]]:
    """The names of classes in order, for each column that has some (Hugging Face's ClassLabel)."""
    try:
        if path.suffix == ARROW:
            info = json.loads((path.parent / SAVED).read_text(encoding="utf-8"))
        else:
            info = json.loads(pl.read_parquet_metadata(path).get("huggingface", "{}"))["info"]
        features = dict(info["features"])
    except (OSError, json.JSONDecodeError, KeyError, TypeError, ValueError):
        return {}
    found = {column: _names(feature) for column, feature in features.items()}
    return {column: names for column, names in found.items() if names}


def names_beside(path: Path, root: Path) -> list[str] | None:
    """The names in labels.json beside a file or at the root; None where there is none.

    It is a list, or {name: number}, or {number: name}. Raises DataError.
    """
    for place in (path.parent / LABELS, root / LABELS):
        if not place.is_file():
            continue
        try:
            return _in_order(json.loads(place.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f'{place}: should hold the names of the classes in order: ["cat", "dog"]'
            ) from error
    return None


def named(labels: list[str], names: list[str] | None) -> list[str]:
    """Numbers as the names of their classes; one that can have none, such as -1, is no label."""
    numbers = [int(label) for label in labels]
    if names is None:
        return [str(number) for number in numbers if number >= 0]
    return [names[number] for number in numbers if 0 <= number < len(names)]


def _names(feature: Any) -> list[str]:
    """The names of a ClassLabel, or of a list of such."""
    if isinstance(feature, list):
        return _names(feature[0]) if feature else []
    if not isinstance(feature, dict):
        return []
    names = feature.get("names")
    if isinstance(names, list):
        return [written(str(name)) for name in names]
    return _names(feature.get("feature"))


def _in_order(found: Any) -> list[str]:
    if isinstance(found, list):
        return [written(str(name)) for name in found]
    if all(str(key).isdigit() for key in found):
        by_number = {int(key): written(str(name)) for key, name in found.items()}
    else:
        by_number = {int(number): written(str(name)) for name, number in found.items()}
    return [by_number[number] for number in range(len(by_number))]
