"""What every figure of a set of images is made of: guesses, counts of them, scores and areas.

An image's guess is the class of its largest logit. An image whose largest logit is nan or
infinite has no guess: it counts as wrong and is in no column of the confusion table, and since
the scores of such a row are nan throughout, every figure of scores is nan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from fieldmark.records import Predictions
from fieldmark.task import NO_GUESS, ONE_LABEL, Task, blocks

TOP = 5


class Margins(NamedTuple):
    """What every figure of a confusion table is made of: three arrays (..., C) of counts."""

    hits: np.ndarray  # images of the class that were guessed right
    support: np.ndarray  # images of the class
    guessed: np.ndarray  # images that were taken for the class


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
    """

    targets: np.ndarray
    classes: int
    logits: np.ndarray | None = None
    temperature: float = 1.0
    task: Task = ONE_LABEL
    known: Mapping[str, np.ndarray] = field(default_factory=dict)

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
    ) -> Self:
        """From logits (N, C) and targets (N,); `scores` are their softmax, where it is at hand.

        Raises ValueError for a truth outside 0..C-1.
        """
        classes = logits.shape[1]
        is_class = (targets >= 0) & (targets < classes)
        if not is_class.all():
            row = int(is_class.argmin())
            raise ValueError(
                f"row {row}: truth {targets[row]} is outside 0..{classes - 1}; "
                "leave out the rows whose class is not known"
            )
        known = {} if scores is None else {"scores": scores}
        return cls(targets, classes, logits, temperature, known=known)

    @classmethod
    def on(cls, predictions: Predictions, temperature: float = 1.0) -> Self:
        """From the rows of a table whose truth is known."""
        known = predictions.known
        logits, targets = predictions.logits[known], predictions.targets[known]
        return cls.of(logits, targets, temperature=temperature)

    @cached_property
    def guesses(self) -> np.ndarray:
        """The class of each image's largest logit, or NO_GUESS. -> (N,) int"""
        return self.task.decide(self._logits, None)

    @cached_property
    def scores(self) -> np.ndarray:
        """-> (N, C) float64, rows sum to 1, or are nan"""
        return self.task.scores(self._logits, self.temperature)

    @cached_property
    def in_top5(self) -> np.ndarray:
        """Whether fewer than five classes are likelier than the true one. -> (N,) bool

        As a guess is the first of equals, an equal that stands before the true class takes a
        place. False without a guess.
        """
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

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each image's guess is its class. -> (N,) bool"""
        return np.asarray(self.guesses == self.targets)

    @cached_property
    def confidence(self) -> np.ndarray:
        """The score of each image's guess, nan without one. -> (N,)"""
        return np.where(self.guesses == NO_GUESS, np.nan, self._scores_of(self.guesses))

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

    @property
    def _logits(self) -> np.ndarray:
        assert self.logits is not None, "what is asked for was not kept"
        return self.logits


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


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """The mean of what is not nan along the last axis; nan where all is. (..., C) -> (...)"""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0).sum(axis=-1), present.sum(axis=-1))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; nan where there is no whole."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
