"""MegaDetector's results: boxes of animals, persons and vehicles in pictures, and no species.

Version 1.6 of the format of lila.science/megadetector-output-format, and the other one that
Microsoft's own MegaDetector writes (microsoft.github.io/MegaDetector/output_format).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.data.boxes import Box
from fieldmark.data.columns import Columns
from fieldmark.data.formats.brought import Brought, is_list_of_objects, read_json
from fieldmark.data.text_tables import Table
from fieldmark.errors import DataError, nearest_path

IMAGE, ANIMAL = "file", "animal"
THRESHOLD = 0.2  # MegaDetector 5's own, where the file tells none


@dataclass(frozen=True)
class Boxes:
    """threshold: what the detector's makers take as usual. of: boxes with their confidence of each
    picture, by its path as the file has it; None where the detector could not read it."""

    path: Path
    threshold: float
    of: dict[str, list[tuple[float, Box]] | None]
    notes: tuple[str, ...] = ()


def is_results(value: Any) -> bool:
    """Whether a JSON is one of the two forms."""
    if isinstance(value, dict):
        return {"images", "detection_categories"} <= set(value)
    return _is_microsofts(value)


def read_files(path: Path, value: Any) -> Brought:
    """The pictures of a results file, without labels. Raises DataError."""
    names = list(_boxes(path, value).of)
    frame = pl.DataFrame({IMAGE: names}, {IMAGE: pl.String})
    note = (
        f"{path}: is MegaDetector's results, which say where animals are and not which; for "
        f"training name the labelled images as DATA, and this file as --crops {path}"
    )
    table = Table(frame, [f"{path}, image {number}" for number in range(len(names))], {}, (note,))
    return Brought(table, Columns(image=IMAGE), path.parent, unlabelled=note)


def read_boxes(path: Path) -> Boxes:
    """The boxes of a results file. Raises DataError for one that is none."""
    if not path.is_file():
        hint = nearest_path(path, Path.is_file) or "; name MegaDetector's results"
        raise DataError(f"--crops {path}: there is no such file{hint}")
    value = read_json(path)
    if not is_results(value):
        raise DataError(
            f"--crops {path}: is no file of MegaDetector's results (keys 'images' and "
            "'detection_categories'); name one"
        )
    return _boxes(path, value)


def _boxes(path: Path, value: Any) -> Boxes:
    try:
        return (
            _of_microsofts(path, value) if isinstance(value, list) else _of_version_1(path, value)
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: begins as MegaDetector's results and has a part that is none "
            f"({type(error).__name__}: {error}); write it anew"
        ) from error


def _of_version_1(path: Path, value: dict[str, Any]) -> Boxes:
    """Boxes are left, top, width, height in shares of the picture."""
    categories = {str(key): str(name) for key, name in value["detection_categories"].items()}
    wanted = {key for key, name in categories.items() if name.casefold() == ANIMAL}
    notes = _others(path, categories, wanted)
    found: dict[str, list[tuple[float, Box]] | None] = {}
    for each in value["images"]:
        detections = each.get("detections")
        found[_plain(each["file"])] = (
            None
            if detections is None
            else [
                (float(one["conf"]), _box(one["bbox"]))
                for one in detections
                if not wanted or str(one["category"]) in wanted
            ]
        )
    about = (value.get("info") or {}).get("detector_metadata") or {}
    threshold = float(about.get("typical_detection_threshold", THRESHOLD))
    return Boxes(path, threshold, found, notes)


def _of_microsofts(path: Path, value: list[dict[str, Any]]) -> Boxes:
    """Boxes are left, top, right, bottom in pixels, and categories are names."""
    names = {str(one["category"]) for each in value for one in each["detections"] or ()}
    wanted = {name for name in names if name.casefold() == ANIMAL}
    found: dict[str, list[tuple[float, Box]] | None] = {}
    for each in value:
        boxes = []
        for one in each["detections"] or ():
            left, top, right, bottom = map(float, one["bbox"])
            if not wanted or str(one["category"]) in wanted:
                box = Box(left, top, right - left, bottom - top, pixels=True)
                boxes.append((float(one["confidence"]), box))
        found[_plain(each["file"])] = boxes
    notes = (f"{path}: Microsoft's form of MegaDetector's results: boxes in pixels",)
    return Boxes(path, THRESHOLD, found, notes + _others(path, {n: n for n in names}, wanted))


def _box(numbers: Any) -> Box:
    left, top, width, height = map(float, numbers)
    return Box(left, top, width, height)


def _others(path: Path, categories: dict[str, str], wanted: set[str]) -> tuple[str, ...]:
    """That boxes of persons and vehicles are not cut out."""
    rest = sorted(name for key, name in categories.items() if key not in wanted and key != "0")
    if not wanted or not rest:
        return ()
    return (f"{path}: boxes of '{ANIMAL}' are cut out, and not those of {' and '.join(rest)}",)


def _is_microsofts(value: Any) -> bool:
    if not (is_list_of_objects(value) and value):
        return False
    return all({"file", "detections"} <= set(each) for each in value)


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")
