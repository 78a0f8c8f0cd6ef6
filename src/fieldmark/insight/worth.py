"""Which images of a run are worth a heat map, and for which class: those that its page shows."""

from typing import Any

import numpy as np

from fieldmark.heats import Wanted
from fieldmark.insight.answered import Answer
from fieldmark.insight.galleries import CLASSES, ORDINARY, chosen, ordinary, surest
from fieldmark.records import Predictions

SAMPLED = 3 * ORDINARY  # of a class, for its mean map; an odd multiple, so that it holds the others
MOST_SAMPLED = 120  # of all classes


def worth_explaining(
    predictions: Predictions,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
) -> list[Wanted]:
    """Of the predictions of one split, each image and class once; what matters most first.

    Mistakes, ordinary hits, pairs of classes, hits that were least sure, then what is drawn for
    the mean map of each class. Of several labels an image wrong and missed ones, then those.
    """
    at: Any = {"temperature": temperature, "thresholds": thresholds}
    few = len(predictions.classes) <= CLASSES
    each = min(SAMPLED, MOST_SAMPLED // max(1, len(predictions.classes)))
    each = SAMPLED if each == SAMPLED else ORDINARY  # else the page's would not be among them
    before, after = _beside_ordinary(predictions, at)
    usual, shown = (
        [one for its in ordinary(predictions, **at, each=n).values() for one in its] if few else []
        for n in (each, ORDINARY)
    )
    drawn = {_key(one) for one in usual}
    found: dict[tuple[str, int | None, str], Wanted] = {}
    for group, on_page in ((before, True), (shown, True), (after, True), (usual, False)):
        for one in group:
            key = _key(one)
            wanted = Wanted(*key, sampled=key in drawn, shown=on_page, score=one.score)
            found.setdefault(key, wanted)
    return list(found.values())


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
