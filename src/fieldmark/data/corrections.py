"""Corrections of labels that a person made: read from a file, laid over the images of a source.

The file is CSV with the columns path, row, action and label, a line a decision. Path and row say
which image, as samples.parquet does. The action is `label` (its one label is this), `add` or
`drop` (of several labels), `remove` (do not use the image) or `right` (it was looked at).
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.data.sources import place_name
from fieldmark.errors import DataError, counted, listed, nearest
from fieldmark.records import GIVEN_LABELS, SAMPLE_COLUMNS, Samples
from fieldmark.task import Task

KEY = "data.corrections"
COLUMNS = ("path", "row", "action", "label")
ONE, SEVERAL, BOTH = ("label",), ("add", "drop"), ("remove", "right")
Place = tuple[str, int | None]


@dataclass(frozen=True)
class Correction:
    """A line of the file. label: "" where the action needs none."""

    line: int
    path: str
    row: int | None
    action: str
    label: str

    @property
    def place(self) -> Place:
        """Which image it is of."""
        return self.path, self.row


@dataclass(frozen=True)
class Corrections:
    """All that a file says; none where there is no file."""

    file: str = ""
    lines: tuple[Correction, ...] = ()

    @cached_property
    def by_place(self) -> dict[Place, list[Correction]]:
        """The lines of each image, in the order of the file."""
        found: dict[Place, list[Correction]] = {}
        for each in self.lines:
            found.setdefault(each.place, []).append(each)
        return found


NONE = Corrections()


@dataclass(frozen=True)
class Corrected:
    """The images that stay, with their labels as corrected, and which those are of all. (N,) bool

    notes: sentences on what was changed.
    """

    samples: Samples
    stays: np.ndarray
    notes: tuple[str, ...] = ()


def correct(samples: Samples, corrections: Corrections) -> Corrected:
    """Lay corrections over the images that they are of; lines of other images are told.

    An image that a person looked at keeps what the source gave it in the column GIVEN_LABELS.
    """
    if not corrections.lines:
        return Corrected(samples, np.ones(len(samples), bool))
    labels: list[list[str]] = samples.frame["labels"].to_list()
    given: list[list[str] | None] = [None] * len(labels)
    stays = np.ones(len(labels), bool)
    for place, (path, row) in enumerate(samples.places()):
        its = corrections.by_place.get((path, row), [])
        if its:
            stays[place] = all(each.action != "remove" for each in its)
            given[place], labels[place] = labels[place], _changed(labels[place], its)
    frame = samples.frame.with_columns(
        pl.Series("labels", labels, SAMPLE_COLUMNS["labels"]),
        pl.Series(GIVEN_LABELS, given, SAMPLE_COLUMNS["labels"]),
    )
    kept = replace(samples, frame=frame.filter(stays))
    return Corrected(kept, stays, tuple(_notes(samples, kept, stays, corrections)))


def corrected_rows(samples: Samples) -> np.ndarray:
    """The rows whose labels are not what the source gave them. -> (n,) int64"""
    if GIVEN_LABELS not in samples.frame.columns:
        return np.zeros(0, np.int64)
    given, labels = samples.frame[GIVEN_LABELS].to_list(), samples.frame["labels"].to_list()
    pairs = zip(given, labels, strict=True)
    return np.flatnonzero([old is not None and set(old) != set(new) for old, new in pairs])


def looked_at(samples: Samples) -> np.ndarray:
    """Whether a person has looked at each image already. -> (N,) bool"""
    if GIVEN_LABELS not in samples.frame.columns:
        return np.zeros(len(samples), bool)
    return samples.frame[GIVEN_LABELS].is_not_null().to_numpy()


def read_corrections(path: str | None, samples: Samples) -> Corrections:
    """What a file says of the images of a source. Raises DataError with the line.

    That is for a file that is no such table, an image or a class that there is not, an action that
    these images do not take, and two lines that contradict each other.
    """
    if path is None:
        return NONE
    if GIVEN_LABELS in samples.frame.columns:
        raise DataError(
            f"{samples.root}: has a column '{GIVEN_LABELS}' of its own, and {KEY} writes one; "
            "call it otherwise"
        )
    places = set(samples.places())
    lines = tuple(lines_of(path))
    for each in lines:
        _refuse_unknown(path, each, samples, places)
    _refuse_conflicts(path, lines, several=samples.task.several)
    return Corrections(path, lines)


def _changed(labels: list[str], its: Sequence[Correction]) -> list[str]:
    """The labels of an image after its lines."""
    for each in its:
        if each.action == "label":
            labels = [each.label]
        elif each.action == "add" and each.label not in labels:
            labels = [*labels, each.label]
        elif each.action == "drop":
            labels = [label for label in labels if label != each.label]
    return labels


def _notes(
    before: Samples, kept: Samples, stays: np.ndarray, corrections: Corrections
) -> Iterator[str]:
    changed, removed = len(corrected_rows(kept)), int((~stays).sum())
    seen = sum(place in corrections.by_place for place in before.places())
    same = seen - removed - changed
    words = f"labels of {counted(changed, 'image')} corrected, {counted(removed, 'image')} removed"
    words += f", {same} found right" * bool(same) + f", from {corrections.file}"
    if other := len(corrections.by_place) - seen:
        words += f" ({counted(other, 'image')} more in it {'is' if other == 1 else 'are'} not used)"
    yield words
    lost = [name for name in before.classes if name not in kept.classes]
    if lost:
        then = "which is no class" if len(lost) == 1 else "which are no classes"
        yield f"no image of {listed(lost)} is left by the corrections, {then} any more"
    touched = pl.Series([place in corrections.by_place for place in before.places()]) & (
        before.frame["split"] == "test"
    ).fill_null(False)
    of_test = int((~stays & touched.to_numpy()).sum())
    of_test += sum(kept.frame["split"][int(row)] == "test" for row in corrected_rows(kept))
    if of_test:
        is_are = "is" if of_test == 1 else "are"
        yield (
            f"{of_test} of the corrected or removed {is_are} of the test, so its figures cannot be "
            "held against those of before; where only what a model got wrong was looked at, they "
            "flatter it"
        )


def lines_of(path: str) -> Iterator[Correction]:
    """The lines of the file as they stand. Raises DataError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = "(it is not UTF-8); in a spreadsheet save it as 'CSV UTF-8'"
        if isinstance(error, OSError):
            what = f"({error.strerror}); name a file as the page of `fieldmark suspects` saves one"
        raise DataError(f"{KEY}={path}: cannot be read {what}") from error
    first = text.partition("\n")[0]
    mark = next((each for each in ";\t" if each in first), ",")
    reader = csv.reader(io.StringIO(text), delimiter=mark)
    head = [cell.strip().casefold() for cell in next(reader, [])]
    if lacking := [name for name in ("path", "action", "label") if name not in head]:
        raise DataError(
            f"{path}, line 1: there is no column {listed(lacking)}; the columns are "
            f"{', '.join(COLUMNS)}"
        )
    for cells in reader:
        if any(cell.strip() for cell in cells):
            its = dict(zip(head, [*cells, *[""] * len(head)], strict=False))
            yield _correction(path, reader.line_num, its)


