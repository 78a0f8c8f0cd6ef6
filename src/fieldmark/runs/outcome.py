"""What comes after training: predictions, calibration, figures, and the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.console import Console, duration
from fieldmark.data.splits import judged_rows
from fieldmark.files import write_text
from fieldmark.fit.state import State
from fieldmark.insight.label_names import kept_names
from fieldmark.judge.figures import measure
from fieldmark.judge.unlike import unit
from fieldmark.machine import PACKAGES, machine, versions
from fieldmark.metrics_json import WHOLE, About, Metrics
from fieldmark.models import engines
from fieldmark.models.heads import head_of
from fieldmark.models.stages import chosen
from fieldmark.models.trees import Trees
from fieldmark.records import Predictions
from fieldmark.report.budget_words import budget_lines
from fieldmark.report.figure_lines import figure_lines, flip_line
from fieldmark.report.named import named_metrics
from fieldmark.report.timing import time_line, timing_of
from fieldmark.report.words import epoch_words, head_alone
from fieldmark.rundir import WEIGHTS, RunDir
from fieldmark.runs.budgets import judged
from fieldmark.runs.calibrate import calibrate, with_logits
from fieldmark.runs.hints import hints
from fieldmark.runs.known import Known, keep_known
from fieldmark.runs.network import Prepared
from fieldmark.runs.on_features import OnFeatures
from fieldmark.runs.on_images import OnImages
from fieldmark.runs.training import Reached, Trainer


def predict(run: RunDir, prepared: Prepared, reached: Reached, sides: Sequence[str]) -> None:
    """The predictions table, that with mirror images where they count, and model.json.

    What is chosen, temperature and abstention, is chosen on validation, before the test images
    are looked at.
    """
    clock, trainer = reached.state.clock, reached.trainer
    with clock("predicting"):
        known = keep_known(run, trainer)
        val = out_of_fold(run, reached, known) or predict_side(run, trainer, "val", known)
        tables = {"val": val}
    tables["val"] = calibrate(run, prepared, tables["val"], known.sha256 if known else None)
    write_trees(run, prepared)
    with clock("predicting"):
        tables |= {side: predict_side(run, trainer, side, known) for side in sides if side != "val"}
        write_tables(tables, run, run.predictions)
        if tables["val"].folds or reached.state.tuned is not None:
            # the head that is kept has seen these images, and no other has their mirror images
            tables = {side: table for side, table in tables.items() if side != "val"}
        if prepared.settings.train.test_flip and any(map(len, tables.values())):
            mirrored = partial(trainer.predict, mirrored=True)
            write_tables(with_mirror_images(tables, mirrored), run, run.flipped)


def write_trees(run: RunDir, prepared: Prepared) -> None:
    """A boosted head as others read it: its raw scores are the bundle's logits."""
    for layer in head_of(prepared.model.network)[1].modules():
        if isinstance(layer, Trees):
            write_text(run.trees, layer.text())


def write_metrics(run: RunDir, prepared: Prepared, reached: Reached, command: str) -> Metrics:
    """metrics.json, from the tables, with what its figures are about."""
    with reached.state.clock("figures"):
        found = measure(run)
    told = about(prepared, reached, command)
    if told.whole:
        came_to = judged(run, prepared.settings.budget, found, told.times[WHOLE])
        told = replace(told, budgets=tuple(came_to))
    found = replace(found, about=told)
    found.write(run.metrics)
    return found


def predict_side(run: RunDir, trainer: Trainer, side: str, known: Known | None) -> Predictions:
    """The predictions table of a split, with the best weights, and how far from what is known."""
    samples, classes = trainer.prepared.samples, trainer.prepared.classes
    rows = samples.rows(side)
    logits, far = np.zeros((0, len(classes)), np.float32), known and np.zeros(0, np.float32)
    if len(rows):
        logits, far = trainer.look(rows, known.far) if known else (trainer.predict(side), None)
    return Predictions.of(samples, rows, logits, classes=classes, model=run.name, distances=far)


def out_of_fold(run: RunDir, reached: Reached, known: Known | None) -> Predictions | None:
    """The validation table where the head that is kept was trained on all images; else None."""
    samples, answers = reached.trainer.prepared.samples, reached.state.out_of_fold
    classes, tuned = reached.trainer.prepared.classes, reached.state.tuned
    if isinstance(reached.trainer, OnImages) and tuned is not None:
        rows = samples.rows("val")
        far = reached.trainer.look(rows, known.far)[1] if known else None
        named = {"classes": classes, "model": run.name, "distances": far}
        return Predictions.of(samples, rows, tuned.numpy(), **named)
    if samples.folds is None or not isinstance(reached.trainer, OnFeatures):
        return None
    rows = judged_rows(samples)
    logits = np.zeros((0, len(classes)), np.float32) if answers is None else answers.numpy()
    folds, far = samples.folds[0][rows], None
    if known and len(rows):
        features = reached.trainer.look(rows, unit)[1]
        far = None if features is None else known.far_of_folds(features, folds)
    naming = {"classes": classes, "model": run.name, "folds": folds, "distances": far}
    return Predictions.of(samples, rows, logits, **naming)


