"""Labels to look at again, pictures nearly the same, pictures unlike all others: page and table.

Doubtful labels come from answers that are there already, so no network is loaded for them. What is
near what comes from features: of a frozen network the cache has them, else each image passes once.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.errors import Mistake, RunError, SettingsError, UserError, counted, writing
from fieldmark.files import write_csv, write_text
from fieldmark.insight.album import Album, Placed
from fieldmark.insight.label_names import ShownNames, kept_names
from fieldmark.insight.suspects import SIDE, Found, source_words, suspected
from fieldmark.metrics_json import Metrics
from fieldmark.records import Predictions, Samples
from fieldmark.report.skeleton import about_texts, about_words
from fieldmark.report.suspects_page import (
    SuspectsPage,
    headline,
    limits,
    render,
)
from fieldmark.reviews.alike import Alike, alike
from fieldmark.reviews.earlier import Line, again, earlier
from fieldmark.reviews.pictured import mapped_of, strange_of, twins_of

HEADER = ("path", "row", "split", "label", "suggested", "score", "kind", "clear", "twin")
SUSPECTS = 60  # with a large picture on the page
ON_SCREEN = 5  # suspects that the terminal names


@dataclass(frozen=True)
class Judged:
    """Answers to images by models that were trained without them, and where these come from.

    source: what was trained on, as a command names it. again: the command that trains with further
    corrections. corrections: the file of those before. page: where it lies by default.
    bundle: the folder of a network whose features say what is alike.
    """

    title: str
    source: str
    again: str
    corrections: str | None
    page: Path
    predictions: Predictions
    samples: Samples
    temperature: float
    bundle: Path
    metrics: Metrics
    names: ShownNames


def judged_run(path: str) -> Judged:
    """A run's own answers: out of fold where folds validate, else of validation; and of its test.

    Raises RunError where there are none.
    """
    run = rundir.open_run(path)
    if not run.predictions.is_file():
        raise RunError(
            f"{path}: has no predictions yet; go on with it: fieldmark train --resume {path}"
        )
    predictions = Predictions.read(run.predictions)
    data = run.read_settings().get("data") or {}
    source = str(data.get("source"))
    if not len(predictions):
        raise RunError(
            f"{path}: no image was kept from its training, so nothing can judge a label; to have "
            f"all judged: fieldmark cross-validate {shlex.quote(source)}"
        )
    return Judged(
        run.name,
        source,
        again(run.read_command(), run.settings),
        data.get("corrections"),
        run.suspects,
        predictions,
        Samples.read(run.samples),
        run.read_temperature(),
        run.path,
        run.read_metrics() if run.metrics.is_file() else Metrics(),
        kept_names(run.label_names, predictions.classes),
    )


def review(
    judged: Judged,
    page: Path | None,
    command: str,
    console: Console,
    *,
    mapped: bool,
    device: str,
) -> Found:
    """Write the page and, beside it, a table of everything that was found; say what was.

    mapped: whether features are asked, too; where the network cannot answer, that is told. Raises
    DiskError, and SettingsError for a table of another kind in the place of ours.
    """
    place = page or judged.page
    table = place.with_suffix(".csv")
    refuse_other_table(table)
    found = suspected(judged.predictions, judged.samples, judged.temperature)
    near: Alike | None = None
    notes: list[str] = []
    if mapped:
        samples, bundle = judged.samples, judged.bundle
        try:
            near, notes = alike(samples, bundle, console, device)
        except UserError as error:
            notes = [f"nothing is said of what is alike: {error}"]
    if found.seen:
        are = "is" if found.seen == 1 else "are"
        seen = counted(found.seen, "label" if found.several else "image")
        notes.append(f"{seen} that somebody has looked at {are} left out")
    before, lacking = earlier(judged.corrections)
    notes += lacking
    told = page_of(judged, found, near, notes, before=before, command=command, table=table.name)
    text = render(told)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    write_csv(table, rows_of(found, near))
    write_text(place, text)
    console.say("\n".join(lines(judged, found, near)))
    for note in notes:
        console.warn(note)
    console.say(f"page    {place}\ntable   {table}")
    return found


def refuse_other_table(table: Path) -> None:
    """Raise SettingsError where a file that is no table of suspects has its name."""
    ours = ",".join(HEADER).encode()
    if table.exists() and not (table.is_file() and table.read_bytes().startswith(ours)):
        what = f"{table} would hold the table, and is something else; choose another name"
        raise SettingsError([Mistake("--page", what)])


def lines(judged: Judged, found: Found, near: Alike | None) -> list[str]:
    """What the terminal is told."""
    told = [", ".join(headline(found)), source_words(found, judged.source)]
    told += [
        f"  {each.caption}: {each.named(judged.names).words}" for each in found.suspects[:ON_SCREEN]
    ]
    if (more := len(found.suspects) - ON_SCREEN) > 0:
        told.append(f"  and {more} more, on the page")
    if near is not None:
        pairs, strange = counted(len(near.pairs), "pair"), counted(len(near.strange), "picture")
        told.append(
            f"{pairs} of nearly the same picture under other labels or on two sides; "
            f"{strange} unlike all others"
        )
    return told


def rows_of(found: Found, near: Alike | None) -> list[Sequence[Any]]:
    """suspects.csv: doubtful labels, then look-alikes, then strange pictures."""
    rows: list[Sequence[Any]] = [HEADER]
    for each in found.suspects:
        about = (each.label, each.suggested, f"{each.score:.4f}", each.kind)
        rows.append((each.path, each.row, each.split, *about, "yes" if each.sure else "no", ""))
    for one, other, far in near.pairs if near else ():
        first, second = _row(near, one), _row(near, other)
        twin = Placed(second[0], second[1]).caption
        rows.append((*first, second[-1], f"{far:.4f}", "look-alike", "", twin))
    for at, far in near.strange if near else ():
        rows.append((*_row(near, at), "", f"{far:.4f}", "unlike", "", ""))
    return rows


def _row(near: Alike | None, at: int) -> tuple[Any, ...]:
    """Path, row, split and labels of an image, as the table has them."""
    assert near is not None
    path, row, split, labels = near.samples.frame.select("path", "row", "split", "labels").row(at)
    return path, row, split, " ".join(labels or ())


def page_of(
    judged: Judged,
    found: Found,
    near: Alike | None,
    notes: Sequence[str],
    *,
    before: Sequence[Line],
    command: str,
    table: str,
) -> SuspectsPage:
    """Everything that the page says; pictures that cannot be read are left out, and told."""
    album = Album(judged.samples, SIDE)
    suspects = album.pictures(found.suspects[:SUSPECTS])
    pairs = twins_of(near, album) if near else []
    strange = strange_of(near, album) if near else []
    mapped, small = mapped_of(near, found.suspects, judged.names) if near else (None, 0)
    more = {
        "suspects": limits(len(suspects), len(found.suspects), "doubtful label", table),
        "pairs": limits(len(pairs), len(near.pairs) if near else 0, "pair", table),
        "strange": limits(len(strange), len(near.strange) if near else 0, "picture", table),
        "thumbs": "" if near is None or small >= len(near.samples) else THUMBS_WORDS.format(small),
    }
    return SuspectsPage(
        title=judged.title,
        key=judged.samples.hash(),
        source=source_words(found, judged.source),
        again=judged.again,
        before=before,
        classes=judged.predictions.classes,
        found=found,
        suspects=suspects,
        pairs=pairs,
        strange=strange,
        more=more,
        mapped=mapped,
        names=judged.names,
        notes=(*notes, *album.notes()),
        command=command,
        about=about_words(about_texts(judged.metrics.about), seconds="Training"),
        table=table,
    )


THUMBS_WORDS = (
    "Pictures are on this page for {:,} of them, the doubtful and a sample; all would be too large."
)
