"""One answer for the images of an event: the mean of their log scores.

Pictures of one burst show the same animal as a rule, so that what one of them shows badly another
shows well. A second animal of the same event is lost by it.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 1e-12  # of a score, so that one that is 0 does not forbid a class


@dataclass(frozen=True)
class Gain:
    """Of validation images in events of two or more: how many, how many events, and how many
    images are guessed rightly one by one and by event."""

    images: int
    events: int
    alone: int
    together: int


def mean_of_logs(scores: np.ndarray) -> np.ndarray:
    """Scores (n, C) of an event's images -> (C,), which sum to 1 again."""
    logs = np.log(np.maximum(scores, LEAST)).mean(axis=0)
    powers = np.exp(logs - logs.max())
    return np.asarray(powers / powers.sum())


def by_event(scores: np.ndarray, events: Sequence[str | None]) -> np.ndarray:
    """Scores (N, C), each image's those of its event; an image without one keeps its own."""
    found, places = scores.copy(), defaultdict[str, list[int]](list)
    for row, event in enumerate(events):
        if event is not None and np.isfinite(scores[row]).all():
            places[event].append(row)
    for rows in places.values():
        found[rows] = mean_of_logs(scores[rows])
    return found


def gain_of(scores: np.ndarray, targets: np.ndarray, events: Sequence[str | None]) -> Gain | None:
    """What smoothing does to validation: scores (N, C), true classes (N,). None without events."""
    known = np.isfinite(scores).all(axis=1) & (targets >= 0)
    kept = [event if known[row] else None for row, event in enumerate(events)]
    sizes = Counter(event for event in kept if event is not None)
    rows = [row for row, event in enumerate(kept) if event is not None and sizes[event] > 1]
    if not rows:
        return None
    its = [kept[row] for row in rows]
    guesses = (each.argmax(axis=1) for each in (scores[rows], by_event(scores[rows], its)))
    alone, together = (int((guess == targets[rows]).sum()) for guess in guesses)
    return Gain(len(rows), len(set(its)), alone, together)
