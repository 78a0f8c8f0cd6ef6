"""What comes after training: predictions, figures, report, and the manifest last."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from fieldmark.console import Console, duration
from fieldmark.data.sources import read_pixels
from fieldmark.errors import DataError
from fieldmark.files import write_json, write_text, write_whole
from fieldmark.fit.state import State
from fieldmark.insight.galleries import surest_mistakes
from fieldmark.judge.figures import figures
from fieldmark.models.stages import chosen
from fieldmark.records import Predictions, Samples
from fieldmark.report.page import Picture, RunPage, render
from fieldmark.rundir import RunDir
from fieldmark.runs.machine import machine, versions
from fieldmark.runs.prepare import Prepared
from fieldmark.runs.words import figure_lines
from fieldmark.settings.texts import to_yaml

THUMBNAIL = 160  # pixels of a mistake's shorter side, where the image is larger


@dataclass(frozen=True)
class Ending:
    """How training ended: in words, whether it came to its own end, seconds, the command."""

    reason: str
    whole: bool
    seconds: float
    command: str


def conclude(
    run: RunDir,
    prepared: Prepared,
    state: State,
    ending: Ending,
    predict: Callable[[str], np.ndarray],
    console: Console,
) -> None:
    """Predict, measure and report, in this order; the manifest is written only by a whole run.

    The test images are looked at only then, too: a run that was stopped may go on.
    """
    sides = ("val", "test") if ending.whole else ("val",)
    predictions = predict_sides(run, prepared, sides, predict)
    write_whole(run.predictions, predictions.frame.write_parquet)
    about = {
        "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": round(ending.seconds, 1),
        "seed": prepared.settings.run.seed,
        "split_seed": prepared.settings.data.split_seed,
        "samples_hash": prepared.info.samples_hash,
        "best_epoch": state.best_epoch,
        "ending": ending.reason,
        "command": ending.command,
        "versions": versions(),
        "machine": machine(prepared.device),
    }
    found: dict[str, Any] = {"task": "single-label", "classes": list(prepared.classes)}
    if len(state.trials) > 1:
        about["heads_tried"] = state.trials
    found |= {s: side_figures(predictions, s) for s in sides if len(predictions.of_split(s))}
    write_json(run.metrics, {**found, "about": about})
    page = run_page(run, prepared, state, ending, predictions, {**found, "about": about})
    write_text(run.report, render(page))
    tell(run, prepared, state, ending, found, console)
    if ending.whole:
        run.write_manifest({"epochs": prepared.settings.train.epochs, **about})


def predict_sides(
    run: RunDir, prepared: Prepared, sides: tuple[str, ...], predict: Callable[[str], np.ndarray]
) -> Predictions:
    """The predictions table of these splits, with the best weights."""
    tables = []
    for side in sides:
        rows = prepared.samples.rows(side)
        logits = predict(side) if len(rows) else np.zeros((0, len(prepared.classes)), np.float32)
        about = {"classes": prepared.classes, "model": run.name}
        tables.append(Predictions.of(prepared.samples, rows, logits, **about).frame)
    return Predictions(pl.concat(tables))


def side_figures(predictions: Predictions, side: str) -> dict[str, Any]:
    """One split's figures; intervals belong to the test."""
    return figures(predictions.of_split(side), with_intervals=side == "test")


def run_page(
    run: RunDir,
    prepared: Prepared,
    state: State,
    ending: Ending,
    predictions: Predictions,
    found: dict[str, Any],
) -> RunPage:
    """What the report draws."""
    settings, about = prepared.settings, found["about"]
    shown = predictions.of_split("test" if "test" in found else "val")
    mistakes, lost = pictures(shown, prepared.samples)
    parameters = list(prepared.model.parameters())
    trained = trained_parameters(prepared, state)
    size = prepared.spec.size
    return RunPage(
        title=run.name,
        status="done" if ending.whole else ending.reason,
        data=settings.data.source,
        classes=prepared.classes,
        counts=prepared.samples.counts(),
        figures={side: found[side] for side in ("val", "test") if side in found},
        history=state.history,
        best_epoch=state.best_epoch,
        monitor=settings.train.monitor,
        mistakes=tuple(mistakes),
        model={
            "name": settings.model.name,
            "parameters": sum(p.numel() for p in parameters),
            "trainable": trained,
            "megabytes": sum(p.numel() for p in parameters) * 4 / 1e6,
            "input": f"{size} x {size} px, RGB",
            "weights": prepared.info.weights,
        },
        settings=to_yaml(settings),
        command=ending.command,
        about={
            "finished": about["finished"],
            "seconds": f"{ending.seconds:.1f}",
            "machine": f"{about['machine']['processor']}, {about['machine']['cores']} cores",
            **{k: v for k, v in about["machine"].items() if k not in ("processor", "cores")},
            "seed": str(about["seed"]),
            "precision": settings.run.precision,
            **about["versions"],
        },
        notes=(*prepared.notes, *lost),
        trials=tuple(state.trials),
    )


def trained_parameters(prepared: Prepared, state: State) -> int:
    """How many of the parameters were trained on the way to the weights that are kept."""
    network, stages = prepared.model.network, prepared.settings.train.stages
    best = state.history[(state.best_epoch or 1) - 1]
    names = {
        name for stage in stages[: int(best["stage"])] for name in chosen(network, stage.train)
    }
    return sum(p.numel() for name, p in network.named_parameters() if name in names)


def pictures(predictions: Predictions, samples: Samples) -> tuple[list[Picture], list[str]]:
    """The surest mistakes as thumbnails, and a sentence for each that cannot be read any more."""
    found, lost = [], []
    for shown in surest_mistakes(predictions):
        try:
            pixels = read_pixels(samples.root, shown.path, shown.row, None)
        except DataError as error:
            lost.append(f"not shown among the mistakes: {error}")
            continue
        picture = Picture(
            png=thumbnail(pixels),
            mime="image/png",
            caption=shown.path if shown.row is None else f"{shown.path} {shown.row}",
            truth=shown.truth,
            guess=shown.guess,
            score=shown.score,
            truth_score=shown.truth_score,
        )
        found.append(picture)
    return found, lost


def thumbnail(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 -> PNG bytes, large images made smaller."""
    image = Image.fromarray(pixels)
    scale = THUMBNAIL / min(image.size)
    if scale < 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


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
    console.say(f"{ending.reason}, in {taken}; the weights of epoch {state.best_epoch} are kept")
    if "val" not in found and ending.whole:
        console.say("no validation: these are the last weights")
    side = "test" if "test" in found else "val"
    if side in found:
        console.say("\n".join(figure_lines(side, found[side])))
    elif ending.whole:
        console.say("no images were kept for a test")
    console.say()
    console.say(f"run     {run.path}")
    console.say(f"report  {run.report}")
