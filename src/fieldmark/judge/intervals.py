"""How sure a figure is: 95 % intervals over the images, each from a seed.

Two methods, each where it is honest:

- A plain proportion (accuracy, micro figures, a class's recall and precision) has the Wilson
  score interval, in closed form.
- Any other figure has the percentile bootstrap: the images are drawn anew with replacement, the
  figure is computed from each draw, and the interval runs from the 2.5th to the 97.5th
  percentile. A draw in which a figure does not exist (its class was not drawn) is left out of
  that figure's percentiles, and a draw's macro figures are means over the classes in the draw.

Where all is right, or all wrong, every draw gives the same and a bootstrap would claim to be
certain. Wherever it has no width, the figure's interval is therefore Wilson's, for a proportion
of that size in so many trials: the images for weighted figures; for the means over classes fewer
where classes are small (`trials_of_mean`); for a class's F1 the mean of its images and its
guesses. log_loss, which has no bound, then has no interval: nan.

The intervals tell what other images from the same source would give. They know nothing of
another source, nor of what a class's few images did not show. With hundreds of classes of one
or two images each, a draw's precision and F1 lean to one side of the figure, and so does the
interval; it is widened to take in the figure itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fieldmark.judge.metrics import (
    METRICS,
    Evidence,
    Margins,
    averages,
    mean_of_present,
    overall,
    per_class,
    placements,
    rates,
)

NORMAL_QUANTILE = 1.959963984540054  # 97.5 % of a standard normal distribution lies below
TAILS = (0.025, 0.975)
PAIRS_UP_TO = 500  # images; above, roc_auc's draws are computed to first order
CHUNK = 4_000_000  # weights of images in memory at once (16 MB)


@dataclass(frozen=True, eq=False)
class Intervals:
    """95 % intervals, low and high: of METRICS by name, and (C, 2) of precision, recall and f1."""

    overall: dict[str, tuple[float, float]]
    per_class: dict[str, np.ndarray]


def intervals(evidence: Evidence, *, draws: int = 1000, seed: int = 0) -> Intervals:
    """The 95 % interval of every figure; the same seed gives the same intervals.

    (nan, nan) for a figure that is nan. An interval always takes in the figure itself.
    """
    figures, classes, margins = overall(evidence), per_class(evidence), evidence.margins
    rng = np.random.default_rng(seed)
    drawn = _margins_of_draws(evidence.counts, draws, rng)
    values = {**averages(drawn), **_image_draws(evidence, draws, rng)}
    trials, plain = _trials(margins)
    found = {}
    for name in METRICS:
        exact = wilson(np.asarray(figures[name]), np.asarray(trials.get(name, np.nan)))
        chosen = exact if name in plain else _bootstrap(figures[name], values[name], exact)
        found[name] = (float(chosen[0]), float(chosen[1]))
    precision = wilson(classes["precision"], margins.guessed)
    recall = wilson(classes["recall"], margins.support)
    f1 = wilson(classes["f1"], (margins.support + margins.guessed) / 2)
    bounds = {
        "precision": precision,
        "recall": recall,
        "f1": _bootstrap(classes["f1"], rates(drawn)["f1"], f1),
    }
    return Intervals(found, {name: np.stack(pair, axis=-1) for name, pair in bounds.items()})


def wilson(share: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % score interval of a proportion, low and high. (...) twice -> two of (...)

    Without trials nothing is known: (0, 1). nan where the share or the trials are nan.
    E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    square = NORMAL_QUANTILE**2
    centre = (share * trials + square / 2) / (trials + square)
    spread = np.sqrt(share * (1 - share) * trials + square / 4)
    width = NORMAL_QUANTILE * spread / (trials + square)
    # At 0 and at 1 rounding would leave the bound a hair off the share.
    return np.minimum(centre - width, share).clip(0), np.maximum(centre + width, share).clip(max=1)


def trials_of_mean(images: np.ndarray) -> float:
    """In how many trials one proportion is as uncertain as a mean over classes. (C,) -> number

    C squared over the sum of 1 / images, over the classes present: for proportions of one size
    p, the mean's variance is p (1 - p) times the inverse of this. As many as there are images
    where classes are equally large, fewer where some are small. 0 without a class.
    """
    images = images[images > 0]
    return float(len(images) ** 2 / (1 / images).sum()) if len(images) else 0.0


def percentiles(values: np.ndarray, tails: tuple[float, ...] = TAILS) -> np.ndarray:
    """Percentiles along the first axis of what is not nan, linear between. (B, ...) -> (T, ...)

    `np.nanpercentile` without its warning: nan where all is.
    """
    ordered = np.sort(values, axis=0)  # nan comes last
    last = np.maximum((~np.isnan(values)).sum(axis=0) - 1, 0)
    found = []
    for tail in tails:
        below = np.floor(tail * last).astype(np.int64)
        above = np.minimum(below + 1, last)
        low, high = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (below, above))
        found.append(low + (tail * last - below) * (high - low))
    return np.stack(found)


def _trials(margins: Margins) -> tuple[dict[str, float], set[str]]:
    """Trials of each figure that is a proportion, or is treated as one; which are plainly one.

    Two classes have one area under the curve between them, so that they count once; an area is
    as uncertain as the smaller of its two sides.
    """
    images, made = int(margins.support.sum()), int(margins.guessed.sum())
    plain = {
        "accuracy": images,
        "micro_precision": made,
        "micro_recall": images,
        "micro_f1": (images + made) / 2,
        "weighted_recall": images,  # it is accuracy
    }
    means = ("balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
    sides = np.minimum(margins.support, images - margins.support)
    apart = trials_of_mean(sides) / (2 if (sides > 0).sum() == 2 else 1)
    treated = {
        **dict.fromkeys(means, trials_of_mean(margins.support)),
        **dict.fromkeys(("weighted_precision", "weighted_f1"), images),
        "roc_auc": apart,
    }
    return {**plain, **treated}, set(plain)


def _bootstrap(
    figure: np.ndarray | float, values: np.ndarray, exact: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the draws' values, `exact` where they have no width; nan as the figure is."""
    low, high = percentiles(values)
    flat = ~(high - low > 1e-12)
    low, high = np.minimum(low, figure), np.maximum(high, figure)
    return np.where(flat, exact[0], low), np.where(flat, exact[1], high)


