"""Figures and predictions with labels under the names that people read; files keep the labels."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from fieldmark.heats import Heats
from fieldmark.insight.label_names import ShownNames
from fieldmark.metrics_json import Figures, Metrics
from fieldmark.records import LOGIT, Predictions


def named_metrics(metrics: Metrics, names: ShownNames) -> Metrics:
    """The same figures, of classes that are called by their names."""
    by, flip = metrics.by, metrics.test_flip
    return replace(
        metrics,
        classes=tuple(map(names.shown, metrics.classes)),
        sides=_each(metrics.sides, names),
        by=by and {column: _each(its, names) for column, its in by.items()},
        test_flip=flip and replace(flip, sides=_each(flip.sides, names)),
    )


def _each(figures: Mapping[str, Figures], names: ShownNames) -> dict[str, Figures]:
    return {key: named_figures(its, names) for key, its in figures.items()}


def named_figures(figures: Figures, names: ShownNames) -> Figures:
    """The figures of a split, of classes that are called by their names."""
    half = figures.at_half
    return replace(
        figures,
        absent=tuple(map(names.shown, figures.absent)),
        per_class={names.shown(name): row for name, row in figures.per_class.items()},
        at_half=half
        and replace(half, per_class={names.shown(k): row for k, row in half.per_class.items()}),
    )


def named_predictions(predictions: Predictions, names: ShownNames) -> Predictions:
    """The same table, of classes that are called by their names."""
    if not names.names:
        return predictions
    columns = {f"{LOGIT}{name}": f"{LOGIT}{names.shown(name)}" for name in predictions.classes}
    truth = pl.col("truth").list.eval(pl.element().replace(names.names))
    return replace(predictions, frame=predictions.frame.rename(columns).with_columns(truth))


def named_heats(heats: Heats, names: ShownNames) -> Heats:
    """The same maps, for classes that are called by their names."""
    rows = (replace(each, label=names.shown(each.label)) for each in heats.rows)
    return replace(heats, rows=tuple(rows))
