"""What an evaluation found: the figures of some images, on the screen and as a page."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fieldmark.console import Console, duration
from fieldmark.errors import counted, writing
from fieldmark.files import write_text
from fieldmark.insight.galleries import Galleries, LabelGalleries, galleries, label_galleries
from fieldmark.insight.label_names import ShownNames
from fieldmark.judge.calibrate import Curve, curve_of
from fieldmark.judge.cautions import LEVELS, told_unlike, without_unlike
from fieldmark.judge.metrics import Shown, prominent
from fieldmark.metrics_json import Figures, Metrics
from fieldmark.models.bundle_info import Unlike
from fieldmark.records import Predictions, Samples
from fieldmark.report import words
from fieldmark.report.caution_words import caution_lines, caution_part
from fieldmark.report.figure_lines import by_lines, by_warnings, figure_lines
from fieldmark.report.labels import labels_part
from fieldmark.report.measures import NONE, measured
from fieldmark.report.named import named_metrics, named_predictions
from fieldmark.report.reliability import calibration_part
from fieldmark.report.skeleton import about_texts, about_words, render_page

MOST_TAKEN = 3  # classes that are named, of those that an unknown one is taken for


@dataclass(frozen=True)
class Asked:
    """What the user asked for: columns to go by, where to put the page, in what words, and the
    level of sets of classes."""

    by: tuple[str, ...] = ()
    page: Path | None = None
    command: str = ""
    sets: float | None = None

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of sets that are measured."""
        return LEVELS if self.sets is None else (self.sets,)


@dataclass(frozen=True)
class Unknown:
    """A class that the model does not know: its images, and what they are taken for most.

    unlike: how many of them are told unlike the training images; None where nothing tells it.
    """

    name: str
    images: int
    taken: tuple[tuple[str, int], ...]
    unlike: int | None = None


@dataclass(frozen=True)
class Evaluated:
    """What was found, of the stored splits or of new images.

    title: whose figures. side: the split that is shown, "test" or "val". name: what it is called.
    metrics: by split; new images stand under "test", and beside them the run's own "val". They
    are about the evaluation, or, of images that are the run's own, about its training.
    predictions, samples: of what is shown. banner: what spoils the figures, if anything does.
    answers, unlike: of the bundle, what `predict --abstain` goes by. notes: sentences to know.
    names: what the labels are called on the screen and on the page; all else has the labels.
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
    thresholds: np.ndarray | None = None  # (C,), of several labels
    names: ShownNames = field(default_factory=ShownNames)
    unlike: Unlike | None = None

    @property
    def is_new(self) -> bool:
        """Whether these are images that are not the run's own."""
        return self.name != self.side

    @property
    def warnings(self) -> list[str]:
        """Values of a column that lie wholly below all images."""
        return by_warnings(self.metrics.by or {}, self.metrics.sides.get(self.side))


def tell(found: Evaluated, console: Console) -> None:
    """The figures of new images, or of all splits of the run's own, and tables by column."""
    found = _as_shown(found)
    metrics = found.metrics
    if found.banner:  # before the figures that it spoils
        console.warn(found.banner)
    for side in [found.side] if found.is_new else metrics.sides:
        name = found.name if found.is_new else side
        lines = figure_lines(side, metrics.sides[side], metrics.calibration, name=name)
        console.say("\n".join([*lines, *caution_lines(metrics.sides[side])]))
    for column, by_value in (metrics.by or {}).items():
        console.say("\n".join(["", *by_lines(column, found.name, by_value)]))
    if metrics.by:
        console.say()
    for sentence in filter(None, (*found.warnings, *found.notes)):
        console.warn(sentence)


def _as_shown(found: Evaluated) -> Evaluated:
    """The same, of labels that are called by their names; images of classes that the model does
    not know are left to the note that names these."""
    names, metrics = found.names, found.metrics
    if found.side in metrics.sides and not found.predictions.task.several:
        own = metrics.sides[found.side]
        left = own.unknown - sum(each.images for each in found.unknown)
        metrics = replace(metrics, sides={**metrics.sides, found.side: replace(own, unknown=left)})
    unknown = (
        replace(each, taken=tuple((names.shown(name), count) for name, count in each.taken))
        for each in found.unknown
    )
    return replace(
        found,
        metrics=named_metrics(metrics, names),
        predictions=named_predictions(found.predictions, names),
        unknown=tuple(unknown),
        names=ShownNames(),
    )


