"""Every figure without each image in turn, or without each group: how far one of them moves it.

The delete-one jackknife: the variance of a figure is (n - 1) / n times the summed squares by
which it moves when each of n units is left out. J. W. Tukey, 1958; B. Efron and C. Stein, The
jackknife estimate of variance, 1981, who show that on average it is never too small. No draws:
the same images always give the same.

A unit is an image, or where images come in groups all images of one group.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from fieldmark.judge.evidence import Evidence, Margins
from fieldmark.judge.metrics import averages

CHUNK = 1_000_000  # numbers of one array in memory at once (8 MB)


class Spread(NamedTuple):
    """How uncertain a figure is."""

    error: float  # standard error; nan where fewer than two units tell of it
    freedom: float  # degrees of freedom: of how many units the error itself is known


@dataclass(frozen=True, eq=False)
class Units:
    """What is left out as one: each image's unit (N,) int, how many there are, are they groups."""

    of: np.ndarray
    count: int
    grouped: bool

    @classmethod
    def by(cls, images: int, groups: np.ndarray | None) -> Self:
        """Each image its own unit, or the images of each number in `groups` (N,) one."""
        if groups is None:
            return cls(np.arange(images), images, False)
        names, place = np.unique(groups, return_inverse=True)
        return cls(place, len(names), True)

    def sums(self, chosen: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """How many of `chosen` (n,) images each unit has, or the sum of their `values`. -> (U,)"""
        return np.bincount(self.of[chosen], values, self.count)

    def trials(self, chosen: np.ndarray) -> float:
        """In how many trials the `chosen` images are, if those of one unit are all alike.

        Their number where each is a unit, the number of units where these are equally large.
        L. Kish, Survey sampling, 1965.
        """
        if not self.grouped:
            return float(len(chosen))
        sizes = self.sums(chosen).astype(np.float64)
        return float(sizes.sum() ** 2 / (sizes**2).sum()) if len(chosen) else 0.0


class Areas(NamedTuple):
    """One class's area under the ROC curve and average precision without each unit. (U,) twice"""

    roc_auc: np.ndarray
    average_precision: np.ndarray


def spread(without: np.ndarray, many: np.ndarray | None = None) -> Spread:
    """A figure's spread from its values without each unit (U,), `many` (U,) units being alike.

    Units without which the figure does not exist (nan) are passed over. The degrees of freedom
    are those of a chi-squared of the same mean and variance as the sum of squares, so that a
    sum which a few units make counts few: F. E. Satterthwaite, 1946, for squares of any kurtosis.
    """
    exists = ~np.isnan(without)
    alike = np.ones(1) if many is None else many[exists]
    units = int(exists.sum() if many is None else alike.sum())
    if units < 2:
        return Spread(np.nan, 1.0)
    values = without[exists]  # sums rather than products of vectors: BLAS would start threads
    squares = (values - (alike * values).sum() / units) ** 2 * ((units - 1) / units)
    variance, fourth = (alike * squares).sum(), (alike * squares**2).sum()
    beyond = fourth - variance**2 / units
    freedom = 2 * variance**2 / beyond if beyond > 0 else units
    return Spread(float(np.sqrt(variance)), float(np.clip(freedom, 1, units - 1)))


def spreads_of_counts(evidence: Evidence, units: Units) -> dict[str, Spread]:
    """The spread of each metric of counts.

    Images of one kind are alike to these: where each is a unit, one of a kind is left out for
    all.
    """
    if units.grouped:
        unit, many = units.of, np.ones(units.count, np.int64)
    else:
        _, first, kind, many = np.unique(
            evidence.kinds, return_index=True, return_inverse=True, return_counts=True
        )
        unit = np.full(len(kind), -1)
        unit[first] = np.arange(len(first))
    parts = [
        averages(margins, evidence.task) for margins in _margins_without(evidence, unit, len(many))
    ]
    return {name: spread(np.concatenate([part[name] for part in parts]), many) for name in parts[0]}


def _margins_without(evidence: Evidence, unit: np.ndarray, count: int) -> Iterator[Margins]:
    """Margins without the images of each of `count` units, some units at a time.

    unit: (N,) int, -1 for an image that is never left out. -> (some, C) each
    """
    some, parts = max(1, CHUNK // evidence.classes), evidence.cells
    for start in range(0, count, some):
        stop = min(start + some, count)
        left = []
        for whole, (images, classes) in zip(evidence.margins, parts, strict=True):
            rows = unit[images]
            here = (rows >= start) & (rows < stop)
            cells = (rows[here] - start) * evidence.classes + classes[here]
            taken = np.bincount(cells, minlength=(stop - start) * evidence.classes)
            left.append(whole - taken.reshape(stop - start, evidence.classes))
        yield Margins(*left)


def mean_without(sums: np.ndarray, images: np.ndarray) -> np.ndarray:
    """A mean over images without each unit, from the sum and the images of each (U,).

    nan where no image is left. Units without an image tell nothing of the mean and are left
    out. -> (at most U,)
    """
    has = images > 0
    left = images.sum() - images[has]
    return np.where(left > 0, (sums.sum() - sums[has]) / np.maximum(left, 1), np.nan)


def areas_without(evidence: Evidence, units: Units, index: int) -> Areas:
    """Of one class, roc_auc and average precision without each unit; nan where they end to be.

    Exact where a unit is an image. Where it is a group, that an image left out moves what the
    next one weighs is neglected. All comes from one sort of the scores of the class's images,
    and from where the other images fall among them.
    """
    is_mine = evidence.is_of(index)
    order = np.argsort(evidence.scores[is_mine, index])
    mine, others = np.flatnonzero(is_mine)[order], np.flatnonzero(~is_mine)
    ranked = evidence.scores[mine, index]
    below, up_to = (
        np.searchsorted(ranked, evidence.scores[others, index], side) for side in ("left", "right")
    )  # how many of mine are below each of the others, and below or equal
    above, not_below = (others_from(found, len(mine)) for found in (below, up_to))
    # ROC: the pairs that each image wins, a tie being half
    pairs_of_mine = len(others) - (above + not_below) / 2
    pairs_of_others = len(mine) - (below + up_to) / 2
    won = pairs_of_mine.sum()
    mine_gone, others_gone = units.sums(mine), units.sums(others)
    mine_left, others_left = len(mine) - mine_gone, len(others) - others_gone
    with np.errstate(divide="ignore", invalid="ignore"):
        area = (won - units.sums(mine, pairs_of_mine)) / (mine_left * len(others))
        area += (won - units.sums(others, pairs_of_others)) / (others_left * len(mine))
        area -= won / (len(mine) * len(others))
        total, moves_of_mine, moves_of_others = _precisions(ranked, not_below, up_to)
        moved = units.sums(mine, moves_of_mine) + units.sums(others, moves_of_others)
        precision = (total + moved) / mine_left
    area = np.where((mine_left > 0) & (others_left > 0), area, np.nan)
    return Areas(area.clip(0, 1), np.where(mine_left > 0, precision, np.nan).clip(0, 1))


def others_from(places: np.ndarray, mine: int) -> np.ndarray:
    """How many `places` (M,) are beyond each of 0..mine-1. -> (mine,)"""
    return np.bincount(places, minlength=mine + 1)[::-1].cumsum()[::-1][1:]


def _precisions(
    ranked: np.ndarray, not_below: np.ndarray, up_to: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """The sum of precisions at a class's images, and what each image left out adds to it.

    ranked (P,): the images' scores, rising; not_below (P,): others that score at least as high;
    up_to (M,): of how many images the score is not above that of each of the others.
    -> number, (P,), (M,)
    """
    found = len(ranked) - np.searchsorted(ranked, ranked, "left")
    seen = found + not_below
    precision, fewer = found / seen, np.maximum(seen - 1, 1)
    if_one_of_mine = (found - 1) / fewer - precision
    if_one_other = np.where(not_below > 0, found / fewer - precision, 0)
    reach = np.searchsorted(ranked, ranked, "right")
    summed_mine = np.concatenate([[0], if_one_of_mine.cumsum()])
    summed_other = np.concatenate([[0], if_one_other.cumsum()])
    moves = summed_mine[reach] - if_one_of_mine - precision
    return float(precision.sum()), moves, summed_other[up_to]
