"""The page and the lines of a sweep, from its folder. No torch, no model."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fieldmark.console import duration
from fieldmark.errors import counted
from fieldmark.report.compare_charts import COLOURS, learning_chart
from fieldmark.report.curves import Curve
from fieldmark.report.skeleton import about_texts, about_words
from fieldmark.report.trial_charts import Tried, history_chart, parallel_chart, slice_chart
from fieldmark.report.words import figure, images, interval, metric_words, whole_percent
from fieldmark.study import page
from fieldmark.study.folder import StudyDir
from fieldmark.study.mattered import METHOD, correlations, scores_of
from fieldmark.study.prune import KEY
from fieldmark.study.trials import Trial, as_text, best_so_far, in_words
from fieldmark.study.winner import Won, flattery

STATES = ("done", "pruned", "failed")
TOLD = 3  # settings whose importance the terminal is told
MOST_COLUMNS = 20  # of the table of correlations


def lines(trials: Sequence[Trial], won: Won) -> list[str]:
    """What the terminal is told."""
    name = metric_words(won.figure)
    told = [
        "",
        f"{counts_of(trials)}, {duration(sum(each.seconds for each in trials))} of training",
        f"best: trial {won.trial.number}, validation {name} {_with_bounds(won.val, won.figure)}",
        f"      {in_words(won.trial.point)}",
    ]
    if won.test is not None:
        told.append(f"test: {name} {_with_bounds(won.test, won.figure)}, n = {won.test.n}")
    told.append(flattery(won))
    if won.mattered:
        shown = [
            f"{each.name} {whole_percent(each.share)} ({whole_percent(each.low)} to "
            f"{whole_percent(each.high)})"
            for each in won.mattered[:TOLD]
        ]
        told.append(f"what mattered most: {', '.join(shown)}")
    return told


def write_page(study: StudyDir, trials: Sequence[Trial], won: Won, told: Sequence[str]) -> None:
    """The page of a sweep. told: of the images of all trials."""
    options, metric = study.question["options"], won.figure
    figure_name = str(options["figure"])
    known, scores = scores_of(trials, figure_name)
    reached = {each.number: float(score) for each, score in zip(known, scores, strict=True)}
    tried = [_tried(trial, reached.get(trial.number), metric) for trial in trials]
    names = [name for name, (kind, _) in options["parameters"].items() if kind != "constant"]
    model = str(won.trial.run.read_settings()["model"]["name"])
    side, found = ("test", won.test) if won.test else ("validation", won.val)
    bounds = interval(found.intervals.get(metric), metric)
    failed = [each for each in trials if each.state == "failed"]
    values: dict[str, Any] = {
        "title": study.question.get("sweep", {}).get("name", study.name),
        "headline": (
            f"The best of {len(trials)} trials: {metric_words(metric)} "
            f"{figure(found[metric], metric)} on {images(found.n)} of the {side}",
            f"(95 % interval {bounds})" if bounds else "",
        ),
        "doing": f"A sweep of {model} on {page.source_of(study)}. Trials were chosen by "
        f"{options['method']} and judged on {images(won.val.n, 'val')}.",
        "notes": [*told, *_failures(failed)],
        "flattery": flattery(won),
        "winner": {name: as_text(value) for name, value in won.trial.point.items()},
        "label": won.trial.planned.label,
        "link": _link(won.trial),
        "has_ended": any(each.state == "pruned" for each in trials),
        "history": history_chart(tried, best_so_far(trials, figure_name), metric),
        "learning": learning(trials, won, figure_name),
        "parallel": parallel_chart(tried, names, metric),
        "mattered": won.mattered,
        "method": METHOD,
        "scored": len(known),
        "slices": [each for name in names if (each := slice_chart(tried, name, metric))],
        "related": related(trials, figure_name),
        "chance": f"{1.96 / math.sqrt(max(1, len(known) - 1)):.2f}",
        "counts": counts_of(trials),
        "rule": rule_in_words(options.get(KEY)),
        "metric": metric,
        "names": names,
        "reasons": any(each.reason for each in trials),
        "rows": [_row(trial, reached.get(trial.number)) for trial in trials],
        "again": f"fieldmark train --config {won.settings}",
        "about": about_words(
            about_texts(won.metrics.about, optuna=study.question.get("optuna")),
            seconds="Training of the winner",
        ),
    }
    page.write(study, "sweep.html", values, "sweep.css")


def counts_of(trials: Sequence[Trial]) -> str:
    """ "12 trials: 7 done, 5 pruned" """
    counts = Counter[str](each.state for each in trials)
    told = [f"{counts[state]} {state}" for state in STATES if counts[state]]
    return f"{counted(len(trials), 'trial')}: {', '.join(told)}"


def rule_in_words(rule: dict[str, Any] | None) -> str:
    """How trials were ended early."""
    if rule is None:
        return "None was ended early."
    if rule["type"] == "median":
        return "A trial whose best was behind the median of the others after an epoch was ended."
    strict = ", strictly" if rule["strict"] else ""
    return f"By hyperband, the best 1/{rule['eta']:g} went on at each of its epochs{strict}."


def learning(trials: Sequence[Trial], won: Won, metric: str) -> list[Curve]:
    """Validation by epoch of every trial, the winner in a colour; none of solved heads."""
    histories = [
        (each.planned.label, 0 if each is won.trial else COLOURS, each.run.read_history())
        for each in trials
    ]
    if max(len(rows) for _, _, rows in histories) < 2:
        return []
    chart = learning_chart(histories, metric)
    return [chart] if chart else []


def related(trials: Sequence[Trial], metric: str) -> dict[str, Any]:
    """The table of correlations, the score in its first row and column."""
    names, table = correlations(trials, metric)
    if not 0 < len(names) <= MOST_COLUMNS:
        return {"names": [], "rows": []}
    order = [len(names) - 1, *range(len(names) - 1)]
    table = np.where(np.eye(len(names), dtype=bool), np.nan, table)[order][:, order]
    shown = [names[k] for k in order]
    return {"names": shown, "rows": list(zip(shown, table.tolist(), strict=True))}


def _tried(trial: Trial, score: float | None, metric: str) -> Tried:
    told = f"{metric_words(metric)} {figure(score, metric)}" if score is not None else trial.state
    ended = f", {trial.state}" if trial.state != "done" and score is not None else ""
    words = f"trial {trial.number}: {told}{ended}; {in_words(trial.point)}"
    shown = {k: v if type(v) in (int, float) else as_text(v) for k, v in trial.point.items()}
    return Tried(trial.planned.label, trial.state, score, shown, words)


def _row(trial: Trial, score: float | None) -> dict[str, Any]:
    return {
        "number": trial.number,
        "link": _link(trial) if trial.run.report.is_file() else "",
        "state": trial.state,
        "score": score,
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "shown": {name: as_text(value) for name, value in trial.point.items()},
        "reason": trial.reason,
    }


def _link(trial: Trial) -> str:
    return f"runs/{trial.planned.name}/report.html"


def _failures(failed: Sequence[Trial]) -> list[str]:
    """A note on trials that failed."""
    if not failed:
        return []
    first = failed[0]
    return [f"{counted(len(failed), 'trial')} failed; trial {first.number} is one: {first.reason}"]


def _with_bounds(found: Any, metric: str) -> str:
    bounds = interval(found.intervals.get(metric), metric)
    return figure(found[metric], metric) + (f" (95 % interval {bounds})" if bounds else "")
