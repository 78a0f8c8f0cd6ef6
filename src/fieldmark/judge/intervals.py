"""How sure a figure is: 95 % intervals over the images, or over their groups.

One method serves every figure that lies between two ends:

1. Each image, or each group, is left out in turn, which tells the figure's error (`jackknife`).
2. The error tells as how many trials the images count (`effective_trials`). For a plain
   proportion of images (accuracy, top-5, a class's recall) that is just their number.
3. The interval is Wilson's for a proportion of the figure's size in so many trials.

For a figure that is not plainly a proportion its error tells as how many trials the images count,
p (1 - p) / error^2: E. L. Korn and B. I. Graubard, Confidence intervals for proportions with small
expected number of positive counts estimated from survey data, 1998; N. Dean and M. Pagano,
Evaluating confidence interval methods for binomial proportions in clustered surveys, 2015.

Percentiles of a bootstrap, the common way, hold the truth too seldom where a class has few images
or an area is near 1, and claim certainty where all is right; benchmarks/coverage.py shows both.

Where an error rests on few images or groups, Student's quantile makes the trials fewer. That is
so with groups, and for areas, where a single image in a wrong place may be most of the error.
What has no error, for all is right or wrong, counts as many trials as there are images, or as
groups of equal size; a mean over classes fewer where classes are small (`trials_of_mean`).

A class's F1 is 2 J / (1 + J), where J is the share of hits among the images that are of the class
or taken for it, so that the ends of J's interval give those of F1: K. F. Y. Lam and others,
Confidence intervals for the F1 score: a comparison of four methods, 2023. mcc is (1 + mcc) / 2.
log_loss has no upper end: its interval is symmetric in its logarithm. ece alone is drawn, since
it is too large where images are few (`_of_calibration`).

Of several labels an image's decisions go together: what is left out, and counted as a trial, is
an image, never a decision. That also holds where figures of labels are put together.

The intervals tell what other images from the same source would give. They know nothing of
another source, nor of what a class's few images did not show.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from fieldmark import streams
from fieldmark.judge.calibrate import BINS, bins_of
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.jackknife import (
    Areas,
    Spread,
    Units,
    areas_without,
    mean_without,
    spread,
    spreads_of_counts,
)
from fieldmark.judge.metrics import (
    CLASS_METRICS,
    OfAreas,
    OfCounts,
    OfImages,
    OfScores,
    of_task,
    overall,
    per_class,
)
from fieldmark.streams import Stream

NORMAL_QUANTILE = 1.959963984540054  # 97.5 % of a standard normal distribution lies below
# The same of Student's distribution, by degrees of freedom.
STUDENT = (
    (1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (6, 2.4469), (8, 2.3060),
    (10, 2.2281), (15, 2.1314), (25, 2.0595), (60, 2.0003), (np.inf, NORMAL_QUANTILE),
)  # fmt: skip
TAILS = (0.025, 0.975)
PARTS = 100  # of the images, for a function that has to be called for each
Bounds = tuple[float, float]
NOTHING: Bounds = (float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Intervals:
    """95 % intervals, low and high: of the task's metrics, (C, 2) of CLASS_METRICS, by name."""

    overall: dict[str, Bounds]
    per_class: dict[str, np.ndarray]


