"""Of each class the images that say most of it: surest hits, surest mistakes, least sure hits."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from fieldmark.insight.galleries import Shown, sayable, shown_at
from fieldmark.insight.label_galleries import Decision, decision_at, least_scores
from fieldmark.judge.evidence import Evidence
from fieldmark.records import Predictions

EACH = 3  # images of a kind
MOST_CLASSES = 40


@dataclass(frozen=True)
class ClassGallery:
    """Images that were, or should have been, taken for a class, by kind, in the order of KINDS."""

    label: str
    kinds: Mapping[str, tuple[Shown | Decision, ...]]


def class_galleries(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
    labels: Collection[str] = (),
    each: int = EACH,
) -> list[ClassGallery]:
    """Of every class with an image to show, those with the most mistakes first where many.

    labels: the classes that are wanted; none: all.

    Mistakes are images that were taken for the class; of several labels an image also those whose
    label was missed. Rows as in `galleries.chosen`. At most MOST_CLASSES that nobody named.
    """
    table = sayable(predictions)
    evidence = Evidence.on(table, temperature, thresholds)
    places = [k for k, name in enumerate(table.classes) if not labels or name in labels]
    if table.task.several:
        least = least_scores(table, thresholds)
        found = [_of_label(table, evidence, least, k, each) for k in places]
    else:
        found = [_of_class(table, evidence, k, each) for k in places]
    there = [(gallery, wrong) for gallery, wrong in found if any(gallery.kinds.values())]
    if len(there) > MOST_CLASSES and not labels:
        there = sorted(there, key=lambda pair: -pair[1])[:MOST_CLASSES]
    return [gallery for gallery, _ in there]


def _of_class(
    table: Predictions, evidence: Evidence, index: int, each: int
) -> tuple[ClassGallery, int]:
    guessed = evidence.guesses == index
    hits, wrong = guessed & evidence.right, guessed & ~evidence.right
    first = _by_score(evidence.confidence)
    sure, mistakes, unsure = first(hits, each), first(wrong, each), first(hits, each, up=True)
    kinds = {
        "Surest hits": sure,
        "Surest mistakes": mistakes,
        "Least sure hits": [place for place in unsure if place not in sure],
    }
    shown = {
        kind: tuple(shown_at(table, evidence, place) for place in places)
        for kind, places in kinds.items()
    }
    return ClassGallery(table.classes[index], shown), int(wrong.sum())


def _of_label(
    table: Predictions, evidence: Evidence, least: np.ndarray, index: int, each: int
) -> tuple[ClassGallery, int]:
    given, there = evidence.guesses[:, index], evidence.targets[:, index] == 1
    first = _by_score(evidence.scores[:, index])
    kinds = {
        "Surest hits": first(given & there, each),
        "Surest mistakes": first(given & ~there, each),
        "Missed": first(~given & there, each, up=True),
    }
    shown = {
        kind: tuple(decision_at(table, evidence, least, (place, index)) for place in places)
        for kind, places in kinds.items()
    }
    return ClassGallery(table.classes[index], shown), int((given != there).sum())


def _by_score(scores: np.ndarray) -> Callable[..., list[int]]:
    """Chooses the rows with the highest scores, or, `up`, the lowest."""

    def first(rows: np.ndarray, most: int, *, up: bool = False) -> list[int]:
        places, sign = np.flatnonzero(rows), 1 if up else -1
        order = np.argsort(sign * scores[places], kind="stable")[:most]
        return [int(place) for place in places[order]]

    return first
