"""From places to batches of tensors: the same batches with 0, 1 or 2 workers.

The order of an epoch is a function of (seed, epoch), an image's augmentation of (seed, epoch,
row, draw), where draw counts how often the epoch has had the row before. The dataset holds
plain lists and arrays, for polars may not enter a forked worker.
"""

import signal
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from fieldmark import streams
from fieldmark.captioned import Captioned, Seen
from fieldmark.data.augment import Augment
from fieldmark.data.images import centre_crop
from fieldmark.data.sources import read_pixels
from fieldmark.data.stored import Stored
from fieldmark.data.words import counted
from fieldmark.errors import DataError, WorkError
from fieldmark.machine import threads
from fieldmark.records import InputSpec, Samples
from fieldmark.streams import Stream


class Tally:
    """Seconds of reading and augmenting, in memory that workers share: a row each, so no lock."""

    def __init__(self, workers: int):
        """workers: how many; none, and the process that makes this counts for itself."""
        self.workers = workers
        # a tensor, for an array would not stay shared on the way to a worker that is spawned
        self._seconds = torch.zeros(workers or 1, 2, dtype=torch.float64)
        if workers:
            self._seconds.share_memory_()  # type: ignore[no-untyped-call]
        self._told: list[float] = [0.0, 0.0]

    def add(self, reading: float, augmenting: float) -> None:
        """Seconds that one batch took the process that calls."""
        worker = get_worker_info()
        row = self._seconds.numpy()[worker.id if worker else 0]
        row[0] += reading
        row[1] += augmenting

    def spent(self) -> dict[str, float]:
        """Seconds of all processes since this was last asked: reading and augmenting.

        Where workers load, the names have "workers_" before them. Batches that they have ready
        in advance count too.
        """
        before, self._told = self._told, self._seconds.sum(0).tolist()
        place = "workers_" if self.workers else ""
        names = f"{place}reading", f"{place}augmenting"
        return {name: self._told[at] - before[at] for at, name in enumerate(names)}


Sampling = Literal["all", "balanced"]
Key = tuple[int, int, int]  # epoch, row, draw
Batch = tuple[Any, torch.Tensor]  # Seen, or features in their place, and targets; see Images


class Feed(Protocol):
    """Batches, epoch after epoch: of images from workers, of images in memory, of features."""

    @property
    def sizes(self) -> list[int]:
        """Images in each step of an epoch."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from step `start` on."""

    def spent(self) -> dict[str, float]:
        """Seconds of loading since this was last asked, by name."""


@dataclass(frozen=True)
class Augmenting:
    """How training images are changed: the function, and the seed of its draws."""

    function: Augment
    seed: int


class Images(Dataset[Batch]):
    """Images of a Samples table by (epoch, row, draw): read, in stored form, then augmented.

    Without an augmentation epoch and draw change nothing, and the image is cropped. Values are
    uint8, or float32 on the same scale of 0 to 255 where the augmentation gives that. Of a network
    that reads captions (`InputSpec.words`) a batch has their words too.
    reading: seconds that this process has spent so far on having the pixels in stored form.
    """

    reading = 0.0

    def __init__(
        self,
        samples: Samples,
        classes: Sequence[str],
        spec: InputSpec,
        augmenting: Augmenting | None = None,
        *,
        stored: Stored | None = None,
    ):
        """`stored`: the images in the spec's stored form; None decodes them each time."""
        self._root, self._places = samples.root, samples.places()
        self.targets = samples.targets(classes)  # (N,) int64, by row
        self._form = spec.form if augmenting else spec.evaluated_form
        self._size, self._buckets = spec.size, spec.words
        self._captions = samples.frame["caption"].to_list() if spec.words else []
        self._augmenting, self._stored = augmenting, stored

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> Batch:
        """A whole batch at once. Raises DataError for an image that cannot be read."""
        with threads(1):  # on a busy machine two took 15 times for one image
            # stacked channels last: as pixels lie, and as networks like them best
            images = torch.stack([self._image(*key).permute(1, 2, 0) for key in keys])
        rows = [row for _, row, _ in keys]
        seen: Seen = images.permute(0, 3, 1, 2)
        if self._buckets:
            words = counted([self._captions[row] for row in rows], self._buckets)
            seen = Captioned(images.permute(0, 3, 1, 2), torch.from_numpy(words))
        return seen, torch.from_numpy(self.targets[rows])

    def _image(self, epoch: int, row: int, draw: int) -> torch.Tensor:
        begun = time.perf_counter()
        pixels = self._pixels(row)
        self.reading += time.perf_counter() - begun
        if self._augmenting is None:
            return torch.from_numpy(centre_crop(pixels, self._size)).permute(2, 0, 1)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        generator = streams.draw(Stream.AUGMENT, self._augmenting.seed, epoch, row, draw)
        return self._augmenting.function(image, generator)

    def _pixels(self, row: int) -> np.ndarray:
        if self._stored is not None:
            return self._stored.image(row)
        return read_pixels(self._root, *self._places[row], self._form).copy()


class Stepping:
    """What feeds have in common whose images come in the order of `Keys`."""

    _keys: "Keys"
    _tally: Tally

    def __len__(self) -> int:
        """Steps of a whole epoch."""
        return len(self._keys)

    @property
    def sizes(self) -> list[int]:
        """Images in each step of an epoch."""
        return self._keys.sizes

    def spent(self) -> dict[str, float]:
        """Seconds of loading since this was last asked; see Tally.spent.

        An accelerator works on while the clock has stopped: its own seconds are not in it.
        """
        return self._tally.spent()


