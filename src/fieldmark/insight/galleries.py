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


@dataclass(frozen=True, eq=False)
class _Answered:
    """The rows that something can be said of: a known truth, and logits that are all finite."""

    predictions: Predictions
    rows: np.ndarray  # (K,) of the table
    evidence: Evidence  # of these rows

    def shown(self, chosen: np.ndarray, most: int, *, surest: bool = True) -> list[Shown]:
        """The first `most` of the chosen rows (K,) bool, by the score of the guess.

        Equal scores stay in the order of the table.
        """
        places = np.flatnonzero(chosen)
        sign = -1 if surest else 1
        order = np.argsort(sign * self.evidence.confidence[places], kind="stable")[:most]
        return [self._one(int(place)) for place in places[order]]

    def _one(self, place: int) -> Shown:
        frame, classes, found = self.predictions.frame, self.predictions.classes, self.evidence
        row, truth, guess = self.rows[place], found.targets[place], found.guesses[place]
        return Shown(
            path=frame["path"][int(row)],
            row=frame["row"][int(row)],
            truth=classes[truth],
            guess=classes[guess],
            score=float(found.scores[place, guess]),
            truth_score=float(found.scores[place, truth]),
        )


def surest_mistakes(
    predictions: Predictions, *, most: int = 12, temperature: float = 1.0
) -> list[Shown]:
    """The wrongly classified rows with the highest score of the guess, at most `most` of them.

    Equal scores stay in the order of the table. The guess is the first of the highest logits.
    Rows without a known truth, or with a logit that is nan or infinite, are left out: nothing
    can be said of them.
    """
    found = _answered(predictions, temperature)
    return found.shown(~found.evidence.right, most)


def least_sure_hits(
    predictions: Predictions, *, most: int = 12, temperature: float = 1.0
) -> list[Shown]:
    """The rightly classified rows with the lowest score of the guess: right, and nearly not.

    Ties and rows that are left out: as in `surest_mistakes`.
    """
    found = _answered(predictions, temperature)
    return found.shown(found.evidence.right, most, surest=False)


def confused_pairs(
    predictions: Predictions, *, most: int = 5, each: int = 3, temperature: float = 1.0
) -> list[Confused]:
    """The classes that are confused most often, with at most `each` images of either side.

    Both sides have the surest guesses first. A class that is never recognised has nothing
    typical. Rows are left out as in `surest_mistakes`, also from the counts.
    """
    found = _answered(predictions, temperature)
    classes, evidence = predictions.classes, found.evidence
    gallery = []
    for pair in most_confused(evidence.counts[:, :NO_GUESS], classes, most):
        truth, guess = classes.index(pair.truth), classes.index(pair.guess)
        of_guess = evidence.guesses == guess
        taken = found.shown(of_guess & (evidence.targets == truth), each)
        typical = found.shown(of_guess & (evidence.targets == guess), each)
        gallery.append(Confused(pair, tuple(taken), tuple(typical)))
    return gallery


def _answered(predictions: Predictions, temperature: float) -> _Answered:
    logits, targets = predictions.logits, predictions.targets
    rows = np.flatnonzero(predictions.known & np.isfinite(logits).all(axis=1))
    evidence = Evidence.of(logits[rows], targets[rows], temperature=temperature)
    return _Answered(predictions, rows, evidence)


def galleries(predictions: Predictions, samples: Samples, *, temperature: float = 1.0) -> Galleries:
    """The pictures of these predictions, of one split; their images lie where `samples` says.

    The scores are those at `temperature`. An image that cannot be read is left out and noted.
    """
    album = _Album(samples)
    pairs = [
        replace(each, taken=album.pictures(each.taken), typical=album.pictures(each.typical))
        for each in confused_pairs(predictions, temperature=temperature)
    ]
    return Galleries(
        mistakes=album.pictures(surest_mistakes(predictions, temperature=temperature)),
        hits=album.pictures(least_sure_hits(predictions, temperature=temperature)),
        pairs=tuple(pair for pair in pairs if pair.taken),
        notes=album.notes(),
    )


@dataclass
class _Album:
    """Images that were read and encoded already, and what could not be; each is read once."""

    samples: Samples
    made: dict[Place, tuple[bytes, str]] = field(default_factory=dict)
    lost: dict[Place, DataError] = field(default_factory=dict)

    def pictures(self, wanted: Iterable[Shown]) -> tuple[Picture, ...]:
        """Those of the wanted that can be read."""
        found = []
        for shown in wanted:
            place = (shown.path, shown.row)
            if place not in self.made and place not in self.lost:
                try:
                    pixels = read_pixels(self.samples.root, *place, self._form(place))
                    self.made[place] = encoded(pixels)
                except DataError as error:
                    self.lost[place] = error
            if place in self.made:
                content, mime = self.made[place]
                found.append(Picture(**vars(shown), content=content, mime=mime))
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """What to say of images that could not be read: how many, and one of them."""
        errors = [*self.lost.values()]
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
