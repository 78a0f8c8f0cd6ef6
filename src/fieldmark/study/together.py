"""The predictions and figures of many runs together, from their folders. No torch, no model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from fieldmark.judge.many_answers import figures_by_image
from fieldmark.judge.thresholds import in_order, of_rows
from fieldmark.metrics_json import Figures, Metrics
from fieldmark.records import LOGIT, Predictions
from fieldmark.rundir import RunDir
from fieldmark.study.planned import Planned

Done = Sequence[tuple[Planned, RunDir]]


@dataclass(frozen=True)
class Spread:
    """A figure over runs: their mean, standard deviation (n - 1), least and most."""

    mean: float
    deviation: float
    least: float
    most: float


def joined(done: Done) -> Predictions:
    """The test predictions of all runs in one table, the number of the run in `fold`.

    Each run's logits are divided by its own temperature, so that scores of all are alike.
    """
    tables = [_calibrated(run, planned, number) for number, (planned, run) in enumerate(done)]
    frame = pl.concat([table.frame for table in tables], how="diagonal")
    return replace(tables[0], frame=frame)


def _calibrated(run: RunDir, planned: Planned, number: int) -> Predictions:
    table = Predictions.read(run.predictions).of_split("test")
    logits = pl.col([f"{LOGIT}{name}" for name in table.classes])
    frame = table.frame.with_columns(
        (logits / run.read_temperature()).cast(pl.Float32),
        pl.lit(number, pl.Int64).alias("fold"),
        pl.lit(planned.label).alias("model"),
    )
    return replace(table, frame=frame)


def thresholds_of(done: Done, classes: Sequence[str]) -> np.ndarray | None:
    """The least score of each of several labels: the folds' own, their mean as logits. -> (C,)"""
    found = [in_order(run.read_thresholds(), classes) for _, run in done]
    known = [each for each in found if each is not None]
    if not known:
        return None
    logits = np.mean([np.log(each / (1 - each)) for each in known], axis=0)
    return np.asarray(1 / (1 + np.exp(-logits)))


def own_thresholds(done: Done, table: Predictions) -> np.ndarray | None:
    """For each row of the joined table those of the model that answered it. -> (N, C)

    The mean of all would not do: the others have chosen theirs with this image.
    """
    found = [run.read_thresholds() for _, run in done]
    return of_rows(found, table.classes, table.frame["fold"].to_numpy())


def out_of_fold(done: Done) -> tuple[Predictions, Figures]:
    """The joined table, and the figures of all its images with their intervals."""
    table = joined(done)
    return table, figures_by_image(table, own_thresholds(done, table))


def spreads(all_metrics: Sequence[Metrics]) -> dict[str, Spread]:
    """Each figure of the test over the runs, those left out where it is not defined in all."""
    sides = [each.sides["test"].values for each in all_metrics]
    found = {}
    for name in sides[0]:
        values = [each.get(name) for each in sides]
        known = np.array([value for value in values if value is not None])
        if len(known) == len(values):
            deviation = float(known.std(ddof=1)) if len(known) > 1 else 0.0
            found[name] = Spread(
                float(known.mean()), deviation, float(known.min()), float(known.max())
            )
    return found


def as_json(spread: dict[str, Spread]) -> dict[str, Any]:
    """Plain values."""
    return {name: vars(each) for name, each in spread.items()}
