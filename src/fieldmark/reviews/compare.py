"""Runs side by side, and each against the first on the same images. No torch, no model."""

import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fieldmark.errors import Mistake, SettingsError, listed, nearest
from fieldmark.judge.figures import SEED
from fieldmark.judge.metrics import METRICS, OfScores, Shown, of_task, prominent
from fieldmark.judge.paired import Difference, differences, paired_metrics
from fieldmark.machine import machine, versions
from fieldmark.report.figure_lines import amount, direction, needed_words, sentence
from fieldmark.report.words import SPLIT_WORDS, figure, interval, metric_words
from fieldmark.reviews.compared import read_runs
from fieldmark.reviews.compared_run import ComparedRun, shared_groups, shared_rows
from fieldmark.reviews.compared_study import ComparedStudy
from fieldmark.task import ONE_LABEL, TASKS, Task

AGAIN = (
    "evaluate both on photos that neither was trained on, `fieldmark evaluate RUN FOLDER`, and "
    "compare the two evaluations"
)
ENOUGH = 20  # test images that two runs with other tests share, with which they are compared
PACKAGES = ("fieldmark", "numpy", "polars")
State = Literal["better", "worse", "close", "same", "unpaired"]
SAME = "their weights are the same"
IN_BRACKETS = (
    "The intervals in brackets, 95 % each, tell what other images of the same kind would show "
    "of these models"
)
SEEDS = "; the same settings with another seed would make other models"


@dataclass(frozen=True)
class Pairing:
    """One run against the first. differences: by metric; None where `refusal` says why.

    grouping: what to know of the images that count and of their groups, where the two runs have
    not the same. one_model: both kept the same weights.
    """

    first: str
    second: str
    images: int
    groups: int | None
    differences: dict[str, Difference] | None
    refusal: str
    grouping: str = ""
    one_model: bool = False

    def state(self, metric: str) -> State:
        """What the second run is beside the first by this metric."""
        if self.differences is None:
            return "unpaired"
        if self.one_model:
            return "same"
        difference = self.differences[metric]
        return direction(difference) if difference.is_clear else "close"

    def amount(self, metric: str) -> str:
        """The difference without the names, or why there is none."""
        if self.differences is None or math.isnan(self.differences[metric].value):
            return self.refusal
        if self.one_model:
            return SAME
        difference = self.differences[metric]
        enough = "" if difference.is_clear else needed_words(difference, self.images)
        return "; ".join(filter(None, [amount(difference), enough]))


@dataclass(frozen=True)
class Comparison:
    """All that is known of runs that are compared, the first with each of the others."""

    metric: str
    runs: tuple[ComparedRun, ...]
    pairings: tuple[Pairing, ...]

    def sentences(self) -> list[str]:
        """A sentence for each pairing, by the metric that was asked for."""
        return [self.sentence(pairing) for pairing in self.pairings]

    def sentence(self, pairing: Pairing) -> str:
        """One pairing's sentence."""
        if pairing.differences is None:
            return f"{pairing.second} and {pairing.first}: {pairing.refusal}"
        if pairing.one_model:
            return f"{pairing.second} and {pairing.first} are one model: {SAME}"
        difference = pairing.differences[self.metric]
        names = (pairing.first, pairing.second)
        return sentence(difference, names, images=pairing.images, groups=pairing.groups)

    def notes(self) -> list[str]:
        """What one must know to read the figures rightly."""
        notes = [_validation_note(self.runs)]
        notes += [
            f"{pairing.second} and {pairing.first}: {pairing.grouping}"
            for pairing in self.pairings
            if pairing.grouping
        ]
        notes += [f"{run.name}: {run.head_alone}" for run in self.runs if run.head_alone]
        made = sum(
            pairing.state(self.metric) not in ("same", "unpaired") for pairing in self.pairings
        )
        if made > 1:
            notes.append(
                f"{made} comparisons, each with {self.runs[0].name}: of runs that are "
                "equal, each looks different in up to 5 of 100 cases"
            )
        seeds = "" if all(run.is_without_draws for run in self.runs) else SEEDS
        return [*filter(None, notes), *([f"{IN_BRACKETS}{seeds}."] if made else [])]


