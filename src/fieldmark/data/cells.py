"""What the cells of a table mean: labels, one or several in a cell; splits; texts."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from fieldmark.data.columns import Columns, is_plural
from fieldmark.data.listing import split_of
from fieldmark.errors import DataError

JOINED_BY = {"|": "vertical bars", ";": "semicolons", ",": "commas", " ": "spaces"}


def sample_columns(
    frame: pl.DataFrame, found: Columns, where: str, *, count: int
) -> tuple[dict[str, Any], list[str]]:
    """labels, group, caption and split of a Samples table, from the columns that were found.

    And what is to be said of how they were read. A column that was taken for the splits by its
    name, and holds other words, is none. Raises DataError.
    """
    columns: dict[str, Any] = {}
    labels, notes = [list[str]() for _ in range(count)], list[str]()
    if found.label is not None:
        labels, notes = labels_in(frame[found.label], where)
    columns["labels"] = pl.Series(labels, dtype=pl.List(pl.String))
    for role, name in (("group", found.group), ("caption", found.caption)):
        if name is not None:
            columns[role] = texts_in(frame[name], where)
    splits = splits_in(frame[found.split]) if found.split is not None else None
    if splits is not None:
        columns["split"] = splits
    return columns, notes


def labels_in(column: pl.Series, where: str) -> tuple[list[list[str]], list[str]]:
    """Each cell's labels, and what is to be said of how they were read. Raises DataError.

    A cell of a list column is several labels, and so may be a text in a column whose name is a
    plural ("labels"): divided by |, ; or commas, whichever is there, else by spaces. Spaces
    divide only where that gives numbers, or fewer different words than there are different
    cells: "traffic light" and "fire truck" are two labels and not four.
    """
    if isinstance(column.dtype, pl.List | pl.Array):
        _refuse_nested(column.name, column.dtype.inner, where)
        lists = column.cast(pl.List(pl.String)).to_list()
        return [_unique(labels or ()) for labels in lists], []
    cells = texts_in(column, where)
    plural = is_plural(column.name) and column.dtype == pl.String
    if not plural:
        notes = []
        joined = next((cell for cell in cells if cell and set("|;") & set(cell)), None)
        if joined:
            notes.append(
                f"{where}: '{joined}' in '{column.name}' is one label; if it is several, name the "
                "column 'labels'"
            )
        return [[cell] if cell else [] for cell in cells], notes
    mark = _joined_by([cell for cell in cells if cell])
    if mark is None:
        return [[cell] if cell else [] for cell in cells], []
    note = f"{where}: the labels in a cell of '{column.name}' are divided by {JOINED_BY[mark]}"
    return [_divided(cell or "", mark) for cell in cells], [note]


def splits_in(column: pl.Series) -> list[str | None] | None:
    """Each cell's split; None where a cell is no split, so that the column means another thing."""
    if not isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
        return None
    cells = texts_in(column, "")
    splits = [split_of(cell) for cell in cells]
    wrong = any(cell and not split for cell, split in zip(cells, splits, strict=True))
    return None if wrong or not any(splits) else splits


def texts_in(column: pl.Series, where: str) -> list[str | None]:
    """Each cell as text; whole numbers without a point. Empty ones are None. Raises DataError."""
    _refuse_nested(column.name, column.dtype, where)
    if column.dtype.is_float() and (column.drop_nulls().drop_nans() % 1 == 0).all():
        column = column.fill_nan(None).cast(pl.Int64)
    return [cell if cell and cell.strip() else None for cell in column.cast(pl.String).to_list()]


def _refuse_nested(name: str, kind: object, where: str) -> None:
    if isinstance(kind, pl.Struct | pl.List | pl.Array | pl.Binary | pl.Object):
        raise DataError(
            f"{where}: the column '{name}' holds {kind}; it should hold texts or numbers"
        )


def _joined_by(cells: Sequence[str]) -> str | None:
    for mark in "|;,":
        if any(mark in cell for cell in cells):
            return mark
    words = {word for cell in cells for word in cell.split()}
    if not any(len(cell.split()) > 1 for cell in cells):
        return None
    divides = all(word.isdigit() for word in words) or len(words) < len(set(cells))
    return " " if divides else None


def _divided(cell: str, mark: str) -> list[str]:
    """A cell's labels; a list that a program wrote, "['cat', 'dog']", loses its brackets."""
    cell = cell.strip()
    listed = cell.startswith("[") and cell.endswith("]")
    parts = cell[1:-1].split(mark) if listed else cell.split(mark)
    trimmed = [part.strip(" '\"") if listed else part.strip() for part in parts]
    return _unique(trimmed)


def _unique(labels: Sequence[str | None]) -> list[str]:
    return list(dict.fromkeys(label for label in labels if label))
