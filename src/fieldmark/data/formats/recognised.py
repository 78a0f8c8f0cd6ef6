"""Which format a file or folder is of: its keys, columns and members decide, not only its name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fieldmark.data.columns import Columns, Reading
from fieldmark.data.folders import TABLES, Tree
from fieldmark.data.formats import (
    camtrap_dp,
    coco,
    hugging_face,
    megadetector,
    roboflow,
    wildlife_insights,
)
from fieldmark.data.formats.brought import (
    BESIDE,
    Brought,
    is_list_of_objects,
    read_json,
    read_parquet,
)
from fieldmark.data.formats.excel import ENDINGS, read_sheet
from fieldmark.data.formats.json_rows import lines_of, table_of
from fieldmark.data.formats.name_patterns import read_names
from fieldmark.data.formats.path_lists import paths_in, read_paths
from fieldmark.data.inside import is_folder, names_in, tree_of
from fieldmark.data.text_tables import Table, read_text_table
from fieldmark.errors import DataError, listed

PARQUET = ".parquet"
JSON, LINES, LIST = ".json", ".jsonl", ".txt"
FILES = (*TABLES, *ENDINGS, JSON, LINES, LIST)  # that name images
SHOWN = (*TABLES, ENDINGS[0], JSON, LINES, LIST)
Reader = Callable[[str, Path | None], Brought]  # of data.task and the folder of images
KNOWN = "COCO's, Camtrap DP's, MegaDetector's, or a list of objects with a file name and a label"


def folder_of_format(tree: Tree) -> Path | None:
    """The folder of a known format that a folder or a zip is, or that alone is in it; None for
    class folders and others. Raises DataError for one that is known and cannot be read.
    """
    inside = tree.folders.get("", ())
    while _reader_of(tree) is None:
        if len(inside) != 1 or tree.pictures.get("") or tree.others.get(""):
            return None
        tree = tree_of(tree.root / inside[0])
        inside = tree.folders.get("", ())
    return tree.root


def _reader_of(tree: Tree) -> Reader | None:
    """What reads a folder of a known format; None for another. Raises DataError."""
    root = tree.root
    if camtrap_dp.is_package(root):
        return lambda task, _: camtrap_dp.read_package(root, task)
    if tables := wildlife_insights.tables_of_download(root):
        return lambda task, images: wildlife_insights.read_download(root, tables, task, images)
    if files := roboflow.split_files(tree, roboflow.TABLE):
        return lambda *_: roboflow.read_tables(root, files)
    if coco_files := roboflow.split_files(tree, roboflow.COCO):
        return lambda task, _: coco.read_coco_splits(root, coco_files, task)
    if metadata := hugging_face.metadata_in(tree):
        return lambda *_: hugging_face.read_metadata(tree, metadata)
    return None


def passed_over(tree: Tree) -> list[str]:
    """What to say of a file of a format in a folder that was read as class folders."""
    if not camtrap_dp.is_no_json(tree.root):
        return []
    return [f"{tree.root / camtrap_dp.PACKAGE} is no JSON, and is not used"]


def bring(path: Path, reading: Reading) -> Brought:
    """The table that a file is, or that a file or folder of a known format stands for.

    Raises DataError.
    """
    images = reading.images
    at = None if images is None or not is_folder(Path(images)) else Path(images)
    if found := _of_format(path, reading, at):
        return found
    ending = path.suffix.lower()
    if ending in ENDINGS:
        table = read_sheet(path)
    else:
        table = read_parquet(path) if ending == PARQUET else read_text_table(path)
    plain = Brought(table, Columns(), path.parent, BESIDE, plain=True)
    return _of_columns(path, table, reading.task, at) or plain


def _of_format(path: Path, reading: Reading, images: Path | None) -> Brought | None:
    """What a file or folder of a known format says; None for a plain table. Raises DataError."""
    ending, task = path.suffix.lower(), reading.task
    holds = is_folder(path)
    if reading.pattern is not None:
        if holds:
            return read_names(path, tree_of(path).below(""), reading.pattern)
        if ending == LIST:
            return read_names(path.parent, paths_in(path), reading.pattern)
        raise DataError(
            f"{path}: data.pattern is for folders, zips and lists of paths; take it away"
        )
    if holds:
        read = _reader_of(tree_of(path))
        return None if read is None else read(task, images)
    if ending == JSON:
        return _of_json(path, read_json(path), task)
    if ending == LINES:
        return _of_objects(path, lines_of(path))
    if ending == LIST:
        return read_paths(path)
    return None


def _of_columns(path: Path, table: Table, task: str, images: Path | None) -> Brought | None:
    """What a plain table says whose columns are those of a known format."""
    names = table.frame.columns
    if camtrap_dp.is_part(names) and "datapackage.json" in names_in(path.parent):
        return camtrap_dp.read_package(path.parent, task)
    if wildlife_insights.is_images(names):
        return wildlife_insights.read_download(path.parent, [path], task, images)
    return None


def _of_json(path: Path, value: Any, task: str) -> Brought:
    if coco.is_coco(value):
        return coco.read_coco(path, value, task)
    if megadetector.is_results(value):
        return megadetector.read_files(path, value)
    if isinstance(value, dict) and "resources" in value:
        return camtrap_dp.read_package(path.parent, task)
    if is_list_of_objects(value) and value:
        return _of_objects(path, value)
    raise DataError(f"{path}: is JSON of no known form ({_keys(value)}); known are {KNOWN}")


def _of_objects(path: Path, objects: list[dict[str, Any]]) -> Brought:
    """A table of objects, whose columns are found as those of any table are."""
    return Brought(table_of(path, objects), Columns(), path.parent, BESIDE)


def _keys(value: Any) -> str:
    if isinstance(value, dict):
        return f"its keys are {listed(list(value), most=5)}" if value else "it has no keys"
    what: Sequence[Any] = value if isinstance(value, list) else ()
    return f"a list of {len(what)}" if isinstance(value, list) else "neither keys nor a list"