def compare(paths: Sequence[str], *, metric: str | None = None) -> Comparison:
    """Read the runs, or evaluations of runs, and compare each with the first.

    metric: None for the task's own, accuracy of one label and micro F1 of several. Raises
    SettingsError for a metric that is not known, RunError for what is no run, is not done, or is
    named twice. Runs that saw other images are not paired, which is no error.
    """
    if metric is not None and not any(metric in paired_metrics(task) for task in TASKS.values()):
        raise SettingsError([Mistake(f"--metric {metric}", _unknown(metric, ONE_LABEL))])
    first, *others = found = read_runs(paths)
    task = first.predictions.task
    metric = task.metric if metric is None else metric
    if metric not in paired_metrics(task):
        raise SettingsError([Mistake(f"--metric {metric}", _unknown(metric, task))])
    return Comparison(metric, found, tuple(pair(first, other) for other in others))


def _unknown(metric: str, task: Task) -> str:
    """Why a metric cannot be asked for, and those that are meant or that there are."""
    known, rows = paired_metrics(task), of_task(task)
    every = f"; there are {listed(known, most=len(known))}"
    if metric in rows and isinstance(of := rows[metric].of, OfScores):
        return f"has no paired interval, since {of.unpaired}{every}"
    if metric in METRICS and metric not in rows:
        (its,) = METRICS[metric].tasks
        return f"is of {its.words}, and these runs are of {task.words}{every}"
    short = metric.casefold()
    begun = [name for name in known if name.startswith(short)]
    meant = begun or [name for name in known if short in name.split("_")]
    if len(meant) == 1:
        return f"is not known; did you mean '{meant[0]}'?"
    hint = f"; there are {listed(meant)}" if meant else nearest(metric, known)
    return f"is not known{hint or every}"


def pair(first: ComparedRun, other: ComparedRun) -> Pairing:
    """The differences of two runs on the same images, or why there are none."""
    place = {key: row for row, key in enumerate(other.keys())}
    keys = first.keys()
    refusal = _refusal(first, other, keys, place)
    if refusal:
        return Pairing(first.name, other.name, 0, None, None, refusal)
    known, order = shared_rows(first, other)
    part = _part_note(first, other, len(known))
    classes = first.predictions.classes
    groups, grouping = shared_groups((first, known), (other, order))
    found = differences(
        first.evidence(classes, known), other.evidence(classes, order), groups=groups, seed=SEED
    )
    images = first.images(known)
    numbers = (images, None if groups is None else int(groups.max()) + 1)
    if numbers[1] == images < len(known):  # answered more than once, an image is a group
        numbers = (images, None)
    same = first.is_one_model_with(other)
    notes = "; ".join(filter(None, [part, grouping]))
    return Pairing(first.name, other.name, *numbers, found, "", notes, same)


def _part_note(first: ComparedRun, other: ComparedRun, shared: int) -> str:
    """What to say where two runs are compared on a part of their tests; "" elsewhere."""
    ours, theirs = (int(each.shown.known.sum()) for each in (first, other))
    if shared == ours == theirs:
        return ""
    of = f"{ours}" if ours == theirs else f"{ours} and {theirs}"
    return f"{shared} of {of} test images are in both tests, and these alone count here"


def _refusal(first: ComparedRun, other: ComparedRun, keys: list[Any], place: dict[Any, int]) -> str:
    """Why two runs are not paired, "" where they are."""
    tasks = [each.predictions.task for each in (first, other)]
    if tasks[0] is not tasks[1]:
        return f"one has {tasks[0].words}, the other {tasks[1].words}: not paired"
    ours, theirs = set(first.predictions.classes), set(other.predictions.classes)
    if ours != theirs:
        only = listed(sorted(ours ^ theirs), most=3)
        what = f"only one of them knows {only}" if ours & theirs else "they share no class"
        return f"{what}: not paired; compare models of the same classes"
    if first.split != other.split:
        tested, untested = (first, other) if first.split == "test" else (other, first)
        return (
            f"{tested.name} has test images and {untested.name} only validation images, which "
            f"chose its epoch: not paired; {AGAIN}"
        )
    shared, word = sum(key in place for key in keys), SPLIT_WORDS[first.split]
    if shared == len(keys) == len(place):
        return ""
    of = f"{len(keys)}" if len(keys) == len(place) else f"{len(keys)} and {len(place)}"
    truths = {(image, row, truth) for image, row, truth, _ in place}
    images = {(image, row) for image, row, _ in truths}
    relabelled = sum(key[:2] in images and key[:3] not in truths for key in keys)
    if relabelled and relabelled + shared >= min(ENOUGH, len(keys)):
        return f"{relabelled} of {of} {word} images have other labels there: not paired"
    if isinstance(first, ComparedStudy) or isinstance(other, ComparedStudy):
        return _refusal_of_study(first, other, f"{shared} of {of} images are shared")
    own_tests = first.split == "test" and not (first.is_evaluation or other.is_evaluation)
    shown = "show" in [each.settings.get("data.copies") for each in (first, other)]
    if own_tests and shared >= ENOUGH and not shown:
        return ""
    boxes = first.settings.get("data.crops")
    advice = _way_to_pair(first, other) if own_tests and not boxes else AGAIN
    return f"{shared} of {of} {word} images are shared: not paired; {advice}"


