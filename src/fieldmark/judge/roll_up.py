"""Answers that go up in a taxonomy until they are sure enough: "some dog" where a wolf is not.

The score of a taxon is the sum of its classes' scores. From the finest rank to the coarsest, an
image is answered where the likeliest taxon's score reaches the rank's bar; bars are chosen on
validation, so that of the answers of each rank the share asked for is right there.
"""

from dataclasses import dataclass

import numpy as np

from fieldmark.data.taxonomy import Rank
from fieldmark.judge.calibrate import curve_by, threshold_for


@dataclass(frozen=True)
class Bar:
    """score: from which a rank answers, None where it never does. Of validation: how many images
    it answers, those of finer ranks taken away, and how many of them rightly."""

    rank: Rank
    score: float | None
    answered: int = 0
    right: int = 0


def taxon_scores(scores: np.ndarray, rank: Rank) -> np.ndarray:
    """Scores of classes (N, C) -> of the rank's taxa (N, T), sums of their classes'."""
    summed = np.zeros((len(scores), len(rank.taxa)))
    np.add.at(summed.T, np.array(rank.of), scores.T)
    return summed


def choose_bars(
    scores: np.ndarray, targets: np.ndarray, ranks: tuple[Rank, ...], accuracy: float
) -> tuple[Bar, ...]:
    """A bar a rank from scores (N, C) and true classes (N,) of validation.

    accuracy: the share right that is asked of each rank's answers, so also of all together.
    """
    bars, left = [], np.isfinite(scores).all(axis=1) & (targets >= 0)
    for rank in ranks:
        summed = taxon_scores(scores[left], rank)
        best, guess = summed.max(axis=1, initial=0), summed.argmax(axis=1)
        right = guess == np.array(rank.of)[targets[left]]
        row = threshold_for(curve_by(best, right), accuracy)
        if row is None:
            bars.append(Bar(rank, None))
            continue
        bars.append(Bar(rank, *row))
        left[np.flatnonzero(left)[best >= row[0]]] = False
    return tuple(bars)


def roll_up(scores: np.ndarray, bars: tuple[Bar, ...]) -> tuple[Rank, str, float] | None:
    """The answer to one image's scores (C,): rank, taxon and its score; None where none is sure."""
    for bar in bars:
        summed = taxon_scores(scores[None], bar.rank)[0]
        best = int(summed.argmax())
        if bar.score is not None and summed[best] >= bar.score:
            return bar.rank, bar.rank.taxa[best], float(summed[best])
    return None
