"""Labels in the names of files, by a pattern: '{label}_{}.jpg', '{group}/{label}/{}'."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import polars as pl

from fieldmark.data.columns import Columns
from fieldmark.data.formats.brought import Brought
from fieldmark.data.images import SUFFIXES
from fieldmark.data.text_tables import Table
from fieldmark.errors import DataError, counted

IMAGE = "path"
FIELD = re.compile(r"\{(\w*)\}")
ROLES = ("label", "group", "split")


def read_names(root: Path, paths: Iterable[str], pattern: str) -> Brought:
    """The images whose paths below `root` fit the pattern, each part of it a column.

    One whose path does not fit is left out. Raises DataError where none fits.
    """
    expression, names = compiled(pattern), fields(pattern)
    whole = pattern.lower().endswith(SUFFIXES)
    depth = pattern.count("/") + 1
    rows: list[dict[str, str]] = []
    left_out, first = {}, ""
    for path in paths:
        first = first or path
        tail = "/".join(path.split("/")[-depth:])
        found = expression.fullmatch(tail if whole else str(PurePosixPath(tail).with_suffix("")))
        if found is None:
            why = f"its path does not fit data.pattern={pattern}; rename it, or take it out"
            left_out[path] = f"{root}/{path}: {why}"
        else:
            rows.append({IMAGE: path, **{name: found[name].strip() for name in names}})
    if not rows:
        example = f", '{first}' for one" if first else ""
        raise DataError(
            f"{root}: none of its {len(left_out)} pictures fits data.pattern={pattern}{example}; "
            "braces stand for what differs: '{label}_{}.jpg', '{group}/{label}/{}.jpg'"
        )
    frame = pl.DataFrame(rows, dict.fromkeys((IMAGE, *names), pl.String))
    labels = frame["label"].n_unique()
    notes = [
        f"{root}: the labels are read from the names, by data.pattern={pattern}: "
        f"'{rows[0][IMAGE]}' is '{rows[0]['label']}' ({counted(labels, 'label')} in all)"
    ]
    places = [f"{root}/{path}" for path in frame[IMAGE]]
    table = Table(frame, places, left_out, tuple(notes), separator="none")
    roles = {role: role for role in ROLES if role in names}
    return Brought(table, Columns(image=IMAGE, **roles), root)


def fields(pattern: str) -> list[str]:
    """The names in braces, in order."""
    return [name for name in FIELD.findall(pattern) if name]


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as an expression for the end of a path.

    A name takes as much as it can, {} as little: of '{label}_{}' and 'red_fox_12' the label is
    'red_fox'. {} right behind a name is a number: '{label}{}' and 'fox12'.
    """
    parts, end, after_name = [], 0, False
    for found in FIELD.finditer(pattern):
        text = pattern[end : found.start()]
        parts.append(re.escape(text))
        touches = after_name and not text
        if found[1]:
            is_number_next = pattern.startswith("{}", found.end())
            parts.append(f"(?P<{found[1]}>[^/]+{'?' if is_number_next else ''})")
        else:
            parts.append(r"\d+" if touches else "[^/]*?")
        after_name, end = bool(found[1]), found.end()
    return re.compile("".join([*parts, re.escape(pattern[end:])]), re.IGNORECASE)
