"""How good the guesses are: logits and truth to figures, in scikit-learn's names and meaning.

An image's guess is the class of its largest logit. An image whose largest logit is nan or
infinite has no guess: it counts as wrong, it is in no column of the confusion table, and since
the scores of such a row are nan throughout, roc_auc and log_loss are nan. No warning is ever
given: a figure that does not exist is nan, and whoever shows it must say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Self

import numpy as np

from fieldmark.records import softmax

NO_GUESS = -1
METRICS: Mapping[str, tuple[str, Literal["max", "min"]]] = {
    "accuracy": ("share of the images that are guessed right", "max"),
    "balanced_accuracy": ("mean recall of the classes, each counting the same", "max"),
    "macro_precision": ("mean precision of the classes, each counting the same", "max"),
    "macro_recall": ("mean recall of the classes, each counting the same", "max"),
    "macro_f1": ("mean F1 of the classes, each counting the same", "max"),
    "micro_precision": ("share of all guesses that are right", "max"),
    "micro_recall": ("share of all images that are found", "max"),
    "micro_f1": ("harmonic mean of micro precision and micro recall", "max"),
    "weighted_precision": ("mean precision of the classes by their number of images", "max"),
    "weighted_recall": ("mean recall of the classes by their number of images", "max"),
    "weighted_f1": ("mean F1 of the classes by their number of images", "max"),
    "roc_auc": ("mean area under the ROC curve of each class against the rest", "max"),
    "log_loss": ("mean negative natural logarithm of the true class's score", "min"),
}


class Margins(NamedTuple):
    """What every figure of a confusion table is made of: three arrays (..., C) of counts."""

    hits: np.ndarray  # images of the class that were guessed right
    support: np.ndarray  # images of the class
    guessed: np.ndarray  # images that were taken for the class


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the figures of one set of images are made of.

    scores:  (N, C) float64, rows sum to 1, or are nan
    targets: (N,) int, 0..C-1
    counts:  (C, C + 1) int: `confusion`, and in the last column the images without a guess
    """

    scores: np.ndarray
    targets: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(
        cls,
        logits: np.ndarray,
        targets: np.ndarray,
        *,
        temperature: float = 1.0,
        scores: np.ndarray | None = None,
    ) -> Self:
        """From logits (N, C) and targets (N,); `scores` are their softmax, where it is at hand."""
        if scores is None:
            with np.errstate(invalid="ignore"):  # inf - inf: the row is nan, as it should be
                scores = softmax(logits, temperature)
        return cls(scores, targets, _tally(guesses(logits), targets, logits.shape[1]))

    @property
    def margins(self) -> Margins:
        """Hits, images and guesses of each class. -> three (C,) int"""
        counts = self.counts
        return Margins(np.diagonal(counts), counts.sum(axis=1), counts[:, :-1].sum(axis=0))

    @cached_property
    def aucs(self) -> np.ndarray:
        """Each class's area under the ROC curve against the rest. -> (C,)"""
        return class_aucs(self.scores, self.targets)

    @cached_property
    def losses(self) -> np.ndarray:
        """Each image's -ln(score of its true class), clipped as scikit-learn does. -> (N,)"""
        tiny = np.finfo(np.float64).eps
        true = self.scores[np.arange(len(self.targets)), self.targets]
        return np.asarray(-np.log(np.clip(true, tiny, 1 - tiny)))


def measure(
    logits: np.ndarray, targets: np.ndarray, *, scores: np.ndarray | None = None
) -> dict[str, float]:
    """Every figure of METRICS. logits (N, C), targets (N,) int in 0..C-1.

    `scores` are the softmax of the logits, for whoever has them already. Without images every
    figure is nan. See `overall` for what the averages run over.
    """
    return overall(Evidence.of(logits, targets, scores=scores))


def overall(evidence: Evidence) -> dict[str, float]:
    """Every figure of METRICS, in that order; those of `averages`, roc_auc and log_loss.

    roc_auc is the mean over the classes that have an image and a rest to be told from: nan
    where only one class is present.
    """
    found = {name: float(value) for name, value in averages(evidence.margins).items()}
    found["roc_auc"] = float(mean_of_present(evidence.aucs))
    found["log_loss"] = float(_share(evidence.losses.sum(), np.asarray(len(evidence.targets))))
    return found


def per_class(evidence: Evidence) -> dict[str, np.ndarray]:
    """precision, recall, f1 and roc_auc (C,) float and support (C,) int, the images of each class.

    nan where a class has no image here, and roc_auc also where every image is of one class.
    """
    margins = evidence.margins
    return {**rates(margins), "roc_auc": evidence.aucs, "support": margins.support}


