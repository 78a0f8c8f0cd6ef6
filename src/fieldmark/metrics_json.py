"""metrics.json: what a run, or an evaluation of one, was measured to be. One reader, one writer."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fieldmark.errors import RunError
from fieldmark.files import write_json
from fieldmark.task import ONE_LABEL, TASKS, Task

Interval = tuple[float | None, float | None]
AT_HALF = "at_0.5"  # the name of Figures.at_half in the file
WHOLE = "whole"  # the name of all seconds among `times`
Values = dict[str, float | None]  # by name; None where a figure is not defined
Intervals = dict[str, Interval]
DAMAGED = "copy the run again, or take the file away and measure again: fieldmark report"


@dataclass(frozen=True)
class ClassFigures:
    """One class. values: precision, recall, f1, areas. intervals: {} where none were made.

    threshold: the score that the label must reach, of several; None where it is 0.5 as of all.
    positives: how many images of validation have the label, by which that was chosen.
    """

    support: int
    values: Values
    intervals: Intervals = field(default_factory=dict)
    threshold: float | None = None
    positives: int | None = None

    def __getitem__(self, name: str) -> float | None:
        return self.values.get(name)


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram: its edges, images, mean score and share right."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Answer:
    """Of all images, the share with at least this score, and the share of these that is right."""

    score: float
    share: float
    accuracy: float


@dataclass(frozen=True)
class AtHalf:
    """Several labels guessed from a score of 0.5 on: the metrics of guesses, and of each class."""

    values: Values
    per_class: dict[str, Values] = field(default_factory=dict)

    def __getitem__(self, metric: str) -> float | None:
        return self.values.get(metric)


@dataclass(frozen=True)
class Share:
    """A share of some images, and its 95 % interval."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class UnlikeFigures:
    """How many of n images are told unlike the training ones; by: distance, or scores, alone."""

    n: int
    flagged: Share
    by: dict[str, Share] = field(default_factory=dict)


@dataclass(frozen=True)
class SetFigures:
    """Sets that shall hold the truth in `level` of n images: how often they do; their mean size."""

    level: float
    n: int
    size: float
    held: Share


@dataclass(frozen=True)
class Figures:
    """The figures of some images: of a split, or of one value of a column.

    n:           images that the figures are of
    unknown:     images left out, because their truth is not among the classes
    no_guess:    images of the n whose logits name no class (nan, inf); they count as wrong
    absent:      classes without an image here; None per class, and left out of macro means
    values:      every metric by its name; figures["accuracy"] is one
    intervals:   95 %, by the same names; {} where none were made
    confusion:   images by truth (rows) and guess (columns), in the order of the classes
    reliability: the bins of ece that have an image
    answers:     from the surest on; the rows of `answer_curve`, which a bundle goes by
    groups:      how many groups the intervals go by; None where by images, or without intervals
    within_group: the images are one group's, and their intervals go by images
    folds:       how many heads answered, each the images that it was trained without; else None
    total_answers: where images are answered more than once each, all answers; confusion,
                 reliability and no_guess count these. Else None
    at_half:     of several labels that have thresholds, what 0.5 would give; "at_0.5" in the file
    cooccurrence: of several labels, the images that have both of two, in the order of the classes;
                 on the diagonal those that have the one
    unlike:      how many images are told unlike the training ones; None where nothing tells it
    sets:        how often sets of classes hold the truth; None of several labels, and without any
    task:        of the whole file, where it stands once

    confusion, reliability, answers, at_half and cooccurrence are None for a value of a column;
    confusion and answers of several labels. A bin of theirs counts every label of every image.
    """

    n: int
    values: Values
    unknown: int = 0
    no_guess: int = 0
    absent: tuple[str, ...] = ()
    intervals: Intervals = field(default_factory=dict)
    per_class: dict[str, ClassFigures] = field(default_factory=dict)
    confusion: list[list[int]] | None = None
    reliability: tuple[Bin, ...] | None = None
    answers: tuple[Answer, ...] | None = None
    groups: int | None = None
    within_group: bool = False
    folds: int | None = None
    total_answers: int | None = None
    at_half: AtHalf | None = None
    cooccurrence: list[list[int]] | None = None
    unlike: UnlikeFigures | None = None
    sets: tuple[SetFigures, ...] | None = None
    task: str = ONE_LABEL.name

    def __getitem__(self, metric: str) -> float | None:
        return self.values.get(metric)

    @property
    def of_task(self) -> Task:
        """The record of the task."""
        return TASKS[self.task]

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Both ends of a metric's interval; None where it has none."""
        low, high = self.intervals.get(metric, (None, None))
        return None if low is None or high is None else (low, high)


