"""Images decoded once: kept in their stored form, in memory or as a file of the cache.

The file is one long row of bytes, image after image, and behind them a table with each image's
offset, height and width. It is addressed by the stored form, the version of Pillow and the
content hashes of all images, so that a changed image makes another file. What training sees is
the same with and without it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import sqrt
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL

from fieldmark.cache import Cache, address
from fieldmark.data.images import LONGEST, Form
from fieldmark.data.sources import read_pixels
from fieldmark.errors import DataError
from fieldmark.records import InputSpec, Samples

VERSION = 2  # of the decoding and of the file: a change makes every old file unused
IN_MEMORY = 2_000_000_000  # bytes of images that are held in memory where there is no cache
ROW = 3 * 8  # bytes of one line of the table: offset, height, width

WORKERS = min(32, (os.cpu_count() or 1) + 4)  # twice as many images are decoded ahead

Advance = Callable[[int], None]
Three = tuple[float, float, float]


class Stored:
    """Images by their row, as (H, W, 3) uint8 views that must not be written to."""

    def __init__(self, pixels: np.ndarray, table: np.ndarray):
        """pixels: (bytes,) uint8; table: (N, 3) int64 of offset, height, width."""
        self._pixels, self._table = pixels, table

    def __len__(self) -> int:
        return len(self._table)

    def image(self, row: int) -> np.ndarray:
        """-> (H, W, 3) uint8"""
        offset, height, width = map(int, self._table[row])
        return self._pixels[offset : offset + 3 * height * width].reshape(height, width, 3)


def store(samples: Samples, form: Form, cache: Cache, advance: Advance) -> Stored | None:
    """All images of the table in this form; None where they are too many to be kept.

    From the cache where they are there; else decoded, in threads, and put there. Raises
    DataError for an image that cannot be read.
    """
    key = address(VERSION, PIL.__version__, form, samples.frame["hash"].to_list())
    known = cache.get("images", key)
    found = open_stored(known, len(samples)) if known else None
    if found is None and estimated_bytes(samples, form) <= cache.most_bytes / 2:
        known = cache.put("images", key, lambda draft: _write(draft, samples, form, advance))
        found = open_stored(known, len(samples)) if known else None
    if found is not None or estimated_bytes(samples, form) > IN_MEMORY:
        return found
    images = list(decoded(samples, np.arange(len(samples)), form, advance))
    return Stored(np.concatenate([image.ravel() for image in images]), _table(images))


def open_stored(path: Path, count: int) -> Stored | None:
    """A file of `count` images, as a memory map; None where it is not whole, or is gone."""
    try:
        whole = np.memmap(path, np.uint8, mode="c")  # torch warns of arrays it may not write to
        split = len(whole) - count * ROW
        table = whole[split:].view(np.int64).reshape(count, 3)
    except (OSError, ValueError):
        return None
    sizes = 3 * table[:, 1] * table[:, 2]
    is_whole = np.array_equal(table[:, 0], np.cumsum(sizes) - sizes)
    return Stored(whole[:split], table) if is_whole and 0 <= split - sizes.sum() < 8 else None


def decoded(
    samples: Samples, rows: np.ndarray, form: Form, advance: Advance = lambda _: None
) -> Iterator[np.ndarray]:
    """The images at `rows` in order, decoded by threads that never run far ahead.

    One who stops waits for those that are being decoded, not for the rest. Raises DataError for
    an image that cannot be read.
    """
    places = samples.places()
    threads = ThreadPoolExecutor(WORKERS)
    waiting: deque[Future[np.ndarray]] = deque()

    def first() -> np.ndarray:
        image = waiting.popleft().result()
        advance(1)
        return image

    try:
        for row in rows.tolist():
            path, at = places[row]
            waiting.append(threads.submit(read_pixels, samples.root, path, at, form))
            if len(waiting) == 2 * WORKERS:
                yield first()
        while waiting:
            yield first()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def estimated_bytes(samples: Samples, form: Form) -> int:
    """How many bytes the images take in this form."""
    word, side = form[:2]
    if word == "square":
        return len(samples) * 3 * side * side
    width = samples.frame["width"].to_numpy().astype(np.float64)
    height = samples.frame["height"].to_numpy().astype(np.float64)
    longer = np.maximum(width, height) / np.minimum(width, height)
    return int((3 * side**2 * np.minimum(longer, LONGEST)).sum())


def channels(images: Iterable[np.ndarray]) -> tuple[Three, Three]:
    """Mean and standard deviation of R, G and B over all pixels, in 0..1, as input.normalize.

    images: (H, W, 3) uint8 each, of any sizes; a larger one counts for more. Whole numbers are
    summed, so that the order of the images does not matter. The deviation is that of the pixels
    themselves (divided by their number); 0 for a channel of one value. Raises DataError without
    a pixel.
    """
    count, sums, squares = 0, [0, 0, 0], [0, 0, 0]
    for pixels in images:
        count += pixels.shape[0] * pixels.shape[1]
        each = pixels.reshape(-1, 3)
        sums = _added(sums, each.sum(axis=0, dtype=np.uint64))
        squares = _added(squares, np.square(each, dtype=np.uint32).sum(axis=0, dtype=np.uint64))
    if not count:
        raise DataError("there is no training image to take the channels' mean from; add some")
    spread = [count * square - total**2 for total, square in zip(sums, squares, strict=True)]
    red, green, blue = (total / count / 255 for total in sums)
    mean = red, green, blue
    red, green, blue = (sqrt(part) / count / 255 for part in spread)
    return mean, (red, green, blue)


def channels_of(
    samples: Samples, rows: np.ndarray, spec: InputSpec, advance: Advance = lambda _: None
) -> tuple[Three, Three]:
    """`channels` of the samples at `rows`, as evaluation resizes them, before it crops.

    Raises DataError for an image that cannot be read.
    """
    return channels(decoded(samples, rows, spec.evaluated_form, advance))


def _write(path: Path, samples: Samples, form: Form, advance: Advance) -> None:
    with path.open("wb") as stream:
        images = decoded(samples, np.arange(len(samples)), form, advance)
        lines = np.array(list(_append(stream, images)), np.int64)
        padding = -stream.tell() % 8  # so that the table's whole numbers are aligned
        stream.write(bytes(padding) + lines.tobytes())


def _append(stream: BinaryIO, images: Iterator[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    for image in images:
        line = (stream.tell(), image.shape[0], image.shape[1])
        stream.write(np.ascontiguousarray(image).data)
        yield line


def _table(images: list[np.ndarray]) -> np.ndarray:
    sizes = np.array([image.size for image in images], np.int64)
    shapes = np.array([image.shape[:2] for image in images], np.int64).reshape(len(images), 2)
    return np.column_stack([np.cumsum(sizes) - sizes, shapes])


def _added(totals: list[int], more: np.ndarray) -> list[int]:
    """Python's whole numbers do not overflow."""
    return [total + int(each) for total, each in zip(totals, more, strict=True)]
