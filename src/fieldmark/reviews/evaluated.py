"""What an evaluation found: the figures of some images, and how they are said on the screen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fieldmark.console import Console
from fieldmark.errors import DataError, RunError, counted
from fieldmark.judge.calibrate import Curve
from fieldmark.metrics_json import Metrics
from fieldmark.records import Predictions, Samples
from fieldmark.report.figure_lines import by_lines, by_warnings, figure_lines
from fieldmark.rundir import RunDir

MOST_TAKEN = 3  # classes that are named, of those that an unknown one is taken for


@dataclass(frozen=True)
class Asked:
    """What the user asked for: columns to go by, where to put the page, and in what words."""

    by: tuple[str, ...] = ()
    page: Path | None = None
    command: str = ""


@dataclass(frozen=True)
class Unknown:
    """A class that the model does not know: its images, and what they are taken for most."""

    name: str
    images: int
    taken: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Evaluated:
    """What was found, of the stored splits or of new images.

    title: whose figures. side: the split that is shown, "test" or "val". name: what it is called.
    metrics: by split; new images stand under "test", and beside them the run's own "val". They
    are about the evaluation, or, of images that are the run's own, about its training.
    predictions, samples: of what is shown. banner: what spoils the figures, if anything does.
    answers: of the bundle, what `predict --abstain` goes by. notes: sentences to know.
    """

    title: str
    data: str
    side: str
    name: str
    metrics: Metrics
    predictions: Predictions
    samples: Samples
    temperature: float
    answers: Curve
    command: str
    unknown: tuple[Unknown, ...] = ()
    banner: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether these are images that are not the run's own."""
        return self.name != self.side

    @property
    def warnings(self) -> list[str]:
        """Values of a column that lie wholly below all images."""
        shown = self.metrics.sides.get(self.side)
        return by_warnings(self.metrics.by or {}, shown["accuracy"] if shown else None)


def shown_side(path: str, predictions: Predictions, lacks: str) -> str:
    """The split that a run, or an evaluation of one, is shown by: the test, or else validation.

    Raises RunError where it kept no images for either, so that it `lacks` something, DataError
    where no image's class is known.
    """
    side = next((each for each in ("test", "val") if len(predictions.of_split(each))), None)
    if side is None:
        raise RunError(
            f"{path}: kept no images for validation or test, so {lacks}; "
            f"evaluate it on labelled images: fieldmark evaluate {path} DATA"
        )
    if not predictions.of_split(side).known.any():
        file = RunDir(Path(path)).predictions
        raise DataError(f"{file}: no image's class is known; evaluate it on others")
    return side


def tell(found: Evaluated, console: Console) -> None:
    """The figures of new images, or of all splits of the run's own, and tables by column."""
    metrics = found.metrics
    for side in [found.side] if found.is_new else metrics.sides:
        name = found.name if found.is_new else side
        lines = figure_lines(side, metrics.sides[side], metrics.calibration, name=name)
        console.say("\n".join(lines))
    for column, by_value in (metrics.by or {}).items():
        console.say("\n".join(["", *by_lines(column, found.name, by_value)]))
    if metrics.by:
        console.say()
    for sentence in filter(None, (*found.warnings, found.banner, *found.notes)):
        console.warn(sentence)


def unknown_classes(samples: Samples, predictions: Predictions) -> tuple[Unknown, ...]:
    """The classes of the samples that the model does not know, the largest first.

    predictions: of the same images.
    """
    truths = predictions.frame["truth"].list.first().to_list()
    guessed = predictions.task.decide(predictions.logits, None)
    found = []
    for name in [name for name in samples.classes if name not in predictions.classes]:
        rows = np.flatnonzero([truth == name for truth in truths])
        counts = np.bincount(guessed[rows] + 1, minlength=len(predictions.classes) + 1)[1:]
        order = np.argsort(-counts, kind="stable")[:MOST_TAKEN]
        taken = tuple((predictions.classes[k], int(counts[k])) for k in order if counts[k])
        found.append(Unknown(name, len(rows), taken))
    return tuple(sorted(found, key=lambda each: -each.images))


def training_sentence(known: int, images: int) -> str:
    """What to say where images took part in training; "" where none did."""
    if not known:
        return ""
    return (
        f"{counted(known, 'image')} of these {images} took part in training, so the figures "
        "flatter; evaluate on images that did not"
    )
