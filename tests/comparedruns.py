"""Run folders as `compare` finds them, written without training anything."""

from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.files import write_json
from fieldmark.records import Predictions, Samples
from fieldmark.reviews.compare import compare
from fieldmark.rundir import RunDir
from fieldmark.settings.texts import to_yaml
from fieldmark.settings.tree import Settings

CLASSES = ("cat", "dog", "owl")
NEITHER = (
    "evaluate both on photos that neither was trained on, `fieldmark evaluate RUN FOLDER`, and "
    "compare the two evaluations"
)


def table_of(n, *, seed=0, right=0.8, classes=CLASSES, split="test", groups=None):
    """Predictions on the same n images whatever the seed, which decides what is guessed."""
    places = np.random.default_rng(99).integers(len(CLASSES), size=n)
    truth = [CLASSES[place] for place in places]
    samples = Samples.from_columns(
        {
            "path": [f"{row}.png" for row in range(n)],
            "hash": [f"h{row}" for row in range(n)],
            "labels": [[name] for name in truth],
            "split": [split] * n,
            "group": [None] * n if groups is None else [f"g{row % groups}" for row in range(n)],
        }
    )
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(n, len(classes))).astype(np.float32)
    for row, name in enumerate(truth):
        if draw.random() < right and name in classes:
            logits[row, classes.index(name)] += 6
    return Predictions.of(samples, np.arange(n), logits, classes=classes, model="m").frame


def write_run(path: Path, table: pl.DataFrame, *, done=True, temperature=1.0, **settings) -> RunDir:
    """A run folder with these predictions. settings: "optimizer__lr" -> optimizer.lr.

    The second of its two epochs is of a second stage where train__stages has two.
    """
    path.mkdir(parents=True)
    run, nested = RunDir(path), {"data": {"source": "photos"}, "model": {"name": "small_cnn"}}
    nested |= {"optimizer": {"name": "adamw", "lr": 0.001}, "head": {"name": "linear"}}
    for name, value in settings.items():
        section, _, key = name.partition("__")
        nested.setdefault(section, {})[key] = value
    run.settings.write_text(to_yaml(Settings.model_validate(nested)), encoding="utf-8")
    table.write_parquet(run.predictions)
    write_json(path / "model.json", {"temperature": temperature})
    about = {"best_epoch": 2, "command": f"fieldmark train photos --name {path.name}"}
    about |= {"versions": {"torch": "2.7"}, "machine": {"processor": "P"}}
    write_json(run.metrics, {"classes": list(CLASSES), "about": about})
    history = {
        "epoch": [1, 2],
        "seconds": [1.0, 1.0],
        "lr": [0.001, 0.0],
        "train_loss": [1.0, 0.5],
        "val_loss": [1.1, None],
        "train_accuracy": [0.5, 0.7],
        "val_accuracy": [0.4, 0.6],
        "stage": [1, len(settings.get("train__stages", [1]))],
    }
    pl.DataFrame(history).write_csv(run.history)
    if done:
        run.write_manifest({"epochs": 2})
    return run


def write_evaluation(run: RunDir, name: str, table: pl.DataFrame, temperature=1.0) -> RunDir:
    """An evaluation of the run on other images."""
    folder = RunDir(run.evaluations / name)
    folder.path.mkdir(parents=True)
    table.write_parquet(folder.predictions)
    write_json(folder.metrics, {"calibration": {"temperature": temperature}})
    folder.write_manifest({"evaluation_of": run.name})
    return folder


def compared(*runs, **options):
    return compare([str(run.path) for run in runs], **options)
