"""The figures of one-vs-rest: of every class by itself, of all as one, and beside one softmax."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fieldmark.judge.calibrate import SOLVED, fit_temperature
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import SEED, figures
from fieldmark.judge.paired import Difference, differences
from fieldmark.metrics_json import Figures, flat
from fieldmark.records import Predictions
from fieldmark.study.against_rest import against, rest_name
from fieldmark.study.ovr_answers import OVR, SOFTMAX, Answers, table_of
from fieldmark.task import ONE_LABEL

TWIN = "twin"


@dataclass(frozen=True)
class OfClass:
    """A class against the rest. All figures are of answers by models that saw none of the images.

    published: of the images of the class and those taken of the others, as the published loop
    tests. whole: of all images. precision: the average precision of the class on all images.
    """

    name: str
    images: int
    published: Figures
    whole: Figures

    @property
    def precision(self) -> float | None:
        """Average precision on all images."""
        return self.whole.per_class[self.name].values["average_precision"]

    @property
    def never(self) -> float:
        """The share of all images that is right where the answer always is no."""
        return 1 - self.images / self.whole.n

    @property
    def never_published(self) -> float:
        """The same of the images that the published figure is of."""
        return 1 - self.images / self.published.n

    @property
    def is_blind(self) -> bool:
        """Whether always answering no would be right at least as often, on all images."""
        return (self.whole["accuracy"] or 0.0) <= self.never

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "images": self.images,
            "published": flat(self.published),
            "whole": flat(self.whole),
            "always_no": {"published": self.never_published, "whole": self.never},
        }


@dataclass(frozen=True, eq=False)
class Joined:
    """All classes as one answer an image, and beside it one model of all classes on each fold.

    table: logits whose scores at a temperature of 1 are the joined ones; the answers of a fold
    have the temperature that the other folds chose. temperature: what all answers choose.
    """

    table: Predictions
    figures: Figures
    temperature: float
    softmax: Figures | None = None
    difference: Difference | None = None
    others: dict[str, Difference] | None = None


@dataclass(frozen=True)
class Twin:
    """The same models with one setting changed, and what these are beside them.

    precision: average precision by class. difference: of all classes as one, or of one class
    where it is alone; these models less their twins. units: images that it is of, and groups.
    """

    precision: dict[str, float | None]
    difference: Difference
    units: tuple[int, int | None]


@dataclass(frozen=True)
class Found:
    """classes: the best by average precision first. joined: None where classes are missing."""

    classes: tuple[OfClass, ...]
    joined: Joined | None
    seconds: dict[str, float]
    twin: Twin | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for results.json."""
        found: dict[str, Any] = {
            "classes": {each.name: each.to_json() for each in self.classes},
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
        }
        if (joined := self.joined) is not None:
            found["all"] = flat(joined.figures)
            found["temperature"] = joined.temperature
            if joined.softmax is not None:
                found[SOFTMAX] = flat(joined.softmax)
            if joined.others is not None:
                found["differences"] = {k: _plain(each) for k, each in joined.others.items()}
        if self.twin is not None:
            found["twin"] = {
                "average_precision": self.twin.precision,
                "difference": _plain(self.twin.difference),
            }
        return found


def _plain(difference: Difference) -> dict[str, Any]:
    """As JSON has it: None for nan."""
    return {k: v if v == v else None for k, v in vars(difference).items()}


def found_of(answers: Answers, twins: Answers | None = None) -> Found:
    """Every figure. twins: answers of the same models with one setting changed."""
    classes = [of_class(answers, place) for place in range(len(answers.names))]
    classes.sort(key=lambda each: -(each.precision or 0.0))
    joined = joined_of(answers) if answers.is_whole else None
    twin = twin_of(answers, joined, twins) if twins and twins.names == answers.names else None
    seconds = answers.seconds | ({TWIN: twins.seconds[OVR]} if twin and twins else {})
    return Found(tuple(classes), joined, seconds, twin)


def of_class(answers: Answers, place: int) -> OfClass:
    """A class, by its place among those that are asked for."""
    name, own = answers.names[place], answers.own[place]
    table = class_table(answers, place)
    some = replace(table, frame=table.frame.filter(own | answers.taken[place]))
    published, whole = (figures(each, with_intervals=True) for each in (some, table))
    return OfClass(name, int(own.sum()), published, whole)


def class_table(answers: Answers, place: int) -> Predictions:
    """The answers of a class's models to all images, as two classes."""
    name, margins = answers.names[place], answers.margins[:, place]
    rest = rest_name(answers.samples.classes)
    samples = against(answers.samples, name, rest)
    logits = np.stack([margins, np.zeros_like(margins)], axis=1)
    return table_of(samples, answers.fold, logits, (name, rest), OVR)


def twin_of(answers: Answers, joined: Joined | None, twins: Answers) -> Twin:
    """The models beside their twins: all as one by the task's metric, one class by its area."""
    if joined is not None:
        metric, tables = ONE_LABEL.metric, (joined_of(twins).table, joined.table)
    else:
        metric, tables = "mean_average_precision", (class_table(twins, 0), class_table(answers, 0))
    groups = tables[0].groups
    known = differences(*map(Evidence.on, tables), groups=groups, seed=SEED)
    precision = [of_class(twins, place).precision for place in range(len(twins.names))]
    units = len(tables[0]), None if groups is None else int(groups.max()) + 1
    return Twin(dict(zip(twins.names, precision, strict=True)), known[metric], units)


def joined_of(answers: Answers) -> Joined:
    """All classes as one, compared with the softmax models where there are some."""
    names, logits, fold = answers.samples.classes, answers.logits, answers.fold
    targets = answers.samples.targets(names)
    scaled = np.empty_like(logits)
    for out in np.unique(fold):
        others, own = fold != out, fold == out
        scaled[own] = logits[own] / _temperature(logits[others], targets[others])
    table = table_of(answers.samples, fold, scaled, names, OVR)
    found = figures(table, with_intervals=True)
    joined = Joined(table, found, _temperature(logits, targets))
    if answers.softmax is None:
        return joined
    beside = table_of(answers.samples, fold, answers.softmax, names, SOFTMAX)
    pair = Evidence.on(beside), Evidence.on(table)
    known = differences(*pair, groups=table.groups, seed=SEED)
    of_all = figures(beside, with_intervals=True)
    metric = found.of_task.metric
    return replace(joined, softmax=of_all, difference=known[metric], others=known)


def _temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    return fit_temperature(logits, targets, prior=SOLVED)
