"""Of several labels an image, the decisions worth a look: the surest that were wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fieldmark.insight.album import Album, Placed
from fieldmark.insight.galleries import CLASSES, ORDINARY, even_places, sayable
from fieldmark.insight.looks import Look, Looks
from fieldmark.judge.evidence import Evidence
from fieldmark.records import Predictions, Samples

MOST = 12  # pictures of a kind
OF_A_LABEL = 3  # of one label among them


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


@dataclass(frozen=True)
class LabelGalleries:
    """What a page shows of one split, and a sentence for what cannot be shown any more."""

    wrong: tuple[LabelPicture, ...] = ()
    missed: tuple[LabelPicture, ...] = ()
    ordinary: dict[str, tuple[LabelPicture, ...]] = field(default_factory=dict)  # by label
    notes: tuple[str, ...] = ()


def surest(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
    most: int = MOST,
) -> tuple[list[Decision], list[Decision]]:
    """Labels that were given and are not there, and labels that are there and were missed.

    Of either at most `most`, the farthest from the threshold of their label first, on the scale
    of logits; at most OF_A_LABEL of one label, for a common one would be all there is. Rows whose
    truth is not known, or with a logit that is nan or infinite, are left out.
    """
    table = sayable(predictions)
    evidence = Evidence.on(table, temperature, thresholds)
    least = least_scores(table, thresholds)
    scores = evidence.scores.clip(1e-12, 1 - 1e-12)
    far = np.log(scores / (1 - scores)) - np.log(least / (1 - least))
    truth = evidence.targets == 1

    def first(chosen: np.ndarray, sign: int) -> list[Decision]:
        rows, labels = np.nonzero(chosen)
        order = np.argsort(-sign * far[rows, labels], kind="stable")
        found: list[Decision] = []
        seen = np.zeros(len(table.classes), np.int64)
        for row, label in zip(rows[order].tolist(), labels[order].tolist(), strict=True):
            if seen[label] < OF_A_LABEL and len(found) < most:
                seen[label] += 1
                found.append(decision_at(table, evidence, least, (row, label)))
        return found

    given = evidence.guesses
    return first(given & ~truth, 1), first(~given & truth, -1)


def least_scores(table: Predictions, thresholds: np.ndarray | None) -> np.ndarray:
    """The score from which each label is given. -> (C,)"""
    return np.full(len(table.classes), 0.5) if thresholds is None else thresholds


def ordinary_labels(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
    each: int = ORDINARY,
) -> dict[str, list[Decision]]:
    """Of each label images that have it and got it, evenly from the least sure to the surest.

    See `galleries.ordinary`.
    """
    table = sayable(predictions)
    evidence, found = Evidence.on(table, temperature, thresholds), {}
    least, right = least_scores(table, thresholds), evidence.guesses & (evidence.targets == 1)
    for index, name in enumerate(table.classes):
        places = np.flatnonzero(right[:, index])
        order = places[np.argsort(evidence.scores[places, index], kind="stable")]
        taken = order[even_places(len(order), each)].tolist()
        if taken:
            found[name] = [decision_at(table, evidence, least, (row, index)) for row in taken]
    return found


def decision_at(
    table: Predictions, evidence: Evidence, least: np.ndarray, place: tuple[int, int]
) -> Decision:
    """A label (row, label) of a table as a gallery has it. least: of `least_scores`."""
    row, label = place
    names = np.array(table.classes)
    return Decision(
        path=table.frame["path"][row],
        row=table.frame["row"][row],
        label=table.classes[label],
        present=bool(evidence.targets[row, label]),
        score=float(evidence.scores[row, label]),
        least=float(least[label]),
        truth=tuple(names[evidence.targets[row] == 1].tolist()),
        given=tuple(names[evidence.guesses[row]].tolist()),
    )


def label_galleries(
    predictions: Predictions,
    samples: Samples,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
    looks: Looks | None = None,
) -> LabelGalleries:
    """The pictures of these predictions, of one split; their images lie where `samples` says.

    looks: where the network looked, where that is known.
    """
    album = Album(samples)
    at: Any = {"temperature": temperature, "thresholds": thresholds}

    def pictures(wanted: Iterable[Decision]) -> tuple[LabelPicture, ...]:
        found = []
        for each, content, mime in album.pictures(wanted):
            look = looks.of(each.path, each.row, each.label) if looks else None
            found.append(LabelPicture(**vars(each), content=content, mime=mime, look=look))
        return tuple(found)

    wrong, missed = surest(predictions, **at)
    few = len(predictions.classes) <= CLASSES
    usual = ordinary_labels(predictions, **at) if few else {}
    return LabelGalleries(
        pictures(wrong),
        pictures(missed),
        {label: its for label, shown in usual.items() if (its := pictures(shown))},
        album.notes(),
    )
