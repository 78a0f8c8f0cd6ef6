"""What pages show of several labels an image: thresholds, labels that go together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldmark.metrics_json import Figures
from fieldmark.report.measures import TABLE_MOST, Cell
from fieldmark.report.words import quoted


@dataclass(frozen=True)
class ThresholdRow:
    """A label's threshold, the validation images that it stands on, F1 at it and at 0.5."""

    label: str
    threshold: float
    positives: int | None
    f1: float | None
    at_half: float | None


def labels_part(classes: Sequence[str], figures: Figures) -> dict[str, Any] | None:
    """What labels.html draws of the shown split; None of one label an image."""
    if figures.cooccurrence is None:
        return None
    half = figures.at_half
    rows = [
        ThresholdRow(
            name,
            row.threshold,
            row.positives,
            row["f1"],
            half.per_class[name].get("f1") if half and name in half.per_class else None,
        )
        for name, row in figures.per_class.items()
        if row.threshold is not None
    ]
    matrix = np.array(figures.cooccurrence, np.int64)
    return {
        "thresholds": rows,
        "at_half": half.values if half else {},
        "shown": ("micro_f1", "macro_f1", "samples_f1", "subset_accuracy"),
        "together": together(matrix, classes) if len(classes) <= TABLE_MOST else None,
    }


def together(matrix: np.ndarray, classes: Sequence[str]) -> list[list[Cell]]:
    """Rows: images of a label; columns: those of them that have another label too."""
    shares = matrix / np.maximum(np.diag(matrix)[:, None], 1)
    size = range(len(classes))
    return [
        [
            Cell(
                int(matrix[i, j]),
                0.0 if i == j else float(np.sqrt(shares[i, j]) * 0.92),
                right=True,
                title=_title(matrix, classes, i, j),
            )
            for j in size
        ]
        for i in size
    ]


def _title(matrix: np.ndarray, classes: Sequence[str], i: int, j: int) -> str:
    count, total = int(matrix[i, j]), int(matrix[i, i])
    if i == j:
        return f"{total} with {quoted(classes[i])}"
    return f"{count} of {total} with {quoted(classes[i])} have {quoted(classes[j])} too"
