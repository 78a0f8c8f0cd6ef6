"""What each threshold on a score would give: ROC and precision-recall curves of a class."""

from dataclasses import dataclass

import numpy as np

from fieldmark.judge.evidence import Evidence, class_areas, ends_of_ties

POINTS = 120  # of a curve; its area is that of all points


@dataclass(frozen=True)
class ScoreCurve:
    """One class against the rest, for thresholds from high to low.

    false, recall: the share of the others and of the class that reach it (P,); precision: the share
    of those that reach it that are of the class (P,), 1 before the first. area,
    average_precision: the figures of the same names. n: images of the class.
    """

    name: str
    n: int
    false: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    area: float
    average_precision: float


def score_curves(
    evidence: Evidence, names: tuple[str, ...], most: int | None = None
) -> list[ScoreCurve]:
    """A curve for each class that some of the images have and some have not; [] without scores.

    most: of those that are worst by either figure, at most so many.
    """
    scores = evidence.scores
    if not len(scores) or np.isnan(scores).any():
        return []
    areas, precisions = class_areas(scores, evidence.targets)
    there = np.flatnonzero(np.isfinite(areas))
    kept = {*_worst(areas, there, most), *_worst(precisions, there, most)}
    found = []
    for index in sorted(kept):
        is_of = evidence.is_of(index)
        points = _points(scores[:, index], is_of)
        its = (float(areas[index]), float(precisions[index]))
        found.append(ScoreCurve(names[index], int(is_of.sum()), *points, *its))
    return found


def _worst(values: np.ndarray, there: np.ndarray, most: int | None) -> list[int]:
    return [int(place) for place in there[np.argsort(values[there], kind="stable")][:most]]


def _points(score: np.ndarray, is_of: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False positive rate, recall and precision from a threshold above all scores downwards."""
    order = np.argsort(-score, kind="stable")
    lasts = ends_of_ties(score[order])
    mine = np.cumsum(is_of[order])[lasts]
    answered = lasts + 1
    recall, false = mine / is_of.sum(), (answered - mine) / (~is_of).sum()
    precision = mine / answered
    recall, false = np.append(0.0, recall), np.append(0.0, false)
    precision = np.append(1.0, precision)
    if len(recall) > POINTS:
        kept = np.unique(np.linspace(0, len(recall) - 1, POINTS).round().astype(int))
        recall, false, precision = recall[kept], false[kept], precision[kept]
    return false, recall, precision
