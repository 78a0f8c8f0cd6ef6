"""A chart of points: a figure against what it costs. Each point tells its name where one rests."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.report.compare_charts import colour_of, coloured
from fieldmark.report.curves import Curve, drawing, empty_axes, themed_svg
from fieldmark.report.words import defined, figure, is_share, metric_name

WIDE = 10.0  # largest over least, from which the costs stand on a logarithmic axis
RADIUS = 9.0  # points of the picture, of what a pointer finds


@dataclass(frozen=True)
class Spot:
    """A point: a run's cost and its figure, with the interval's ends where it has one."""

    label: str
    place: int
    cost: float
    value: float
    low: float = float("nan")
    high: float = float("nan")


def scatter_chart(
    spots: Sequence[Spot], metric: str, cost: str, name: str, words: Callable[[float], str]
) -> Curve | None:
    """The figure up, the cost to the right; None where they have not two costs.

    cost: what the axis is called. name: begins the ids in the SVG. words: a cost for a reader.
    """
    shown = [spot for spot in spots if defined(spot.value) and spot.cost > 0]
    if len({spot.cost for spot in shown}) < 2:
        return None
    scale = 100 if is_share(metric) else 1
    with drawing():
        found, axes = empty_axes(250, cost)
        for spot in shown:
            _draw(axes, spot, scale)
        _cost_axis(axes, [spot.cost for spot in shown], words)
        if is_share(metric):
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        svg = coloured(themed_svg(found, name))
        told = [f"{s.label}: {figure(s.value, metric)}, {words(s.cost)}" for s in shown]
        places = _places(found, axes, shown, scale)
    circles = "".join(
        f'<circle class="hover" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS:g}">'
        f"<title>{html.escape(text)}</title></circle>"
        for (x, y), text in zip(places, told, strict=True)
    )
    title = f"{metric_name(metric)} by {cost}"
    return Curve(f"{svg.removesuffix('</svg>')}{circles}</svg>", title, "; ".join([title, *told]))


def _draw(axes: Any, spot: Spot, scale: float) -> None:
    colour = colour_of(spot.place)
    if defined(spot.low) and defined(spot.high):
        ends = [spot.low * scale, spot.high * scale]
        axes.plot([spot.cost] * 2, ends, color=colour, linewidth=1.6, alpha=0.55)
    axes.plot([spot.cost], [spot.value * scale], "o", color=colour, markersize=8, zorder=4)


def _cost_axis(axes: Any, costs: Sequence[float], words: Callable[[float], str]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    axes.margins(x=0.08)
    if max(costs) / min(costs) > WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=10, numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: words(value))


def _places(
    found: Any, axes: Any, spots: Sequence[Spot], scale: float
) -> list[tuple[float, float]]:
    """Where each point lies in the picture, in its points from the upper left."""
    height = 72 * found.get_size_inches()[1]
    at = axes.transData.transform([(spot.cost, spot.value * scale) for spot in spots])
    return [(72 * x / found.dpi, height - 72 * y / found.dpi) for x, y in at]
