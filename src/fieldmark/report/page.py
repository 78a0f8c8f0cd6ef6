"""A run's report: one HTML file without network, drawn from what lies in the run's folder."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fieldmark.console import duration
from fieldmark.data.intake import Dataset
from fieldmark.errors import RunError
from fieldmark.files import write_text
from fieldmark.heats import Heats
from fieldmark.insight.galleries import Galleries, LabelGalleries, galleries, label_galleries
from fieldmark.insight.label_names import ShownNames, kept_names
from fieldmark.insight.looks import Looks
from fieldmark.insight.suspects import Panel, panel
from fieldmark.judge.calibrate import Curve, curve_of
from fieldmark.judge.cautions import without_unlike
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import measure
from fieldmark.judge.score_curves import ScoreCurve, score_curves
from fieldmark.judge.thresholds import in_order
from fieldmark.metrics_json import About, Metrics
from fieldmark.models.bundle_info import BundleInfo, read_info
from fieldmark.records import InputSpec, Predictions
from fieldmark.report import words
from fieldmark.report.budget_words import budget_rows
from fieldmark.report.caution_words import caution_part
from fieldmark.report.curves import Rows, curves, stage_changes
from fieldmark.report.findings import Note, by_severity, found_words, with_pictures
from fieldmark.report.heat_words import heat_part
from fieldmark.report.labels import labels_part
from fieldmark.report.measures import measured
from fieldmark.report.named import named_heats, named_metrics, named_predictions
from fieldmark.report.reliability import calibration_part
from fieldmark.report.score_charts import MOST, score_charts
from fieldmark.report.skeleton import about_texts, about_words, render_page
from fieldmark.report.timing import Timing, timing_of
from fieldmark.report.ways import ways_curve
from fieldmark.rundir import INFO, RunDir
from fieldmark.settings.texts import read_yaml


@dataclass(frozen=True)
class RunPage:
    """What a run's page is drawn from. What is missing is shown as an en dash or left out."""

    title: str
    command: str  # that repeats the run
    settings: str  # the text of settings.yaml
    metrics: Metrics
    history: list[dict[str, float]]  # the rows of history.csv
    data: Dataset
    info: BundleInfo | None
    tested: Curve  # what is answered and right by score, of the test
    pictures: Galleries
    labels: LabelGalleries | None = None  # of several labels an image, in their place
    suspects: Panel | None = None
    heats: Heats = field(default_factory=Heats)
    scores: Sequence[ScoreCurve] = ()
    findings: Sequence[Note] = ()
    names: ShownNames = field(default_factory=ShownNames)  # figures and pictures have them already


def report(run: RunDir) -> None:
    """Draw report.html from the run's folder. No torch, no model, and nothing else is changed.

    Figures that were not made are made first. Raises RunError where there are no predictions.
    """
    if not run.predictions.is_file():
        raise RunError(
            f"{run.path}: has no predictions yet; go on with it: "
            f"fieldmark train --resume {run.path}"
        )
    if not run.metrics.is_file():
        measure(run).write(run.metrics)
    write_text(run.report, render(read_page(run)))


