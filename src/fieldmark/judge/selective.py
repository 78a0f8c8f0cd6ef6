"""Answering only where the model is sure: how many images that leaves, and how many are right.

R. El-Yaniv and Y. Wiener, On the foundations of noise-free selective classification, 2010.
"""

from collections.abc import Sequence

import numpy as np

from fieldmark.judge.evidence import Evidence
from fieldmark.records import Predictions

Curve = tuple[tuple[float, int, int], ...]  # rows of `answer_curve`

MOST_ROWS = 200
# Shares right that somebody may ask for: of these no row is lost.
TARGETS = np.array([*range(500, 900, 10), *range(900, 1000, 5), 998, 999, 1000]) / 1000


def curve_of(predictions: Predictions, temperature: float, *, most: int | None = None) -> Curve:
    """What is answered and right by score, of the images whose class is known; () without any.

    most: rows; None for a row a score, so that what holds at any score can be read off.
    """
    evidence = Evidence.on(predictions, temperature)
    images = len(evidence.targets)
    return tuple(answer_curve(evidence, most=images if most is None else most)) if images else ()


def answer_curve(evidence: Evidence, *, most: int = MOST_ROWS) -> list[tuple[float, int, int]]:
    """Rows (score, answered, right), the surest first: what holds if this score is asked for.

    answered: images whose guess has at least this score; right: how many of them are right.
    Images of one score come together. Images without a guess are never answered. Of more than
    `most` different scores (100 or more), kept are the first and the last, those that
    `threshold_for` chooses for TARGETS, and others evenly spaced.
    """
    made = np.flatnonzero(~np.isnan(evidence.confidence))
    order = made[np.argsort(-evidence.confidence[made], kind="stable")]
    scores = evidence.confidence[order]
    lasts = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    right = np.cumsum(evidence.right[order])
    if len(lasts) > most:
        lasts = lasts[_kept(right[lasts] / (lasts + 1), most)]
    return [(float(scores[row]), int(row) + 1, int(right[row])) for row in lasts]


def _kept(accuracy: np.ndarray, most: int) -> np.ndarray:
    """Which `most` rows of a longer curve stay, rising; accuracy (R,): the share right of each."""
    chosen = [rows[-1] for rows in map(np.flatnonzero, accuracy >= TARGETS[:, None]) if len(rows)]
    kept = np.unique([0, *chosen, len(accuracy) - 1])
    others = np.setdiff1d(np.arange(len(accuracy)), kept)
    evenly = np.linspace(0, len(others) - 1, most - len(kept)).round().astype(np.int64)
    return np.sort(np.concatenate([kept, others[evenly]]))


def threshold_for(
    curve: Sequence[tuple[float, int, int]], accuracy: float
) -> tuple[float, int, int] | None:
    """The row of a curve that answers the most images with at least this share of them right.

    None where no row does. The row was chosen by these images: others may fall short of it.
    """
    enough = [row for row in curve if row[2] / row[1] >= accuracy]
    return max(enough, key=lambda row: row[1], default=None)
