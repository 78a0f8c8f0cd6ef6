"""Figures of two classifiers' answers to the same images, some of them exchanged.

In a draw an image may count several times with the answers as they are (`kept`), and several
times with the two classifiers' answers exchanged (`swapped`), both (B, N) of B draws.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fieldmark.judge.evidence import Evidence, Margins, mean_of_present, placements
from fieldmark.judge.kinds import OfImages
from fieldmark.judge.metrics import METRICS, averages


@dataclass(frozen=True, eq=False)
class Pair:
    """Two classifiers' evidence on the same images, in one order."""

    first: Evidence
    second: Evidence

    @cached_property
    def differ(self) -> np.ndarray:
        """Whether the two guess differently. -> (N,) bool"""
        return np.asarray(self.first.guesses != self.second.guesses)

    @cached_property
    def areas(self) -> "Areas":
        """What differences of ROC areas are made of."""
        return Areas.of(self.first.scores, self.second.scores, self.first.targets)

    @cached_property
    def precisions(self) -> "Areas":
        """The same of average precision."""
        return Areas.of_precision(self.first.scores, self.second.scores, self.first.targets)

    @cached_property
    def gains(self) -> dict[str, np.ndarray]:
        """By how much the second is ahead at each image, for means over images. -> (N,) each"""
        means = {
            name: row.of.value for name, row in METRICS.items() if isinstance(row.of, OfImages)
        }
        return {
            name: value(self.second).astype(np.float64) - value(self.first)
            for name, value in means.items()
        }


def count_differences(pair: Pair, kept: np.ndarray, swapped: np.ndarray) -> dict[str, np.ndarray]:
    """Second less first for every metric of counts. -> (B,) each"""
    first = _added(_margins(kept, pair.first), _margins(swapped, pair.second))
    second = _added(_margins(kept, pair.second), _margins(swapped, pair.first))
    theirs, ours = averages(second), averages(first)
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


