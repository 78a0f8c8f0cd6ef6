"""A list of paths, one a line; behind each maybe a label: "cat/1.jpg" or "cat/1.jpg 3"."""

import os
from pathlib import Path, PurePosixPath

import polars as pl

from fieldmark.data.columns import Columns
from fieldmark.data.formats.brought import Brought
from fieldmark.data.images import SUFFIXES
from fieldmark.data.inside import content_at
from fieldmark.data.text_tables import Table
from fieldmark.errors import DataError, counted

IMAGE, LABEL = "path", "label"


def read_paths(path: Path) -> Brought:
    """The images that a list names, by paths from its folder. Raises DataError."""
    try:
        text = content_at(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; save it so") from error
    return paths_of(str(path), text, path.parent)


def paths_in(path: Path) -> list[str]:
    """The paths of a list alone, as they stand in it. Raises DataError."""
    return names_of(str(path), content_at(path).decode("utf-8-sig", "replace"))


def names_of(where: str, text: str) -> list[str]:
    """The paths that lines name, as they stand there. Raises DataError where there is none."""
    return [name for name, _ in _parsed(where, text).values()]


def paths_of(where: str, text: str, root: Path) -> Brought:
    """The images that lines name. A label is what stands behind the path, in all lines; else it is
    the folder of each image. Raises DataError."""
    lines = _parsed(where, text)
    names, labels = (list(each) for each in zip(*lines.values(), strict=True))
    said = "the labels are what stands behind each path"
    if None in labels:
        labels = [PurePosixPath(name.replace("\\", "/")).parent.name or None for name in names]
        said = "the labels are the names of the images' folders"
    notes = [f"{where}: a list of {counted(len(names), 'path')}"]
    if any(labels):
        notes.append(f"{where}: {said}")
    root, names = _below(root, names)
    frame = pl.DataFrame({IMAGE: names, LABEL: labels}, {IMAGE: pl.String, LABEL: pl.String})
    table = Table(frame, [f"{where}, line {n}" for n in lines], {}, tuple(notes), separator="none")
    return Brought(table, Columns(image=IMAGE, label=LABEL), root)


def _parsed(where: str, text: str) -> dict[int, tuple[str, str | None]]:
    """Of each line that is no remark its path, and its label where all lines have one."""
    lines = {
        number: line.strip()
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    if not lines:
        raise DataError(f"{where}: is empty; it should name an image a line")
    cut = {number: _cut(line) for number, line in lines.items()}
    if all(label for _, label in cut.values()):
        return cut
    if not any(line.lower().endswith(SUFFIXES) for line in lines.values()):
        raise DataError(
            f"{where}: no line ends as a picture does ({', '.join(SUFFIXES)}); it should name "
            "an image a line"
        )
    return {number: (line, None) for number, line in lines.items()}


def _below(root: Path, names: list[str]) -> tuple[Path, list[str]]:
    """The folder that holds all images, and their paths from there: the list's own, or, where some
    lie outside of it, the one above all."""
    plain = [name.replace("\\", "/") for name in names]
    start = os.path.abspath(root)  # noqa: PTH100 - without following links
    whole = [os.path.normpath(os.path.join(start, name)) for name in plain]  # noqa: PTH118
    if all(each.startswith(start.rstrip("/") + "/") for each in whole):
        return root, plain
    above = os.path.commonpath([os.path.dirname(each) for each in whole])  # noqa: PTH120
    return Path(above), [os.path.relpath(each, above) for each in whole]


def _cut(line: str) -> tuple[str, str | None]:
    """The path and what stands behind it; a path ends as a picture does, and may hold blanks."""
    lower = line.lower()
    if lower.endswith(SUFFIXES):
        return line, None
    ends = [
        at + len(suffix)
        for suffix in SUFFIXES
        for mark in (" ", "\t", ",")
        if (at := lower.rfind(suffix + mark)) >= 0
    ]
    if not ends:
        return line, None
    end = max(ends)
    return line[:end], line[end:].strip(" \t,") or None
