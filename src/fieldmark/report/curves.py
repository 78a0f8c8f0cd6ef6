"""A run's history as inline SVG: text stays text, colours follow the page's theme.

Learning rates that were tried are a file of their own, in the colours of paper.

matplotlib draws in colours that stand for roles; they become CSS afterwards. Its `pyplot` is
never touched: it keeps global state and looks for a screen.
"""

import html
import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fieldmark.files import write_whole
from fieldmark.report.words import decimal, defined, figure, is_share, metric_name
from fieldmark.task import TASKS

INK, TRAIN, VAL = "#010101", "#010102", "#010103"
THEMED = {INK: "currentColor", TRAIN: "var(--train)", VAL: "var(--val)"}
WIDTH = 380  # px; a phone's column shows it nearly one to one
FEW = 24  # epochs: up to here each has a mark, a lone one would not be seen without
OWN = {"svg.fonttype": "none", "svg.hashsalt": "fieldmark"}
PAPER, GREEN = "#ffffff", "#12706c"  # a file has no page's theme to follow
DPI = 144  # of a .png: twice the pixels that the chart has in a page
TRIED = "Loss by learning rate"
Hover = Sequence[tuple[float, float, str]]  # from, to (in the data's units), and the words
Points = list[tuple[float, float]]  # epoch, value
Rows = Sequence[dict[str, float]]
Side = Literal["left", "right"]


@dataclass(frozen=True)
class Curve:
    """One chart: its SVG, a heading, and the same in words for those who cannot see it."""

    svg: str
    title: str
    words: str


def curves(
    history: Rows,
    monitor: str,
    best_epoch: int | None,
    more: Sequence[str] = (),
    *,
    apart: bool = False,
) -> list[Curve]:
    """Loss, the monitored metric, `more` metrics and the learning rate; what the history lacks
    is left out. apart: the first stage was validated on other images, so no line joins it."""
    if not history:
        return []
    metric = monitored(history, monitor)
    metrics = dict.fromkeys(["loss", *([metric] if metric else []), *more])
    with drawing():
        wanted = [
            *(_compared(history, name, best_epoch, apart) for name in metrics),
            _rate(history),
        ]
    return [curve for curve in wanted if curve]


def drawing() -> AbstractContextManager[None]:
    """Inside it charts are the same whatever the user's matplotlibrc says."""
    from matplotlib import style

    found: AbstractContextManager[None] = style.context(["default", OWN])
    return found


def stage_changes(history: Rows) -> list[float]:
    """The last epoch of every stage but the last one."""
    pairs = itertools.pairwise(history)
    return [row["epoch"] for row, after in pairs if row.get("stage") != after.get("stage")]


def monitored(history: Rows, monitor: str) -> str | None:
    """The metric to draw: the monitored one, or the task's where that is the loss or is missing."""
    for name in (monitor.removeprefix("val_"), *(task.metric for task in TASKS.values())):
        if name != "loss" and (
            _points(history, f"train_{name}") or _points(history, f"val_{name}")
        ):
            return name
    return None


def _points(history: Rows, column: str) -> Points:
    """(epoch, value) of a column, nan where it is not finite; [] where it never is.

    An epoch without validation has no point of it, so that the line goes on over it.
    """
    is_val = column.startswith("val_")
    told = [
        (row.get("epoch", place), row.get(column))
        for place, row in enumerate(history, 1)
        if not is_val or defined(row.get("val_loss", 0.0))
    ]
    if not any(defined(value) for _, value in told):
        return []
    return [(epoch, float(value) if defined(value) else math.nan) for epoch, value in told]


