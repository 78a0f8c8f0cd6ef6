"""How the learning rate moves: a factor on the optimiser's rate, as a function of the progress.

A schedule keeps no state: its factor follows from where training stands and from the
monitored figures so far. So a run that goes on has the rate of the run that never stopped,
and a run that is trained further has the rate of a run that was planned so long.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, isnan, pi
from typing import Annotated, Literal

from pydantic import Field

from fieldmark.catalog import Catalog

Fraction = Annotated[float, Field(ge=0, le=1)]
Epochs = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Divisor = Annotated[float, Field(ge=1)]


@dataclass(frozen=True)
class Progress:
    """Where training stands. Steps are the optimiser's, counted from 0.

    monitored: the monitored figure after each epoch so far, signed so that more is better; losses:
    of the validation. Both are nan where there was none.
    """

    step: int
    steps_an_epoch: int
    epochs: int
    monitored: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.steps_an_epoch * self.epochs


Schedule = Callable[[Progress], float]


def none() -> Schedule:
    """The rate as it is given."""
    return lambda _: 1.0


def cosine(*, warmup_epochs: Epochs = 1.0, floor: Fraction = 0.0) -> Schedule:
    """Up in a line over the first epochs, then down to `floor` along half a cosine.

    Loshchilov and Hutter, "SGDR", 2016, without restarts.
    """

    def factor(progress: Progress) -> float:
        warm = min(round(warmup_epochs * progress.steps_an_epoch), progress.total // 2)
        if progress.step < warm:
            return (progress.step + 1) / (warm + 1)
        way = (progress.step - warm) / max(1, progress.total - warm)
        return floor + (1 - floor) * (1 + cos(pi * min(1.0, way))) / 2

    return factor


def one_cycle(
    *, pct_start: Share = 0.3, div_factor: Divisor = 25.0, final_div_factor: Divisor = 1e4
) -> Schedule:
    """From rate / div_factor up to the rate, then down to the first one / final_div_factor.

    Smith and Topin, "Super-Convergence", 2017; the values of torch's OneCycleLR with cosine
    annealing, which moves the momentum too unless it is told not to. Here it stays.
    """

    def factor(progress: Progress) -> float:
        first, last = 1 / div_factor, 1 / div_factor / final_div_factor
        peak, end = pct_start * progress.total - 1, progress.total - 1
        if progress.step < peak:
            return _anneal(first, 1.0, progress.step / peak)
        return _anneal(1.0, last, min(1.0, (progress.step - peak) / max(1.0, end - peak)))

    return factor


def triangle(*, start: Fraction = 0.2, peak: Share = 0.23, end: Fraction = 0.07) -> Schedule:
    """In a line from `start` up to the rate, at the share `peak` of all steps, and down to `end`.

    `end` is what comes after the last step. Jordan, "94% on CIFAR-10 in 3.29 Seconds", 2024.
    """

    def factor(progress: Progress) -> float:
        top = int(peak * progress.total)
        if progress.step < top:
            return start + (1 - start) * progress.step / top
        return 1 + (end - 1) * min(1.0, (progress.step - top) / (progress.total - top))

    return factor


def step(*, every: Annotated[int, Field(ge=1)] = 10, gamma: Share = 0.1) -> Schedule:
    """Times `gamma` after each `every` epochs."""
    return lambda progress: float(gamma ** (progress.step // progress.steps_an_epoch // every))


def plateau(
    *,
    wait: Annotated[int, Field(ge=0)] = 3,
    factor: Share = 0.3,
    by: Literal["monitor", "loss"] = "monitor",
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> Schedule:
    """Times `factor` when validation has not become better more than `wait` times in a row.

    by: the monitored figure, or the validation loss. threshold: better is by more than this share
    of the best. As torch's ReduceLROnPlateau, whose threshold is 1e-4; the wait starts anew after
    each reduction. An epoch without the figure is passed over.
    """

    def rate(progress: Progress) -> float:
        gains = progress.monitored
        if by == "loss":
            gains = tuple(-loss for loss in progress.losses)
        least, waited, reductions = float("-inf"), 0, 0  # what a gain has to exceed
        for gain in gains:
            if isnan(gain):
                continue
            waited = waited + 1
            if gain > least:
                least, waited = gain + threshold * abs(gain), 0
            if waited > wait:
                reductions, waited = reductions + 1, 0
        return float(factor**reductions)

    return rate


SCHEDULES = Catalog(
    "schedule",
    {
        "cosine": (cosine, "a warm-up, then down along half a cosine"),
        "one-cycle": (one_cycle, "up and far down again, once"),
        "triangle": (triangle, "up in a line, then down in a longer one"),
        "step": (step, "times gamma every so many epochs"),
        "plateau": (plateau, "smaller when validation stops getting better"),
        "none": (none, "constant"),
    },
    group="fieldmark.schedules",
)


def _anneal(start: float, end: float, way: float) -> float:
    return end + (start - end) / 2 * (1 + cos(pi * way))