def unknown_classes(
    samples: Samples, predictions: Predictions, unlike: Unlike | None, temperature: float
) -> tuple[Unknown, ...]:
    """The classes of the samples that the model does not know, the largest first.

    predictions: of the same images. unlike, temperature: of the bundle.
    """
    unknown = [name for name in samples.classes if name not in predictions.classes]
    if predictions.task.several:  # of these images each other label is answered all the same
        has = predictions.frame["truth"].explode().to_list()
        return tuple(Unknown(name, has.count(name), ()) for name in unknown)
    flags = told_unlike(predictions, unlike, temperature)
    truths = predictions.frame["truth"].list.first().to_list()
    guessed = predictions.task.decide(predictions.logits, None)
    found = []
    for name in unknown:
        rows = np.flatnonzero([truth == name for truth in truths])
        counts = np.bincount(guessed[rows] + 1, minlength=len(predictions.classes) + 1)[1:]
        order = np.argsort(-counts, kind="stable")[:MOST_TAKEN]
        taken = tuple((predictions.classes[k], int(counts[k])) for k in order if counts[k])
        found.append(
            Unknown(name, len(rows), taken, None if flags is None else int(flags[rows].sum()))
        )
    return tuple(sorted(found, key=lambda each: -each.images))


def training_sentence(known: int, images: int) -> str:
    """What to say where images took part in training; "" where none did."""
    if not known:
        return ""
    return (
        f"{counted(known, 'image')} of these {images} took part in training, so the figures "
        "flatter; evaluate on images that did not"
    )


OF_TRAINING = {"finished": "Trained", "seconds": "Training"}
NEW, KNOWN = "new", "labelled"  # what images are called that are not, or partly, the run's own


def write_page(found: Evaluated, path: Path) -> None:
    """The page, whole or not at all, in a folder that is made if it lacks. Raises DiskError.

    Images that cannot be read any more are told among the notes.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    found = _as_shown(found)
    shown, samples, temperature = found.predictions, found.samples, found.temperature
    if shown.task.several:
        labels = label_galleries(
            shown, samples, temperature=temperature, thresholds=found.thresholds
        )
        write_text(path, render(found, Galleries(), labels=labels))
        return
    like = without_unlike(shown, found.unlike, temperature)
    tested = curve_of(like, temperature) if found.side == "test" else ()
    write_text(path, render(found, galleries(shown, samples, temperature=temperature), tested))


def render(
    found: Evaluated,
    pictures: Galleries,
    tested: Curve = (),
    labels: LabelGalleries | None = None,
) -> str:
    """The whole HTML text. The same values give the same text; it is safe to write as UTF-8.

    tested: what is answered and right by score, of a "test" that is shown.
    """
    metrics, classes = found.metrics, found.predictions.classes
    figures = metrics.sides.get(found.side, NONE)
    own = {"test": KNOWN if found.banner else NEW} if found.is_new else {}
    names = {**words.SPLIT_WORDS, **own}
    curves = {"val": found.answers, "test": tested}
    texts = about_texts(metrics.about, samples=metrics.about.samples_hash)
    task = metrics.of_task
    values = {
        **measured(classes, metrics.sides, found.side if found.side in metrics.sides else None),
        "found": found,
        "title": found.title,
        "classes": classes,
        "headline": words.headline(names[found.side], figures, metrics.of_task),
        "facts": _facts(found, figures, texts),
        "calibrated": calibration_part(metrics.sides, metrics.calibration, curves, names=names),
        "caution": caution_part(metrics.sides, names=names),
        "by": metrics.by or {},
        "by_metrics": {
            k: row for k, row in prominent(Shown.COLUMN, task).items() if k != task.metric
        },
        "pictures": pictures,
        "labels": labels,
        "of_labels": labels_part(classes, figures),
        "notes": (*found.warnings, *found.notes, *pictures.notes),
        "typed": found.command,
        "about": about_words(texts, **({} if found.is_new else OF_TRAINING)),
        # the sections of the run report, in the words of this page
        "split_words": names,
        "images": lambda n, split="": words.images(n, names.get(split) or split),
    }
    return render_page(
        "evaluate.html", values, sheets=("calibration.css", "heat.css", "evaluate.css")
    )


def _facts(found: Evaluated, figures: Figures, texts: dict[str, str]) -> dict[str, str]:
    """What a reader asks first, in words; what is not known is left out."""
    classes, calibration = found.predictions.classes, found.metrics.calibration
    facts = {
        "Model": found.title,
        "Task": words.task_fact(classes, found.metrics.of_task),
        "Looked at": found.data,
        "Images": words.count(figures.n),
        "Classes here": f"{len(classes) - len(figures.absent)} of {len(classes)}",
        "Groups": words.count(figures.groups) if figures.groups else "",
        "Temperature": words.decimal(calibration.temperature, 2) if calibration else "",
        "Hardware" if found.is_new else "Trained with": ", ".join(
            filter(None, map(texts.get, ("device", "machine")))
        ),
        "Time" if found.is_new else "Training": duration(float(texts["seconds"]))
        if "seconds" in texts
        else "",
    }
    return {name: text for name, text in facts.items() if text}