class Batches(Stepping):
    """The batches of an epoch, from any of its steps on. Workers stay alive between epochs."""

    def __init__(
        self,
        images: Images,
        rows: np.ndarray,
        *,
        batch_size: int,
        seed: int | None,
        workers: int,
        sampling: Sampling = "all",
    ):
        """`seed` decides the order of each epoch; None keeps the order of `rows`.

        sampling: "all" has each row once an epoch. "balanced" draws as many rows with
        replacement, so that each class that has any is equally likely; it needs a seed.
        """
        self._keys = Keys(rows, batch_size, seed, sampling, images.targets)
        self._tally = Tally(workers)
        self._loader = DataLoader(
            _Telling(images, self._tally),
            batch_sampler=self._keys,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_signals_to_the_parent,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            generator=torch.Generator(),  # the loader's own draw must not touch the global one
        )
        # Workers ignore the signal with which a process that ends on an error would end them.
        weakref.finalize(self, _end_workers, self._loader)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Batches of `epoch` from step `start` on. Images before it are not even read.

        Raises DataError for an image that cannot be read, WorkError where a worker dies.
        """
        self._keys.epoch, self._keys.start = epoch, start
        return _without_errors(iter(self._loader))

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(0)


class Keys:
    """The order of images: as the loader's sampler, lists of (epoch, row, draw), one a step."""

    def __init__(
        self,
        rows: np.ndarray,
        batch_size: int,
        seed: int | None,
        sampling: Sampling,
        targets: np.ndarray,
    ):
        """sampling: as for Batches; balanced draws a class of `targets`, then one of its rows."""
        if seed is None and sampling == "balanced":
            raise ValueError("balanced sampling draws rows, so it needs a seed")
        self._rows, self._seed = rows, seed
        self._classes = targets[rows] if sampling == "balanced" else None
        self.sizes = step_sizes(len(rows), batch_size)
        self.epoch = self.start = 0

    def __iter__(self) -> Iterator[list[Key]]:
        """The steps of `epoch` from `start` on, both as they are now and not at the first step."""
        steps = self.steps(self.epoch, self.start)
        return ([(epoch, row, draw) for epoch, row, draw in step.tolist()] for step in steps)

    def steps(self, epoch: int, start: int) -> list[np.ndarray]:
        """The steps of an epoch from `start` on: (n, 3) int64 of epoch, row, draw each."""
        rows = self._order(epoch)
        keys = np.stack([np.full(len(rows), epoch), rows, _draws(rows)], axis=1)
        return np.split(keys, np.cumsum(self.sizes))[start : len(self)]

    def __len__(self) -> int:
        return len(self.sizes)

    def _order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch. -> (n,)"""
        if self._seed is None:
            return self._rows
        if self._classes is not None:
            draw = streams.draw(Stream.SAMPLING, self._seed, epoch)
            return _balanced(self._rows, self._classes, draw)
        draw = streams.draw(Stream.ORDER, self._seed, epoch)
        shuffled: np.ndarray = draw.permutation(self._rows)
        return shuffled


def _balanced(rows: np.ndarray, classes: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """As many rows as there are: for each one a class, then a row of that class. -> (n,)"""
    if not len(rows):
        return rows
    counts = np.unique_counts(classes).counts
    starts = np.cumsum(counts) - counts
    drawn = draw.integers(len(counts), size=len(rows))
    grouped = rows[np.argsort(classes, kind="stable")]
    taken: np.ndarray = grouped[starts[drawn] + draw.integers(counts[drawn])]
    return taken


def _draws(rows: np.ndarray) -> np.ndarray:
    """How often each row came before, in this order: (5, 7, 5, 5) -> (0, 0, 1, 2)."""
    order = np.argsort(rows, kind="stable")
    found = np.unique_counts(rows)
    starts = np.cumsum(found.counts) - found.counts
    draws = np.empty(len(rows), int)
    draws[order] = np.arange(len(rows)) - np.repeat(starts, found.counts)
    return draws


def step_sizes(count: int, batch_size: int) -> list[int]:
    """Images in each step. A last batch of one joins the one before it (batch norm)."""
    sizes = [min(batch_size, count - start) for start in range(0, count, batch_size)]
    return [*sizes[:-2], batch_size + 1] if len(sizes) > 1 and sizes[-1] == 1 else sizes


class _Telling(Dataset[Batch | DataError]):
    """Images, but an image that cannot be read gives its error in the batch's place.

    An error that a worker raises comes out of torch's loader with a traceback in its text.
    """

    def __init__(self, images: Images, tally: Tally):
        self._images, self._tally = images, tally

    def __getitems__(self, keys: list[Key]) -> Batch | DataError:
        begun, before = time.perf_counter(), self._images.reading
        try:
            return self._images.__getitems__(keys)
        except DataError as error:
            return error
        finally:
            reading = self._images.reading - before
            self._tally.add(reading, time.perf_counter() - begun - reading)


def _without_errors(batches: Iterator[Batch | DataError]) -> Iterator[Batch]:
    """The batches, or the first error among them raised."""
    try:
        for batch in batches:
            if isinstance(batch, DataError):
                raise DataError(str(batch)) from batch  # itself would hold this frame in a cycle
            yield batch
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        reason = str(error).partition("\n")[0].strip(" .")
        raise WorkError(f"{reason}; it may need more memory, try --workers 0") from error


def _end_workers(loader: "DataLoader[Any]") -> None:
    """Let the workers of a loader that nobody needs any more come to their end."""
    iterator: Any = getattr(loader, "_iterator", None)
    if hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()


def _leave_signals_to_the_parent(_: int) -> None:
    """Ctrl-C reaches every process of a terminal; the parent ends its workers itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _as_it_is(batch: Any) -> Any:
    return batch
