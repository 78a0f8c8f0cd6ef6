"""Images that are worth a look: sure mistakes, unsure hits, and classes that look alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fieldmark.insight.album import Album, Placed
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import ConfusedPair, most_confused
from fieldmark.records import Predictions, Samples
from fieldmark.task import NO_GUESS


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
    album = Album(samples)

    def pictures(wanted: Iterable[Shown]) -> tuple[Picture, ...]:
        found = album.pictures(wanted)
        return tuple(Picture(**vars(shown), content=c, mime=m) for shown, c, m in found)

    mistakes, hits, confused = chosen(predictions, temperature=temperature)
    pairs = [
        replace(each, taken=pictures(each.taken), typical=pictures(each.typical))
        for each in confused
    ]
    return Galleries(
        mistakes=pictures(mistakes),
        hits=pictures(hits),
        pairs=tuple(pair for pair in pairs if pair.taken),
        notes=album.notes(),
    )