def _compared(history: Rows, metric: str, best_epoch: int | None, apart: bool) -> Curve | None:
    """Training and validation in one chart."""
    train, val = _points(history, f"train_{metric}"), _points(history, f"val_{metric}")
    if not train and not val:
        return None
    found, axes = empty_axes(height=230)
    if train:
        line(axes, train, TRAIN, linestyle=(0, (4, 2)), linewidth=1.7)
    if val:
        end = stage_changes(history)[0] if apart else 0
        before, after = ([at for at in val if (at[0] > end) == later] for later in (False, True))
        for part in filter(None, (before, after)):
            line(axes, part, VAL, linewidth=2.2)
    for epoch in stage_changes(history):
        axes.axvline(epoch + 0.5, color=INK, alpha=0.35, linewidth=0.8)
    if best_epoch is not None:
        its = [value for epoch, value in val or train if epoch == best_epoch]
        if its:
            axes.plot([best_epoch], its, "o", color=VAL, markersize=7.5, zorder=4)
        side: Side = "right" if best_epoch > sum(axes.get_xlim()) / 2 else "left"
        _mark(axes, best_epoch, "best", side, low=is_share(metric))  # below curves that rise
    share_axis(axes, metric)
    named = [("training", train), ("validation", val)]
    title = metric_name(metric)
    svg = themed_svg(found, f"curve-{metric}", hover=by_epoch(named, metric))
    return Curve(svg, title, f"{title} by epoch: {from_to(named, metric)}")


def _rate(history: Rows) -> Curve | None:
    points = _points(history, "lr")
    if not points:
        return None
    found, axes = empty_axes(height=120)
    line(axes, points, INK, linewidth=1.4)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.locator_params(axis="y", nbins=3)
    highest = max(value for _, value in points if defined(value))
    words = f"Learning rate by epoch: at most {highest:g}"
    svg = themed_svg(found, "curve-lr", hover=by_epoch([("", points)], "lr"))
    return Curve(svg, "Learning rate", words)


def empty_axes(height: int, label: str = "epoch") -> tuple[Any, Any]:
    """An empty figure `WIDTH` x `height` px, and its quiet axes; label: what is to the right."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    found = Figure(figsize=(WIDTH / 72, height / 72), facecolor="none", layout="constrained")
    axes = found.add_subplot(facecolor="none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(x=0.02)
    axes.spines["bottom"].set(color=INK, alpha=0.35)
    axes.grid(axis="y", color=INK, alpha=0.13, linewidth=0.8)
    axes.tick_params(colors=INK, labelsize=12, length=0, pad=6)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    )
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel(label, color=INK, fontsize=12)
    return found, axes


def share_axis(axes: Any, metric: str) -> None:
    """Percentages up the side, where the metric is a share."""
    if is_share(metric):
        axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:g} %")


def share_axes(label: str) -> tuple[Any, Any]:
    """`empty_axes` from 0 to 1 both ways, in percentages; label: what is to the right."""
    from matplotlib.ticker import MultipleLocator

    found, axes = empty_axes(300, label)
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value * 100:.4g} %")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    return found, axes


def shortened(text: str, most: int) -> str:
    """A name's end, which tells it from others, where the whole has no room."""
    return text if len(text) <= most else f"\N{HORIZONTAL ELLIPSIS}{text[1 - most :]}"


def line(axes: Any, points: Points, color: str, **style: Any) -> None:
    """A line through points; where they are few, with a mark at each."""
    mark = {"marker": "o", "markersize": 3.6} if len(points) <= FEW else {}
    axes.plot(*zip(*points, strict=True), color=color, **mark, **style)


def _mark(axes: Any, place: float, words: str, side: Side, *, low: bool) -> None:
    """A line at a place, and words that end (`side` "right") or begin beside it."""
    axes.axvline(place, color=INK, alpha=0.45, linewidth=1, linestyle=(0, (2, 3)), zorder=1)
    axes.annotate(
        words,
        (place, 0 if low else 1),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-6 if side == "right" else 6, 5 if low else -2),
        textcoords="offset points",
        ha=side,
        va="bottom" if low else "top",
        color=INK,
        fontsize=12,
    )


def from_to(series: Iterable[tuple[str, Points]], metric: str) -> str:
    """ "training from 1.52 to 0.31; validation from 1.61 to 0.42" """
    return "; ".join(
        f"{name} from {figure(finite[0], metric)} to {figure(finite[-1], metric)}"
        for name, points in series
        if (finite := [value for _, value in points if defined(value)])
    )


