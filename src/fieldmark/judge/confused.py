"""Which classes are taken for which others, the commonest mistake first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pair:
    """Images of one class that were taken for another: `count` of the `support` of the class."""

    truth: str
    guess: str
    count: int
    support: int


def pairs(confusion: np.ndarray, classes: Sequence[str], most: int) -> list[Pair]:
    """The pairs that were confused most often, ties in the order of the classes.

    confusion: (C, C) counts by truth (rows) and guess (columns). Its rows may lack images
    without a guess; `support` is the sum of the row.
    """
    mistakes = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    places = zip(*np.unravel_index(order, mistakes.shape), strict=True)
    totals = confusion.sum(axis=1)
    return [
        Pair(classes[i], classes[j], int(mistakes[i, j]), int(totals[i]))
        for i, j in places
        if mistakes[i, j] > 0
    ]
