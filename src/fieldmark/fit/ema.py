"""An exponential moving average of a network's weights, which is often the better network."""

import copy

import torch
from torch import nn


class Ema:
    """Holds the average. Its decay rises from 0.1 so that early, random weights are forgotten.

    The decay after n updates is min(decay, (1 + n) / (10 + n)), as TensorFlow's
    ExponentialMovingAverage has it with num_updates. Whole-number buffers are copied.
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
        theirs = model.state_dict()
        for name, mine in self.model.state_dict().items():
            if mine.is_floating_point():
                mine.lerp_(theirs[name], 1 - decay)
            else:
                mine.copy_(theirs[name])
