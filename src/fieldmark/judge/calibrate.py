"""Scores that can be believed: a temperature, how well scores fit, and answering where sure alone.

Logits are divided by one number, the temperature, before they become scores. No guess changes
by it, only how sure it is: above 1 the model was too sure, below 1 not sure enough. Of several
labels a shift is fitted beside it, which becomes part of the last layer's bias.

Answering less, where fewer guesses are wrong: R. El-Yaniv and Y. Wiener, On the foundations of
noise-free selective classification, 2010.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from fieldmark.judge.evidence import Evidence, ends_of_ties, ratio
from fieldmark.metrics_json import Bin, Change, Values
from fieldmark.records import Predictions
from fieldmark.task import sigmoid

COLDEST, HOTTEST = 1e-3, 1e3
PRIOR = 3.0  # as many images speak for a temperature of 1
SOLVED = 50.0  # and where the penalty on a head's weights was chosen by the same images' loss
BINS = 15  # of the guess's score, equally wide; each holds its upper edge
NEWTON = 100  # steps at most; some six are enough
EDGES = np.linspace(0, 1, BINS + 1)
Curve = tuple[tuple[float, int, int], ...]  # rows of `answer_curve`

MOST_ROWS = 200
# Shares right that somebody may ask for: of these no row is lost.
TARGETS = np.array([*range(500, 900, 10), *range(900, 1000, 5), 998, 999, 1000]) / 1000


def fit_temperature(logits: np.ndarray, targets: np.ndarray, *, prior: float = PRIOR) -> float:
    """The temperature that makes the truth likeliest. logits (N, C), targets (N,) -> number

    It minimises the mean negative log likelihood over ln T (C. Guo and others, On calibration
    of modern neural networks, 2017), between COLDEST and HOTTEST. By itself that would drive T
    to 0 where all guesses are right, and follow chance where images are few; so 1 / T has a
    gamma distribution before the images are seen, its mode at 1 and as weighty as `prior` of
    them, more than 0: prior * (1 / T + ln T) is added to the sum. There is one minimum, and the
    images' own log likelihood is never worse there than at 1.

    Rows whose logits are not all finite, or whose truth is no class (-1), are left out. 1 where
    there is nothing to fit: no two images left, one class, or logits that are the same for
    every class. The same rows in another order agree to about eight digits.
    """
    # Targets smoothed as in J. Platt, Probabilistic outputs for support vector machines, 1999,
    # do for two classes; with ten and a hundred images they made good scores worse.
    known = np.isfinite(logits).all(axis=1) & (targets >= 0)
    images, classes = int(known.sum()), logits.shape[1]
    if images < 2 or classes < 2:
        return 1.0
    below = logits[known].astype(np.float64)
    below -= below.max(axis=1, keepdims=True)
    if not below.any():
        return 1.0
    return _likeliest(below, targets[known], prior)


def _likeliest(below: np.ndarray, targets: np.ndarray, prior: float) -> float:
    """`fit_temperature` from logits less the largest of their row: ln sum exp cannot overflow."""
    images = len(below)
    true, weight = float(below[np.arange(images), targets].mean()), prior / images

    def loss(point: np.ndarray) -> float:
        coldness = point[0]
        if coldness <= 0:
            return math.inf
        powers = coldness * below
        logs = np.log(np.exp(powers, out=powers).sum(axis=1))
        return float(logs.mean() - coldness * true + weight * (coldness - math.log(coldness)))

    def bent(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        coldness = point[0]
        powers = coldness * below
        np.exp(powers, out=powers)
        total = powers.sum(axis=1)
        powers *= below
        mean = powers.sum(axis=1) / total
        powers *= below
        spread = powers.sum(axis=1) / total - mean**2
        slope = mean.mean() - true + weight * (1 - 1 / coldness)
        return np.array([slope]), np.array([[spread.mean() + weight / coldness**2]])

    return min(max(1 / float(_by_newton(np.ones(1), loss, bent)[0]), COLDEST), HOTTEST)


def fit_affine(
    logits: np.ndarray, targets: np.ndarray, *, prior: float = PRIOR
) -> tuple[float, float]:
    """Temperature and shift, shared by all of several labels, that make the truth likeliest.

    logits (N, C), targets (N, C) of 0 and 1; scores are sigmoid(logits / temperature + shift),
    or, where temperature * shift is added to the logits and to the biases that they come from,
    sigmoid(logits / temperature). J. Platt, Probabilistic outputs for support vector machines,
    1999.

    1 / T is weighed as in `fit_temperature`, as if `prior` images more, with all their labels,
    spoke for 1. As many speak for no shift: half of their labels are there, half are not. There
    is one minimum. Rows that are not finite or not known are left out; (1, 0) without two images.
    """
    known = np.isfinite(logits).all(axis=1) & (targets >= 0).all(axis=1)
    if known.sum() < 2:
        return 1.0, 0.0
    raised, truth = logits[known].astype(np.float64).ravel(), targets[known].ravel() == 1
    weight = prior * logits.shape[1]

    def loss(point: np.ndarray) -> float:
        coldness, shift = point
        if coldness <= 0:
            return math.inf
        powers = coldness * raised + shift
        priors = coldness - math.log(coldness) + np.logaddexp(0, shift) - shift / 2
        return float(np.logaddexp(0, powers).sum() - powers[truth].sum() + weight * priors)

    def bent(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        coldness, shift = point
        score = sigmoid((coldness * raised + shift)[None])[0]
        half = 1 / (1 + math.exp(-shift))
        missed, slope = score - truth, score * (1 - score)
        pulls = np.array([1 - 1 / coldness, half - 0.5])
        cross = (slope * raised).sum()
        curves = np.array([[(slope * raised**2).sum(), cross], [cross, slope.sum()]])
        curves += weight * np.diag([1 / coldness**2, half * (1 - half)])
        return np.array([(missed * raised).sum(), missed.sum()]) + weight * pulls, curves

    coldness, shift = _by_newton(np.array([1.0, 0.0]), loss, bent)
    return min(max(1 / float(coldness), COLDEST), HOTTEST), float(shift)


def _by_newton(
    now: np.ndarray,
    loss: Callable[[np.ndarray], float],
    bent: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Where a convex loss is least. bent: its slopes (D,) and second derivatives (D, D)."""
    for _ in range(NEWTON):
        slope, curves = bent(now)
        step, before, share = np.linalg.lstsq(curves, slope)[0], loss(now), 1.0
        while share > 1e-9 and loss(now - share * step) > before:
            share /= 2
        now = now - share * step
        if np.abs(step).max() < 1e-9:
            break
    return now