def _margins_of_draws(counts: np.ndarray, draws: int, rng: np.random.Generator) -> Margins:
    """Margins of `draws` confusion tables, each of as many images drawn anew. -> (draws, C) each.

    An image drawn with replacement falls into a cell of the table with that cell's share of the
    images, so the table of n of them is multinomial: the same law as drawing the images
    themselves, at the cost of the cells that are not empty.
    """
    classes = len(counts)
    truth, guess = np.nonzero(counts)
    filled, right = counts[truth, guess], truth == guess
    margins = Margins(*np.zeros((3, draws, classes)))
    for draw in range(draws if len(filled) else 0):
        drawn = rng.multinomial(filled.sum(), filled / filled.sum())
        margins.hits[draw] = np.bincount(truth[right], drawn[right], classes)
        margins.support[draw] = np.bincount(truth, drawn, classes)
        margins.guessed[draw] = np.bincount(guess, drawn, classes + 1)[:classes]
    return margins


def _image_draws(evidence: Evidence, draws: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """roc_auc and log_loss of `draws` sets of images, the same sets for both. -> (draws,) each"""
    images = len(evidence.targets)
    if not images or np.isnan(evidence.losses).any():
        return dict.fromkeys(("roc_auc", "log_loss"), np.full(draws, np.nan))
    order = np.argsort(evidence.targets, kind="stable")  # so that each class is one slice
    aucs_of = (_aucs_by_pairs if images <= PAIRS_UP_TO else _aucs_first_order)(evidence, order)
    losses = evidence.losses[order]
    found: dict[str, list[np.ndarray]] = {"roc_auc": [], "log_loss": []}
    for weights in _image_weights(images, draws, rng):
        found["roc_auc"].append(mean_of_present(aucs_of(weights)))
        found["log_loss"].append(weights @ losses / images)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _image_weights(images: int, draws: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each image is drawn, a few draws at a time. -> (some, images) float32"""
    some = max(1, CHUNK // images)
    for start in range(0, draws, some):
        weights = np.empty((min(some, draws - start), images), np.float32)
        for row in weights:
            row[:] = np.bincount(rng.integers(images, size=images), minlength=images)
        yield weights


def _aucs_by_pairs(evidence: Evidence, order: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """From weights (B, N) of images in `order` to each class's area, of every pair. -> (B, K)"""
    targets, sides = evidence.targets[order], []
    for index in np.unique(targets):
        mine, column = targets == index, evidence.scores[order, index]
        apart = column[mine, None] - column[~mine]
        sides.append((mine, ((np.sign(apart) + 1) / 2).astype(np.float32)))

    def aucs_of(weights: np.ndarray) -> np.ndarray:
        found = []
        for mine, above in sides:
            ours, others = weights[:, mine], weights[:, ~mine]
            pairs = ours.sum(axis=1) * others.sum(axis=1)
            won = ((ours @ above) * others).sum(axis=1)
            found.append(np.where(pairs > 0, won / np.maximum(pairs, 1), np.nan))
        return np.stack(found, axis=1)

    return aucs_of


def _aucs_first_order(evidence: Evidence, order: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The same for many images, by one product of matrices in place of a sort a draw. -> (B, K)

    An area is a mean over pairs, so it is to first order the weighted mean of each side's
    placements on the other, less the area itself: W. Hoeffding, A class of statistics with
    asymptotically normal distribution, 1948; E. R. DeLong and others, 1988. What is left out
    is of the order of 1 / images of the variance.
    """
    targets = evidence.targets[order]
    present, starts = np.unique(targets, return_index=True)
    own = np.ones(len(order), np.float32)
    rest = np.zeros((len(order), len(present)), np.float32)
    for place, index in enumerate(present if len(present) > 1 else ()):
        mine, column = targets == index, evidence.scores[order, index]
        own[mine] = placements(column[mine], column[~mine])
        rest[~mine, place] = 1 - placements(column[~mine], column[mine])
    areas = evidence.aucs[present]

    def aucs_of(weights: np.ndarray) -> np.ndarray:
        ours = np.add.reduceat(weights, starts, axis=1)
        others = len(order) - ours
        won = np.add.reduceat(weights * own, starts, axis=1) / np.maximum(ours, 1)
        won += weights @ rest / np.maximum(others, 1)
        return np.where((ours > 0) & (others > 0), np.clip(won - areas, 0, 1), np.nan)

    return aucs_of
