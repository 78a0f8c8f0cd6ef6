"""A trained model in another format: written, held to the model on real images, then shown."""

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from fieldmark.console import Console
from fieldmark.errors import FieldmarkError, RunError, listed
from fieldmark.export.about import about_of, left_to_do
from fieldmark.export.browser import MOST, in_browser
from fieldmark.export.folder import write_folder
from fieldmark.export.formats import FORMATS, Asked, place_of, refuse_before_work
from fieldmark.export.parity import Parity, Shown, compare, images_for
from fieldmark.export.whole import About, Source, read_source, reason_of
from fieldmark.rundir import RunDir

ALONE = Path(__file__).with_name("predict.py")


@dataclass(frozen=True)
class Job:
    """What is to be written, and the images that it is held to."""

    source: Source
    to: str
    asked: Asked
    shown: Shown


@dataclass(frozen=True)
class Try:
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
) -> tuple[Path, Parity]:
    """Write a bundle in another format. -> its folder, and what holding it to the bundle showed

    out: by default exports/FORMAT in the bundle's folder. Raises what `refuse_before_work` does,
    and RunError where its images are gone, the network cannot be written, or the file decides
    otherwise on an image; then nothing is written. DiskError.
    """
    place, asked = place_of(path, to, out), asked or Asked()
    console = console or Console(quiet=True)
    refuse_before_work(path, to, place, asked, overwrite=overwrite)
    source = read_source(path)
    shown = images_for(source, asked.images, asked.most)
    found: list[Try] = []

    def fill(folder: Path) -> About:
        job = Job(source, to, asked, shown)
        found.append(_fill(folder, job, console))
        if to == "onnx":
            _put_beside(folder, job)
        tried = _in_browser(folder, job, console) if asked.browser else {}
        return {**found[0].about, "parity": asdict(found[0].parity), **tried}

    write_folder(place, fill)
    console.say(f"{place}: {found[0].parity.words()}")
    for sentence in FORMATS[to].maker().told(place, asked):
        console.say(sentence)
    if not found[0].about["resizes"]:
        console.warn(f"{place}: {left_to_do(found[0].about)}")
    return place, found[0].parity


def _fill(folder: Path, job: Job, console: Console) -> Try:
    """The files in the first way that decides as the model does, else in the one that drifts least.

    Raises RunError where none can be written, or all drift and that was not asked for.
    """
    tried: list[Try] = []
    failed: list[RunError] = []
    for way in FORMATS[job.to].ways:
        try:
            tried.append(_try(folder, job, way, console))
        except RunError as error:
            failed.append(error)
            continue
        if tried[-1].parity.holds:
            return tried[-1]
    if not tried:
        raise failed[0]
    best = min(tried, key=lambda each: (len(each.parity.differ), each.parity.largest))
    if not job.asked.accept_drift:
        raise RunError(drifted(job.source, best.parity))
    parity = best.parity
    drift = {"images": parity.images, "differ": list(parity.differ), "largest": parity.largest}
    _save(folder, job, best.made, told := {**best.about, "drift": drift})
    return replace(best, about=told)


def _in_browser(folder: Path, job: Job, console: Console) -> About:
    """What Chromium made of the page. Raises RunError where it decides otherwise too often."""
    (file,) = folder.glob("[!.]*")
    shown = images_for(job.source, job.asked.images, min(MOST, job.asked.most))
    found = in_browser(file, job.source, shown)
    if not found.holds and not job.asked.accept_drift:
        raise RunError(
            f"{job.source.path}: the page does not answer as the model does: {found.words()} "
            f"({listed(found.differ)}); nothing was written; --accept-drift writes it all the same"
        )
    console.say(found.words())
    return {"browser": asdict(found)}


def _try(folder: Path, job: Job, way: str, console: Console) -> Try:
    """One way, on all images. Raises RunError where it cannot be written or run."""
    form, source = FORMATS[job.to], job.source
    maker, about = form.maker(), about_of(source, job.to, way, embedding=job.asked.embedding)
    label = f"{job.to} by {way}" if way else job.to
    try:
        with console.bar(label, len(job.shown.pictures)) as bar:
            made = maker.make(source, way, job.asked.embedding)
            made = maker.finish(made, source, job.asked)
            _save(folder, job, made, about)
            run = maker.open(folder, source, torch.get_num_threads())
            parity = compare(source, run, job.shown, bar, resizes=about["resizes"])
            return Try(made, about, parity)
    except (FieldmarkError, OSError):
        raise
    except Exception as error:  # of onnx or of what runs it, and of no common kind
        raise RunError(
            f"{source.path}: {source.info.model} as {label} cannot be written or run "
            f"({reason_of(error)})"
        ) from error


def _save(folder: Path, job: Job, made: Any, about: About) -> None:
    for file in folder.glob("[!.]*"):
        file.unlink()
    FORMATS[job.to].maker().save(made, about, folder)


def _put_beside(folder: Path, job: Job) -> None:
    """What uses the file without Fieldmark, and, where it has its embedding, what tells images
    unlike those of the training."""
    shutil.copyfile(ALONE, folder / ALONE.name)
    known = RunDir(job.source.path).known
    if job.asked.embedding and known.is_file():
        shutil.copyfile(known, folder / known.name)


def drifted(source: Source, parity: Parity) -> str:
    """Why a file is not handed over, in a sentence."""
    named = f" ({parity.named()})" if parity.differ else ""
    return (
        f"{source.path}: the exported file does not answer as the model does: {parity.words()}"
        f"{named}; nothing was written; --accept-drift writes it all the same"
    )
