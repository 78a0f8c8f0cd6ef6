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
    share: float,
    looking: Callable[[], None],
) -> Tensor:
    """To the minimum of every problem, all of them side by side in one search.

    There the loss is as steep as the penalty the other way; `share` of how steep that is where
    it is steepest may be left. Coordinates are divided by the root of the second derivative's
    diagonal where the search begins, so it is begun again where it ended, until its end is one by
    the diagonal there, the sum is no longer less, or its looks are used up. looking: called at
    each look at the images.
    rows: (n, r), as `Turned` has them. start, and -> (r + 1, P, C): weights, and last the bias.
    """
    from scipy.optimize import minimize  # half a second; torch's own takes twice that to begin
    from threadpoolctl import threadpool_limits

    objective = _Objective(rows, task, penalty)
    left, least = min(MOST, max(LEAST, AFFORDED // task.cost)), float("inf")
    at, step = start, objective.steps(start)

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        looking()
        value, slope = objective(torch.from_numpy(point).view_as(step) * step)
        return value, (slope * step).flatten().numpy()

    def is_there(at: Tensor, slope: Tensor) -> bool:
        pull = (objective.penalties * at * step)[:-1].abs().numpy().max(initial=0)
        return bool((slope * step).abs().max() <= share * pull)

    def end(point: np.ndarray) -> None:
        if is_there(torch.from_numpy(point).view_as(step) * step, objective.slope):
            raise StopIteration

    with threadpool_limits({"libscipy_openblas": 1}):  # more would take the cores from torch
        while left > 0:
            found = minimize(
                loss,
                (at / step).flatten().numpy(),
                jac=True,
                method="L-BFGS-B",
                callback=end,
                options={"maxiter": left, "maxfun": left, "gtol": 0, "ftol": 0},
            )
            at, left = torch.from_numpy(found.x).view_as(step) * step, left - found.nfev
            slope, step = torch.from_numpy(found.jac).view_as(step) / step, objective.steps(at)
            if is_there(at, slope) or found.fun >= least:
                break
            least = found.fun
    return at


class _Objective:
    """What is made small, of all problems together; each one's loss is a mean of its images."""

    def __init__(self, rows: Tensor, task: Task, penalty: float) -> None:
        trained = torch.from_numpy(task.trained.T).double()  # (n, P)
        total = trained.T @ task.weights.mean(dim=1)  # of each problem
        self._rows, self._task, self._part = rows, task, (trained / total).unsqueeze(2)  # (n, P, 1)
        self._shares = self._part * task.shares.unsqueeze(1)
        self._weight = self._part * task.weights.unsqueeze(1)
        self.penalties = (penalty / total).view(1, -1, 1)
        self.slope = torch.empty(0)  # where it was looked at last

    def __call__(self, at: Tensor) -> tuple[float, Tensor]:
        """The sum, and how steep it is. (r + 1, P, C) -> (r + 1, P, C)"""
        logits = self._logits(at)
        errors = (self._weight * self._scores(logits) - self._shares).flatten(1)
        slope = torch.cat([self._rows.T @ errors, errors.sum(dim=0, keepdim=True)]).view_as(at)
        slope[:-1] += self.penalties * at[:-1]
        losses = (self._part * self._task.losses(logits)).sum()
        self.slope = slope
        return float(0.5 * (self.penalties * at[:-1].square()).sum() + losses), slope

    def steps(self, at: Tensor) -> Tensor:
        """By what coordinates are divided: (r + 1, P, C) -> (r + 1, P, C)"""
        scores = self._scores(self._logits(at))
        flat = (self._weight * scores * (1 - scores)).flatten(1)
        steep = _squared(self._rows, flat).view_as(at)
        steep[:-1] += self.penalties
        return steep.clamp(min=torch.finfo(steep.dtype).eps).rsqrt()

    def _logits(self, at: Tensor) -> Tensor:
        flat = at.flatten(1)
        return torch.addmm(flat[-1], self._rows, flat[:-1]).view_as(self._shares)

    def _scores(self, logits: Tensor) -> Tensor:
        shifted = logits + self._task.shift
        return shifted.softmax(dim=2) if self._task.against is None else shifted.sigmoid()


def _squared(rows: Tensor, weights: Tensor) -> Tensor:
    """The weighted sums of the rows' squares, and last of ones. (n, r), (n, k) -> (r + 1, k)"""
    parts = zip(torch.split(rows, ROWS), torch.split(weights, ROWS), strict=True)
    sums = torch.stack([part.square().T @ each for part, each in parts]).sum(dim=0)
    return torch.cat([sums, weights.sum(dim=0, keepdim=True)])
