"""Which images of a run are worth a heat map, and for which class: those that its page shows."""

from collections.abc import Iterable

import numpy as np

from fieldmark.heats import Wanted
from fieldmark.insight.galleries import CLASSES, ORDINARY, Shown, chosen, ordinary
from fieldmark.insight.label_galleries import Decision, ordinary_labels, surest
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
    few = len(predictions.classes) <= CLASSES
    each = min(SAMPLED, MOST_SAMPLED // max(1, len(predictions.classes)))
    each = SAMPLED if each == SAMPLED else ORDINARY  # else the page's would not be among them
    first, then = _of_the_page(predictions, temperature, thresholds)
    usual = _usual(predictions, temperature, thresholds, each) if few else []
    shown = _usual(predictions, temperature, thresholds, ORDINARY) if few else []
    drawn = {_key(one) for one in usual}
    found: dict[tuple[str, int | None, str], Wanted] = {}
    for group, on_page in ((first, True), (shown, True), (then, True), (usual, False)):
        for one in group:
            key = _key(one)
            wanted = Wanted(*key, sampled=key in drawn, shown=on_page, score=one[0].score)
            found.setdefault(key, wanted)
    return list(found.values())


Chosen = tuple[Shown | Decision, str]


def _key(one: Chosen) -> tuple[str, int | None, str]:
    return one[0].path, one[0].row, one[1]


def _of_the_page(
    predictions: Predictions, temperature: float, thresholds: np.ndarray | None
) -> tuple[list[Chosen], list[Chosen]]:
    """What comes before ordinary hits, and after them."""
    if predictions.task.several:
        wrong, missed = surest(predictions, temperature=temperature, thresholds=thresholds)
        return [(each, each.label) for each in (*wrong, *missed)], []
    mistakes, hits, pairs = chosen(predictions, temperature=temperature)
    taken = [shown for pair in pairs for shown in (*pair.taken, *pair.typical)]
    return _guessed(mistakes), _guessed([*taken, *hits])


def _guessed(shown: Iterable[Shown]) -> list[Chosen]:
    return [(each, each.guess) for each in shown]


def _usual(
    predictions: Predictions, temperature: float, thresholds: np.ndarray | None, each: int
) -> list[Chosen]:
    """Ordinary hits, a class after the other."""
    if predictions.task.several:
        at = {"temperature": temperature, "thresholds": thresholds}
        by_label = ordinary_labels(predictions, **at, each=each)  # type: ignore[arg-type]
        return [(one, one.label) for found in by_label.values() for one in found]
    by_class = ordinary(predictions, temperature=temperature, each=each)
    return [(one, one.guess) for found in by_class.values() for one in found]
