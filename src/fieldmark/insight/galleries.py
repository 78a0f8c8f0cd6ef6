"""Images that are worth a look: sure mistakes, unsure hits, and classes that look alike."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from PIL import Image

from fieldmark.data.images import Form
from fieldmark.data.sources import place_name, read_pixels
from fieldmark.errors import DataError
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import ConfusedPair, most_confused
from fieldmark.records import Predictions, Samples
from fieldmark.task import NO_GUESS

SMALL = 64  # pixels; an image below this is enlarged with hard edges
SIDE = 320  # pixels of the shorter side, where an image has more
QUALITY = 80  # of a WebP; an image of at most SMALL pixels is a PNG and keeps every pixel
Place = tuple[str, int | None]


@dataclass(frozen=True)
class Shown:
    """One image of a gallery: where it is, what it is, and what the model took it for."""

    path: str
    row: int | None
    truth: str
    guess: str
    score: float  # of the guess, 0..1
    truth_score: float


@dataclass(frozen=True)
class Picture(Shown):
    """The same with its image, encoded, of the type `mime`."""

    content: bytes
    mime: str

    @property
    def caption(self) -> str:
        """Where it is, in words."""
        return place_name(self.path, self.row)


@dataclass(frozen=True)
class Confused:
    """Two classes side by side: images of one that were `taken` for the other, and of that other
    those that the model was surest of and right about (`typical`)."""

    pair: ConfusedPair
    taken: Sequence[Shown]
    typical: Sequence[Shown]


@dataclass(frozen=True)
class Galleries:
    """What a page shows of one split, and a sentence for what cannot be shown any more.

    All that is shown of the pairs are Pictures, too.
    """

    mistakes: tuple[Picture, ...] = ()
    hits: tuple[Picture, ...] = ()
    pairs: tuple[Confused, ...] = ()
    notes: tuple[str, ...] = ()


def chosen(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    most: int = 12,
    pairs: int = 5,
    each: int = 3,
) -> tuple[list[Shown], list[Shown], list[Confused]]:
    """Which rows are worth a look: mistakes, hits, and the classes that are confused most often.

    At most `most` of the wrongly classified, those with the highest score of the guess first, and
    of the rightly classified, those with the lowest; `pairs` of classes with at most `each` images
    of either side, the surest guesses first. A class that is never recognised has nothing typical.
    Equal scores stay in the order of the table. The guess is the first of the highest logits. Rows
    without a known truth, or with a logit that is nan or infinite, are left out, also from the
    counts: nothing can be said of them.
    """
    sayable = predictions.known & np.isfinite(predictions.logits).all(axis=1)
    table = replace(predictions, frame=predictions.frame.filter(sayable))
    evidence, classes = Evidence.on(table, temperature), table.classes

    def first(rows: np.ndarray, most: int, *, surest: bool = True) -> list[Shown]:
        places, sign = np.flatnonzero(rows), -1 if surest else 1
        order = np.argsort(sign * evidence.confidence[places], kind="stable")[:most]
        return [_shown(table, evidence, place) for place in places[order].tolist()]

    confused = []
    for pair in most_confused(evidence.counts[:, :NO_GUESS], classes, pairs):
        taken, typical = (
            first((evidence.guesses == classes.index(pair.guess)) & evidence.is_of(truth), each)
            for truth in (classes.index(pair.truth), classes.index(pair.guess))
        )
        confused.append(Confused(pair, tuple(taken), tuple(typical)))
    return first(~evidence.right, most), first(evidence.right, most, surest=False), confused


def _shown(table: Predictions, evidence: Evidence, place: int) -> Shown:
    truth, guess = evidence.targets[place], evidence.guesses[place]
    return Shown(
        path=table.frame["path"][place],
        row=table.frame["row"][place],
        truth=table.classes[truth],
        guess=table.classes[guess],
        score=float(evidence.scores[place, guess]),
        truth_score=float(evidence.scores[place, truth]),
    )


def galleries(predictions: Predictions, samples: Samples, *, temperature: float = 1.0) -> Galleries:
    """The pictures of these predictions, of one split; their images lie where `samples` says.

    The scores are those at `temperature`. An image that cannot be read is left out and noted.
    """
    album = _Album(samples)
    mistakes, hits, confused = chosen(predictions, temperature=temperature)
    pairs = [
        replace(each, taken=album.pictures(each.taken), typical=album.pictures(each.typical))
        for each in confused
    ]
    return Galleries(
        mistakes=album.pictures(mistakes),
        hits=album.pictures(hits),
        pairs=tuple(pair for pair in pairs if pair.taken),
        notes=album.notes(),
    )


@dataclass
class _Album:
    """Images that were encoded already, or why they cannot be read; each is read once."""

    samples: Samples
    seen: dict[Place, tuple[bytes, str] | DataError] = field(default_factory=dict)

    def pictures(self, wanted: Iterable[Shown]) -> tuple[Picture, ...]:
        """Those of the wanted that can be read."""
        found = []
        for shown in wanted:
            place = (shown.path, shown.row)
            if place not in self.seen:
                try:
                    pixels = read_pixels(self.samples.root, *place, self._form(place))
                    self.seen[place] = encoded(pixels)
                except DataError as error:
                    self.seen[place] = error
            if not isinstance(its := self.seen[place], DataError):
                found.append(Picture(**vars(shown), content=its[0], mime=its[1]))
        return tuple(found)

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
