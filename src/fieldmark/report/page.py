"""A run's report: one HTML file without network. It draws what it is given, computes nothing."""

import base64
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fieldmark.report import words
from fieldmark.report.confusion import cells, data_address, pairs, picture
from fieldmark.report.curves import curves, stage_changes
from fieldmark.report.dots import Dots, dots

TEMPLATES = Path(__file__).parent / "templates"
TABLE_MOST = 30  # classes; above, the confusion matrix is a picture
WIDE_NAME = 12  # letters; longer names wrap, and their column stays in sight on a phone
SMALL = 64  # pixels; an image below this is enlarged with hard edges
KEY_FIGURES = {
    "accuracy": "share of the images that are classified rightly",
    "balanced_accuracy": "mean recall of the classes; each class counts the same",
    "macro_f1": "mean F1 of the classes; misses and false alarms both lower it",
    "roc_auc": "how well the scores rank the right class; 0.5 is chance, 1 perfect",
    "log_loss": "how far the scores are from the truth; 0 is perfect",
}


@dataclass(frozen=True)
class Picture:
    """A thumbnail for the gallery of mistakes; scores are in 0..1."""

    png: bytes  # an encoded image, of the type `mime`
    mime: str
    caption: str
    truth: str
    guess: str
    score: float  # of the guess
    truth_score: float


@dataclass(frozen=True)
class RunPage:
    """Everything that the page says. What is None or missing is shown as an en dash."""

    title: str
    status: str  # "done", or a sentence such as "stopped after epoch 3 of 20"
    data: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]  # class -> {split: images}
    figures: dict[str, dict[str, Any]]  # "val", "test" -> what metrics.json holds of it
    history: list[dict[str, float]]  # the rows of history.csv
    best_epoch: int | None
    monitor: str
    mistakes: tuple[Picture, ...]
    model: dict[str, Any]  # name, parameters, trainable, megabytes, input, weights
    settings: str  # YAML
    command: str
    about: dict[str, str]  # versions, machine, seed, seconds, finished, precision, device
    notes: tuple[str, ...]
    # heads that were tried on the same features: head, lr, seed, best_epoch, kept, val_accuracy,
    # val_loss
    trials: tuple[dict[str, Any], ...] = ()


FILTERS: dict[str, Any] = {
    "capital": words.capital,
    "count": words.count,
    "decimal": words.decimal,
    "figure": words.figure,
    "interval": words.interval,
    "is_share": words.is_share,
    "metric_name": words.metric_name,
    "percent": words.percent,
    "quoted": words.quoted,
    "rate": "{:g}".format,
    "kept": lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%"),  # on one line with its number
    "sort_key": lambda value: value if words.defined(value) else "",
    "markup": Markup,
}
WORDS = {
    "images": words.images,
    "missing": words.MISSING,
    "no_test_sentence": words.no_test_sentence,
    "split_words": words.SPLIT_WORDS,
    "task": words.task,
}


def render(page: RunPage) -> str:
    """The whole HTML text. The same page gives the same text; it is safe to write as UTF-8."""
    split = next((name for name in ("test", "val") if page.figures.get(name)), None)
    figures = page.figures[split] if split else {}
    template = environment().get_template("page.html")
    text = template.render(
        page=page,
        split=split,
        figures=figures,
        headline=words.headline(split, figures),
        dots=_dots(figures),
        key_figures=list(_key_figures(page, split)),
        facts=_facts(page),
        totals=_totals(page.counts),
        wide_names=max(map(len, page.classes), default=0) > WIDE_NAME,
        curves=curves(page.history, page.monitor, page.best_epoch),
        stage_changes=stage_changes(page.history),
        monitor=words.metric_words(page.monitor.removeprefix("val_")),
        confusion=_confusion(page.classes, figures),
        gallery=[(shown, *_image(shown)) for shown in page.mistakes],
        about=about_words(page.about),
        **style_and_script(),
    )
    return text.encode("utf-8", "replace").decode()  # file names may hold bytes of no encoding


