"""How sure the difference of two classifiers is that were shown the same images.

Both have the easy images right and the hard ones wrong, so that the difference is far surer
than the two intervals of their own would let one think: it is drawn image by image.

- Accuracy, where images stand for themselves, has Tango's score interval.
- Any other figure has the percentile bootstrap: images, or groups of them, are drawn anew, the
  same ones for both, and the interval runs from the 2.5th to the 97.5th percentile of the
  difference. If only five images differ and all five speak for one side, hardly a draw speaks
  for the other, and the bootstrap would be certain where McNemar's test is not. So for figures
  of a confusion table every draw gets two images more, of those on which the guesses differ,
  whose answers are exchanged or not by the toss of a coin: what Bonett and Price add to a table
  for accuracy (Adjusted Wald confidence interval for a difference of binomial proportions based
  on paired data, 2012).
  Areas are drawn to first order: what each image adds to them is summed (see exchange.py).
- Then an interval is stretched to take in zero wherever equal classifiers would differ by so
  much in more than 5 % of cases. That is known exactly, whatever the figure and however few the
  images: equal classifiers could have each image's answers (or each group's) exchanged between
  them. For accuracy it is McNemar's exact test; for log loss, which a few images may decide, it
  is what makes the interval honest. Average precision is exchanged to first order, and what the
  images add is held against what they add where none is exchanged: that is exact as well.

ece has no paired interval: chance alone makes it larger, by more the fewer images there are and
the better the scores fit, so that of a draw, which is noisier than the images, it is too large
for both and not by the same. Log loss tells which scores are better.

The intervals speak of two trained models on other images from the same source. They know
nothing of what another seed would have made of either.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fieldmark import streams
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.exchange import TwoModels, count_differences
from fieldmark.judge.intervals import NORMAL_QUANTILE, trials_of_mean
from fieldmark.judge.metrics import (
    METRICS,
    Metric,
    OfAreas,
    OfCounts,
    OfImages,
    OfScores,
    of_task,
    overall,
)
from fieldmark.streams import Stream
from fieldmark.task import ONE_LABEL, Task

POWER_QUANTILE = 0.8416212335729143  # 80 % of a standard normal distribution lies below
COINS = 2  # images, or groups, that are added to each draw
TAILS = (2.5, 97.5)  # percentiles
LIKELY = 0.05  # up to here equal classifiers are taken to be unequal by mistake
CHUNK = 4_000_000  # weights of images in memory at once (16 MB)
HALVINGS = 60  # of an interval of length 2: to the last bit of a double
TINY = 1e-9  # what summing in another order may change


class Bounds(NamedTuple):
    """How sure a difference is; see Difference."""

    low: float
    high: float
    chance: float
    spread: float


@dataclass(frozen=True)
class Difference:
    """Of one figure, the second classifier's less the first's.

    units: images, or groups, that were drawn. low, high: 95 % interval. chance: how often equal
    classifiers differ by so much or more. spread: the standard deviation of what one unit adds
    to the difference, which is the mean of that. All nan where one of the figures is.
    """

    metric: str
    first: float
    second: float
    units: int
    low: float
    high: float
    chance: float
    spread: float

    @property
    def value(self) -> float:
        """Second less first, whichever of the two is better."""
        return self.second - self.first

    @property
    def is_clear(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0

    def needed(self, difference: float) -> float:
        """How many units it takes to see such a true difference in 80 of 100 cases.

        A share differs by so much only where so many units at least are answered differently,
        however few of them were so here. nan where the spread is not known.
        """
        variance = self.spread**2
        of = METRICS[self.metric].of
        is_loss = isinstance(of, OfImages) and not of.of_hits
        least = of.least if isinstance(of, OfCounts) else 0.0
        if not (isinstance(of, OfAreas) or is_loss or least):
            variance = max(variance, abs(difference) - difference**2)
        if not variance > 0 or not difference:
            return math.nan
        return float((NORMAL_QUANTILE + POWER_QUANTILE) ** 2 * variance / difference**2)


def differences(
    first: Evidence,
    second: Evidence,
    *,
    groups: np.ndarray | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Difference]:
    """The difference of each metric that is paired; the same seed gives the same intervals.

    Of several labels the answers of an image are drawn and exchanged together.

    Both are evidence on the same images in the same order; groups (N,) int from 0 are drawn in
    place of images. Raises ValueError where the two differ in truth or in classes.
    """
    if first.classes != second.classes or not np.array_equal(first.targets, second.targets):
        raise ValueError("the two are not of the same images and classes; align them first")
    pair, rng = TwoModels(first, second), streams.draw(Stream.PAIRED, seed)
    of = np.arange(len(first.targets)) if groups is None else groups
    units = int(of.max(initial=-1)) + 1
    drawn, exchanged = _drawn_anew(pair, of, draws, rng), _exchanged(pair, of, draws, rng)
    one, two, rows = overall(first), overall(second), of_task(first.task)
    found = {}
    for name in paired_metrics(first.task):
        value, made = two[name] - one[name], rows[name].of
        hits = [its for each in (first, second) if (its := _hits(rows[name], each)) is not None]
        if math.isnan(value):
            bounds = Bounds(math.nan, math.nan, math.nan, math.nan)
        elif groups is None and hits:
            bounds = _of_proportions(*hits)
        else:
            is_precision = isinstance(made, OfAreas) and made.area == "average_precision"
            still = float(pair.areas["average_precision"].shares.sum()) if is_precision else value
            flat = _flat_width(rows[name], first, units)
            bounds = _of_draws(value, drawn[name], _chance(still, exchanged[name]), flat)
            bounds = bounds._replace(spread=bounds.spread * math.sqrt(units))
        found[name] = Difference(name, one[name], two[name], units, *_with_zero(bounds))
    return found


def paired_metrics(task: Task = ONE_LABEL) -> list[str]:
    """The metrics that two classifiers are compared by, in the order of METRICS."""
    return [name for name, row in of_task(task).items() if not isinstance(row.of, OfScores)]


def _hits(metric: Metric, evidence: Evidence) -> np.ndarray | None:
    """Of a share of the images, which are hits (N,) bool; None for any other metric."""
    of = metric.of
    if isinstance(of, OfImages) and of.of_hits:
        return of.value(evidence)
    plain = isinstance(of, OfCounts) and of.share_of == "images" and not evidence.task.several
    return evidence.right if plain else None


def _of_proportions(first: np.ndarray, second: np.ndarray) -> Bounds:
    """From which images are right for each. (N,) bool, twice"""
    images = len(first)
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    spread = math.sqrt((gained + lost) / images - ((gained - lost) / images) ** 2)
    return Bounds(*tango(gained, lost, images), mcnemar(gained, lost), spread)


def _chance(still: float, exchanged: np.ndarray) -> float:
    """How often exchanges (B,) give as much as `still`, which is with none exchanged, or more.

    That one counts as one exchange more, so that chance is never 0: Davison and Hinkley,
    Bootstrap Methods and their Application, 1997, section 4.2.
    """
    as_far = (np.abs(exchanged) >= abs(still) - TINY).sum()
    return float((1 + as_far) / (1 + len(exchanged)))


def _of_draws(value: float, drawn: np.ndarray, chance: float, flat: float) -> Bounds:
    """From the difference, what it is in draws (B,), and how often equal ones differ by so much.

    flat: half the width that the interval has where all draws give the same.
    """
    found = drawn[~np.isnan(drawn)]  # a draw without a class that the figure needs has none
    low, high = np.percentile(found, TAILS) if len(found) else (value, value)
    if not high - low > TINY:
        low, high = value - flat, value + flat
    spread = float(found.std()) if len(found) else math.nan
    return Bounds(float(min(low, value)), float(max(high, value)), chance, spread)


def _with_zero(bounds: Bounds) -> Bounds:
    """Stretched to zero where equal classifiers would differ by so much too often."""
    if not bounds.chance > LIKELY:
        return bounds
    return bounds._replace(low=min(bounds.low, 0.0), high=max(bounds.high, 0.0))


def _flat_width(metric: Metric, evidence: Evidence, units: int) -> float:
    """Half the width of Tango's interval of as many images as the figure is sure as, all alike.

    A mean over classes is as uncertain as fewer images (see `trials_of_mean`), an area as the
    smaller of its two sides, and grouped images are no more than there are groups. A loss has
    none: only with the very same scores all draws give the same.
    """
    if isinstance(metric.of, OfImages) and metric.of.largest is not None:
        return 0.0
    support, images = evidence.margins.support, len(evidence.targets)
    of_areas = isinstance(metric.of, OfAreas)
    sides = np.minimum(support, images - support) if of_areas else support
    square = NORMAL_QUANTILE**2
    return square / (min(trials_of_mean(sides), units) + square)


def _drawn_anew(
    pair: TwoModels, of: np.ndarray, draws: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The differences of `draws` sets of units, each unit the images with its number in `of`."""
    units = int(of.max(initial=-1)) + 1
    differing = np.unique(of[pair.differ])
    parts = []
    for rows in _chunks(draws, len(of)):
        chosen = np.zeros((rows, units), np.float32)
        for row in chosen if units else ():
            row[:] = np.bincount(rng.integers(units, size=units), minlength=units)
        plain = chosen[:, of]
        straight, crossed = (coins[:, of] for coins in _coins(differing, chosen.shape, rng))
        found = count_differences(pair, plain + straight, crossed)
        total = np.maximum(plain.sum(axis=1), 1)
        found |= {name: plain @ gain / total for name, gain in pair.gains.items()}
        found |= {name: pair.areas[area].drawn(plain) for name, area in _areas().items()}
        parts.append(found)
    return _joined(parts)


