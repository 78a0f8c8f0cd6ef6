"""Areas under the curves of one class against the rest: ROC-AUC and average precision."""

import numpy as np


def class_areas(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each class's ROC area and average precision against the rest. (N, C), (N,) -> (C,) twice.

    The area is the chance that an image of the class has a higher score than one of another, a
    tie being half: Mann and Whitney's U over its greatest value. Average precision is the mean,
    over the images of the class, of the precision among the images that score at least as high:
    scikit-learn's, with its handling of ties. nan for a class without an image, the area also
    without a rest, and for all where any score is nan. One sort a class.
    """
    aucs, precisions = np.full((2, scores.shape[1]), np.nan)
    if np.isnan(scores).any():
        return aucs, precisions
    for index in np.unique(targets):
        is_mine, column = targets == index, scores[:, index]
        mine, others = np.sort(column[is_mine]), column[~is_mine]
        below, up_to = _ranks(mine, others)
        if len(others):
            aucs[index] = ((below + up_to) / (2 * len(others))).mean()
        found = len(mine) - np.searchsorted(mine, mine, "left")
        precisions[index] = (found / (found + len(others) - below)).mean()
    return aucs, precisions


def placements(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The share of `others` (M,) that is below each of `values` (N,), a tie being half. -> (N,)"""
    below, up_to = _ranks(values, others)
    return np.asarray((below + up_to) / (2 * len(others)))


def _ranks(values: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many of `others` are below each of `values`, and below or equal. (N,), (M,) -> (N,) twice

    Only those of `others` that lie among `values` are sorted: few, where a class is told well.
    """
    low = others < values.min(initial=np.inf)
    among = np.sort(others[~low & (others <= values.max(initial=-np.inf))])
    below, up_to = (np.searchsorted(among, values, side) for side in ("left", "right"))
    return below + low.sum(), up_to + low.sum()
