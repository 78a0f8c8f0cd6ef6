"""Averages of a network's weights, which stand beside it and are what is validated and kept."""

import copy

import torch
from torch import nn

HELD = 0.95  # to the power of the steps between updates: the most of the slow weights that stays


class Ema:
    """An exponential moving average of the weights, which is often the better network.

    Its decay rises from 0.1 so that early, random weights are forgotten: after n updates it is
    min(decay, (1 + n) / (10 + n)), as TensorFlow's ExponentialMovingAverage has it with
    num_updates. Whole-number buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module, progress: float = 0.0) -> None:
        """Move the average towards `model`, after each of the optimiser's steps.

        progress, of the stage, does not count here: a Lookahead in the same place needs it.
        """
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        _approach(self.model, model, 1 - decay)


class Lookahead:
    """Holds the slow weights in `model`; stands in the place of an Ema.

    After every `every`th step they move towards the trained ones, which then go on from there.
    The share of the slow weights that stays is 0.95**every * progress**3, so that they follow at
    once in the beginning and average at the end; after the stage's last step the trained weights
    become the slow ones. Zhang et al., "Lookahead Optimizer", 2019, with the shares of Jordan,
    "94% on CIFAR-10 in 3.29 Seconds", 2024 (airbench94). Statistics of batch norms are averaged
    too; whole-number buffers are copied.
    """

    def __init__(self, model: nn.Module, every: int):
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.every, self.updates = every, 0  # updates: the optimiser's steps so far

    @torch.no_grad()
    def update(self, model: nn.Module, progress: float) -> None:
        """After each of the optimiser's steps; progress: the share of the stage that is done."""
        self.updates += 1
        if self.updates % self.every == 0:
            self._meet(model, HELD**self.every * progress**3)
        if progress >= 1:
            self._meet(model, 1.0)

    def _meet(self, model: nn.Module, held: float) -> None:
        """Move the slow weights, keep the share `held` of them, and give them to `model`."""
        _approach(self.model, model, 1 - held)
        model.load_state_dict(self.model.state_dict())


def _approach(mine: nn.Module, theirs: nn.Module, share: float) -> None:
    """Move the weights of `mine` by this share of the way; whole-number buffers are copied."""
    wanted = theirs.state_dict()
    for name, tensor in mine.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(wanted[name], share)
        else:
            tensor.copy_(wanted[name])


Average = Ema | Lookahead