def guesses(logits: np.ndarray) -> np.ndarray:
    """The class of each row's largest logit, the first of equals. (N, C) -> (N,) int.

    NO_GUESS (-1) where that logit is nan or infinite: numpy's argmax would name a class there.
    """
    best = logits.argmax(axis=1)
    largest = logits[np.arange(len(logits)), best]
    return np.where(np.isfinite(largest), best, NO_GUESS)


def confusion(
    guesses: np.ndarray, targets: np.ndarray, classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Images by truth (rows) and guess (columns). (N,) int, twice -> (C, C) int.

    With `weights` (N,) float, sums of them. An image without a guess (-1) is in no column, so
    that a row may sum to less than the images of its class. ValueError for any other class
    outside 0..C-1.
    """
    return _tally(guesses, targets, classes, weights)[:, :-1]


def rates(margins: Margins) -> dict[str, np.ndarray]:
    """precision, recall and f1 of each class. Margins of (..., C) -> (..., C) each.

    A class without a true image has none of them: nan, not 0, so that whoever averages must say
    what became of it. A class that has images and is never guessed has precision 0 and f1 0.
    """
    hits, support, guessed = margins
    precision = _share(hits, np.maximum(guessed, 1))
    return {
        "precision": np.where(support > 0, precision, np.nan),
        "recall": _share(hits, support),
        "f1": np.where(support > 0, _share(2 * hits, support + guessed), np.nan),
    }


def averages(margins: Margins) -> dict[str, np.ndarray]:
    """The figures that a confusion table gives. Margins of (..., C) -> (...) each.

    Macro figures and balanced_accuracy are means over the classes that have a true image.
    scikit-learn's macro figures also count, as 0, a class that was guessed though it has no true
    image here; its balanced_accuracy, its micro and its weighted figures are the same as these.
    Micro figures equal accuracy wherever every image has a guess.
    """
    found = rates(margins)
    right, images, made = (part.sum(axis=-1) for part in margins)
    macro = {name: mean_of_present(values) for name, values in found.items()}
    weighted = {
        name: _share((np.nan_to_num(values) * margins.support).sum(axis=-1), images)
        for name, values in found.items()
    }
    return {
        "accuracy": _share(right, images),
        "balanced_accuracy": macro["recall"],
        **{f"macro_{name}": value for name, value in macro.items()},
        "micro_precision": np.where(images > 0, _share(right, np.maximum(made, 1)), np.nan),
        "micro_recall": _share(right, images),
        "micro_f1": _share(2 * right, images + made),
        **{f"weighted_{name}": value for name, value in weighted.items()},
    }


def class_aucs(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Each class's area under its ROC curve against the rest. (N, C), (N,) -> (C,).

    The chance that an image of the class has a higher score than one of another, a tie being
    half: Mann and Whitney's U of the midranks over its greatest value. nan for a class without
    an image or without a rest, and for all where any score is nan. One sort a class.
    """
    aucs = np.full(scores.shape[1], np.nan)
    if np.isnan(scores).any():
        return aucs
    for index in np.unique(targets):
        mine, column = targets == index, scores[:, index]
        if not mine.all():
            aucs[index] = placements(column[mine], column[~mine]).mean()
    return aucs


def placements(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The share of `others` (M,) that is below each of `values` (N,), a tie being half. -> (N,)"""
    ranked = np.sort(others)
    twice = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    return np.asarray(twice / (2 * len(others)))


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """The mean of what is not nan along the last axis; nan where all is. (..., C) -> (...)"""
    present = ~np.isnan(values)
    return _share(np.where(present, values, 0).sum(axis=-1), present.sum(axis=-1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; nan where there is no whole."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _tally(
    guesses: np.ndarray, targets: np.ndarray, classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """`confusion` with one more column, for the images without a guess. -> (C, C + 1)"""
    known = (targets >= 0) & (targets < classes) & (guesses >= NO_GUESS) & (guesses < classes)
    if not known.all():
        row = int(known.argmin())
        raise ValueError(
            f"row {row}: truth {targets[row]} or guess {guesses[row]} is outside"
            f" 0..{classes - 1}; leave out the rows whose class is not known"
        )
    cells = targets * (classes + 1) + np.where(guesses == NO_GUESS, classes, guesses)
    counts = np.bincount(cells, weights, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1)