@dataclass(frozen=True, eq=False)
class Areas:
    """The difference of two means of areas, as what each image adds to it.

    A ROC area is a mean over pairs of an image of the class and one of another. own: by how much
    more of the others the second ranks an image of its class above, less the first (N,). rest:
    how much more rarely it ranks an image above those of class k (N, K). Both are `apart`, the
    areas' difference of each class (K,), in the mean over their side. drift: what more of the
    others to an image of the class add to that (K,), of which a ROC area knows nothing. shares:
    what becomes negative in the mean area's difference when an image's answers are exchanged
    (N,); they sum to that difference, of average precisions only nearly where scores are equal.
    """

    targets: np.ndarray
    present: np.ndarray  # the K classes that have an area
    own: np.ndarray
    rest: np.ndarray
    apart: np.ndarray
    drift: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray, targets: np.ndarray) -> "Areas":
        """From scores (N, C) twice and targets (N,). Scores that are nan give nan.

        Exchanged answers are compared with those that are not, so each column is ranked first:
        two classifiers' scores need not mean the same, and an area knows ranks only. With that
        the difference is linear in the exchanges, since exchanging both images of a pair turns
        its sign, and exchanging one turns the sign of what the other exchange would give.
        """
        images, numbers = len(targets), np.bincount(targets, minlength=first.shape[1])
        present = np.flatnonzero((numbers > 0) & (numbers < images))
        own, shares = np.zeros((2, images))
        rest, apart = np.zeros((images, len(present)), np.float32), np.zeros(len(present))
        is_nan = np.isnan(first).any() or np.isnan(second).any()
        for place, index in enumerate(() if is_nan else present):
            mine = targets == index
            one, two = (
                placements(scores[:, index], scores[:, index]) for scores in (first, second)
            )
            straight = [placements(x[mine], x[~mine]) for x in (one, two)]
            crossed = [placements(x[mine], y[~mine]) for x, y in ((one, two), (two, one))]
            below = [1 - placements(x[~mine], x[mine]) for x in (one, two)]
            across = [1 - placements(y[~mine], x[mine]) for x, y in ((one, two), (two, one))]
            own[mine] = straight[1] - straight[0]
            rest[~mine, place] = below[1] - below[0]
            apart[place] = own[mine].mean()
            halves = 2 * len(present) * np.array([mine.sum(), (~mine).sum()])
            shares[mine] += (own[mine] + crossed[1] - crossed[0]) / halves[0]
            shares[~mine] += (below[1] - below[0] + across[0] - across[1]) / halves[1]
        if is_nan or not len(present):
            shares, apart = np.full(images, np.nan), np.full(len(present), np.nan)
        return cls(targets, present, own, rest, apart, np.zeros(len(present)), shares)

    @classmethod
    def of_precision(cls, first: np.ndarray, second: np.ndarray, targets: np.ndarray) -> "Areas":
        """Of average precisions, from scores (N, C) twice and targets (N,). nan as in `of`.

        Each image adds what its weight moves, to first order (see `_pulls`). For exchanges that
        is taken where both classifiers' images are one ranking, which no exchange alters, each
        column ranked first as in `of`. So what the shares give is exchanged exactly, and in the
        difference that they stand for all that is even cancels.
        """
        images, numbers = len(targets), np.bincount(targets, minlength=first.shape[1])
        present = np.flatnonzero(numbers)
        own, shares = np.zeros((2, images))
        rest = np.zeros((images, len(present)), np.float32)
        apart, drift = np.zeros((2, len(present)))
        is_nan = np.isnan(first).any() or np.isnan(second).any()
        for place, index in enumerate(() if is_nan else present):
            mine = targets == index
            one, two = (
                placements(scores[:, index], scores[:, index]) for scores in (first, second)
            )
            (of_one, ours_one, others_one), (of_two, ours_two, others_two) = (
                _pulls(x[mine], x[~mine]) for x in (one, two)
            )
            apart[place] = of_two - of_one
            own[mine] = ours_two - ours_one + apart[place]
            rest[~mine, place] = others_two - others_one + apart[place]
            drift[place] = (others_two - others_one).sum() / max((~mine).sum(), 1)
            pooled = _pulls(*(np.concatenate([one[side], two[side]]) for side in (mine, ~mine)))
            for side, pulls in zip((mine, ~mine), pooled[1:], strict=True):
                ours, theirs = np.split(pulls, 2)
                shares[side] += (theirs - ours) / max(side.sum() * len(present), 1)
        if is_nan or not len(present):
            shares, apart = np.full(images, np.nan), np.full(len(present), np.nan)
        return cls(targets, present, own, rest, apart, drift, shares)

    def drawn(self, weights: np.ndarray) -> np.ndarray:
        """The mean area's difference of images drawn anew, to first order. (B, N) -> (B,)

        The weighted means of both sides, less the difference itself: W. Hoeffding, A class of
        statistics with asymptotically normal distribution, 1948. And the drift, where there are
        more of the others to each image of the class than there were.
        """
        number = len(self.present)
        place = np.full(int(self.targets.max(initial=0)) + 1, number)
        place[self.present] = np.arange(number)
        sides = place[self.targets]
        ours = _sums(weights, sides, number + 1)[:, :number]
        others = weights.sum(axis=1)[:, None] - ours
        own = _sums(weights * self.own, sides, number + 1)[:, :number]
        with np.errstate(divide="ignore", invalid="ignore"):  # a class that was not drawn
            found = own / ours + (weights @ self.rest) / others - self.apart
            if self.drift.any():
                numbers = np.bincount(sides, minlength=number + 1)[:number]
                found += self.drift * np.log(others / ours * numbers / (len(sides) - numbers))
        return mean_of_present(np.where((ours > 0) & (others > 0), found, np.nan))


def _pulls(mine: np.ndarray, others: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Average precision, and how hard each image pulls at it. (P,), (M,) -> number, (P,), (M,)

    A pull is the derivative by the image's weight, times the number of images of its side. More
    weight on an image of the class lifts the precision at all that score no higher, and its own
    counts for more; more weight on another lowers the precision at those.
    """
    ranked, rivals = np.sort(mine), np.sort(others)
    found = len(ranked) - np.searchsorted(ranked, ranked, "left")
    passed = len(rivals) - np.searchsorted(rivals, ranked, "left")
    seen = found + passed
    lifted, lowered = (np.append(0, (part / seen**2).cumsum()) for part in (passed, found))
    reach, beneath = (np.searchsorted(ranked, values, "right") for values in (mine, others))
    precision = (found / seen)[np.searchsorted(ranked, mine, "left")]
    figure = float(precision.mean())
    return figure, precision - figure + lifted[reach], -lowered[beneath] * len(others) / len(mine)
