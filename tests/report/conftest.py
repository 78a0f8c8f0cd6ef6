import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from barecharts import drawn_charts
from pictures import encoded
from PIL import Image

from fieldmark.data.intake import Dataset
from fieldmark.insight.answered import Picture
from fieldmark.insight.galleries import Galleries
from fieldmark.metrics_json import About, Answer, Bin, ClassFigures, Figures, Metrics
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import InputSpec, Samples
from fieldmark.report.findings import with_pictures
from fieldmark.report.page import RunPage

ROW = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "roc_auc": None, "average_precision": 0.925}
BOUNDS = {
    "precision": (0.587, 0.981),
    "recall": (0.596, 0.982),
    "f1": (0.66, 0.97),
    "roc_auc": (None, None),
    "average_precision": (0.71, 0.985),
}


def figures_of(classes: tuple[str, ...], *, test: bool) -> Figures:
    """Ten images a class; of each class but the last, one is taken for the next."""
    n = len(classes)
    confusion = [[0] * n for _ in classes]
    for i in range(n):
        confusion[i][i] = 10
        if i + 1 < n:
            confusion[i][i], confusion[i][i + 1] = 9, 1
    accuracy = (9 * n + 1) / (10 * n)
    row = ClassFigures(10, ROW, BOUNDS if test else {})
    return Figures(
        n=10 * n,
        values={
            "accuracy": accuracy,
            "balanced_accuracy": accuracy,
            "macro_f1": 0.9,
            "roc_auc": None,
            "mcc": 0.901,
            "log_loss": 0.25,
        },
        intervals={"accuracy": (0.8, 0.96)} if test else {},
        per_class=dict.fromkeys(classes, row),
        confusion=confusion,
    )


def calibrated(figures: Figures) -> Figures:
    """The same figures with what the section on calibration draws."""
    accuracy = figures["accuracy"] or 0.0
    one_bin = Bin(low=0.8, high=0.9, n=figures.n, confidence=0.85, accuracy=accuracy)
    return replace(figures, reliability=(one_bin,), answers=(Answer(0.5, 1.0, accuracy),))


def changed(page: RunPage, side: str = "test", **values: Any) -> RunPage:
    """The page with other figures of a side; a metric's value by its name."""
    figures = page.metrics.sides[side]
    metrics = {name: values.pop(name) for name in list(values) if name in figures.values}
    figures = replace(figures, **values, values=figures.values | metrics)
    return replace(page, metrics=replace(page.metrics, sides=page.metrics.sides | {side: figures}))


def with_class(page: RunPage, name: str, values: Any, intervals: Any = None) -> RunPage:
    """The page with other figures of one class on the test."""
    rows = page.metrics.sides["test"].per_class
    row = rows[name]
    changes = {"values": row.values | values, "intervals": row.intervals | (intervals or {})}
    return changed(page, per_class=rows | {name: replace(row, **changes)})


def history_of(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "seconds": 0.5,
            "lr": 0.001 * (1 - epoch / (epochs + 1)),
            "train_loss": 2 / epoch,
            "val_loss": 2.2 / epoch,
            "train_macro_f1": 1 - 0.8 / epoch,
            "val_macro_f1": 1 - 0.9 / epoch if epoch != 2 else math.nan,
        }
        for epoch in range(1, epochs + 1)
    ]


def picture_of(truth: str = "1", guess: str = "2", side: int = 8) -> Picture:
    content = encoded(Image.new("L", (side, side), 90))
    return Picture("digits", 7, truth, guess, 0.93, 0.04, content, "image/png")


@pytest.fixture(scope="module", autouse=True)
def _drawn() -> Iterator[None]:
    """Here charts are looked at."""
    with drawn_charts():
        yield


@pytest.fixture
def picture() -> Callable[..., Picture]:
    return picture_of


@pytest.fixture
def history() -> Callable[[int], list[dict[str, float]]]:
    return history_of


SETTINGS = """data:
  source: digits
model:
  name: small
  weights: a.pth
augment:
  by: image
train:
  monitor: macro_f1
  figures: []
  stages: []
run:
  precision: float32
  workers: 2
  device: cpu
"""


COUNTS = {"train": 70, "val": 15, "test": 10}


def samples_of(classes: tuple[str, ...], counts: dict[str, int]) -> Samples:
    """So many images of each class by split."""
    rows = [(name, side) for name in classes for side, n in counts.items() for _ in range(n)]
    return Samples.from_columns(
        {
            "path": [str(k) for k in range(len(rows))],
            "labels": [[name] for name, _ in rows],
            "split": [side for _, side in rows],
        }
    )


def run_page_of(classes: tuple[str, ...] = ("1", "2", "3"), **given: Any) -> RunPage:
    """A run's page. Beside its own fields: sides, about and told by name, and galleries'."""
    about = {
        "seconds": 83.2,
        "finished": "2026-03-01T14:05:09",
        "versions": {"fieldmark": "0.1.0"},
        "best_epoch": 4,
        "parameters": 38_282,
        "trained": 38_282,
    } | given.pop("about", {})
    sides = {split: figures_of(classes, test=split == "test") for split in ("val", "test")}
    sides, told = given.pop("sides", sides), given.pop("told", {})
    metrics = Metrics("single-label", classes, sides, about=About(**about))
    shown = ("mistakes", "hits", "pairs", "ordinary")
    pictures = {"mistakes": (picture_of(),)}
    pictures |= {name: given.pop(name) for name in shown if name in given}
    data = Dataset(samples_of(classes, given.pop("counts", COUNTS)), **told)
    facts: dict[str, Any] = {
        "title": "digits-small-1",
        "command": "fieldmark train digits --model small",
        "settings": SETTINGS,
        "metrics": metrics,
        "history": history_of(5),
        "data": data,
        "findings": with_pictures(data.findings, data.samples),
        "info": BundleInfo("small", classes, InputSpec("square:8", 8)),
        "tested": (),
        "pictures": Galleries(**pictures),
    }
    return RunPage(**(facts | given))


@pytest.fixture
def make_page() -> Callable[..., RunPage]:
    return run_page_of


PATIENCE = 30_000  # ms; a machine may be busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without which the test is skipped, unless FIELDMARK_BROWSER=required."""
    chromium = shutil.which("chromium")
    if chromium is None and os.environ.get("FIELDMARK_BROWSER") != "required":
        pytest.skip("there is no chromium on this machine")
    from playwright.sync_api import expect, sync_playwright

    assert chromium, "FIELDMARK_BROWSER=required, and there is no chromium on this machine"
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[[Path, int], Any]]:
    """Opens a page's file; what goes wrong while the test uses it fails the test."""
    wrong, tabs = [], []

    def go(file: Path, width: int) -> Any:
        tab = browser.new_page(viewport={"width": width, "height": 800})
        tabs.append(tab)
        tab.set_default_timeout(PATIENCE)
        tab.on("console", lambda message: wrong.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
        tab.on("request", lambda request: asked(request.url, file))
        tab.goto(file.as_uri())
        return tab

    def asked(address: str, file: Path) -> None:
        if address != file.as_uri() and not address.startswith("data:"):
            wrong.append(f"request: {address}")

    yield go
    for tab in tabs:
        tab.close()
    assert wrong == []
