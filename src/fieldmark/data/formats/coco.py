"""COCO's JSON of images, annotations and categories, and what camera traps add to it.

COCO Camera Traps (LILA, iWildCam; "COCO Camera Traps" in megadetector/data_management/README.md):
images have `location`, `seq_id`, `frame_num`, `datetime` and `corrupt`, categories have 0 for
empty, annotations may have no box and may be of a whole sequence.
"""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.data.columns import Columns
from fieldmark.data.formats.brought import (
    BESIDE,
    LABELS,
    Brought,
    empty_notes,
    is_list_of_objects,
    joined,
    labels_once,
    read_json,
    texts,
    with_group,
    with_labels,
)
from fieldmark.data.text_tables import Table
from fieldmark.errors import DataError, counted, listed

WHAT = "COCO Camera Traps"
IMAGE = "file_name"
OWN = ("location", "seq_id", "frame_num", "seq_num_frames", "datetime", "sub_location")
GROUPS = ("location", "seq_id")
EMPTY = ("empty", "blank")


def is_coco(value: Any) -> bool:
    """Whether a JSON's keys are those of COCO; a test's may have no annotations."""
    return isinstance(value, dict) and {"images", "categories"} <= set(value)


def read_coco(path: Path, value: Any, task: str) -> Brought:
    """The images of a COCO file; location or sequence is the group. Raises DataError."""
    table, labels = coco_table(path, {"annotations": [], **value})
    made = brought(with_labels(table, labels, task), path.parent)
    if value.get("annotations"):
        return made
    why = f"{path}: has no annotations, so its images have no labels; name the file that has them"
    return replace(made, unlabelled=why)


def read_coco_splits(root: Path, files: dict[str, str], task: str) -> Brought:
    """The images of a COCO file in each split's folder, as Roboflow exports: {split: path}."""
    parts, labels = [], []
    for split, file in files.items():
        table, its = coco_table(root / file, read_json(root / file))
        parts.append((file.rpartition("/")[0], split, table))
        labels += its
    made = brought(with_labels(joined(parts, IMAGE), labels, task), root)
    return replace(made, columns=replace(made.columns, split="split"))


def brought(table: Table, root: Path) -> Brought:
    """The table with its columns, and its group."""
    return with_group(
        Brought(table, Columns(image=IMAGE, label=LABELS), root, BESIDE), WHAT, GROUPS
    )


def coco_table(path: Path, value: Any) -> tuple[Table, list[list[str]]]:
    """A row an image, and the labels of each: the names of its annotations' categories.

    Raises DataError where a part has not the keys that COCO wants.
    """
    images = _objects(path, value, "images", ("id", IMAGE))
    annotations = _objects(path, value, "annotations", ("image_id", "category_id"))
    names = {
        str(each["id"]): str(each["name"])
        for each in _objects(path, value, "categories", ("id", "name"))
    }
    _refuse_unknown(path, images, annotations, names)
    found: dict[str, list[str]] = defaultdict(list)
    for each in annotations:
        found[str(each["image_id"])].append(names[str(each["category_id"])])
    kept = [each for each in images if not each.get("corrupt")]
    empty = [name for name in names.values() if name.casefold() in EMPTY]
    labels = [labels_once(found[str(each["id"])], empty) for each in kept]
    places = [f"{path}, image {each['id']}" for each in kept]
    left_out = {
        f"{path}, image {each['id']}": f"{path}, image {each['id']}: the file says that it is "
        "corrupt"
        for each in images
        if each.get("corrupt")
    }
    columns = [texts([each[IMAGE] for each in kept], IMAGE)]
    columns += [
        texts([each.get(name) for each in kept], name)
        for name in OWN
        if any(each.get(name) is not None for each in kept)
    ]
    notes = _notes(path, labels, annotations, names)
    return Table(pl.DataFrame(columns), places, left_out, tuple(notes)), labels


def _objects(path: Path, value: Any, part: str, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """One of the three lists, each with the keys that it must have: texts or numbers.

    Raises DataError.
    """
    found = value[part]
    if not is_list_of_objects(found):
        raise DataError(f"{path}: '{part}' is no list of objects, as COCO has it; export it anew")
    for number, each in enumerate(found):
        for key in keys:
            if not isinstance(each.get(key), str | int | float):
                raise DataError(f"{path}: '{part}', number {number} from 0, has no '{key}'; add it")
    if part != "annotations" and not found:
        raise DataError(f"{path}: '{part}' is empty; export it anew")
    return list(found)


def _refuse_unknown(
    path: Path,
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    names: dict[str, str],
) -> None:
    """Raise DataError for an annotation of an image or a category that the file does not have, and
    for two images of one id."""
    known = {str(each["id"]) for each in images}
    if len(known) < len(images):
        [(twice, _)] = Counter(str(each["id"]) for each in images).most_common(1)
        raise DataError(f"{path}: two images have the id {twice!r}; give each its own")
    for each in annotations:
        if str(each["image_id"]) not in known:
            raise DataError(
                f"{path}: an annotation is of image {each['image_id']!r}, which 'images' does not "
                "have; is the file a part of another? Export it anew"
            )
        if str(each["category_id"]) not in names:
            raise DataError(
                f"{path}: an annotation is of category {each['category_id']!r}, which 'categories' "
                f"does not have ({listed(names.values())}); add it"
            )


def _notes(
    path: Path,
    labels: list[list[str]],
    annotations: list[dict[str, Any]],
    names: dict[str, str],
) -> list[str]:
    boxes = Counter(each["image_id"] for each in annotations if each.get("bbox"))
    notes = [f"{path}: COCO's JSON; the labels are the categories of each image's annotations"]
    if any(number > 1 for number in boxes.values()):
        notes.append(
            f"{path}: {counted(sum(boxes.values()), 'box')} in {counted(len(boxes), 'image')}; "
            "boxes are not used, and each image has the categories of all its boxes, once each"
        )
    used = {label for its in labels for label in its}
    for empty in sorted(label for label in used if label.casefold() in EMPTY)[:1]:
        notes += empty_notes(path, labels, empty)
    whole = sum(bool(each.get("sequence_level_annotation")) for each in annotations)
    if whole:
        notes.append(
            f"{path}: labels of a whole sequence in {counted(whole, 'annotation')} of "
            f"{len(annotations):,}, so that some images may not show what they are labelled"
        )
    if unused := sorted(set(names.values()) - used):
        notes.append(f"{path}: no image has {listed(unused, most=5)}, so there is no such class")
    return notes
