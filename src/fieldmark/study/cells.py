"""What the cells of a grid came to, each from its run's folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fieldmark.judge.constant import best_constant
from fieldmark.judge.metrics import METRICS
from fieldmark.metrics_json import Figures, Metrics
from fieldmark.models.bundle import load
from fieldmark.models.bundle_info import read_info
from fieldmark.models.summary import summarise
from fieldmark.records import Predictions
from fieldmark.report.words import defined
from fieldmark.rundir import INFO, WEIGHTS, RunDir
from fieldmark.study.axes import short_label
from fieldmark.study.planned import Planned, digest
from fieldmark.study.together import Done

MEGA = 1e6


@dataclass(frozen=True)
class Finished:
    """A cell whose run is done. place: among all cells, which is its colour."""

    planned: Planned
    run: RunDir
    place: int
    multiply_adds: int

    @property
    def label(self) -> str:
        """The values of its axes."""
        return short_label(self.planned.about)

    @cached_property
    def metrics(self) -> Metrics:
        """Its figures."""
        return self.run.read_metrics()

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Its settings by section and name, with no `auto`."""
        return self.run.read_settings()

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """Its epochs."""
        return self.run.read_history()

    @property
    def side(self) -> str:
        """The images that it is shown by: those of the test, where there are some."""
        return "test" if "test" in self.metrics.sides else "val"

    @property
    def figures(self) -> Figures:
        """Of these images."""
        return self.metrics.sides[self.side]

    @property
    def value(self) -> float | None:
        """The task's own figure."""
        return self.figures[self.metrics.of_task.metric]

    def validation(self, metric: str) -> float | None:
        """A figure of validation; None without validation."""
        val = self.metrics.sides.get("val")
        return val[metric] if val else None

    @property
    def parameters(self) -> int:
        """Of its network."""
        return self.metrics.about.parameters or 0

    @property
    def megabytes(self) -> float:
        """Of its file of weights, 1e6 bytes each."""
        return (self.run.path / WEIGHTS).stat().st_size / MEGA

    @property
    def epochs(self) -> int:
        """Epochs that were trained; 0 where the head was solved."""
        return sum(defined(row.get("lr")) for row in self.history)

    @property
    def seconds(self) -> float:
        """Of its training."""
        return self.metrics.about.seconds or 0.0

    @property
    def seconds_an_epoch(self) -> float | None:
        """The mean; None where there were no epochs."""
        return self.seconds / self.epochs if self.epochs else None

    @property
    def images_a_second(self) -> float | None:
        """Of the last predictions; None where these went by features that were at hand."""
        taken = self.metrics.about.times.get("predicting", 0.0)
        frozen = all(stage["train"] == ["head"] for stage in self.settings["train"]["stages"])
        if frozen or not taken:
            return None
        shown = sum(each.n for each in self.metrics.sides.values() if not each.folds)
        return shown * (1 + bool(self.settings["train"]["test_flip"])) / taken

    def gap(self, metric: str) -> float | None:
        """By how much training is ahead of validation in the epoch that was kept."""
        best = self.metrics.about.best_epoch
        if best is None or len(self.history) < best:
            return None
        name = "loss" if metric == "log_loss" else metric
        row = self.history[best - 1]
        train, val = (row.get(f"{side}_{name}") for side in ("train", "val"))
        if not (defined(train) and defined(val)):
            return None
        return train - val if METRICS[metric].better == "max" else val - train

    @cached_property
    def constant(self) -> float:
        """What the best answer that is the same for all images would score."""
        return best_constant(Predictions.read(self.run.predictions).of_split(self.side))

    @property
    def has_learned(self) -> bool:
        """Whether it is better than that: the whole interval, where there is one."""
        low, _ = self.figures.interval(self.metrics.of_task.metric) or (self.value, None)
        return low is not None and low > self.constant


def finished(done: Done, places: dict[str, int]) -> list[Finished]:
    """The cells whose runs are done. places: of all planned runs by name."""
    known = dict[str, int]()
    return [Finished(p, run, places[p.name], _multiply_adds(run, known)) for p, run in done]


def _multiply_adds(run: RunDir, known: dict[str, int]) -> int:
    """Of one image; each network is counted once."""
    info = read_info(run.path / INFO)
    made = (info.model, info.options, info.head, info.head_options, info.resizer, info.pool)
    key = digest([made, info.mirror, info.classes, vars(info.spec)])
    if key not in known:
        classifier, _ = load(run.path)  # as it is: boosted trees run with their values alone
        known[key] = summarise(classifier.network, info.spec.size).multiply_adds
    return known[key]


def chosen_by(cells: Sequence[Finished]) -> str:
    """The figure of validation that decides: the monitored one, for the loss the log loss."""
    monitor = str(cells[0].settings["train"]["monitor"])
    return "log_loss" if monitor == "loss" else monitor
