"""What a metric may be made of: from that follow its value, its interval, and how two compare."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

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
    share_of: what the hits are plainly a share of: "images", "guesses", or "both" in the mean;
              of one label an image alone, since several of an image go together
    by_class: a mean over classes, so that small ones make it less sure
    least:    its value at the worst; at the best it is 1
    """

    value: Callable[[Margins], np.ndarray]
    share_of: Literal["images", "guesses", "both"] | None = None
    by_class: bool = True
    least: float = 0.0

    def figure(self, evidence: Evidence) -> float:
        """Its value."""
        return float(self.value(evidence.margins))


@dataclass(frozen=True)
class OfImages:
    """A mean over images: of hits, of shares of an image, or of losses from 0 to `largest`."""

    value: Callable[[Evidence], np.ndarray]  # -> (N,) bool, or float of shares and losses
    largest: float | None = None
    partly: bool = False  # of shares

    @property
    def of_hits(self) -> bool:
        """Whether each image is right or wrong, and nothing between."""
        return self.largest is None and not self.partly

    def figure(self, evidence: Evidence) -> float:
        """Its value."""
        return float(ratio(self.value(evidence).sum(), np.asarray(len(evidence.targets))))


@dataclass(frozen=True)
class OfAreas:
    """A mean over the classes that have it of one of the areas that judge.jackknife knows."""

    area: str  # of Evidence.areas

    def figure(self, evidence: Evidence) -> float:
        """Its value."""
        return float(mean_of_present(evidence.areas[self.area]))


@dataclass(frozen=True)
class OfScores:
    """Anything else, by which two classifiers are not paired.

    unpaired: why. is_gap: the calibration error. of_rows: the same of the truth and the scores of
    any images, by which it has an interval; within: between which ends it lies.
    """

    value: Callable[[Evidence], float]
    unpaired: str
    is_gap: bool = False
    of_rows: Callable[[np.ndarray, np.ndarray], float] | None = None
    within: tuple[float, float] | None = None

    def figure(self, evidence: Evidence) -> float:
        """Its value."""
        return float(self.value(evidence))


@dataclass(frozen=True)
class Metric:
    """A row of METRICS.

    words: in a sentence, where those of its name do not do. among: of how many likeliest
    classes; where there are no more it is nan, for it could not be missed. several: what is
    otherwise in the row of several labels, by the names of fields.
    """

    meaning: str
    of: OfCounts | OfImages | OfAreas | OfScores
    words: str = ""
    better: Literal["max", "min"] = "max"
    is_share: bool = True  # written as a percentage
    shown: Shown = Shown.TABLE
    among: int = 0
    tasks: tuple[Task, ...] = (ONE_LABEL,)  # that have it
    several: Mapping[str, Any] = field(default_factory=dict)

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

    meaning: str
    value: Callable[[Evidence], np.ndarray]  # -> (C,), nan for a class without
    words: str = ""
    is_share: bool = True
