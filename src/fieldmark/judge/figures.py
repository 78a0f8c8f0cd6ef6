"""The figures of one split, as metrics.json holds them: plain values, null where there is none."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fieldmark.judge.calibrate import reliability
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.intervals import Intervals, intervals
from fieldmark.judge.metrics import overall, per_class
from fieldmark.judge.selective import answer_curve
from fieldmark.records import Predictions
from fieldmark.task import NO_GUESS


def figures(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    with_intervals: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Every figure of the predictions of one split and one model, ready for JSON.

    n:           images that the figures are of
    unknown:     images left out, because their truth is not among the classes
    no_guess:    images of the n whose logits name no class (nan, inf); they count as wrong
    absent:      classes without an image here; null per class, and left out of macro means
    accuracy...  every name of METRICS
    intervals:   {name: [low, high]}, 95 %; only `with_intervals`
    per_class:   {class: {support, precision, recall, f1, roc_auc, average_precision, and
                 intervals: {...}}}
    confusion:   images by truth (rows) and guess (columns), in the order of the classes
    reliability: the bins of ece that have an image: [{low, high, n, confidence, accuracy}]
    answers:     from the surest on [{score, share, accuracy}]: of all n, the share whose guess
                 has at least this score, and the share of these that is right; the rows of
                 `answer_curve`, which are those that a bundle goes by
    groups:      how many groups the intervals go by; None where by images, or without intervals
    """
    known, evidence = predictions.known, Evidence.on(predictions, temperature)
    groups = predictions.groups[known] if predictions.groups is not None else None
    found = intervals(evidence, seed=seed, groups=groups) if with_intervals else None
    support, classes = evidence.margins.support, predictions.classes
    return {
        "n": len(evidence.targets),
        "unknown": int((~known).sum()),
        "no_guess": int(evidence.counts[:, NO_GUESS].sum()),
        "absent": [name for name, images in zip(classes, support, strict=True) if not images],
        **_plain(overall(evidence)),
        **({"intervals": _plain(found.overall)} if found else {}),
        "per_class": _by_class(classes, per_class(evidence), found),
        "confusion": evidence.counts[:, :NO_GUESS].tolist(),
        "reliability": reliability(evidence),
        "answers": _answers(evidence),
        "groups": len(np.unique(groups)) if found and groups is not None else None,
    }


def _answers(evidence: Evidence) -> list[dict[str, float]]:
    images = len(evidence.targets)
    return [
        {"score": score, "share": answered / images, "accuracy": right / answered}
        for score, answered, right in answer_curve(evidence)
    ]


def _by_class(
    classes: tuple[str, ...], columns: Mapping[str, np.ndarray], found: Intervals | None
) -> dict[str, dict[str, Any]]:
    table = {}
    for index, name in enumerate(classes):
        row: dict[str, Any] = {"support": int(columns["support"][index])}
        row |= _plain({figure: columns[figure][index] for figure in columns if figure != "support"})
        if found:
            row["intervals"] = _plain({n: pairs[index] for n, pairs in found.per_class.items()})
        table[name] = row
    return table


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, or pairs of them, as JSON knows them: null for nan and inf, which it has not."""
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> float | list[float | None] | None:
    if isinstance(value, tuple | np.ndarray):
        return [float(end) if math.isfinite(end) else None for end in value]
    return float(value) if math.isfinite(value) else None
