"""How good the guesses are: logits and truth to figures, in scikit-learn's names and meaning.

An image's guess is the class of its largest logit. An image whose largest logit is nan or
infinite has no guess: it counts as wrong and is in no column of the confusion table, and since
the scores of such a row are nan throughout, every figure of scores is nan. No warning is ever
given: a figure that does not exist is nan, and whoever shows it must say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Self

import numpy as np

from fieldmark.judge.areas import class_areas
from fieldmark.records import softmax

NO_GUESS = -1
METRICS: Mapping[str, tuple[str, Literal["max", "min"]]] = {
    "accuracy": ("share of the images that are guessed right", "max"),
    "balanced_accuracy": ("mean recall of the classes, each counting the same", "max"),
    "top5_accuracy": ("share of the images whose class is among the five likeliest", "max"),
    "macro_precision": ("mean precision of the classes, each counting the same", "max"),
    "macro_recall": ("mean recall of the classes, each counting the same", "max"),
    "macro_f1": ("mean F1 of the classes, each counting the same", "max"),
    "micro_precision": ("share of all guesses that are right", "max"),
    "micro_recall": ("share of all images that are found", "max"),
    "micro_f1": ("harmonic mean of micro precision and micro recall", "max"),
    "weighted_precision": ("mean precision of the classes by their number of images", "max"),
    "weighted_recall": ("mean recall of the classes by their number of images", "max"),
    "weighted_f1": ("mean F1 of the classes by their number of images", "max"),
    "mcc": ("Matthews correlation of guess and truth; 0 is chance", "max"),
    "roc_auc": ("mean area under the ROC curve of each class against the rest", "max"),
    "mean_average_precision": ("mean average precision of each class against the rest", "max"),
    "log_loss": ("mean negative natural logarithm of the true class's score", "min"),
    "ece": ("mean distance of the guess's score from the share right, in 15 bins", "min"),
}
TOP = 5
BINS = 15  # of the guess's score, equally wide; each holds its upper edge
EDGES = np.linspace(0, 1, BINS + 1)


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
    guesses: (N,) int, or NO_GUESS
    in_top5: (N,) bool, whether fewer than five classes are likelier; as a guess is the first
             of equals, so an equal that stands before the true class takes a place. False
             without a guess.
    """

    scores: np.ndarray
    targets: np.ndarray
    guesses: np.ndarray
    in_top5: np.ndarray

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
            scores = softmax(logits, temperature)
        found = guesses(logits)
        _refuse_unknown(targets, logits.shape[1])
        return cls(scores, targets, found, _places(logits, targets, found) < TOP)

    @cached_property
    def counts(self) -> np.ndarray:
        """Images by truth (rows) and guess; the last column are those without. -> (C, C + 1) int"""
        classes = self.scores.shape[1]
        columns = np.where(self.guesses == NO_GUESS, classes, self.guesses)
        cells = self.targets * (classes + 1) + columns
        counts = np.bincount(cells, minlength=classes * (classes + 1))
        return counts.reshape(classes, classes + 1)

    @property
    def margins(self) -> Margins:
        """Hits, images and guesses of each class. -> three (C,) int"""
        counts = self.counts
        return Margins(np.diagonal(counts), counts.sum(axis=1), counts[:, :-1].sum(axis=0))

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each image's guess is its class. -> (N,) bool"""
        return np.asarray(self.guesses == self.targets)

    @cached_property
    def confidence(self) -> np.ndarray:
        """The score of each image's guess, nan without one. -> (N,)"""
        best = self.scores[np.arange(len(self.guesses)), self.guesses]
        return np.where(self.guesses == NO_GUESS, np.nan, best)

    @property
    def aucs(self) -> np.ndarray:
        """Each class's area under the ROC curve against the rest. -> (C,)"""
        return self._areas[0]

    @property
    def average_precisions(self) -> np.ndarray:
        """Each class's average precision against the rest. -> (C,)"""
        return self._areas[1]

    @cached_property
    def _areas(self) -> tuple[np.ndarray, np.ndarray]:
        return class_areas(self.scores, self.targets)

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
    """Every figure of METRICS, in that order: those of `averages`, and those of scores.

    roc_auc and mean_average_precision are means over the classes that have them: for roc_auc
    an image and a rest to be told from, so that it is nan where only one class is present; for
    mean_average_precision an image. top5_accuracy is nan with five classes or fewer, where it
    could not be missed.
    """
    images = np.asarray(len(evidence.targets))
    has_top5 = evidence.scores.shape[1] > TOP
    found = {
        **averages(evidence.margins),
        "top5_accuracy": _share(evidence.in_top5.sum(), images) if has_top5 else np.nan,
        "roc_auc": mean_of_present(evidence.aucs),
        "mean_average_precision": mean_of_present(evidence.average_precisions),
        "log_loss": _share(evidence.losses.sum(), images),
        "ece": calibration_error(evidence.confidence, evidence.right),
    }
    return {name: float(found[name]) for name in METRICS}


