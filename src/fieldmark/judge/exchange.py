"""Figures of two classifiers' answers to the same images, some of them exchanged.

In a draw an image may count several times with the answers as they are (`kept`), and several
times with the two classifiers' answers exchanged (`swapped`), both (B, N) of B draws.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fieldmark.judge.evidence import (
    Cells,
    Evidence,
    Margins,
    ends_of_ties,
    mean_of_present,
    placements,
)
from fieldmark.judge.jackknife import others_from
from fieldmark.judge.metrics import OfImages, averages, of_task


@dataclass(frozen=True, eq=False)
class TwoModels:
    """Two classifiers' evidence on the same images, in one order."""

    first: Evidence
    second: Evidence

    @cached_property
    def differ(self) -> np.ndarray:
        """Whether the two guess differently. -> (N,) bool"""
        apart = np.asarray(self.first.guesses != self.second.guesses)
        return np.asarray(apart.any(axis=1)) if self.first.task.several else apart

    @cached_property
    def areas(self) -> dict[str, "AreaDifference"]:
        """What the differences of areas are made of, by the name of the area."""
        return area_differences(self.first, self.second)

    @cached_property
    def gains(self) -> dict[str, np.ndarray]:
        """By how much the second is ahead at each image, for means over images. -> (N,) each"""
        return {
            name: row.of.value(self.second).astype(np.float64) - row.of.value(self.first)
            for name, row in of_task(self.first.task).items()
            if isinstance(row.of, OfImages)
        }


def count_differences(
    pair: TwoModels, kept: np.ndarray, swapped: np.ndarray
) -> dict[str, np.ndarray]:
    """Second less first for every metric of counts. -> (B,) each"""
    first = _added(_margins(kept, pair.first), _margins(swapped, pair.second))
    second = _added(_margins(kept, pair.second), _margins(swapped, pair.first))
    theirs, ours = (averages(margins, pair.first.task) for margins in (second, first))
    return {name: theirs[name] - ours[name] for name in ours}


def _added(one: Margins, other: Margins) -> Margins:
    return Margins(*(mine + theirs for mine, theirs in zip(one, other, strict=True)))


def _margins(weights: np.ndarray, evidence: Evidence) -> Margins:
    """Margins of each draw, an image counting as often as its weight. (B, N) -> (B, C) each"""
    return Margins(
        *(_sums(weights[:, images], of, evidence.classes) for images, of in evidence.cells)
    )


def _sums(weights: np.ndarray, classes: np.ndarray, number: int) -> np.ndarray:
    """Sums of the weights by class. (B, N), (N,) -> (B, number)"""
    found = np.zeros((len(weights), number))
    for row, weight in zip(found, weights, strict=True):
        row[:] = np.bincount(classes, weight, number)
    return found


