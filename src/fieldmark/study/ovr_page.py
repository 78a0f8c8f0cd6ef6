"""The page and the lines of one-vs-rest, from its folder. No torch, no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.console import duration
from fieldmark.insight.galleries import Galleries
from fieldmark.judge.metrics import Shown, prominent
from fieldmark.judge.paired import Difference
from fieldmark.models.bundle_info import BundleInfo, read_info
from fieldmark.report.compare_charts import Dot, dots_chart, learning_chart
from fieldmark.report.curves import Curve
from fieldmark.report.figure_lines import direction, figure_lines, number, sentence
from fieldmark.report.measures import measured
from fieldmark.report.skeleton import about_texts, about_words
from fieldmark.report.words import (
    capital,
    count,
    decimal,
    headline,
    interval,
    quoted,
    size,
    task_fact,
)
from fieldmark.rundir import INFO
from fieldmark.study import page
from fieldmark.study.folder import StudyDir
from fieldmark.study.ovr_answers import OVR, SOFTMAX, Answers, Asked
from fieldmark.study.ovr_figures import TWIN, Found, Joined, OfClass
from fieldmark.task import ONE_LABEL

BLIND = (
    "no better, on whole folds, than always saying no: {}; their models were trained as if these "
    "classes were more common than they are"
)
WORDS = {OVR: "one-vs-rest", SOFTMAX: "the softmax models", TWIN: "the twins"}
NAMES = ("one softmax model", "one-vs-rest")


@dataclass(frozen=True)
class Chart:
    """What the models of a class learned, in a figure each. links: to their pages."""

    name: str
    curves: list[Curve]
    links: list[str]


def lines(found: Found, twin: str | None = None) -> list[str]:
    """What the terminal is told. twin: the setting that a twin has."""
    told = class_lines(found.classes)
    if blind := [each.name for each in found.classes if each.is_blind]:
        told.append(BLIND.format(", ".join(blind)))
    if (joined := found.joined) is not None:
        told += ["", *figure_lines("test", joined.figures, name="all classes as one")]
        told += [worth(joined, found.seconds)] if joined.difference is not None else []
    told += [beside_twin(found, twin)] if found.twin and twin else []
    return told


def class_lines(classes: Sequence[OfClass]) -> list[str]:
    """A row a class."""
    width = max(len("class"), *(len(each.name) for each in classes))
    heads = ("images", "published", "whole fold", "always no", "balanced", "average precision")
    told = [f"{'class':<{width}}  {'  '.join(heads)}"]
    for each in classes:
        bounds = each.whole.per_class[each.name].intervals.get("average_precision")
        cells = [
            f"{each.images:>6,}",
            f"{number(each.published['accuracy']):>9}",
            f"{number(each.whole['accuracy']):>10}",
            f"{each.never:>9.4f}",
            f"{number(each.whole['balanced_accuracy']):>8}",
            number(each.precision)
            + (f" ({bounds[0]:.4f} to {bounds[1]:.4f})" if bounds and None not in bounds else ""),
        ]
        told.append(f"{each.name:<{width}}  {'  '.join(cells)}")
    return told


def beside_twin(found: Found, setting: str) -> str:
    """Whether what the twin lacks has paid, in a sentence and its price."""
    assert found.twin is not None
    images, groups = found.twin.units
    names = f"its twin with {setting}", OVR
    told = capital(sentence(found.twin.difference, names, images=images, groups=groups))
    mine, theirs = (duration(found.seconds[name]) for name in (OVR, TWIN))
    return f"{told}. It took {mine}, the twin {theirs}."


def worth(joined: Joined, seconds: dict[str, float]) -> str:
    """Whether one-vs-rest is worth its price here, in two sentences."""
    difference = joined.difference
    assert difference is not None
    table = joined.table
    groups = None if table.groups is None else int(table.groups.max()) + 1
    told = sentence(difference, NAMES, images=len(table), groups=groups)
    mine, theirs = seconds[OVR], seconds[SOFTMAX]
    times = f"{mine / theirs:.1f} times as long" if theirs else "longer"
    price = f"It took {duration(mine)} and the softmax models {duration(theirs)}, {times}"
    if not difference.is_clear:
        verdict = "nothing here speaks for paying that"
    elif direction(difference) == "worse":
        verdict = "it is not worth its price here"
    else:
        verdict = "that is its price"
    return f"{capital(told)}. {price}: {verdict}."


def write_page(study: StudyDir, answers: Answers, found: Found) -> None:
    """The page of one-vs-rest."""
    info, joined, first = info_of(study, answers), found.joined, found.classes[0]
    shown = joined.figures if joined else first.whole
    classes, wanted = tuple(shown.per_class), Asked(**study.question["options"])
    many = "class" if len(found.classes) == 1 else "classes"
    values: dict[str, Any] = {
        **measured(classes, {"test": shown}, "test"),
        "headline": headline("test", shown) if joined else headline_of(first),
        "doing": f"One against the rest: {info.model} on {page.source_of(study)}, "
        f"{count(len(found.classes))} {many} in {wanted.folds} folds, trained "
        f"against {100 * wanted.take:g} % of the images of the others.",
        "classes": classes,
        "pictures": Galleries(),
        "facts": facts(answers, info, found),
        "notes": answers.notes,
        "found": found,
        "joined": joined,
        "blind": [each.name for each in found.classes if each.is_blind],
        "worth": worth(joined, found.seconds) if joined and joined.difference else "",
        "state": state(joined.difference) if joined else "",
        "beside_twin": beside_twin(found, wanted.twin or "") if found.twin else "",
        "twin_state": state(found.twin.difference) if found.twin else "",
        "differences": differences(joined) if joined else [],
        "metrics": list(prominent(Shown.KEY, ONE_LABEL)),
        "learning": learning(answers, found),
        "folds": wanted.folds,
        "about": about_words(
            about_texts(answers.about),
            seconds="Training of the first" if answers.runs else "One pass and all heads",
        ),
    }
    page.write(study, "one_vs_rest.html", values)


def headline_of(only: OfClass) -> tuple[str, str]:
    """The first sentence of a class that is alone, and its interval."""
    ends = only.whole.per_class[only.name].intervals.get("average_precision")
    bounds = interval(ends, "average_precision")
    told = f"{quoted(only.name)} is told from the rest with an average precision of "
    return told + decimal(only.precision), f"(95 % interval {bounds})" if bounds else ""


def info_of(study: StudyDir, answers: Answers) -> BundleInfo:
    """What one of the models is: they differ in their weights and their class."""
    runs = [run for done in answers.runs.values() for _, run in done]
    return read_info((runs[0] if runs else study.run(OVR)).path / INFO)


def facts(answers: Answers, info: BundleInfo, found: Found) -> dict[str, str]:
    """What a reader asks first, in words."""
    models = sum(map(len, answers.runs.values()))
    how = f"{count(models)} of two classes each" if models else "one linear layer, solved exactly"
    return {
        "Task": task_fact(answers.samples.classes),
        "Images": f"{count(len(answers.fold))}, each tested once by every class",
        "Model": f"{info.model}, {info.weights}",
        "Models": how,
        "Parameters": size(answers.about.parameters) if answers.about.parameters else "",
        "Input": f"{info.spec.size} x {info.spec.size} px, RGB",
        "Time": "; ".join(f"{WORDS[name]} {duration(its)}" for name, its in found.seconds.items()),
    }


def state(difference: Difference | None) -> str:
    """What one-vs-rest is beside another: better, worse, close, or "" where there is none."""
    if difference is None:
        return ""
    return direction(difference) if difference.is_clear else "close"


def differences(joined: Joined) -> list[Curve]:
    """Every key figure's difference from the softmax models."""
    found = [
        dots_chart(
            [Dot(NAMES[1], 1, its.value, its.low, its.high, filled=its.is_clear)],
            name,
            "apart",
            against=NAMES[0],
        )
        for name in prominent(Shown.KEY, ONE_LABEL)
        if (its := (joined.others or {}).get(name))
    ]
    return [chart for chart in found if chart]


def learning(answers: Answers, found: Found) -> list[Chart]:
    """Loss and accuracy in validation, of every class and fold; none of heads that were solved."""
    charts = []
    for each in found.classes:
        runs = answers.runs.get(each.name, ())
        histories = [
            (f"fold {place + 1}", place, run.read_history()) for place, (_, run) in enumerate(runs)
        ]
        if not histories or max(len(rows) for _, _, rows in histories) < 2:
            continue
        number = answers.names.index(each.name)
        curves = [
            learning_chart(histories, metric, name=f"class-{number}")
            for metric in ("loss", "accuracy")
        ]
        links = [f"runs/{planned.name}/report.html" for planned, _ in runs]
        charts.append(Chart(each.name, [curve for curve in curves if curve], links))
    return charts
