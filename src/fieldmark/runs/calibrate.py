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
from fieldmark.judge.conformal import set_rows
from fieldmark.judge.thresholds import best_thresholds
from fieldmark.judge.unlike import entropy, is_unlike, most_of
from fieldmark.models import bundle
from fieldmark.models.bundle_info import BundleInfo, Sets, Unlike
from fieldmark.models.heads import bias_of
from fieldmark.records import LOGIT, Predictions
from fieldmark.rundir import RunDir
from fieldmark.runs.network import Prepared


def calibrate(run: RunDir, prepared: Prepared, val: Predictions, known: str | None) -> Predictions:
    """Write model.json with what the images of `val` choose. -> them, as the network is now

    known: the SHA-256 of the features that distances are from; None without any.

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
        info = replace(info, temperature=temperature, answers=answers)
        info = replace(info, sets=sets_of(val, temperature), unlike=unlike_of(val, info, known))
        bundle.write_info(run.path, info)
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
    info = replace(info, unlike=unlike_of(val, info, known))
    bundle.save(run.path, prepared.model.network.state_dict(), info)
    return val


def sets_of(val: Predictions, temperature: float) -> Sets | None:
    """What sets of classes go by; None where no image's class is known."""
    known = val.known & np.isfinite(val.logits).all(axis=1)
    groups = None if val.groups is None else val.groups[known]
    rows = set_rows(val.scores(temperature)[known], val.targets[known], groups)
    return Sets(rows, int(known.sum()), counted_groups(groups), val.folds) if rows else None


def unlike_of(val: Predictions, info: BundleInfo, known: str | None) -> Unlike | None:
    """What tells images unlike the training ones; None where nothing was measured."""
    far, answered = val.distances, np.isfinite(val.logits).all(axis=1)
    if known is None or far is None or not (np.isfinite(far) & answered).any():
        return None
    spread = None if val.task.several else entropy(val.scores(info.temperature))
    most = most_of(far, val.groups), None if spread is None else most_of(spread, val.groups)
    flagged = is_unlike(*most, far, spread)
    like = replace(val, frame=val.frame.filter(~flagged))
    return Unlike(
        *most,
        images=len(val),
        flagged=int(flagged.sum()),
        known_sha256=known,
        groups=counted_groups(val.groups),
        folds=val.folds,
        answers=curve_of(like, info.temperature, most=MOST_ROWS),
    )


def counted_groups(groups: np.ndarray | None) -> int | None:
    """How many groups there are; None without any."""
    return None if groups is None else len(np.unique(groups))


def with_logits(table: Predictions, logits: np.ndarray, called: str = "") -> Predictions:
    """The same images with other logits (n, C), of a model that is `called` something more."""
    schema = {f"{LOGIT}{name}": pl.Float32 for name in table.classes}
    columns = pl.DataFrame(logits, schema, orient="row")
    model = (pl.col("model") + called).alias("model")
    return replace(table, frame=table.frame.with_columns(model, *columns))
