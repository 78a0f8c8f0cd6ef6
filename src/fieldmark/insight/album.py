"""Images for a page, encoded: each is read once, and what cannot be read is told."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import polars as pl
from PIL import Image

from fieldmark.data.images import Form
from fieldmark.data.sources import place_name, read_pixels
from fieldmark.errors import DataError
from fieldmark.records import Samples

SMALL = 64  # pixels; an image below this is enlarged with hard edges
SIDE = 320  # pixels of the shorter side, where an image has more
QUALITY = 80  # of a WebP; an image of at most SMALL pixels is a PNG and keeps every pixel
Place = tuple[str, int | None]


@dataclass(frozen=True)
class Placed:
    """What is shown with its image: where that is, below the samples' root, and in which row."""

    path: str
    row: int | None

    @property
    def caption(self) -> str:
        """The same in words."""
        return place_name(self.path, self.row)


Kind = TypeVar("Kind", bound=Placed)


@dataclass
class Album:
    """Images that were encoded already, or why they cannot be read; each is read once."""

    samples: Samples
    side: int = SIDE  # pixels of the shorter side, where an image has more
    seen: dict[Place, tuple[bytes, str] | DataError] = field(default_factory=dict)

    def pictures(self, wanted: Iterable[Kind]) -> list[tuple[Kind, bytes, str]]:
        """Those of the wanted that can be read, each with its content and type."""
        found = []
        for shown in wanted:
            place = (shown.path, shown.row)
            if place not in self.seen:
                try:
                    pixels = read_pixels(self.samples.root, *place, self._form(place))
                    self.seen[place] = encoded(pixels, self.side)
                except DataError as error:
                    self.seen[place] = error
            if not isinstance(its := self.seen[place], DataError):
                found.append((shown, *its))
        return found

    def notes(self) -> tuple[str, ...]:
        """What to say of images that could not be read: how many, and one of them."""
        errors = [each for each in self.seen.values() if isinstance(each, DataError)]
        more = f"; nor are {len(errors) - 1:,} more" if errors[1:] else ""
        return tuple(f"not shown among the pictures: {error}{more}" for error in errors[:1])

    def _form(self, place: Place) -> Form | None:
        """The form that lets a large JPEG be decoded small, where the table knows its size."""
        path, row = place
        own = self.samples.frame.filter(
            (pl.col("path") == path) & pl.col("row").eq_missing(pl.lit(row, pl.Int64))
        )
        sides = own.select(pl.min_horizontal("width", "height")).to_series().drop_nulls()
        return ("shorter", self.side) if len(sides) and sides[0] > self.side else None


def encoded(pixels: np.ndarray, side: int = SIDE) -> tuple[bytes, str]:
    """(H, W, 3) uint8 -> the bytes of a picture for a page, and their type.

    A small image keeps every pixel; a larger one is a WebP, its shorter side at most `side` and
    its longer one at most three times that.
    """
    image, stream = Image.fromarray(pixels), io.BytesIO()
    if max(image.size) < SMALL:
        image.save(stream, "PNG", optimize=True)
        return stream.getvalue(), "image/png"
    scale = min(side / min(image.size), 3 * side / max(image.size))
    if scale < 1:
        image = image.resize([max(1, round(side * scale)) for side in image.size])
    image.save(stream, "WEBP", quality=QUALITY, method=2)  # 3 % larger than 4 in half the time
    return stream.getvalue(), "image/webp"
