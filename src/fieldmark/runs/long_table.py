"""Every figure of some runs as one tidy table: a row a run, epoch, split and metric."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.errors import Mistake, SettingsError
from fieldmark.files import write_whole
from fieldmark.judge.figures import figures
from fieldmark.judge.metrics import METRICS
from fieldmark.runs.contender import Contender

SCHEMA = {
    "run": pl.String,
    "model": pl.String,
    "optimizer": pl.String,
    "learning_rate": pl.Float64,
    "epoch": pl.Int64,
    "split": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
}
KINDS = (".csv", ".parquet")


def refuse_taken(path: Path, *, overwrite: bool) -> None:
    """Raise SettingsError where a table may not be written, before any work."""
    what = ""
    if path.suffix.casefold() not in KINDS:
        what = "is no table; name a .csv or .parquet file"
    elif path.is_dir():
        what = "is a folder; name a file in it"
    elif path.exists() and not overwrite:
        what = "exists already; choose another name, or add --overwrite"
    if what:
        raise SettingsError([Mistake(f"--out {path}", what)])


def long_table(contenders: Sequence[Contender]) -> pl.DataFrame:
    """SCHEMA's columns, the runs in their order, epoch by epoch. Figures that are nan are left out.

    split: train, val or test. learning_rate: the one that was set, not what the schedule made
    of it. The figures of the predictions that were kept stand at the epoch whose weights were
    kept, test and whatever the history has no row of; validation keeps there what it was while
    training went on, before a temperature was fitted. An evaluation is a run of its own.
    """
    rows = [row for each in contenders for row in _rows(each)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def write(path: Path, table: pl.DataFrame) -> None:
    """As its name says, .csv or .parquet, whole or not at all. Raises DiskError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_csv = path.suffix.casefold() == ".csv"
    write_whole(path, table.write_csv if is_csv else table.write_parquet)


def _rows(each: Contender) -> Iterator[tuple[Any, ...]]:
    settings = [each.setting(name) for name in ("model.name", "optimizer.name", "optimizer.lr")]
    rate = None if settings[2] is None else float(settings[2])
    about = (each.name, settings[0], settings[1], rate)
    seen = set()
    for epoch, split, metric, value in (*_epochs(each), *_final(each)):
        if math.isfinite(value) and (epoch, split, metric) not in seen:
            seen.add((epoch, split, metric))
            yield *about, epoch, split, metric, value


def _epochs(each: Contender) -> Iterator[tuple[int, str, str, float]]:
    """The training and validation figures of every epoch."""
    for row in each.history:
        for column, value in row.items():
            split, _, metric = column.partition("_")
            if split in ("train", "val") and metric:
                yield int(row["epoch"]), split, metric, value


def _final(each: Contender) -> Iterator[tuple[int | None, str, str, float]]:
    """The figures of the predictions that were kept."""
    for split in ("val", "test"):
        table = each.predictions.of_split(split)
        found = figures(table, temperature=each.temperature) if len(table) else {}
        for metric in METRICS:
            value = found.get(metric)
            yield each.about.get("best_epoch"), split, metric, math.nan if value is None else value
