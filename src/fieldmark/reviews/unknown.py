"""Pictures of no class: how many of them a run tells unlike its training images."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from fieldmark.console import Console
from fieldmark.errors import DataError, RunError, counted
from fieldmark.judge.cautions import unlike_figures
from fieldmark.judge.unlike import area, entropy
from fieldmark.metrics_json import UnlikeFigures
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import Predictions, Samples
from fieldmark.report.caution_words import unlike_words
from fieldmark.report.words import percent
from fieldmark.reviews.evaluate import BATCH, trained_run
from fieldmark.rundir import RunDir
from fieldmark.use.info import info_of
from fieldmark.use.inputs import Found, find_images, told_of
from fieldmark.use.opened import Opened, open_bundle
from fieldmark.use.unlike import Check, check_of


@dataclass(frozen=True)
class Told:
    """unknown: of pictures of no class; own: of the run's own images of `side`.

    areas: AUROC of the ones against the others, by distance, and of one label an image by scores.
    """

    unknown: UnlikeFigures
    own: UnlikeFigures
    side: str
    areas: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def evaluate_unknown(path: str, folder: str, console: Console, *, device: str, engine: str) -> Told:
    """How many pictures of no class a run tells unlike, beside its own; nothing is chosen by them.

    Its own are those of its test, or without a test of validation, by which it was chosen what is
    unlike. Raises RunError where the run cannot tell, DataError where no picture can be read.
    """
    run = trained_run(path)
    info = info_of(run.path)
    check = check_of(info, run.path)
    if isinstance(check, str):
        raise RunError(f"{check}; else name another run")
    side, own = own_images(run)
    found = find_images([folder])
    for note in (*found.notes, *told_of(found.images, info, folder)):
        console.warn(note)
    opened = open_bundle(run.path, device, engine)
    shown = look(opened, check, found, console)
    if not len(shown):
        raise DataError(f"{folder}: not one picture could be read; name another folder")
    of_shown, of_own = (unlike_figures(each, info) for each in (shown, own))
    assert of_shown is not None  # for there is a check
    assert of_own is not None
    told = Told(of_shown, of_own, side, areas(own, shown, info))
    console.say("\n".join(lines(told, folder)))
    return told


def own_images(run: RunDir) -> tuple[str, Predictions]:
    """The run's test, or where it has none its validation. -> which, and its predictions"""
    table = Predictions.read(run.predictions) if run.predictions.is_file() else None
    for side in ("test", "val"):
        own = table and table.of_split(side)
        if own and len(own) and own.distances is not None and np.isfinite(own.distances).all():
            return side, own
    raise RunError(
        f"{run.path}: has no predictions of its own images to compare with; train it anew"
    )


def look(opened: Opened, check: Check, found: Found, console: Console) -> Predictions:
    """Logits and distances of the pictures that can be read; the others are told."""
    names: list[str] = []
    logits = [np.zeros((0, len(opened.info.classes)), np.float32)]
    far = [np.zeros(0, np.float32)]
    with console.bar("looking at images", len(found.images)) as bar:
        for batch in opened.batches(found.images, BATCH):
            images = opened.together(batch)
            if images:
                some, distances = opened.look(images, check.far)
                logits.append(some)
                far.append(distances)
            names += [each.name for each in batch if not isinstance(each.seen, str)]
            for each in batch:
                if isinstance(each.seen, str):
                    console.warn(each.seen)
            bar.advance(len(batch))
    about = {"classes": opened.info.classes, "distances": np.concatenate(far)}
    samples = Samples.from_columns({"path": pl.Series(names, dtype=pl.String)})
    return Predictions.of(samples, np.arange(len(names)), np.concatenate(logits), **about)


def areas(own: Predictions, shown: Predictions, info: BundleInfo) -> dict[str, float]:
    """AUROC of pictures of no class against the run's own, by each of the two values."""
    assert own.distances is not None
    assert shown.distances is not None
    found = {"distance": area(own.distances, shown.distances)}
    if info.unlike is not None and info.unlike.entropy is not None:
        spreads = [entropy(each.scores(info.temperature)) for each in (own, shown)]
        found["scores"] = area(*spreads)
    return found


def lines(told: Told, folder: str) -> list[str]:
    """What was found, in lines."""
    own = f"the run's own {told.side}, {counted(told.own.n, 'image')}"
    by = ", ".join(f"{name} {percent(each)}" for name, each in told.areas.items())
    return [
        f"{folder}, {counted(told.unknown.n, 'image')} of no class",
        f"  {unlike_words(told.unknown)}",
        own,
        f"  {unlike_words(told.own)}",
        f"AUROC of one against the other: {by}",
    ]
