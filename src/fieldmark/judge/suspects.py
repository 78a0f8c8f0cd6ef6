"""Labels that are probably wrong, from answers of models that had not seen the images.

Confident learning (Northcutt, Jiang and Chuang, "Confident learning: Estimating uncertainty in
dataset labels", JAIR 70, 2021): an image is confidently of a class where its score of it is at
least the mean score that the images labelled so have of it. Of several labels an image each label
is a question of its own, with two classes: with and without it.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Suspected:
    """What is held against each label, the likeliest mistake first; for n questions.

    A question is an image or, of several labels, an image and a label. places: (n,) of the rows of
    the scores. label: (n,) the class that was given, or is in question. suggested: (n,) the class
    that the model takes it for, or would next; of several labels the same one again. given: (n,)
    whether the image has the label in question. score: (n,) how sure the given answer is, the least
    first. flagged: (n,) whether the image is confidently of another class than it is labelled.
    """

    places: np.ndarray
    label: np.ndarray
    suggested: np.ndarray
    given: np.ndarray
    score: np.ndarray
    flagged: np.ndarray

    def __len__(self) -> int:
        return len(self.places)


def thresholds(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The mean score of each class of the images labelled so; infinite where none is. -> (C,)

    scores: (n, C). targets: (n,) classes.
    """
    classes = np.arange(scores.shape[1])
    own = targets[:, None] == classes
    sums = np.where(own, scores, 0.0).sum(axis=0)
    return np.where(own.any(axis=0), sums / np.maximum(own.sum(axis=0), 1), np.inf)


def confident_class(scores: np.ndarray, least: np.ndarray) -> np.ndarray:
    """The class with the highest score of those that reach their threshold, -1 for none. -> (n,)"""
    reached = np.where(scores >= least, scores, -np.inf)
    found = reached.argmax(axis=1)
    return np.where(np.isfinite(reached.max(axis=1)), found, -1)


def suspects(
    scores: np.ndarray, targets: np.ndarray, *, learned_on: np.ndarray | None = None
) -> Suspected:
    """One label an image: each label's standing, the likeliest mistake first.

    scores: (n, C), each of a model that was trained without the image. targets: (n,) classes.
    learned_on: (n,) bool, the images that the thresholds are learned from; all, where not given.
    A label that the model itself gives is never flagged, as cleanlab has it.
    """
    known = np.ones(len(targets), bool) if learned_on is None else learned_on
    least = thresholds(scores[known], targets[known])
    rows = np.arange(len(targets))
    own, others = scores[rows, targets], scores.copy()
    others[rows, targets] = -np.inf
    suggested = others.argmax(axis=1)
    given = own >= others[rows, suggested]
    found = confident_class(scores, least)
    order = np.argsort(own, kind="stable")
    return Suspected(
        rows[order],
        targets[order],
        suggested[order],
        np.ones(len(rows), bool),
        own[order],
        ((found >= 0) & (found != targets) & ~given)[order],
    )


def suspects_of_several(
    scores: np.ndarray, targets: np.ndarray, *, learned_on: np.ndarray | None = None
) -> Suspected:
    """Several labels an image: each image and label, the likeliest mistake first.

    scores, targets: (n, C), of 0 and 1. The score of a question is that of the given answer, with
    the label or without it. Most labels are rare, so that being without one is surer than having
    one; the order is therefore that of the log odds less those of the threshold: how far the
    answer is below what its like have. See `suspects` for the rest.
    """
    known = np.ones(len(targets), bool) if learned_on is None else learned_on
    having = targets.astype(bool)
    flagged, least = np.zeros(having.shape, bool), np.zeros(having.shape)
    for number in range(scores.shape[1]):
        both = np.stack([1 - scores[:, number], scores[:, number]], axis=1)
        own = having[:, number].astype(np.int64)
        its = thresholds(both[known], own[known])
        found = confident_class(both, its)
        flagged[:, number] = (found >= 0) & (found != own)
        least[:, number] = its[own]
    score = np.where(having, scores, 1 - scores)
    order = np.argsort((_log_odds(score) - _log_odds(least)).ravel(), kind="stable")
    places, label = np.divmod(order, scores.shape[1])
    parts = (having.ravel()[order], score.ravel()[order], flagged.ravel()[order])
    return Suspected(places, label, label.copy(), *parts)


def _log_odds(shares: np.ndarray) -> np.ndarray:
    inside = np.clip(shares, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(inside / (1 - inside)))