def read_page(run: RunDir) -> RunPage:
    """A run's page from its folder; its pictures are read from where the images lie."""
    metrics, data = run.read_metrics(), Dataset.read(run.samples)
    names = kept_names(run.label_names, metrics.classes)
    metrics = named_metrics(metrics, names)
    predictions = named_predictions(Predictions.read(run.predictions), names)
    info = run.path / INFO
    temperature = metrics.calibration.temperature if metrics.calibration else 1.0
    shown = predictions.of_split("test" if "test" in metrics.sides else "val")
    bundle = read_info(info) if info.is_file() else None
    heats = named_heats(kept_heats(run.heat, bundle), names)
    looks = Looks(data.samples, bundle.spec, heats) if bundle and heats.rows else None
    pictures, labels = Galleries(), None
    tested: Curve = ()
    if metrics.of_task.several:
        least = in_order(bundle.thresholds, bundle.classes) if bundle else None
        labels = label_galleries(
            shown, data.samples, temperature=temperature, thresholds=least, looks=looks
        )
    else:
        pictures = galleries(shown, data.samples, temperature=temperature, looks=looks)
        unlike = bundle.unlike if bundle else None
        tested = curve_of(
            without_unlike(predictions.of_split("test"), unlike, temperature), temperature
        )
    scores = score_curves(Evidence.on(shown, temperature), shown.classes, MOST)
    return RunPage(
        title=run.name,
        scores=scores,
        findings=with_pictures(data.findings, data.samples),
        command=run.read_command(),
        settings=run.settings.read_text(encoding="utf-8"),
        metrics=metrics,
        history=run.read_history(),
        data=data,
        info=bundle,
        tested=tested,
        pictures=pictures,
        labels=labels,
        suspects=panel(predictions, data.samples, temperature),
        heats=heats,
        names=names,
    )


def kept_heats(path: Path, bundle: BundleInfo | None) -> Heats:
    """A run's heat maps that were held against random parts, of the bundle's weights alone."""
    if bundle is None or not path.is_file():
        return Heats()
    found = Heats.read(path)
    if found.weights not in (None, bundle.weights_sha256):
        return Heats()
    return replace(found, rows=tuple(each for each in found.rows if each.standing != "unchecked"))


def render(page: RunPage) -> str:
    """The whole HTML text. The same page gives the same text; it is safe to write as UTF-8."""
    metrics, data, settings = page.metrics, page.data, read_yaml(page.settings, "settings.yaml")
    about, train, flip = metrics.about, settings.get("train") or {}, metrics.test_flip
    split = next((name for name in ("test", "val") if name in metrics.sides), None)
    monitor, history = train.get("monitor", "accuracy"), page.history
    timing = timing_of(about.times, settings) if about.times else None
    answers = {"val": page.info.curve if page.info else (), "test": page.tested}
    texts = about_texts(about, precision=(settings.get("run") or {}).get("precision"))
    counts = {page.names.shown(name): row for name, row in data.samples.counts().items()}
    totals = {split: len(data.samples.rows(split)) for split in words.SPLIT_WORDS}
    shown = measured(metrics.classes, metrics.sides, split)
    tuned_on = words.fold_of_tuning(data.samples, history)
    values = {
        **shown,
        "title": page.title,
        "classes": metrics.classes,
        "data": settings["data"]["source"],
        "ending": (about.ending or "stopped") if about.whole is False or about.cut else "",
        "budgets": budget_rows(metrics),
        "flipped": flip and flip.sides.get(split or ""),
        "doing": words.doing(metrics.classes, metrics.of_task),
        "headline": words.headline(split, shown["figures"], metrics.of_task),
        "facts": _facts(page, totals, settings, texts),
        "counts": counts,
        "totals": totals,
        **_learning(about, settings, history, tuned_on),
        "monitor": words.metric_words(monitor.removeprefix("val_")),
        "trials": about.heads_tried,
        "tried_by": monitor if metrics.of_task.several else "accuracy",
        "shares": about.shares,
        "alone": about.ending if len(history) == 1 and len(train.get("stages") or ()) > 1 else "",
        "ways": ways_curve(about.heads_tried),
        "scalings": words.SCALINGS,
        "calibrated": calibration_part(metrics.sides, metrics.calibration, answers),
        "caution": caution_part(metrics.sides),
        "score_charts": score_charts(page.scores),
        "pictures": page.pictures,
        "labels": page.labels,
        "suspects": page.suspects,
        "heat": heat_part(page.heats, metrics.classes, page.info.spec if page.info else None),
        "of_labels": labels_part(metrics.classes, shown["figures"]),
        "notes": (*data.notes, *page.pictures.notes, *(page.labels.notes if page.labels else ())),
        "split_notes": (*data.split_notes, *filter(None, [tuned_on]), *_name_note(page.names)),
        "findings": by_severity(page.findings),
        "found_words": found_words(data.findings),
        "timing": timing,
        "spent": _spent(timing),
        "typed": page.command,
        "settings_text": page.settings,
        "about": about_words(texts, seconds="Training"),
    }
    return render_page("page.html", values, sheets=("calibration.css", "heat.css"))


