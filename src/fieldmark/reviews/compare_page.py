"""The page of `fieldmark compare`: runs side by side, one file without network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fieldmark.files import write_text
from fieldmark.insight.album import Album
from fieldmark.insight.answered import Picture, first, pictured, shown_at
from fieldmark.judge.figures import SEED
from fieldmark.machine import machine, versions
from fieldmark.records import Samples
from fieldmark.report.compare_charts import COLOURS, Dot, dots_chart, learning_charts
from fieldmark.report.curves import Curve
from fieldmark.report.skeleton import about_words, render_page
from fieldmark.report.words import count, images
from fieldmark.reviews.compare import PACKAGES, Comparison, columns
from fieldmark.reviews.compared_run import ComparedRun, shared_rows
from fieldmark.settings.texts import as_typed

NAN = float("nan")
RUNS, PICTURES = 3, 12  # whose pictures are shown, and of each pair of either kind
OWN = ("run.name", "run.out")  # settings that differ by nature


@dataclass(frozen=True)
class Won:
    """Images that `right` recognises and `wrong` does not: how many, and those `wrong` is surest of
    with what it takes them for."""

    right: str
    wrong: str
    number: int
    pictures: tuple[Picture, ...]


def write_page(found: Comparison, path: Path, command: str) -> None:
    """The page, one file of HTML, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render(found, command))


def render(found: Comparison, command: str) -> str:
    """The whole HTML text. The same values give the same text; it is safe to write as UTF-8."""
    about = {"seed": str(SEED), **versions(PACKAGES), **machine()}
    values = {
        "found": found,
        "title": f"{len(found.runs)} runs compared",
        "metrics": columns(found),
        "headline": headline(found),
        "doing": _doing(found.runs),
        "places": [min(place, COLOURS) for place in range(len(found.runs))],
        "wide_names": max(len(run.name) for run in found.runs) > 12,
        "figures": _figures(found),
        "differences": _differences(found),
        "won": _all_won(found),
        "learning": _learning(found.runs),
        "settings": unlike(found.runs),
        "commands": [(run.name, run.command) for run in found.runs if run.command],
        "typed": command,
        "about": about_words(about),
    }
    return render_page("compare.html", values, sheets=("compare.css",))


def _all_won(found: Comparison) -> list[Won]:
    """The images that each of the paired runs wins and loses against the first."""
    first, *others = found.runs
    pairs = zip(found.pairings, others, strict=True)
    paired = [run for pairing, run in pairs if pairing.differences and not pairing.one_model]
    return [won for run in paired[:RUNS] for won in differing(first, run) if won.pictures]


def headline(found: Comparison) -> tuple[str, str]:
    """The page's first sentence, and what stands under it."""
    first, metric = found.runs[0].name, found.metric
    paired = [pairing for pairing in found.pairings if pairing.differences is not None]
    lost = len(found.pairings) - len(paired)
    aside = f"{count(lost)} more cannot be paired" if lost and paired else ""
    if len(paired or found.pairings) == 1:
        (pairing,) = paired or found.pairings
        words = {
            "better": f"{pairing.second} is better than {first}",
            "worse": f"{pairing.second} is worse than {first}",
            "same": f"{pairing.second} and {first} are one model",
            "close": f"{pairing.second} and {first} are too close to tell",
            "unpaired": f"{pairing.second} and {first} cannot be paired",
        }
        under = "; ".join(filter(None, [pairing.amount(metric), aside]))
        return words[pairing.state(metric)], under
    if not paired:
        return f"None of {lost} runs can be paired with {first}", ""
    states = [pairing.state(metric) for pairing in paired]
    parts = [
        f"{count(states.count(state))} {state}" for state in ("better", "worse") if state in states
    ]
    if not parts:
        return f"None of {len(paired)} runs can be told from {first}", aside
    return f"Of {len(paired)} runs, {' and '.join(parts)} than {first}", aside


def _doing(runs: Sequence[ComparedRun]) -> str:
    """What was compared, on what."""
    shown = {(run.split, run.figures.n) for run in runs}
    if len(shown) > 1:
        return f"{len(runs)} runs, not all on the same images."
    ((split, n),) = shown
    return f"{len(runs)} runs, each on {images(n, split)}."


def _figures(found: Comparison) -> list[Curve]:
    """For each metric every run's figure with its own interval."""
    charts = []
    for metric in columns(found):
        dots = []
        for place, run in enumerate(found.runs):
            low, high = run.figures.interval(metric) or (NAN, NAN)
            value = run.figures[metric]
            dots.append(Dot(run.name, place, NAN if value is None else value, low, high))
        charts.append(dots_chart(dots, metric, "own"))
    return [chart for chart in charts if chart]


def _differences(found: Comparison) -> list[Curve]:
    """For each metric every paired run's difference from the first."""
    charts = []
    for metric in columns(found):
        dots = [
            Dot(pairing.second, place, each.value, each.low, each.high, filled=each.is_clear)
            for place, pairing in enumerate(found.pairings, 1)
            if (each := (pairing.differences or {}).get(metric))
        ]
        charts.append(dots_chart(dots, metric, "apart", against=found.runs[0].name))
    return [chart for chart in charts if chart]


def _learning(runs: Sequence[ComparedRun]) -> list[Curve]:
    """The loss and the monitored figure of all runs."""
    monitor = str(runs[0].settings.get("train.monitor") or "accuracy")
    histories = [(run.name, place, run.history) for place, run in enumerate(runs)]
    return learning_charts(histories, monitor)


def unlike(runs: Sequence[ComparedRun]) -> dict[str, list[str]]:
    """Settings, versions and machines that are not the same for all: name -> a text a run."""
    told = [dict(_told(each)) for each in runs]
    names = list(dict.fromkeys(name for each in told for name in each))
    table = {name: [each.get(name, "") for each in told] for name in names}
    return {name: texts for name, texts in table.items() if len(set(texts)) > 1}


def _told(each: ComparedRun) -> Iterator[tuple[str, str]]:
    for name, value in each.settings.items():
        if name not in OWN:
            yield name, as_typed(value)
    for name, text in each.about.versions.items():
        yield f"version of {name}", text
    for name in ("processor", "accelerator"):
        yield name, each.about.machine.get(name, "")


def differing(first: ComparedRun, other: ComparedRun) -> tuple[Won, ...]:
    """The images that `other` wins and those that it loses; () of several labels an image.

    Both runs must have been paired. Pictures that cannot be read any more are left out.
    """
    if first.predictions.task.several or not first.folder.samples.is_file():
        return ()
    known, order = shared_rows(first, other)
    album = Album(Samples.read(first.folder.samples))
    ours, theirs = _right(first, known), _right(other, order)
    return (
        _won(other, first, known, theirs & ~ours, album),
        _won(first, other, order, ours & ~theirs, album),
    )


def _right(run: ComparedRun, rows: np.ndarray) -> np.ndarray:
    """Whether the run is right about each of these rows of its split."""
    return run.evidence(run.predictions.classes, rows).right


def _won(
    winner: ComparedRun, loser: ComparedRun, rows: np.ndarray, won: np.ndarray, album: Album
) -> Won:
    """rows: of the loser's split; won: whether the winner alone is right about each."""
    table = replace(loser.shown, frame=loser.shown.frame[rows])
    evidence = loser.evidence(table.classes, rows)
    wanted = [shown_at(table, evidence, row) for row in first(evidence.confidence, won, PICTURES)]
    return Won(winner.name, loser.name, int(won.sum()), pictured(album, None, wanted, Picture))
