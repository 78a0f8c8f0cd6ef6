"""A run's figures on new labelled images, kept in a folder of their own."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.data.asked_images import left_out_told, listed_of, readable, scanned
from fieldmark.data.listing import with_known_labels
from fieldmark.data.loader import Batches, Images
from fieldmark.data.sources import open_files
from fieldmark.data.words import told_of_captions
from fieldmark.errors import DataError, RunError, counted, listed, nearest
from fieldmark.files import write_whole
from fieldmark.insight.label_names import kept_names
from fieldmark.judge.by import figures_by, values_by_column
from fieldmark.judge.calibrate import before_and_after
from fieldmark.judge.cautions import with_cautions
from fieldmark.judge.figures import SEED, figures
from fieldmark.judge.thresholds import in_order
from fieldmark.machine import PACKAGES, loaders, machine, versions
from fieldmark.metrics_json import About, Figures, Metrics
from fieldmark.models.bundle_info import BundleInfo, read_info
from fieldmark.names import folded
from fieldmark.records import Predictions, Samples
from fieldmark.reviews.evaluated import (
    Asked,
    Evaluated,
    Unknown,
    tell,
    training_sentence,
    unknown_classes,
    write_page,
)
from fieldmark.rundir import INFO, RunDir
from fieldmark.settings.data import DataSettings
from fieldmark.settings.texts import read_file
from fieldmark.use.asked import crops_note
from fieldmark.use.opened import Opened, open_bundle
from fieldmark.use.unlike import check_of

BATCH = 64
MANY = 512  # images; from here on processes that load them pay for their start


def evaluate_new(
    path: str,
    data: DataSettings,
    asked: Asked,
    console: Console,
    *,
    device: str = "auto",
    engine: str = "torch",
) -> Metrics:
    """A run's figures on other labelled images. -> what its metrics.json holds

    The network looks at all of them; classes are matched by name. Images of classes that it
    does not know are told, and left out of the figures. Raises any UserError before the network
    is loaded; the results appear in a new folder of the run's evaluations, its manifest last.
    """
    begun = time.monotonic()
    run = trained_run(path)
    info = read_info(run.path / INFO)
    samples, unsaid, notes = take_in(as_the_run_reads(run, data), info, console)
    values = values_by_column(samples, asked.by, group_column=data.group_column)
    opened = open_bundle(run.path, device, engine)
    predictions = look(opened, samples, run, console).without(unsaid)
    unknown = unknown_classes(samples, predictions, info.unlike, info.temperature)
    notes += (*group_sentence(run, data, samples), *crops_note(run.path, data.crops))
    notes += (*unknown_sentence(unknown, samples, info.classes), *opened.told)
    its = run.read_metrics() if run.metrics.is_file() else Metrics()
    temperature, named = info.temperature, info.thresholds
    own = figures_of_new(predictions, info, asked.levels)
    by = figures_by(predictions, samples, values, temperature=temperature, thresholds=named)
    known = trained_on(run, samples.frame.filter(predictions.known))
    about = described(opened, run, data, samples, known=known, asked=asked, begun=begun)
    metrics = Metrics(
        task=info.task,
        classes=predictions.classes,
        sides={"test": own},
        calibration=its.calibration
        and replace(its.calibration, sides={"test": before_and_after(predictions, temperature)}),
        unknown_classes={each.name: each.images for each in unknown},
        by=by or None,
        about=about,
    )
    found = Evaluated(
        title=run.name,
        data=data.source,
        side="test",
        name=Path(data.source).resolve().name,
        metrics=replace(metrics, sides={**({} if unsaid else its.sides), "test": own}),
        predictions=predictions,
        samples=samples,
        temperature=temperature,
        thresholds=in_order(named, predictions.classes),
        answers=info.curve,
        unlike=info.unlike,
        command=asked.command,
        unknown=unknown,
        banner=training_sentence(known, int(predictions.known.sum())),
        notes=notes,
    )
    keep_and_tell(run, found, metrics, page=asked.page, console=console)
    return metrics


def keep_and_tell(
    run: RunDir, found: Evaluated, metrics: Metrics, *, page: Path | None, console: Console
) -> None:
    """Everything on disk, then on the screen."""
    found = replace(found, names=kept_names(run.label_names, found.predictions.classes))
    folder = keep(run, found, metrics)
    tell(found, console)
    console.say(f"kept    {folder.path}\nreport  {folder.report}")
    if page is not None:
        write_page(found, page)
        console.say(f"page    {page}")


def trained_run(path: str) -> RunDir:
    """The run at `path`. Raises RunError where there is none, or none with a model yet."""
    run = rundir.open_run(path)
    if not run.has_bundle:
        raise RunError(
            f"{path}: has no trained model yet; go on with it: fieldmark train --resume {path}"
        )
    return run


def described(
    opened: Opened,
    run: RunDir,
    data: DataSettings,
    samples: Samples,
    *,
    known: int,
    asked: Asked,
    begun: float,
) -> About:
    """What the figures are of, and how they came about.

    known: images that took part in training. begun: on the clock of time.monotonic.
    """
    return About(
        finished=datetime.now().astimezone().isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - begun, 1),
        seed=SEED,
        command=asked.command,
        versions=versions((*PACKAGES, *opened.packages)),
        machine=machine(opened.device),
        run=run.name,
        data=data.model_dump(exclude_defaults=True),
        samples_hash=samples.hash(),
        trained_on=opened.info.samples_hash,
        took_part_in_training=known,
    )


def group_sentence(run: RunDir, data: DataSettings, samples: Samples) -> list[str]:
    """What to say where the run had groups by a column that these images have too, unused."""
    if data.group_column is not None or not run.settings.is_file():
        return []
    column = read_file(run.settings).values.get("data.group_column")
    if column is None or column not in samples.frame.columns:
        return []
    return [
        f"the run's images were grouped by '{column}', and these have that column too; with "
        f"data.group_column={column} the intervals go by its groups"
    ]


def as_the_run_reads(run: RunDir, data: DataSettings) -> DataSettings:
    """The settings, labels in a table's cells divided as the run's were, where nothing is said."""
    if data.label_separator != "auto" or not Path(data.source).is_file():
        return data
    own = read_file(run.settings).values.get("data.label_separator", "auto")
    return data.model_copy(update={"label_separator": own})


def take_in(
    data: DataSettings, info: BundleInfo, console: Console
) -> tuple[Samples, tuple[str, ...], tuple[str, ...]]:
    """The images that can be read, all as a test, and what is to be said of them.

    Between the two, of several labels those that a table says nothing of, which no figure is of.

    Raises DataError where none is of a class that the model knows, or one has several labels.
    """
    data = data.model_copy(update={"task": info.task})
    listing = listed_of(data, known=info.classes)
    facts = scanned(listing.samples, console)
    listing = replace(listing, samples=with_known_labels(listing.samples, info.classes))
    samples, left_out = readable(data, listing, facts)
    unlabelled = samples.task.several and not samples.classes  # none of the labels is an answer
    if not unlabelled and not set(samples.classes) & set(info.classes):
        raise DataError(
            f"{data.source}: none of its classes ({listed(samples.classes)}) is known to the "
            f"model, which has {listed(info.classes)}; name the classes as it does"
        )
    notes = [*listing.notes, *left_out_told(data, listing, facts, left_out)]
    if listing.unsaid:
        them = "it" if len(listing.unsaid) == 1 else "them"
        notes.append(
            f"{data.source}: has no column for {listed(listing.unsaid)}, so nobody knows which "
            f"images have {them}, and the figures are of the other labels"
        )
    if info.spec.words:
        notes += told_of_captions(samples.frame["caption"].to_list(), data.source)
    return samples.with_splits(["test"] * len(samples)), listing.unsaid, tuple(notes)


def figures_of_new(predictions: Predictions, info: BundleInfo, levels: Sequence[float]) -> Figures:
    """Every figure with its interval, and what the images say of when not to answer."""
    least = in_order(info.thresholds, predictions.classes)
    own = figures(predictions, temperature=info.temperature, thresholds=least, with_intervals=True)
    return with_cautions({"test": own}, {"test": predictions}, info, levels)["test"]


def look(opened: Opened, samples: Samples, run: RunDir, console: Console) -> Predictions:
    """What the network says of each image, with its own classes in its own order.

    With how far it is from the training images, where the run can tell that.
    """
    check = check_of(opened.info, run.path)
    rows = samples.rows("test")
    open_files(samples)
    workers = loaders() if len(rows) >= MANY else 0
    images = Images(samples, opened.info.classes, opened.info.spec)
    batches = Batches(images, rows, batch_size=BATCH, seed=None, workers=workers)
    with console.bar("predicting", len(rows)) as bar:
        if isinstance(check, str):
            logits, far = opened.logits(batches, bar.advance), None
        else:
            logits, far = opened.look(batches, check.far, bar.advance)
    about = {"classes": opened.info.classes, "model": run.name, "distances": far}
    return Predictions.of(samples, rows, logits, **about)


def trained_on(run: RunDir, images: pl.DataFrame) -> int:
    """How many of these rows of samples the run was trained or validated on, by content."""
    if not run.samples.is_file():
        return 0
    own = Samples.read(run.samples).frame.filter(pl.col("split").is_in(["train", "val"]))
    return images.filter(pl.col("hash").is_in(own["hash"].to_list())).height


def unknown_sentence(
    unknown: Sequence[Unknown], samples: Samples, classes: Sequence[str]
) -> list[str]:
    """What to say of images whose class the model does not know, and of a name that is near.

    "12 images of 'violet' (7) and 'mauve' (5), which the model does not know, are out of the
    figures; 9 of them are told unlike the training images"
    """
    if not unknown:
        return []
    images = sum(each.images for each in unknown)
    names = listed(each.name for each in unknown)
    for each in unknown if len(unknown) > 1 else ():
        names = names.replace(f"'{each.name}'", f"'{each.name}' ({each.images})")
    near = {
        each.name: [
            name
            for name in classes
            if name not in samples.classes or folded(name) == folded(each.name)
        ]
        for each in unknown
    }
    hints = [nearest(name, known).replace("?", f" by '{name}'?") for name, known in near.items()]
    hint = next(filter(None, hints), "")
    if samples.task.several:
        told = "label that the model does not know" if len(unknown) == 1 else "labels that it lacks"
        return [f"{names}: {told}, so the figures are of the others alone{hint}"]
    return [
        f"{counted(images, 'image')} of {names}, which the model does not know, "
        f"{'is' if images == 1 else 'are'} out of the figures{_flagged_words(unknown)}{hint}"
    ]


def _flagged_words(unknown: Sequence[Unknown]) -> str:
    """How many of the images are told unlike; "" where nothing tells it."""
    counts = [each.unlike for each in unknown if each.unlike is not None]
    if not counts:
        return ""
    flagged, images = sum(counts), sum(each.images for each in unknown)
    if images == 1:
        return f"; it is {'' if flagged else 'not '}told unlike the training images"
    is_are = "are" if flagged > 1 else "is"
    return f"; {flagged or 'none'} of them {is_are} told unlike the training images"


def keep(run: RunDir, found: Evaluated, metrics: Metrics) -> RunDir:
    """Everything in a new folder of the run's evaluations, the manifest last. -> the folder"""
    folder = rundir.create(str(run.evaluations), None, found.name)
    try:
        about = {"notes": list(found.notes)}
        write_whole(folder.samples, lambda draft: found.samples.write(draft, about))
        found.predictions.write(folder.predictions, found.temperature, run.read_thresholds())
        metrics.write(folder.metrics)
        write_page(found, folder.report)
        folder.write_manifest({"evaluation_of": run.name, **metrics.about.to_json()})
    except BaseException:
        rundir.remove(folder)
        raise
    return folder
