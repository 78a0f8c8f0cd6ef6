"""Corrections of labels that a person made, laid over the images of a source."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from fieldmark.data.correction_lines import KEY, Correction, Place, lines_for
from fieldmark.errors import DataError, counted, listed
from fieldmark.records import GIVEN_LABELS, MARKED_LABELS, SAMPLE_COLUMNS, Samples


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

    An image that a person looked at keeps what the source gave it in the column GIVEN_LABELS, and
    of several labels those that were decided on in MARKED_LABELS.
    """
    if not corrections.lines:
        return Corrected(samples, np.ones(len(samples), bool))
    labels: list[list[str]] = samples.frame["labels"].to_list()
    given: list[list[str] | None] = [None] * len(labels)
    marked: list[list[str] | None] = [None] * len(labels)
    stays = np.ones(len(labels), bool)
    for place, (path, row) in enumerate(samples.places()):
        its = corrections.by_place.get((path, row), [])
        if its:
            stays[place] = all(each.action != "remove" for each in its)
            given[place], labels[place] = labels[place], _changed(labels[place], its)
            named = [each.label for each in its]
            marked[place] = named if all(named) else list(samples.classes)
    lists: dict[str, list[Any]] = {"labels": labels, GIVEN_LABELS: given}
    if samples.task.several:
        lists[MARKED_LABELS] = marked
    frame = samples.frame.with_columns(
        pl.Series(name, values, SAMPLE_COLUMNS["labels"]) for name, values in lists.items()
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


def decided(samples: Samples) -> dict[Place, frozenset[str]]:
    """The labels that a person has decided on, of each image that was looked at: of several labels
    those that were named, else all."""
    columns = samples.frame.columns
    column = MARKED_LABELS if MARKED_LABELS in columns else GIVEN_LABELS
    if column not in columns:
        return {}
    every = frozenset(samples.classes)
    return {
        place: frozenset(labels) if column == MARKED_LABELS else every
        for place, labels in zip(samples.places(), samples.frame[column].to_list(), strict=True)
        if labels is not None
    }


def read_corrections(path: str | None, samples: Samples) -> Corrections:
    """What a file says of the images of a source. Raises DataError, as `lines_for` does."""
    if path is None:
        return NONE
    for own in (GIVEN_LABELS, MARKED_LABELS):
        if own in samples.frame.columns:
            raise DataError(
                f"{samples.root}: has a column '{own}' of its own, and {KEY} writes one; "
                "call it otherwise"
            )
    return Corrections(path, tuple(lines_for(path, samples)))


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
