"""Why rows of a table are left out: by themselves, or for other rows of the same image."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from fieldmark.data.table_paths import Found
from fieldmark.errors import listed


class Reason(NamedTuple):
    """Why a row is left out: one of finding.KINDS, and a sentence without the row's place."""

    kind: str
    words: str


def reasons_of(
    frame: pl.DataFrame, found: Sequence[Found], places: Sequence[str], *, each_labelled: bool
) -> list[Reason | None]:
    """Why each row cannot be used; None where it can.

    The same image with the same labels in two splits stays: which of them it leaves is decided
    with the copies of other images.
    """
    names, labels = frame["path"].to_list(), frame["labels"].to_list()
    reasons: list[Reason | None] = []
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, its in enumerate(found):
        reason = None
        if its.path is None:
            reason = Reason("no-file", its.reason or "")
        elif each_labelled and not labels[row]:
            told = f"'{names[row]}' has no label; give it one, or take the row out"
            reason = Reason("no-label", told)
        else:
            rows_of[its.path].append(row)
        reasons.append(reason)
    splits = frame["split"].to_list()
    for file, rows in rows_of.items():
        if len(rows) > 1:
            for row, reason in _of_one_image(file, rows, labels, splits, places):
                reasons[row] = reason
    return reasons


def _of_one_image(
    file: str,
    rows: Sequence[int],
    labels: Sequence[Sequence[str]],
    splits: Sequence[str | None],
    places: Sequence[str],
) -> Iterator[tuple[int, Reason]]:
    """Those of the rows of one image that are left out, and why."""
    first = rows[0]
    others = [row for row in rows if set(labels[row]) != set(labels[first])]
    for row in rows if others else ():
        against = first if row in others else others[0]
        told = f"'{file}' is {_named(labels[row])} here and {_named(labels[against])} in "
        told += f"{_place(places[against])}; keep one of the two"
        yield row, Reason("conflicting-rows", told)
    before: dict[str | None, int] = {}
    for row in rows if not others else ():
        earlier = before.setdefault(splits[row], row)
        if earlier != row:
            told = f"'{file}' stands in {_place(places[earlier])} already; take one of the two out"
            yield row, Reason("repeated-row", told)


def _named(labels: Sequence[str]) -> str:
    return listed(labels) if labels else "without a label"


def _place(place: str) -> str:
    """The line of "labels.csv, line 41", for a sentence that has named the file."""
    return place.rpartition(", ")[2]
