"""Mean and standard deviation of the channels of images, exact."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import sqrt

import numpy as np

from fieldmark.data.sources import read_pixels
from fieldmark.errors import DataError
from fieldmark.records import InputSpec, Samples

Three = tuple[float, float, float]
AT_ONCE = 256  # images that are decoded ahead


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
    samples: Samples,
    rows: np.ndarray,
    spec: InputSpec,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Three, Three]:
    """`channels` of the samples at `rows`, as evaluation resizes them, before it crops.

    Raises DataError for an image that cannot be read.
    """
    return channels(_pixels(samples, rows, spec, advance))


def _pixels(
    samples: Samples, rows: np.ndarray, spec: InputSpec, advance: Callable[[int], None]
) -> Iterator[np.ndarray]:
    """The images, decoded by threads that never run far ahead."""
    places = samples.places()
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(rows), AT_ONCE):
            part = [places[row] for row in rows[start : start + AT_ONCE].tolist()]
            images = threads.map(
                lambda at: read_pixels(samples.root, at[0], at[1], spec.evaluated_form), part
            )
            for image in images:
                advance(1)
                yield image


def _added(totals: list[int], more: np.ndarray) -> list[int]:
    """Python's whole numbers do not overflow."""
    return [total + int(each) for total, each in zip(totals, more, strict=True)]
