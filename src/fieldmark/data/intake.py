"""From a source to images that can be trained on: listed, scanned, checked, split, told of."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.asked_images import left_out_told, listed_of, readable, scanned
from fieldmark.data.copies import Copies, copies_among
from fieldmark.data.corrections import NONE, Corrections, correct, read_corrections
from fieldmark.data.finding import Finding, by_severity
from fieldmark.data.group_columns import group_findings, proposal
from fieldmark.data.health import findings
from fieldmark.data.left_out import left_out_findings
from fieldmark.data.mirror_pairs import MirrorPair, mirror_findings, mirror_pairs
from fieldmark.data.scan import scan
from fieldmark.data.sources import open_files
from fieldmark.data.splits import (
    folds,
    merge_val_into_train,
    refuse_one_class,
    split,
    without_copies,
)
from fieldmark.data.stratify import units_of
from fieldmark.data.told import (
    health_notes,
    joined_note,
    parted_notes,
    spare_notes,
    split_notes,
    task_notes,
)
from fieldmark.errors import DataError
from fieldmark.files import write_whole
from fieldmark.records import Samples
from fieldmark.settings.data import DataSettings

PLAIN = ("mirrored", "exchanged", "embedded", "separator")  # of a Dataset, kept as they are
FILES = 50  # of a finding, that are kept with a run
COSTLY = 1_000_000  # images times classes, above which a head for each fold takes minutes
FOLDS, REPEATS, ENOUGH = 5, 5, 200  # folds; with fewer images than ENOUGH they are drawn anew


@dataclass(frozen=True)
class Dataset:
    """Images with their splits, and what was learned of them; taken in once, kept with a run.

    notes: sentences that the reader must know. findings: of the health check. split_notes: how
    the images came to their sides. mirrored: whether an image and its mirror image mean the
    same (not so for digits). exchanged: whether a mirror seems to make one class another.
    embedded: the pixels come with an installed package. in_folds: the same images with folds in
    place of a validation side, where the source gives none and folds cost little (`COSTLY`).
    separator: of a Listing.
    """

    samples: Samples
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    split_notes: tuple[str, ...] = ()
    mirrored: bool = True
    exchanged: bool = False
    embedded: bool = False
    separator: str = "auto"
    in_folds: "Dataset | None" = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label, in order."""
        return self.samples.classes

    def validated(self, by: str) -> "Dataset":
        """The same images as `by`, a concrete data.val, has them validated."""
        found = self.in_folds if by == "cross" and self.in_folds is not None else self
        return replace(found, in_folds=None)

    def write(self, path: Path) -> None:
        """All of it in one file, whole or not at all; of a finding's many files some."""
        short = [replace(each, files=each.files[:FILES], groups=()) for each in self.findings]
        about = {
            "notes": list(self.notes),
            "findings": [asdict(each) for each in short],
            "split": list(self.split_notes),
            **{name: getattr(self, name) for name in PLAIN},
        }
        write_whole(path, lambda draft: self.samples.write(draft, about))

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote; of a table of samples alone, these."""
        about = Samples.read_about(path)
        findings = [
            Finding(**{**each, "files": tuple(each["files"]), "groups": ()})
            for each in about.get("findings", ())
        ]
        return cls(
            Samples.read(path),
            tuple(about.get("notes", ())),
            tuple(findings),
            tuple(about.get("split", ())),
            **{name: about[name] for name in PLAIN if name in about},
        )


@dataclass(frozen=True)
class Looked:
    """Images that were listed, scanned and checked, before they are put on sides.

    samples: those that can be used, with the sides that were given. given: which sides the source
    names. corrections: of labels, which are laid over them when they have their sides: sides are
    drawn by the labels that the source gives, so that a correction moves no other image. thumbs:
    hash and small picture of each, of `scan`; None where nobody needs them. The rest as Dataset
    has it.
    """

    samples: Samples
    given: frozenset[str]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    mirrored: bool
    embedded: bool
    separator: str
    corrections: Corrections = NONE
    thumbs: pl.DataFrame | None = None

    def of_rows(self, rows: np.ndarray) -> "Looked":
        """Some of the images alone, (n,) of their places."""
        few = replace(self.samples, frame=self.samples.frame[rows])
        thumbs = None if self.thumbs is None else self.thumbs[rows]
        return replace(self, samples=few, thumbs=thumbs)

    def corrected(self) -> tuple["Looked", np.ndarray]:
        """The images with their labels as corrected, and which of all those are. (N,) bool"""
        done = correct(self.samples, self.corrections)
        few = self.of_rows(np.flatnonzero(done.stays))
        notes = (*self.notes, *done.notes)
        return replace(few, samples=done.samples, notes=notes, corrections=NONE), done.stays


def take_in(data: DataSettings, console: Console) -> Dataset:
    """List, scan and split. Raises DataError where the images cannot be trained on."""
    return part(data, look(data, console))


def look(data: DataSettings, console: Console) -> Looked:
    """List, scan and check the images. Raises DataError where they cannot be used."""
    listing = listed_of(data)
    corrections = read_corrections(data.corrections, listing.samples)
    facts = scanned(listing.samples, console)
    samples, left_out = readable(data, listing, facts)
    all_copies = copies_among(listing.samples, facts)
    found = found_in(listing.samples, facts, all_copies, corrections)
    found += [*left_out_findings(listing), *group_findings(listing.samples)]
    found.sort(key=by_severity)
    notes = [*listing.notes, *task_notes(data, samples)]
    notes += [*left_out_told(data, listing, facts, left_out), *spare_notes(listing.spare)]
    notes += [*proposal(listing.samples), *health_notes(found)]
    good = facts["problem"].is_null().to_numpy()
    small = facts.filter(good).select("path", "row", "hash", "thumb").unique(["path", "row"])
    samples, taken_out = without_copies(samples, all_copies, good, data.copies)
    thumbs = samples.frame.select("path", "row").join(
        small, on=["path", "row"], how="left", nulls_equal=True, maintain_order="left"
    )
    given = frozenset(listing.samples.frame["split"].drop_nulls())
    return Looked(
        samples,
        given,
        (*notes, *taken_out),
        tuple(found),
        mirrored=listing.mirrored,
        embedded=listing.embedded,
        separator=listing.separator,
        corrections=corrections,
        thumbs=thumbs,
    )


def found_in(
    samples: Samples, facts: pl.DataFrame, copies: Copies, corrections: Corrections
) -> list[Finding]:
    """What the health check finds, with labels as corrected."""
    if not corrections.lines:
        return findings(samples, facts, copies)
    done = correct(samples, corrections)
    left = facts.filter(done.stays)
    return findings(done.samples, left, copies_among(done.samples, left))


def part(data: DataSettings, looked: Looked) -> Dataset:
    """Put images on sides. Raises DataError where they are too few.

    data.val: cross puts the images that are not for the test into folds. With auto they are on
    sides, and where no validation is given in folds too (`in_folds`).
    """
    samples = looked.samples
    drawn = data.val == "auto" and data.val_fraction > 0 and "val" not in looked.given
    parted, spared = on_sides(data, samples, or_none=drawn or data.val == "cross")
    open_files(parted)
    pairs = exchanged_of(looked, parted)
    mirrors = mirror_findings(pairs)

    def told(val: str) -> Dataset:
        done = parted if val in ("auto", "hold") else merge_val_into_train(parted)
        if val == "cross":
            done = done.with_folds(folds_of(done, data.split_seed))
        parted_again, _ = replace(looked, samples=done).corrected()
        refuse_emptied(done, parted_again.samples, looked.corrections)
        done = parted_again.samples
        own = parted_notes(done)
        if val == "cross" and "val" in looked.given:
            own.insert(0, joined_note(parted))
        return Dataset(
            done,
            tuple(dict.fromkeys([*parted_again.notes, *(each.sentence for each in mirrors), *own])),
            tuple(sorted([*looked.findings, *mirrors], key=by_severity)),
            tuple(split_notes(data, looked.given, done)),
            mirrored=looked.mirrored,
            exchanged=bool(pairs),
            embedded=looked.embedded,
            separator=looked.separator,
        )

    if drawn and not spared:  # too few to put some aside
        return told("cross")
    cheap = len(parted) * len(parted.classes) <= COSTLY
    return replace(told(data.val), in_folds=told("cross") if drawn and cheap else None)


def exchanged_of(looked: Looked, parted: Samples) -> tuple[MirrorPair, ...]:
    """The classes that a mirror exchanges, told without the images that are for the test."""
    if looked.thumbs is None or not looked.mirrored or parted.task.several:
        return ()
    known = np.flatnonzero((parted.frame["split"] != "test").to_numpy())
    labels = parted.frame["labels"].gather(known)
    return mirror_pairs(looked.thumbs[known], labels, open_cache())


def on_sides(data: DataSettings, samples: Samples, *, or_none: bool) -> tuple[Samples, bool]:
    """The images with a side each, and whether any are for validation.

    or_none: whether there may be none where images are too few. Folds, too, leave to the test
    what a split with validation does, so that runs of both kinds are judged on the same images.
    """
    val = 0.0 if data.val == "none" else data.val_fraction
    test = 0.0 if data.test == "none" else data.test_fraction
    try:
        done = split(samples, val=val, test=test, seed=data.split_seed)
    except DataError:
        if not (or_none and val):
            raise
        done = split(samples, val=0.0, test=test, seed=data.split_seed)
    return done, "val" in done.frame["split"].to_list()


def refuse_emptied(before: Samples, after: Samples, corrections: Corrections) -> None:
    """Raise DataError where corrections leave nothing of a side, or fewer than two classes."""
    refuse_one_class(after)
    for side in ("train", "val", "test"):
        if len(before.rows(side)) and not len(after.rows(side)):
            raise DataError(
                f"{corrections.file}: leaves no image for {side}; take lines with 'remove' out"
            )


def folds_of(samples: Samples, seed: int) -> np.ndarray:
    """Folds of the images that are not for the test, drawn anew where these are very few.

    No more folds than half of the classes have images: of two images a class, five folds would
    leave each class that is asked for one image, and most others two.
    -> (repeats, N) int64, -1 for the test. Raises DataError where there are too few for two.
    """
    free = np.flatnonzero((samples.frame["split"] != "test").to_numpy())
    units = len(units_of(samples, free))
    counts = [sides["train"] + sides["val"] for sides in samples.counts().values()]
    k = max(2, min(FOLDS, units, int(np.median(counts))))
    repeats = min(REPEATS, -(-ENOUGH // max(units, 1)))
    drawn = [folds(samples, k=k, seed=seed, repeat=each) for each in range(repeats)]
    return np.stack(drawn)


def changed_images(samples: Samples) -> list[str]:
    """The paths of the images whose content is not what it was, or that are not there."""
    now, before = scan(samples, open_cache())["hash"], samples.frame["hash"]
    return samples.frame.filter(now.ne_missing(before))["path"].to_list()
