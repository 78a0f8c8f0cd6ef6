"""From places to batches of tensors: the same batches with 0, 1 or 2 workers.

The order of an epoch is a function of (seed, epoch), an image's augmentation of (seed, epoch,
row, draw). The dataset holds plain lists and arrays, for polars may not enter a forked worker.
"""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from fieldmark.data.augment import Augment, centre_crop
from fieldmark.data.sources import read_pixels
from fieldmark.data.stored import Stored
from fieldmark.errors import DataError, WorkError
from fieldmark.records import InputSpec, Samples

# One stream of random numbers for each purpose, so that no two share draws.
ORDER, AUGMENT = 1, 2

Key = tuple[int, int]  # epoch, row
Batch = tuple[torch.Tensor, torch.Tensor]  # (n, 3, size, size) uint8, (n,) int64


@dataclass(frozen=True)
class Augmenting:
    """How training images are changed: the function, and the seed of its draws."""

    function: Augment
    seed: int


class Images(Dataset[Batch]):
    """Images of a Samples table by (epoch, row): read, in stored form, augmented or cropped."""

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
        self._targets = samples.targets(classes)
        self._form = spec.form if augmenting else spec.evaluated_form
        self._size = spec.size
        self._augmenting, self._stored = augmenting, stored

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> Batch:
        """A whole batch at once. Raises DataError for an image that cannot be read."""
        with _one_thread():
            # stacked channels last: as pixels lie, and as networks like them best
            images = torch.stack([self._image(*key).permute(1, 2, 0) for key in keys])
        rows = [row for _, row in keys]
        return images.permute(0, 3, 1, 2), torch.from_numpy(self._targets[rows])

    def _image(self, epoch: int, row: int) -> torch.Tensor:
        image = torch.from_numpy(self._pixels(row)).permute(2, 0, 1)
        if self._augmenting is None:
            return centre_crop(image, self._size)
        draw = np.random.default_rng([self._augmenting.seed, AUGMENT, epoch, row, 0])
        return self._augmenting.function(image, draw)

    def _pixels(self, row: int) -> np.ndarray:
        if self._stored is not None:
            return self._stored.image(row)
        return read_pixels(self._root, *self._places[row], self._form).copy()


class Batches:
    """The batches of an epoch, from any of its steps on. Workers stay alive between epochs."""

    def __init__(
        self, images: Images, rows: np.ndarray, *, batch_size: int, seed: int | None, workers: int
    ):
        """`seed` decides the order of each epoch; None keeps the order of `rows`."""
        self._keys = _Keys(rows, batch_size, seed)
        self._loader = DataLoader(
            _Telling(images),
            batch_sampler=self._keys,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_signals_to_the_parent,
            num_workers=workers,
            persistent_workers=workers > 0,
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            generator=torch.Generator(),  # the loader's own draw must not touch the global one
        )

    def __len__(self) -> int:
        """Steps of a whole epoch."""
        return len(self._keys)

    @property
    def sizes(self) -> list[int]:
        """Images in each step of an epoch."""
        return self._keys.sizes

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Batches of `epoch` from step `start` on. Images before it are not even read.

        Raises DataError for an image that cannot be read, WorkError where a worker dies.
        """
        self._keys.epoch, self._keys.start = epoch, start
        return _without_errors(iter(self._loader))

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(0)


class _Keys:
    """The loader's sampler: lists of (epoch, row), a list a step."""

    def __init__(self, rows: np.ndarray, batch_size: int, seed: int | None):
        self._rows, self._seed = rows, seed
        self.sizes = _sizes(len(rows), batch_size)
        self.epoch = self.start = 0

    def __iter__(self) -> Iterator[list[Key]]:
        """The steps of `epoch` from `start` on, both as they are now and not at the first step."""
        epoch, rows = self.epoch, self._rows
        if self._seed is not None:
            rows = np.random.default_rng([self._seed, ORDER, epoch]).permutation(rows)
        steps = np.split(rows, np.cumsum(self.sizes))[self.start : len(self)]
        return ([(epoch, int(row)) for row in step] for step in steps)

    def __len__(self) -> int:
        return len(self.sizes)


def _sizes(count: int, batch_size: int) -> list[int]:
    """Images in each step. A last batch of one joins the one before it (batch norm)."""
    sizes = [min(batch_size, count - start) for start in range(0, count, batch_size)]
    return [*sizes[:-2], batch_size + 1] if len(sizes) > 1 and sizes[-1] == 1 else sizes


class _Telling(Dataset[Batch | DataError]):
    """Images, but an image that cannot be read gives its error in the batch's place.

    An error that a worker raises comes out of torch's loader with a traceback in its text.
    """

    def __init__(self, images: Images):
        self._images = images

    def __getitems__(self, keys: list[Key]) -> Batch | DataError:
        try:
            return self._images.__getitems__(keys)
        except DataError as error:
            return error


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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Kernels on one image are too small to share: on a busy machine two threads took 15 times."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _leave_signals_to_the_parent(_: int) -> None:
    """Ctrl-C reaches every process of a terminal; the parent ends its workers itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _as_it_is(batch: Any) -> Any:
    return batch
