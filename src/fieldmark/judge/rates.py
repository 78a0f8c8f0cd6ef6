"""What metrics of guesses are made of: rates of margins, and of each image's labels.

Margins are of one label an image or of several: three counts of each class, of which precision,
recall and F1 follow in either. What is of one label alone says so.
"""

from collections.abc import Callable

import numpy as np

from fieldmark.judge.evidence import Evidence, Margins, mean_of_present, ratio


def accuracy(margins: Margins) -> np.ndarray:
    """The share of the images that are guessed right. Margins of (..., C) -> (...)"""
    return ratio(margins.hits.sum(axis=-1), margins.support.sum(axis=-1))


def precision(margins: Margins) -> np.ndarray:
    """Of each class the share of its guesses that is right. Margins of (..., C) -> (..., C)

    A class without a true image has none, and no recall or F1 either: nan, not 0, so that whoever
    averages must say what became of it. A class that is there and never guessed has 0.
    """
    found = ratio(margins.hits, np.maximum(margins.guessed, 1))
    return np.where(margins.support > 0, found, np.nan)


def recall(margins: Margins) -> np.ndarray:
    """Of each class the share of its images that is found. Margins of (..., C) -> (..., C)"""
    return ratio(margins.hits, margins.support)


def f1(margins: Margins) -> np.ndarray:
    """Of each class the harmonic mean of precision and recall. Margins of (..., C) -> (..., C)"""
    hits, support, guessed = margins
    return np.where(support > 0, ratio(2 * hits, support + guessed), np.nan)


def macro(of_class: Callable[[Margins], np.ndarray]) -> Callable[[Margins], np.ndarray]:
    """The mean over the classes that have a true image.

    scikit-learn's macro figures also count, as 0, a class that was guessed though it has no true
    image here; its balanced_accuracy, its micro and its weighted figures are the same as these.
    """
    return lambda margins: mean_of_present(of_class(margins))


def weighted(of_class: Callable[[Margins], np.ndarray]) -> Callable[[Margins], np.ndarray]:
    """The mean over classes, each counting as often as it has images."""

    def value(margins: Margins) -> np.ndarray:
        summed = (np.nan_to_num(of_class(margins)) * margins.support).sum(axis=-1)
        return ratio(summed, margins.support.sum(axis=-1))

    return value


def micro_precision(margins: Margins) -> np.ndarray:
    """The share of all guesses that are right; less sure than accuracy where some have none."""
    right, images, made = (part.sum(axis=-1) for part in margins)
    return np.where(images > 0, ratio(right, np.maximum(made, 1)), np.nan)


def micro_f1(margins: Margins) -> np.ndarray:
    """The harmonic mean of micro precision and accuracy, and accuracy where all have a guess."""
    right, images, made = (part.sum(axis=-1) for part in margins)
    return ratio(2 * right, images + made)


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


def of_labels(
    part: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[Evidence], np.ndarray]:
    """Of each image a rate of its own hits, labels and guesses (N,), of several labels. -> (N,)

    Where there is nothing to divide by it is 1, as with scikit-learn's zero_division=1: of no
    guesses none is wrong, of no labels none is missed, and an image without either is right.
    0 for an image without an answer.
    """

    def value(evidence: Evidence) -> np.ndarray:
        is_of, guesses = evidence.targets == 1, evidence.guesses
        hits, labels, guessed = (each.sum(axis=1) for each in (is_of & guesses, is_of, guesses))
        found = np.nan_to_num(part(hits, labels, guessed), nan=1.0)
        return np.where(evidence.answered, found, 0.0)

    return value


sample_precision = of_labels(lambda hits, labels, guessed: ratio(hits, guessed))
sample_recall = of_labels(lambda hits, labels, guessed: ratio(hits, labels))
sample_f1 = of_labels(lambda hits, labels, guessed: ratio(2 * hits, labels + guessed))


def wrong_labels(evidence: Evidence) -> np.ndarray:
    """Of each image the share of the classes decided wrongly, of several labels. -> (N,)

    1 for an image without an answer.
    """
    wrong = (evidence.guesses != (evidence.targets == 1)).mean(axis=1)
    return np.where(evidence.answered, wrong, 1.0)