@cache
def environment() -> Environment:
    """The templates with the words they use; all pages share it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.tests["known"] = words.defined
    environment.globals.update(WORDS)
    return environment


def style_and_script() -> dict[str, str]:
    """Both go into the page as they are; no script but the one of this hash may run in it."""
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    return {
        "style": Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def _dots(figures: dict[str, Any]) -> Dots | None:
    """A dot an image of the shown split; None where there is none.

    What is not on the diagonal is wrong, and so are images that got no guess at all: these are
    among the n, but in no column of the matrix.
    """
    if not figures.get("n") or not figures.get("confusion"):
        return None
    right = int(np.trace(figures["confusion"]))
    return dots(right, figures["n"] - right)


def _key_figures(page: RunPage, split: str | None) -> Iterator[dict[str, Any]]:
    """The large figures: value and interval of the shown split, validation beside the test."""
    if split is None:
        return
    shown = page.figures[split]
    beside = page.figures.get("val", {}) if split == "test" else {}
    for metric, meaning in KEY_FIGURES.items():
        if metric in shown:
            yield {
                "metric": metric,
                "meaning": meaning,
                "value": shown[metric],
                "interval": (shown.get("intervals") or {}).get(metric),
                "val": beside.get(metric),
            }


def _facts(page: RunPage) -> dict[str, str]:
    """What a reader asks first, in words; what is not known is left out."""
    model, about = page.model, page.about
    facts = {
        "Task": f"{words.capital(words.task(page.classes))}, one label an image",
        "Trained on": page.data,
        "Images": _image_fact(page.counts),
        "Model": _joined(model.get("name"), model.get("weights")),
        "Parameters": _parameter_fact(model),
        "Size": f"{model['megabytes']:.3g} MB" if words.defined(model.get("megabytes")) else "",
        "Input": str(model.get("input") or ""),
        "Hardware": _joined(about.get("device"), about.get("machine")),
        "Time": words.duration(about["seconds"]) if about.get("seconds") else "",
    }
    return {name: text for name, text in facts.items() if text}


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)


def _image_fact(counts: dict[str, dict[str, int]]) -> str:
    sums = _totals(counts)
    parts = ", ".join(f"{words.count(n)} {words.SPLIT_WORDS[split]}" for split, n in sums.items())
    return f"{words.count(sum(sums.values()))}: {parts}"


def _totals(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    return {split: sum(row.get(split, 0) for row in counts.values()) for split in words.SPLIT_WORDS}


def _parameter_fact(model: dict[str, Any]) -> str:
    total, trainable = model.get("parameters"), model.get("trainable")
    if not words.defined(total):
        return ""
    if trainable == total or not words.defined(trainable):
        return f"{words.size(total)}" + (", all trained" if trainable == total else "")
    return f"{words.size(total)}, {words.size(trainable)} of them trained"


def _confusion(classes: tuple[str, ...], figures: dict[str, Any]) -> dict[str, Any] | None:
    """The matrix as a table, or as a picture above TABLE_MOST classes; the pairs in any case."""
    if not figures.get("confusion"):
        return None
    matrix = np.array(figures["confusion"], dtype=np.int64)
    as_table = len(classes) <= TABLE_MOST
    return {
        "cells": cells(matrix, classes) if as_table else None,
        "picture": None if as_table else picture(matrix),
        "pairs": pairs(matrix, classes, most=6 if as_table else 15),
        "upright": max(map(len, classes)) > 4 and len(classes) > 4,
        "roomy": len(classes) <= 4,
        "dense": len(classes) > 14,
    }


def _image(shown: Picture) -> tuple[str, bool]:
    """The thumbnail's address, and whether it is so small that its pixels are to be seen."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(shown.png)) as image:
            small = max(image.size) < SMALL
    except UnidentifiedImageError:
        small = False
    return data_address(shown.png, shown.mime), small


def about_words(about: dict[str, str]) -> dict[str, str]:
    """The list of versions and circumstances, with time and date in words."""
    readers = {"seconds": words.duration, "finished": words.moment}
    names = {"seconds": "Time"}
    return {
        names.get(key, words.metric_name(key)): readers.get(key, str)(value)
        for key, value in about.items()
        if value
    }
