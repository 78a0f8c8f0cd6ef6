"""The charts of a sweep: its history, its trials as lines over all settings, and slices."""

import html
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.report.curves import (
    VAL,
    Curve,
    Hover,
    drawing,
    empty_axes,
    share_axis,
    themed_svg,
)
from fieldmark.report.words import figure, metric_words

WIDE, ROW, HEAD, FOOT = 380, 74, 26, 34  # px: of lines over all settings
EDGE, LETTERS = 14, 12  # px beside an axis; letters of a tick
BEST = 0.25  # the share of the trials whose lines stand out


@dataclass(frozen=True)
class Tried:
    """A trial as charts know it. score: None where it has none; words: all of it, for hovering."""

    label: str
    state: str
    score: float | None
    values: dict[str, Any]
    words: str


@dataclass(frozen=True)
class Axis:
    """A setting's values on a line. places: 0 to 1, one a trial; ticks: (place, text)."""

    name: str
    places: list[float]
    ticks: list[tuple[float, str]]
    is_numeric: bool


def axis_of(name: str, values: Sequence[Any]) -> Axis:
    """Numbers by their size, or their logarithm where they span more than a factor of ten; values
    of other kinds side by side, in order of appearance."""
    if values and all(type(each) in (int, float) for each in values):
        low, high = min(values), max(values)
        log = low > 0 and high > 10 * low
        numbers = [math.log(each) for each in values] if log else list(map(float, values))
        first, last = min(numbers), max(numbers)
        span = (last - first) or 1.0
        places = [(each - first) / span if last > first else 0.5 for each in numbers]
        known = dict(zip(places, values, strict=True))
        shown = sorted(known) if len(known) <= 4 else [0.0, 1.0]
        return Axis(name, places, [(place, _short(known[place])) for place in shown], True)
    kinds = list(dict.fromkeys(map(str, values)))
    step = 1 / max(1, len(kinds) - 1)
    at = {kind: place * step if len(kinds) > 1 else 0.5 for place, kind in enumerate(kinds)}
    ticks = [(place, _short(kind)) for kind, place in at.items()]
    return Axis(name, [at[str(each)] for each in values], ticks, False)


