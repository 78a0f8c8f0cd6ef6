"""How a stage is trained: its numbers, and the functions that it works with."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from fieldmark.captioned import Seen
from fieldmark.data.loader import Feed
from fieldmark.fit.losses import Loss
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.schedules import Schedule
from fieldmark.fit.state import Row
from fieldmark.models.precision import Autocast

Judged = tuple[np.ndarray, np.ndarray]  # logits (N, C), targets (N,)
Follow = Callable[[list[Row]], None]
T = TypeVar("T")
Mix = Callable[[Seen, torch.Tensor, int, int], tuple[Seen, torch.Tensor]]


@dataclass(frozen=True)
class Plan:
    """How long and how, for one stage of the training.

    epochs: of this stage; first: how many came before it. sign: 1 where more of the monitored
    figure is better, else -1. patience: validations without anything better that end the stage;
    with min_delta those whose loss is more than that above the least. validate_every: epochs from
    one validation to the next.
    norm_frozen: batch norm keeps its statistics. figures: of the validation, told after each
    epoch beside loss, accuracy and the monitored one. stage: its number, from 1; None where it
    is the only one.
    """

    epochs: int
    seed: int
    first: int = 0
    accumulate: int = 1
    clip_norm: float | None = None
    monitor: str = "macro_f1"
    sign: int = 1
    patience: int | None = None
    min_delta: float | None = None
    validate_every: int = 1
    steps_every: int = 10
    norm_frozen: bool = False
    figures: tuple[str, ...] = ()
    stage: int | None = None

    def named(self, epoch: int) -> str:
        """An epoch, counted over all stages: "epoch 3 of 20", or "stage 2, epoch 1 of 5"."""
        stage = f"stage {self.stage}, " if self.stage else ""
        return f"{stage}epoch {epoch - self.first} of {self.epochs}"

    @property
    def told(self) -> tuple[str, ...]:
        """The figures of the validation that are told of an epoch."""
        return tuple(dict.fromkeys(["loss", "accuracy", self.monitor, *self.figures]))

    def validates(self, epoch: int) -> bool:
        """Whether an epoch, counted from 1 over all stages, ends with a validation."""
        return epoch == self.last or (epoch - self.first) % self.validate_every == 0

    @property
    def last(self) -> int:
        """How many epochs are done when this stage is."""
        return self.first + self.epochs


class Ranks:
    """What several processes that train one network must agree on, lest they part ways.

    Today there is one process, which agrees with itself. With several, `any_of` and `of_first` are
    where they wait for each other: each must ask them at the same places, in the same order.
    """

    rank = 0

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def any_of(self, mine: bool) -> bool:
        """Whether it is so in any process."""
        return mine

    def of_first(self, mine: T) -> T:
        """What the first one found: clocks and last bits may differ."""
        return mine


ALONE = Ranks()


@dataclass(frozen=True)
class Parts:
    """What a stage works with.

    measure: (logits (N, C), targets (N,)) -> figures by name.
    validate: model -> (logits, targets) of the validation images; None trains without.
    mix: (images, targets, epoch, step) -> images and shares (n, C) of the classes; None: no mixing.
    penalty: on the weights, once a step of the optimiser; no part of the loss that is told.
    follow: called after each epoch, when it is on disk, with the whole history.
    """

    batches: Feed
    loss: Loss
    schedule: Schedule
    device: torch.device
    measure: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    autocast: Autocast = nullcontext
    validate: Callable[[torch.nn.Module], Judged] | None = None
    mix: Mix | None = None
    penalty: Penalty | None = None
    follow: Follow | None = None
    ranks: Ranks = ALONE
