"""What comes after training: predictions, calibration, figures, report, and the manifest last."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from fieldmark.console import Console, duration
from fieldmark.files import write_json, write_text, write_whole
from fieldmark.fit.state import State
from fieldmark.judge.calibrate import before_and_after, fit_temperature
from fieldmark.judge.figures import figures
from fieldmark.judge.selective import MOST_ROWS
from fieldmark.models import bundle
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import Predictions
from fieldmark.report.page import render
from fieldmark.rundir import RunDir
from fieldmark.runs.evaluated import curve_of
from fieldmark.runs.machine import machine, versions
from fieldmark.runs.prepare import Prepared
from fieldmark.runs.run_page import Ending, run_page, timing
from fieldmark.runs.timing import rounded, time_line
from fieldmark.runs.words import figure_lines


def conclude(
    run: RunDir,
    prepared: Prepared,
    state: State,
    ending: Ending,
    predict: Callable[[str], np.ndarray],
    console: Console,
) -> None:
    """Predict, calibrate, measure and report, in this order; a whole run has a manifest then.

    What is chosen, temperature and abstention, is chosen on validation, before the test images
    are looked at; and those only where the run is whole, for one that was stopped may go on.
    """
    sides = ("val", "test") if ending.whole else ("val",)
    with state.clock("predicting"):
        tables = {"val": predict_side(run, prepared, "val", predict)}
    info = calibrated(prepared.info, tables["val"])
    bundle.write_info(run.path, info)
    if ending.whole:
        with state.clock("predicting"):
            tables["test"] = predict_side(run, prepared, "test", predict)
    predictions = Predictions(pl.concat([tables[side].frame for side in sides]))
    write_whole(run.predictions, predictions.frame.write_parquet)
    with state.clock("figures"):
        found = measured(tables, prepared, info)
    found["about"] = about(prepared, state, ending)
    write_json(run.metrics, found)
    page = run_page(run, replace(prepared, info=info), state, ending, predictions, found)
    write_text(run.report, render(page))
    tell(run, prepared, state, ending, found, console)
    if ending.whole:
        run.write_manifest({"epochs": prepared.settings.train.epochs, **found["about"]})


def predict_side(
    run: RunDir, prepared: Prepared, side: str, predict: Callable[[str], np.ndarray]
) -> Predictions:
    """The predictions table of a split, with the best weights."""
    rows = prepared.samples.rows(side)
    logits = predict(side) if len(rows) else np.zeros((0, len(prepared.classes)), np.float32)
    naming = {"classes": prepared.classes, "model": run.name}
    return Predictions.of(prepared.samples, rows, logits, **naming)


def calibrated(info: BundleInfo, val: Predictions) -> BundleInfo:
    """The bundle with what validation chooses: the temperature, and when to answer."""
    if not len(val):
        return info
    temperature = fit_temperature(val.logits, val.targets)
    answers = curve_of(val, temperature, most=MOST_ROWS)
    return replace(info, temperature=temperature, answers=answers)


def measured(
    tables: dict[str, Predictions], prepared: Prepared, info: BundleInfo
) -> dict[str, Any]:
    """metrics.json, all but what it is of. Intervals belong to the test."""
    found: dict[str, Any] = {"task": info.task, "classes": list(prepared.classes)}
    there = {side: table for side, table in tables.items() if len(table)}
    for side, table in there.items():
        found[side] = figures(table, temperature=info.temperature, with_intervals=side == "test")
    if "val" in there:
        found["calibration"] = {
            "temperature": info.temperature,
            "fitted_on": "val",
            "n": len(there["val"]),
            **{side: before_and_after(each, info.temperature) for side, each in there.items()},
        }
    return found


def about(prepared: Prepared, state: State, ending: Ending) -> dict[str, Any]:
    """What the figures are of, and how they came about."""
    tried = {"heads_tried": state.trials} if len(state.trials) > 1 else {}
    return {
        "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": round(ending.seconds, 1),
        "times": rounded(state.clock.times()),
        "seed": prepared.settings.run.seed,
        "split_seed": prepared.settings.data.split_seed,
        "samples_hash": prepared.info.samples_hash,
        "best_epoch": state.best_epoch,
        "ending": ending.reason,
        "command": ending.command,
        "versions": versions(),
        "machine": machine(prepared.device),
        **tried,
    }


def tell(
    run: RunDir,
    prepared: Prepared,
    state: State,
    ending: Ending,
    found: dict[str, Any],
    console: Console,
) -> None:
    """The figures that matter, and where everything lies."""
    console.say()
    taken = duration(ending.seconds) if ending.seconds >= 1 else f"{ending.seconds:.1f} s"
    console.say(
        f"{ending.reason}; training took {taken}; the weights of epoch {state.best_epoch} are kept"
    )
    if "val" not in found and ending.whole:
        console.say("no validation: these are the last weights")
    side = "test" if "test" in found else "val"
    if side in found:
        console.say("\n".join(figure_lines(side, found[side], found.get("calibration"))))
    elif ending.whole:
        console.say("no images were kept for a test")
    console.say()
    console.say(time_line(timing(prepared, found["about"]["times"])))
    console.say()
    console.say(f"run     {run.path}")
    console.say(f"report  {run.report}")