def _learning(
    about: About, settings: dict[str, Any], history: Rows, tuned_on: str
) -> dict[str, Any]:
    """The epochs as charts, and which was kept; of a head that was solved, and nothing else,
    there is nothing to follow."""
    train, best = settings.get("train") or {}, about.best_epoch
    solved = len(history) == 1 and (settings.get("features") or {}).get("solver") == "exact"
    asked = history, train.get("monitor", "accuracy"), best, train.get("figures", ())
    return {
        "history": history,
        "curves": [] if solved else curves(*asked, apart=bool(tuned_on)),
        "stage_changes": stage_changes(history),
        "best_epoch": best,
        "head_alone": words.head_alone(train.get("stages"), history, best, whole=about.whole),
        "tuned_on": tuned_on,
        "best_words": words.epoch_words(history, best) if best and len(history) >= best else "",
    }


def _facts(
    page: RunPage, totals: Mapping[str, int], settings: dict[str, Any], texts: dict[str, str]
) -> dict[str, str]:
    """What a reader asks first, in words; what is not known is left out."""
    about, info = page.metrics.about, page.info
    facts = {
        "Task": words.task_fact(page.metrics.classes, page.metrics.of_task),
        "Trained on": settings["data"]["source"],
        "Images": _image_fact(totals),
        "Model": _joined(settings["model"]["name"], info and info.weights),
        "Parameters": _parameter_fact(about),
        "Size": f"{about.parameters * 4 / 1e6:.3g} MB" if about.parameters else "",
        "Input": _input_fact(info.spec) if info else "",
        "Hardware": _joined(texts.get("device"), texts.get("machine")),
        "Training": _time_fact(about.seconds, page.history),
    }
    return {name: text for name, text in facts.items() if text}


def _input_fact(spec: InputSpec) -> str:
    """What the network sees of an image."""
    words_too = ", and the words of its caption" if spec.words else ""
    return f"{spec.size} x {spec.size} px, RGB{words_too}"


def _name_note(names: ShownNames) -> list[str]:
    """What the labels are called here, and that files have them as they are."""
    called = ", ".join(f"{label} is {name}" for label, name in names.names.items())
    return [f"Labels are called by names ({called}); files keep the labels."] if called else []


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)


def _time_fact(seconds: float | None, history: Rows) -> str:
    """How long it took, and an epoch of the last stage (the median)."""
    last = [
        row["seconds"]
        for row in history
        if row.get("stage") == history[-1].get("stage") and words.defined(row["seconds"])
    ]
    return _joined(
        duration(seconds) if seconds is not None else "",
        f"{duration(statistics.median(last))} an epoch" if len(history) > 1 else "",
    )


def _image_fact(totals: Mapping[str, int]) -> str:
    there = {split: n for split, n in totals.items() if n}
    parts = ", ".join(f"{words.count(n)} {words.SPLIT_WORDS[split]}" for split, n in there.items())
    return f"{words.count(sum(totals.values()))}: {parts}"


def _parameter_fact(about: About) -> str:
    total, trained = about.parameters, about.trained
    if total is None:
        return ""
    part = f"{words.size(trained)} of them trained" if trained is not None else ""
    return _joined(words.size(total), "all trained" if trained == total else part)


def _spent(timing: Timing | None) -> list[dict[str, Any]]:
    """The parts of the time, the longest first; what took none is left out."""
    parts = [(name, seconds) for name, seconds in timing.parts if seconds > 0] if timing else []
    total = sum(seconds for _, seconds in parts)
    return [
        {"name": name, "seconds": seconds, "share": seconds / total}
        for name, seconds in sorted(parts, key=lambda part: -part[1])
    ]
