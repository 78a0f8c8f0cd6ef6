"""The page of `fieldmark evaluate`: how a run does on some images, one file without network."""

from pathlib import Path

from fieldmark.errors import writing
from fieldmark.files import write_text
from fieldmark.insight.galleries import Galleries, galleries
from fieldmark.judge.calibrate import Curve, curve_of
from fieldmark.judge.metrics import Shown, prominent
from fieldmark.metrics_json import Figures
from fieldmark.report import words
from fieldmark.report.measures import NONE, measured
from fieldmark.report.reliability import calibration_part
from fieldmark.report.skeleton import about_texts, about_words, render_page
from fieldmark.reviews.evaluated import Evaluated

OF_TRAINING = {"finished": "Trained", "seconds": "Training"}
NEW, KNOWN = "new", "labelled"  # what images are called that are not, or partly, the run's own


def write_page(found: Evaluated, path: Path) -> None:
    """The page, whole or not at all, in a folder that is made if it lacks. Raises DiskError.

    Images that cannot be read any more are told among the notes.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    tested = curve_of(found.predictions, found.temperature) if found.side == "test" else ()
    shown = galleries(found.predictions, found.samples, temperature=found.temperature)
    write_text(path, render(found, shown, tested))


def render(found: Evaluated, pictures: Galleries, tested: Curve = ()) -> str:
    """The whole HTML text. The same values give the same text; it is safe to write as UTF-8.

    tested: what is answered and right by score, of a "test" that is shown.
    """
    metrics, classes = found.metrics, found.predictions.classes
    figures = metrics.sides.get(found.side, NONE)
    own = {"test": KNOWN if found.banner else NEW} if found.is_new else {}
    names = {**words.SPLIT_WORDS, **own}
    curves = {"val": found.answers, "test": tested}
    texts = about_texts(metrics.about, samples=metrics.about.samples_hash)
    values = {
        **measured(classes, metrics.sides, found.side if found.side in metrics.sides else None),
        "found": found,
        "title": found.title,
        "classes": classes,
        "headline": words.headline(names[found.side], figures),
        "facts": _facts(found, figures, texts),
        "calibrated": calibration_part(metrics.sides, metrics.calibration, curves, names=names),
        "by": metrics.by or {},
        "by_metrics": {k: row for k, row in prominent(Shown.COLUMN).items() if k != "accuracy"},
        "pictures": pictures,
        "notes": (*found.warnings, *found.notes, *pictures.notes),
        "typed": found.command,
        "about": about_words(texts, **({} if found.is_new else OF_TRAINING)),
        # the sections of the run report, in the words of this page
        "split_words": names,
        "images": lambda n, split="": words.images(n, names.get(split) or split),
    }
    return render_page("evaluate.html", values, sheets=("calibration.css", "evaluate.css"))


def _facts(found: Evaluated, figures: Figures, texts: dict[str, str]) -> dict[str, str]:
    """What a reader asks first, in words; what is not known is left out."""
    classes, calibration = found.predictions.classes, found.metrics.calibration
    facts = {
        "Model": found.title,
        "Task": words.task_fact(classes),
        "Looked at": found.data,
        "Images": words.count(figures.n),
        "Classes here": f"{len(classes) - len(figures.absent)} of {len(classes)}",
        "Groups": words.count(figures.groups) if figures.groups else "",
        "Temperature": words.decimal(calibration.temperature, 2) if calibration else "",
        "Hardware" if found.is_new else "Trained with": ", ".join(
            filter(None, map(texts.get, ("device", "machine")))
        ),
        "Time" if found.is_new else "Training": words.duration(texts["seconds"])
        if "seconds" in texts
        else "",
    }
    return {name: text for name, text in facts.items() if text}
