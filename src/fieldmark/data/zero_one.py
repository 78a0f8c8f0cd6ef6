"""Columns of 0 and 1, of which each is a label."""

from collections.abc import Sequence

import polars as pl

from fieldmark.data.label_cells import LabelCells
from fieldmark.errors import listed
from fieldmark.names import written

YES, NO = ("1", "1.0", "true"), ("0", "0.0", "false")


def zero_one_columns(frame: pl.DataFrame, among: Sequence[str]) -> list[str]:
    """The columns of 0 and 1, or of true and false, and of empty cells."""
    return [name for name in among if _is_zero_one(frame[name])]


def labels_of_columns(frame: pl.DataFrame, names: Sequence[str], where: str) -> LabelCells:
    """Each row's labels: the names of the columns that have a 1. An empty cell is 0."""
    has = [_ones(frame[name]) for name in names]
    parts = [
        pl.when(ones).then(pl.lit(written(name))) for ones, name in zip(has, names, strict=True)
    ]
    labels = frame.select(pl.concat_list(parts).list.drop_nulls().alias("labels")).to_series()
    several = f"each of {len(names)} columns of 0 and 1 is a label ({listed(names)})"
    alone = f"the column {listed(names)} of 0 and 1 is a label"
    notes = [f"{where}: {several if len(names) > 1 else alone}"]
    empty = sum(frame[name].null_count() for name in names)
    if empty:
        cells = "1 empty cell is 0" if empty == 1 else f"{empty:,} empty cells are 0"
        notes.append(f"{where}: in the columns of 0 and 1, {cells}")
    never = [name for ones, name in zip(has, names, strict=True) if not ones.any()]
    if never:
        notes.append(f"{where}: no row has {listed(never)}, so there is no such class")
    return LabelCells(labels, notes, several=True)


def _is_zero_one(column: pl.Series) -> bool:
    if column.dtype == pl.Boolean:
        return True
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        return False
    cells = column.drop_nulls().unique()
    return len(cells) > 0 and set(_words(cells)) <= {*YES, *NO}


def _ones(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Boolean:
        return column.fill_null(value=False)
    known = column.unique()
    ones = [cell for cell, word in zip(known, _words(known), strict=True) if word in YES]
    return column.is_in(ones).fill_null(value=False)


def _words(cells: pl.Series) -> list[str]:
    return [(cell or "").strip().casefold() for cell in cells.cast(pl.String).to_list()]