def by_epoch(series: Iterable[tuple[str, Points]], metric: str) -> Hover:
    """A column an epoch, half to either side of it: "epoch 3: training 0.52, validation 0.61"."""
    found: dict[float, list[str]] = {}
    for name, points in series:
        for epoch, value in points:
            text = f"{value:.3g}" if metric == "lr" else figure(value, metric)
            found.setdefault(epoch, []).append(f"{name} {text}".strip())
    return [
        (epoch - 0.5, epoch + 0.5, f"epoch {epoch:g}: {', '.join(texts)}")
        for epoch, texts in sorted(found.items())
    ]


def themed_svg(found: Any, name: str, *, hover: Hover = ()) -> str:
    """The figure as SVG for inside a page: themed, ids of its own, no address of anywhere.

    name: begins every id in it. hover: see-through columns over the first axes, whose words a
    browser shows where the pointer rests; no script.
    """
    buffer = io.StringIO()
    found.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"| version="1.1"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for sentinel, css in THEMED.items():
        text = text.replace(sentinel, css)
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    return text.removesuffix("</svg>") + "".join(_columns(found, hover)) + "</svg>"


def _columns(found: Any, hover: Hover) -> Iterator[str]:
    """The see-through columns, in the picture's points; what lies outside the axes is cut off."""
    axes = found.axes[0]
    width, height = (72 * inches for inches in found.get_size_inches())
    place, (first, last) = axes.get_position(), axes.get_xlim()
    for low, high, words in hover:
        left, right = (
            width * (place.x0 + place.width * min(max((x - first) / (last - first), 0), 1))
            for x in (low, high)
        )
        yield (
            f'<rect class="hover" x="{left:.1f}" y="{height * (1 - place.y1):.1f}" '
            f'width="{right - left:.1f}" height="{height * place.height:.1f}">'
            f"<title>{html.escape(words)}</title></rect>"
        )


def write_rates(path: Path, rows: Rows, suggestion: float | None) -> None:
    """Loss by learning rate as a picture, .svg or .png as its name says. Raises DiskError.

    rows: of `fit.find_lr`, with lr, loss and smoothed. Dots are the losses as they were, the line
    the smoothed ones.
    """
    kind = path.suffix.removeprefix(".").casefold()
    about: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {"dpi": DPI}
    rates, losses, smoothed = ([row[name] for row in rows] for name in ("lr", "loss", "smoothed"))
    with drawing():
        found, axes = empty_axes(230, "learning rate")
        axes.set_title(TRIED, loc="left", fontsize=12, color=INK)
        axes.set_xscale("log")
        axes.tick_params(which="minor", length=0)
        axes.plot(rates, losses, "o", color=GREEN, markersize=2.6, alpha=0.35)
        axes.plot(rates, smoothed, color=GREEN, linewidth=2.2)
        # up to the smoothed losses: a single one may be so high that nothing else could be seen
        low, high = min(*smoothed, *losses), max(smoothed)
        edge = 0.12 * (high - low) or 0.5
        axes.set_ylim(low - edge, high + edge)
        if suggestion is not None:
            _mark(axes, suggestion, f"suggested {suggestion:.2g}", "right", low=True)
        write_whole(path, lambda draft: found.savefig(draft, format=kind, facecolor=PAPER, **about))


def rates_in_words(rows: Rows, suggestion: float | None) -> str:
    """What the chart shows, for those who cannot see it, and for the command line."""
    least = min(rows, key=lambda row: row["smoothed"])
    first, last = rows[0], rows[-1]
    advice = "no rate stands out" if suggestion is None else f"suggested is {suggestion:.2g}"
    return (
        f"{TRIED}: from {decimal(first['smoothed'])} at {first['lr']:.2g} to "
        f"{decimal(least['smoothed'])} at {least['lr']:.2g}, and "
        f"{decimal(last['smoothed'])} at {last['lr']:.2g}; {advice}"
    )
