"""Which images are worth a look: sure mistakes, unsure hits, and classes that look alike."""

from dataclasses import dataclass

import numpy as np

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import ConfusedPair, most_confused
from fieldmark.records import Predictions
from fieldmark.task import NO_GUESS


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
class Confused:
    """Two classes side by side: images of one that were `taken` for the other, and of that other
    those that the model was surest of and right about (`typical`)."""

    pair: ConfusedPair
    taken: tuple[Shown, ...]
    typical: tuple[Shown, ...]


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
