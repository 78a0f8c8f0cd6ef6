"""From a run's tables to its figures: no network, no torch."""

from fieldmark.judge.calibrate import before_and_after, fit_temperature
from fieldmark.judge.figures import figures
from fieldmark.metrics_json import Calibration, Figures, Flipped, Metrics
from fieldmark.models.bundle_info import read_info
from fieldmark.records import Predictions
from fieldmark.rundir import INFO, RunDir


def measure(run: RunDir) -> Metrics:
    """What metrics.json says of a run's predictions, all but what they are `about`.

    Scores are at the temperature that model.json has. Intervals belong to the test. Raises
    WeightsError, DataError for files that are missing or damaged.
    """
    info, tables = read_info(run.path / INFO), _by_side(Predictions.read(run.predictions))
    found = _figures(tables, info.temperature)
    changes = {side: before_and_after(each, info.temperature) for side, each in tables.items()}
    return Metrics(
        task=info.task,
        classes=info.classes,
        sides=found,
        calibration=Calibration(info.temperature, n=len(tables["val"]), sides=changes)
        if "val" in tables
        else None,
        test_flip=_flipped(run) if run.flipped.is_file() else None,
    )


def _by_side(predictions: Predictions) -> dict[str, Predictions]:
    """The tables of val and test, where they have an image."""
    tables = {side: predictions.of_split(side) for side in ("val", "test")}
    return {side: table for side, table in tables.items() if len(table)}


def _figures(tables: dict[str, Predictions], temperature: float) -> dict[str, Figures]:
    return {
        side: figures(table, temperature=temperature, with_intervals=side == "test")
        for side, table in tables.items()
    }


def _flipped(run: RunDir) -> Flipped:
    """With mirror images: the temperature is their own, of validation; 1 where there is none."""
    tables = _by_side(Predictions.read(run.flipped))
    val = tables.get("val")
    temperature = fit_temperature(val.logits, val.targets) if val is not None else 1.0
    return Flipped(temperature, _figures(tables, temperature))
