"""A sweep's trials as their folders tell them, in the order of planning. Nothing else is known."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.rundir import RunDir
from fieldmark.study.folder import State, StudyDir
from fieldmark.study.names import more_is_better
from fieldmark.study.planned import Planned

Point = dict[str, Any]  # values by the sweep's names


@dataclass(frozen=True)
class Trial:
    """A planned run of a sweep, and what became of it.

    value: the validation figure of the weights that are kept; None where it is not done, or has
    none. by_epoch: that figure after each epoch. reason: why it failed or was pruned.
    """

    planned: Planned
    run: RunDir
    state: State
    value: float | None
    by_epoch: tuple[float, ...]
    seconds: float
    reason: str = ""

    @property
    def number(self) -> int:
        """From 1, in the order of planning."""
        return int(self.planned.about["trial"])

    @property
    def point(self) -> Point:
        """Its values by the sweep's names."""
        return point_of(self.planned)

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.by_epoch)


def point_of(planned: Planned) -> Point:
    """A planned trial's values by the sweep's names."""
    return dict(planned.about["settings"])


def read_trials(study: StudyDir, figure: str) -> list[Trial]:
    """Every trial that was planned."""
    return [read_trial(study, planned, figure) for planned in study.plans()]


def read_trial(study: StudyDir, planned: Planned, figure: str) -> Trial:
    """One trial from its folder."""
    run, state = study.run(planned.name), study.state(planned.name)
    history = run.read_history()
    return Trial(
        planned,
        run,
        state,
        value=_value(run, history, figure) if state == "done" else None,
        by_epoch=tuple(row.get(f"val_{figure}", math.nan) for row in history),
        seconds=sum(row.get("seconds", 0.0) for row in history),
        reason=str((study.end(planned.name) or {}).get("reason", "")),
    )


def _value(run: RunDir, history: Sequence[Mapping[str, float]], figure: str) -> float | None:
    """The figure of validation of what a finished run keeps; its loss is that of the best epoch."""
    metrics = run.read_metrics()
    if figure == "loss":
        best = metrics.about.best_epoch
        found = history[best - 1].get("val_loss") if best else None
    else:
        found = metrics.sides["val"].values.get(figure) if "val" in metrics.sides else None
    return found if found is not None and math.isfinite(found) else None


def best_of(trials: Sequence[Trial], figure: str) -> Trial | None:
    """The finished trial with the best value, of equals the first; None where none has one."""
    sign = 1 if more_is_better(figure) else -1
    known = [each for each in trials if each.value is not None]
    return max(known, key=lambda each: (sign * (each.value or 0.0), -each.number), default=None)


def best_so_far(trials: Sequence[Trial], figure: str) -> list[float | None]:
    """The best value up to each trial; None before the first that has one."""
    found, best = [], None
    for each in trials:
        best = best_of([each] if best is None else [best, each], figure)
        found.append(best.value if best else None)
    return found


def same(point: Point) -> str:
    """A point as a text that is the same for equal values."""
    return json.dumps(point, sort_keys=True, default=str)


def in_words(point: Point) -> str:
    """ "lr 0.001, activation GELU" """
    return ", ".join(f"{name} {as_text(value)}" for name, value in point.items())


def as_text(value: Any) -> str:
    """A setting's value as a person reads it."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ",".join(map(as_text, value))
    return str(value)
