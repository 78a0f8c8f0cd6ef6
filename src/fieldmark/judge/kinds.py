"""What a metric is: its words, what it is made of, and where it is shown.

From what it is made of follow its value, its interval (judge.intervals) and how two classifiers
are compared by it (judge.paired).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np

from fieldmark.judge.evidence import Evidence, Margins, mean_of_present, ratio
from fieldmark.task import ONE_LABEL, Task


class Shown(IntEnum):
    """How far to the front a metric stands; each place also has what the later ones have."""

    TABLE = 0  # the page's table of all, the history, `compare --out`
    LINE = 1  # a line on the screen
    KEY = 2  # large on the page, a column of `compare`
    COLUMN = 3  # a column of `evaluate --by`


@dataclass(frozen=True)
class OfCounts:
    """Made of the margins of a confusion table, like accuracy and macro F1.

    value:    margins of (..., C) -> (...)
    whole:    of how many images, or guesses, it is plainly a share; None where it is not
    hits:     which images (N,) bool it is the share of, where `whole` is all of them
    by_class: a mean over classes, so that small ones make it less sure
    least:    its value at the worst; at the best it is 1
    """

    value: Callable[[Margins], np.ndarray]
    whole: Callable[[Margins], float] | None = None
    hits: Callable[[Evidence], np.ndarray] | None = None
    by_class: bool = True
    least: float = 0.0

    def figure(self, evidence: Evidence) -> float:
        """Its value."""
        return float(self.value(evidence.margins))


@dataclass(frozen=True)
class OfImages:
    """A mean over images: of hits, or of losses from 0 to `largest`."""

    value: Callable[[Evidence], np.ndarray]  # -> (N,) bool, or float where there is a largest
    largest: float | None = None

    def figure(self, evidence: Evidence) -> float:
        """Its value."""
        return float(ratio(self.value(evidence).sum(), np.asarray(len(evidence.targets))))


@dataclass(frozen=True)
class OfAreas:
    """A mean over the classes that have it of one of the areas that judge.jackknife knows."""

    value: Callable[[Evidence], np.ndarray]  # -> (C,), nan for a class without
    area: str  # as the class's figure is called

    def figure(self, evidence: Evidence) -> float:
        """Its value."""
        return float(mean_of_present(self.value(evidence)))


@dataclass(frozen=True)
class OfScores:
    """Anything else: it has no interval but that of the calibration error, and is not paired."""

    value: Callable[[Evidence], float]
    unpaired: str  # why two classifiers are not compared by it
    is_gap: bool = False  # the calibration error

    def figure(self, evidence: Evidence) -> float:
        """Its value."""
        return float(self.value(evidence))


@dataclass(frozen=True)
class Metric:
    """A row of METRICS. words: its name in a sentence. among: of how many likeliest classes.

    Where there are no more than `among` classes it is nan, for it could not be missed.
    """

    words: str
    meaning: str
    of: OfCounts | OfImages | OfAreas | OfScores
    better: Literal["max", "min"] = "max"
    is_share: bool = True  # written as a percentage
    shown: Shown = Shown.TABLE
    among: int = 0
    tasks: tuple[Task, ...] = (ONE_LABEL,)  # that have it

    def figure(self, evidence: Evidence) -> float:
        """Its value, nan where it does not exist."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.of.figure(evidence) if evidence.classes > self.among else np.nan

    @property
    def of_scores(self) -> bool:
        """Whether it changes with the temperature: what is made of guesses and ranks does not."""
        of = self.of
        return not isinstance(of, OfCounts) and getattr(of, "largest", of) is not None


@dataclass(frozen=True)
class ClassMetric:
    """A figure of each class against the rest: a row of CLASS_METRICS."""

    words: str
    meaning: str
    value: Callable[[Evidence], np.ndarray]  # -> (C,), nan for a class without
    is_share: bool = True