def _coins(
    differing: np.ndarray, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """How often each unit is added to a draw as it is, and exchanged. -> (B, units) twice"""
    straight, crossed = np.zeros((2, *shape), np.float32)
    if len(differing):
        rows, units = np.arange(shape[0])[:, None], rng.choice(differing, (shape[0], COINS))
        heads = rng.integers(2, size=units.shape)
        np.add.at(straight, (rows, units), heads)
        np.add.at(crossed, (rows, units), 1 - heads)
    return straight, crossed


def _exchanged(
    pair: TwoModels, of: np.ndarray, draws: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The differences where a coin decides for each unit whose answers are whose. -> (B,) each"""
    units = int(of.max(initial=-1)) + 1
    parts = []
    for rows in _chunks(draws, len(of)):
        crossed = rng.integers(2, size=(rows, units)).astype(np.float32)[:, of]
        found, signs = count_differences(pair, 1 - crossed, crossed), 1 - 2 * crossed
        found |= {name: signs @ gain / max(len(of), 1) for name, gain in pair.gains.items()}
        found |= {name: signs @ pair.areas[area].shares for name, area in _areas().items()}
        parts.append(found)
    return _joined(parts)


def _areas() -> dict[str, str]:
    """The metrics that are means of areas, and which area each is of."""
    return {name: row.of.area for name, row in METRICS.items() if isinstance(row.of, OfAreas)}


def _chunks(draws: int, images: int) -> Iterator[int]:
    """How many draws to do at once, until all are done."""
    some = max(1, CHUNK // max(images, 1))
    for start in range(0, draws, some):
        yield min(some, draws - start)


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def tango(gained: int, lost: int, images: int) -> tuple[float, float]:
    """The 95 % score interval of the difference of two accuracies, (gained - lost) / images.

    It has width where no image differs, and stays within -1..1. Without images (-1, 1).
    T. Tango, Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design, 1998.
    """
    if not images:
        return -1.0, 1.0
    return _lower(gained, lost, images), -_lower(lost, gained, images)


def mcnemar(gained: int, lost: int) -> float:
    """The chance that equal classifiers differ by so much or more, either way: McNemar's, exact.

    Of equal classifiers each image that differs is gained or lost as a coin falls.
    """
    trials, fewer = gained + lost, min(gained, lost)
    whole = math.lgamma(trials + 1) - trials * math.log(2)
    tail = math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1)) for k in range(fewer + 1)
    )
    return min(1.0, 2 * tail)


def _lower(gained: int, lost: int, images: int) -> float:
    """The difference below the observed one that lies NORMAL_QUANTILE deviations from it."""
    low, high = -1.0, (gained - lost) / images
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        apart = gained - lost - images * middle
        if apart > NORMAL_QUANTILE * _deviation(middle, gained, lost, images):
            low = middle
        else:
            high = middle
    return low


def _deviation(difference: float, gained: int, lost: int, images: int) -> float:
    """The standard deviation of gained - lost, were the true difference this one.

    The share that is lost is then the likeliest one: the root of a quadratic.
    """
    linear = (2 * images - gained + lost) * difference - gained - lost
    constant = -lost * difference * (1 - difference)
    share = (math.sqrt(max(linear**2 - 8 * images * constant, 0)) - linear) / (4 * images)
    return math.sqrt(images * max(2 * share + difference * (1 - difference), 0))
