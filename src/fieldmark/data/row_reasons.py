"""Why rows of a table are left out: by themselves, or for other rows of the same image."""

from collections import defaultdict
from collections.abc import Sequence

import polars as pl

from fieldmark.data.table_paths import Found
from fieldmark.errors import listed


def reasons_of(
    frame: pl.DataFrame, found: Sequence[Found], *, each_labelled: bool
) -> list[str | None]:
    """Why each row by itself cannot be used; None where it can."""
    reasons = [its.reason for its in found]
    if not each_labelled:
        return reasons
    counts = frame["labels"].list.len().to_list()
    return [
        reason or (None if its else f"'{name}' has no label; give it one, or take the row out")
        for reason, its, name in zip(reasons, counts, frame["path"].to_list(), strict=True)
    ]


def with_repeats(
    files: Sequence[str | None],
    labels: Sequence[Sequence[str]],
    splits: Sequence[str | None],
    places: Sequence[str],
    reasons: Sequence[str | None],
) -> list[str | None]:
    """The reasons, with those of rows whose image stands in another row too.

    The same image with the same labels in two splits stays: which of them it leaves is decided
    with the copies of other images.
    """
    rows_of = defaultdict(list)
    for row, file in enumerate(files):
        if file is not None:
            rows_of[file].append(row)
    result = list(reasons)
    for file, rows in rows_of.items():
        first = rows[0]
        others = [row for row in rows if set(labels[row]) != set(labels[first])]
        for row in rows if others else ():
            against = first if row in others else others[0]
            result[row] = (
                f"'{file}' is {_named(labels[row])} here and {_named(labels[against])} in "
                f"{_place(places[against])}; keep one of the two"
            )
        seen: dict[str | None, int] = {}
        for row in rows if not others else ():
            if splits[row] in seen:
                before = _place(places[seen[splits[row]]])
                result[row] = f"'{file}' stands in {before} already; take one of the two out"
            seen.setdefault(splits[row], row)
    return result


def kinds_of(
    files: Sequence[str | None], labels: Sequence[Sequence[str]], found: Sequence[Found]
) -> list[str]:
    """Why each row would be left out, of finding.KINDS.

    files: of the rows that could be used but for others of the same image; found: of all rows.
    """
    several: dict[str, set[frozenset[str]]] = defaultdict(set)
    for file, its in zip(files, labels, strict=True):
        if file is not None:
            several[file].add(frozenset(its))
    return [
        "no-file"
        if there.path is None
        else "no-label"
        if file is None
        else "conflicting-rows"
        if len(several[file]) > 1
        else "repeated-row"
        for file, there in zip(files, found, strict=True)
    ]


def _named(labels: Sequence[str]) -> str:
    return listed(labels) if labels else "without a label"


def _place(place: str) -> str:
    """The line of "labels.csv, line 41", for a sentence that has named the file."""
    return place.rpartition(", ")[2]