def with_mirror_images(
    tables: Mapping[str, Predictions], mirrored: Callable[[str], np.ndarray]
) -> dict[str, Predictions]:
    """Each split's table with the mean of the logits of an image and of its mirror image.

    mirrored: a split -> (n, C) logits of the mirror images, in the order of the split's rows.
    The tables without an image are left out.
    """
    return {
        side: with_logits(table, (table.logits + mirrored(side)) / 2, " with mirror images")
        for side, table in tables.items()
        if len(table)
    }


def write_tables(tables: Mapping[str, Predictions], run: RunDir, path: Path) -> None:
    """All splits in one Parquet, whole or not at all, with guesses and scores as the run's bundle
    gives them."""
    frame = pl.concat([table.frame for table in tables.values()], how="diagonal")
    table = replace(next(iter(tables.values())), frame=frame)
    table.write(path, run.read_temperature(), run.read_thresholds())


def about(prepared: Prepared, reached: Reached, command: str) -> About:
    """What the figures are of, and how they came about."""
    state, settings = reached.state, prepared.settings
    return About(
        finished=datetime.now().astimezone().isoformat(timespec="seconds"),
        seconds=round(sum(row["seconds"] for row in state.history), 1),
        times={name: round(seconds, 3) for name, seconds in state.clock.times().items()},
        seed=settings.run.seed,
        split_seed=settings.data.split_seed,
        samples_hash=prepared.info.samples_hash,
        best_epoch=state.best_epoch,
        ending=reached.reason,
        whole=reached.error is None,
        cut=reached.cut or None,
        parameters=sum(p.numel() for p in prepared.model.parameters()),
        trained=trained_parameters(prepared, state),
        command=command,
        versions=versions((*PACKAGES, *engines.PACKAGES[settings.run.engine])),
        machine=machine(prepared.device),
        heads_tried=tuple(state.trials) if len(state.trials) > 1 else (),
        shares=tuple(state.shares),
    )


def trained_parameters(prepared: Prepared, state: State) -> int:
    """How many of the parameters were trained on the way to the weights that are kept."""
    network, stages = prepared.model.network, prepared.settings.train.stages
    best = state.history[(state.best_epoch or 1) - 1]
    names = {
        name for stage in stages[: int(best["stage"])] for name in chosen(network, stage.train)
    }
    return sum(p.numel() for name, p in network.named_parameters() if name in names)


def tell_end(
    run: RunDir, prepared: Prepared, found: Metrics, console: Console, files: Sequence[Path]
) -> None:
    """The figures that matter, and where everything lies; files: that were asked for beside it."""
    found = named_metrics(found, kept_names(run.label_names, found.classes))
    about, settings = found.about, prepared.settings.model_dump()
    history, taken = run.read_history(), duration(about.seconds or 0.0)
    best = about.best_epoch or len(history)
    console.say()
    kept = f"; the weights of {epoch_words(history, best)} are kept" * ("lr" in history[-1])
    console.say(f"{about.ending}; training took {taken}{kept}")
    if alone := head_alone(settings["train"]["stages"], history, best, whole=about.whole):
        console.say(alone)
    if "val" not in found.sides and about.whole:
        console.say("no validation" + ": these are the last weights" * ("lr" in history[-1]))
    side = "test" if "test" in found.sides else "val"
    if side in found.sides:
        console.say("\n".join(figure_lines(side, found.sides[side], found.calibration)))
        if found.test_flip and side in found.test_flip.sides:
            console.say(flip_line(found.test_flip.sides[side]))
        for hint in hints(prepared, found.sides[side]):
            console.warn(hint)
    elif about.whole:
        console.say("no images were kept for a test")
    console.say()
    if budgets := budget_lines(found):
        console.say("\n".join([*budgets, ""]))
    console.say(time_line(timing_of(about.times, settings)))
    console.say()
    console.say(f"run     {run.path}")
    console.say(f"report  {run.report}")
    weights = run.path / WEIGHTS
    megabytes = weights.stat().st_size / 1e6
    console.say(f"model   {weights}, {megabytes:.{1 if megabytes >= 1 else 3}f} MB")
    for path in files:
        console.say(f"{path.suffix.removeprefix('.'):<8}{path}")
