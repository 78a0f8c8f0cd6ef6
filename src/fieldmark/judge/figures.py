"""The figures of one split, as metrics.json holds them: None where there is none."""

import math
from collections.abc import Mapping

import numpy as np

from fieldmark.judge.calibrate import reliability
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.intervals import Intervals, intervals
from fieldmark.judge.metrics import overall, per_class
from fieldmark.judge.selective import answer_curve
from fieldmark.metrics_json import Answer, ClassFigures, Figures, Interval, Values
from fieldmark.records import Predictions
from fieldmark.task import NO_GUESS


def figures(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    with_intervals: bool = False,
    seed: int = 0,
) -> Figures:
    """Every figure of the predictions of one split and one model."""
    known, evidence = predictions.known, Evidence.on(predictions, temperature)
    groups = predictions.groups[known] if predictions.groups is not None else None
    found = intervals(evidence, seed=seed, groups=groups) if with_intervals else None
    support, classes = evidence.margins.support, predictions.classes
    return Figures(
        n=len(evidence.targets),
        unknown=int((~known).sum()),
        no_guess=int(evidence.counts[:, NO_GUESS].sum()),
        absent=tuple(name for name, n in zip(classes, support, strict=True) if not n),
        values=_numbers(overall(evidence)),
        intervals=_ends(found.overall) if found else {},
        per_class=_by_class(classes, per_class(evidence), found),
        confusion=evidence.counts[:, :NO_GUESS].tolist(),
        reliability=reliability(evidence),
        answers=_answers(evidence),
        groups=len(np.unique(groups)) if found and groups is not None else None,
    )


def _answers(evidence: Evidence) -> tuple[Answer, ...]:
    images = len(evidence.targets)
    return tuple(
        Answer(score, answered / images, right / answered)
        for score, answered, right in answer_curve(evidence)
    )


def _by_class(
    classes: tuple[str, ...], columns: Mapping[str, np.ndarray], found: Intervals | None
) -> dict[str, ClassFigures]:
    pairs = found.per_class if found else {}
    return {
        name: ClassFigures(
            int(columns["support"][index]),
            _numbers({each: columns[each][index] for each in columns if each != "support"}),
            _ends({each: ends[index] for each, ends in pairs.items()}),
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
