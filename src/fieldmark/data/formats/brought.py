"""What a file of a known format says: a table, which of its columns hold what, where images lie."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.data.columns import Columns
from fieldmark.data.inside import content_at, into_zip
from fieldmark.data.packs import reading_parquet
from fieldmark.data.text_tables import Table
from fieldmark.errors import DataError, counted, listed

BESIDE = ("", "images")  # the folders that the images of a file are looked for in, from its own
LABELS = "labels"  # the column that readers put each image's list of labels into
FEW = 0.05  # share of images with several labels, below which they are left out
LEAST = 3  # groups; fewer cannot be on three sides


@dataclass(frozen=True)
class Brought:
    """table: a row an image. columns: which of its columns hold what, where the settings do not
    say otherwise. root: where the images' paths begin; folders: below it, where they are looked
    for. plain: it is a table of the user's own, whose every row is wanted. unlabelled: that there
    are no labels in it, and what to do."""

    table: Table
    columns: Columns
    root: Path
    folders: tuple[str, ...] = ("",)
    plain: bool = False
    unlabelled: str = ""


def read_json(path: Path) -> Any:
    """A file of JSON. Raises DataError."""
    try:
        return json.loads(content_at(path).decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: cannot be read as JSON ({error}); is it whole? Export or download it anew"
        ) from error


def read_parquet(path: Path) -> Table:
    """A Parquet file as a table. Raises DataError."""
    with reading_parquet(path):
        frame = pl.read_parquet(content_at(path) if into_zip(path) else path)
    return Table(frame, [f"{path}, row {row}" for row in range(len(frame))])


def is_list_of_objects(value: Any) -> bool:
    """Whether this is a list, and all in it are objects with keys."""
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def texts(values: Sequence[Any], name: str) -> pl.Series:
    """A column of texts: numbers as they are written, what is empty or missing as None."""
    cells = [None if each is None or isinstance(each, dict | list) else each for each in values]
    return pl.Series(name, [_text(each) for each in cells], pl.String)


def labels_once(labels: Iterable[str | None], empty: Collection[str]) -> list[str]:
    """An image's labels, each once; with something in it, it is not empty, whatever else is said.

    empty: the labels of nothing.
    """
    found = list(dict.fromkeys(filter(None, labels)))
    return [label for label in found if label not in empty] or found


def empty_notes(where: Path, labels: list[list[str]], empty: str) -> list[str]:
    """That the label of nothing is a class, where images have it."""
    number = sum(empty in its for its in labels)
    told = f"{where}: '{empty}' is a class as the others are ({counted(number, 'image')})"
    return [told] if number else []


def with_labels(table: Table, labels: list[list[str]], task: str) -> Table:
    """The table with the column LABELS: one label an image, or lists where several are common.

    task: data.task. Where fewer than FEW of the images have several, and it does not ask for
    these, such images are left out: they would make another question of all the others.
    """
    several = [row for row, its in enumerate(labels) if len(its) > 1]
    many = len(several) >= FEW * max(1, sum(map(bool, labels)))
    if task == "multi-label" or (task == "auto" and several and many):
        return replace(table, frame=table.frame.with_columns(lists(labels)))
    left_out = {
        table.places[row]: f"{table.places[row]}: has {len(labels[row])} labels, "
        f"{listed(labels[row])}, and each image is asked for one; data.task=multi-label keeps it"
        for row in several
    }
    cells = pl.Series(LABELS, [its[0] if its else None for its in labels], pl.String)
    whole = replace(table, frame=table.frame.with_columns(cells), separator="none")
    return without_rows(whole, left_out)


def lists(labels: list[list[str]]) -> pl.Series:
    """The column LABELS of lists."""
    return pl.Series(LABELS, labels, pl.List(pl.String))


def without_rows(table: Table, left_out: dict[str, str]) -> Table:
    """The table without the rows of these places, which are told."""
    if not left_out:
        return table
    kept = [row for row, place in enumerate(table.places) if place not in left_out]
    places = [table.places[row] for row in kept]
    return replace(
        table, frame=table.frame[kept], places=places, left_out={**table.left_out, **left_out}
    )


def with_group(brought: Brought, what: str, candidates: Sequence[str]) -> Brought:
    """The first of these columns with values enough as the group, and a note that says so.

    what: the format, in a sentence. A column with fewer than LEAST values cannot be parted among
    training, validation and test, so the next is taken.
    """
    table = brought.table
    there = {
        name: table.frame[name].drop_nulls().n_unique()
        for name in candidates
        if name in table.frame.columns
    }
    there = {name: number for name, number in there.items() if number}
    if not there:
        return brought
    group = next((name for name, number in there.items() if number >= LEAST), None)
    if group is None:
        note = (
            f"{what}: {listed(there)} has fewer than {LEAST} values, so images are parted one by "
            "one and the figures may flatter; gather more"
        )
    else:
        note = (
            f"{what}: images of one '{group}' stay on one side of the split "
            f"({counted(there[group], 'group')}); data.group_column=NAME or none says otherwise"
        )
    columns = replace(brought.columns, group=group)
    return replace(brought, table=replace(table, notes=(*table.notes, note)), columns=columns)


def joined(parts: Sequence[tuple[str, str | None, Table]], image: str) -> Table:
    """Tables of folders as one: (folder, split or None, table), paths seen from above.

    image: the column of paths. A split that a folder names is the column `split`.
    """
    frames = []
    for folder, split, table in parts:
        frame = table.frame
        if folder:
            frame = frame.with_columns(pl.concat_str(pl.lit(f"{folder}/"), image).alias(image))
        if split is not None:
            frame = frame.with_columns(pl.lit(split).alias("split"))
        frames.append(frame)
    return Table(
        pl.concat(frames, how="diagonal_relaxed"),
        [place for _, _, table in parts for place in table.places],
        {key: why for _, _, table in parts for key, why in table.left_out.items()},
        tuple(dict.fromkeys(note for _, _, table in parts for note in table.notes)),
    )


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
