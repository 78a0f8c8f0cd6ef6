"""A list of paths, one a line; behind each maybe a label: "cat/1.jpg" or "cat/1.jpg 3"."""

from pathlib import Path, PurePosixPath

import polars as pl

from fieldmark.data.cells import Columns
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


def paths_of(where: str, text: str, root: Path) -> Brought:
    """The images that lines name. A label is what stands behind the path, in all lines; else it is
    the folder of each image. Raises DataError."""
    lines = {
        number: line.strip()
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    if not lines:
        raise DataError(f"{where}: is empty; it should name an image a line")
    cut = [_cut(line) for line in lines.values()]
    if all(label for _, label in cut):
        names = [name for name, _ in cut]
        labels: list[str | None] = [label for _, label in cut]
        said = "the labels are what stands behind each path"
    else:
        names = list(lines.values())
        if not any(name.lower().endswith(SUFFIXES) for name in names):
            raise DataError(
                f"{where}: no line ends as a picture does ({', '.join(SUFFIXES)}); it should name "
                "an image a line"
            )
        labels = [PurePosixPath(name.replace("\\", "/")).parent.name or None for name in names]
        said = "the labels are the names of the images' folders"
    notes = [f"{where}: a list of {counted(len(names), 'path')}"]
    if any(labels):
        notes.append(f"{where}: {said}")
    frame = pl.DataFrame({IMAGE: names, LABEL: labels}, {IMAGE: pl.String, LABEL: pl.String})
    table = Table(frame, [f"{where}, line {n}" for n in lines], {}, tuple(notes), separator="none")
    return Brought(table, Columns(image=IMAGE, label=LABEL), root)


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
