"""What every figure of a set of images is made of: guesses, counts of them, scores and areas.

An image's guess is the class of its largest logit. An image whose largest logit is nan or
infinite has no guess: it counts as wrong and is in no column of the confusion table, and since
the scores of such a row are nan throughout, every figure of scores is nan.

Of several labels an image has those whose score reaches the label's threshold. One whose scores
are nan has no answer: it counts as wrong, and no label is guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fieldmark.records import Predictions
from fieldmark.task import NO_GUESS, ONE_LABEL, Task, blocks

TOP = 5


class Margins(NamedTuple):
    """What every figure of a confusion table is made of: three arrays (..., C) of counts."""

    hits: np.ndarray  # images of the class that were guessed right
    support: np.ndarray  # images of the class
    guessed: np.ndarray  # images that were taken for the class


class Decisions(NamedTuple):
    """What is held against the truth as a score: (D,) scores in 0..1, and whether each came true.

    The guess of each image, or of several labels every label of the first image, of the second...
    """

    score: np.ndarray
    came_true: np.ndarray


class Cells(NamedTuple):
    """Images (n,) and the classes (n,) that each is, or is taken for."""

    images: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the figures of one set of images are made of, each part when it is asked for.

    targets: (N,) int, 0..C-1
    classes: C
    logits:  (N, C); None where `known` has what is needed of them
    known:   parts that are at hand already, by their names
    thresholds: (C,), the least score of each of several labels, or (N, C) of each image; None: 0.5

    `EvidenceOfSeveral` is what it is of several labels; `of` and `on` make the task's.
    """

    targets: np.ndarray
    classes: int
    logits: np.ndarray | None = None
    temperature: float = 1.0
    task: Task = ONE_LABEL
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    thresholds: np.ndarray | None = None

    def __post_init__(self) -> None:
        vars(self).update(self.known)  # where a cached property looks first

    @classmethod
    def of(
        cls,
        logits: np.ndarray,
        targets: np.ndarray,
        *,
        temperature: float = 1.0,
        scores: np.ndarray | None = None,
        task: Task = ONE_LABEL,
        thresholds: np.ndarray | None = None,
    ) -> "Evidence":
        """From logits (N, C) and the task's targets; `scores` are theirs, where at hand.

        Raises ValueError for a truth that is not known.
        """
        classes = logits.shape[1]
        known = {} if scores is None else {"scores": scores}
        if task.several:
            _check_labels(targets)
            rest = (temperature, task, known, thresholds)
            return EvidenceOfSeveral(targets, classes, logits, *rest)
        is_class = (targets >= 0) & (targets < classes)
        if not is_class.all():
            row = int(is_class.argmin())
            raise ValueError(
                f"row {row}: truth {targets[row]} is outside 0..{classes - 1}; "
                "leave out the rows whose class is not known"
            )
        return cls(targets, classes, logits, temperature, task, known)

    @classmethod
    def on(
        cls,
        predictions: Predictions,
        temperature: float = 1.0,
        thresholds: np.ndarray | None = None,
    ) -> "Evidence":
        """From the rows of a table whose truth is known."""
        known, task = predictions.known, predictions.task
        logits, targets = predictions.logits[known], predictions.targets[known]
        return cls.of(logits, targets, temperature=temperature, task=task, thresholds=thresholds)

    @cached_property
    def guesses(self) -> np.ndarray:
        """The class of each image's largest logit, or NO_GUESS. -> (N,) int"""
        return self.task.decide(self._logits, None)

    @cached_property
    def scores(self) -> np.ndarray:
        """-> (N, C) float64, rows sum to 1, or are nan"""
        return self.task.scores(self._logits, self.temperature)

    @property
    def answered(self) -> np.ndarray:
        """Whether each image has a guess, or of several labels scores. -> (N,) bool"""
        return np.asarray(self.guesses != NO_GUESS)

    @cached_property
    def in_top5(self) -> np.ndarray:
        """Whether fewer than five classes are likelier than the true one. -> (N,) bool

        As a guess is the first of equals, an equal that stands before the true class takes a
        place. False without a guess.
        """
        self._of_one_label()
        found = np.asarray(self.guesses != NO_GUESS)
        places = np.arange(self.classes)
        for rows in blocks(self._logits):
            logits, targets = self._logits[rows], self.targets[rows, None]
            true = np.take_along_axis(logits, targets, axis=1)
            ahead = (logits > true) | ((logits == true) & (places < targets))
            found[rows] &= ahead.sum(axis=1) < TOP
        return found

    @cached_property
    def counts(self) -> np.ndarray:
        """Images by truth (rows) and guess; the last column are those without. -> (C, C + 1) int"""
        self._of_one_label()
        columns = np.where(self.guesses == NO_GUESS, self.classes, self.guesses)
        cells = self.targets * (self.classes + 1) + columns
        counts = np.bincount(cells, minlength=self.classes * (self.classes + 1))
        return counts.reshape(self.classes, self.classes + 1)

    @property
    def kinds(self) -> np.ndarray:
        """A number for each image; those of one are alike to every metric of counts. -> (N,) int"""
        return np.asarray(self.targets * (self.classes + 1) + self.guesses)

    @property
    def cells(self) -> tuple[Cells, Cells, Cells]:
        """Of hits, of support and of guesses: which images, and of which classes."""
        images, made = np.arange(len(self.targets)), np.flatnonzero(self.guesses != NO_GUESS)
        right = np.flatnonzero(self.right)
        return (
            Cells(right, self.targets[right]),
            Cells(images, self.targets),
            Cells(made, self.guesses[made]),
        )

    @cached_property
    def margins(self) -> Margins:
        """Hits, images and guesses of each class. -> three (C,) int"""
        return Margins(*(np.bincount(of, minlength=self.classes) for _, of in self.cells))

    def is_of(self, index: int) -> np.ndarray:
        """Whether each image is of the class. -> (N,) bool"""
        return np.asarray(self.targets == index)

    def is_taken_for(self, index: int) -> np.ndarray:
        """Whether the class is guessed of each image. -> (N,) bool"""
        return np.asarray(self.guesses == index)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each image's guess is its class. -> (N,) bool"""
        return np.asarray(self.guesses == self.targets)

    @cached_property
    def confidence(self) -> np.ndarray:
        """The score of each image's guess, nan without one. -> (N,)"""
        self._of_one_label()
        return np.where(self.guesses == NO_GUESS, np.nan, self._scores_of(self.guesses))

    @property
    def decisions(self) -> Decisions:
        """What ece is made of: each image's guess, or of several labels every label."""
        return Decisions(self.confidence, self.right)

    @cached_property
    def losses(self) -> np.ndarray:
        """Each image's -ln(score of its true class), clipped as scikit-learn does. -> (N,)"""
        tiny = np.finfo(np.float64).eps
        return np.asarray(-np.log(np.clip(self._scores_of(self.targets), tiny, 1 - tiny)))

    def _scores_of(self, classes: np.ndarray) -> np.ndarray:
        """Each image's score of the class (N,) that is named; no table of all scores is kept."""
        if "scores" in vars(self):
            return np.asarray(self.scores[np.arange(len(classes)), classes])
        found = np.empty(len(classes))
        for rows in blocks(self._logits):
            scores = self.task.scores(self._logits[rows], self.temperature)
            found[rows] = scores[np.arange(len(scores)), classes[rows]]
        return found

    @cached_property
    def areas(self) -> dict[str, np.ndarray]:
        """Each class's "roc_auc" and "average_precision" against the rest. -> (C,) each"""
        roc_auc, average_precision = class_areas(self.scores, self.targets)
        return {"roc_auc": roc_auc, "average_precision": average_precision}

    def _of_one_label(self) -> None:
        assert not self.task.several, "several labels an image have none"

    @property
    def _logits(self) -> np.ndarray:
        assert self.logits is not None, "what is asked for was not kept"
        return self.logits


