"""Figures of images that several models answered each, as of folds that were dealt anew."""

from dataclasses import replace

import numpy as np
import polars as pl

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import cooccurrence, figures
from fieldmark.metrics_json import Figures
from fieldmark.records import Predictions

IMAGE = ("path", "row")  # columns that tell an image from others


def in_one_group(table: Predictions) -> Predictions:
    """The table with each image a group where it is answered more than once and has none."""
    if table.frame.select(IMAGE).n_unique() == len(table):
        return table
    image = pl.concat_str("path", pl.col("row").cast(pl.String).fill_null(""), separator=" ")
    frame = table.frame.with_columns(pl.coalesce("group", image).alias("group"))
    return replace(table, frame=frame)


def figures_by_image(table: Predictions, thresholds: np.ndarray | None) -> Figures:
    """Figures of all answers, with intervals, in which an image counts once however often answered.

    n, the images of a class and pairs of labels count images; a confusion table and the bins
    count answers, as many as `total_answers` says. thresholds: as `figures` takes them.
    """
    grouped = in_one_group(table)
    found = figures(grouped, thresholds=thresholds, with_intervals=True)
    if grouped is table:
        return found
    once = replace(table, frame=table.frame.unique(IMAGE, keep="first", maintain_order=True))
    evidence = Evidence.on(once)
    support = dict(zip(table.classes, evidence.margins.support.tolist(), strict=True))
    return replace(
        found,
        n=len(evidence.targets),
        total_answers=found.n,
        unknown=int((~once.known).sum()),
        per_class={k: replace(each, support=support[k]) for k, each in found.per_class.items()},
        groups=found.groups if table.frame["group"].is_not_null().any() else None,
        cooccurrence=found.cooccurrence and cooccurrence(evidence.targets).tolist(),
    )