def before_and_after(predictions: Predictions, temperature: float) -> Change:
    """log_loss and ece at a temperature of 1 and at this one.

    Of the images whose truth is among the classes; None where a figure does not exist.
    """
    before, after = (_fit_of(Evidence.on(predictions, each)) for each in (1.0, temperature))
    return Change(before, after)


def _fit_of(evidence: Evidence) -> Values:
    loss = evidence.losses.mean() if len(evidence.losses) else math.nan
    values = {"log_loss": float(loss), "ece": calibration_error(evidence)}
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def calibration_error(evidence: Evidence) -> float:
    """Expected calibration error: the mean gap of score and share right, over bins of scores.

    Of several labels each label of each image counts: its score, and whether the image has it.
    nan without images, and where any score is nan.
    C. Guo and others, On calibration of modern neural networks, 2017.
    """
    score, came_true = evidence.decisions
    if np.isnan(score).any():
        return math.nan
    bins, gaps = bins_of(score), came_true - score
    return float(ratio(np.abs(np.bincount(bins, gaps, BINS)).sum(), np.asarray(len(gaps))))


def bins_of(confidence: np.ndarray) -> np.ndarray:
    """The bin of each score, (EDGES[bin], EDGES[bin + 1]]; 0 is in the first. (N,) -> (N,) int"""
    return np.asarray(np.searchsorted(EDGES[1:-1], confidence, "left"))


