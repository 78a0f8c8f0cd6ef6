"""A run, or an evaluation of one, as `fieldmark compare` takes it. Read from files, no model."""

import filecmp
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import by_split, figures
from fieldmark.judge.thresholds import in_order
from fieldmark.metrics_json import About, Figures, Values
from fieldmark.records import LOGIT, Predictions
from fieldmark.report.words import head_alone
from fieldmark.rundir import WEIGHTS, RunDir
from fieldmark.settings.layers import layer


def is_solved(settings: Mapping[str, Any], epochs: Sequence[Mapping[str, float]]) -> bool:
    """Whether these rows of a history are of a head that was solved exactly, and of nothing else.

    Boosted trees have no rate either, but draw the features that each tree looks at.
    """
    heads = settings.get("features.heads") or (settings.get("head.name"),)
    return bool(epochs) and set(heads) == {"linear"} and not any("lr" in row for row in epochs)


@dataclass(frozen=True)
class ComparedRun:
    """One of those that are compared.

    folder: what was named, a run or one of its evaluations. run: the run that trained the
    model. split: the side of the images that it is compared on. predictions: all of the folder.
    """

    name: str
    folder: RunDir
    run: RunDir
    split: str
    predictions: Predictions
    temperature: float

    @property
    def is_evaluation(self) -> bool:
        """Whether it is about other images than the run's own."""
        return self.folder != self.run

    @cached_property
    def shown(self) -> Predictions:
        """Predictions of the split."""
        return self.predictions.of_split(self.split)

    @cached_property
    def figures(self) -> Figures:
        """Its own figures on the split, with their intervals."""
        return figures(
            self.shown,
            temperature=self.temperature,
            thresholds=in_order(self.thresholds, self.predictions.classes),
            with_intervals=True,
        )

    def values(self) -> dict[str, Values]:
        """Every figure of each split, without intervals."""
        least = in_order(self.thresholds, self.predictions.classes)
        sides = by_split(self.predictions).items()
        return {
            side: figures(table, temperature=self.temperature, thresholds=least).values
            for side, table in sides
        }

    @cached_property
    def thresholds(self) -> dict[str, float] | None:
        """The least score of each of several labels by class; None: 0.5."""
        return self.run.read_thresholds()

    @cached_property
    def settings(self) -> dict[str, Any]:
        """settings.yaml of the run by dotted name."""
        return layer("run", self.run.read_settings()).values

    @property
    def history(self) -> list[dict[str, float]]:
        """The run's epochs; none of an evaluation, which is about no training."""
        return [] if self.is_evaluation else self.epochs

    @cached_property
    def epochs(self) -> list[dict[str, float]]:
        """The rows of history.csv of the run that trained the model."""
        return self.run.read_history()

    @cached_property
    def about(self) -> About:
        """Seed, versions, machine, command and best epoch, as metrics.json has them."""
        return self.run.read_metrics().about

    @property
    def command(self) -> str:
        """What made the run; "" of an evaluation, which trained nothing."""
        return "" if self.is_evaluation else self.about.command

    @property
    def head_alone(self) -> str:
        """What to say where the head alone was kept of a run that trained more; "" elsewhere."""
        about, stages = self.about, self.settings.get("train.stages")
        return head_alone(stages, self.history, about.best_epoch, whole=about.whole)

    @property
    def is_without_draws(self) -> bool:
        """Whether nothing was drawn: a frozen network with a head that was solved exactly."""
        return is_solved(self.settings, self.epochs)

    def is_one_model_with(self, other: "ComparedRun") -> bool:
        """Whether both have the same weights, byte for byte."""
        mine, its = (run.run.path / WEIGHTS for run in (self, other))
        return mine.is_file() and its.is_file() and filecmp.cmp(mine, its, shallow=False)

    def evidence(self, classes: Sequence[str], rows: np.ndarray) -> Evidence:
        """Evidence on these rows of the split, with the classes in this order."""
        least = in_order(self.thresholds, classes)
        return Evidence.on(self.ordered(classes, rows), self.temperature, least)

    def ordered(self, classes: Sequence[str], rows: np.ndarray) -> Predictions:
        """These rows of the split, with the classes in this order."""
        columns = ("path", "split", "truth", *(f"{LOGIT}{name}" for name in classes))
        return Predictions(self.shown.frame[rows].select(columns), self.predictions.task)

    def images(self, rows: np.ndarray) -> int:
        """How many images these rows of the split are of."""
        return len(rows)

    def keys(self) -> list[tuple[Any, ...]]:
        """What each image of the split is: content, row, truth, and which of equal ones it is."""
        columns = self.shown.frame.select(pl.coalesce("hash", "path"), "row", "truth")
        seen: Counter[tuple[Any, ...]] = Counter()
        found = []
        for image, row, truth in columns.iter_rows():
            key = (image, row, tuple(truth or ()))
            found.append((*key, seen[key]))
            seen[key] += 1
        return found


def shared_rows(one: ComparedRun, other: ComparedRun) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the images that both are shown by, and that have an answer. -> (N,), (N,)"""
    place, keys = {key: row for row, key in enumerate(other.keys())}, one.keys()
    known = [row for row in np.flatnonzero(one.shown.known).tolist() if keys[row] in place]
    return np.array(known, np.int64), np.array([place[keys[row]] for row in known], np.int64)


def shared_groups(
    one: tuple[ComparedRun, np.ndarray], other: tuple[ComparedRun, np.ndarray]
) -> tuple[np.ndarray | None, str]:
    """Groups (N,) int from 0 of images that both have at these rows, and what to know of them.

    Those of either, whichever is named first; where both have groups and not the same, whatever
    is in one group for either of them is in one. None where neither has any.
    """
    ours, theirs = (Predictions(each.shown.frame[rows]).groups for each, rows in (one, other))
    if ours is None or theirs is None:
        if ours is None and theirs is None:
            return None, ""
        name = (other if ours is None else one)[0].name
        told = f"only {name} has groups; these count as one each for both"
        return (theirs if ours is None else ours), told
    cells = len(np.unique(np.stack([ours, theirs]), axis=1).T)
    if cells == len(np.unique(ours)) == len(np.unique(theirs)):
        return ours, ""
    return _connected(ours, theirs), "their groups differ; what is one in either counts as one"


def _connected(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Groups such that images that share one of ours or one of theirs share it. (N,) twice -> (N,)

    Their groups are tied to ours wherever an image is in both.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = int(ours.max()) + 1
    size = number + int(theirs.max()) + 1
    ties = coo_array((np.ones(len(ours)), (ours, number + theirs)), shape=(size, size))
    _, found = connected_components(ties, directed=False)
    return np.unique(found[ours], return_inverse=True)[1].astype(np.int64)
