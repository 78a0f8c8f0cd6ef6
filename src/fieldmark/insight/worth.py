"""Which images of a run are worth a heat map: those that its page shows, or say most of a class."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np

from fieldmark.heats import Wanted
from fieldmark.insight.answered import Answer, Answered, first
from fieldmark.insight.galleries import CLASSES, ORDINARY, chosen, ordinary, surest
from fieldmark.records import Predictions

SAMPLED = 3 * ORDINARY  # of a class, for its mean map; an odd multiple, so that it holds the others
MOST_SAMPLED = 120  # of all classes
EACH = 3  # images of a kind
MOST_CLASSES = 40


def worth_explaining(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
) -> list[Wanted]:
    """Of the predictions of one split, each image and class once; what matters most first.

    Mistakes, ordinary hits, one of each class before a second of any, pairs of classes, hits that
    were least sure, then what is drawn for the mean map of each class. Of several labels an image
    wrong and missed ones, then those.
    """
    at: Any = {"temperature": temperature, "thresholds": thresholds}
    few = len(predictions.classes) <= CLASSES
    each = min(SAMPLED, MOST_SAMPLED // max(1, len(predictions.classes)))
    each = SAMPLED if each == SAMPLED else ORDINARY  # else the page's would not be among them
    before, after = _beside_ordinary(predictions, at)
    usual, shown = (
        _in_turns(ordinary(predictions, **at, each=n).values()) if few else []
        for n in (each, ORDINARY)
    )
    drawn = {_key(one) for one in usual}
    found: dict[tuple[str, int | None, str], Wanted] = {}
    for one in (*before, *shown, *after, *usual):
        key = _key(one)
        found.setdefault(key, Wanted(*key, sampled=key in drawn, score=one.score))
    return list(found.values())


def _in_turns(classes: Iterable[Iterable[Answer]]) -> list[Answer]:
    """The first of each class, then the second of each, to the last."""
    return [one for turn in zip_longest(*classes) for one in turn if one is not None]


def _key(one: Answer) -> tuple[str, int | None, str]:
    return one.path, one.row, one.label


def _beside_ordinary(predictions: Predictions, at: Any) -> tuple[list[Answer], list[Answer]]:
    """What a page shows before ordinary hits, and after them."""
    if predictions.task.several:
        wrong, missed = surest(predictions, **at)
        return [*wrong, *missed], []
    mistakes, hits, pairs = chosen(predictions, temperature=at["temperature"])
    taken = [shown for pair in pairs for shown in (*pair.taken, *pair.typical)]
    return [*mistakes], [*taken, *hits]


@dataclass(frozen=True)
class ClassGallery:
    """Images that were, or should have been, taken for a class, by kind."""

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
