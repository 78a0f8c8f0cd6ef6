"""What a tracker is told of a run: which one it is, its settings, a row an epoch, and its end."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldmark.metrics_json import Figures, Metrics
from fieldmark.report.figure_lines import figure_lines
from fieldmark.report.measures import picture
from fieldmark.rundir import RunDir
from fieldmark.settings.tree import Settings

Values = dict[str, float]
Rows = Sequence[tuple[int, Values]]  # epoch from 1, and its figures by name
Parameters = dict[str, bool | int | float | str]
SIDES = ("train_", "val_")


@dataclass(frozen=True)
class Subject:
    """The run as trackers know it. id: letters and digits, kept in the run folder."""

    run: RunDir
    id: str
    project: str
    entity: str | None
    group: str | None
    parameters: Parameters


@dataclass(frozen=True)
class End:
    """How a run came out.

    epochs: of all stages. values: the test's figures, with both ends of their intervals.
    words: the same to read. confusion: (H, W, 3) uint8, None where nothing was predicted.
    """

    epochs: int
    values: Values
    words: str
    confusion: np.ndarray | None


def parameters(settings: Settings) -> Parameters:
    """Every setting by its dotted name; what is no plain value as JSON, None as "none"."""
    return {
        f"{section}.{name}": _plain(value)
        for section, values in settings.model_dump().items()
        for name, value in values.items()
    }


def _plain(value: Any) -> bool | int | float | str:
    if value is None:
        return "none"
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def row_of(row: Mapping[str, float]) -> tuple[int, Values]:
    """An epoch of the history: `train_loss` is called train/loss; what is not finite is left out.

    Not every tracker can hold a nan, and none draws one.
    """
    named = {
        key.replace("_", "/", 1) if key.startswith(SIDES) else key: float(value)
        for key, value in row.items()
        if key != "epoch" and math.isfinite(value)
    }
    return int(row["epoch"]), named


def end_of(found: Metrics, epochs: int) -> End:
    """The end of a run from its metrics.json."""
    flipped = found.test_flip.sides if found.test_flip else {}
    views = {"test": found.sides.get("test"), "test_flip": flipped.get("test")}
    values = {
        f"{side}/{name}": value
        for side, each in views.items()
        if each is not None
        for name, value in _flat(each).items()
    }
    shown = "test" if "test" in found.sides else "val"
    figures = found.sides.get(shown)
    if figures is None:
        return End(epochs, values, "no image was kept for a test", None)
    lines = figure_lines(shown, figures, found.calibration)
    if figures.confusion is None:
        return End(epochs, values, "\n".join(lines), None)
    order = ", ".join(found.classes)
    lines.append(f"confusion of {shown}: rows truth, columns guess, in the order {order}")
    counts = np.array(figures.confusion)
    return End(epochs, values, "\n".join(lines), on_white(picture(counts)))


def _flat(figures: Figures) -> Values:
    """Numbers by name, and the ends of their intervals as NAME_low and NAME_high."""
    flat: dict[str, float | None]
    flat = {"n": figures.n, "unknown": figures.unknown, "no_guess": figures.no_guess}
    flat |= figures.values | {"groups": figures.groups}
    for name, (low, high) in figures.intervals.items():
        flat |= {f"{name}_low": low, f"{name}_high": high}
    return {name: value for name, value in flat.items() if value is not None}


def on_white(address: str) -> np.ndarray:
    """A see-through `data:` PNG on white ground. -> (H, W, 3) uint8"""
    from PIL import Image

    drawn = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA")
    ground = Image.new("RGBA", drawn.size, "white")
    return np.asarray(Image.alpha_composite(ground, drawn).convert("RGB"))
