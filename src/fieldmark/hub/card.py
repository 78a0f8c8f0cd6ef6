"""`fieldmark card`: a run as a folder that the hub, timm and Fieldmark read."""

import shutil
from dataclasses import replace
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from fieldmark.errors import WorkError
from fieldmark.files import drafted, write_json, write_text, write_whole
from fieldmark.hub.data_text import data_text, limits_text
from fieldmark.hub.facts import Facts
from fieldmark.hub.front_matter import front_matter
from fieldmark.hub.markdown import paragraphs, plain
from fieldmark.hub.measured_text import measured_text, sureness_text
from fieldmark.hub.place import CONFIG, DRAFT, FILES, METRICS, README, WHOLE, finish
from fieldmark.hub.public import public_metrics
from fieldmark.hub.timm_form import TimmForm, timm_form
from fieldmark.hub.use_text import files_text, licence_text, training_text, use_text
from fieldmark.models import bundle
from fieldmark.models.at_home import public
from fieldmark.report.words import doing, headline
from fieldmark.rundir import INFO, KNOWN, RunDir

MOST = 30  # classes that are named at the top


def write_card(run: RunDir, folder: Path, facts: Facts) -> str:
    """README.md, the bundle, its figures, and config.json where timm has the network.

    -> why timm cannot load it; "" where it can. Nothing private goes in: no folders' or pictures'
    names. Raises WeightsError for a damaged bundle, DiskError; a new folder is then gone again, and
    a card that was there stays.
    """
    classifier, info = bundle.load(run.path)
    form = timm_form(classifier, info)
    finish(folder)
    draft = folder / DRAFT
    shutil.rmtree(draft, ignore_errors=True)  # that a kill has left
    with drafted(draft, folder):
        bundle.save(draft, form.state, replace(form.info, weights=public(info.weights)))
        _write_beside(run, draft, facts, form)
        _write_readme(draft, facts, form)
        draft.rename(folder / WHOLE)
    finish(folder)
    return form.why_not


def _write_beside(run: RunDir, folder: Path, facts: Facts, form: TimmForm) -> None:
    """The figures, what tells images unlike the training ones, and timm's config.json."""
    public_metrics(facts.metrics).write(folder / METRICS)
    if facts.info.unlike is not None and run.known.is_file():
        content = run.known.read_bytes()
        write_whole(folder / KNOWN, lambda draft: draft.write_bytes(content))
    if form.config is not None:
        write_json(folder / CONFIG, form.config)


def _write_readme(folder: Path, facts: Facts, form: TimmForm) -> None:
    """README.md, read back before it is written: what the hub cannot read helps nobody."""
    written = bundle.read_info(folder / INFO)
    facts = replace(facts, info=written, architecture=form.architecture, why_not=form.why_not)
    files = [name for name in FILES if (folder / name).is_file()]
    data = front_matter(facts)
    text = f"---\n{data.to_yaml()}\n---\n\n{card_text(facts, files)}"
    _refuse_unreadable(text, data)
    write_text(folder / README, text)


def _refuse_unreadable(text: str, data: ModelCardData) -> None:
    if ModelCard(text).data.to_yaml() != data.to_yaml():
        raise WorkError(
            "the front matter of the card cannot be read back; run it again with --debug and "
            "report what it shows"
        )


def card_text(facts: Facts, files: list[str]) -> str:
    """The card below its front matter, as Markdown."""
    lines = paragraphs(
        f"# {plain(facts.name)}",
        _first_words(facts),
        _classes(facts),
        "## How to use it",
        use_text(facts),
        "## How good it is",
        measured_text(facts),
        "## What it was not tested on",
        limits_text(facts),
        "## Scores, and when it is not sure",
        sureness_text(facts),
        "## Images",
        data_text(facts),
        "## Training",
        training_text(facts),
        "## Licence",
        licence_text(facts),
        "## Files",
        files_text(files, facts),
    )
    return "\n".join(lines) + "\n"


def _first_words(facts: Facts) -> str:
    """What it does and how well, in two sentences."""
    task = facts.metrics.of_task
    sentence, bounds = headline(facts.split, facts.figures, task)
    label = "" if task.several else f", {task.words}"
    known = plain(doing([facts.names.shown(each) for each in facts.metrics.classes], task))
    return f"An image classifier that {known}{label}. **{sentence}** {bounds}".strip() + "."


def _classes(facts: Facts) -> list[str]:
    """The classes, the first of very many."""
    names = [plain(facts.names.shown(each)) for each in facts.metrics.classes]
    more = [f"and {len(names) - MOST:,} more"] if len(names) > MOST else []
    return [f"Classes: {', '.join([*names[:MOST], *more])}."]