By = dict[str, dict[str, Figures]]  # {column: {value: figures}}


@dataclass(frozen=True)
class Change:
    """log_loss and ece at a temperature of 1, and at the run's."""

    before: Values
    after: Values


@dataclass(frozen=True)
class Calibration:
    """The temperature, on what and on how many images it was fitted, and what it did by split."""

    temperature: float
    fitted_on: str = "val"
    n: int | None = None
    sides: dict[str, Change] = field(default_factory=dict)


@dataclass(frozen=True)
class Flipped:
    """Figures by split with mirror images averaged in, at a temperature of their own."""

    temperature: float = 1.0
    sides: dict[str, Figures] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """What a run was asked to come to, and what it came to.

    name: max_size_mb (MiB of the weights' file), max_hours (device hours) or a metric. reached:
    None where the metric is not defined. side: the split that the metric is of; None for others.
    wall_hours: beside device hours.
    """

    name: str
    asked: float
    is_met: bool
    reached: float | None = None
    side: str | None = None
    wall_hours: float | None = None


@dataclass(frozen=True)
class About:
    """What the figures are of, and how they came about; None and {} where that is not known.

    whole: the run was concluded, and neither the user nor a loss that ran away ended it before.
    cut: of a whole run, the hours of its budget ended the training. budgets: of a whole run.
    parameters, trained: of the network, all and those that training moved on the way to the kept
    weights.
    times: seconds by name, of a Clock. heads_tried: on the same features. shares: of the tuned
    weights in a mean with those before, and which was kept. run, data, trained_on
    and took_part_in_training: of an evaluation.
    """

    finished: str | None = None
    seconds: float | None = None
    times: dict[str, float] = field(default_factory=dict)
    run: str | None = None
    data: dict[str, Any] | None = None
    seed: int | None = None
    split_seed: int | None = None
    samples_hash: str | None = None
    trained_on: str | None = None
    took_part_in_training: int | None = None
    best_epoch: int | None = None
    ending: str | None = None
    whole: bool | None = None
    cut: bool | None = None
    parameters: int | None = None
    trained: int | None = None
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    heads_tried: tuple[dict[str, Any], ...] = ()
    shares: tuple[dict[str, Any], ...] = ()
    budgets: tuple[Budget, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not known is left out."""
        values = {**asdict(self), "budgets": tuple(_known(vars(each)) for each in self.budgets)}
        return {k: v for k, v in values.items() if v not in (None, (), {})}


@dataclass(frozen=True)
class Metrics:
    """The whole file. sides: "val" and "test". unknown_classes and by: of an evaluation."""

    task: str = ONE_LABEL.name
    classes: tuple[str, ...] = ()
    sides: dict[str, Figures] = field(default_factory=dict)
    calibration: Calibration | None = None
    unknown_classes: dict[str, int] | None = None
    by: By | None = None
    test_flip: Flipped | None = None
    about: About = field(default_factory=About)

    @property
    def of_task(self) -> Task:
        """The record of the task."""
        return TASKS[self.task]

    def to_json(self) -> dict[str, Any]:
        """Plain values in the shape of the file."""
        fitted, flip = self.calibration, self.test_flip
        return {
            "task": self.task,
            "classes": list(self.classes),
            **_flats(self.sides),
            **_known(
                {
                    "calibration": fitted and _lifted(asdict(fitted)),
                    "unknown_classes": self.unknown_classes,
                    "by": self.by and {column: _flats(its) for column, its in self.by.items()},
                    "test_flip": flip and _lifted({**vars(flip), "sides": _flats(flip.sides)}),
                }
            ),
            "about": self.about.to_json(),
        }

    def write(self, path: Path) -> None:
        """The file, whole or not at all. Raises DiskError."""
        write_json(path, self.to_json())


def read(path: Path) -> Metrics:
    """What a metrics.json says, also of an older Fieldmark. Raises RunError where it is damaged."""
    try:
        found = _parted(json.loads(path.read_text(encoding="utf-8")), Metrics, "sides")
        nested = partial(_nested, task=found.get("task", ONE_LABEL.name))
        found["sides"] = {side: nested(found["sides"][side]) for side in found["sides"]}
        if found.get("calibration"):
            found["calibration"] = _parted(found["calibration"], Calibration, "sides")
        if flip := found.get("test_flip"):
            flip = found["test_flip"] = _parted(flip, Flipped, "sides")
            flip["sides"] = {side: nested(each) for side, each in flip["sides"].items()}
        for its in (found.get("by") or {}).values():
            its |= {value: nested(each) for value, each in its.items()}
        return TypeAdapter(Metrics).validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        parts = (AT_HALF if part == "at_half" else str(part) for part in first["loc"])
        where = ".".join(part for part in parts if part not in ("sides", "values"))
        raise RunError(
            f"{path}: is damaged ('{where}': {first['msg'].lower()}); {DAMAGED} {path.parent}"
        ) from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}: cannot be read; the run may have been stopped before it was written, "
            f"go on with: fieldmark train --resume {path.parent}"
        ) from error


def flat(figures: Figures) -> dict[str, Any]:
    """As the file has them: every metric by its name beside n; the rest as plain values."""
    half = figures.at_half
    more = {  # as far as it is known
        "confusion": figures.confusion,
        "reliability": figures.reliability and [*map(asdict, figures.reliability)],
        "answers": figures.answers and [*map(asdict, figures.answers)],
        "groups": figures.groups,
        "within_group": figures.within_group or None,
        "folds": figures.folds,
        "total_answers": figures.total_answers,
        "cooccurrence": figures.cooccurrence,
        "unlike": figures.unlike and asdict(figures.unlike),
        "sets": figures.sets and [*map(asdict, figures.sets)],
        AT_HALF: half and {**half.values, "per_class": half.per_class},
    }
    return {
        "n": figures.n,
        "unknown": figures.unknown,
        "no_guess": figures.no_guess,
        "absent": list(figures.absent),
        **figures.values,
        **_bounds(figures.intervals),
        "per_class": {
            name: {
                "support": each.support,
                **each.values,
                **_bounds(each.intervals),
                **_known({"threshold": each.threshold, "positives": each.positives}),
            }
            for name, each in figures.per_class.items()
        },
        **{name: value for name, value in more.items() if value is not None or name == "groups"},
    }


def _bounds(intervals: Intervals) -> dict[str, Any]:
    return {"intervals": {k: list(v) for k, v in intervals.items()}} if intervals else {}


def _known(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value is not None}


def _flats(figures: Mapping[str, Figures]) -> dict[str, Any]:
    return {name: flat(each) for name, each in figures.items()}


def _lifted(values: dict[str, Any]) -> dict[str, Any]:
    """What stands by split is beside the rest in the file."""
    rest = {name: value for name, value in values.items() if name != "sides"}
    return {**rest, **values["sides"]}


def _nested(found: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The reverse of `flat`, the file's task beside it."""
    rows = (found.get("per_class") or {}).items()
    parted = {name: _parted(row, ClassFigures, "values") for name, row in rows}
    rest = {name: value for name, value in found.items() if name != AT_HALF}
    half = {"at_half": _parted(found[AT_HALF], AtHalf, "values")} if AT_HALF in found else {}
    return {**_parted(rest, Figures, "values"), **half, "per_class": parted, "task": task}


def _parted(found: Mapping[str, Any], record: type, rest: str) -> dict[str, Any]:
    """A record's own values; all that is none of its fields stands under `rest`."""
    own = {each.name for each in fields(record)}
    others = {name: value for name, value in found.items() if name not in own}
    return {**{k: v for k, v in found.items() if k in own}, rest: others}
