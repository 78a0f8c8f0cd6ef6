"""Images that are worth a look: sure mistakes, unsure hits, look-alike classes, wrong labels."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from fieldmark.insight.album import Album
from fieldmark.insight.answered import (
    Answer,
    Answered,
    Decision,
    LabelPicture,
    Made,
    Picture,
    Shown,
    first,
    pictured,
    shown_at,
)
from fieldmark.insight.looks import Looks
from fieldmark.judge.figures import ConfusedPair, most_confused
from fieldmark.records import Predictions, Samples
from fieldmark.task import NO_GUESS

ORDINARY, CLASSES = 3, 40  # ordinary hits of a class that are shown, of at most so many classes
SURE = 0.9  # the score from which a hit is no longer among the least sure
MOST = 12  # pictures of a kind
OF_A_LABEL = 3  # of one of several labels among them


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


@dataclass(frozen=True)
class LabelGalleries:
    """The same of several labels an image: labels that were given wrongly, or missed."""

    wrong: tuple[LabelPicture, ...] = ()
    missed: tuple[LabelPicture, ...] = ()
    ordinary: dict[str, tuple[LabelPicture, ...]] = field(default_factory=dict)  # by label
    notes: tuple[str, ...] = ()


def chosen(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    most: int = MOST,
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
    answered = Answered.of(predictions, temperature)
    evidence, classes = answered.evidence, predictions.classes

    def shown(rows: np.ndarray, most: int, *, lowest: bool = False) -> list[Shown]:
        places = first(evidence.confidence, rows, most, lowest=lowest)
        return [shown_at(answered.table, evidence, place) for place in places]

    confused = []
    for pair in most_confused(evidence.counts[:, :NO_GUESS], classes, pairs):
        truth, guess = classes.index(pair.truth), classes.index(pair.guess)
        taken, typical = (
            shown(evidence.is_taken_for(guess) & evidence.is_of(own), each)
            for own in (truth, guess)
        )
        confused.append(Confused(pair, tuple(taken), tuple(typical)))
    return shown(~evidence.right, most), shown(evidence.right, most, lowest=True), confused


def surest(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
    most: int = MOST,
) -> tuple[list[Decision], list[Decision]]:
    """Labels that were given and are not there, and labels that are there and were missed.

    Of either at most `most`, the farthest from the threshold of their label first, on the scale
    of logits; at most OF_A_LABEL of one label, for a common one would be all there is. Rows as in
    `chosen`.
    """
    answered = Answered.of(predictions, temperature, thresholds)
    evidence, least = answered.evidence, answered.least
    scores = evidence.scores.clip(1e-12, 1 - 1e-12)
    far = np.log(scores / (1 - scores)) - np.log(least / (1 - least))
    truth, given = evidence.targets == 1, evidence.guesses

    def farthest(chosen: np.ndarray, sign: int) -> list[Decision]:
        rows, labels = np.nonzero(chosen)
        order = np.argsort(-sign * far[rows, labels], kind="stable")
        found: list[Decision] = []
        seen = np.zeros(len(predictions.classes), np.int64)
        for row, label in zip(rows[order].tolist(), labels[order].tolist(), strict=True):
            if seen[label] < OF_A_LABEL and len(found) < most:
                seen[label] += 1
                found.append(answered.decision(row, label))
        return found

    return farthest(given & ~truth, 1), farthest(~given & truth, -1)


def ordinary(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
    each: int = ORDINARY,
) -> dict[str, list[Answer]]:
    """Hits of each class or label, drawn evenly from the least sure to the surest, at most `each`.

    Three of them are the middle ones of three times as many: `each` 9 holds what 3 gives. Classes
    of which nothing was recognised are left out, and rows as in `chosen`.
    """
    answered, found = Answered.of(predictions, temperature, thresholds), {}
    evidence = answered.evidence
    for index, name in enumerate(predictions.classes):
        places = np.flatnonzero(evidence.is_of(index) & evidence.is_taken_for(index))
        order = places[np.argsort(evidence.scores[places, index], kind="stable")]
        if taken := order[even_places(len(order), each)].tolist():
            found[name] = [answered.at(row, index) for row in taken]
    return found


def even_places(number: int, most: int) -> np.ndarray:
    """At most `most` places of 0..number-1, evenly: the middle of each of so many parts."""
    return np.unique(((np.arange(most) + 0.5) * number / most).astype(np.int64))[:number]


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
    pictures = partial(pictured, album, looks, kind=Picture)
    mistakes, hits, confused = chosen(predictions, temperature=temperature)
    found = pictures(mistakes), pictures(each for each in hits if each.score < SURE)
    pairs = [
        replace(each, taken=pictures(each.taken), typical=pictures(each.typical))
        for each in confused
    ]
    shown = tuple(pair for pair in pairs if pair.taken)
    return Galleries(*found, shown, _ordinary(predictions, pictures, temperature), album.notes())


def label_galleries(
    predictions: Predictions,
    samples: Samples,
    *,
    temperature: float,
    thresholds: np.ndarray | None,
    looks: Looks | None = None,
) -> LabelGalleries:
    """The same of several labels an image."""
    album = Album(samples)
    pictures = partial(pictured, album, looks, kind=LabelPicture)
    wrong, missed = surest(predictions, temperature=temperature, thresholds=thresholds)
    found = pictures(wrong), pictures(missed)
    usual = _ordinary(predictions, pictures, temperature, thresholds)
    return LabelGalleries(*found, usual, album.notes())


def _ordinary(
    predictions: Predictions,
    pictures: Callable[[Iterable[Answer]], tuple[Made, ...]],
    temperature: float,
    thresholds: np.ndarray | None = None,
) -> dict[str, tuple[Made, ...]]:
    """Ordinary hits by class, {} where there are too many classes to look at."""
    if len(predictions.classes) > CLASSES:
        return {}
    found = ordinary(predictions, temperature=temperature, thresholds=thresholds)
    return {label: its for label, shown in found.items() if (its := pictures(shown))}
