"""The charts of runs side by side: dots with whiskers, and learning curves laid over another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.report.curves import (
    INK,
    Curve,
    Rows,
    by_epoch,
    drawing,
    empty_axes,
    from_to,
    line,
    monitored,
    share_axis,
    shortened,
    themed_svg,
)
from fieldmark.report.words import defined, figure, is_share, metric_name

COLOURS = 8  # runs with a colour of their own; further ones are grey
ROW, FOOT = 38, 46  # px: of a row, and of the axis under all
LABEL = 42  # letters of a run's name that fit above its whisker
LINES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.2, 1.6)), (0, (7, 2, 1.5, 2)))


@dataclass(frozen=True)
class Dot:
    """A run's row: a value and its interval. place: of the run among all, which is its colour."""

    label: str
    place: int
    value: float
    low: float
    high: float
    filled: bool = True


def dots_chart(dots: Sequence[Dot], metric: str, name: str, *, against: str = "") -> Curve | None:
    """A dot with a whisker a run; with `against`, differences from that run around a zero line.

    Rows without a value are left out; None where none is left. name: begins the ids in the SVG.
    """
    shown = [dot for dot in dots if defined(dot.value)]
    if not shown:
        return None
    points = is_share(metric)
    scale = 100 if points else 1
    with drawing():
        found, axes = empty_axes(height=ROW * len(shown) + FOOT)
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=INK, alpha=0.13, linewidth=0.8)
        for row, dot in enumerate(shown):
            _whisker(axes, dot, -row, scale)
        axes.set(yticks=[], ylim=(-len(shown) + 0.55, 0.75))
        _x_axis(axes, points=points, against=against)
        svg = coloured(themed_svg(found, f"{name}-{metric}"))
    words = "; ".join(f"{dot.label} {_in_words(dot, metric, against)}" for dot in shown)
    title = metric_name(metric)
    return Curve(svg, title, f"{title}{f' against {against}' if against else ''}: {words}")


def _whisker(axes: Any, dot: Dot, y: float, scale: float) -> None:
    colour, value = colour_of(dot.place), dot.value * scale
    known = defined(dot.low) and defined(dot.high)
    if known:
        axes.plot([dot.low * scale, dot.high * scale], [y, y], color=colour, linewidth=2.4)
    face = colour if dot.filled else "none"
    axes.plot([value], [y], "o", color=colour, markersize=8, mfc=face, mew=2, zorder=4)
    text = _plain(shortened(dot.label, LABEL)) + ("" if known else " (no interval)")
    at = axes.get_yaxis_transform()
    axes.text(0, y + 0.26, text, transform=at, color=INK, fontsize=12, va="baseline")


def _x_axis(axes: Any, *, points: bool, against: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    if against:
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -0.08 * (high - low)), max(high, 0.08 * (high - low)))
        axes.axvline(0, color=INK, alpha=0.6, linewidth=1.2, zorder=1)
        unit = "points, against" if points else "against"
        axes.set_xlabel(f"{unit} {_plain(shortened(against, 28))}", color=INK, fontsize=12)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")
    else:
        axes.set_xlabel("")
        sign = " %" if points else ""
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}{sign}")


def _in_words(dot: Dot, metric: str, against: str) -> str:
    if not against:
        return figure(dot.value, metric)
    if is_share(metric):
        return f"{dot.value * 100:+.1f} points ({dot.low * 100:+.1f} to {dot.high * 100:+.1f})"
    return f"{dot.value:+.3f} ({dot.low:+.3f} to {dot.high:+.3f})"


def learning_chart(
    histories: Sequence[tuple[str, int, Rows]], metric: str, *, name: str = "learning"
) -> Curve | None:
    """Validation by epoch, a line a run: (name, place, history rows) each; None where none.

    name: begins the ids in the SVG.
    """
    column = f"val_{metric}"
    lines = [
        (label, place, points)
        for label, place, rows in histories
        if (points := [(row["epoch"], row[column]) for row in rows if defined(row.get(column))])
    ]
    if not lines:
        return None
    named = [(label, points) for label, _, points in lines]
    with drawing():
        found, axes = empty_axes(height=250)
        for _, place, points in lines:
            line(axes, points, colour_of(place), linestyle=LINES[place % len(LINES)], linewidth=2)
        share_axis(axes, metric)
        svg = coloured(themed_svg(found, f"{name}-{metric}", hover=by_epoch(named, metric)))
    title = f"{metric_name(metric)} in validation"
    return Curve(svg, title, f"{title} by epoch: {from_to(named, metric)}")


def learning_charts(histories: Sequence[tuple[str, int, Rows]], monitor: str) -> list[Curve]:
    """The loss, and the monitored figure where any run has it, in a drawing each."""
    name = next(filter(None, (monitored(rows, monitor) for _, _, rows in histories)), None)
    charts = [learning_chart(histories, each) for each in ("loss", name) if each]
    return [chart for chart in charts if chart]


def colour_of(place: int) -> str:
    """The colour that stands for a run's in the drawing."""
    return f"#0201{min(place, COLOURS):02d}"


def coloured(svg: str) -> str:
    """A drawing in which runs have the colours of the page."""
    for place in range(COLOURS + 1):
        svg = svg.replace(colour_of(place), f"var(--run{place})")
    return svg


def _plain(text: str) -> str:
    """Text that matplotlib takes as it is: a dollar sign begins no formula."""
    return text.replace("$", r"\$")
