"""What comes after training: predictions, calibration, figures, and the report."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from fieldmark.console import Console, duration
from fieldmark.files import write_json, write_text, write_whole
from fieldmark.fit.state import State
from fieldmark.judge.calibrate import before_and_after, fit_temperature
from fieldmark.judge.figures import figures
from fieldmark.judge.selective import MOST_ROWS, curve_of
from fieldmark.machine import machine, versions
from fieldmark.models import bundle
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import Predictions
from fieldmark.report.figure_words import figure_lines, flip_line
from fieldmark.report.page import render
from fieldmark.rundir import RunDir
from fieldmark.runs.flipped import flipped_figures, with_mirror_images
from fieldmark.runs.network import Prepared
from fieldmark.runs.run_page import Ending, run_page, timing
from fieldmark.runs.timing import rounded, time_line
from fieldmark.runs.training import Reached


def conclude(
    run: RunDir,
    prepared: Prepared,
    reached: Reached,
    ending: Ending,
    console: Console,
    *,
    with_test: bool = True,
) -> dict[str, Any]:
    """Predict, calibrate, measure and report, in this order. -> metrics.json

    What is chosen, temperature and abstention, is chosen on validation, before the test images
    are looked at; and those only where the run is whole, for one that was stopped may go on.
    """
    sides = ("val", "test") if ending.whole and with_test else ("val",)
    state, predict = reached.state, reached.trainer.predict
    with state.clock("predicting"):
        tables = {"val": predict_side(run, prepared, "val", predict)}
    info = calibrated(prepared.info, tables["val"])
    bundle.write_info(run.path, info)
    if "test" in sides:
        with state.clock("predicting"):
            tables["test"] = predict_side(run, prepared, "test", predict)
    predictions = Predictions(pl.concat([tables[side].frame for side in sides]))
    write_whole(run.predictions, predictions.frame.write_parquet)
    with state.clock("figures"):
        found = measured(tables, prepared, info)
    if prepared.settings.train.test_flip and len(predictions):
        found["test_flip"] = with_flips(run, state, tables, partial(predict, mirrored=True))
    found["about"] = about(prepared, state, ending)
    write_json(run.metrics, found)
    page = run_page(run, replace(prepared, info=info), state, ending, predictions, found)
    write_text(run.report, render(page))
    tell(run, prepared, state, ending, found, console)
    return found


def with_flips(
    run: RunDir,
    state: State,
    tables: dict[str, Predictions],
    mirrored: Callable[[str], np.ndarray],
) -> dict[str, Any]:
    """The figures with mirror images averaged in, whose table is written beside the other."""
    with state.clock("predicting"):
        both = with_mirror_images(tables, mirrored)
    whole = Predictions(pl.concat([table.frame for table in both.values()]))
    write_whole(run.flipped, whole.frame.write_parquet)
    with state.clock("figures"):
        return flipped_figures(both)


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
        if side in found.get("test_flip", {}):
            console.say(flip_line(found["test_flip"][side]))
    elif ending.whole:
        console.say("no images were kept for a test")
    console.say()
    console.say(time_line(timing(prepared, found["about"]["times"])))
    console.say()
    console.say(f"run     {run.path}")
    console.say(f"report  {run.report}")
