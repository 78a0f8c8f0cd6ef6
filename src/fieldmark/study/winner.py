"""The winner of a sweep: its test, once, and what being the best of many on validation flatters."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from fieldmark.console import Console
from fieldmark.files import write_json, write_text
from fieldmark.judge.figures import figures, measure
from fieldmark.judge.thresholds import in_order
from fieldmark.metrics_json import WHOLE, Figures, Metrics
from fieldmark.models import precision
from fieldmark.records import Predictions, Samples
from fieldmark.report.page import report
from fieldmark.report.words import figure as figure_words
from fieldmark.report.words import interval, is_share, metric_words
from fieldmark.reviews.evaluate import look
from fieldmark.rundir import COMMAND, RunDir
from fieldmark.runs.budgets import judged
from fieldmark.runs.outcome import write_tables
from fieldmark.settings.run import BudgetSettings
from fieldmark.study.folder import StudyDir
from fieldmark.study.mattered import Mattered, mattered, scores_of
from fieldmark.study.one_model import stand_for
from fieldmark.study.trials import Trial
from fieldmark.use.opened import open_bundle

BEST = "best.yaml"


@dataclass(frozen=True)
class Won:
    """The winner. figure: by which it won, log_loss where that is the loss. val: with intervals.

    of: trials that were compared by it, those that were pruned too.
    metrics: as its metrics.json has them, with the test where there is one.
    """

    trial: Trial
    figure: str
    of: int
    val: Figures
    metrics: Metrics
    settings: Path
    mattered: tuple[Mattered, ...]

    @property
    def test(self) -> Figures | None:
        """Its figures on the test; None where no images were kept for one."""
        return self.metrics.sides.get("test")


def crown(study: StudyDir, trials: list[Trial], best: Trial, figure: str, console: Console) -> Won:
    """Measure the winner's test where that is not done, and write best.yaml and results.json."""
    metrics = measure_test(best.run, console)
    shown = "log_loss" if figure == "loss" else figure
    won = Won(
        best,
        shown,
        of=len(scores_of(trials, figure)[0]),
        val=on_validation(best.run),
        metrics=metrics,
        settings=write_best(study, best, shown),
        mattered=tuple(mattered(trials, figure, seed=metrics.about.seed or 0)),
    )
    stand_for(study, best.run, metrics.classes)
    write_json(study.results, results(trials, won))
    return won


def measure_test(run: RunDir, console: Console) -> Metrics:
    """A finished run's figures with those of the test, which it was planned without.

    The network looks at the test images by its bundle, nothing is trained; predictions, figures
    and page of the run's folder have them then. A run that has them, or no test, stays as it is.
    """
    kept = run.read_metrics()
    samples = Samples.read(run.samples)
    if "test" in kept.sides or not len(samples.rows("test")):
        return kept
    settings = run.read_settings()
    opened = open_bundle(run.path, device_for(run, console), str(settings["run"]["engine"]))
    test = look(opened, samples, run, console)
    val = Predictions.read(run.predictions).of_split("val")
    write_tables({"val": val, "test": test}, run, run.predictions)
    metrics, about = measure(run), kept.about
    if about.budgets:  # they were judged on validation
        budget = BudgetSettings.model_validate(settings["budget"])
        about = replace(about, budgets=tuple(judged(run, budget, metrics, about.times[WHOLE])))
    metrics = replace(metrics, about=about)
    metrics.write(run.metrics)
    report(run)
    run.write_manifest({**run.read_manifest(), **about.to_json()})
    return metrics


def device_for(run: RunDir, console: Console) -> str:
    """The device that a run was trained on; auto, with a note, where this machine has it not."""
    device = str(run.read_settings()["run"]["device"])
    if not precision.check_device(device):
        return device
    here = precision.pick_device("auto")
    console.warn(f"{run.name} was trained on {device}, not here; its test is measured on {here}")
    return "auto"


def on_validation(run: RunDir) -> Figures:
    """A run's figures of validation, with intervals."""
    table = Predictions.read(run.predictions).of_split("val")
    thresholds = in_order(run.read_thresholds(), table.classes)
    temperature = run.read_temperature()
    return figures(table, temperature=temperature, thresholds=thresholds, with_intervals=True)


def write_best(study: StudyDir, best: Trial, figure: str) -> Path:
    """The winner's settings, complete, as `fieldmark train --config` takes them. -> the file"""
    settings = best.run.read_settings()
    settings["run"] |= {"out": str(study.path.absolute().parent), "name": None, "tag": None}
    settings["track"] |= {"group": study.question["settings"]["track"]["group"]}
    path = study.path / BEST
    head = (
        f"# the best of a sweep by validation {metric_words(figure)}: {best.planned.label}\n"
        f"{COMMAND}fieldmark train --config {path}\n"
    )
    write_text(path, head + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    return path


def flattery(won: Won) -> str:
    """What the winner's validation flatters, in a sentence or two."""
    name, val = metric_words(won.figure), won.val[won.figure]
    if won.test is None:
        return "No images were kept for a test, so how much its validation flatters is not known."
    test = won.test[won.figure]
    if val is None or test is None:
        return f"Its {name} is not defined on both sides."
    both = [
        f"{figure_words(value, won.figure)} ({interval(its.intervals.get(won.figure), won.figure)})"
        for value, its in ((val, won.val), (test, won.test))
    ]
    return (
        f"The winner's {name} is {both[0]} on validation and {both[1]} on the test, which no trial "
        f"has seen. It was chosen as the best of {won.of} on validation, and each trial's best "
        "epoch was too, so the figure of validation flatters; that of the test does not."
        f"{_difference(won, val, test)}"
    )


def _difference(won: Won, val: float, test: float) -> str:
    """How far the two are apart, and whether that is more than their intervals."""
    ends = [its.interval(won.figure) for its in (won.val, won.test) if its]
    widths = [(high - low) / 2 for low, high in filter(None, ends)]
    if len(widths) < 2:
        return ""
    chance = "no more" if abs(val - test) <= math.hypot(*widths) else "more"
    apart = abs(val - test)
    by = f"{100 * apart:.1f} points" if is_share(won.figure) else f"{apart:.3f}"
    return f" They are {by} apart, {chance} than so few images make by chance."


def results(trials: list[Trial], won: Won) -> dict[str, Any]:
    """What results.json says."""
    return {
        "kind": "sweep",
        "figure": won.figure,
        "best": won.trial.planned.name,
        "settings": won.trial.point,
        "val": _side(won.val, won.figure),
        "test": _side(won.test, won.figure) if won.test else None,
        "mattered": [vars(each) for each in won.mattered],
        "trials": [
            {
                "run": each.planned.name,
                "state": each.state,
                "value": each.value,
                "epochs": each.epochs,
                "seconds": round(each.seconds, 1),
                "settings": each.point,
                "reason": each.reason,
            }
            for each in trials
        ],
        "about": won.metrics.about.to_json(),
    }


def _side(found: Figures, metric: str) -> dict[str, Any]:
    ends = found.interval(metric)
    return {"n": found.n, metric: found[metric], "interval": list(ends) if ends else None}
