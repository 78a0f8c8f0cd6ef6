import io
import math
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from fieldmark.insight.pictures import Picture
from fieldmark.report.page import RunPage


def figures_of(classes: tuple[str, ...], *, test: bool) -> dict[str, Any]:
    """Ten images a class; of each class but the last, one is taken for the next."""
    n = len(classes)
    confusion = [[0] * n for _ in classes]
    for i in range(n):
        confusion[i][i] = 10
        if i + 1 < n:
            confusion[i][i], confusion[i][i + 1] = 9, 1
    row = {
        "support": 10,
        "precision": 0.9,
        "recall": 0.9,
        "f1": 0.9,
        "roc_auc": None,
        "average_precision": 0.925,
    }
    bounds = {
        "precision": [0.587, 0.981],
        "recall": [0.596, 0.982],
        "f1": [0.66, 0.97],
        "roc_auc": [None, None],
        "average_precision": [0.71, 0.985],
    }
    intervals = {"intervals": bounds} if test else {}
    accuracy = (9 * n + 1) / (10 * n)
    figures = {
        "n": 10 * n,
        "accuracy": accuracy,
        "balanced_accuracy": accuracy,
        "macro_f1": 0.9,
        "roc_auc": None,
        "mcc": 0.901,
        "log_loss": 0.25,
        "per_class": dict.fromkeys(classes, row | intervals),
        "confusion": confusion,
        "absent": [],
        "unknown": 0,
    }
    return figures | ({"intervals": {"accuracy": [0.8, 0.96]}} if test else {})


def calibrated(figures: dict[str, Any]) -> dict[str, Any]:
    """The same figures with what the section on calibration draws."""
    n, accuracy = figures["n"], figures["accuracy"]
    one_bin = {"low": 0.8, "high": 0.9, "n": n, "confidence": 0.85, "accuracy": accuracy}
    answers = [{"score": 0.5, "share": 1.0, "accuracy": accuracy}]
    return figures | {"reliability": [one_bin], "answers": answers}


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
    buffer = io.BytesIO()
    Image.new("L", (side, side), 90).save(buffer, "PNG")
    return Picture(buffer.getvalue(), "image/png", "digits row 7", truth, guess, 0.93, 0.04)


@pytest.fixture
def picture() -> Callable[..., Picture]:
    return picture_of


@pytest.fixture
def history() -> Callable[[int], list[dict[str, float]]]:
    return history_of


def run_page_of(classes: tuple[str, ...] = ("1", "2", "3"), **changed: Any) -> RunPage:
    facts: dict[str, Any] = {
        "title": "digits-small-1",
        "status": "done",
        "data": "digits",
        "classes": classes,
        "counts": {name: {"train": 70, "val": 15, "test": 10} for name in classes},
        "figures": {split: figures_of(classes, test=split == "test") for split in ("val", "test")},
        "history": history_of(5),
        "best_epoch": 4,
        "monitor": "macro_f1",
        "mistakes": (picture_of(),),
        "model": {"name": "small", "parameters": 38_282, "trainable": 38_282, "input": "8x8"},
        "settings": "model:\n  name: small\n",
        "command": "fieldmark train digits --model small",
        "about": {"fieldmark": "0.1.0", "seconds": "83.2", "finished": "2026-03-01T14:05:09"},
        "notes": (),
    }
    return RunPage(**(facts | changed))


@pytest.fixture
def make_page() -> Callable[..., RunPage]:
    return run_page_of
