"""Whether a file that leaves the house decides as the bundle that it was made of, on real images."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fieldmark.data.images import Content, seen, unresized
from fieldmark.data.inside import content_at
from fieldmark.data.sources import content_of, gone, place_name, raw_pixels
from fieldmark.errors import DataError, RunError, counted
from fieldmark.export.whole import Runner, Source
from fieldmark.judge.thresholds import in_order
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.infer import infer
from fieldmark.records import Samples
from fieldmark.rundir import RunDir
from fieldmark.task import TASKS
from fieldmark.use.ensemble import Joining, mean_of_scores, one_vs_rest
from fieldmark.use.inputs import find_images

CHECKED = 200  # images, where there are so many
FARTHEST = 1e-3  # that a score may be off
Picture = tuple[str, Content]  # an image's name, and its file's bytes or its pixels


@dataclass(frozen=True)
class Parity:
    """What came of looking at the same images in both ways.

    images: of what, in words: `of`. differ: the names of those that are decided otherwise.
    largest, mean: by how much scores differ. unread: images that could not be read. seconds,
    torch_seconds: an image, decoded and answered one at a time, by the file and by torch.
    """

    images: int
    of: str
    differ: tuple[str, ...]
    largest: float
    mean: float
    seconds: float
    torch_seconds: float
    unread: int = 0

    @property
    def holds(self) -> bool:
        """Whether every image is decided alike and no score is far off."""
        return not self.differ and self.largest <= FARTHEST

    def words(self) -> str:
        """In a sentence."""
        alike = (
            "decided alike"
            if not self.differ
            else f"{counted(len(self.differ), 'image')} decided otherwise"
        )
        return (
            f"{counted(self.images, 'image')} of {self.of}: {alike}, scores within "
            f"{self.largest:.2g} (mean {self.mean:.2g}); {1000 * self.seconds:.0f} ms an image, "
            f"torch {1000 * self.torch_seconds:.0f} ms"
        )


@dataclass(frozen=True)
class Shown:
    """The images that a file is held to: what they are, in words, and how each is had."""

    of: str
    pictures: Sequence[Callable[[], Picture]]


def own_images(path: Path, most: int = CHECKED) -> Shown:
    """Of a run's validation, evenly spaced; where folds validated, of what they held out.

    Raises RunError where the run has no table of its images, or they are gone.
    """
    table = RunDir(path).samples
    how = "name images to hold the file to: --images DIR"
    if not table.is_file():
        raise RunError(f"{path}: has no {table.name}, which says what its validation was; {how}")
    samples = Samples.read(table)
    if why := gone(samples):
        raise RunError(f"{path}: {why}; put them back, or {how}")
    rows, of = samples.rows("val"), "validation"
    if not len(rows) and samples.folds is not None:
        rows, of = np.flatnonzero((samples.folds >= 0).any(axis=0)), "validation by folds"
    if not len(rows):
        rows, of = samples.rows("train"), "the training, since there was no validation"
    places = samples.places()
    chosen = [places[row] for row in _spaced(rows, most)]
    return Shown(of, [_of_samples(samples.root, *place) for place in chosen])


def given_images(images: Sequence[str], most: int = CHECKED) -> Shown:
    """Images that a person names, evenly spaced. Raises DataError."""
    found = list(find_images(images).images)
    chosen = [found[row] for row in _spaced(np.arange(len(found)), most)]
    paths = [getattr(each, "path", each) for each in chosen]
    return Shown("those named", [_of_path(Path(each)) for each in paths if each is not None])


def _spaced(rows: np.ndarray, most: int) -> list[int]:
    if len(rows) <= most:
        return rows.tolist()
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)].tolist()


def _of_samples(root: str, path: str, row: int | None) -> Callable[[], Picture]:
    def read() -> Picture:
        pixels = raw_pixels(path, row)
        content = content_of(root, path, row) if pixels is None else pixels
        return place_name(path, row), content

    return read


def _of_path(path: Path) -> Callable[[], Picture]:
    return lambda: (str(path), content_at(path))


def compare(source: Source, run: Runner, shown: Shown, *, resizes: bool = True) -> Parity:
    """Look at each image by the file and by torch in float32, from the file on disk.

    resizes: whether the file does that itself; else it is given the network's size.
    """
    torchs = _by_torch(source)
    scores: list[tuple[np.ndarray, np.ndarray]] = []
    names, unread, seconds = [], 0, np.zeros(2)
    spec = source.info.spec
    for read in shown.pictures:
        try:
            name, content = read()
            began = time.perf_counter()
            pixels = (unresized if resizes else seen)(content, spec, name)
            its = run(pixels[None])[0].astype(np.float64)
            between = time.perf_counter()
            wanted = torchs(seen(content, spec, name))
            seconds += between - began, time.perf_counter() - between
        except DataError:
            unread += 1
            continue
        names.append(name)
        scores.append((its, wanted))
    if not scores:
        raise RunError(f"{source.path}: none of the images to hold the file to can be read")
    by_file, by_torch = (np.concatenate(each) for each in zip(*scores, strict=True))
    apart = np.abs(by_file - by_torch)
    differ = decisions(by_file, source.info) != decisions(by_torch, source.info)
    differ = differ if differ.ndim == 1 else differ.any(axis=1)
    mean_seconds = seconds / len(names)
    return Parity(
        images=len(names),
        of=shown.of,
        differ=tuple(name for name, other in zip(names, differ, strict=True) if other),
        largest=float(np.where(np.isnan(apart), np.inf, apart).max()),
        mean=float(apart.mean()),
        seconds=float(mean_seconds[0]),
        torch_seconds=float(mean_seconds[1]),
        unread=unread,
    )


def decisions(scores: np.ndarray, info: BundleInfo) -> np.ndarray:
    """The class of each image (n,), or of several labels whether each is there (n, C)."""
    return TASKS[info.task].decide(scores, in_order(info.thresholds, info.classes))


def _by_torch(source: Source) -> Callable[[np.ndarray], np.ndarray]:
    """What gives the scores (1, C) of an image (side, side, 3) by torch, in float32."""
    task, info, joining = TASKS[source.info.task], source.info, source.joining

    def scores(pixels: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
        found = [infer(network, [batch], device="cpu") for network, _ in source.members]
        logits = found[0] if joining is None else _joined(joining, source, found)
        return task.scores(logits, info.temperature)

    return scores


def _joined(joining: Joining, source: Source, found: Sequence[np.ndarray]) -> np.ndarray:
    join = one_vs_rest if joining.kind == "one-vs-rest" else mean_of_scores
    return join(joining, [info for _, info in source.members], found)
