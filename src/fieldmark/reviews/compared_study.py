"""A study whose models answered every image out of fold, as `fieldmark compare` takes it: as one.

Read from the study's own files: its question, its predictions, its results. No model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fieldmark.errors import RunError
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.many_answers import IMAGE, figures_by_image, in_one_group
from fieldmark.judge.thresholds import of_rows
from fieldmark.metrics_json import About, Figures, Values
from fieldmark.models.bundle_info import read_info
from fieldmark.records import Predictions
from fieldmark.reviews.compared_run import ComparedRun, is_solved
from fieldmark.rundir import INFO, STUDY, RunDir, read_json
from fieldmark.settings.layers import layer

RESULTS = "results.json"


@dataclass(frozen=True)
class ComparedStudy(ComparedRun):
    """Its models are one: each image is answered by those that were trained without it.

    question: what was asked. results: what it came to. members: the models' folders, in the order
    of the numbers in `fold`.
    """

    question: dict[str, Any]
    results: dict[str, Any]
    members: tuple[RunDir, ...]

    @cached_property
    def least(self) -> np.ndarray | None:
        """Of each row the thresholds of the model that answered it. -> (N, C)"""
        found = [each.read_thresholds() for each in self.members]
        return of_rows(found, self.predictions.classes, self.shown.frame["fold"].to_numpy())

    @cached_property
    def figures(self) -> Figures:
        """Of all images, with intervals; an image counts once."""
        return figures_by_image(self.shown, self.least)

    def values(self) -> dict[str, Values]:
        """Every figure of all images, by the split's name."""
        return {self.split: self.figures.values}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Of its first model by dotted name; where it was solved beside others, the study's."""
        first = self.members[0]
        if first.settings.is_file():
            return layer("run", first.read_settings()).values
        values = layer("study", self.question["settings"]).values
        return values | {"model.name": read_info(first.path / INFO).model}

    @cached_property
    def about(self) -> About:
        """Seed, versions and machine of the first model, and the study's command."""
        about = {**self.results["about"], "command": self.question["command"], "best_epoch": None}
        return About(**about)

    @property
    def is_without_draws(self) -> bool:
        """Whether no model drew anything; where heads were solved side by side none did."""
        trained = [each for each in self.members if each.settings.is_file()]
        return all(is_solved(self.settings, each.read_history()) for each in trained)

    def images(self, rows: np.ndarray) -> int:
        """How many images these rows are of."""
        return self.shown.frame[rows].select(IMAGE).n_unique()

    def evidence(self, classes: Sequence[str], rows: np.ndarray) -> Evidence:
        """Evidence on these rows, with the classes in this order."""
        table = self.ordered(classes, rows)
        if self.least is None:
            return Evidence.on(table)
        places = [self.predictions.classes.index(name) for name in classes]
        return Evidence.on(table, thresholds=self.least[rows][:, places])


def answers_as_one(path: str | Path) -> bool:
    """Whether a folder is a study's with an answer of all its models to every image."""
    return all((Path(path) / each).is_file() for each in (STUDY, RESULTS, "predictions.parquet"))


def read_study(path: str, name: str) -> ComparedStudy:
    """The study at `path`. Raises RunError where a file of it is damaged."""
    folder = RunDir(Path(path))
    question, results = (
        read_json(folder.path / each, "copy the study again") for each in (STUDY, RESULTS)
    )
    predictions = in_one_group(Predictions.read(folder.predictions))
    if not (runs := results.get("runs")):
        raise RunError(f"{path}: is of an older Fieldmark; the command that made it writes it anew")
    members = tuple(RunDir(folder.path / "runs" / each) for each in runs)
    return ComparedStudy(name, folder, folder, "test", predictions, 1.0, question, results, members)
