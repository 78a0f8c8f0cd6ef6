"""One class against the rest: whose images train its models, and whose test them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from fieldmark import streams
from fieldmark.data.intake import Dataset, Looked
from fieldmark.data.splits import classes_in_few_folds
from fieldmark.errors import DataError, listed
from fieldmark.records import SAMPLE_COLUMNS, Samples
from fieldmark.settings.tree import Settings
from fieldmark.streams import Stream
from fieldmark.study.cross_validate import held_out

REST = "rest"
LEAST = 2  # images of other classes in a fold, however small their share


def rest_name(classes: Sequence[str]) -> str:
    """What the other classes are called together; no class is called so."""
    name = REST
    while name in classes:
        name += "-of-all"
    return name


def taken(samples: Samples, fold: np.ndarray, number: int, take: float, seed: int) -> np.ndarray:
    """Which images of the other classes stand against a class, given by its number. -> (N,) bool

    Of each fold the share `take`, LEAST at least: those with the lowest lots. An image's lot is a
    function of (seed, class, image), so that a class has the same images alone and beside others.
    """
    others = samples.targets(samples.classes) != number
    lots = streams.draw(Stream.TAKEN, seed, number).random(len(samples))
    found = np.zeros(len(samples), bool)
    for each in range(int(fold.max()) + 1):
        rows = np.flatnonzero(others & (fold == each))
        many = max(LEAST, round(take * len(rows)))
        found[rows[np.argsort(lots[rows], kind="stable")[:many]]] = True
    return found


def shifts(own: np.ndarray, took: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """What a class's log odds have too much, as ln of (others trained on / others there), by fold.

    own, took, fold: (N,), the images of the class, those taken of the others, and the folds. The
    images of the class are all trained on, so the odds of training are those of the images divided
    by that share. -> (k,), 0 or less
    """
    outs = np.arange(int(fold.max()) + 1)[:, None] != fold
    return np.asarray(np.log((outs & took).sum(axis=1) / (outs & ~own).sum(axis=1)))


def of_fold(
    looked: Looked,
    fold: np.ndarray,
    out: int,
    *,
    number: int,
    took: np.ndarray,
    settings: Settings,
) -> Dataset:
    """Images of a class and the rest: a fold as the test, whole; of the others what was taken.

    The validation is taken out of what trains, so that no test chooses the epoch.
    """
    classes = looked.samples.classes
    own = looked.samples.targets(classes) == number
    rows = np.flatnonzero((fold == out) | own | took)
    few = looked.of_rows(rows)
    samples = against(few.samples, classes[number], rest_name(classes))
    return held_out(replace(few, samples=samples), fold[rows] == out, settings)


def against(samples: Samples, name: str, rest: str) -> Samples:
    """The same images, which have the label `name` or the label `rest`."""
    labels = [[name if name in each else rest] for each in samples.frame["labels"].to_list()]
    column = pl.Series("labels", labels, SAMPLE_COLUMNS["labels"])
    return replace(samples, frame=samples.frame.with_columns(column))


def refuse_what_cannot(samples: Samples, fold: np.ndarray) -> None:
    """Raise DataError where images have several labels, or a class is in one fold alone."""
    if samples.task.several:
        raise DataError(
            f"{samples.root}: images have several labels, each of which is against the rest "
            "already; take `fieldmark cross-validate`"
        )
    alone = [name for name, many in classes_in_few_folds(samples, fold).items() if many < 2]
    if alone:
        raise DataError(
            f"{samples.root}: all images of {listed(alone, most=3)} are in one fold, so that no "
            "model could be trained without them; add images of other groups, or take the class out"
        )
