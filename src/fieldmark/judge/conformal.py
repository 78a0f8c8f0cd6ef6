"""Sets of classes that hold the truth as often as is asked for, by split-conformal prediction.

An image's nonconformity is 1 - the score of its true class. Its set is every class whose own
nonconformity is not above a bound that validation gives; the likeliest class is always in it.
V. Vovk, A. Gammerman and G. Shafer, Algorithmic learning in a random world, 2005. By groups each
group counts as one, its images sharing that: Y. Lee, R. F. Barber and R. Willett, Distribution-free
inference with hierarchical data, 2023; without groups each image is one, and it is the same.
"""

from collections.abc import Sequence

import numpy as np

from fieldmark.models.bundle_info import SetRow

CLOSE = 1e-9  # by which a sum of shares may miss a level by rounding
DIGITS = 1e6  # bounds are kept to so many parts of 1, rounded up
# Levels that somebody may ask for: a bound is kept for each. What lies between gets the next one.
LEVELS = np.unique(
    np.concatenate(
        [np.arange(50, 90) / 100, np.arange(180, 198) / 200, np.arange(990, 1000) / 1000, [0.9999]]
    )
)


def shares_below(groups: np.ndarray | None, order: np.ndarray) -> np.ndarray:
    """What a new value is promised to be at most, for values in a rising order. (N,) -> (N,)

    k / (n + 1) at the k-th of n, or by groups the sum of each value's part of its group.
    """
    if groups is None:
        return np.arange(1, len(order) + 1) / (len(order) + 1)
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.cumsum(1 / sizes[place][order]) / (len(sizes) + 1)


def bound(values: np.ndarray, level: float, groups: np.ndarray | None = None) -> float | None:
    """The least of the values (N,) that a new one is at most, in `level` of all draws.

    That is the ceil((n + 1) level)-th of n. None where the level is above n / (n + 1).
    """
    order = np.argsort(values, kind="stable")
    enough = np.flatnonzero(shares_below(groups, order) >= level - CLOSE)
    return float(values[order[enough[0]]]) if len(enough) else None


def set_rows(
    scores: np.ndarray, targets: np.ndarray, groups: np.ndarray | None = None
) -> tuple[SetRow, ...]:
    """Rows of level, bound, and mean number of classes a set at that bound, levels rising.

    scores (N, C), targets (N,), groups (N,). Images whose truth is no class (-1) or whose scores
    are not finite are passed over; () without any. The last row has the highest level there is.
    """
    known = np.isfinite(scores).all(axis=1) & (targets >= 0)
    scores, targets = scores[known], targets[known]
    groups = None if groups is None else groups[known]
    if not len(scores):
        return ()
    missed = 1 - scores[np.arange(len(scores)), targets]
    order = np.argsort(missed, kind="stable")
    shares = shares_below(groups, order)
    firsts = np.searchsorted(shares, LEVELS - CLOSE)
    places = np.unique([*firsts[firsts < len(shares)], len(shares) - 1])
    bounds = np.ceil(missed[order[places]] * DIGITS) / DIGITS
    return tuple(
        SetRow(float(shares[place]), float(most), float(sets(scores, most).sum(axis=1).mean()))
        for place, most in zip(places, bounds, strict=True)
    )


def row_for(rows: Sequence[SetRow], level: float) -> SetRow | None:
    """The first row that promises the level; None where no row does."""
    return next((row for row in rows if row.level >= level - CLOSE), None)


def sets(scores: np.ndarray, most: float) -> np.ndarray:
    """Which classes are in each image's set; at least the likeliest. (N, C) -> (N, C) bool"""
    found = 1 - scores <= most
    found[np.arange(len(scores)), scores.argmax(axis=1)] = True
    return np.asarray(found)
