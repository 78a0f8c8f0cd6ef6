"""Logistic regression on features: problems that differ in their images. `fit.newton` solves them.

Made small is, over the weight and the bias of a linear layer,

    sum over the images of their loss + penalty / 2 * sum of the squared weights

The loss is a cross-entropy, of several labels the sum of each label's own (`fit.losses.Loss`),
and the bias is not penalised. It is convex: nothing is drawn, there is no rate and no epoch, and
the same features give the same head. All is done on the processor, in float64.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from fieldmark.fit.directions import Kind, Turned, scaling_of, turn


@dataclass(frozen=True, eq=False)
class Task:
    """What heads are trained on: P problems that differ in their images alone.

    features: (n, D). targets: (n,) int64. shares: (n, C) float64, what each class's -log score
    counts. shift: (C,) float64, added to the logits while training. trained, judged: (P, n) bool,
    the images that a problem's head is trained on, and those whose loss judges it. Problem 0 is
    the one whose head is kept. against: of several labels (n, C) float64, what each class's
    -log (1 - score) counts, and targets are (n, C); None: of one label. words: how many features,
    the last ones, are words of captions.
    """

    features: Tensor
    targets: np.ndarray
    shares: Tensor
    shift: Tensor
    trained: np.ndarray
    judged: np.ndarray
    against: Tensor | None = None
    words: int = 0

    def of(self, problems: list[int]) -> "Task":
        """The same of some problems."""
        return replace(self, trained=self.trained[problems], judged=self.judged[problems])

    def only(self, rows: np.ndarray) -> "Task":
        """The same of some images."""
        at = torch.from_numpy(rows)
        return replace(
            self,
            features=self.features[at],
            targets=self.targets[rows],
            shares=self.shares[at],
            trained=self.trained[:, rows],
            judged=self.judged[:, rows],
            against=None if self.against is None else self.against[at],
        )

    def turned(self, kind: Kind) -> Turned:
        """The features, scaled as the kept head's images say, along their principal directions."""
        scaling = scaling_of(self.features, self.trained[0], kind, self.words)
        return turn(self.features, scaling)

    @property
    def weights(self) -> Tensor:
        """What an image's score counts: of one label (n, 1), of several (n, C)."""
        if self.against is None:
            return self.shares.sum(dim=1, keepdim=True)
        return self.shares + self.against

    def losses(self, logits: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """The loss of `rows` by class; the shift is added. (N, C) -> (N, C)"""
        shifted, shares = logits + self.shift, self.shares[rows]
        if self.against is None:
            return -shares * shifted.log_softmax(dim=1)
        return -shares * logsigmoid(shifted) - self.against[rows] * logsigmoid(-shifted)

    @property
    def cost(self) -> int:
        """Multiplications for one look of all problems at all images."""
        images, width = self.features.shape
        return images * min(images, width) * self.shares.shape[1] * len(self.trained)


def begin(turned: Turned, task: Task) -> Tensor:
    """Where a search begins that knows nothing, but for how common each label is.

    -> (P, C, r + 1)
    """
    sides = len(task.trained), task.shares.shape[1]
    heads = torch.zeros(*sides, turned.rows.shape[1], dtype=torch.float64)
    if task.against is not None:
        trained = torch.from_numpy(task.trained).double()
        heads[..., -1] = log_odds(trained @ task.shares, trained @ task.against) - task.shift
    return heads


def log_odds(present: Tensor, absent: Tensor) -> Tensor:
    """Of so many images with and without a label, each number larger by a half. (...) -> (...)"""
    return ((present + 0.5) / (absent + 0.5)).log()
