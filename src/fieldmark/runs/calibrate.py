"""What validation chooses once a network is trained: temperature, abstention, thresholds."""

from dataclasses import replace

import numpy as np
import polars as pl
import torch

from fieldmark.judge.calibrate import (
    MOST_ROWS,
    PRIOR,
    SOLVED,
    curve_of,
    fit_affine,
    fit_temperature,
)
from fieldmark.judge.thresholds import best_thresholds
from fieldmark.models import bundle
from fieldmark.models.heads import bias_of
from fieldmark.records import LOGIT, Predictions
from fieldmark.rundir import RunDir
from fieldmark.runs.network import Prepared


def calibrate(run: RunDir, prepared: Prepared, val: Predictions) -> Predictions:
    """Write model.json with what the images of `val` choose. -> them, as the network is now

    Of one label: the temperature, and how right answers of each score were. Of several, besides
    the temperature a shift that all labels share, which goes into the last layer's bias and so
    into the weights, and a threshold a label.
    """
    info, prior = prepared.info, SOLVED if val.folds else PRIOR
    if not len(val):
        bundle.write_info(run.path, info)
        return val
    if not val.task.several:
        temperature = fit_temperature(val.logits, val.targets, prior=prior)
        answers = curve_of(val, temperature, most=MOST_ROWS)
        bundle.write_info(run.path, replace(info, temperature=temperature, answers=answers))
        return val
    temperature, shift = fit_affine(val.logits, val.targets, prior=prior)
    bias = bias_of(prepared.model.network)
    if bias is not None:
        with torch.no_grad():
            bias += shift * temperature
        val = with_logits(val, val.logits + np.float32(shift * temperature))
    chosen = best_thresholds(val.logits, val.targets, temperature=temperature)
    thresholds = chosen.named(val.classes)
    info = replace(info, temperature=temperature, thresholds=thresholds)
    bundle.save(run.path, prepared.model.network.state_dict(), info)
    return val


def with_logits(table: Predictions, logits: np.ndarray, called: str = "") -> Predictions:
    """The same images with other logits (n, C), of a model that is `called` something more."""
    schema = {f"{LOGIT}{name}": pl.Float32 for name in table.classes}
    columns = pl.DataFrame(logits, schema, orient="row")
    model = (pl.col("model") + called).alias("model")
    return replace(table, frame=table.frame.with_columns(model, *columns))
