"""What is asked of an image: which label it has, or which labels.

A task is what data, figures, prediction and pages have to agree on. N are images, C classes.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

NO_GUESS = -1
HALF = 0.5  # the least score of a label, where no thresholds are known
Name = Literal["single-label", "multi-label"]
TOGETHER = 1 << 16  # numbers of a table that are worked on at once


@dataclass(frozen=True)
class Task:
    """One kind of question.

    name:     in model.json and metrics.json; judge.metrics has the rows of metrics that it has
    words:    how many labels an image has
    loss, monitor: what `loss.name` and `train.monitor` are by default
    headline: a page's first sentence, of the value of `metric` and the images
    targets:  labels of each image and the classes -> (N,) int64, or of several (N, C) int64 of 0
              and 1; -1 where unknown
    scores:   logits (N, C) and temperature -> (N, C) float64 in 0..1; nan where not finite
    decide:   scores (N, C), and the least score of each class (C,), a number for all, or None
              -> (N,) int, NO_GUESS where there is no answer; of several (N, C) bool. Of one label
              what rises with scores will do, too
    several:  whether an image may have any number of labels
    """

    name: Name
    words: str
    loss: str
    monitor: str
    metric: str
    headline: str
    targets: Callable[[Sequence[Sequence[str] | None], Sequence[str]], np.ndarray]
    scores: Callable[[np.ndarray, float], np.ndarray]
    decide: Callable[[np.ndarray, np.ndarray | float | None], np.ndarray]
    several: bool = False

    def known(self, targets: np.ndarray) -> np.ndarray:
        """Whether the truth of each row is known. -> (N,) bool"""
        return np.asarray((targets if targets.ndim == 1 else targets.min(axis=1)) >= 0)


def first_label(labels: Sequence[Sequence[str] | None], classes: Sequence[str]) -> np.ndarray:
    """Each image's first label as its position in `classes`. -> (N,) int64; -1 where unknown."""
    place = {name: index for index, name in enumerate(classes)}
    firsts = (place.get(names[0], -1) if names else -1 for names in labels)
    return np.fromiter(firsts, np.int64, len(labels))


def all_labels(labels: Sequence[Sequence[str] | None], classes: Sequence[str]) -> np.ndarray:
    """Which classes each image has. -> (N, C) int64 of 0 and 1; -1 throughout where unknown

    No labels are none of the classes. A label that is no class is passed over: what is asked of
    each class can be answered without it.
    """
    place = {name: index for index, name in enumerate(classes)}
    found = np.zeros((len(labels), len(classes)), np.int64)
    for row, names in enumerate(labels):
        if names is None:
            found[row] = -1
            continue
        found[row, [place[name] for name in names if name in place]] = 1
    return found


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(N, C) logits -> (N, C) float64 probabilities; a row with nan or inf is nan throughout."""
    scores = np.empty_like(logits, np.float64)
    for rows in blocks(logits):
        raised = logits[rows].astype(np.float64) / temperature
        with np.errstate(invalid="ignore"):  # inf - inf
            raised -= raised.max(axis=1, keepdims=True)
        np.exp(raised, out=raised)
        np.divide(raised, raised.sum(axis=1, keepdims=True), out=scores[rows])
    return scores


def sigmoid(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(N, C) logits -> (N, C) float64 of each by itself; a row with nan or inf is nan throughout"""
    scores = np.empty_like(logits, np.float64)
    for rows in blocks(logits):
        raised = logits[rows].astype(np.float64) / temperature
        small = np.exp(-np.abs(raised))
        scores[rows] = np.where(raised >= 0, 1, small) / (1 + small)
        scores[rows][~np.isfinite(raised).all(axis=1)] = np.nan
    return scores


def blocks(table: np.ndarray) -> Iterator[slice]:
    """Rows of (N, C) that together fit into a processor's cache; none is alone where N is not 1."""
    parts = -(-table.size // TOGETHER) or 1
    ends = np.linspace(0, len(table), min(parts, max(len(table) // 2, 1)) + 1).astype(int)
    return itertools.starmap(slice, itertools.pairwise(ends.tolist()))


def likeliest(scores: np.ndarray, least: np.ndarray | float | None = None) -> np.ndarray:
    """The class of each row's largest score, the first of equals. (N, C) -> (N,) int.

    NO_GUESS (-1) where that one is nan or infinite, for which numpy's argmax would name a class,
    or where it is under `least`.
    """
    best = scores.argmax(axis=1)
    largest = scores[np.arange(len(scores)), best]
    made = np.isfinite(largest)
    if least is not None:
        made &= largest >= np.broadcast_to(least, scores.shape[1:])[best]
    return np.where(made, best, NO_GUESS)


def at_least(scores: np.ndarray, least: np.ndarray | float | None = None) -> np.ndarray:
    """Which classes an image has: those whose score is `least` or more. (N, C) -> (N, C) bool

    least: of each class (C,), or of all; None: HALF. False where a score is nan.
    """
    return np.asarray(scores >= (HALF if least is None else least))


ONE_LABEL = Task(
    name="single-label",
    words="one label an image",
    loss="cross_entropy",
    monitor="macro_f1",
    metric="accuracy",
    headline="Right on {value} of {images}",
    targets=first_label,
    scores=softmax,
    decide=likeliest,
)
SEVERAL_LABELS = Task(
    name="multi-label",
    words="several labels an image",
    loss="bce",
    monitor="mean_average_precision",
    metric="micro_f1",
    headline="Micro F1 {value} on {images}",
    targets=all_labels,
    scores=sigmoid,
    decide=at_least,
    several=True,
)
TASKS: dict[str, Task] = {task.name: task for task in (ONE_LABEL, SEVERAL_LABELS)}
