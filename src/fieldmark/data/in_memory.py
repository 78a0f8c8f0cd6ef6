"""Small images that lie in memory as bytes, on the device, and are changed a batch at a time.

The order of an epoch and the sizes of its steps are those of data.loader; what happens to an
image is a function of (seed, epoch, row, draw) here too, though of another stream of numbers.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch

from fieldmark.data.batch_augment import BatchAugment, Draws, sent
from fieldmark.data.loader import Batch, Keys, Sampling, Stepping, Tally
from fieldmark.data.stored import Stored, decoded
from fieldmark.records import InputSpec, Samples

MOST_SIDE = 64  # pixels; larger images come fast enough one by one
MOST_BYTES = 1_000_000_000


class InMemory(Stepping):
    """Batches of images that are all in memory, with the face of loader.Batches."""

    def __init__(
        self,
        pixels: torch.Tensor,
        targets: np.ndarray,
        rows: np.ndarray,
        *,
        augment: BatchAugment,
        batch_size: int,
        seed: int | None,
        sampling: Sampling = "all",
    ):
        """`augment` gives the images as evaluation sees them where it is the preset `none`.

        pixels: (N, 3, H, W) uint8, by row, on the device that augments. targets: (N,) int64.
        rows: those to be seen. seed: of the order and of what `augment` draws; None keeps the
        order of `rows`. sampling: as for loader.Batches.
        """
        self._keys = Keys(rows, batch_size, seed, sampling, targets)
        self._pixels = pixels.permute(0, 2, 3, 1).contiguous()  # no copy of what read_all gives
        self._targets, self._augment, self._seed = targets, augment, seed or 0
        self._tally = Tally(0)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Batches of `epoch` from step `start` on: images on the device, targets on the CPU.

        The images are as the augmentation leaves them: (n, 3, size, size), uint8, or float32 on
        the same scale of 0 to 255.
        """
        return map(self._batch, self._keys.steps(epoch, start))

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(0)

    def _batch(self, keys: np.ndarray) -> Batch:
        epoch, (_, rows, draws) = int(keys[0, 0]), keys.T
        begun = time.perf_counter()
        images = self._pixels.index_select(0, sent(rows, self._pixels.device))
        read = time.perf_counter()
        images = self._augment(images.permute(0, 3, 1, 2), Draws(self._seed, epoch, rows, draws))
        self._tally.add(read - begun, time.perf_counter() - read)
        return images, torch.from_numpy(self._targets[rows])


def fits_in_memory(spec: InputSpec, count: int) -> bool:
    """Whether so many images are squares of one size, small enough to be held as bytes."""
    word, side = spec.form[:2]
    return word == "square" and side <= MOST_SIDE and 3 * side * side * count <= MOST_BYTES


def read_all(samples: Samples, spec: InputSpec, stored: Stored | None) -> torch.Tensor:
    """All images of the table in the spec's stored form, `square:N`. -> (N, 3, H, W) uint8

    `stored`: the images in that form; None decodes them, in threads. Channels last in memory.
    Raises DataError for an image that cannot be read.
    """
    side, rows = spec.form[1], np.arange(len(samples))
    pixels = np.empty((len(samples), side, side, 3), np.uint8)
    images = (
        decoded(samples, rows, spec.form) if stored is None else map(stored.image, rows.tolist())
    )
    for row, image in enumerate(images):
        pixels[row] = image
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)
