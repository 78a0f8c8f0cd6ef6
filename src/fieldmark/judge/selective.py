"""Answering only where the model is sure: how many images that leaves, and how many are right.

R. El-Yaniv and Y. Wiener, On the foundations of noise-free selective classification, 2010.
"""

from collections.abc import Sequence

import numpy as np

from fieldmark.judge.metrics import Evidence

MOST_ROWS = 200


def answer_curve(evidence: Evidence, *, most: int = MOST_ROWS) -> list[tuple[float, int, int]]:
    """Rows (score, answered, right), the surest first: what holds if this score is asked for.

    answered: images whose guess has at least this score; right: how many of them are right.
    Images of one score come together. Images without a guess are never answered. Of more than
    `most` different scores, rows evenly spaced are kept, with the first and the last.
    """
    made = np.flatnonzero(~np.isnan(evidence.confidence))
    order = made[np.argsort(-evidence.confidence[made], kind="stable")]
    scores = evidence.confidence[order]
    lasts = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    if len(lasts) > most:
        lasts = lasts[np.linspace(0, len(lasts) - 1, most).round().astype(np.int64)]
    right = np.cumsum(evidence.right[order])
    return [(float(scores[row]), int(row) + 1, int(right[row])) for row in lasts]


def threshold_for(
    curve: Sequence[tuple[float, int, int]], accuracy: float
) -> tuple[float, int, int] | None:
    """The row of a curve that answers the most images with at least this share of them right.

    None where no row does. The row was chosen by these images: others may fall short of it.
    """
    enough = [row for row in curve if row[2] / row[1] >= accuracy]
    return max(enough, key=lambda row: row[1], default=None)
