"""Images decoded once: kept in their stored form, in memory or as a file of the cache.

The file is one long row of bytes, image after image, and behind them a table with each image's
offset, height and width. It is addressed by the stored form and the content hashes of all
images, so that a changed image makes another file. What training sees is the same with and
without it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fieldmark.cache import Cache, address
from fieldmark.data.images import Form
from fieldmark.data.sources import read_pixels
from fieldmark.records import Samples

VERSION = 1  # of the decoding and of the file: a change makes every old file unused
IN_MEMORY = 2_000_000_000  # bytes of images that are held in memory where there is no cache
ROW = 3 * 8  # bytes of one line of the table: offset, height, width

Advance = Callable[[int], None]


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
    key = address(VERSION, form, samples.frame["hash"].to_list())
    known = cache.get("images", key)
    if known is None and estimated_bytes(samples, form) <= cache.most_bytes / 2:
        known = cache.put("images", key, lambda draft: _write(draft, samples, form, advance))
    if known is not None:
        return open_stored(known, len(samples))
    if estimated_bytes(samples, form) > IN_MEMORY:
        return None
    images = list(_decoded(samples, form, advance))
    return Stored(np.concatenate([image.ravel() for image in images]), _table(images))


def open_stored(path: Path, count: int) -> Stored:
    """A file of `count` images, as a memory map."""
    whole = np.memmap(path, np.uint8, mode="c")  # torch warns of arrays that it may not write to
    split = len(whole) - count * ROW
    return Stored(whole[:split], whole[split:].view(np.int64).reshape(count, 3))


def estimated_bytes(samples: Samples, form: Form) -> int:
    """How many bytes the images take in this form."""
    word, side = form[:2]
    if word == "square":
        return len(samples) * 3 * side * side
    width = samples.frame["width"].to_numpy().astype(np.float64)
    height = samples.frame["height"].to_numpy().astype(np.float64)
    scale = side / np.minimum(width, height)
    return int((3 * width * height * scale**2).sum())


def _write(path: Path, samples: Samples, form: Form, advance: Advance) -> None:
    with path.open("wb") as stream:
        lines = np.array(list(_append(stream, _decoded(samples, form, advance))), np.int64)
        padding = -stream.tell() % 8  # so that the table's whole numbers are aligned
        stream.write(bytes(padding) + lines.tobytes())


def _append(stream: BinaryIO, images: Iterator[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    for image in images:
        line = (stream.tell(), image.shape[0], image.shape[1])
        stream.write(np.ascontiguousarray(image).data)
        yield line


def _decoded(samples: Samples, form: Form, advance: Advance) -> Iterator[np.ndarray]:
    """The images in the table's order, decoded by threads that never run far ahead."""
    places = samples.places()
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(places), 256):
            part = places[start : start + 256]
            images = threads.map(lambda at: read_pixels(samples.root, at[0], at[1], form), part)
            for image in images:
                advance(1)
                yield image


def _table(images: list[np.ndarray]) -> np.ndarray:
    sizes = np.array([image.size for image in images], np.int64)
    shapes = np.array([image.shape[:2] for image in images], np.int64).reshape(len(images), 2)
    return np.column_stack([np.cumsum(sizes) - sizes, shapes])
