"""Of each class the images that say most of it: surest hits, surest mistakes, least sure hits."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from fieldmark.insight.answered import Answer, Answered, first
from fieldmark.records import Predictions

EACH = 3  # images of a kind
MOST_CLASSES = 40


@dataclass(frozen=True)
class ClassGallery:
    """Images that were, or should have been, taken for a class, by kind, in the order of KINDS."""

    label: str
    kinds: Mapping[str, tuple[Answer, ...]]


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
    answered = Answered.of(predictions, temperature, thresholds)
    wanted = [k for k, name in enumerate(predictions.classes) if not labels or name in labels]
    found = [_of_class(answered, index, each) for index in wanted]
    there = [(gallery, wrong) for gallery, wrong in found if any(gallery.kinds.values())]
    if len(there) > MOST_CLASSES and not labels:
        there = sorted(there, key=lambda pair: -pair[1])[:MOST_CLASSES]
    return [gallery for gallery, _ in there]


def _of_class(answered: Answered, index: int, each: int) -> tuple[ClassGallery, int]:
    """A class's gallery, and how many mistakes there are."""
    evidence = answered.evidence
    given, there = evidence.is_taken_for(index), evidence.is_of(index)
    best = partial(first, evidence.scores[:, index], most=each)
    kinds = {"Surest hits": best(given & there), "Surest mistakes": best(given & ~there)}
    mistakes = given & ~there
    if evidence.task.several:
        kinds["Missed"], mistakes = best(~given & there, lowest=True), given != there
    else:
        unsure = best(given & there, lowest=True)
        kinds["Least sure hits"] = [row for row in unsure if row not in kinds["Surest hits"]]
    shown = {kind: tuple(answered.at(row, index) for row in rows) for kind, rows in kinds.items()}
    return ClassGallery(answered.table.classes[index], shown), int(mistakes.sum())
