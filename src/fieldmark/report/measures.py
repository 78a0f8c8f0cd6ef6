"""What pages draw of the figures of one split: large figures, all of them, classes, confusion."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fieldmark.judge.confused import pairs
from fieldmark.judge.metrics import METRICS
from fieldmark.report.confusion import cells, picture
from fieldmark.report.dots import Dots, dots
from fieldmark.report.thumbs import Thumb
from fieldmark.report.words import defined

TABLE_MOST = 30  # classes; above, the confusion matrix is a picture
WIDE_NAME = 12  # letters; longer names wrap, and their column stays in sight on a phone
KEY_FIGURES = {
    "accuracy": "share of the images that are classified rightly",
    "balanced_accuracy": "mean recall of the classes; each class counts the same",
    "macro_f1": "mean F1 of the classes; misses and false alarms both lower it",
    "roc_auc": "how well the scores rank the right class; 0.5 is chance, 1 perfect",
    "log_loss": "how far the scores are from the truth; 0 is perfect",
}
CLASS_FIGURES = {  # each with what it means, beside its name in the table of classes
    "precision": "share of what is called by the class's name that is right",
    "recall": "share of the class's images that are found",
    "f1": "harmonic mean of precision and recall",
    "average_precision": "area under the curve of precision by recall",
    "roc_auc": "how well the class's score tells it from the rest; 0.5 is chance",
}
Figures = Mapping[str, Mapping[str, Any]]  # by split, as metrics.json holds them


def measured(classes: Sequence[str], figures: Figures, split: str | None) -> dict[str, Any]:
    """What measures.html, confusion.html and classes.html need of the shown split.

    split: "test" or "val", None where nothing was measured. Beside the test stands validation.
    """
    shown = figures[split] if split else {}
    return {
        "split": split,
        "figures": shown,
        "dots": dots_of(shown),
        "key_figures": list(_key_figures(figures, split, KEY_FIGURES)),
        "all_figures": list(_all_figures(figures, split)),
        "class_figures": _class_figures(shown),
        "confusion": _confusion(classes, shown),
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
    figures: Figures, split: str | None, wanted: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Value and interval of the shown split, validation beside the test."""
    if split is None:
        return
    shown = figures[split]
    beside = figures.get("val", {}) if split == "test" else {}
    for metric, meaning in wanted.items():
        if metric in shown:
            yield {
                "metric": metric,
                "meaning": meaning,
                "value": shown[metric],
                "interval": (shown.get("intervals") or {}).get(metric),
                "val": beside.get(metric),
            }


def _all_figures(figures: Figures, split: str | None) -> Iterator[dict[str, Any]]:
    """Every figure that there is, for the folded table."""
    meanings = {metric: meaning for metric, (meaning, _) in METRICS.items()}
    for item in _key_figures(figures, split, meanings):
        if defined(item["value"]):
            yield item


def _class_figures(figures: Mapping[str, Any]) -> dict[str, str]:
    """The columns of the table of classes; areas under curves only where a class has one."""
    rows = (figures.get("per_class") or {}).values()
    return {
        name: meaning
        for name, meaning in CLASS_FIGURES.items()
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
