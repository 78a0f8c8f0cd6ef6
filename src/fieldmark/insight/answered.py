"""What a model answered of images, as galleries show it: an image's guess, or one of its labels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np

from fieldmark.insight.album import Album, Placed
from fieldmark.insight.looks import Look, Looks
from fieldmark.judge.evidence import Evidence
from fieldmark.records import Predictions
from fieldmark.task import HALF


@dataclass(frozen=True)
class Shown(Placed):
    """One image of a gallery: where it is, what it is, and what the model took it for."""

    truth: str
    guess: str
    score: float  # of the guess, 0..1
    truth_score: float

    @property
    def label(self) -> str:
        """The class that the score is of."""
        return self.guess


@dataclass(frozen=True)
class Picture(Shown):
    """The same with its image, encoded, of the type `mime`."""

    content: bytes
    mime: str
    look: Look | None = None  # where the network looked for its guess


@dataclass(frozen=True)
class Decision(Placed):
    """One label of one image: whether it is there, and what the model said of it.

    truth, given: all labels of the image, as they are and as the model gives them.
    """

    label: str
    present: bool
    score: float
    least: float  # the score from which the label is given
    truth: tuple[str, ...]
    given: tuple[str, ...]


@dataclass(frozen=True)
class LabelPicture(Decision):
    """The same with its image, encoded, of the type `mime`."""

    content: bytes
    mime: str
    look: Look | None = None  # where the network looked for the label


Answer = Shown | Decision
Made = TypeVar("Made", Picture, LabelPicture)


@dataclass(frozen=True, eq=False)
class Answered:
    """Rows of a table whose truth is known and whose logits are finite, and what follows of them.

    least: (C,) the score from which each of several labels is given.
    """

    table: Predictions
    evidence: Evidence
    least: np.ndarray

    @classmethod
    def of(
        cls, predictions: Predictions, temperature: float, thresholds: np.ndarray | None = None
    ) -> Self:
        """Of the rows that something can be said of; the others are left out."""
        kept = predictions.known & np.isfinite(predictions.logits).all(axis=1)
        table = replace(predictions, frame=predictions.frame.filter(kept))
        least = np.full(len(table.classes), HALF) if thresholds is None else thresholds
        return cls(table, Evidence.on(table, temperature, thresholds), least)

    def at(self, row: int, index: int) -> Answer:
        """The answer to an image: its guess, or of several labels that of class `index`."""
        several = self.table.task.several
        return self.decision(row, index) if several else shown_at(self.table, self.evidence, row)

    def decision(self, row: int, index: int) -> Decision:
        """A label of an image."""
        evidence, names = self.evidence, np.array(self.table.classes)
        return Decision(
            path=self.table.frame["path"][row],
            row=self.table.frame["row"][row],
            label=self.table.classes[index],
            present=bool(evidence.targets[row, index]),
            score=float(evidence.scores[row, index]),
            least=float(self.least[index]),
            truth=tuple(names[evidence.targets[row] == 1].tolist()),
            given=tuple(names[evidence.guesses[row]].tolist()),
        )


def shown_at(table: Predictions, evidence: Evidence, place: int) -> Shown:
    """A row of a table with one label an image as a gallery has it."""
    truth, guess = evidence.targets[place], evidence.guesses[place]
    return Shown(
        path=table.frame["path"][place],
        row=table.frame["row"][place],
        truth=table.classes[truth],
        guess=table.classes[guess],
        score=float(evidence.scores[place, guess]),
        truth_score=float(evidence.scores[place, truth]),
    )


def first(scores: np.ndarray, rows: np.ndarray, most: int, *, lowest: bool = False) -> list[int]:
    """Of the rows (N,) bool those with the highest, or the lowest, scores (N,), at most `most`.

    Equal scores stay in the order of the table.
    """
    places, sign = np.flatnonzero(rows), 1 if lowest else -1
    order = np.argsort(sign * scores[places], kind="stable")[:most]
    return [int(place) for place in places[order]]


def pictured(
    album: Album, looks: Looks | None, wanted: Iterable[Answer], kind: Callable[..., Made]
) -> tuple[Made, ...]:
    """The answers with their images, as far as these can be read, and where the network looked."""
    return tuple(
        kind(
            **vars(each),
            content=content,
            mime=mime,
            look=looks.of(each.path, each.row, each.label) if looks else None,
        )
        for each, content, mime in album.pictures(wanted)
    )
