"""What an evaluation found: the figures of some images, said on the screen and drawn on a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fieldmark.console import Console
from fieldmark.errors import RunError, SettingsError, counted, writing
from fieldmark.files import write_text
from fieldmark.judge.by import By
from fieldmark.judge.selective import Curve
from fieldmark.records import Predictions, Samples
from fieldmark.report.figure_words import by_lines, by_warnings, figure_lines
from fieldmark.rundir import RunDir
from fieldmark.settings.texts import read_yaml

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
    figures: by split; of new images only "test", and beside it the run's own "val".
    predictions, samples: of what is shown. banner: what spoils the figures, if anything does.
    answers: of the bundle, what `predict --abstain` goes by. notes: sentences to know.
    """

    title: str
    data: str
    side: str
    name: str
    figures: dict[str, dict[str, Any]]
    predictions: Predictions
    samples: Samples
    temperature: float
    calibration: dict[str, Any] | None
    answers: Curve
    by: By
    about: dict[str, Any]
    command: str
    unknown: tuple[Unknown, ...] = ()
    banner: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether these are images that are not the run's own."""
        return self.name != self.side

    @property
    def shown(self) -> dict[str, Any]:
        """The figures of what is shown; {} where there are none."""
        return self.figures.get(self.side, {})

    @property
    def warnings(self) -> list[str]:
        """Values of a column that lie wholly below all images."""
        return by_warnings(self.by, self.shown.get("accuracy"))


def tell(found: Evaluated, sides: Sequence[tuple[str, str]], console: Console) -> None:
    """The figures of the splits, given as (split, what it is called), and tables by column."""
    for side, name in sides:
        lines = figure_lines(side, found.figures[side], found.calibration, name=name)
        console.say("\n".join(lines))
    for column, by_value in found.by.items():
        console.say("\n".join(["", *by_lines(column, found.name, by_value)]))
    if found.by:
        console.say()
    for sentence in filter(None, (*found.warnings, found.banner, *found.notes)):
        console.warn(sentence)


def write_page(found: Evaluated, path: Path) -> None:
    """The page, whole or not at all, in a folder that is made if it lacks. Raises DiskError."""
    from fieldmark.reviews.evaluation_page import page_of  # pictures and charts, only where wanted

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page_of(found))


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


def settings_of(run: RunDir) -> dict[str, Any]:
    """What settings.yaml says under `data`. Raises RunError where it cannot be read."""
    try:
        text = run.settings.read_text(encoding="utf-8")
        return dict(read_yaml(text, str(run.settings)).get("data") or {})
    except (OSError, UnicodeDecodeError, SettingsError, TypeError, ValueError) as error:
        raise RunError(f"{run.settings}: cannot be read ({error}); copy the run again") from error
