"""Roboflow's exports of several labels an image: _classes.csv in train, valid and test.

Its exports of one label an image are class folders, and those of boxes in COCO's form have
_annotations.coco.json in each.
"""

from dataclasses import replace
from pathlib import Path

import polars as pl

from fieldmark.data.columns import Columns
from fieldmark.data.folders import Tree, parent_of
from fieldmark.data.formats.brought import Brought, joined
from fieldmark.data.split_words import split_of
from fieldmark.data.text_tables import read_text_table

TABLE, COCO = "_classes.csv", "_annotations.coco.json"
PHOTO, MADE = "photo", ".rf."  # what stands between a photo's name and its augmented copy's


def split_files(tree: Tree, name: str) -> dict[str, str]:
    """The files of that name in folders of splits, {split: path}; {} where there is no train."""
    found = {
        str(split_of(folder)): f"{folder}/{name}"
        for folder in tree.folders.get("", ())
        if split_of(folder) and name in tree.others.get(folder, ())
    }
    return found if "train" in found else {}


def read_tables(root: Path, files: dict[str, str]) -> Brought:
    """The images of the tables, each with the labels whose column is 1. Raises DataError.

    Copies that Roboflow augmented bear the name of their photo, which is their group.
    """
    parts = [(parent_of(file), side, read_text_table(root / file)) for side, file in files.items()]
    image = parts[-1][2].frame.columns[0]
    table = joined(parts, image)
    names = table.frame[image].to_list()
    photos = pl.Series(PHOTO, [_photo(name) for name in names])
    copies = any(MADE in (name or "") for name in names) and photos.n_unique() < len(photos)
    columns = Columns(image=image, split="split", group=PHOTO if copies else None)
    frame = table.frame.with_columns(photos) if copies else table.frame
    notes = [*table.notes, f"{root}: Roboflow's export of several labels an image"]
    if copies:
        notes.append(
            f"{root}: {len(photos):,} images are copies, augmented by Roboflow, of "
            f"{photos.n_unique():,} photos, which are the groups"
        )
    return Brought(replace(table, frame=frame, notes=tuple(notes)), columns, root)


def _photo(name: str | None) -> str:
    return (name or "").rpartition("/")[2].partition(MADE)[0]
