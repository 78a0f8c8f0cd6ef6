"""Hugging Face's folders: `ImageFolder`, and what `save_to_disk` of its datasets wrote.

An `ImageFolder` has metadata.csv, .jsonl or .parquet with a `file_name` beside images
(https://huggingface.co/docs/datasets/image_dataset). A saved data set has Arrow files, and JSON
that says which: state.json and dataset_info.json are read, and the Arrow files as tables, so that
nothing runs code.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.data.columns import USUAL, Columns, called
from fieldmark.data.folders import Tree, join, parent_of
from fieldmark.data.formats.brought import Brought, joined, read_json, read_parquet
from fieldmark.data.formats.json_rows import lines_of, table_of
from fieldmark.data.split_words import split_of
from fieldmark.data.text_tables import Table, read_text_table
from fieldmark.errors import DataError, listed

FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
IMAGE, FOLDER = "file_name", "folder"
SPLITS, STATE = "dataset_dict.json", "state.json"  # of a saved data set


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


def read_metadata(tree: Tree, files: list[str]) -> Brought:
    """The images that the metadata name. Labels are a usual column, else the images' folders.

    Raises DataError.
    """
    parts = [
        (parent_of(file), split_of(parent_of(file)), _read(tree.root / file)) for file in files
    ]
    table = joined(parts, IMAGE)
    _refuse_few(tree, files[0], table.frame[IMAGE])
    frame, notes = table.frame, [*table.notes, f"{tree.root}: Hugging Face's ImageFolder"]
    if "split" not in frame.columns:
        splits = [split_of((name or "").partition("/")[0]) for name in frame[IMAGE].to_list()]
        if "train" in splits and None not in splits:
            frame = frame.with_columns(pl.Series("split", splits))
    label = next(iter(called(frame.columns, USUAL["label"])), None)
    if label is None:
        folders = [(name or "").rpartition("/")[0].rpartition("/")[2] for name in frame[IMAGE]]
        if len(set(folders)) > 1 and not all(map(split_of, folders)):
            label = FOLDER
            frame = frame.with_columns(pl.Series(FOLDER, [each or None for each in folders]))
            notes.append(f"{tree.root}: the labels are the names of the images' folders")
    split = "split" if "split" in frame.columns else None
    columns = Columns(image=IMAGE, label=label, split=split)
    return Brought(replace(table, frame=frame, notes=tuple(notes)), columns, tree.root)


def _refuse_few(tree: Tree, first: str, names: pl.Series) -> None:
    """Raise DataError where most pictures lie in class folders and in no row of the metadata."""
    folders = [name for name in tree.inside("") if not split_of(name)]
    named, there = names.drop_nulls().n_unique(), sum(map(len, tree.pictures.values()))
    if len(folders) > 1 and 2 * named < there:
        raise DataError(
            f"{tree.root / first}: names {named:,} of the {there:,} pictures in {tree.root}; name "
            "the table itself where these alone are meant, or write data.levels=class where the "
            f"labels are the folders {listed(folders, most=3)}"
        )


def _read(path: Path) -> Table:
    if path.suffix == ".jsonl":
        return table_of(path, lines_of(path))
    return read_parquet(path) if path.suffix == ".parquet" else read_text_table(path)


def saved_files(tree: Tree) -> list[str]:
    """The Arrow files of a saved data set, or of each of its splits, as paths below the folder;
    [] where it is none. Raises DataError for one that cannot be read whole.
    """
    names = tree.others.get("", ())
    if SPLITS in names:
        splits = _value(tree.root / SPLITS, "splits")
        for split in splits:
            _refuse_outside(tree.root / SPLITS, split)
        return [file for split in splits for file in _files(tree.root, split)]
    is_one = STATE in names and any(name.endswith(".arrow") for name in names)
    return _files(tree.root, "") if is_one else []


def _files(root: Path, folder: str) -> list[str]:
    state = root / folder / STATE
    if not state.is_file():
        raise DataError(f"{state}: is not there, and a saved data set has it; copy it anew")
    if _get(read_json(state), "_indices_files") or _get(read_json(state), "_indices_data_files"):
        raise DataError(
            f"{state}: the data set is a choice of rows, kept apart from them; save it anew, in "
            "Python: dataset.flatten_indices().save_to_disk(FOLDER)"
        )
    names = [_get(each, "filename") for each in _value(state, "_data_files")]
    for name in names:
        _refuse_outside(state, name)
    return [join(folder, name) for name in names]


def _refuse_outside(path: Path, name: Any) -> None:
    """Raise DataError for what is no name of a file or folder beside a JSON file."""
    parts = name.replace("\\", "/").split("/") if isinstance(name, str) else [""]
    if not parts[0] or ".." in parts or ":" in parts[0]:
        raise DataError(
            f"{path}: names {name!r}, which is no file or folder beside it; copy the data set anew"
        )


def _value(path: Path, key: str) -> list[Any]:
    found = _get(read_json(path), key)
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: has no list '{key}', as a saved data set has; copy it anew")
    return found


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