def per_class(evidence: Evidence) -> dict[str, np.ndarray]:
    """Figures of each class (C,): precision, recall, f1, roc_auc, average_precision, and support.

    support, the images of each class, is int. The others are nan where a class has no image
    here, and roc_auc also where every image is of one class.
    """
    return {
        **rates(evidence.margins),
        "roc_auc": evidence.aucs,
        "average_precision": evidence.average_precisions,
        "support": evidence.margins.support,
    }


def guesses(logits: np.ndarray) -> np.ndarray:
    """The class of each row's largest logit, the first of equals. (N, C) -> (N,) int.

    NO_GUESS (-1) where that logit is nan or infinite: numpy's argmax would name a class there.
    """
    best = logits.argmax(axis=1)
    largest = logits[np.arange(len(logits)), best]
    return np.where(np.isfinite(largest), best, NO_GUESS)


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
    Micro figures equal accuracy wherever every image has a guess. mcc: see `correlation`.
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
        "mcc": correlation(margins),
    }


def correlation(margins: Margins) -> np.ndarray:
    """Matthews correlation of guess and truth. Margins of (..., C) -> (...), in -1..1.

    Images without a guess are one more class that is guessed. Where all are taken for one class
    it is 0, as in scikit-learn; where all are of one class there is nothing to correlate with,
    and it is nan, where scikit-learn has 0 even if all are right.
    J. Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient,
    2004.
    """
    hits, support, guessed = (np.asarray(part, np.float64) for part in margins)
    right, images, made = (part.sum(axis=-1) for part in (hits, support, guessed))
    together = right * images - (support * guessed).sum(axis=-1)
    of_guesses = images**2 - (guessed**2).sum(axis=-1) - (images - made) ** 2
    of_truth = images**2 - (support**2).sum(axis=-1)
    found = together / np.sqrt(np.maximum(of_guesses * of_truth, 1))  # whole numbers: 0 or from 1
    return np.where(of_truth > 0, found, np.nan)


def calibration_error(
    confidence: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Expected calibration error: the mean gap of score and share right, over bins of scores.

    confidence (N,), right (N,) bool -> one number; with `weights` (..., N), how often each
    image counts -> (...). nan without images, and where any confidence is nan.
    C. Guo and others, On calibration of modern neural networks, 2017.
    """
    if np.isnan(confidence).any():
        return np.full(() if weights is None else weights.shape[:-1], np.nan)
    bins, gaps = bins_of(confidence), right - confidence
    if weights is None:
        return _share(np.abs(np.bincount(bins, gaps, BINS)).sum(), np.asarray(len(gaps)))
    by_bin = np.zeros((len(gaps), BINS))
    by_bin[np.arange(len(gaps)), bins] = gaps
    return _share(np.abs(weights @ by_bin).sum(axis=-1), weights.sum(axis=-1))


def bins_of(confidence: np.ndarray) -> np.ndarray:
    """The bin of each score, (EDGES[bin], EDGES[bin + 1]]; 0 is in the first. (N,) -> (N,) int"""
    return np.asarray(np.searchsorted(EDGES[1:-1], confidence, "left"))


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """The mean of what is not nan along the last axis; nan where all is. (..., C) -> (...)"""
    present = ~np.isnan(values)
    return _share(np.where(present, values, 0).sum(axis=-1), present.sum(axis=-1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; nan where there is no whole."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _places(logits: np.ndarray, targets: np.ndarray, found: np.ndarray) -> np.ndarray:
    """How many classes come before the true one; all of them without a guess. -> (N,) int"""
    true = logits[np.arange(len(targets)), targets][:, None]
    earlier = np.arange(logits.shape[1]) < targets[:, None]
    ahead = ((logits > true) | ((logits == true) & earlier)).sum(axis=1)
    return np.asarray(np.where(found == NO_GUESS, max(TOP, logits.shape[1]), ahead))


def _refuse_unknown(targets: np.ndarray, classes: int) -> None:
    """Raise ValueError for a truth outside 0..C-1."""
    known = (targets >= 0) & (targets < classes)
    if not known.all():
        row = int(known.argmin())
        raise ValueError(
            f"row {row}: truth {targets[row]} is outside 0..{classes - 1}; "
            "leave out the rows whose class is not known"
        )
