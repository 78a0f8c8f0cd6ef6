"""Images that are worth a look: sure mistakes, unsure hits, and classes that look alike."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fieldmark.insight.album import Album, Placed
from fieldmark.insight.looks import Look, Looks
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import ConfusedPair, most_confused
from fieldmark.records import Predictions, Samples
from fieldmark.task import NO_GUESS

ORDINARY, CLASSES = 3, 40  # ordinary hits of a class that are shown, of at most so many classes

SURE = 0.9  # the score from which a hit is no longer among the least sure


@dataclass(frozen=True)
class Shown(Placed):
    """One image of a gallery: where it is, what it is, and what the model took it for."""

    truth: str
    guess: str
    score: float  # of the guess, 0..1
    truth_score: float


@dataclass(frozen=True)
class Picture(Shown):
    """The same with its image, encoded, of the type `mime`."""

    content: bytes
    mime: str
    look: Look | None = None  # where the network looked for its guess


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
    ordinary: dict[str, tuple[Picture, ...]] = field(default_factory=dict)  # by class
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
    table = sayable(predictions)
    evidence, classes = Evidence.on(table, temperature), table.classes

    def first(rows: np.ndarray, most: int, *, surest: bool = True) -> list[Shown]:
        places, sign = np.flatnonzero(rows), -1 if surest else 1
        order = np.argsort(sign * evidence.confidence[places], kind="stable")[:most]
        return [shown_at(table, evidence, place) for place in places[order].tolist()]

    confused = []
    for pair in most_confused(evidence.counts[:, :NO_GUESS], classes, pairs):
        taken, typical = (
            first((evidence.guesses == classes.index(pair.guess)) & evidence.is_of(truth), each)
            for truth in (classes.index(pair.truth), classes.index(pair.guess))
        )
        confused.append(Confused(pair, tuple(taken), tuple(typical)))
    return first(~evidence.right, most), first(evidence.right, most, surest=False), confused


def ordinary(
    predictions: Predictions, *, temperature: float = 1.0, each: int = ORDINARY
) -> dict[str, list[Shown]]:
    """Hits of each class, drawn evenly from the least sure to the surest, at most `each`.

    Three of them are the middle ones of three times as many: `each` 9 holds what 3 gives. Classes
    of which nothing was recognised are left out, and rows as in `chosen`.
    """
    table = sayable(predictions)
    evidence, found = Evidence.on(table, temperature), {}
    for index, name in enumerate(table.classes):
        places = np.flatnonzero(evidence.right & evidence.is_of(index))
        order = places[np.argsort(evidence.confidence[places], kind="stable")]
        taken = even_places(len(order), each)
        if len(taken):
            found[name] = [shown_at(table, evidence, place) for place in order[taken].tolist()]
    return found


def even_places(number: int, most: int) -> np.ndarray:
    """At most `most` places of 0..number-1, evenly: the middle of each of so many parts."""
    return np.unique(((np.arange(most) + 0.5) * number / most).astype(np.int64))[:number]


def sayable(predictions: Predictions) -> Predictions:
    """The rows with a known truth and finite logits."""
    kept = predictions.known & np.isfinite(predictions.logits).all(axis=1)
    return replace(predictions, frame=predictions.frame.filter(kept))


def shown_at(table: Predictions, evidence: Evidence, place: int) -> Shown:
    """A row of a table as a gallery has it."""
    truth, guess = evidence.targets[place], evidence.guesses[place]
    return Shown(
        path=table.frame["path"][place],
        row=table.frame["row"][place],
        truth=table.classes[truth],
        guess=table.classes[guess],
        score=float(evidence.scores[place, guess]),
        truth_score=float(evidence.scores[place, truth]),
    )


def galleries(
    predictions: Predictions,
    samples: Samples,
    *,
    temperature: float = 1.0,
    looks: Looks | None = None,
) -> Galleries:
    """The pictures of these predictions, of one split; their images lie where `samples` says.

    The scores are those at `temperature`. An image that cannot be read is left out and noted.
    looks: where the network looked, where that is known.
    """
    album = Album(samples)

    def pictures(wanted: Iterable[Shown]) -> tuple[Picture, ...]:
        found = []
        for shown, content, mime in album.pictures(wanted):
            look = looks.of(shown.path, shown.row, shown.guess) if looks else None
            found.append(Picture(**vars(shown), content=content, mime=mime, look=look))
        return tuple(found)

    mistakes, hits, confused = chosen(predictions, temperature=temperature)
    hits = [each for each in hits if each.score < SURE]
    pairs = [
        replace(each, taken=pictures(each.taken), typical=pictures(each.typical))
        for each in confused
    ]
    return Galleries(
        mistakes=pictures(mistakes),
        hits=pictures(hits),
        pairs=tuple(pair for pair in pairs if pair.taken),
        ordinary=_ordinary_pictures(predictions, temperature, pictures),
        notes=album.notes(),
    )


def _ordinary_pictures(
    predictions: Predictions,
    temperature: float,
    pictures: Callable[[Iterable[Shown]], tuple[Picture, ...]],
) -> dict[str, tuple[Picture, ...]]:
    """Ordinary hits by class, {} where there are too many classes to look at."""
    if len(predictions.classes) > CLASSES:
        return {}
    found = ordinary(predictions, temperature=temperature)
    return {label: its for label, shown in found.items() if (its := pictures(shown))}
