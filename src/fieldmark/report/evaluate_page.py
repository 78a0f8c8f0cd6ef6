"""The page of `fieldmark evaluate`: how a run does on some images, one file without network."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from fieldmark.insight.pictures import PairShown, Picture
from fieldmark.judge.metrics import Shown, prominent
from fieldmark.report import words
from fieldmark.report.measures import WIDE_NAME, measured
from fieldmark.report.reliability import Curves, calibration_part
from fieldmark.report.skeleton import about_words, render_page
from fieldmark.report.thumbs import framed

OF_TRAINING = {"finished": "Trained", "seconds": "Training"}
NEW, KNOWN = "new", "labelled"  # what images are called that are not, or partly, the run's own


@dataclass(frozen=True)
class UnknownClass:
    """A class that the model does not know: its images, and what they are taken for most."""

    name: str
    images: int
    taken: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class EvaluatePage:
    """Everything that the page says.

    split: whose figures are shown, "test" or "val"; images that are not the run's own (`is_new`)
    stand under "test", and beside them the run's own "val". by: {column: {value: figures}}.
    answers: by score, of the run's "val" as in its bundle, and of a "test" that is shown, whole.
    banner: what spoils the figures, "" where nothing does. about: of the evaluation; of images
    that are the run's own, of its training.
    """

    title: str
    data: str
    split: str
    is_new: bool
    classes: tuple[str, ...]
    figures: dict[str, dict[str, Any]]
    calibration: dict[str, Any] | None
    answers: Curves
    by: dict[str, dict[str, dict[str, Any]]]
    mistakes: tuple[Picture, ...]
    hits: tuple[Picture, ...]
    pairs: tuple[PairShown, ...]
    unknown: tuple[UnknownClass, ...]
    banner: str
    notes: tuple[str, ...]
    command: str
    about: dict[str, str]


def render(page: EvaluatePage) -> str:
    """The whole HTML text. The same page gives the same text; it is safe to write as UTF-8."""
    figures = page.figures.get(page.split, {})
    split = page.split if figures else None
    names = {
        **words.SPLIT_WORDS,
        **({"test": KNOWN if page.banner else NEW} if page.is_new else {}),
    }
    values = {
        "page": page,
        **measured(page.classes, page.figures, split),
        "headline": words.headline(names[page.split], figures),
        "facts": _facts(page, figures),
        "calibrated": calibration_part(page.figures, page.calibration, page.answers, names=names),
        "by": [by_part(column, its, figures) for column, its in page.by.items()],
        "mistakes": framed(page.mistakes),
        "hits": framed(page.hits),
        "pairs": [(pair, framed(pair.taken), framed(pair.typical)) for pair in page.pairs],
        "about": about_words(page.about, **({} if page.is_new else OF_TRAINING)),
        # the sections of the run report, in the words of this page
        "split_words": names,
        "images": partial(_images, names),
    }
    return render_page("evaluate.html", values, sheets=("calibration.css", "evaluate.css"))


def by_part(
    column: str, by_value: dict[str, dict[str, Any]], overall: dict[str, Any]
) -> dict[str, Any]:
    """What by.html draws of one column: a row a value, those wholly below `overall` marked."""
    accuracy = overall.get("accuracy")
    others = {name: row for name, row in prominent(Shown.COLUMN).items() if name != "accuracy"}
    return {
        "column": column,
        "metrics": others,
        "rows": [
            {"name": name, "below": _is_below(found, accuracy), **found}
            for name, found in by_value.items()
        ],
        "overall": overall,
        "wide": max(map(len, by_value), default=0) > WIDE_NAME,
    }


def _is_below(found: dict[str, Any], accuracy: float | None) -> bool:
    """Whether the whole interval of the accuracy lies below that of all images."""
    high = ((found.get("intervals") or {}).get("accuracy") or (None, None))[1]
    return words.defined(high) and words.defined(accuracy) and high < accuracy


def _images(names: dict[str, str], n: int, split: str = "") -> str:
    return words.images(n, names.get(split, split))


def _facts(page: EvaluatePage, figures: dict[str, Any]) -> dict[str, str]:
    """What a reader asks first, in words; what is not known is left out."""
    here = len(page.classes) - len(figures.get("absent") or ())
    temperature = (page.calibration or {}).get("temperature")
    facts = {
        "Model": page.title,
        "Task": words.task_fact(page.classes),
        "Looked at": page.data,
        "Images": words.count(figures.get("n", 0)),
        "Classes here": f"{here} of {len(page.classes)}",
        "Groups": words.count(figures["groups"]) if figures.get("groups") else "",
        "Temperature": words.decimal(temperature, 2) if words.defined(temperature) else "",
        "Hardware" if page.is_new else "Trained with": ", ".join(
            filter(None, map(page.about.get, ("device", "machine")))
        ),
        "Time" if page.is_new else "Training": words.duration(page.about["seconds"])
        if page.about.get("seconds")
        else "",
    }
    return {name: text for name, text in facts.items() if text}
