"""Logistic regression on features: problems that differ in their images, and their one search.

Made small is, over the weight and the bias of a linear layer,

    sum over the images of their loss + penalty / 2 * sum of the squared weights

The loss is a cross-entropy, of several labels the sum of each label's own (`fit.losses.Loss`),
and the bias is not penalised. It is convex: nothing is drawn, there is no rate and no epoch, and
the same features give the same head. All is done on the processor, in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from fieldmark.fit.directions import ROWS, Kind, Turned, scaling_of, turn

MOST, LEAST = 1000, 30  # looks at all images after which a search ends in any case, by cost:
AFFORDED = 400_000_000_000  # multiplications of all its looks


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

    def only(self, rows: np.ndarray, problems: np.ndarray) -> "Task":
        """The same of some images and some problems."""
        at, which = torch.from_numpy(rows), np.ix_(problems, rows)
        return replace(
            self,
            features=self.features[at],
            targets=self.targets[rows],
            shares=self.shares[at],
            trained=self.trained[which],
            judged=self.judged[which],
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
        """Each image's loss by class; the shift is added. (n, ..., C) of `rows` -> the same"""
        shifted, shares = logits + self.shift, self.shares[rows]
        if shifted.dim() == 3:
            shares = shares.unsqueeze(1)
        if self.against is None:
            return -shares * shifted.log_softmax(dim=-1)
        against = self.against[rows]
        against = against.unsqueeze(1) if shifted.dim() == 3 else against
        return (shares + against) * softplus(shifted) - shares * shifted

    @property
    def cost(self) -> int:
        """Multiplications for one look of all problems at all images."""
        images, width = self.features.shape
        return images * min(images, width) * self.shares.shape[1] * len(self.trained)


def begin(turned: Turned, task: Task) -> Tensor:
    """Where a search begins that knows nothing, but for how common each label is.

    -> (r + 1, P, C)
    """
    sides = len(task.trained), task.shares.shape[1]
    found = torch.zeros(turned.rows.shape[1] + 1, *sides, dtype=torch.float64)
    if task.against is not None:
        trained = torch.from_numpy(task.trained).double()
        found[-1] = log_odds(trained @ task.shares, trained @ task.against) - task.shift
    return found


def log_odds(present: Tensor, absent: Tensor) -> Tensor:
    """Of so many images with and without a label, each number larger by a half. (...) -> (...)"""
    return ((present + 0.5) / (absent + 0.5)).log()


def solve(
    rows: Tensor,
    task: Task,
    penalty: float,
    start: Tensor,
    tolerance: float,
    looking: Callable[[], None],
) -> Tensor:
    """Towards the minimum of every problem, all of them side by side in one search.

    Coordinates are divided by the root of the second derivative's diagonal, which is that of
    where a search begins, so it is begun again where it ended, until its end is one by the
    diagonal there. rows: (n, r), as `Turned` has them. start, and -> (r + 1, P, C): weights, and
    last the bias. tolerance: the largest derivative that may be left, in these coordinates.
    """
    from scipy.optimize import minimize  # half a second; torch's own takes twice that to begin

    trained = torch.from_numpy(task.trained.T).double()  # (n, P)
    total = trained.T @ task.weights.mean(dim=1)  # of each problem, by which its loss is divided
    part = (trained / total).unsqueeze(2)  # (n, P, 1)
    shares, weight = part * task.shares.unsqueeze(1), part * task.weights.unsqueeze(1)
    penalties = (penalty / total).view(1, -1, 1)

    def logits_of(at: Tensor) -> Tensor:
        flat = at.flatten(1)
        return torch.addmm(flat[-1], rows, flat[:-1]).view_as(shares)

    def scores_of(logits: Tensor) -> Tensor:
        shifted = logits + task.shift
        return shifted.softmax(dim=2) if task.against is None else shifted.sigmoid()

    def step_at(at: Tensor) -> Tensor:
        scores = scores_of(logits_of(at))
        flat = (weight * scores * (1 - scores)).flatten(1)
        steep = _squared(rows, flat).view_as(at)
        steep[:-1] += penalties
        return steep.clamp(min=torch.finfo(steep.dtype).eps).rsqrt()

    def loss(point: np.ndarray, step: Tensor) -> tuple[float, np.ndarray]:
        looking()
        at = torch.from_numpy(point).view_as(step) * step
        logits = logits_of(at)
        errors = (weight * scores_of(logits) - shares).flatten(1)
        slope = torch.cat([rows.T @ errors, errors.sum(dim=0, keepdim=True)]).view_as(at)
        slope[:-1] += penalties * at[:-1]
        value = 0.5 * (penalties * at[:-1].square()).sum() + (part * task.losses(logits)).sum()
        return float(value), (slope * step).flatten().numpy()

    at, step, left = start, step_at(start), min(MOST, max(LEAST, AFFORDED // task.cost))
    while left > 0:
        begun = (at / step).flatten().numpy()
        options = {"maxiter": left, "maxfun": left, "gtol": tolerance, "ftol": 0}
        found = minimize(loss, begun, (step,), jac=True, method="L-BFGS-B", options=options)
        at, left = torch.from_numpy(found.x).view_as(step) * step, left - found.nfev
        slope, step = torch.from_numpy(found.jac).view_as(step) / step, step_at(at)
        if (slope * step).abs().max() <= tolerance:
            break
    return at


def _squared(rows: Tensor, weights: Tensor) -> Tensor:
    """The weighted sums of the rows' squares, and last of ones. (n, r), (n, k) -> (r + 1, k)"""
    parts = zip(torch.split(rows, ROWS), torch.split(weights, ROWS), strict=True)
    sums = torch.stack([part.square().T @ each for part, each in parts]).sum(dim=0)
    return torch.cat([sums, weights.sum(dim=0, keepdim=True)])
