"""A run's report: one HTML file without network. It draws what it is given, computes nothing."""

from dataclasses import dataclass, field
from typing import Any

from fieldmark.insight.pictures import PairShown, Picture
from fieldmark.report import words
from fieldmark.report.curves import curves, stage_changes
from fieldmark.report.findings import Note, by_severity, found_words
from fieldmark.report.measures import measured
from fieldmark.report.reliability import Curves, calibration_part
from fieldmark.report.skeleton import about_words, render_page
from fieldmark.report.thumbs import framed


@dataclass(frozen=True)
class Timing:
    """Where the time of the training went, and what to do about it ("" where all is well)."""

    parts: tuple[tuple[str, float], ...]  # words, seconds
    advice: str = ""


@dataclass(frozen=True)
class RunPage:
    """Everything that the page says. What is None or missing is shown as an en dash."""

    title: str
    status: str  # "done", or a sentence such as "stopped after epoch 3 of 20"
    data: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]  # class -> {split: images}
    figures: dict[str, dict[str, Any]]  # "val", "test" -> what metrics.json holds of it
    history: list[dict[str, float]]  # the rows of history.csv
    best_epoch: int | None
    monitor: str
    mistakes: tuple[Picture, ...]
    # name, parameters, trainable, megabytes, input, weights, seconds_an_epoch
    model: dict[str, Any]
    settings: str  # YAML
    command: str
    about: dict[str, str]  # versions, machine, seed, seconds, finished, precision, device
    notes: tuple[str, ...]
    # heads that were tried on the same features: head, lr, seed, best_epoch, kept, val_accuracy,
    # val_loss
    trials: tuple[dict[str, Any], ...] = ()
    hits: tuple[Picture, ...] = ()  # that were nearly missed
    pairs: tuple[PairShown, ...] = ()
    calibration: dict[str, Any] | None = None  # as in metrics.json
    answers: Curves = field(default_factory=dict)  # "val" of the bundle, "test" whole
    findings: tuple[Note, ...] | None = None  # of the health check; None where none was made
    split_words: tuple[str, ...] = ()  # sentences on how the split was made
    timing: Timing | None = None
    drawn: tuple[str, ...] = ()  # figures to draw by epoch, beside loss and the monitored one
    flipped: dict[str, Any] | None = None  # "test_flip" of metrics.json


def render(page: RunPage) -> str:
    """The whole HTML text. The same page gives the same text; it is safe to write as UTF-8."""
    split = next((name for name in ("test", "val") if page.figures.get(name)), None)
    figures = page.figures[split] if split else {}
    values = {
        "page": page,
        **measured(page.classes, page.figures, split),
        "flipped": (page.flipped or {}).get(split or ""),
        "headline": words.headline(split, figures),
        "facts": _facts(page),
        "totals": _totals(page.counts),
        "curves": curves(page.history, page.monitor, page.best_epoch, page.drawn),
        "stage_changes": stage_changes(page.history),
        "monitor": words.metric_words(page.monitor.removeprefix("val_")),
        "calibrated": calibration_part(page.figures, page.calibration, page.answers),
        "mistakes": framed(page.mistakes),
        "hits": framed(page.hits),
        "pairs": [(pair, framed(pair.taken), framed(pair.typical)) for pair in page.pairs],
        "findings": by_severity(page.findings or ()),
        "found_words": found_words(page.findings or ()),
        "timing": _timing(page.timing),
        "about": about_words(page.about, seconds="Training"),
    }
    return render_page("page.html", values, sheets=("calibration.css",))


def _facts(page: RunPage) -> dict[str, str]:
    """What a reader asks first, in words; what is not known is left out."""
    model, about = page.model, page.about
    facts = {
        "Task": words.task_fact(page.classes),
        "Trained on": page.data,
        "Images": _image_fact(page.counts),
        "Model": _joined(model.get("name"), model.get("weights")),
        "Parameters": _parameter_fact(model),
        "Size": f"{model['megabytes']:.3g} MB" if words.defined(model.get("megabytes")) else "",
        "Input": str(model.get("input") or ""),
        "Hardware": _joined(about.get("device"), about.get("machine")),
        "Training": _time_fact(about.get("seconds"), model.get("seconds_an_epoch")),
    }
    return {name: text for name, text in facts.items() if text}


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)


def _time_fact(seconds: str | None, an_epoch: float | None) -> str:
    return _joined(
        words.duration(seconds) if seconds else "",
        f"{words.duration(an_epoch)} an epoch" if words.defined(an_epoch) else "",
    )


def _image_fact(counts: dict[str, dict[str, int]]) -> str:
    sums = _totals(counts)
    parts = ", ".join(f"{words.count(n)} {words.SPLIT_WORDS[split]}" for split, n in sums.items())
    return f"{words.count(sum(sums.values()))}: {parts}"


def _totals(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    return {split: sum(row.get(split, 0) for row in counts.values()) for split in words.SPLIT_WORDS}


def _parameter_fact(model: dict[str, Any]) -> str:
    total, trainable = model.get("parameters"), model.get("trainable")
    if not words.defined(total):
        return ""
    if trainable == total or not words.defined(trainable):
        return f"{words.size(total)}" + (", all trained" if trainable == total else "")
    return f"{words.size(total)}, {words.size(trainable)} of them trained"


def _timing(timing: Timing | None) -> list[dict[str, Any]]:
    """The parts of the time, the longest first; what took none is left out."""
    parts = [(name, seconds) for name, seconds in timing.parts if seconds > 0] if timing else []
    total = sum(seconds for _, seconds in parts)
    longest_first = sorted(parts, key=lambda part: -part[1])
    return [
        {"name": name, "seconds": seconds, "share": seconds / total}
        for name, seconds in longest_first
    ]
