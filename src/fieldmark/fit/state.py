"""What training has reached: everything that a killed run needs to go on to the same bits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from fieldmark.fit.averages import Average
from fieldmark.fit.clock import Clock

Row = dict[str, float]
PLAIN = (
    "epoch",
    "step",
    "seconds",
    "history",
    "gains",
    "best_epoch",
    "patient_from",
    "stage",
    "stage_begun",
    "trials",
    "planned",
)


@dataclass
class Running:
    """The epoch's training so far: loss, and the logits that the network gave in training mode.

    All stays on the device until it is asked for, so that an accelerator need not wait. What is
    "earlier" comes from before the process that goes on.
    """

    earlier_loss: float = 0.0  # summed over images
    earlier_penalty: float = 0.0  # summed over the optimiser's steps
    earlier_steps: int = 0  # of the optimiser, with a penalty
    losses: list[torch.Tensor] = field(default_factory=list)
    penalties: list[torch.Tensor] = field(default_factory=list)  # one a step of the optimiser
    logits: list[torch.Tensor] = field(default_factory=list)
    targets: list[torch.Tensor] = field(default_factory=list)

    def add(self, loss: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor) -> None:
        """One batch: its mean loss (scalar), logits (n, C) and targets (n,)."""
        self.losses.append(loss * len(targets))
        self.logits.append(logits.detach().float())
        self.targets.append(targets)

    def loss_sum(self) -> float:
        """Over the images so far."""
        return _sum(self.earlier_loss, self.losses)

    def penalty_sum(self) -> float:
        """Over the optimiser's steps so far."""
        return _sum(self.earlier_penalty, self.penalties)

    @property
    def penalised_steps(self) -> int:
        """How many steps of the optimiser had a penalty."""
        return self.earlier_steps + len(self.penalties)

    def tables(self) -> tuple[torch.Tensor, torch.Tensor]:
        """-> (N, C) float32, (N,) int64, on the processor"""
        return torch.cat(self.logits).cpu(), torch.cat(self.targets).cpu()


def _sum(total: float, values: list[torch.Tensor]) -> float:
    """Added up on the processor: not every device has float64."""
    for value in values:
        total += value.item()
    return total


@dataclass
class State:
    """Position, figures and the trained things. `step` is the next one of `epoch`, from 0."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None = None
    ema: Average | None = None
    penalised: list[torch.nn.Parameter] | None = None  # None: not yet known in this stage
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0  # of this epoch, before the process that goes on
    running: Running = field(default_factory=Running)
    history: list[Row] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)  # the monitored figure, more is better
    best_epoch: int | None = None  # counted from 1, as users see it
    patient_from: int = 0  # epochs before this one do not count as waited
    stage: int = 0  # which of the training's stages this is, from 0
    stage_begun: int = 0  # epochs that were done before it
    planned: int | None = None  # epochs of the stage
    trials: list[dict[str, Any]] = field(default_factory=list)  # heads that were tried
    group_weight: torch.Tensor | int = 0  # of the batches that wait for the optimiser's step
    compiled: Callable[[torch.Tensor], torch.Tensor] | None = None
    clock: Clock = field(default_factory=Clock)  # tells where the time went, and decides nothing

    @property
    def judged(self) -> torch.nn.Module:
        """The network that is validated and kept: the average where there is one."""
        return self.ema.model if self.ema else self.model

    @property
    def forward(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """What a training step calls: the network, or its compiled form."""
        return self.model if self.compiled is None else self.compiled

    def tree(self) -> dict[str, Any]:
        """Everything, as tensors and plain values."""
        logits, targets = self.running.tables() if self.running.logits else (None, None)
        return {
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "ema": dict(self.ema.model.state_dict()) if self.ema else None,
            "ema_updates": self.ema.updates if self.ema else 0,
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "loss_sum": self.running.loss_sum(),
            "penalty_sum": self.running.penalty_sum(),
            "penalised_steps": self.running.penalised_steps,
            "logits": logits,
            "targets": targets,
            "history": self.history,
            "gains": self.gains,
            "best_epoch": self.best_epoch,
            "patient_from": self.patient_from,
            "stage": self.stage,
            "stage_begun": self.stage_begun,
            "trials": self.trials,
            "planned": self.planned,
            "times": self.clock.times(),
        }

    def restore(self, tree: dict[str, Any]) -> None:
        """Be what `tree` was taken from; its seconds are added to those counted since."""
        self.model.load_state_dict(tree["model"])
        self.optimizer.load_state_dict(tree["optimizer"])
        _lay_out_like_parameters(self.optimizer)
        if self.scaler and tree["scaler"]:
            self.scaler.load_state_dict(tree["scaler"])
        if self.ema:
            self.ema.model.load_state_dict(tree["ema"])
            self.ema.updates = tree["ema_updates"]
        penalty = tree.get("penalty_sum", 0.0), tree.get("penalised_steps", 0)
        self.running = Running(tree["loss_sum"], *penalty)
        if tree["logits"] is not None:
            device = next(self.model.parameters()).device
            self.running.logits = [tree["logits"].to(device)]
            self.running.targets = [tree["targets"].to(device)]
        for name in PLAIN:
            setattr(self, name, tree.get(name, getattr(self, name)))
        self.clock.add(tree.get("times", {}))


def _lay_out_like_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the memory format of their parameters, which safetensors does not keep.

    Kernels that meet two formats take another path, whose last bits may differ.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