def intervals(
    evidence: Evidence,
    *,
    draws: int = 1000,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Intervals:
    """The 95 % interval of every figure; with `groups` (N,) int these count, not the images.

    (nan, nan) for a figure that is nan. An interval always takes in the figure itself. Only that
    of ece is drawn, `draws` times from `seed`: the same seed gives the same intervals.
    """
    classes, nothing = per_class(evidence), np.full((evidence.classes, 2), np.nan)
    rows = of_task(evidence.task)
    if not len(evidence.targets):
        return Intervals(dict.fromkeys(rows, NOTHING), dict.fromkeys(CLASS_METRICS, nothing))
    units = Units.by(len(evidence.targets), groups)
    areas, by_class = _of_areas(evidence, units, classes)
    counts = _of_counts(evidence, units)
    found = {}
    for name, figure in overall(evidence).items():
        of = rows[name].of
        if np.isnan(figure):
            found[name] = NOTHING
        elif isinstance(of, OfScores) and not of.is_gap:
            found[name] = _of_function(of, evidence, units, figure)
        elif isinstance(of, OfCounts):
            found[name] = counts[name]
        elif isinstance(of, OfAreas):
            found[name] = areas[of.area]
        elif isinstance(of, OfImages):
            found[name] = _of_images(of, evidence, units, figure)
        else:
            found[name] = _of_calibration(evidence, units, figure, draws=draws, seed=seed)
    by_class |= _of_class_shares(evidence, units, classes)
    return Intervals(found, {name: by_class.get(name, nothing) for name in CLASS_METRICS})


def _bounds(share: float, trials: float) -> Bounds:
    low, high = wilson(share, trials)
    return float(low), float(high)


def _of_counts(evidence: Evidence, units: Units) -> dict[str, Bounds]:
    """The intervals of the metrics of counts."""
    images = units.trials(np.arange(len(evidence.targets)))
    mean = _trials_of_classes(_trials_by_class(evidence, units)[0], evidence)
    all_images, made = (float(part.sum()) for part in evidence.margins[1:])
    wholes = {"images": all_images, "guesses": made, "both": (all_images + made) / 2}
    found = {}
    rows = of_task(evidence.task)
    for name, known in spreads_of_counts(evidence, units).items():
        of, figure = rows[name].of, rows[name].figure(evidence)
        assert isinstance(of, OfCounts)
        if of.share_of is not None and not evidence.task.several:
            trials = wholes[of.share_of]
            if units.grouped:
                trials = min(trials, effective_trials(figure, known, images))
            found[name] = _bounds(figure, trials)
            continue
        # Single images: an error of counts is as well known as their share, and Wilson allows
        # for it.
        rests_on_few = units.grouped or (of.by_class and evidence.task.several)
        freedom, size = known.freedom if rests_on_few else np.inf, 1 - of.least
        share, known = (figure - of.least) / size, Spread(known.error / size, freedom)
        trials = effective_trials(share, known, mean if of.by_class else images)
        low, high = (end * size + of.least for end in _bounds(share, trials))
        found[name] = (min(low, figure), max(high, figure))
    return found


def _trials_by_class(evidence: Evidence, units: Units) -> np.ndarray:
    """The trials of each class's images, and of all others. -> (2, C)"""
    found = np.empty((2, evidence.classes))
    for index in range(found.shape[1]):
        is_mine = evidence.is_of(index)
        found[:, index] = [units.trials(np.flatnonzero(side)) for side in (is_mine, ~is_mine)]
    return found


def _trials_of_share(units: Units, images: np.ndarray, is_hit: np.ndarray) -> float:
    """The trials of the share of hits among `images` (n,), of which `is_hit` (n,) are."""
    alike = units.trials(images)
    if not units.grouped or not len(images):
        return alike
    known = spread(mean_without(units.sums(images, is_hit), units.sums(images)))
    return min(float(len(images)), effective_trials(is_hit.mean(), known, alike))


def share_interval(is_hit: np.ndarray, groups: np.ndarray | None = None) -> Bounds:
    """The 95 % interval of the share of hits (N,) bool, by groups (N,) where there are any."""
    units, images = Units.by(len(is_hit), groups), np.arange(len(is_hit))
    return _bounds(float(is_hit.mean()), _trials_of_share(units, images, is_hit))


def _of_images(of: OfImages, evidence: Evidence, units: Units, figure: float) -> Bounds:
    every, values = np.arange(len(evidence.targets)), of.value(evidence)
    if of.largest is not None:
        return _of_loss(values, units, figure, of.largest)
    if of.partly:
        known = spread(mean_without(units.sums(every, values), units.sums(every)))
        return _of_parts(figure, known, units.trials(every))
    return _bounds(figure, _trials_of_share(units, every, values))


def _of_class_shares(
    evidence: Evidence, units: Units, classes: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The intervals of each class's precision, recall and f1. -> (C, 2) each"""
    trials = np.zeros((3, evidence.classes))
    for index in range(trials.shape[1]):
        is_mine, is_taken = evidence.is_of(index), evidence.is_taken_for(index)
        for row, chosen in enumerate((is_taken, is_mine, is_mine | is_taken)):
            images = np.flatnonzero(chosen)
            hits = (is_mine & is_taken)[images]
            trials[row, index] = _trials_of_share(units, images, hits)
    ends = wilson(classes["f1"] / (2 - classes["f1"]), trials[2])
    return {
        "precision": np.stack(wilson(classes["precision"], trials[0]), axis=-1),
        "recall": np.stack(wilson(classes["recall"], trials[1]), axis=-1),
        "f1": np.stack([2 * end / (1 + end) for end in ends], axis=-1),
    }


def _of_areas(
    evidence: Evidence, units: Units, classes: dict[str, np.ndarray]
) -> tuple[dict[str, Bounds], dict[str, np.ndarray]]:
    """The intervals of the mean of each area over classes, and of each class's areas (C, 2)."""
    sides = _trials_by_class(evidence, units).min(axis=0)
    by_class = {name: np.full((len(sides), 2), np.nan) for name in Areas._fields}
    sums, counts = np.zeros((2, len(by_class), units.count))
    for index in np.flatnonzero(~np.isnan(classes["average_precision"])):
        without = areas_without(evidence, units, int(index))
        for place, name in enumerate(by_class):
            exists = ~np.isnan(without[place])
            sums[place, exists] += without[place][exists]
            counts[place] += exists
            figure, trials = classes[name][index], sides[index]
            by_class[name][index] = _of_parts(figure, spread(without[place]), trials)
    # Two classes have one area between them, so that they count once.
    halved = (sides > 0).sum() == 2 and not evidence.task.several
    together = _trials_of_classes(sides, evidence) / (2 if halved else 1)
    found = {}
    for place, name in enumerate(by_class):
        present = classes[name][~np.isnan(classes[name])]
        if len(present):
            means = np.where(counts[place] > 0, sums[place] / np.maximum(counts[place], 1), np.nan)
            found[name] = _of_parts(float(present.mean()), spread(means), together)
    return found, by_class


def _of_parts(figure: float, known: Spread, trials: float) -> Bounds:
    """The interval of a mean of what may lie between 0 and 1: an area, areas, shares of images.

    trials: of an area's smaller side, of a mean over classes, of the images. It is never less
    certain than a share of so many hits would be; for areas: D. van Dantzig, On the consistency
    and the power of Wilcoxon's two sample test, 1951.
    """
    freedom = np.clip(trials - 1, 1, known.freedom)
    return _bounds(
        figure, max(trials, effective_trials(figure, Spread(known.error, freedom), trials))
    )


def _of_loss(losses: np.ndarray, units: Units, figure: float, largest: float) -> Bounds:
    """A mean of losses (N,): Student's interval of its logarithm; nan where all are alike.

    nan also where images, or groups, are so few or so unequal that it would reach past the
    largest loss there is.
    """
    every = np.arange(len(losses))
    known = spread(mean_without(units.sums(every, losses), units.sums(every)))
    if not known.error > 1e-12:
        return NOTHING
    reach = student_quantile(known.freedom) * known.error / figure
    if reach > np.log(largest / figure):
        return NOTHING
    factor = np.exp(reach)
    return float(figure / factor), float(figure * factor)


def _of_function(of: OfScores, evidence: Evidence, units: Units, figure: float) -> Bounds:
    """Without each of PARTS parts in turn: Student's interval, or Wilson's between its ends; nan
    where it fails without one, or none moves it. Kott, The delete-a-group jackknife, 2001."""
    if of.of_rows is None:
        return NOTHING
    targets, scores, part = evidence.targets, evidence.scores, units.of % PARTS
    stays = [part != each for each in np.unique(part)]
    try:
        with warnings.catch_warnings(action="ignore"):
            without = [of.of_rows(targets[rows], scores[rows]) for rows in stays]
    except (ValueError, ArithmeticError):
        return NOTHING
    known = spread(np.array(without))
    if not known.error > 1e-12 or np.isnan(without).any():
        return NOTHING
    if of.within is None:
        reach = student_quantile(known.freedom) * known.error
        return figure - reach, figure + reach
    least, size = of.within[0], of.within[1] - of.within[0]
    trials = units.trials(np.arange(len(targets)))
    share, known = (figure - least) / size, Spread(known.error / size, known.freedom)
    low, high = _bounds(share, min(trials, effective_trials(share, known, trials)))
    return low * size + least, high * size + least


def _of_calibration(
    evidence: Evidence, units: Units, figure: float, *, draws: int, seed: int
) -> Bounds:
    """ece: every one that would show the gaps that were seen, not oddly often larger or smaller.

    Chance makes gaps where there are none, so that ece is too large where images are few, by more
    the less there is to find. Tried are true gaps of some factor times those seen: none, half,
    as large, ... To each is added what chance adds, `draws` times; the interval has those factors
    that give the seen ece or more, and it or less, in at least 2.5 % of the draws (the inversion
    of a test: J. Neyman, 1937; for no gap at all it is the resampling of J. Broecker and L. A.
    Smith, Increasing the reliability of reliability diagrams, 2007).
    """
    if units.grouped and units.count < 2:
        return 0.0, 1.0
    gaps, spreads = _gaps(evidence, units)
    if figure < 1e-12:
        return _bounds(0.0, units.trials(np.arange(len(evidence.targets))))
    rng = streams.draw(Stream.GAPS, seed)
    chance = rng.multivariate_normal(
        np.zeros(BINS), spreads, size=draws, method="eigh", check_valid="ignore"
    )
    farthest = 1 + 4 * np.sqrt(np.diagonal(spreads)).sum() / figure
    factors = np.linspace(0, farthest, 60)
    shown = [np.abs(factor * gaps + chance).sum(axis=1) for factor in factors]
    few, many = np.maximum.accumulate(np.quantile(shown, TAILS, axis=1), axis=1)
    low, high = (float(np.interp(figure, ends, factors)) for ends in (many, few))
    return figure * min(low, 1.0), min(1.0, figure * max(high, 1.0))


def _gaps(evidence: Evidence, units: Units) -> tuple[np.ndarray, np.ndarray]:
    """What each bin adds to ece, with its sign, and the covariance of that. -> (B,), (B, B)

    A bin varies at least as it would if its scores were the chances to be right: where all of
    few images are right, their like gaps would tell of no chance at all.
    """
    score, came_true = evidence.decisions
    images, bins = len(score), bins_of(score)
    unit = np.repeat(units.of, images // len(units.of))  # the decisions of an image stand together
    by_unit = np.bincount(unit * BINS + bins, came_true - score, units.count * BINS)
    by_unit = by_unit.reshape(units.count, BINS)
    gaps, sizes = by_unit.sum(axis=0) / images, np.bincount(unit, minlength=units.count)
    apart = by_unit - gaps * sizes[:, None]
    found = apart.T @ apart / images**2 * units.count / max(units.count - 1, 1)
    least = np.bincount(bins, score * (1 - score), BINS) / images**2
    variances = np.diagonal(found)
    scale = np.sqrt(np.maximum(1, least / np.maximum(variances, 1e-300)))
    raised = np.where(variances > 0, scale, 1)
    return gaps, found * raised * raised[:, None] + np.diag(np.where(variances > 0, 0, least))


def wilson(share: np.ndarray | float, trials: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
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


def student_quantile(freedom: float) -> float:
    """Below which 97.5 % of Student's distribution lies, from 1 degree of freedom on.

    Between the degrees of STUDENT its logarithm is taken as linear in 1 / freedom, which is right
    to 1 % from 2 degrees on, and to 4 % below.
    """
    inverse = [1 / degrees for degrees, _ in STUDENT]
    logarithms = [np.log(value) for _, value in STUDENT]
    return float(np.exp(np.interp(1 / freedom, inverse[::-1], logarithms[::-1])))


def effective_trials(share: float, spread: Spread, otherwise: float) -> float:
    """As how many trials the images count, for a share of this spread.

    `otherwise` where there is no error to go by: all is right, all is wrong, or there is only
    one unit. Student's quantile in place of the normal one makes the trials fewer.
    """
    if not spread.error > 1e-12 or not 1e-12 < share < 1 - 1e-12:
        return otherwise
    longer = student_quantile(spread.freedom) / NORMAL_QUANTILE
    return share * (1 - share) / (spread.error * longer) ** 2


def _trials_of_classes(trials: np.ndarray, evidence: Evidence) -> float:
    """The trials of a mean over classes, from those of each. (C,) -> number

    Several labels of the same images may rise and fall together, so that they say no more than
    one: for proportions of one size the mean's deviation is then the mean of theirs.
    """
    if not evidence.task.several:
        return trials_of_mean(trials)
    trials = trials[trials > 0]
    return float((len(trials) / (1 / np.sqrt(trials)).sum()) ** 2) if len(trials) else 0.0


def trials_of_mean(trials: np.ndarray) -> float:
    """In how many trials one proportion is as uncertain as a mean over classes. (C,) -> number

    C squared over the sum of 1 / trials, over the classes present: for proportions of one size
    p, the mean's variance is p (1 - p) times the inverse of this. As many as there are images
    where classes are equally large, fewer where some are small. 0 without a class.
    """
    trials = trials[trials > 0]
    return float(len(trials) ** 2 / (1 / trials).sum()) if len(trials) else 0.0
