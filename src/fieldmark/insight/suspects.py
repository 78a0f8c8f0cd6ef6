"""Which labels are worth a second look: suspects of `judge/suspects`, with where they are."""

import shlex
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fieldmark.data.corrections import decided
from fieldmark.insight.album import Album, Placed
from fieldmark.insight.label_names import ShownNames
from fieldmark.judge.suspects import Suspected, suspects, suspects_of_several
from fieldmark.records import Predictions, Samples

Kind = Literal["wrong", "missing"]
PANEL = 12  # suspects that a run's report shows
SIDE = 200  # pixels of the shorter side of their pictures


@dataclass(frozen=True)
class Suspect(Placed):
    """A label that is worth a look.

    kind: wrong, the image has `label` and the model says `suggested` ("" of several labels, where
    it doubts the label); missing, of several labels: it has not `suggested` ("" for `label`), and
    the model doubts that. score: of the answer that was given, 0..1. other: of the one that is
    suggested. sure: whether confident learning says so too. split: "" where folds judge all images.
    """

    label: str
    suggested: str
    kind: Kind
    score: float
    other: float
    sure: bool
    split: str

    @property
    def words(self) -> str:
        """The same in words."""
        if self.kind == "missing":
            return f"not labelled '{self.suggested}', which the model gives {self.other:.0%}"
        if not self.suggested:
            return f"labelled '{self.label}', which the model gives {self.score:.0%}"
        return (
            f"labelled '{self.label}' ({self.score:.0%}), taken for '{self.suggested}' "
            f"({self.other:.0%})"
        )

    def named(self, names: ShownNames) -> "Suspect":
        """The same with labels called as people read them."""
        label, suggested = names.shown(self.label), names.shown(self.suggested)
        return replace(self, label=label, suggested=suggested)


@dataclass(frozen=True)
class Found:
    """What was found. suspects: the likeliest mistake first.

    judged: images that a model answered which had not seen them. all: images there are. seen: of
    the judged those that a person has looked at, of several labels the labels that were decided on;
    they are no suspects any more.
    """

    suspects: tuple[Suspect, ...]
    judged: int
    all: int
    seen: int
    several: bool

    @property
    def sure(self) -> int:
        """How many suspects confident learning names."""
        return sum(each.sure for each in self.suspects)


@dataclass(frozen=True)
class Panel:
    """What a run's report shows: the first suspects with their pictures, encoded."""

    shown: tuple[tuple[Suspect, bytes, str], ...]
    found: Found


def suspected(predictions: Predictions, samples: Samples, temperature: float = 1.0) -> Found:
    """The labels that are worth a second look, the likeliest mistake first.

    predictions: of a model for images that it was trained without. An image that is there more
    than once, of several repeats, has the mean of its scores. Thresholds are learned without the
    test, so that it decides nothing. Rows without a known truth or a finite score are left out.
    """
    table, scores = _each_once(predictions, temperature)
    frame = table.frame
    of_test = (frame["split"] == "test").to_numpy()
    learned_on = ~of_test if not of_test.all() else np.ones(len(of_test), bool)
    several = table.task.several
    judge = suspects_of_several if several else suspects
    found = judge(scores, table.targets, learned_on=learned_on)
    known, classes = decided(samples), table.classes
    places = list(zip(frame["path"].to_list(), frame["row"].to_list(), strict=True))
    pairs = zip(found.places.tolist(), found.label.tolist(), strict=True)
    seen = np.array([classes[label] in known.get(places[at], ()) for at, label in pairs], bool)
    wanted = _otherwise(found, scores, several=several) & ~seen
    shown = [
        _suspect(table, scores, found, at, several=several)
        for at in np.flatnonzero(wanted).tolist()
    ]
    return Found(tuple(shown), len(table), len(samples), int(seen.sum()), several)


def panel(predictions: Predictions, samples: Samples, temperature: float) -> Panel:
    """The first suspects of a run for its report; an image that cannot be read is left out."""
    found = suspected(predictions, samples, temperature)
    return Panel(tuple(Album(samples, SIDE).pictures(found.suspects[:PANEL])), found)


def _each_once(predictions: Predictions, temperature: float) -> tuple[Predictions, np.ndarray]:
    """The rows that can be judged, each image once, and its scores. -> table of n, (n, C)"""
    finite = np.isfinite(predictions.logits).all(axis=1)
    table = Predictions(predictions.frame.filter(predictions.known & finite), predictions.task)
    scores = table.scores(temperature)
    numbers: dict[tuple[str, int | None], int] = {}
    places = zip(table.frame["path"].to_list(), table.frame["row"].to_list(), strict=True)
    image = np.array([numbers.setdefault(place, len(numbers)) for place in places], np.int64)
    if len(numbers) == len(table):
        return table, scores
    sums = np.zeros((len(numbers), scores.shape[1]))
    np.add.at(sums, image, scores)
    firsts = np.unique(image, return_index=True)[1]
    once = Predictions(table.frame[firsts], table.task)
    return once, sums / np.bincount(image)[:, None]


def _otherwise(found: Suspected, scores: np.ndarray, *, several: bool) -> np.ndarray:
    """Which questions the model answers otherwise than they stand. -> (n,) bool

    Of several labels those that are flagged: each label has many images that are hard.
    """
    if several:
        return found.flagged
    return np.asarray(scores[found.places, found.suggested] > found.score)


def _suspect(
    table: Predictions, scores: np.ndarray, found: Suspected, at: int, *, several: bool
) -> Suspect:
    place, score = int(found.places[at]), float(found.score[at])
    label, given = table.classes[found.label[at]], bool(found.given[at])
    kind: Kind = "wrong" if given else "missing"
    suggested = table.classes[found.suggested[at]]
    if several:
        label, suggested = (label, "") if given else ("", label)
    other = 1 - score if several else float(scores[place, found.suggested[at]])
    return Suspect(
        path=table.frame["path"][place],
        row=table.frame["row"][place],
        label=label,
        suggested=suggested,
        kind=kind,
        score=score,
        other=other,
        sure=bool(found.flagged[at]),
        split=table.frame["split"][place] or "",
    )


def source_words(found: Found, called: str) -> str:
    """Of how many images the labels were judged, and how the others would be."""
    if found.judged == found.all:
        return f"All {found.all:,} images were judged by a model that was trained without them."
    return (
        f"{found.judged:,} of {found.all:,} images were judged by a model that was trained without "
        f"them; to have all judged: fieldmark cross-validate {shlex.quote(called)}"
    )
