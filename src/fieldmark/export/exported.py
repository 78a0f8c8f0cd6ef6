"""A trained model in another format: written, held to the model on real images, then shown."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from fieldmark.console import Console
from fieldmark.errors import FieldmarkError, RunError, listed
from fieldmark.export.browser import MOST, in_browser
from fieldmark.export.folder import Job, about_of, left_to_do, write_about, written
from fieldmark.export.formats import FLOAT32, FORMATS, Asked, place_of, refuse_before_work
from fieldmark.export.kept import Kept
from fieldmark.export.lowered import images_of, lowered
from fieldmark.export.parity import Parity, compare, images_for
from fieldmark.export.whole import About, Source, read_source, reason_of
from fieldmark.rundir import RunDir

ALONE = Path(__file__).with_name("predict.py")


class Try(NamedTuple):
    """One way of making the files, and what came of it."""

    made: Any
    about: About
    parity: Parity


def export(
    path: str | Path,
    to: str,
    out: Path | None = None,
    asked: Asked | None = None,
    *,
    overwrite: bool = False,
    console: Console | None = None,
) -> tuple[Path, Parity | Kept]:
    """Write a bundle in another format. -> its folder, and what holding it to the bundle showed,
    or in fewer bits, to its file in float32

    out: by default exports/FORMAT in the bundle's folder. Raises what `refuse_before_work` does,
    and RunError where its images are gone, the network cannot be written, the file decides
    otherwise on an image, or one in fewer bits is too much worse; then nothing is written.
    DiskError.
    """
    asked = asked or Asked()
    place = place_of(path, to, out, asked.precision)
    console = console or Console(quiet=True)
    refuse_before_work(path, to, place, asked, overwrite=overwrite)
    source = read_source(path)
    fewer = None if asked.precision == FLOAT32 else images_of(source, asked.precision)
    shown = images_for(source, asked.images, asked.most)
    with written(place) as folder:
        job = Job(source, to, asked, shown, folder)
        made, about, parity = _in_float32(job, console)
        seen: Parity | Kept = parity
        if fewer:
            about, seen = lowered(job, fewer, made, about, console)
        if to == "onnx":
            _put_beside(job)
        tried = _in_browser(job, console) if asked.browser else {}
        write_about(folder, {**about, "parity": asdict(parity), **tried})
    console.say(f"{place}: {seen.words()}")
    if seen is parity and parity.predicts:
        console.say(parity.of_predict(path, place))
    for sentence in FORMATS[to].maker().told(place, asked):
        console.say(sentence)
    if not about["resizes"]:
        console.warn(f"{place}: {left_to_do(about)}")
    return place, seen


def _in_float32(job: Job, console: Console) -> Try:
    """The files in the first way that decides as the model does, else in the one that drifts least.

    Raises RunError where none can be written, or all drift and that was not asked for.
    """
    tried: list[Try] = []
    failed: list[RunError] = []
    for way in FORMATS[job.to].ways:
        try:
            tried.append(_try(job, way, console))
        except RunError as error:
            failed.append(error)
            continue
        last = tried[-1]  # on the way to fewer bits, whose figures are told, decisions count
        if last.parity.holds or (job.asked.precision != FLOAT32 and not last.parity.differ):
            return last
    if not tried:
        raise failed[0]
    best = min(tried, key=lambda each: (len(each.parity.differ), each.parity.largest))
    if not job.asked.accept_drift:
        raise RunError(drifted(job.source, best.parity))
    parity = best.parity
    drift = {"images": parity.images, "differ": list(parity.differ), "largest": parity.largest}
    job.write(best.made, told := {**best.about, "drift": drift})
    return best._replace(about=told)


def _in_browser(job: Job, console: Console) -> About:
    """What Chromium made of the page. Raises RunError where it decides otherwise too often."""
    (file,) = job.folder.glob("[!.]*")
    shown = images_for(job.source, job.asked.images, min(MOST, job.asked.most))
    found = in_browser(file, job.source, shown)
    if not found.holds and not job.asked.accept_drift:
        raise RunError(
            f"{job.source.path}: the page does not answer as the model does: {found.words()} "
            f"({listed(found.differ)}); nothing was written; --accept-drift writes it all the same"
        )
    console.say(found.words())
    return {"browser": asdict(found)}


def _try(job: Job, way: str, console: Console) -> Try:
    """One way, on all images. Raises RunError where it cannot be written or run."""
    source, maker = job.source, job.maker
    about = about_of(source, job.to, way, embedding=job.asked.embedding)
    label = f"{job.to} by {way}" if way else job.to
    try:
        with console.bar(label, len(job.shown.pictures)) as bar:
            made = maker.make(source, way, job.asked.embedding)
            made = maker.finish(made, source, job.asked)
            run, _ = job.write(made, about)
            parity = compare(source, run, job.shown, bar, resizes=about["resizes"])
            return Try(made, about, parity)
    except (FieldmarkError, OSError):
        raise
    except Exception as error:  # of onnx or of what runs it, and of no common kind
        raise RunError(
            f"{source.path}: {source.info.model} as {label} cannot be written or run "
            f"({reason_of(error)})"
        ) from error


def _put_beside(job: Job) -> None:
    """What uses the file without Fieldmark, and, where it has its embedding, what tells images
    unlike those of the training."""
    shutil.copyfile(ALONE, job.folder / ALONE.name)
    known = RunDir(job.source.path).known
    if job.asked.embedding and known.is_file():
        shutil.copyfile(known, job.folder / known.name)


def drifted(source: Source, parity: Parity) -> str:
    """Why a file is not handed over, in a sentence."""
    named = f" ({parity.named()})" if parity.differ else ""
    return (
        f"{source.path}: the exported file does not answer as the model does: {parity.words()}"
        f"{named}; nothing was written; --accept-drift writes it all the same"
    )
