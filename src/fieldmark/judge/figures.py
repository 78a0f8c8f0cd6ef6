"""The figures of one split, and of a run from its tables. No network, no torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fieldmark.errors import DataError, RunError
from fieldmark.judge.calibrate import answer_curve, before_and_after, fit_temperature, reliability
from fieldmark.judge.cautions import with_cautions
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.intervals import Intervals, intervals
from fieldmark.judge.metrics import CLASS_METRICS, of_task, overall, per_class
from fieldmark.judge.thresholds import in_order
from fieldmark.metrics_json import (
    Answer,
    AtHalf,
    Calibration,
    ClassFigures,
    Figures,
    Flipped,
    Interval,
    Metrics,
    Values,
)
from fieldmark.models.bundle_info import BundleInfo, read_info
from fieldmark.records import Predictions
from fieldmark.rundir import INFO, RunDir
from fieldmark.task import NO_GUESS

# How much wider an interval of answers out of fold is. The heads share images, so their mistakes
# go together: with 5 and 10 images a class of ten, 120 draws each, unwidened intervals held the
# accuracy of the head that is kept on 1,900 other images in 92 and 90 % of the draws, these in 95
# and 98 %.
OUT_OF_FOLD = 1.5**0.5
SEED = 0  # of the draws that intervals are made of, where no other is given


def figures(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
    with_intervals: bool = False,
    seed: int = SEED,
) -> Figures:
    """Every figure of the predictions of one split and one model.

    thresholds: (C,), of several labels, or (N, C) where each image has its own; None: 0.5.
    """
    known = predictions.known
    if thresholds is not None and thresholds.ndim == 2:
        thresholds = thresholds[known]
    evidence = Evidence.on(predictions, temperature, thresholds)
    groups = predictions.groups[known] if predictions.groups is not None else None
    found = intervals(evidence, seed=seed, groups=groups) if with_intervals else None
    values = overall(evidence)
    ends = found.overall if found else {}
    if predictions.folds:
        ends = {name: _wider(name, values[name], *pair) for name, pair in ends.items()}
    support, classes = evidence.margins.support, predictions.classes
    several = predictions.task.several
    return Figures(
        n=len(evidence.targets),
        unknown=int((~known).sum()),
        no_guess=int((~evidence.answered).sum()),
        absent=tuple(name for name, n in zip(classes, support, strict=True) if not n),
        values=_numbers(values),
        intervals=_ends(ends),
        per_class=_by_class(classes, evidence, found, wider=bool(predictions.folds)),
        confusion=None if several else evidence.counts[:, :NO_GUESS].tolist(),
        reliability=reliability(evidence),
        answers=None if several else _answers(evidence),
        groups=len(np.unique(groups)) if found and groups is not None else None,
        folds=predictions.folds,
        at_half=None if thresholds is None else _at_half(evidence, classes),
        cooccurrence=cooccurrence(evidence.targets).tolist() if several else None,
        task=predictions.task.name,
    )


def _answers(evidence: Evidence) -> tuple[Answer, ...]:
    images = len(evidence.targets)
    return tuple(
        Answer(score, answered / images, right / answered)
        for score, answered, right in answer_curve(evidence)
    )


def _at_half(evidence: Evidence, classes: tuple[str, ...]) -> AtHalf:
    """What is made of guesses, with no thresholds but 0.5."""
    plain = replace(evidence, known={"scores": evidence.scores}, thresholds=None)
    names = [name for name, row in of_task(evidence.task).items() if not row.of_scores]
    rates = {k: row.value(plain) for k, row in CLASS_METRICS.items() if k not in evidence.areas}
    by_class = {
        label: _numbers({name: column[index] for name, column in rates.items()})
        for index, label in enumerate(classes)
    }
    return AtHalf(_numbers(overall(plain, names)), by_class)


def cooccurrence(targets: np.ndarray) -> np.ndarray:
    """How many images have both of two labels. (N, C) of 0 and 1 -> (C, C) int

    Those that have the one on the diagonal.
    """
    has = targets == 1
    return np.stack([has[column].sum(axis=0) for column in has.T])


def _wider(metric: str, figure: float, low: float, high: float) -> tuple[float, float]:
    """An interval of a figure out of fold; what lies between 0 and 1 stays so, a loss above 0."""
    wide = figure - OUT_OF_FOLD * (figure - low), figure + OUT_OF_FOLD * (high - figure)
    least = 0.0 if low >= 0 else -1.0
    most = math.inf if metric == "log_loss" else 1.0
    return max(least, wide[0]), min(most, wide[1])


def _by_class(
    classes: tuple[str, ...],
    evidence: Evidence,
    found: Intervals | None,
    *,
    wider: bool,
) -> dict[str, ClassFigures]:
    pairs, columns = found.per_class if found else {}, per_class(evidence)
    own = evidence.thresholds
    least = own if own is not None and own.ndim == 1 else None
    return {
        name: ClassFigures(
            int(columns["support"][index]),
            _numbers({each: columns[each][index] for each in columns if each != "support"}),
            _ends(
                {
                    each: _wider(each, columns[each][index], *ends[index]) if wider else ends[index]
                    for each, ends in pairs.items()
                }
            ),
            None if least is None else float(least[index]),
        )
        for index, name in enumerate(classes)
    }


def _numbers(values: Mapping[str, float]) -> Values:
    """Numbers as JSON knows them: None for nan and inf, which it has not."""
    return {name: _number(value) for name, value in values.items()}


def _ends(intervals: Mapping[str, tuple[float, float] | np.ndarray]) -> dict[str, Interval]:
    return {name: (_number(low), _number(high)) for name, (low, high) in intervals.items()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True)
class ConfusedPair:
    """Images of one class that were taken for another: `count` of the `support` of the class."""

    truth: str
    guess: str
    count: int
    support: int


def most_confused(confusion: np.ndarray, classes: Sequence[str], most: int) -> list[ConfusedPair]:
    """The pairs that were confused most often, ties in the order of the classes.

    confusion: (C, C) counts by truth (rows) and guess (columns). Its rows may lack images
    without a guess; `support` is the sum of the row.
    """
    mistakes = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    places = zip(*np.unravel_index(order, mistakes.shape), strict=True)
    totals = confusion.sum(axis=1)
    return [
        ConfusedPair(classes[i], classes[j], int(mistakes[i, j]), int(totals[i]))
        for i, j in places
        if mistakes[i, j] > 0
    ]


def measure(run: RunDir) -> Metrics:
    """What metrics.json says of a run's predictions, all but what they are `about`.

    Scores are at the temperature and the thresholds that model.json has. Intervals belong to the
    test. Raises WeightsError, DataError for files that are missing or damaged.
    """
    info, tables = read_info(run.path / INFO), by_split(Predictions.read(run.predictions))
    found = with_cautions(figures_of(tables, info.temperature, info.thresholds), tables, info)
    changes = {side: before_and_after(each, info.temperature) for side, each in tables.items()}
    return Metrics(
        task=info.task,
        classes=info.classes,
        sides=found,
        calibration=Calibration(info.temperature, n=len(tables["val"]), sides=changes)
        if "val" in tables
        else None,
        test_flip=_flipped(run, info) if run.flipped.is_file() else None,
    )


def by_split(predictions: Predictions) -> dict[str, Predictions]:
    """The tables of val and test, where they have an image."""
    tables = {side: predictions.of_split(side) for side in ("val", "test")}
    return {side: table for side, table in tables.items() if len(table)}


def shown_side(path: str, predictions: Predictions, lacks: str) -> str:
    """The split that a run, or an evaluation of one, is shown by: the test, or else validation.

    Raises RunError where it kept no images for either, so that it `lacks` something, DataError
    where no image's class is known.
    """
    side = next((each for each in ("test", "val") if len(predictions.of_split(each))), None)
    if side is None:
        raise RunError(
            f"{path}: kept no images for validation or test, so {lacks}; "
            f"evaluate it on labelled images: fieldmark evaluate {path} DATA"
        )
    if not predictions.of_split(side).known.any():
        file = RunDir(Path(path)).predictions
        raise DataError(f"{file}: no image's class is known; evaluate it on others")
    return side


def figures_of(
    tables: dict[str, Predictions],
    temperature: float,
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, Figures]:
    """Of each split; intervals belong to the test, and to what folds answered.

    thresholds: by class, which were chosen on the table of val where there is one.
    """
    return {
        side: _with_positives(
            figures(
                table,
                temperature=temperature,
                thresholds=in_order(thresholds, table.classes),
                with_intervals=side == "test" or bool(table.folds),
            ),
            tables.get("val"),
        )
        for side, table in tables.items()
    }


def _with_positives(found: Figures, val: Predictions | None) -> Figures:
    """With how many images each label's threshold stands on, where labels have thresholds."""
    if found.at_half is None or val is None:
        return found
    numbers = (val.targets[val.known] == 1).sum(axis=0).tolist()
    positives = dict(zip(val.classes, numbers, strict=True))
    by_class = found.per_class.items()
    return replace(
        found, per_class={k: replace(its, positives=positives[k]) for k, its in by_class}
    )


def _flipped(run: RunDir, info: BundleInfo) -> Flipped:
    """With mirror images: the temperature is their own, of validation; else the run's.

    Of several labels it is the run's, which the thresholds go with.
    """
    tables, temperature = by_split(Predictions.read(run.flipped)), info.temperature
    val = tables.get("val")
    if val is not None and not val.task.several:
        temperature = fit_temperature(val.logits, val.targets)
    return Flipped(temperature, figures_of(tables, temperature, info.thresholds))
