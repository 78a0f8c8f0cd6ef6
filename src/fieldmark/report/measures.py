"""What pages draw of the figures of one split: large figures, all of them, classes, confusion."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fieldmark.judge.figures import most_confused
from fieldmark.judge.metrics import CLASS_METRICS, METRICS, ClassMetric, OfAreas, Shown, prominent
from fieldmark.metrics_json import Figures
from fieldmark.report.confusion import cells, picture
from fieldmark.report.dots import Dots, dots
from fieldmark.report.thumbs import Thumb
from fieldmark.report.words import defined

TABLE_MOST = 30  # classes; above, the confusion matrix is a picture
ROWS_MOST = 100  # classes; above, the table of classes has those that are recognised worst
WIDE_NAME = 12  # letters; longer names wrap, and their column stays in sight on a phone
NONE = Figures(0, {})  # of what was not measured


def measured(
    classes: Sequence[str], figures: Mapping[str, Figures], split: str | None
) -> dict[str, Any]:
    """What measures.html, confusion.html and classes.html need of the shown split.

    split: "test" or "val", None where nothing was measured. Beside the test stands validation.
    """
    its = figures[split] if split else NONE
    beside = figures.get("val", NONE) if split == "test" else NONE
    return {
        "split": split,
        "figures": its,
        "beside": beside,
        "dots": dots_of(its),
        "key_figures": {k: row for k, row in prominent(Shown.KEY).items() if k in its.values},
        "all_figures": {name: row for name, row in METRICS.items() if defined(its[name])},
        "bars": [k for k, row in METRICS.items() if row.is_share or isinstance(row.of, OfAreas)],
        "bounded": any(row.intervals for row in its.per_class.values()),
        "class_rows": _rows(classes, its),
        "class_figures": _class_figures(its),
        "confusion": _confusion(classes, its),
        "wide_names": max(map(len, classes), default=0) > WIDE_NAME,
    }


def dots_of(figures: Figures) -> Dots | None:
    """A dot an image of the shown split; None where there is none. No guess counts as wrong."""
    accuracy = figures["accuracy"]
    if not figures.n or not defined(accuracy):
        return None
    right = round(figures.n * accuracy)
    return dots(right, figures.n - right)


def _rows(classes: Sequence[str], figures: Figures) -> Sequence[str]:
    """The classes of the table: all, or of too many those with the lowest F1, the lowest first."""
    if len(classes) <= ROWS_MOST:
        return classes
    f1 = {name: row["f1"] for name, row in figures.per_class.items()}
    known = [name for name, value in f1.items() if defined(value)]
    return sorted(known, key=lambda name: f1[name] or 0.0)[:ROWS_MOST]


def _class_figures(figures: Figures) -> dict[str, ClassMetric]:
    """The columns of the table of classes; areas under curves only where a class has one."""
    rows = figures.per_class.values()
    return {
        name: row
        for name, row in CLASS_METRICS.items()
        if name in ("precision", "recall", "f1") or any(defined(each[name]) for each in rows)
    }


def _confusion(classes: Sequence[str], figures: Figures) -> dict[str, Any] | None:
    """The matrix as a table, or as a picture above TABLE_MOST classes; the pairs in any case."""
    if not figures.n or not figures.confusion:
        return None
    matrix = np.array(figures.confusion, dtype=np.int64)
    as_table = len(classes) <= TABLE_MOST
    return {
        "cells": cells(matrix, classes) if as_table else None,
        "picture": None if as_table else _matrix_picture(matrix),
        "pairs": most_confused(matrix, classes, most=6 if as_table else 15),
        "upright": max(map(len, classes)) > 4 and len(classes) > 4,
        "roomy": len(classes) <= 4,
        "dense": len(classes) > 14,
    }


def _matrix_picture(matrix: np.ndarray) -> Thumb:
    words_of_it = (
        f"Confusion matrix of {len(matrix)} classes; the list below names the pairs that are "
        "confused most often"
    )
    return Thumb(picture(matrix), words_of_it, small=True, ratio=1)
