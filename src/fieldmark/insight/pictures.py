"""The pictures of a run's report: sure mistakes, unsure hits, and classes that look alike."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from PIL import Image

from fieldmark.data.images import Form
from fieldmark.data.sources import place_name, read_pixels
from fieldmark.errors import DataError
from fieldmark.insight.galleries import Shown, confused_pairs, least_sure_hits, surest_mistakes
from fieldmark.records import Predictions, Samples

SMALL = 64  # pixels; an image below this is enlarged with hard edges
SIDE = 320  # pixels of the shorter side, where an image has more
QUALITY = 80  # of a WebP; an image of at most SMALL pixels is a PNG and keeps every pixel
Place = tuple[str, int | None]


@dataclass(frozen=True)
class Picture:
    """An image that was classified, for a gallery; scores are in 0..1."""

    content: bytes  # an encoded image, of the type `mime`
    mime: str
    caption: str
    truth: str
    guess: str
    score: float  # of the guess
    truth_score: float


@dataclass(frozen=True)
class PairShown:
    """Two classes side by side.

    count: images of `truth` that were taken for `guess`, among the `support` that `truth` has.
    taken: some of these. typical: images of `guess` that were recognised.
    """

    truth: str
    guess: str
    count: int
    support: int
    taken: tuple[Picture, ...]
    typical: tuple[Picture, ...]


@dataclass(frozen=True)
class Galleries:
    """What a report shows of one split, and a sentence for what cannot be shown any more."""

    mistakes: tuple[Picture, ...]
    hits: tuple[Picture, ...]
    pairs: tuple[PairShown, ...]
    notes: tuple[str, ...]


def galleries(predictions: Predictions, samples: Samples, *, temperature: float = 1.0) -> Galleries:
    """The pictures of these predictions, of one split; their images lie where `samples` says.

    The scores are those at `temperature`. An image that cannot be read is left out and noted.
    """
    album = _Album(samples)
    pairs = [
        PairShown(
            truth=found.pair.truth,
            guess=found.pair.guess,
            count=found.pair.count,
            support=found.pair.support,
            taken=album.pictures(found.taken),
            typical=album.pictures(found.typical),
        )
        for found in confused_pairs(predictions, temperature=temperature)
    ]
    return Galleries(
        mistakes=album.pictures(surest_mistakes(predictions, temperature=temperature)),
        hits=album.pictures(least_sure_hits(predictions, temperature=temperature)),
        pairs=tuple(pair for pair in pairs if pair.taken),
        notes=album.notes(),
    )


@dataclass
class _Album:
    """Pictures that were made already, and what could not be read; each is read once."""

    samples: Samples
    made: dict[Place, tuple[bytes, str]] = field(default_factory=dict)
    lost: dict[Place, DataError] = field(default_factory=dict)

    def pictures(self, wanted: Iterable[Shown]) -> tuple[Picture, ...]:
        """Those of the wanted that can be read."""
        found = []
        for shown in wanted:
            place = (shown.path, shown.row)
            self._make(place)
            if place in self.made:
                content, mime = self.made[place]
                found.append(
                    Picture(
                        content=content,
                        mime=mime,
                        caption=place_name(*place),
                        truth=shown.truth,
                        guess=shown.guess,
                        score=shown.score,
                        truth_score=shown.truth_score,
                    )
                )
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """What to say of images that could not be read: how many, and one of them."""
        errors = [*self.lost.values()]
        more = f"; nor are {len(errors) - 1:,} more" if errors[1:] else ""
        return tuple(f"not shown among the pictures: {error}{more}" for error in errors[:1])

    def _make(self, place: Place) -> None:
        if place in self.made or place in self.lost:
            return
        try:
            pixels = read_pixels(self.samples.root, *place, self._form(place))
        except DataError as error:
            self.lost[place] = error
        else:
            self.made[place] = encoded(pixels)

    def _form(self, place: Place) -> Form | None:
        """The form that lets a large JPEG be decoded small, where the table knows its size."""
        path, row = place
        own = self.samples.frame.filter(
            (pl.col("path") == path) & pl.col("row").eq_missing(pl.lit(row, pl.Int64))
        )
        sides = own.select(pl.min_horizontal("width", "height")).to_series().drop_nulls()
        return ("shorter", SIDE) if len(sides) and sides[0] > SIDE else None


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
    image.save(stream, "WEBP", quality=QUALITY, method=4)
    return stream.getvalue(), "image/webp"
