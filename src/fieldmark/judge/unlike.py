"""Whether an image is unlike those of the training: by its scores, and by what is near to it.

Scores: the generalised entropy (X. Liu, Y. Lochman and C. Zach, GEN: pushing the limits of
softmax-based out-of-distribution detection, 2023). Distance: the mean of those to the nearest
features that were kept of training, each divided by its length (Y. Sun and others,
Out-of-distribution detection with deep nearest neighbors, 2022, have the k-th alone).
"""

import numpy as np

from fieldmark.judge.conformal import bound
from fieldmark.judge.evidence import placements

SHARE = 0.025  # of known images that each of the two may call unlike
POWER, LIKELIEST = 0.1, 100  # of the entropy: its exponent, and how many classes count
NEAREST = 10
AT_ONCE = 1024  # images whose distances are in memory


def entropy(scores: np.ndarray) -> np.ndarray:
    """The sum of (p (1 - p))^0.1 over the 100 likeliest classes. (N, C) -> (N,)"""
    likeliest = -np.sort(-scores, axis=1)[:, :LIKELIEST]
    found: np.ndarray = ((likeliest * (1 - likeliest)).clip(0) ** POWER).sum(axis=1)
    return found


def unit(features: np.ndarray) -> np.ndarray:
    """Each row divided by its length; a row of zeros stays. (N, D) -> (N, D) float32"""
    features = features.astype(np.float32)
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12))


def distances(features: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The mean distance to the 10 nearest that are kept, or to all of fewer. -> (N,) float32

    features (N, D), kept (K, D), both of length 1. nan where none is kept.
    """
    if not len(kept):
        return np.full(len(features), np.nan, np.float32)
    kept, near = kept.astype(np.float32, copy=False), min(NEAREST, len(kept)) - 1
    found = []
    for start in range(0, len(features), AT_ONCE):
        some = features[start : start + AT_ONCE]
        squares = (some**2).sum(axis=1)[:, None] + (kept**2).sum(axis=1) - 2 * some @ kept.T
        least = np.partition(squares, near, axis=1)[:, : near + 1]
        found.append(np.sqrt(least.clip(0)).mean(axis=1))
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def most_of(values: np.ndarray, groups: np.ndarray | None = None) -> float:
    """What a known image's value is above in at most 2.5 % of all draws: values (N,) of known ones.

    Of fewer than 39 images, or groups, the largest, which more of the others may be above.
    """
    known = np.isfinite(values)
    groups = None if groups is None else groups[known]
    found = bound(values[known], 1 - SHARE, groups)
    return float(values[known].max()) if found is None else found


def is_unlike(
    most_distance: float,
    most_entropy: float | None,
    distance: np.ndarray,
    spread: np.ndarray | None,
) -> np.ndarray:
    """Which images are unlike by distance (N,) or by the entropy of scores (N,). -> (N,) bool"""
    found = distance > most_distance
    return found if most_entropy is None or spread is None else found | (spread > most_entropy)


def area(known: np.ndarray, unknown: np.ndarray) -> float:
    """AUROC: how often an unknown image's value is above a known one's. (N,), (M,) -> number

    nan where there is none of either.
    """
    if not len(known) or not len(unknown):
        return float("nan")
    return float(placements(unknown, known).mean())
