"""Every figure of some runs as one tidy table: a row a run, epoch, split and metric."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.errors import RunError
from fieldmark.files import write_whole
from fieldmark.judge.metrics import METRICS
from fieldmark.reviews.compared_run import ComparedRun

SCHEMA = {
    "run": pl.String,
    "model": pl.String,
    "optimizer": pl.String,
    "learning_rate": pl.Float64,
    "epoch": pl.Int64,
    "split": pl.String,
    "metric": pl.String,
    "temperature": pl.Float64,
    "value": pl.Float64,
}
OF_EPOCHS = ("seconds", "lr", "stage")  # columns of the history that are no figures of a split
ENDINGS = (".csv", ".parquet")


def long_table(runs: Sequence[ComparedRun]) -> pl.DataFrame:
    """SCHEMA's columns, the runs in their order, epoch by epoch. Figures that are nan are left out.

    split: train, val or test; each epoch's seconds, its stage, and its lr, the rate at its end,
    stand with train. learning_rate: the one that the epoch's stage began with, not what the
    schedule made of it; of a stage in which several were tried, that of the head that was kept;
    none of a head that was solved exactly or is of trees.
    temperature: what logits were divided by. It is fitted after the last epoch, so that
    the epochs have 1. The figures of the predictions that were kept stand at the epoch whose
    weights were kept, at the fitted temperature: all of the test, and of validation whatever the
    history has no row of, and those of scores once more. An evaluation is a run of its own. Raises
    RunError where a rate in the settings is no number.
    """
    rows = [row for each in runs for row in _rows(each)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def write(path: Path, table: pl.DataFrame) -> None:
    """As its name says, .csv or .parquet, whole or not at all. Raises DiskError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_csv = path.suffix.casefold() == ".csv"
    write_whole(path, table.write_csv if is_csv else table.write_parquet)


def _rows(each: ComparedRun) -> Iterator[tuple[Any, ...]]:
    about = (each.name, each.settings.get("model.name"), each.settings.get("optimizer.name"))
    stages: dict[int | None, int]
    stages = {int(row["epoch"]): int(row.get("stage", 1)) for row in each.epochs}
    last = max(stages.values(), default=1)
    rates = {stage: _rate(each, stage) for stage in {*stages.values(), last} - _solved(each)}
    seen = set()
    for epoch, split, metric, temperature, value in (*_epochs(each), *_final(each)):
        row = METRICS.get(metric)
        own = temperature if row and row.of_scores else None
        if math.isfinite(value) and (epoch, split, metric, own) not in seen:
            seen.add((epoch, split, metric, own))
            rate = rates.get(stages.get(epoch, last))
            yield *about, rate, epoch, split, metric, temperature, value


def _solved(each: ComparedRun) -> set[int]:
    """The stages, counted from 1, whose epochs had no rate; of a solved study the one."""
    if not each.epochs and each.is_without_draws:
        return {1}
    rows = [row for row in each.epochs if math.isnan(row.get("lr", math.nan))]
    return {int(row.get("stage", 1)) for row in rows}


def _rate(each: ComparedRun, stage: int) -> float | None:
    """The rate that a stage, counted from 1, was trained with; None where none is known."""
    stages: Any = each.settings.get("train.stages")
    known = isinstance(stages, list) and 0 < stage <= len(stages)
    own = stages[stage - 1] if known and isinstance(stages[stage - 1], dict) else {}
    where, rate = "optimizer.lr", each.settings.get("optimizer.lr")
    if own.get("lr") is not None:
        where, rate = f"train.stages, stage {stage}: lr", own["lr"]
    tried = each.settings.get("features.rates")
    if tried and own.get("train") == ["head"]:
        kept = [row["lr"] for row in each.about.heads_tried if row.get("kept")]
        where, rate = "features.rates", (*kept, *tried)[0]
    try:
        return None if rate is None else float(rate)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{each.run.settings}: {where} is '{rate}', and not a number; "
            "put back the rate that the run was trained with"
        ) from error


def _epochs(each: ComparedRun) -> Iterator[tuple[int, str, str, float, float]]:
    """The training and validation figures of every epoch, and what it took."""
    for row in each.history:
        for column, value in row.items():
            split, _, metric = column.partition("_")
            if column in OF_EPOCHS:
                yield int(row["epoch"]), "train", column, 1.0, value
            elif split in ("train", "val") and metric:
                yield int(row["epoch"]), split, metric, 1.0, value


def _final(each: ComparedRun) -> Iterator[tuple[int | None, str, str, float, float]]:
    """The figures of the predictions that were kept."""
    epoch, temperature = each.about.best_epoch, each.temperature
    for split, values in each.values().items():
        for metric, value in values.items():
            yield epoch, split, metric, temperature, math.nan if value is None else value
