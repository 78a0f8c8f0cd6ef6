"""A trained model in another format: written, held to the model on real images, then shown."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fieldmark.console import Console
from fieldmark.errors import FieldmarkError, RunError, listed
from fieldmark.export.about import about_of, left_to_do, without_names
from fieldmark.export.browser import MOST, in_browser
from fieldmark.export.folder import write_about, written
from fieldmark.export.formats import FORMATS, Asked, place_of, refuse_before_work
from fieldmark.export.kept import Kept
from fieldmark.export.lowered import Images, images_of, lowered
from fieldmark.export.parity import Parity, Shown, compare, images_for
from fieldmark.export.precisions import FLOAT32
from fieldmark.export.whole import About, Runner, Source, read_source, reason_of
from fieldmark.rundir import RunDir

ALONE = Path(__file__).with_name("predict.py")


@dataclass(frozen=True)
class Job:
    """What is to be written, and the images that it is held to."""

    source: Source
    to: str
    asked: Asked
    shown: Shown


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
    job = Job(source, to, asked, shown)
    with written(place) as folder:
        plain = _fill(folder, job, console)
        about, seen = _lowered(folder, job, plain, fewer, console) if fewer else plain[1:]
        if to == "onnx":
            _put_beside(folder, job)
        tried = _in_browser(folder, job, console) if asked.browser else {}
        write_about(folder, {**about, "parity": asdict(plain.parity), **tried})
    console.say(f"{place}: {seen.words()}")
    for sentence in FORMATS[to].maker().told(place, asked):
        console.say(sentence)
    if not about["resizes"]:
        console.warn(f"{place}: {left_to_do(about)}")
    return place, seen


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
        if _passes(job, tried[-1].parity):
            return tried[-1]
    if not tried:
        raise failed[0]
    best = min(tried, key=lambda each: (len(each.parity.differ), each.parity.largest))
    if not job.asked.accept_drift:
        raise RunError(drifted(job.source, best.parity))
    parity = best.parity
    drift = {"images": parity.images, "differ": list(parity.differ), "largest": parity.largest}
    _save(folder, job, best.made, told := {**best.about, "drift": drift})
    return best._replace(about=told)


def _passes(job: Job, parity: Parity) -> bool:
    """Whether a file in float32 answers as the model does; of one that is only on the way to fewer
    bits, whose figures are told, decisions alone count."""
    return parity.holds or (job.asked.precision != FLOAT32 and not parity.differ)


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


def _lowered(
    folder: Path, job: Job, plain: Try, images: Images, console: Console
) -> tuple[About, Kept]:
    """The files in fewer bits in place of those in float32."""

    def write(made: Any, about: About) -> tuple[Runner, int]:
        _save(folder, job, made, about)
        run = FORMATS[job.to].maker().open(folder, job.source, torch.get_num_threads())
        return run, sum(file.stat().st_size for file in folder.glob("[!.]*"))

    lower = FORMATS[job.to].maker().lower
    assert lower is not None  # precisions.OF_FORMATS has those alone that have one
    return lowered(job.source, job.asked, images, plain, lower, write, console)


def _save(folder: Path, job: Job, made: Any, about: About) -> None:
    for file in folder.glob("[!.]*"):
        file.unlink()
    FORMATS[job.to].maker().save(made, without_names(about), folder)


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
