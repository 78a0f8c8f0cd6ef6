"""Figures of images averaged with their mirror images: told apart from the plain ones."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from fieldmark.judge.calibrate import fit_temperature
from fieldmark.judge.figures import figures
from fieldmark.records import LOGIT, Predictions


def with_mirror_images(
    tables: Mapping[str, Predictions], mirrored: Callable[[str], np.ndarray]
) -> dict[str, Predictions]:
    """Each split's table with the mean of the logits of an image and of its mirror image.

    mirrored: a split -> (n, C) logits of the mirror images, in the order of the split's rows.
    The tables without an image are left out.
    """
    return {
        side: _with_logits(table, (table.logits + mirrored(side)) / 2)
        for side, table in tables.items()
        if len(table)
    }


def flipped_figures(tables: Mapping[str, Predictions]) -> dict[str, Any]:
    """What metrics.json says of such tables: the figures of each split, intervals on the test.

    They have a temperature of their own, fitted on validation; 1 where there is none.
    """
    val = tables.get("val")
    temperature = fit_temperature(val.logits, val.targets) if val is not None else 1.0
    found: dict[str, Any] = {"temperature": temperature}
    for side, table in tables.items():
        found[side] = figures(table, temperature=temperature, with_intervals=side == "test")
    return found


def _with_logits(table: Predictions, logits: np.ndarray) -> Predictions:
    columns = [
        pl.Series(f"{LOGIT}{name}", logits[:, place], dtype=pl.Float32)
        for place, name in enumerate(table.classes)
    ]
    model = (pl.col("model") + " with mirror images").alias("model")
    return Predictions(table.frame.with_columns(model, *columns))
