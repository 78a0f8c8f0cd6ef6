"""What the cells of a table mean: labels, in one column or several, groups, captions, splits."""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from typing import Any

import polars as pl

from fieldmark.data.columns import (
    ALSO,
    CLASSES,
    IMAGES,
    USUAL,
    Columns,
    Reading,
    called,
    cells_of,
    named,
)
from fieldmark.data.label_cells import LABELS, LabelCells, labels_in, plain, texts_in
from fieldmark.data.likely_columns import ones_of, zero_one_columns
from fieldmark.data.split_columns import SPLIT_NAMES, YES_OR_NO, sides_of_rows
from fieldmark.errors import DataError, listed
from fieldmark.names import written
from fieldmark.records import SAMPLE_COLUMNS, Samples
from fieldmark.task import SEVERAL_LABELS

GENUS, EPITHET = re.compile(r"\s*[A-Z][a-z-]+\s*"), re.compile(r"\s*[a-z][a-z.-]+\s*")


def _own_columns(frame: pl.DataFrame, used: Set[str | None]) -> tuple[pl.DataFrame, list[str]]:
    """The user's other columns, under names that the Samples table leaves free; and what to say."""
    rest = frame.select(name for name in frame.columns if name not in used)
    new: dict[str, str] = {}
    for name in rest.columns:
        if name in SAMPLE_COLUMNS:
            new[name] = f"own_{name}"
            while new[name] in rest.columns:
                new[name] = f"own_{new[name]}"
    notes = [f"the column '{old}' is kept as '{name}'" for old, name in new.items()]
    return rest.rename(new), notes


def samples_of(
    frame: pl.DataFrame,
    found: Columns,
    where: str,
    place: Callable[[int], str],
    *,
    labels: LabelCells,
    files: dict[str, Any],
    each_a_label: Sequence[str] = (),
    stays: str | None = None,
) -> tuple[Samples, list[str], list[str]]:
    """A row each of a Samples table, by the columns that were found, and the user's other columns.

    And what is to be said of how they were read, and of columns that are called otherwise now.
    place: from a row to how it is called. files: path, and row where that is wanted. each_a_label:
    the columns that are a label each. stays: the column of a role that is kept under its own name
    too. Raises DataError.
    """
    columns: dict[str, Any] = {"labels": labels.labels}
    if found.group is not None:
        cells = texts_in(frame[found.group], where)
        columns["group"] = [None if cell is None else written(cell) for cell in cells]
    if found.caption is not None:
        columns["caption"] = _captions_in(frame[found.caption], where)
    taken = {name for role, name in vars(found).items() if role != "split"} | {*each_a_label}
    others = [name for name in frame.columns if name not in taken]
    sides = sides_of_rows(frame, found.split, others, where, place)
    if sides.splits is not None:
        columns["split"] = sides.splits
    own, renamed = _own_columns(frame, (taken - {stays}) | {*sides.columns})
    samples = Samples.from_columns(columns | files)
    if own.columns:
        samples = replace(samples, frame=samples.frame.hstack(own))
    return samples, [*labels.notes, *sides.notes], renamed


def find_labels(
    frame: pl.DataFrame,
    found: Columns,
    where: str,
    reading: Reading,
    *,
    is_named: bool,
    count: int | None = None,
) -> LabelCells:
    """Each row's labels, from the column that holds them; without one there are none.

    is_named: whether the settings name the column. count: of rows, where no column is left.
    """
    if found.label is None:
        rows = len(frame) if count is None else count
        return LabelCells(pl.Series([[]] * rows, dtype=LABELS), [])
    notes: list[str] = []
    if not is_named:
        frame, notes = _with_genus(frame, found.label, where, reading.known)
    column = frame[found.label]
    if reading.task == SEVERAL_LABELS.name:
        whole: bool | None = False
    else:
        whole = is_named or _are_known(column, reading.known) or None
    cells = labels_in(column, where, reading.separator, whole=whole)
    return cells._replace(notes=[*cells.notes, *notes])


