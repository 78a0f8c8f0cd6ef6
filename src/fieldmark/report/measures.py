"""What pages draw of the figures of one split: large figures, all of them, classes, confusion."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldmark.judge.figures import most_confused
from fieldmark.judge.metrics import (
    CLASS_METRICS,
    METRICS,
    ClassMetric,
    OfAreas,
    Shown,
    of_task,
    prominent,
)
from fieldmark.metrics_json import Figures
from fieldmark.report.thumbs import Thumb, data_address
from fieldmark.report.words import count, defined, quoted

MOST = 1000  # dots; above, a dot stands for several images
STEP = 10  # from dot to dot, in the picture's own units
WIDE = 2.4  # width over height


@dataclass(frozen=True)
class Dots:
    """Two paths of dashes that are drawn as dots, and what a dot stands for."""

    n_right: int
    n_wrong: int
    width: int
    height: int
    right: str  # the `d` of an SVG path, "" where there is no such dot
    wrong: str
    images_a_dot: float


def dots(n_right: int, n_wrong: int) -> Dots:
    """Lay out right dots first, then wrong ones, row by row.

    Where a dot stands for several images, both kinds keep at least one dot if they have an
    image: a mistake is never rounded away.
    """
    n = n_right + n_wrong
    shown = min(n, MOST)
    wrong = round(shown * n_wrong / n)
    wrong = min(max(wrong, int(n_wrong > 0)), shown - int(n_right > 0))
    columns = max(1, math.ceil(math.sqrt(shown * WIDE)))
    rows = math.ceil(shown / columns)
    return Dots(
        n_right,
        n_wrong,
        width=columns * STEP,
        height=rows * STEP,
        right=_dashes(0, shown - wrong, columns),
        wrong=_dashes(shown - wrong, shown, columns),
        images_a_dot=n / shown,
    )


def _dashes(start: int, end: int, columns: int) -> str:
    """A line a row, from its first dot to its last; dashes of length 0 make the dots."""
    lines = []
    while start < end:
        row, column = divmod(start, columns)
        last = min(end, (row + 1) * columns)
        length = (last - start - 1) * STEP
        x, y = column * STEP + STEP // 2, row * STEP + STEP // 2
        lines.append(f"M{x} {y}h{length + 0.1:g}")
        start = last
    return "".join(lines)


SQUARES = 200  # a side of that picture, at the most
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
        "key_figures": {
            k: row for k, row in prominent(Shown.KEY, its.of_task).items() if k in its.values
        },
        "all_figures": {
            name: row for name, row in of_task(its.of_task).items() if defined(its[name])
        },
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
    in_words = (
        f"Confusion matrix of {len(matrix)} classes; the list below names the pairs that are "
        "confused most often"
    )
    return {
        "cells": cells(matrix, classes) if as_table else None,
        "picture": None if as_table else Thumb(picture(matrix), in_words, small=True, ratio=1),
        "together": together(len(matrix)),
        "pairs": most_confused(matrix, classes, most=6 if as_table else 15),
    }


RIGHT, WRONG = (24, 128, 122), (214, 86, 36)  # teal, rust: both read on white and on near-black
PICTURE_SIDE = 720  # pixels at least; the page shows it at 40 rem at most


@dataclass(frozen=True)
class Cell:
    """One cell of the table: images of the row's class that were taken for the column's."""

    count: int
    shade: float  # opacity, 0..1
    right: bool
    title: str


def shades(confusion: np.ndarray) -> np.ndarray:
    """(C, C) counts -> (C, C) opacities in 0..1, 0 where there is nothing.

    By the share of the row: linear on the diagonal; off it by the share's root, since one
    image in thirty must be seen.
    """
    totals = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shares = confusion / totals
    opacities = np.where(np.eye(len(confusion), dtype=bool), shares, np.sqrt(shares))
    return np.where(confusion > 0, 0.1 + 0.82 * opacities, 0.0)


def cells(confusion: np.ndarray, classes: Sequence[str]) -> list[list[Cell]]:
    """The table's cells, rows truth and columns guess."""
    opacity, totals = shades(confusion), confusion.sum(axis=1)
    return [
        [
            Cell(
                int(confusion[i, j]),
                round(float(opacity[i, j]), 2),
                i == j,
                _cell_title(int(confusion[i, j]), int(totals[i]), classes[i], classes[j]),
            )
            for j in range(len(classes))
        ]
        for i in range(len(classes))
    ]


def _strongest(values: np.ndarray, step: int) -> np.ndarray:
    """The largest of every `step` x `step` values. (C, C) -> (S, S)"""
    starts = np.arange(0, len(values), step)
    found: np.ndarray = np.maximum.reduceat(np.maximum.reduceat(values, starts, 0), starts, 1)
    return found


def _cell_title(n: int, total: int, truth: str, guess: str) -> str:
    verb = "was" if n == 1 else "were"
    end = f"{verb} recognised" if truth == guess else f"{verb} taken for {quoted(guess)}"
    return f"{count(n)} of {count(total)} {quoted(truth)} {end}" if n else ""


def together(classes: int) -> int:
    """How many classes share a row of the picture, so that each square can be seen."""
    return -(-classes // SQUARES)


def picture(confusion: np.ndarray) -> str:
    """The matrix as a `data:` PNG with see-through ground, a square a cell, or for many.

    Where classes share a row, a square is as strong as the strongest of its cells; one on the
    diagonal is green where the strongest of them is right.
    """
    from PIL import Image

    opacity, step = shades(confusion), together(len(confusion))
    right = _strongest(np.diag(np.diag(opacity)), step)
    opacity = _strongest(opacity, step)
    pixels = np.zeros((*opacity.shape, 4), dtype=np.uint8)
    pixels[..., :3] = np.where(((right == opacity) & (right > 0))[..., None], RIGHT, WRONG)
    pixels[..., 3] = np.rint(np.where(opacity > 0, 0.25 + 0.75 * opacity, 0) * 255)
    scale = -(-PICTURE_SIDE // len(opacity))
    large = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "PNG", optimize=True)
    return data_address(buffer.getvalue(), "image/png")