def reliability(evidence: Evidence) -> tuple[Bin, ...]:
    """What `ece` is made of: each bin of the guess's score that has an image, from low to high.

    A bin is without its lower and with its upper edge; images without a guess are in none. Of
    several labels the bins are of all labels of all images, and `n` counts these.
    """
    score, came_true = evidence.decisions
    made = ~np.isnan(score)
    confidence, right = score[made], came_true[made]
    bins = bins_of(confidence)
    images = np.bincount(bins, minlength=BINS)
    sure, hits = (np.bincount(bins, values, BINS) for values in (confidence, right))
    return tuple(
        Bin(
            low=float(EDGES[k]),
            high=float(EDGES[k + 1]),
            n=int(images[k]),
            confidence=float(sure[k] / images[k]),
            accuracy=float(hits[k] / images[k]),
        )
        for k in np.flatnonzero(images)
    )


def curve_of(predictions: Predictions, temperature: float, *, most: int | None = None) -> Curve:
    """What is answered and right by score, of the images whose class is known; () without any.

    () of several labels, which are never left unanswered.
    most: rows; None for a row a score, so that what holds at any score can be read off.
    """
    if predictions.task.several:
        return ()
    return tuple(answer_curve(Evidence.on(predictions, temperature), most=most))


def answer_curve(
    evidence: Evidence, *, most: int | None = MOST_ROWS
) -> list[tuple[float, int, int]]:
    """`curve_by` of each image's guess; images without one are never answered."""
    return curve_by(evidence.confidence, evidence.right, most=most)


def curve_by(
    scores: np.ndarray, is_right: np.ndarray, *, most: int | None = None
) -> list[tuple[float, int, int]]:
    """Rows (score, answered, right), the surest first: what holds if this score is asked for.

    scores (N,), nan where there is no answer; is_right (N,) bool. answered: those of at least this
    score; right: how many of them are right. What has one score comes together. Of more than
    `most` different scores (100 or more), kept are the first and the last, those that
    `threshold_for` chooses for TARGETS, and others evenly spaced.
    """
    made = np.flatnonzero(~np.isnan(scores))
    order = made[np.argsort(-scores[made], kind="stable")]
    ranked, right = scores[order], np.cumsum(is_right[order])
    lasts = ends_of_ties(ranked)
    if most is not None and len(lasts) > most:
        lasts = lasts[_kept(right[lasts] / (lasts + 1), most)]
    return [(float(ranked[row]), int(row) + 1, int(right[row])) for row in lasts]


def _kept(accuracy: np.ndarray, most: int) -> np.ndarray:
    """Which `most` rows of a longer curve stay, rising; accuracy (R,): the share right of each."""
    chosen = [rows[-1] for rows in map(np.flatnonzero, accuracy >= TARGETS[:, None]) if len(rows)]
    kept = np.unique([0, *chosen, len(accuracy) - 1])
    others = np.setdiff1d(np.arange(len(accuracy)), kept)
    evenly = np.linspace(0, len(others) - 1, most - len(kept)).round().astype(np.int64)
    return np.sort(np.concatenate([kept, others[evenly]]))


def joined_curve(
    curves: Sequence[Sequence[tuple[float, int, int]]],
) -> list[tuple[float, int, int]]:
    """The curve of all answers together, of several models' curves.

    Where a curve was thinned out, an answer between two of its rows counts from the lower one on.
    """
    found: dict[float, list[int]] = {}
    for curve in curves:
        before = (0, 0)
        for score, answered, right in curve:
            added = found.setdefault(score, [0, 0])
            added[0], added[1] = added[0] + answered - before[0], added[1] + right - before[1]
            before = answered, right
    scores = sorted(found, reverse=True)
    sums = np.cumsum([found[score] for score in scores], axis=0).tolist() if scores else []
    return [(score, *both) for score, both in zip(scores, sums, strict=True)]


def threshold_for(
    curve: Sequence[tuple[float, int, int]], accuracy: float
) -> tuple[float, int, int] | None:
    """The row of a curve that answers the most images with at least this share of them right.

    None where no row does. The row was chosen by these images: others may fall short of it.
    """
    enough = [row for row in curve if row[2] / row[1] >= accuracy]
    return max(enough, key=lambda row: row[1], default=None)
