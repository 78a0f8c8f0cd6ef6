"""What the pages of all studies share."""

from collections.abc import Sequence
from typing import Any

from fieldmark.files import write_text
from fieldmark.records import Samples
from fieldmark.report.skeleton import render_page
from fieldmark.rundir import RunDir, source_name
from fieldmark.study.folder import StudyDir


def write(study: StudyDir, template: str, values: dict[str, Any], *sheets: str) -> None:
    """report.html, one file without network, whole or not at all.

    The same study gives the same text. values: what the template is told besides, or otherwise.
    """
    shared = {
        "title": study.name,
        "failed": [(each.label, reason) for each, reason in study.failures()],
        "planned": len(study.plans()),
        "typed": study.question["command"],
    }
    page = render_page(template, {**shared, **values}, sheets=("compare.css", *sheets))
    write_text(study.report, page)


def source_of(study: StudyDir) -> str:
    """What the images of a study are called."""
    return source_name(study.question["settings"]["data"]["source"])


def notes_of_all(runs: Sequence[RunDir]) -> list[str]:
    """What each of these runs says of its images, and what is true of the study therefore."""
    first, *others = [Samples.read_about(run.samples).get("notes", []) for run in runs]
    return [note for note in first if all(note in its for its in others)]
