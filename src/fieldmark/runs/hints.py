"""What may be behind a low score, told at a run's end where the figures show it."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from fieldmark.data.seen_part import WHOLE_BELOW, learned_sizes, seen_words, shares_seen
from fieldmark.metrics_json import Figures
from fieldmark.runs.network import Prepared

ENOUGH = 10  # images of two classes, from which their confusion is looked at
CONFUSED = 0.35  # of these, taken for each other, from which they may be one another's mirror image
PAIRS = 3  # that are named


def hints(prepared: Prepared, found: Figures) -> Iterator[str]:
    """A sentence for each thing that is worth a try; none where the score is not low."""
    yield from _of_sight(prepared, found)
    yield from _of_mirrors(prepared, found)


def _of_sight(prepared: Prepared, found: Figures) -> Iterator[str]:
    """Where the score may be that of guessing, and little of the pictures is seen."""
    sizes, accuracy = learned_sizes(prepared.samples), found.interval("accuracy")
    if accuracy is None or found.confusion is None or not len(sizes):
        return
    guessed = max(map(sum, found.confusion)) / max(1, sum(map(sum, found.confusion)))
    if accuracy[0] <= guessed and np.median(shares_seen(sizes, prepared.spec)) < WHOLE_BELOW:
        yield (
            "this may be guessing, and the network sees "
            f"{seen_words(sizes, prepared.spec)}, the square in the middle; "
            f"input.stored=square:{prepared.spec.size} shows all of each"
        )


def _of_mirrors(prepared: Prepared, found: Figures) -> Iterator[str]:
    """Classes that are taken for each other, where training saw mirrored images."""
    if found.confusion is None or not prepared.settings.augment.options.get("flip"):
        return
    table, names = np.array(found.confusion), prepared.classes
    shares = {}
    for one, other in combinations(range(len(names)), 2):
        images = table[one].sum() + table[other].sum()
        mistaken = table[one, other] + table[other, one]
        if images >= ENOUGH and mistaken >= CONFUSED * images:
            shares[f"'{names[one]}' and '{names[other]}'"] = mistaken / images
    worst = sorted(shares, key=lambda pair: -shares[pair])[:PAIRS]
    if worst:
        yield (
            f"{'; '.join(worst)} are often taken for each other: where one looks like the other's "
            "mirror image, training on mirrored images makes them one; augment.flip=false leaves "
            "that out"
        )