def _way_to_pair(first: ComparedRun, other: ComparedRun) -> str:
    """What to do about two runs with other test images."""
    words = re.sub(r" --name[= ]\S+", "", other.command)  # that folder is there
    if not words.startswith("fieldmark train ") or "data.test=" in words or "--resume" in words:
        words = "fieldmark train DATA"
    again = f"{words} {shlex.quote(f'data.test={first.folder.path}')}"
    return f"train {other.name} again with the test of {first.name}: `{again}`; or {AGAIN}"


def _refusal_of_study(first: ComparedRun, other: ComparedRun, shared: str) -> str:
    """Why a study is not paired with a run, or with a study of other images."""
    answers = [len(each.shown) for each in (first, other)]
    if first.figures.n == other.figures.n and answers[0] != answers[1]:
        return (
            f"{answers[0]} answers to {first.figures.n} images in the one, {answers[1]} in the "
            "other: not paired; take --repeats so that both have as many"
        )
    return (
        f"{shared}: not paired; a study answers the images of its folds, so compare it with "
        "another study of the same images"
    )


def _validation_note(runs: Sequence[ComparedRun]) -> str:
    """Said where a run is shown by images that chose its epoch."""
    by_val = [each.name for each in runs if each.split == "val"]
    if not by_val:
        return ""
    *others, last = by_val
    names = f"{', '.join(others)} and {last} have" if others else f"{last} has"
    lacks = "no run has" if len(by_val) == len(runs) else f"{names} no"
    shown = "shown are validation images, which took part in choosing and so flatter"
    return f"{lacks} test images: {shown}"


def columns(found: Comparison) -> tuple[str, ...]:
    """The figures of the table: the headline's, and the one that was asked for."""
    key = tuple(prominent(Shown.KEY, found.runs[0].predictions.task))
    return key if found.metric in key else (found.metric, *key)


def as_lines(found: Comparison) -> list[str]:
    """The comparison as lines for a terminal."""
    shown = columns(found)
    ends = {found.metric: " (95 % interval)"}
    head = ["run", "model", "images", *(metric_words(k) + ends.get(k, "") for k in shown)]
    rows = [head] + [_row(each, shown, found.metric) for each in found.runs]
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    table = [
        "  ".join(
            cell.rjust(width) if k == 2 else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*table, "", *found.sentences(), *(f"note: {note}" for note in found.notes())]


def _row(each: ComparedRun, shown: Sequence[str], metric: str) -> list[str]:
    figures, cells = each.figures, []
    for name in shown:
        bounds = interval(figures.intervals.get(name), name).removesuffix(" %")
        cell = "none" if figures[name] is None else figure(figures[name], name)
        cells.append(f"{cell} ({bounds})" if name == metric and bounds else cell)
    return [each.name, str(each.settings.get("model.name") or "?"), str(figures.n), *cells]


def as_json(found: Comparison, command: str = "") -> dict[str, Any]:
    """The comparison as plain values; null for what is not defined. command: that made it."""
    return {
        "metric": found.metric,
        "runs": [
            {
                "run": each.name,
                "path": str(each.folder.path),
                "model": each.settings.get("model.name"),
                "split": each.split,
                "temperature": each.temperature,
                "n": each.figures.n,
                "groups": each.figures.groups,
                **each.figures.values,
                "intervals": each.figures.intervals,
            }
            for each in found.runs
        ],
        "comparisons": [
            {
                "first": pairing.first,
                "second": pairing.second,
                "paired": pairing.differences is not None,
                "images": pairing.images,
                "groups": pairing.groups,
                "sentence": found.sentence(pairing),
                "differences": {
                    name: _plain(each) for name, each in (pairing.differences or {}).items()
                },
            }
            for pairing in found.pairings
        ],
        "notes": found.notes(),
        "about": {
            "seed": SEED,
            "command": command,
            "versions": versions(PACKAGES),
            "machine": machine(),
        },
    }


def _plain(difference: Difference) -> dict[str, Any]:
    values = {
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "chance": difference.chance,
        "needed_for_0.01": difference.needed(0.01),
    }
    plain = {name: None if math.isnan(value) else value for name, value in values.items()}
    return {**plain, "clear": difference.is_clear}
