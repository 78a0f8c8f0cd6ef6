"""Whether a file that leaves the house decides as the bundle does, on real images."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from fieldmark.console import Bar
from fieldmark.data.images import Content, seen, unresized
from fieldmark.data.inside import content_at
from fieldmark.data.sources import content_of, gone, place_name, raw_pixels
from fieldmark.data.tables import Named
from fieldmark.errors import DataError, RunError, counted
from fieldmark.export.formats import CHECKED, FLOAT32
from fieldmark.export.whole import Runner, Source
from fieldmark.judge.thresholds import in_order
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import family
from fieldmark.models.infer import infer
from fieldmark.models.precision import autocast, here, pick_device
from fieldmark.records import Samples
from fieldmark.rundir import RunDir
from fieldmark.task import TASKS
from fieldmark.use.ensemble import joined
from fieldmark.use.inputs import find_images

VALIDATION = "validation"  # images that no part of the model was trained on
FARTHEST = 1e-3  # that a score may be off
Picture = tuple[str, Content]  # an image's name, and its file's bytes or its pixels


@dataclass(frozen=True)
class Parity:
    """What came of looking at the same images in both ways.

    images: of what, in words: `of`. differ: the names of those that are decided otherwise; ties:
    those of them that torch itself decides by less than FARTHEST. largest, mean: by how much scores
    differ. seconds, torch_seconds: an image, decoded and answered one at a time, by the file and by
    torch, on as many `threads`. unread: images that could not be read. predicts: in what `predict`
    computes here with the bundle, where that is not float32: the precision, and the largest
    difference of its scores from the file's; None on an accelerator, where nobody looked.
    """

    images: int
    of: str
    differ: tuple[str, ...]
    largest: float
    mean: float
    seconds: float
    torch_seconds: float
    threads: int
    ties: tuple[str, ...] = ()
    unread: int = 0
    predicts: tuple[str, float | None] | None = None

    @property
    def holds(self) -> bool:
        """Whether every image is decided alike and no score is far off."""
        return not self.differ and self.largest <= FARTHEST

    def words(self) -> str:
        """In a sentence."""
        alike = f"{counted(len(self.differ), 'image')} decided otherwise"
        unread = f" ({self.unread} more could not be read)" if self.unread else ""
        return (
            f"{counted(self.images, 'image')} of {self.of}{unread}: "
            f"{alike if self.differ else 'decided alike'}, scores within {self.largest:.2g} "
            f"(mean {self.mean:.2g}), both in float32; {1000 * self.seconds:.3g} ms an image, "
            f"torch {1000 * self.torch_seconds:.3g} ms"
        )

    def of_predict(self, run: str | Path, place: Path) -> str:
        """How what `predict` gives with the bundle differs, where it does, in a sentence."""
        assert self.predicts is not None
        precision, largest = self.predicts
        off = "a little" if largest is None else f"up to {largest:.2g}, on these images,"
        return (
            f"`fieldmark predict {run}` computes in {precision} here, so its scores are {off} off "
            f"those of the file, which `fieldmark predict {place}` gives; a run that is trained "
            "with --precision float32 gives the same by both"
        )

    def named(self, most: int = 3) -> str:
        """The images that are decided otherwise, in words; "" where there are none."""
        words = [f"{name}{', a tie' if name in self.ties else ''}" for name in self.differ[:most]]
        more = [f"{len(self.differ) - most} more"] if self.differ[most:] else []
        return "; ".join(words + more)


@dataclass(frozen=True)
class Shown:
    """The images that a file is held to: what they are, in words, and how each is had."""

    of: str
    pictures: Sequence[Callable[[], Picture]]


def images_for(source: Source, named: Sequence[str], most: int) -> Shown:
    """Those that a person names, else of the run's validation, evenly spaced; where folds
    validated, of what they held out. Raises as `given_images`, `own_samples`."""
    if named:
        return given_images(named, most)
    samples = own_samples(source.first, "name images to hold the file to: --images DIR")
    rows, of = judging_rows(samples)
    return Shown(of, pictures_of(samples, spaced(rows, most)))


def own_samples(path: Path, how: str) -> Samples:
    """The table of a run's images. Raises RunError, with what helps, where it or they are gone."""
    table = RunDir(path).samples
    if not table.is_file():
        raise RunError(f"{path}: has no {table.name}, which says what its validation was; {how}")
    samples = Samples.read(table)
    if why := gone(samples):
        raise RunError(f"{path}: {why}; put them back, or {how}")
    return samples


def judging_rows(samples: Samples) -> tuple[np.ndarray, str]:
    """The rows (n,) that a file is judged on, which are never the test, and what they are."""
    rows, of = samples.rows("val"), VALIDATION
    if not len(rows) and samples.folds is not None:
        rows, of = np.flatnonzero((samples.folds >= 0).any(axis=0)), "validation by folds"
    if not len(rows):
        rows, of = samples.rows("train"), "the training, since there was no validation"
    return rows, of


def pictures_of(samples: Samples, rows: Sequence[int]) -> list[Callable[[], Picture]]:
    """How the image of each row is had."""
    places = samples.places()
    return [partial(_of_samples, samples.root, *places[row]) for row in rows]


def given_images(images: Sequence[str], most: int = CHECKED) -> Shown:
    """Images that a person names, evenly spaced. Raises DataError."""
    found = [each.path if isinstance(each, Named) else each for each in find_images(images).images]
    paths = [each for each in found if isinstance(each, Path)]
    chosen = [paths[row] for row in spaced(np.arange(len(paths)), most)]
    return Shown("those named", [partial(_of_path, each) for each in chosen])


