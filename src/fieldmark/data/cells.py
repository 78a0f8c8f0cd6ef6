"""What the cells of a table mean: labels, one or several in a cell; splits; texts."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from fieldmark.data.columns import Columns, is_plural, split_asked
from fieldmark.data.listing import split_of
from fieldmark.errors import DataError

LABELS = pl.List(pl.String)
PLAIN = ("split", "partition")  # names of columns that can mean nothing else
YES = dict.fromkeys(("true", "yes", "1", "t", "y"), "yes")
YES |= dict.fromkeys(("false", "no", "0", "f", "n"), "no")
JOINED_BY = {"|": "vertical bars", ";": "semicolons", ",": "commas", " ": "spaces"}


def sample_columns(
    frame: pl.DataFrame,
    found: Columns,
    where: str,
    place: Callable[[int], str],
    *,
    count: int,
    named_split: bool,
) -> tuple[dict[str, Any], list[str]]:
    """labels, group, caption and split of a Samples table, from the columns that were found.

    And what is to be said of how they were read. place: from a row to how it is called.
    named_split: whether the settings name the column of splits. Raises DataError.
    """
    columns: dict[str, Any] = {}
    columns["labels"], notes = _one_each([None] * count), list[str]()
    if found.label is not None:
        columns["labels"], notes = labels_in(frame[found.label], where)
    for role, name in (("group", found.group), ("caption", found.caption)):
        if name is not None:
            columns[role] = texts_in(frame[name], where)
    if found.split is not None:
        column = frame[found.split]
        others = [name for name in frame.columns if split_asked(name) and name != found.split]
        if others and split_asked(found.split):
            raise DataError(
                f"{where}: '{found.split}' and '{others[0]}' both give splits; make one column "
                "'split' of them, of train, val and test"
            )
        splits, said = splits_in(column, where, place, is_named=named_split)
        columns |= {} if splits is None else {"split": splits}
        notes += said
    return columns, notes


def labels_in(column: pl.Series, where: str) -> tuple[pl.Series, list[str]]:
    """Each cell's labels, lists of texts, and what is to be said of how they were read.

    Raises DataError.

    A cell of a list column is several labels, and so may be a text in a column whose name is a
    plural ("labels"): divided by |, ; or commas, whichever is there, else by spaces. Spaces
    divide only where that gives numbers, or fewer different words than there are different
    cells: "traffic light" and "fire truck" are two labels and not four.
    """
    if isinstance(column.dtype, pl.List | pl.Array):
        _refuse_nested(column.name, column.dtype.inner, where)
        lists = column.cast(pl.List(pl.String)).to_list()
        return pl.Series([_unique(labels or ()) for labels in lists], dtype=LABELS), []
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
        return _one_each(cells), notes
    mark = _joined_by([cell for cell in cells if cell])
    if mark is None:
        return _one_each(cells), []
    note = f"{where}: the labels in a cell of '{column.name}' are divided by {JOINED_BY[mark]}"
    return pl.Series([_divided(cell or "", mark) for cell in cells], dtype=LABELS), [note]


def splits_in(
    column: pl.Series, where: str, place: Callable[[int], str], *, is_named: bool
) -> tuple[list[str | None] | None, list[str]]:
    """Each cell's split, and what is to be said. Raises DataError for a word that is none.

    A column that was taken for the splits by a name such as `fold`, and has no split in any cell,
    means another thing: then there are no splits, and it is said why. place: from a row to how it
    is called. is_named: whether the settings name the column.
    """
    asked = split_asked(column.name)
    cells = texts_in(column, where)
    if asked:
        splits = [YES.get(cell.strip().casefold(), "") if cell else None for cell in cells]
        splits = [{"yes": asked, "no": "train"}.get(each, each) for each in splits]
    else:
        splits = [(split_of(cell) or "") if cell else None for cell in cells]
    wrong = next((row for row, split in enumerate(splits) if split == ""), None)
    if not is_named and not any(splits) and not asked and column.name.casefold() not in PLAIN:
        if wrong is None:
            return None, []
        said = f"is not used as a split, because of '{cells[wrong]}' in {place(wrong)}"
        return None, [f"{where}: the column '{column.name}' {said}"]
    if wrong is not None:
        words = "true or false" if asked else "train, val or test"
        other = "" if is_named else ", or rename the column where it means another thing"
        raise DataError(
            f"{place(wrong)}: '{cells[wrong]}' in '{column.name}' is no split; write {words}{other}"
        )
    if is_named and not any(splits):
        raise DataError(f"{where}: the column '{column.name}' is empty; fill in train, val or test")
    return splits if any(splits) else None, []


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


def _one_each(cells: Sequence[str | None]) -> pl.Series:
    """A list of one label for each cell, empty where there is none. Not from Python's lists:
    polars takes 50 times as long to read a million of them."""
    one = pl.col("cell")
    none = pl.lit([], dtype=LABELS)
    frame = pl.DataFrame({"cell": cells}, {"cell": pl.String})
    return frame.select(pl.when(one.is_null()).then(none).otherwise(pl.concat_list(one)))["literal"]


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
