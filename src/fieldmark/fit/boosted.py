"""The boosted head: small trees on features, each fitted to what those before it leave wrong.

LightGBM grows them (Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree",
2017), a tree a class in each round, on the loss of the exact head (`fit.logistic.Task`): its slope
and its curvature by each logit. They begin with how common each class is. How many rounds are
kept is chosen by the loss of images that the trees were not grown on. One thread grows them from
one seed, so the same features give the same trees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fieldmark.fit.logistic import Task, log_odds
from fieldmark.models.trees import Trees, trees_of

if TYPE_CHECKING:
    from lightgbm import Booster

PACKAGE = "lightgbm"  # which the extra "boosted" installs
PATIENCE = 20  # rounds without less loss, after which no more are grown
FEWEST, SHARE = 5, 40  # images in a leaf; where there are few, one in so many, or one
FIXED = {
    "objective": "none",  # the slopes are ours
    "max_bin": 63,  # of a feature's values: as good as 255, in a quarter of the time
    "min_data_in_bin": 1,
    "feature_pre_filter": False,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True, eq=False)
class Boosted:
    """The heads of all problems, with as many trees a class as were the best.

    losses: after each round, of the images that judge; empty where none does.
    """

    heads: tuple[Trees, ...]
    losses: tuple[float, ...]

    @property
    def trees(self) -> int:
        """Trees a class."""
        return int(self.heads[0].value.shape[1])

    def logits(self, features: Tensor, problem: int = 0) -> Tensor:
        """What a problem's head gives. (n, D) -> (n, C) float32"""
        with torch.inference_mode():
            parts = [self.heads[problem](part) for part in torch.split(features.float(), 4096)]
        return torch.cat(parts)


def fit_boosted(
    task: Task,
    *,
    trees: int,
    leaves: int,
    rate: float,
    share: float,
    seed: int,
    looking: Callable[[], None] = lambda: None,
) -> Boosted:
    """Grow at most `trees` trees a class for every problem, and keep as many as were the best.

    leaves: of a tree, at most. rate: what each tree counts. share: of the features, drawn anew
    for each tree. looking: called before each round; it may raise, which ends the search.
    """
    options = {
        **FIXED,
        "num_class": task.shares.shape[1],
        "num_leaves": leaves,
        "learning_rate": rate,
        "feature_fraction": share,
        "seed": seed % 2**31,
    }
    judged = [number for number in range(len(task.judged)) if task.judged[number].any()]
    growing = [_Growing(task, number, options) for number in range(len(task.trained))]
    losses: list[float] = []
    if judged:
        best = _rounds(task, [growing[number] for number in judged], trees, losses, looking)
    else:
        best = trees
    for each in growing:
        while each.rounds < best:
            looking()
            each.grow()
    return Boosted(tuple(each.head(best, leaves) for each in growing), tuple(losses))


def _rounds(
    task: Task,
    growing: Sequence["_Growing"],
    most: int,
    losses: list[float],
    looking: Callable[[], None],
) -> int:
    """Grow all in turn, until the loss of what judges them has its minimum behind it. -> where"""
    rows = torch.cat([each.judged for each in growing])
    weight = task.weights[rows].sum()
    best = 0
    while len(losses) < most and len(losses) - best < PATIENCE:
        looking()
        for each in growing:
            each.grow()
        logits = torch.cat([each.answers() for each in growing])
        losses.append(float(task.losses(logits, rows).sum() / weight))
        best = len(losses) if losses[-1] < min(losses[:-1], default=np.inf) else best
    return best


class _Growing:
    """One problem's trees on their way."""

    def __init__(self, task: Task, problem: int, options: dict[str, Any]):
        import lightgbm

        self.rounds, self._task = 0, task
        self._trained = torch.from_numpy(np.flatnonzero(task.trained[problem]))
        self.judged = torch.from_numpy(np.flatnonzero(task.judged[problem]))
        self._start = _start(task, self._trained)
        self._scale = 1 / task.weights[self._trained].mean()  # so that an image counts about 1
        fewest = min(FEWEST, max(1, len(self._trained) // SHARE))
        options = {**options, "min_data_in_leaf": fewest}
        self._booster: Booster | None = None  # where images are all alike nothing splits them
        features = task.features[self._trained]
        if (features != features[:1]).any():
            sides = [self._data(rows, options) for rows in (self._trained, self.judged)]
            self._booster = lightgbm.Booster(options, sides[0])
            if len(self.judged):
                self._booster.add_valid(sides[1].set_reference(sides[0]), "judged")

    def _data(self, rows: Tensor, options: dict[str, Any]) -> Any:
        import lightgbm

        features = np.ascontiguousarray(self._task.features[rows].float().numpy())
        start = np.tile(self._start.numpy(), (len(rows), 1))
        target = np.zeros(len(rows))  # nobody reads it
        return lightgbm.Dataset(features, target, init_score=start, params=options)

    def grow(self) -> None:
        """One more tree a class."""
        if self._booster is not None:
            self._booster.update(fobj=self._slopes)
        self.rounds += 1

    def _slopes(self, logits: np.ndarray, _: Any) -> tuple[np.ndarray, np.ndarray]:
        """The first and second derivative of the loss by each logit. (n, C) -> twice (n, C)"""
        shifted = torch.from_numpy(logits) + self._task.shift
        several = self._task.against is not None
        scores = shifted.sigmoid() if several else shifted.softmax(dim=1)
        weights = self._task.weights[self._trained]
        slope = weights * scores - self._task.shares[self._trained]
        # with one label an image a logit is steadied by the others (Friedman, 2001)
        classes = scores.shape[1]
        steadied = 1.0 if several else classes / max(1, classes - 1)
        bend = (steadied * weights * scores * (1 - scores)).clamp(min=1e-16)
        return (slope * self._scale).numpy(), (bend * self._scale).numpy()

    def answers(self) -> Tensor:
        """Logits of the images that judge, after the last round. -> (n, C)"""
        found: list[np.ndarray] = []
        if self._booster is None:
            return self._start.expand(len(self.judged), -1)

        def keep(logits: np.ndarray, _: Any) -> tuple[str, float, bool]:
            found.append(logits.copy())
            return "kept", 0.0, True

        self._booster.eval_valid(keep)
        return torch.from_numpy(found[0])

    def head(self, trees: int, leaves: int) -> Trees:
        """The first trees as a module."""
        text = self._booster.model_to_string(num_iteration=trees) if self._booster else ""
        width = self._task.features.shape[1]
        return trees_of(text, self._start, features=width, trees=trees, leaves=leaves)


def _start(task: Task, trained: Tensor) -> Tensor:
    """The logits that say no more than how common each class is. -> (C,) float64"""
    present = task.shares[trained].sum(dim=0)
    if task.against is not None:
        return log_odds(present, task.against[trained].sum(dim=0)) - task.shift
    return log_odds(present, present.sum() * torch.ones_like(present)) - task.shift
