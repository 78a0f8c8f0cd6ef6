"""The page of an evaluation: what was found, with pictures."""

from typing import Any

from fieldmark.insight.pictures import galleries
from fieldmark.judge.selective import curve_of
from fieldmark.report.evaluate_page import EvaluatePage, UnknownClass, render
from fieldmark.reviews.evaluated import Evaluated


def page_of(found: Evaluated) -> str:
    """The HTML text. Images that cannot be read any more are told among the notes."""
    is_test = found.side == "test"
    tested = curve_of(found.predictions, found.temperature) if is_test else ()
    shown = galleries(found.predictions, found.samples, temperature=found.temperature)
    page = EvaluatePage(
        title=found.title,
        data=found.data,
        split=found.side,
        is_new=found.is_new,
        classes=found.predictions.classes,
        figures=found.figures,
        calibration=found.calibration,
        answers={"val": found.answers, "test": tested},
        by=found.by,
        mistakes=shown.mistakes,
        hits=shown.hits,
        pairs=shown.pairs,
        unknown=tuple(UnknownClass(e.name, e.images, e.taken) for e in found.unknown),
        banner=found.banner,
        notes=(*found.warnings, *found.notes, *shown.notes),
        command=found.command,
        about=about_texts(found.about),
    )
    return render(page)


def about_texts(about: dict[str, Any]) -> dict[str, str]:
    """Versions, machine and circumstances as metrics.json has them, as a list of texts."""
    machine = dict(about.get("machine") or {})
    processor, cores = machine.pop("processor", ""), machine.pop("cores", "")
    words = {
        "finished": about.get("finished"),
        "seconds": about.get("seconds"),
        "machine": f"{processor}, {cores} cores" if processor else "",
        **machine,
        "seed": about.get("seed"),
        "samples": about.get("samples_hash"),
        **(about.get("versions") or {}),
    }
    return {name: str(value) for name, value in words.items() if value not in (None, "")}
