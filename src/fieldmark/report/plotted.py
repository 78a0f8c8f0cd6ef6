"""The curves of a run as a figure of matplotlib's, for whoever works in Python."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fieldmark.report.curves import FEW, Rows, drawing, monitored
from fieldmark.report.words import defined, is_share, metric_name

TRAIN, VAL = "#8a5a00", "#12706c"


class Chart(Figure):
    """A figure that a notebook shows by itself, whether or not pyplot is there."""

    def _repr_svg_(self) -> str:
        buffer = io.StringIO()
        self.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()


def plotted(history: Rows, monitor: str, best_epoch: int | None) -> Figure:
    """Loss and the monitored figure by epoch, a chart each, training and validation in it."""
    metric = monitored(history, monitor)
    names = ["loss", *([metric] if metric else [])]
    with drawing():
        found = Chart(figsize=(4.6 * len(names), 3.2), layout="constrained")
        charts: Sequence[Any] = found.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(charts, names, strict=True):
            _draw(axes, history, name, best_epoch)
    return found


def _draw(axes: Any, history: Rows, name: str, best_epoch: int | None) -> None:
    for side, color, words in (("train", TRAIN, "training"), ("val", VAL, "validation")):
        points = [
            (row.get("epoch", place), 100 * value if is_share(name) else value)
            for place, row in enumerate(history, 1)
            if defined(value := row.get(f"{side}_{name}"))
        ]
        if points:
            mark = "o" if len(points) <= FEW else ""
            axes.plot(*zip(*points, strict=True), color=color, marker=mark, ms=3.5, label=words)
    if best_epoch is not None:
        axes.axvline(best_epoch, color="gray", linewidth=1, linestyle=":", label="weights kept")
    axes.set_title(metric_name(name) + (", %" if is_share(name) else ""), loc="left", fontsize=11)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