def _with_genus(
    frame: pl.DataFrame, label: str, where: str, known: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """The table with the genus before each species, where the labels are of a column `species` of
    single words in small letters and there is a column `genus`; and what to say of it."""
    names = {plain(name): name for name in frame.columns}
    genus = names.get("genus")
    if plain(label) != "species" or genus is None or _are_known(frame[label], known):
        return frame, []
    pairs = list(zip(cells_of(frame[genus]), cells_of(frame[label]), strict=True))
    whole = [(first, last) for first, last in pairs if first and last]
    if not whole or not all(
        first and GENUS.fullmatch(first) and EPITHET.fullmatch(last)
        for first, last in pairs
        if last
    ):
        return frame, []
    cells = [last and f"{str(first).strip()} {last.strip()}" for first, last in pairs]
    note = (
        f"{where}: '{genus}' goes before '{label}', as in '{' '.join(whole[0])}'; "
        f"data.label_column={label} takes that alone"
    )
    return frame.with_columns(pl.Series(label, cells, pl.String)), [note]


def _are_known(column: pl.Series, known: Sequence[str]) -> bool:
    """Whether each cell as a whole is a label that is known."""
    if not known or column.dtype != pl.String:
        return False
    cells = {written(cell) for cell in column.drop_nulls().unique()} - {""}
    return cells <= set(map(written, known))


def _captions_in(column: pl.Series, where: str) -> list[str | None]:
    """Each cell's text; of several the one line that they make."""
    if column.dtype == pl.List(pl.String):
        column = column.list.drop_nulls().list.join(" ")
    return texts_in(column, where)


def label_columns(
    frame: pl.DataFrame, given: Columns, where: str, known: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The columns of 0 and 1 that are a label each, and what is to be said of the choice.

    They are those that data.label_column names, where it names several; else, where no column is
    of labels by its name, all of 0 and 1, but a single one only where it is `known`: of labels
    that are known, those alone. Raises DataError for a named one that is none.
    """
    if given.label is not None:
        return _named_zero_one(frame, given.label, where), []
    also = called(frame.columns, ALSO)
    if called(frame.columns, CLASSES) or len(zero_one_columns(frame, also)) < len(also):
        return [], []
    others = {plain(name) for name in vars(given).values() if name is not None}
    others |= {*SPLIT_NAMES, *YES_OR_NO}
    usual = called(frame.columns, (*IMAGES, *CLASSES, *USUAL["caption"]))
    free = [n for n in frame.columns if plain(n) not in others and n not in usual]
    found = zero_one_columns(frame, free)
    wanted = [name for name in found if name in known]
    if not wanted:
        return (found if len(found) > 1 else []), []
    notes = []
    if rest := [name for name in found if name not in known]:
        notes.append(f"{where}: {listed(rest)} of 0 and 1 is no label that is known; kept as yours")
    return wanted, notes


def labels_of_columns(frame: pl.DataFrame, names: Sequence[str], where: str) -> LabelCells:
    """Each row's labels: the names of the columns that have a 1. An empty cell is 0."""
    has = {name: ones_of(frame[name]) for name in names}
    parts = [pl.when(ones).then(pl.lit(written(name))) for name, ones in has.items()]
    labels = frame.select(pl.concat_list(parts).list.drop_nulls().alias("labels")).to_series()
    several = f"each of {len(names)} columns of 0 and 1 is a label ({listed(names)})"
    alone = f"the column {listed(names)} of 0 and 1 is a label"
    notes = [f"{where}: {several if len(names) > 1 else alone}"]
    empty = sum(frame[name].null_count() for name in names)
    if empty:
        cells = "1 empty cell is 0" if empty == 1 else f"{empty:,} empty cells are 0"
        notes.append(f"{where}: in the columns of 0 and 1, {cells}")
    if never := [name for name, ones in has.items() if not ones.any()]:
        notes.append(f"{where}: no row has {listed(never)}, so there is no such class")
    return LabelCells(labels, notes, several=True)


def _named_zero_one(frame: pl.DataFrame, given: str, where: str) -> list[str]:
    """The columns that a text with commas names; [] where it is the name of one column."""
    if "," not in given or given in frame.columns:
        return []
    parts = [part.strip() for part in given.split(",")]
    found = list(dict.fromkeys(named(where, frame.columns, "label", part) for part in parts))
    for name in found:
        if name not in zero_one_columns(frame, found):
            raise DataError(
                f"{where}: the column '{name}' (data.label_column) holds more than 0 and 1, which "
                "each of several columns of labels must; name such columns, or one of labels"
            )
    return found
