"""The answers of a cross-validation, each by a model that was trained without the image."""

import polars as pl

from fieldmark.errors import RunError
from fieldmark.insight.label_names import kept_names
from fieldmark.records import Predictions
from fieldmark.reviews.earlier import again
from fieldmark.reviews.suspects import Judged
from fieldmark.study.cross_validate import KIND
from fieldmark.study.folder import open_study


def judged_study(path: str) -> Judged:
    """All folds' answers; their scores are calibrated already. Raises RunError without any.

    What is alike is asked of the first fold's network. The images of a fold are no test that is
    kept for the end: folds judge them all, so that they may be learned from.
    """
    study = open_study(path)
    if study.question["kind"] != KIND:
        raise RunError(f"{path}: is no cross-validation; name one, or a run")
    if not study.predictions.is_file():
        raise RunError(f"{path}: is not done; go on with it: {study.question['command']}")
    predictions = Predictions.read(study.predictions)
    frame = predictions.frame.with_columns(pl.lit("").alias("split"))
    predictions = Predictions(frame, predictions.task)
    planned, run = study.finished()[0]
    samples = study.read_data(planned.data).samples
    data = study.question["settings"]["data"]
    return Judged(
        study.name,
        str(data["source"]),
        again(study.question["command"], run.settings),
        data.get("corrections"),
        study.suspects,
        predictions,
        samples.with_splits([None] * len(samples)),
        1.0,
        run.path,
        run.read_metrics(),
        kept_names(run.label_names, predictions.classes),
    )
