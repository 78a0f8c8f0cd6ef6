"""Which cells of a grid are best for what, and which cannot be told from the best."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from fieldmark.judge.metrics import METRICS
from fieldmark.judge.paired import Difference, paired_metrics
from fieldmark.reviews.compare import Comparison, pair
from fieldmark.reviews.compared import read_runs
from fieldmark.study.cells import Finished, chosen_by
from fieldmark.study.folder import StudyDir
from fieldmark.study.planned import Planned


@dataclass(frozen=True)
class Best:
    """By the validation figure `metric`. level: those that cannot be told from the best by it."""

    metric: str
    score: Finished
    time: Finished
    size: Finished
    level: tuple[Finished, ...]

    def titles(self, cell: Finished) -> list[str]:
        """What a cell is best for."""
        named = {"score": self.score, "training time": self.time, "size": self.size}
        return [name for name, each in named.items() if each is cell]


@dataclass(frozen=True)
class Found:
    """All that is known of a grid.

    failed: with the reason. compared: each cell with the best, or with the first where none is
    known to be; None of a single one.
    """

    study: StudyDir
    cells: list[Finished]
    failed: list[tuple[Planned, str]]
    best: Best | None
    compared: Comparison | None

    @property
    def metric(self) -> str:
        """The task's own figure."""
        return self.cells[0].metrics.of_task.metric

    @property
    def first(self) -> Finished:
        """What the others are compared with."""
        return self.best.score if self.best else self.cells[0]

    @property
    def axes(self) -> dict[str, list[str]]:
        """The labels of every axis's values by its name, in order."""
        abouts = [each.about for each in self.study.plans()]
        return {name: list(dict.fromkeys(each[name] for each in abouts)) for name in abouts[0]}

    def difference(self, cell: Finished) -> Difference | None:
        """A cell's figure less the best's; None where they are not paired, and of the best."""
        for its in self.compared.pairings if self.compared else ():
            if its.second == cell.label and its.differences is not None:
                return its.differences[self.metric]
        return None

    def state(self, cell: Finished) -> str:
        """better, worse, close, same or unpaired beside the best; "" of the best."""
        pairings = self.compared.pairings if self.compared else ()
        return next((its.state(self.metric) for its in pairings if its.second == cell.label), "")


def best_of(cells: Sequence[Finished]) -> Best | None:
    """None where there is no validation to tell by.

    Of equal figures the less log loss is better, then the cell that was named first. For time and
    size it is the least of those that validation, image by image, cannot tell from the best.
    """
    metric = chosen_by(cells)
    sign = 1 if METRICS[metric].better == "max" else -1
    known = [(value, cell) for cell in cells if (value := cell.validation(metric)) is not None]
    if not known:
        return None

    def rank(pair: tuple[float, Finished]) -> tuple[float, float]:
        loss = pair[1].validation("log_loss")
        return sign * pair[0], -loss if loss is not None else float("-inf")

    score = max(known, key=rank)[1]
    by = metric if metric in paired_metrics(score.metrics.of_task) else score.metrics.of_task.metric
    others = [cell for _, cell in known if cell is not score]
    found = against(score, others, side="val")
    pairs = zip(others, found.pairings, strict=True) if found else []
    level = [score, *(cell for cell, its in pairs if its.state(by) in ("close", "same"))]
    time, size = (min(level, key=attrgetter(name)) for name in ("seconds", "megabytes"))
    return Best(metric, score, time, size, tuple(level))


def against(
    first: Finished, others: Sequence[Finished], *, side: str | None = None
) -> Comparison | None:
    """Each of the others with the first, image by image; None where there are none.

    side: of the images, where not those that the cells are shown by.
    """
    if not others:
        return None
    cells = (first, *others)
    runs = read_runs([str(cell.run.path) for cell in cells])
    named = [
        replace(run, name=cell.label, split=side or run.split)
        for run, cell in zip(runs, cells, strict=True)
    ]
    pairings = tuple(pair(named[0], each) for each in named[1:])
    return Comparison(first.metrics.of_task.metric, tuple(named), pairings)