def _short(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def history_chart(trials: Sequence[Tried], best: Sequence[float | None], metric: str) -> Curve:
    """Every trial's score in order, and the best so far. Hollow: ended early."""
    with drawing():
        found, axes = empty_axes(230, "trial")
        numbers = range(1, len(trials) + 1)
        steps = [(n, value) for n, value in zip(numbers, best, strict=True) if value is not None]
        if steps:
            axes.step(*zip(*steps, strict=True), where="post", color=VAL, linewidth=2.2)
        for number, trial in zip(numbers, trials, strict=True):
            if trial.score is not None:
                _dot(axes, number, trial)
        axes.set_xlim(0.5, len(trials) + 0.5)
        share_axis(axes, metric)
        hover = [(n - 0.5, n + 0.5, each.words) for n, each in zip(numbers, trials, strict=True)]
        svg = themed_svg(found, "history", hover=hover)
    told = [figure(value, metric) for value in best if value is not None]
    words = f"from {told[0]} to {told[-1]}" if told else "none came to its end"
    return Curve(svg, "Best so far", f"The best {metric_words(metric)} by trial: {words}")


def _dot(axes: Any, place: float, trial: Tried) -> None:
    """A trial's score; hollow where it was ended early."""
    face = VAL if trial.state == "done" else "none"
    axes.plot([place], [trial.score], "o", color=VAL, markersize=6, mfc=face, mew=1.5)


def slice_chart(trials: Sequence[Tried], name: str, metric: str) -> Curve | None:
    """Scores by the values of one setting; None where no trial has a score."""
    known = [each for each in trials if each.score is not None]
    if not known:
        return None
    axis = axis_of(name, [each.values[name] for each in known])
    with drawing():
        found, axes = empty_axes(190, "")
        places = _side_by_side(axis)
        for place, trial in zip(places, known, strict=True):
            _dot(axes, place, trial)
        axes.set_xlim(-0.12, 1.12)
        axes.set_xticks(*zip(*axis.ticks, strict=True))
        share_axis(axes, metric)
        order = sorted(zip(places, known, strict=True), key=lambda pair: pair[0])
        svg = themed_svg(found, f"slice-{_plain(name)}", hover=_between(order))
    return Curve(svg, name, f"{metric_words(metric)} by {name}, {len(known)} trials")


def parallel_chart(trials: Sequence[Tried], names: Sequence[str], metric: str) -> Curve | None:
    """A line a trial, down over an axis a setting and the score; the best stand out.

    It is drawn from top to bottom, so that a phone shows it as it is.
    """
    known = [each for each in trials if each.score is not None]
    if not known:
        return None
    axes = [axis_of(name, [each.values[name] for each in known]) for name in names]
    axes.append(_score_axis([each.score or 0.0 for each in known], metric))
    height = HEAD + ROW * (len(axes) - 1) + FOOT
    ranks = _best_first(known, metric)
    strong = set(ranks[: max(1, round(BEST * len(known)))])
    lines = [
        _line(axes, k, trial.words, strong=k in strong, ended=trial.state != "done")
        for k, trial in enumerate(known)
    ]
    lines = [lines[k] for k in reversed(ranks)]  # the best over the others
    bars = [
        f'<line x1="{EDGE}" x2="{WIDE - EDGE}" y1="{_y(k)}" y2="{_y(k)}"/>'
        for k in range(len(axes))
    ]
    words = [_words(axis, row) for row, axis in enumerate(axes)]  # over all lines
    body = "".join([*bars, *lines, *words])
    svg = f'<svg class="parallel" viewBox="0 0 {WIDE} {height}">{body}</svg>'
    best = known[ranks[0]]
    return Curve(svg, "Trials over all settings", f"{len(known)} trials; the best: {best.words}")


def _score_axis(scores: list[float], metric: str) -> Axis:
    axis = axis_of(metric_words(metric), scores)
    low, high = min(scores), max(scores)
    ticks = [(0.0, figure(low, metric)), (1.0, figure(high, metric))]
    return Axis(axis.name, axis.places, ticks if low < high else [(0.5, ticks[0][1])], True)


def _best_first(trials: Sequence[Tried], metric: str) -> list[int]:
    from fieldmark.judge.metrics import METRICS

    sign = -1 if metric in METRICS and METRICS[metric].better == "max" else 1
    return sorted(range(len(trials)), key=lambda k: sign * (trials[k].score or 0.0))


def _x(place: float) -> float:
    return EDGE + place * (WIDE - 2 * EDGE)


def _y(row: int) -> float:
    return HEAD + ROW * row


def _line(axes: Sequence[Axis], trial: int, words: str, *, strong: bool, ended: bool) -> str:
    """One trial, with room around it for a pointer."""
    points = [(_x(axis.places[trial]), _y(row)) for row, axis in enumerate(axes)]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        middle = (y + to_y) / 2
        path += f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
    kind = "trial" + (" strong" if strong else "") + (" ended" if ended else "")
    return (
        f'<g class="{kind}"><title>{html.escape(words)}</title>'
        f'<path class="room" d="{path}"/><path d="{path}"/></g>'
    )


def _words(axis: Axis, row: int) -> str:
    """An axis's name above it, and its ticks below."""
    y = _y(row)
    marks = "".join(
        f'<text x="{_x(place):.1f}" y="{y + 16:.1f}" text-anchor="{_anchor(place)}">'
        f"{html.escape(text)}</text>"
        for place, text in axis.ticks
    )
    name = html.escape(axis.name)
    return f'<text class="name" x="{EDGE}" y="{y - 7:.1f}">{name}</text>{marks}'


def _anchor(place: float) -> str:
    return "start" if place < 0.05 else "end" if place > 0.95 else "middle"


def _side_by_side(axis: Axis) -> list[float]:
    """Places for points: those of a kind beside each other, so that each can be pointed at."""
    found, seen = [], dict[float, int]()
    of_place = {place: axis.places.count(place) for place in axis.places}
    room = min(0.16, 0.8 / max(1, len(of_place) - 1)) if len(of_place) > 1 else 0.16
    for place in axis.places:
        k, n = seen.get(place, 0), of_place[place]
        seen[place] = k + 1
        found.append(place + room * ((k + 0.5) / n - 0.5) if n > 1 else place)
    return found


def _between(order: Sequence[tuple[float, Tried]]) -> Hover:
    """A column a point, half the way to its neighbours."""
    found = []
    for k, (place, trial) in enumerate(order):
        low = (order[k - 1][0] + place) / 2 if k else place - 0.05
        high = (order[k + 1][0] + place) / 2 if k + 1 < len(order) else place + 0.05
        found.append((max(low, place - 0.05), min(high, place + 0.05), trial.words))
    return found


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
