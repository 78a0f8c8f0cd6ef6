"""Hugging Face's `ImageFolder`: metadata.csv, .jsonl or .parquet with a `file_name` beside images.

https://huggingface.co/docs/datasets/image_dataset has the layout.
"""

from pathlib import Path

import polars as pl

from fieldmark.data.columns import USUAL, Columns, bare
from fieldmark.data.folders import Tree, join
from fieldmark.data.formats.brought import Brought, joined
from fieldmark.data.formats.json_rows import lines_of, table_of
from fieldmark.data.inside import content_at
from fieldmark.data.shards import reading_parquet
from fieldmark.data.split_words import split_of
from fieldmark.data.text_tables import Table, read_text_table
from fieldmark.errors import DataError, listed

FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
IMAGE, FOLDER = "file_name", "folder"


def metadata_in(tree: Tree) -> list[str]:
    """The paths of metadata files that name images: at the top, or in folders of splits below.

    Raises DataError for one that cannot be read.
    """
    folders = ["", *(name for name in tree.folders.get("", ()) if split_of(name))]
    found = []
    for folder in folders:
        names = set(tree.others.get(folder, ()))
        name = next((each for each in FILES if each in names), None)
        if name and IMAGE in _read(tree.root / folder / name).frame.columns:
            found.append(join(folder, name))
    return found


def read_metadata(tree: Tree) -> Brought:
    """The images that the metadata name. Labels are a usual column, else the images' folders.

    Raises DataError.
    """
    parts = []
    for path in metadata_in(tree):
        folder = path.rpartition("/")[0]
        parts.append((folder, split_of(folder) if folder else None, _read(tree.root / path)))
    table = joined(parts, IMAGE)
    _refuse_few(tree, table.frame[IMAGE])
    frame, notes = table.frame, [*table.notes, f"{tree.root}: Hugging Face's ImageFolder"]
    if "split" not in frame.columns:
        splits = [split_of((name or "").partition("/")[0]) for name in frame[IMAGE].to_list()]
        if "train" in splits and None not in splits:
            frame = frame.with_columns(pl.Series("split", splits))
    label = next(
        (c for wanted in USUAL["label"] for c in frame.columns if bare(c) == bare(wanted)), None
    )
    if label is None:
        folders = [(name or "").rpartition("/")[0].rpartition("/")[2] for name in frame[IMAGE]]
        if len(set(folders)) > 1 and not all(map(split_of, folders)):
            label = FOLDER
            frame = frame.with_columns(pl.Series(FOLDER, [each or None for each in folders]))
            notes.append(f"{tree.root}: the labels are the names of the images' folders")
    split = "split" if "split" in frame.columns else None
    columns = Columns(image=IMAGE, label=label, split=split)
    return Brought(Table(frame, table.places, table.left_out, tuple(notes)), columns, tree.root)


def _refuse_few(tree: Tree, names: pl.Series) -> None:
    """Raise DataError where most pictures lie in class folders and in no row of the metadata."""
    folders = [name for name in tree.inside("") if not split_of(name)]
    named, there = names.drop_nulls().n_unique(), sum(map(len, tree.pictures.values()))
    if len(folders) > 1 and 2 * named < there:
        table = tree.root / metadata_in(tree)[0]
        raise DataError(
            f"{table}: names {named:,} of the {there:,} pictures in {tree.root}; name the table "
            f"itself where these alone are meant, or write data.levels=class where the labels are "
            f"the folders {listed(folders, most=3)}"
        )


def _read(path: Path) -> Table:
    if path.suffix == ".jsonl":
        return table_of(path, lines_of(path))
    if path.suffix == ".parquet":
        with reading_parquet(path):
            frame = pl.read_parquet(content_at(path))
        return Table(frame, [f"{path}, row {row}" for row in range(len(frame))])
    return read_text_table(path)
