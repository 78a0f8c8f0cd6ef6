"""What training has reached: everything that a killed run needs to go on to the same bits."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from fieldmark.captioned import Seen
from fieldmark.fit.averages import Average
from fieldmark.fit.clock import Clock

Row = dict[str, float]
Chunk = tuple[torch.Tensor, torch.Tensor]  # (n, C) float32 logits, (n,) int64 targets
WAITING = 64  # batches whose logits may lie on the device, so that it need not wait after each


@dataclass
class Running:
    """The epoch's training so far: loss, and the logits that the network gave in training mode.

    Losses stay on the device until they are asked for, logits for a few steps; then they are
    chunks on the processor. files: names of what holds the first chunks on disk, one each. What
    is "earlier" comes from before the process that goes on.
    """

    earlier_loss: float = 0.0  # summed over images
    earlier_penalty: float = 0.0  # summed over the optimiser's steps
    earlier_steps: int = 0  # of the optimiser, with a penalty
    losses: list[torch.Tensor] = field(default_factory=list)
    penalties: list[torch.Tensor] = field(default_factory=list)  # one a step of the optimiser
    waiting: list[Chunk] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def add(self, loss: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor) -> None:
        """One batch: its mean loss (scalar), logits (n, C) and targets (n,)."""
        self.losses.append(loss * len(targets))
        self.waiting.append((logits.detach().float(), targets))
        if len(self.waiting) == WAITING:
            self._leave_device()

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

    def tables(self) -> Chunk:
        """All of it. -> (N, C) float32, (N,) int64, on the processor"""
        self._leave_device()
        return _joined(self.chunks)

    def not_in_files(self) -> Chunk | None:
        """What no file has yet, from now on one chunk; None where that is nothing."""
        self._leave_device()
        new = self.chunks[len(self.files) :]
        if not new:
            return None
        self.chunks[len(self.files) :] = [_joined(new)]
        return self.chunks[-1]

    def _leave_device(self) -> None:
        if self.waiting:
            logits, targets = _joined(self.waiting)
            self.chunks.append((logits.cpu(), targets.cpu()))
            self.waiting = []


def _joined(chunks: list[Chunk]) -> Chunk:
    logits, targets = zip(*chunks, strict=True)
    return torch.cat(logits), torch.cat(targets)


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
    monitored: list[float] = field(default_factory=list)  # the monitored figure, more is better
    best_epoch: int | None = None  # counted from 1, as users see it
    patient_from: int = 0  # epochs before this one do not count as waited
    validated: int = 0  # images, after the epoch before
    stage: int = 0  # which of the training's stages this is, from 0
    stage_begun: int = 0  # epochs that were done before it
    planned: int | None = None  # epochs of the stage
    trials: list[dict[str, Any]] = field(default_factory=list)  # heads that were tried
    head_epoch: int | None = None  # the best one before more than the head was trained
    shares: list[dict[str, Any]] = field(default_factory=list)  # of tuned weights, as judged
    out_of_fold: torch.Tensor | None = None  # (n, C) logits of the images that folds judge
    held_out: dict[str, torch.Tensor] = field(default_factory=dict)  # head without the first fold
    tuned: torch.Tensor | None = None  # (n, C) logits of the first fold's images after the tuning
    group_weight: torch.Tensor | int = 0  # of the batches that wait for the optimiser's step
    compiled: Callable[[Seen], torch.Tensor] | None = None
    clock: Clock = field(default_factory=Clock)  # tells where the time went, and decides nothing

    @property
    def judged(self) -> torch.nn.Module:
        """The network that is validated and kept: the average where there is one."""
        return self.ema.model if self.ema else self.model

    @property
    def forward(self) -> Callable[[Seen], torch.Tensor]:
        """What a training step calls: the network, or its compiled form."""
        return self.model if self.compiled is None else self.compiled

    def tree(self) -> dict[str, Any]:
        """Everything, as tensors and plain values, but for the chunks that files hold."""
        return {
            **{name: getattr(self, name) for name in PLAIN},
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "ema": dict(self.ema.model.state_dict()) if self.ema else None,
            "ema_updates": self.ema.updates if self.ema else 0,
            "loss_sum": self.running.loss_sum(),
            "penalty_sum": self.running.penalty_sum(),
            "penalised_steps": self.running.penalised_steps,
            "running": self.running.files,
            "times": self.clock.times(),
        }

    def restore(self, tree: dict[str, Any]) -> None:
        """Be what `tree` was taken from, but for the chunks; seconds are added to those since."""
        tree = {"monitored": tree.get("gains", []), **tree}  # as it was called once
        self.model.load_state_dict(tree["model"])
        self.optimizer.load_state_dict(tree["optimizer"])
        _lay_out_like_parameters(self.optimizer)
        if self.scaler and tree["scaler"]:
            self.scaler.load_state_dict(tree["scaler"])
        if self.ema:
            self.ema.model.load_state_dict(tree["ema"])
            self.ema.updates = tree["ema_updates"]
        penalty = tree.get("penalty_sum", 0.0), tree.get("penalised_steps", 0)
        self.running = Running(tree["loss_sum"], *penalty, files=list(tree.get("running", ())))
        for name in PLAIN:
            setattr(self, name, tree.get(name, getattr(self, name)))
        self.clock.add(tree.get("times", {}))


NOT_PLAIN = {"model", "optimizer", "scaler", "ema", "running", "clock"}  # each has its own lines
MADE_ANEW = {"penalised", "group_weight", "compiled"}
PLAIN = [each.name for each in fields(State) if each.name not in NOT_PLAIN | MADE_ANEW]


def _lay_out_like_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the memory format of their parameters, which safetensors does not keep.

    Kernels that meet two formats take another path, whose last bits may differ.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
