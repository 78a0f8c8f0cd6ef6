"""Images as threads read them, some at a time; free of torch."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Union

import numpy as np

from fieldmark.data.images import Content, size_of
from fieldmark.data.inside import content_at
from fieldmark.data.seen_part import shares_seen
from fieldmark.data.tables import Named
from fieldmark.errors import DataError
from fieldmark.records import InputSpec

if TYPE_CHECKING:
    import torch

Pixels = Union["torch.Tensor", np.ndarray]
Reader = Callable[[Path | Content, str], Pixels]  # an image and its name; raises DataError


class Read(NamedTuple):
    """An image's name, what is seen of it or why it cannot be read, maybe its caption, and the
    share of its area that is seen."""

    name: str
    seen: Pixels | str
    caption: str | None = None
    part: float = 1.0


def batches(
    images: Iterable[Path | Content | Named],
    size: int,
    read: Reader,
    spec: InputSpec,
    check: Callable[[int], None] = lambda number: None,
) -> Iterator[list[Read]]:
    """Images as `read` gives them, in threads, `size` at a time; one batch is in memory.

    An image is called by its path, as its table calls it, or "image 3" where it is the third
    and has neither. check: is called before a batch is read, with its number of images.
    """

    def one(numbered: tuple[int, Path | Content | Named]) -> Read:
        number, image = numbered
        if isinstance(image, Named):
            if image.path is None:
                return Read(image.name, image.reason or "")
            found = seen_of(image.path, str(image.path), read, spec)
            return found._replace(name=image.name, caption=image.caption)
        name = str(image) if isinstance(image, Path) else f"image {number}"
        return seen_of(image, name, read, spec)

    pending = enumerate(images, 1)
    with ThreadPoolExecutor() as threads:
        while batch := list(islice(pending, size)):
            check(len(batch))
            yield list(threads.map(one, batch))


def seen_of(image: Path | Content, name: str, read: Reader, spec: InputSpec) -> Read:
    """What is seen of an image, or why it cannot be read."""
    try:
        content = content_at(image) if isinstance(image, Path) else image
        return Read(name, read(content, name), part=_part(content, spec))
    except DataError as error:
        return Read(name, str(error))


def _part(content: Content, spec: InputSpec) -> float:
    """The share of a picture that is seen; 1 where only a mended copy of it has a size."""
    try:
        size = np.array([size_of(content)])
    except DataError:
        return 1.0
    return float(shares_seen(size, spec)[0])
