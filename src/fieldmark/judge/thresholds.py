"""From which score on an image has a label: the threshold of each of several labels.

A label's own best threshold, where it has few images, is mostly chance: tuned for each label by
itself, micro F1 on the images that it was chosen by is some six points better than on others. So
each is drawn towards the one that is best for all labels together, the more the fewer images have
the label. On photos with 1,200 images for training this gave six to nine points of micro F1 over
a threshold of 0.5, on other images.

Z. C. Lipton and others, Optimal thresholding of classifiers to maximize F1 measure, 2014.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fieldmark.judge.evidence import ends_of_ties
from fieldmark.task import HALF, sigmoid

PULL = 20.0  # as many positives of a label weigh as much as the common threshold


@dataclass(frozen=True, eq=False)
class Thresholds:
    """What each label's score must reach, and what that stands on."""

    least: np.ndarray  # (C,)
    common: float  # that each is drawn to
    positives: np.ndarray  # (C,) int: images that have the label

    def named(self, classes: Sequence[str]) -> dict[str, float]:
        """By class, as a bundle has them."""
        return dict(zip(classes, self.least.tolist(), strict=True))


def best_thresholds(
    logits: np.ndarray, targets: np.ndarray, *, temperature: float = 1.0, pull: float = PULL
) -> Thresholds:
    """The thresholds of sigmoid(logits / temperature) that are best by F1, drawn together.

    logits (N, C), targets (N, C) of 0 and 1; rows that are not finite, or of which the truth is
    not known (-1), are left out. The common threshold is the best by micro F1. A label with n
    positives has n / (n + pull) of its own best one, and the rest of the common one, on the scale
    of logits; without positives it has the common one. Where there are none at all, 0.5.
    """
    known = np.isfinite(logits).all(axis=1) & (targets >= 0).all(axis=1)
    raised, truth = logits[known].astype(np.float64) / temperature, targets[known] == 1
    positives = truth.sum(axis=0)
    common = best_cut(raised.ravel(), truth.ravel())
    own = [best_cut(raised[:, k], truth[:, k]) for k in range(len(positives))]
    weight = positives / np.maximum(positives + pull, 1)
    cuts = np.where(positives > 0, weight * own + (1 - weight) * common, common)
    least, [[shared]] = sigmoid(cuts[None])[0], sigmoid(np.array([[common]]))
    return Thresholds(least, float(shared), positives)


def best_cut(logits: np.ndarray, truth: np.ndarray) -> float:
    """From which logit on F1 is the greatest if all there are guessed. (N,), (N,) bool -> number

    Half-way to the next lower logit, and where all are guessed the lowest one itself. Of several
    cuts of the same F1 the highest, which guesses the fewest; 0, a score of a half, without any
    positive.
    """
    if not truth.any():
        return 0.0
    order = np.argsort(-logits, kind="stable")
    ranked, hits = logits[order], truth[order].cumsum()
    lasts = ends_of_ties(ranked)
    f1 = 2 * hits[lasts] / (lasts + 1 + hits[-1])
    last = lasts[f1.argmax()]
    beyond = ranked[min(last + 1, len(ranked) - 1)]
    return float((ranked[last] + beyond) / 2)


def in_order(thresholds: Mapping[str, float] | None, classes: Sequence[str]) -> np.ndarray | None:
    """A bundle's thresholds in the order of `classes` (C,), 0.5 of one it lacks; None of none."""
    if thresholds is None:
        return None
    return np.array([thresholds.get(name, HALF) for name in classes], np.float64)


def of_rows(
    found: Sequence[Mapping[str, float] | None], classes: Sequence[str], number: np.ndarray
) -> np.ndarray | None:
    """For each row the thresholds of the model that answered it; None where none has any. -> (N, C)

    found: of each model, by class. number: (N,), of the model that answered.
    """
    if all(each is None for each in found):
        return None
    rows = np.array([[(each or {}).get(name, HALF) for name in classes] for each in found])
    return np.asarray(rows[number])
