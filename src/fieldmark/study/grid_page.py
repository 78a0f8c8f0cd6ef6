"""The page of a grid, from its folder. No model is run."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.console import duration
from fieldmark.errors import counted
from fieldmark.metrics_json import Interval
from fieldmark.report.compare_charts import COLOURS, Dot, dots_chart, learning_charts
from fieldmark.report.curves import Curve
from fieldmark.report.scatter import Spot, scatter_chart
from fieldmark.report.skeleton import about_texts, about_words
from fieldmark.study import page
from fieldmark.study.axes import axis_words, short_label
from fieldmark.study.best import Found
from fieldmark.study.cells import Finished, chosen_by
from fieldmark.study.grid_words import best_lines, marks, notes, shown, traded

NAN = float("nan")
TABLE_MOST = 40  # values of the second axis; a wider table could not be read


@dataclass(frozen=True)
class Crossed:
    """A cell in the table of two axes. value: None with `text` saying why."""

    value: float | None
    bounds: Interval | None = None
    text: str = ""
    is_best: bool = False


def write_page(found: Found, told: Sequence[str]) -> None:
    """The page of a grid. told: of the images of all cells."""
    first, by = found.first, chosen_by(found.cells)
    axes, keys = found.axes, list(found.axes)
    names = [axis_words(key) for key in keys]
    values: dict[str, Any] = {
        "headline": headline(found),
        "doing": f"{' x '.join(names)} on {page.source_of(found.study)}: "
        f"{counted(len(found.study.plans()), 'cell')}, each from a fresh model.",
        "names": names,
        "failed": [(short_label(each.about), reason) for each, reason in found.failed],
        "notes": told,
        "best": best_lines(found),
        "traded": traded(found),
        "told": notes(found),
        "against": first.label,
        "sentences": sentences(found),
        "metric": found.metric,
        "by": by,
        "side": first.side,
        "cells": [(cell, marks(found, cell)) for cell in found.cells],
        "colours": COLOURS,
        "crossed": crossed(found),
        "columns": axes[keys[1]] if len(keys) > 1 else [],
        "apart": apart(found),
        "costs": costs(found),
        "learning": learning(found.cells),
        "about": about_words(about_texts(first.metrics.about), seconds="Training of the best"),
    }
    page.write(found.study, "grid.html", values)


def headline(found: Found) -> tuple[str, str]:
    """The page's first sentence, and what stands under it."""
    if found.best is None:
        return f"{counted(len(found.cells), 'cell')} compared", ""
    close = len(found.best.level) - 1
    under = f", and {counted(close, 'other')} in validation too close to tell" if close else ""
    cells = counted(len(found.cells), "cell")
    return f"Best of {cells}: {found.first.label}", f"{shown(found.first)}{under}"


def sentences(found: Found) -> list[tuple[str, str]]:
    """How each cell stands beside the best: the state, and the sentence."""
    its = found.compared
    return [(p.state(found.metric), its.sentence(p)) for p in its.pairings] if its else []


def crossed(found: Found) -> list[tuple[str, list[Crossed]]]:
    """The first axis down, the second across, further ones with the first; [] of one axis."""
    names = list(found.axes)
    if len(names) < 2 or len(found.axes[names[1]]) > TABLE_MOST:
        return []
    known = {tuple(cell.planned.about.values()): _crossed(found, cell) for cell in found.cells}
    known |= {tuple(each.about.values()): Crossed(None, text="failed") for each, _ in found.failed}
    down = [found.axes[name] for name in (names[0], *names[2:])]
    rows = []
    for first, *rest in itertools.product(*down):
        line = [
            known.get((first, second, *rest), Crossed(None, text="not done"))
            for second in found.axes[names[1]]
        ]
        about = dict(zip((names[0], *names[2:]), (first, *rest), strict=True))
        rows.append((short_label(about), line))
    return rows


def _crossed(found: Found, cell: Finished) -> Crossed:
    bounds = cell.figures.interval(found.metric)
    text = "" if cell.has_learned else "did not learn"
    return Crossed(cell.value, bounds, text, found.best is not None and cell is found.best.score)


def apart(found: Found) -> Curve | None:
    """Each cell's difference from the best."""
    if found.compared is None:
        return None
    places = {cell.label: cell.place for cell in found.cells}
    dots = [
        Dot(its.second, places[its.second], d.value, d.low, d.high, filled=d.is_clear)
        for its in found.compared.pairings
        if (d := (its.differences or {}).get(found.metric))
    ]
    return dots_chart(dots, found.metric, "apart", against=found.first.label)


def costs(found: Found) -> list[Curve]:
    """The figure against training time, and against the size of the file."""
    charts = [
        scatter_chart(
            [_spot(cell, found.metric, cell.seconds) for cell in found.cells],
            found.metric,
            "training time",
            "by-time",
            duration,
        ),
        scatter_chart(
            [_spot(cell, found.metric, cell.megabytes) for cell in found.cells],
            found.metric,
            "size of the file",
            "by-size",
            lambda megabytes: f"{megabytes:.3g} MB",
        ),
    ]
    return [chart for chart in charts if chart]


def _spot(cell: Finished, metric: str, cost: float) -> Spot:
    low, high = cell.figures.interval(metric) or (NAN, NAN)
    return Spot(cell.label, cell.place, cost, NAN if cell.value is None else cell.value, low, high)


def learning(cells: Sequence[Finished]) -> list[Curve]:
    """The loss and the monitored figure of every cell, in a figure each; none of solved heads."""
    histories = [(cell.label, cell.place, cell.history) for cell in cells if cell.epochs > 1]
    if not histories:
        return []
    return learning_charts(histories, str(cells[0].settings["train"]["monitor"]))