# Of a class with P images and M others: own (P,), rest (M,), apart, drift as of AreaDifference,
# and the shares of either side, times its images and the number of classes.
Adds = tuple[np.ndarray, np.ndarray, float, float, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class AreaDifference:
    """The difference of two means of areas, as what each image adds to it.

    A ROC area is a mean over pairs of an image of the class and one of another. own: by how much
    more of the others the second ranks an image of its class above, less the first, for each of
    `support` (S,). rest: how much more rarely it ranks an image above those of class k (N, K).
    Both are `apart`, the areas' difference of each class (K,), in the mean over their side.
    drift: what more of the others to an image of the class add to that (K,), of which a ROC area
    knows nothing. shares: what becomes negative in the mean area's difference when an image's
    answers are exchanged (N,); they sum to that difference, of average precisions only nearly
    where scores are equal.
    """

    support: Cells
    present: np.ndarray  # the K classes that have an area
    own: np.ndarray
    rest: np.ndarray
    apart: np.ndarray
    drift: np.ndarray
    shares: np.ndarray

    def drawn(self, weights: np.ndarray) -> np.ndarray:
        """The mean area's difference of images drawn anew, to first order. (B, N) -> (B,)

        The weighted means of both sides, less the difference itself: W. Hoeffding, A class of
        statistics with asymptotically normal distribution, 1948. And the drift, where there are
        more of the others to each image of the class than there were.
        """
        number, (images, classes) = len(self.present), self.support
        place = np.full(int(classes.max(initial=0)) + 1, number)
        place[self.present] = np.arange(number)
        sides, its = place[classes], weights[:, images]
        ours = _sums(its, sides, number + 1)[:, :number]
        others = weights.sum(axis=1)[:, None] - ours
        own = _sums(its * self.own, sides, number + 1)[:, :number]
        with np.errstate(divide="ignore", invalid="ignore"):  # a class that was not drawn
            found = own / ours + (weights @ self.rest) / others - self.apart
            if self.drift.any():
                numbers = np.bincount(sides, minlength=number + 1)[:number]
                found += self.drift * np.log(others / ours * numbers / (len(self.rest) - numbers))
        return mean_of_present(np.where((ours > 0) & (others > 0), found, np.nan))


def area_differences(first: Evidence, second: Evidence) -> dict[str, AreaDifference]:
    """Of ROC areas and of average precisions, by name. Scores that are nan give nan.

    Exchanged answers are compared with those that are not, so each column is ranked first: two
    classifiers' scores need not mean the same, and an area knows ranks only.
    """
    sizes, images, support = first.margins.support, len(first.targets), first.cells[1]
    there = {"roc_auc": (sizes > 0) & (sizes < images), "average_precision": sizes > 0}
    is_nan = np.isnan(first.scores).any() or np.isnan(second.scores).any()
    found = {}
    for name, present in ((name, np.flatnonzero(has)) for name, has in there.items()):
        own, (apart, drift) = np.zeros(len(support.images)), np.zeros((2, len(present)))
        rest, shares = np.zeros((images, len(present)), np.float32), np.zeros(images)
        apart[:], shares[:] = (np.nan, np.nan) if is_nan or not len(present) else (0, 0)
        found[name] = AreaDifference(support, present, own, rest, apart, drift, shares)
    for index in () if is_nan else np.flatnonzero(sizes):
        mine, entries = first.is_of(int(index)), support.classes == index
        one, two = (_ranked(each.scores[:, index]) for each in (first, second))
        for name, of in (("roc_auc", _of_roc), ("average_precision", _of_precision)):
            if there[name][index]:
                area, place = found[name], int(there[name][:index].sum())
                own, rest, area.apart[place], area.drift[place], ours, others = of(one, two, mine)
                area.own[entries], area.rest[~mine, place] = own, rest
                for side, its in ((mine, ours), (~mine, others)):
                    area.shares[side] += its / max(side.sum() * len(area.present), 1)
    return found


def _ranked(column: np.ndarray) -> np.ndarray:
    """`placements` of a column (N,) among itself."""
    order = np.argsort(column)
    ends = ends_of_ties(column[order]) + 1
    sizes = np.diff(ends, prepend=0)
    found = np.empty(len(column))
    found[order] = np.repeat(2 * ends - sizes, sizes) / (2 * len(column))
    return found


def _of_roc(one: np.ndarray, two: np.ndarray, mine: np.ndarray) -> Adds:
    """What images add to the difference of ROC areas, from the ranks of both (N,).

    It is linear in the exchanges, since exchanging both images of a pair turns its sign, and
    exchanging one turns the sign of what the other exchange would give.
    """
    straight = [placements(x[mine], x[~mine]) for x in (one, two)]
    crossed = [placements(x[mine], y[~mine]) for x, y in ((one, two), (two, one))]
    below = [1 - placements(x[~mine], x[mine]) for x in (one, two)]
    across = [1 - placements(y[~mine], x[mine]) for x, y in ((one, two), (two, one))]
    own = straight[1] - straight[0]
    shares = own + crossed[1] - crossed[0], below[1] - below[0] + across[0] - across[1]
    rest = below[1] - below[0]
    return own, rest, own.mean(), 0.0, shares[0] / 2, shares[1] / 2


def _of_precision(one: np.ndarray, two: np.ndarray, mine: np.ndarray) -> Adds:
    """The same of average precisions: each image adds what its weight moves, to first order.

    For exchanges that is taken where both classifiers' images are one ranking, which no exchange
    alters. So what the shares give is exchanged exactly, and in the difference that they stand
    for all that is even cancels.
    """
    (of_one, ours_one, others_one), (of_two, ours_two, others_two) = (
        _pulls(x[mine], x[~mine]) for x in (one, two)
    )
    apart = of_two - of_one
    own = ours_two - ours_one + apart
    rest = others_two - others_one + apart
    drift = (others_two - others_one).sum() / max((~mine).sum(), 1)
    pooled = _pulls(*(np.concatenate([one[side], two[side]]) for side in (mine, ~mine)))[1:]
    ours, others = (np.subtract(*np.split(pulls, 2)[::-1]) for pulls in pooled)
    return own, rest, apart, drift, ours, others


def _pulls(mine: np.ndarray, others: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Average precision, and how hard each image pulls at it. (P,), (M,) -> number, (P,), (M,)

    A pull is the derivative by the image's weight, times the number of images of its side. More
    weight on an image of the class lifts the precision at all that score no higher, and its own
    counts for more; more weight on another lowers the precision at those.
    """
    ranked = np.sort(mine)
    reach, beneath = (np.searchsorted(ranked, values, "right") for values in (mine, others))
    found = len(ranked) - np.searchsorted(ranked, ranked, "left")
    passed = others_from(beneath, len(ranked))
    seen = found + passed
    lifted, lowered = (np.append(0, (part / seen**2).cumsum()) for part in (passed, found))
    precision = (found / seen)[np.searchsorted(ranked, mine, "left")]
    figure = float(precision.mean())
    return figure, precision - figure + lifted[reach], -lowered[beneath] * len(others) / len(mine)
