"""The page of `fieldmark compare`: runs side by side, one file without network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fieldmark.report.compare_charts import COLOURS, Dot, dots_chart, learning_chart
from fieldmark.report.curves import Curve, monitored
from fieldmark.report.skeleton import about_words, render_page
from fieldmark.report.words import SPLIT_WORDS, count

State = Literal["better", "worse", "close", "unpaired"]
NAN = float("nan")


@dataclass(frozen=True)
class Side:
    """One run of the comparison. figures: by metric, None where there is none."""

    name: str
    model: str
    split: str
    images: int
    figures: Mapping[str, float | None]
    intervals: Mapping[str, Sequence[float | None]]
    history: Sequence[dict[str, float]]
    best_epoch: int | None
    command: str


@dataclass(frozen=True)
class Against:
    """One run against the first. differences: (value, low, high) by metric, nan where none."""

    name: str
    state: State
    sentence: str
    amount: str  # the difference without the names; "" where the two are not paired
    differences: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class ComparePage:
    """Everything that the page says. The first of `sides` is what the others are held against."""

    title: str
    metrics: tuple[str, ...]  # of the table and the charts
    sides: tuple[Side, ...]
    pairs: tuple[Against, ...]
    notes: tuple[str, ...]
    monitor: str  # the figure of the learning curves, such as "macro_f1"
    settings: Mapping[str, Sequence[str]]  # what the runs do not share: name -> a text a run
    command: str
    about: Mapping[str, str]


def render(page: ComparePage) -> str:
    """The whole HTML text. The same page gives the same text; it is safe to write as UTF-8."""
    sentence, bounds = headline(page)
    values = {
        "page": page,
        "headline": sentence,
        "bounds": bounds,
        "doing": _doing(page),
        "places": [min(place, COLOURS) for place in range(len(page.sides))],
        "wide_names": max(len(side.name) for side in page.sides) > 12,
        "figures": _figures(page),
        "differences": _differences(page),
        "learning": _learning(page),
        "commands": [(side.name, side.command) for side in page.sides if side.command],
        "about": about_words(dict(page.about)),
    }
    return render_page("compare.html", values, sheets=("compare.css",))


def headline(page: ComparePage) -> tuple[str, str]:
    """The page's first sentence, and what stands under it."""
    first = page.sides[0].name
    paired = [pair for pair in page.pairs if pair.state != "unpaired"]
    lost = len(page.pairs) - len(paired)
    aside = f"{count(lost)} more cannot be paired" if lost and paired else ""
    if len(paired or page.pairs) == 1:
        (pair,) = paired or page.pairs
        words = {
            "better": f"{pair.name} is better than {first}",
            "worse": f"{pair.name} is worse than {first}",
            "close": f"{pair.name} and {first} are too close to tell",
            "unpaired": f"{pair.name} and {first} cannot be paired",
        }
        return words[pair.state], "; ".join(filter(None, [pair.amount, aside]))
    if not paired:
        return f"None of {lost} runs can be paired with {first}", ""
    parts = [
        f"{count(number)} {state}"
        for state in ("better", "worse")
        if (number := sum(pair.state == state for pair in paired))
    ]
    if not parts:
        return f"None of {len(paired)} runs can be told from {first}", aside
    return f"Of {len(paired)} runs, {' and '.join(parts)} than {first}", aside


def _doing(page: ComparePage) -> str:
    """What was compared, on what."""
    shown = {(side.split, side.images) for side in page.sides}
    runs = f"{len(page.sides)} runs"
    if len(shown) > 1:
        return f"{runs}, not all on the same images."
    split, images = shown.pop()
    return (
        f"{runs}, each on {count(images)} {SPLIT_WORDS[split]} image{'s' if images != 1 else ''}."
    )


def _figures(page: ComparePage) -> list[Curve]:
    """For each metric every run's figure with its own interval."""
    charts = []
    for metric in page.metrics:
        dots = [
            Dot(side.name, place, _number(side.figures.get(metric)), *_bounds(side, metric))
            for place, side in enumerate(page.sides)
        ]
        charts.append(dots_chart(dots, metric, "own"))
    return [chart for chart in charts if chart]


def _differences(page: ComparePage) -> list[Curve]:
    """For each metric every paired run's difference from the first."""
    charts = []
    for metric in page.metrics:
        dots = []
        for place, pair in enumerate(page.pairs, 1):
            value, low, high = pair.differences.get(metric, (NAN, NAN, NAN))
            clear = low > 0 or high < 0
            dots.append(Dot(pair.name, place, value, low, high, filled=clear))
        charts.append(dots_chart(dots, metric, "apart", against=page.sides[0].name))
    return [chart for chart in charts if chart]


def _learning(page: ComparePage) -> list[Curve]:
    """The loss and the monitored figure of all runs."""
    histories = [(side.name, place, side.history) for place, side in enumerate(page.sides)]
    found = [monitored(side.history, page.monitor) for side in page.sides if side.history]
    metrics = ["loss", *list(dict.fromkeys(filter(None, found)))[:1]]
    charts = [learning_chart(histories, metric) for metric in metrics]
    return [chart for chart in charts if chart]


def _bounds(side: Side, metric: str) -> tuple[float, float]:
    low, high = side.intervals.get(metric) or (None, None)
    return _number(low), _number(high)


def _number(value: Any) -> float:
    return NAN if value is None else float(value)
