"""A run's figures on new labelled images."""

from pathlib import Path
from typing import Any

import polars as pl

from fieldmark import rundir
from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.loader import Batches, Images
from fieldmark.data.scan import scan, with_facts
from fieldmark.errors import DataError, counted, listed
from fieldmark.files import write_json, write_whole
from fieldmark.judge.figures import figures
from fieldmark.models.infer import infer
from fieldmark.records import Predictions, Samples
from fieldmark.runs.intake import left_out_notes, list_images, scanning
from fieldmark.runs.machine import versions
from fieldmark.runs.words import figure_lines
from fieldmark.settings.tree import DataSettings
from fieldmark.use.predictor import Predictor


def evaluate_new(path: str, data: str, console: Console) -> dict[str, Any]:
    """A run's figures on other labelled images; kept in a folder of the run's own.

    Classes are matched by name. Images of classes that the model does not know are listed,
    and left out of the figures.
    """
    run = rundir.open_run(path)
    predictor = Predictor(run.path)
    listing = list_images(DataSettings(source=data))
    with scanning(console) as advance:
        facts = scan(listing.samples, open_cache(), advance)
    samples, unread = with_facts(listing.samples, facts)
    classes = predictor.classes
    unknown = [name for name in samples.classes if name not in classes]
    if len(unknown) == len(samples.classes):
        raise DataError(
            f"{data}: none of its classes ({listed(unknown)}) is known to the model, which has "
            f"{listed(classes)}"
        )
    samples = samples.with_splits(["test"] * len(samples))
    rows = samples.rows("test")
    batches = Batches(
        Images(samples, classes, predictor.info.spec), rows, batch_size=64, seed=None, workers=0
    )
    with console.bar("predicting", len(rows)) as bar:
        logits = infer(
            predictor.model,
            batches,
            device=predictor.device,
            autocast=predictor.autocast,
            advance=bar.advance,
        )
    table = Predictions.of(samples, rows, logits, classes=classes, model=run.name)
    found = figures(table, temperature=predictor.info.temperature, with_intervals=True)
    for note in left_out_notes({**listing.left_out, **unread}):
        console.warn(note)
    known = trained_on(run, samples)
    if known:
        console.warn(
            f"{counted(known, 'image')} of these {len(samples)} took part in training, "
            "so the figures flatter; evaluate on images that did not"
        )
    if unknown:
        count = samples.frame.filter(pl.col("labels").list.first().is_in(unknown)).height
        console.warn(f"{count} images of {listed(unknown)}, which the model does not know, are out")
    folder = keep(run, data, table, found)
    console.say("\n".join(figure_lines(Path(data).name, found)))
    console.say(f"kept in {folder}")
    return found


def trained_on(run: rundir.RunDir, samples: Samples) -> int:
    """How many of the images the run was trained or validated on, by content."""
    if not run.samples.is_file():
        return 0
    own = Samples.read(run.samples).frame.filter(pl.col("split").is_in(["train", "val"]))
    return samples.frame.filter(pl.col("hash").is_in(own["hash"].to_list())).height


def keep(run: rundir.RunDir, data: str, table: Predictions, found: dict[str, Any]) -> Path:
    """Predictions and figures in a new folder of the run's evaluations."""
    folder = rundir.create(str(run.evaluations), None, Path(data).name)
    write_whole(folder.predictions, table.frame.write_parquet)
    about = {"data": data, "versions": versions()}
    write_json(
        folder.metrics, {"task": "single-label", "classes": table.classes, "test": found, **about}
    )
    return folder.path