def _correction(path: str, line: int, cells: dict[str, str]) -> Correction:
    row, action = cells.get("row", "").strip(), cells["action"].strip().casefold()
    if row and not (row.isascii() and row.isdigit()):
        raise DataError(f"{path}, line {line}: the row '{row}' is no whole number; leave it empty")
    if action not in (*ONE, *SEVERAL, *BOTH):
        known = listed((*ONE, *SEVERAL, *BOTH))
        raise DataError(f"{path}, line {line}: the action '{action}' is none of {known}; take one")
    label = cells["label"].strip()
    if action in (*ONE, *SEVERAL) and not label:
        raise DataError(f"{path}, line {line}: '{action}' needs a label; write it behind")
    return Correction(line, cells["path"].strip(), int(row) if row else None, action, label)


def _refuse_unknown(path: str, each: Correction, samples: Samples, places: set[Place]) -> None:
    """Raise DataError for what these images do not have."""
    where, task = f"{path}, line {each.line}", samples.task
    if each.place not in places:
        name = place_name(*each.place)
        hint = nearest(each.path, {known for known, _ in places}) or (
            "; paths are those in samples.parquet of a run on these images"
        )
        raise DataError(f"{where}: there is no image '{name}' in {samples.root}{hint}")
    if each.action in (SEVERAL if not task.several else ONE):
        raise DataError(f"{where}: {_not_for(each.action, task)}")
    if each.action in (*ONE, *SEVERAL) and each.label not in samples.classes:
        hint = nearest(each.label, samples.classes)
        hint = hint or f"; there are {listed(samples.classes, most=20)}, and a new class needs "
        hint += "" if hint.endswith("?") else "images in the source itself"
        raise DataError(f"{where}: there is no class '{each.label}'{hint}")


def _not_for(action: str, task: Task) -> str:
    if task.several:
        return f"'{action}' is for one label an image, and these have several; take 'add' or 'drop'"
    return f"'{action}' is for several labels an image, and these have one; take 'label'"


def _refuse_conflicts(path: str, lines: Sequence[Correction], *, several: bool) -> None:
    """Raise DataError where two lines cannot both be done."""
    met: dict[tuple[Place, str], Correction] = {}
    removed = {each.place: each for each in lines if each.action == "remove"}
    for each in lines:
        about = each.label if several else ""
        before = met.setdefault((each.place, about), each)
        if each.place in removed and each.action != "remove":
            before = removed[each.place]
        if (before.action, before.label) != (each.action, each.label):
            first, second = sorted((before, each), key=lambda one: one.line)
            raise DataError(
                f"{path}, line {second.line}: '{_said(second)}' for "
                f"'{place_name(*second.place)}', and line {first.line} says '{_said(first)}'; take "
                "one of the two out"
            )


def _said(each: Correction) -> str:
    return f"{each.action} {each.label}".strip()
