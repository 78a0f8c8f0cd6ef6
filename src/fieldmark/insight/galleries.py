"""Which images are worth a look: the mistakes that the model was surest of."""

from dataclasses import dataclass

import numpy as np

from fieldmark.records import Predictions, softmax


@dataclass(frozen=True)
class Shown:
    """One image of a gallery: where it is, what it is, and what the model took it for."""

    path: str
    row: int | None
    truth: str
    guess: str
    score: float  # of the guess, 0..1
    truth_score: float


def surest_mistakes(
    predictions: Predictions, *, most: int = 12, temperature: float = 1.0
) -> list[Shown]:
    """The wrongly classified rows with the highest score of the guess, at most `most` of them.

    Equal scores stay in the order of the table. The guess is the first of the highest logits.
    Rows without a known truth, or with a logit that is nan or infinite, are left out: nothing
    can be said of them.
    """
    logits, targets = predictions.logits, predictions.targets
    usable = np.flatnonzero((targets >= 0) & np.isfinite(logits).all(axis=1))
    wrong = usable[logits[usable].argmax(axis=1) != targets[usable]]
    if wrong.size == 0:
        return []
    scores = softmax(logits[wrong], temperature)
    guesses, truths = logits[wrong].argmax(axis=1), targets[wrong]
    each = np.arange(wrong.size)
    order = np.argsort(-scores[each, guesses], kind="stable")[:most]
    return [
        Shown(
            path=predictions.frame["path"][int(wrong[k])],
            row=predictions.frame["row"][int(wrong[k])],
            truth=predictions.classes[truths[k]],
            guess=predictions.classes[guesses[k]],
            score=float(scores[k, guesses[k]]),
            truth_score=float(scores[k, truths[k]]),
        )
        for k in order
    ]