@dataclass(frozen=True, eq=False)
class EvidenceOfSeveral(Evidence):
    """Evidence of several labels an image: targets (N, C) of 0 and 1, guesses (N, C) bool.

    What is of one label alone is not there: counts, confidence, in_top5.
    """

    @cached_property
    def guesses(self) -> np.ndarray:
        """Whether each label's score reaches its threshold. -> (N, C) bool"""
        return self.task.decide(self.scores, self.thresholds)

    @property
    def answered(self) -> np.ndarray:
        """Whether each image has scores. -> (N,) bool"""
        return np.asarray(np.isfinite(self.scores).all(axis=1))

    @cached_property
    def kinds(self) -> np.ndarray:
        """A number for each image; those of one have the same labels and guesses. -> (N,) int"""
        bits = np.packbits(np.hstack([self.targets == 1, self.guesses]), axis=1)
        return np.unique(bits, axis=0, return_inverse=True)[1].reshape(-1)

    @property
    def cells(self) -> tuple[Cells, Cells, Cells]:
        """Of hits, of labels and of guesses: which images, and which classes."""
        is_of, guesses = self.targets == 1, self.guesses
        hits, support, guessed = (np.nonzero(each) for each in (is_of & guesses, is_of, guesses))
        return Cells(*hits), Cells(*support), Cells(*guessed)

    def is_of(self, index: int) -> np.ndarray:
        """Whether each image has the label. -> (N,) bool"""
        return np.asarray(self.targets[:, index] == 1)

    def is_taken_for(self, index: int) -> np.ndarray:
        """Whether the label is guessed of each image. -> (N,) bool"""
        return np.asarray(self.guesses[:, index])

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each image's labels are all guessed and no others. -> (N,) bool"""
        return np.asarray((self.guesses == (self.targets == 1)).all(axis=1) & self.answered)

    @property
    def decisions(self) -> Decisions:
        """Every label of every image."""
        return Decisions(self.scores.ravel(), (self.targets == 1).ravel())

    @cached_property
    def losses(self) -> np.ndarray:
        """Each image's mean over labels of -ln(score of what is true), clipped. -> (N,)

        As scikit-learn clips where each label is asked of by itself.
        """
        tiny = np.finfo(np.float64).eps
        true = np.where(self.targets == 1, self.scores, 1 - self.scores)
        return np.asarray(-np.log(np.clip(true, tiny, 1 - tiny)).mean(axis=1))


