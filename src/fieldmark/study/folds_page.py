"""The page and the lines of a cross-validation, from its folder. No torch, no model."""

from collections.abc import Sequence
from typing import Any

from fieldmark.data.intake import Dataset
from fieldmark.data.told import few_images_note, parted_notes
from fieldmark.errors import listed
from fieldmark.insight.galleries import Galleries
from fieldmark.judge.metrics import Shown, prominent
from fieldmark.metrics_json import Figures, Metrics
from fieldmark.records import Samples
from fieldmark.report.compare_charts import COLOURS, learning_charts
from fieldmark.report.curves import Curve
from fieldmark.report.figure_lines import figure_lines
from fieldmark.report.measures import measured
from fieldmark.report.skeleton import about_texts, about_words
from fieldmark.report.words import (
    count,
    defined,
    figure,
    headline,
    is_share,
    metric_words,
    size,
    task_fact,
)
from fieldmark.study import page
from fieldmark.study.folder import StudyDir
from fieldmark.study.together import Done, Spread

CAUTION = (
    "Folds share most of their training images, so they are not independent: their spread says "
    "less than that of as many new data sets would."
)


def lines(found: Figures, spread: dict[str, Spread], folds: int) -> list[str]:
    """What the terminal is told."""
    told = figure_lines("test", found, name="all folds")
    metric = found.of_task.metric
    if metric in spread:
        its = spread[metric]
        told.append(
            f"  by fold, {metric_words(metric)} is {figure(its.mean, metric)} with a standard "
            f"deviation of {deviation(its, metric)} over {folds} models "
            f"({figure(its.least, metric)} to {figure(its.most, metric)})"
        )
    return told


def deviation(its: Spread, metric: str) -> str:
    """The standard deviation of a figure: "0.6 points" of a share."""
    return f"{100 * its.deviation:.1f} points" if is_share(metric) else f"{its.deviation:.3f}"


def notes(done: Done) -> list[str]:
    """What is true of the images whatever fold is held out, and which classes no model learned.

    What a run says of the sides of its own fold is not said of the study.
    """
    runs = [run for _, run in done]
    samples = [Samples.read(run.samples) for run in runs]
    of_a_fold = {note for each in samples for note in parted_notes(each)}
    shared = [note for note in page.notes_of_all(runs) if note not in of_a_fold]
    return [*shared, *few_images_note(samples[0]), *_unlearned_note(samples)]


def _unlearned_note(samples: Sequence[Samples]) -> list[str]:
    """Classes that a fold tests and no image of which is left to train its model."""
    found = [
        name
        for each in samples
        for name, sides in each.counts().items()
        if sides["test"] and not sides["train"]
    ]
    names = sorted(set(found))
    if not names:
        return []
    by = "is tested by a model" if len(names) == 1 else "are tested by models"
    it = "it" if len(names) == 1 else "them"
    return [f"{listed(names, most=5)} {by} that had no image of {it} to learn from"]


def write_page(
    study: StudyDir,
    done: Done,
    metrics: Sequence[Metrics],
    found: Figures,
    spread: dict[str, Spread],
    told: Sequence[str],
) -> None:
    """The page of a cross-validation. told: what `notes` says."""
    first, shown = metrics[0], measured(metrics[0].classes, {"test": found}, "test")
    data = study.read_data(done[0][0].data)
    model = str(first_settings(done)["model"]["name"])
    # epochs that were trained: 0 where its head was solved
    epochs = [sum(defined(row.get("lr")) for row in run.read_history()) for _, run in done]
    tests = [its.sides["test"] for its in metrics]
    values: dict[str, Any] = {
        **shown,
        "headline": headline("test", found, first.of_task),
        "doing": f"Cross-validation of {model} on {page.source_of(study)}: {len(done)} models, "
        "each tested on the images that it was trained without.",
        "classes": first.classes,
        "pictures": Galleries(),
        "facts": facts(done, first, data),
        "notes": told,
        "caution": CAUTION,
        "metrics": list(prominent(Shown.KEY, first.of_task)),
        "folds": list(zip((planned for planned, _ in done), tests, epochs, strict=True)),
        "colours": COLOURS,
        "spread": {name: (its.mean, deviation(its, name)) for name, its in spread.items()},
        "learning": learning(done),
        "about": about_words(about_texts(first.about), seconds="Training of the first"),
    }
    page.write(study, "folds.html", values)


def facts(done: Done, first: Metrics, data: Dataset) -> dict[str, str]:
    """What a reader asks first, in words."""
    settings, about = first_settings(done), first.about
    repeats = max(planned.about.get("repeat", 1) for planned, _ in done)
    times = "once" if repeats == 1 else f"once in each of {repeats} repeats"
    return {
        "Task": task_fact(first.classes, first.of_task),
        "Images": f"{count(len(data.samples))}, each tested {times}",
        "Model": f"{settings['model']['name']}, {settings['model']['weights']}",
        "Parameters": size(about.parameters) if about.parameters else "",
        "Input": f"{settings['input']['size']} x {settings['input']['size']} px, RGB",
    }


def first_settings(done: Done) -> dict[str, Any]:
    """Settings of the first run, by section."""
    return done[0][1].read_settings()


def learning(done: Done) -> list[Curve]:
    """The loss and the monitored figure of every run, in a figure each; none of solved heads."""
    histories = [(p.label, place, run.read_history()) for place, (p, run) in enumerate(done)]
    if max(len(rows) for _, _, rows in histories) < 2:
        return []
    return learning_charts(histories, str(first_settings(done)["train"]["monitor"]))
