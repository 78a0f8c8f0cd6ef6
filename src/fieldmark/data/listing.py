"""What images a source has, before any is opened, and what its splits are for."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from fieldmark.errors import DataError, listed
from fieldmark.names import as_known
from fieldmark.records import SPLITS, Samples


@dataclass(frozen=True)
class Listing:
    """The images of a source. Nothing was opened: hash, width and height are null.

    notes:    sentences on how the layout was understood.
    left_out: what is refused already now: its name, and the sentence that says why.
    kinds:    of what is in `left_out`, which finding of health.KINDS tells of it.
    unused:   sentences of `notes` that tell of pictures that are not used, and these pictures.
    missing:  of rows in `left_out` that have no file, what they name as theirs.
    spare:    of a table, the pictures beside its images that no row names, by their folder.
    sides:    what the source calls the splits it has: {"val": "the folder 'valid'"}.
    mirrored: whether an image and its mirror image mean the same (not so for digits).
    embedded: there are no files: the pixels come with an installed package.
    separator: what divides several labels in a cell, as data.label_separator has it.
    unsaid:   of several labels that are known, those that a table of columns of 0 and 1 has no
              column for, so that nobody knows which images have them.
    """

    samples: Samples
    notes: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    sides: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    unused: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    spare: dict[str, frozenset[str]] = field(default_factory=dict)
    mirrored: bool = True
    embedded: bool = False
    separator: str = "auto"
    unsaid: tuple[str, ...] = ()


def with_roles(listing: Listing, test: str, *, validated: bool) -> Listing:
    """Decide what the splits of a source are for, and say it.

    `test` is auto, none, or names a test set of its own. validated: whether there will be
    validation. With train and one other split, that other is the test set, whatever its name, and
    validation is taken out of train later: a score on the images that chose the epoch would
    flatter. With `none` there is no test set, and val is the validation set.
    """
    splits = listing.samples.frame["split"].to_list()
    present = [side for side in SPLITS if side in splits]
    if not present:
        return listing
    if "train" not in present and None not in splits:
        note = f"the splits are not used: there is {listed(present)} and no 'train'"
        return _with_splits(listing, [None] * len(splits), [note])
    others = [side for side in present if side != "train"]
    if test == "auto":
        if len(others) != 1:
            return listing
        note = f"{_called(listing, others[0])} is the test set"
        if validated:
            note += "; validation images are taken out of train"
            note += " (data.test=none: it is for validation)" if others == ["val"] else ""
        return _with_splits(listing, ["test" if s in others else s for s in splits], [note])
    return _without_test(listing, others, test)


def join_test(listing: Listing, test: Listing) -> Listing:
    """The images of `listing`, and those of another source as its test set. Raises DataError."""
    for each in (listing, test):
        if each.embedded:
            raise DataError("data.test: a built-in data set and a test set of files do not join")
    if test.unsaid:
        raise DataError(
            f"data.test: has no column for {listed(test.unsaid)}, so that nobody knows which of "
            "its images have it; add it, with 0 where an image has not, or name the labels to "
            "train on: data.label_column=A,B"
        )
    train_frame = listing.samples.frame.with_columns(pl.col("split").fill_null("train"))
    test_frame = test.samples.frame.with_columns(pl.lit("test").alias("split"))
    roots = [listing.samples.root, test.samples.root]
    try:
        root = os.path.commonpath(roots)
    except ValueError as error:  # Windows: two drives
        raise DataError(f"data.test: {roots[1]} must lie on the drive of {roots[0]}") from error
    frames = [_moved(train_frame, roots[0], root), _moved(test_frame, roots[1], root)]
    return replace(
        listing,
        samples=replace(
            listing.samples, frame=pl.concat(frames, how="diagonal_relaxed"), root=root
        ),
        notes=(*listing.notes, *(f"of the test set: {note}" for note in test.notes)),
        left_out={**listing.left_out, **test.left_out},
        kinds={**listing.kinds, **test.kinds},
        unused={
            **listing.unused,
            **{f"of the test set: {note}": files for note, files in test.unused.items()},
        },
        missing={**listing.missing, **test.missing},
        spare=_in_neither(listing.spare, test.spare),
    )


def with_known_labels(samples: Samples, known: Iterable[str]) -> Samples:
    """The same images, labels that are known in another coding under their known names."""
    new = as_known(samples.classes, known)
    if not new:
        return samples
    labels = samples.frame["labels"].list.eval(pl.element().replace(new))
    return replace(samples, frame=samples.frame.with_columns(labels))


def shown(path: str) -> str:
    """A path as it can be printed: bytes that are no UTF-8 as \\udcXX."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _without_test(listing: Listing, others: list[str], test: str) -> Listing:
    """No test set of its own: val is for validation, and what the source calls test is not used."""
    notes = []
    reason = "data.test=none" if test == "none" else f"the test set is {test}"
    if "test" in others:
        notes.append(f"{_called(listing, 'test')} is not used ({reason})")
    if "val" in others:
        notes.append(f"{_called(listing, 'val')} is the validation set ({reason})")
    samples = listing.samples
    kept = samples.frame.filter(pl.col("split").ne_missing("test"))
    return replace(listing, samples=replace(samples, frame=kept), notes=(*notes, *listing.notes))


def _with_splits(listing: Listing, splits: list[str | None], notes: list[str]) -> Listing:
    samples = listing.samples.with_splits(splits)
    return replace(listing, samples=samples, notes=(*notes, *listing.notes))


def _called(listing: Listing, side: str) -> str:
    return listing.sides.get(side, f"the split '{side}'")


def _moved(frame: pl.DataFrame, root: str, new_root: str) -> pl.DataFrame:
    """The same images with their paths seen from a folder above."""
    way = Path(os.path.relpath(root, new_root)).as_posix()
    return frame if way == "." else frame.with_columns(pl.format(f"{way}/{{}}", "path"))


def _in_neither(
    one: dict[str, frozenset[str]], other: dict[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """The pictures that neither of two tables names, by their folder."""
    shared = {folder: one[folder] & other[folder] for folder in one if folder in other}
    return {**one, **other, **shared}