def spaced(rows: np.ndarray, most: int) -> list[int]:
    """At most so many of them, evenly."""
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
    return [int(row) for row in rows]


def _of_samples(root: str, path: str, row: int | None) -> Picture:
    pixels = raw_pixels(path, row)
    return place_name(path, row), content_of(root, path, row) if pixels is None else pixels


def _of_path(path: Path) -> Picture:
    return str(path), content_at(path)


def compare(source: Source, run: Runner, shown: Shown, bar: Bar, *, resizes: bool = True) -> Parity:
    """Look at each image by the file and by torch in float32, from the file on disk.

    resizes: whether the file does that itself; else it is given the network's size. Raises RunError
    where no image can be read.
    """
    torchs, place = torch_scores(source), pick_device("auto")
    own = own_precisions(source, place)
    lower = next((each for each in own if each != FLOAT32), None)
    as_predict = torch_scores(source, own) if lower and place.type == "cpu" else None
    predicted: list[float] = []
    scores: list[tuple[np.ndarray, np.ndarray]] = []
    names, seconds, spec = [], np.zeros(2), source.info.spec
    for read in shown.pictures:
        bar.advance()
        try:
            name, content = read()
            began = time.perf_counter()
            pixels = (unresized if resizes else seen)(content, spec, name)
            its = run(pixels[None])[0].astype(np.float64)
            between = time.perf_counter()
            wanted = torchs(small := seen(content, spec, name))
        except DataError:
            continue
        seconds += between - began, time.perf_counter() - between
        names.append(name)
        scores.append((its, wanted))
        if as_predict is not None:
            predicted.append(float(np.abs(as_predict(small) - its).max()))
    if not scores:
        raise RunError(f"{source.path}: none of the images to hold the file to can be read")
    _refuse_unlike_together(source, run, pixels)
    by_file, by_torch = (np.concatenate(each) for each in zip(*scores, strict=True))
    apart = np.abs(by_file - by_torch)
    if not np.isfinite(apart).all():
        raise RunError(
            f"{source.path}: the exported file or the model gives scores that are no numbers; "
            "see what `fieldmark predict` answers, and train again if it is the model"
        )
    differ, ties = differing(by_file, by_torch, source.info)
    return Parity(
        images=len(names),
        of=shown.of,
        differ=tuple(names[row] for row in np.flatnonzero(differ)),
        largest=float(apart.max()),
        mean=float(apart.mean()),
        seconds=float(seconds[0] / len(names)),
        torch_seconds=float(seconds[1] / len(names)),
        threads=torch.get_num_threads(),
        ties=tuple(names[row] for row in np.flatnonzero(ties)),
        unread=len(shown.pictures) - len(names),
        predicts=(lower, max(predicted, default=None)) if lower else None,
    )


def _refuse_unlike_together(source: Source, run: Runner, pixels: np.ndarray) -> None:
    """Raise RunError where images of a batch are not answered as each by itself.

    pixels: of an image, (H, W, 3); the batch is it, its mirror image and its negative.
    """
    batch = np.stack([pixels, pixels[:, ::-1], 255 - pixels])
    alone = np.concatenate([run(image[None])[0] for image in batch])
    together = run(batch)[0]
    if together.shape != alone.shape or not np.allclose(together, alone, rtol=0, atol=FARTHEST):
        raise RunError(
            f"{source.path}: {source.info.model} answers images of a batch otherwise than one by "
            "one in this format; choose another format"
        )


def differing(
    by_file: np.ndarray, by_torch: np.ndarray, info: BundleInfo
) -> tuple[np.ndarray, np.ndarray]:
    """Which images are decided otherwise, and which of those are ties. (n, C) each -> (n,) each"""
    others = decisions(by_file, info) != decisions(by_torch, info)
    if others.ndim == 2:
        by = np.abs(by_torch - in_order(info.thresholds, info.classes))
        return others.any(axis=1), (others & (by < FARTHEST)).any(axis=1)
    best = np.sort(by_torch, axis=1)
    return others, others & (best[:, -1] - best[:, -2] < FARTHEST)


def decisions(scores: np.ndarray, info: BundleInfo) -> np.ndarray:
    """The class of each image (n,), or of several labels whether each is there (n, C)."""
    return TASKS[info.task].decide(scores, in_order(info.thresholds, info.classes))


def own_precisions(source: Source, place: torch.device) -> list[str]:
    """In which precision `predict` computes by each of the networks on a device."""
    return [here(each.precision, place, family(each.model)) for _, each in source.members]


def torch_scores(
    source: Source, precisions: Sequence[str] | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """What gives the scores (1, C) of an image (side, side, 3) by torch, in float32 or else, of
    each network, in these."""
    task, info, joining = TASKS[source.info.task], source.info, source.joining
    infos = [each for _, each in source.members]
    cpu = torch.device("cpu")
    ways = [autocast(each, cpu) for each in precisions or [FLOAT32] * len(infos)]

    def scores(pixels: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
        found = [
            infer(network, [batch], device=cpu, autocast=way)
            for (network, _), way in zip(source.members, ways, strict=True)
        ]
        logits = found[0] if joining is None else joined(joining, infos, found)
        return task.scores(logits, info.temperature)

    return scores