def _check_labels(targets: np.ndarray) -> None:
    """Raises ValueError where one of (N, C) is neither 0 nor 1."""
    is_known = ((targets == 0) | (targets == 1)).all(axis=1)
    if not is_known.all():
        raise ValueError(
            f"row {int(is_known.argmin())}: its truth is not 0 or 1 for each class; "
            "leave out the rows whose labels are not known"
        )


def class_areas(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each class's ROC area and average precision against the rest. (N, C), (N,) -> (C,) twice.

    targets: or of several labels (N, C) of 0 and 1.

    The area is the chance that an image of the class has a higher score than one of another, a
    tie being half: Mann and Whitney's U over its greatest value. Average precision is the mean,
    over the images of the class, of the precision among the images that score at least as high:
    scikit-learn's, with its handling of ties. nan for a class without an image, the area also
    without a rest, and for all where any score is nan. One sort a class.
    """
    aucs, precisions = np.full((2, scores.shape[1]), np.nan)
    if np.isnan(scores).any():
        return aucs, precisions
    several = targets.ndim == 2
    for index in np.flatnonzero(targets.any(axis=0)) if several else np.unique(targets):
        is_mine = targets[:, index] == 1 if several else targets == index
        column = scores[:, index]
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


def ends_of_ties(ranked: np.ndarray) -> np.ndarray:
    """The place of the last of each run of equal values. (N,) in order -> (n,) int, rising"""
    return np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """The mean of what is not nan along the last axis; nan where all is. (..., C) -> (...)"""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0).sum(axis=-1), present.sum(axis=-1))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; nan where there is no whole."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
