"""What pages draw of the figures of one split: large figures, all of them, classes, confusion."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fieldmark.judge.confused import pairs
from fieldmark.judge.metrics import CLASS_METRICS, METRICS, Metric, OfAreas, Shown, prominent
from fieldmark.report.confusion import cells, picture
from fieldmark.report.dots import Dots, dots
from fieldmark.report.thumbs import Thumb
from fieldmark.report.words import defined

TABLE_MOST = 30  # classes; above, the confusion matrix is a picture
WIDE_NAME = 12  # letters; longer names wrap, and their column stays in sight on a phone
Figures = Mapping[str, Mapping[str, Any]]  # by split, as metrics.json holds them


def measured(classes: Sequence[str], figures: Figures, split: str | None) -> dict[str, Any]:
    """What measures.html, confusion.html and classes.html need of the shown split.

    split: "test" or "val", None where nothing was measured. Beside the test stands validation.
    """
    its = figures[split] if split else {}
    return {
        "split": split,
        "figures": its,
        "dots": dots_of(its),
        "key_figures": list(_key_figures(figures, split, prominent(Shown.KEY))),
        "all_figures": list(_all_figures(figures, split)),
        "class_figures": _class_figures(its),
        "confusion": _confusion(classes, its),
        "wide_names": max(map(len, classes), default=0) > WIDE_NAME,
    }


def dots_of(figures: Mapping[str, Any]) -> Dots | None:
    """A dot an image of the shown split; None where there is none. No guess counts as wrong."""
    n, accuracy = figures.get("n"), figures.get("accuracy")
    if not n or not defined(accuracy):
        return None
    right = round(n * accuracy)
    return dots(right, n - right)


def _key_figures(
    figures: Figures, split: str | None, wanted: Mapping[str, Metric]
) -> Iterator[dict[str, Any]]:
    """Value and interval of the shown split, validation beside the test."""
    if split is None:
        return
    its = figures[split]
    beside = figures.get("val", {}) if split == "test" else {}
    for metric, row in wanted.items():
        if metric in its:
            yield {
                "metric": metric,
                "meaning": row.meaning,
                "is_bar": row.is_share or isinstance(row.of, OfAreas),  # from 0 to 1
                "value": its[metric],
                "interval": (its.get("intervals") or {}).get(metric),
                "val": beside.get(metric),
            }


def _all_figures(figures: Figures, split: str | None) -> Iterator[dict[str, Any]]:
    """Every figure that there is, for the folded table."""
    for item in _key_figures(figures, split, METRICS):
        if defined(item["value"]):
            yield item


def _class_figures(figures: Mapping[str, Any]) -> dict[str, str]:
    """The columns of the table of classes; areas under curves only where a class has one."""
    rows = (figures.get("per_class") or {}).values()
    return {
        name: row.meaning
        for name, row in CLASS_METRICS.items()
        if name in ("precision", "recall", "f1") or any(defined(row.get(name)) for row in rows)
    }


def _confusion(classes: Sequence[str], figures: Mapping[str, Any]) -> dict[str, Any] | None:
    """The matrix as a table, or as a picture above TABLE_MOST classes; the pairs in any case."""
    if not figures.get("n") or not figures.get("confusion"):
        return None
    matrix = np.array(figures["confusion"], dtype=np.int64)
    as_table = len(classes) <= TABLE_MOST
    return {
        "cells": cells(matrix, classes) if as_table else None,
        "picture": None if as_table else _matrix_picture(matrix),
        "pairs": pairs(matrix, classes, most=6 if as_table else 15),
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
