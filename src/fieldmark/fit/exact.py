"""The exact head: logistic regression on features, whose one minimum L-BFGS finds.

Made small is, over the weight and the bias of a linear layer,

    sum over the images of their loss + penalty / 2 * sum of the squared weights

The loss is a cross-entropy, of several labels the sum of each label's own (`fit.losses.Loss`),
and the bias is not penalised. It is convex: nothing is drawn, there is no rate and no epoch, and
the same features give the same head. The penalty, and whether features are standardised or
divided by their length, are chosen by the loss of images that the head was not trained on. All is
done on the processor, in float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from fieldmark.fit.directions import ROWS, Kind, Turned, by_length, scaling_of, turn
from fieldmark.machine import threads

KINDS: tuple[Kind, ...] = ("plain", "length", "standard")
PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
UNJUDGED: tuple[Kind, float] = ("length", 1e-4)  # where no image can judge, as with one a class
COSTLY = 250_000_000  # multiplications for one look at all images, above which few choose,
MOST_CHOOSE = 4_000  # or above so many images
FEWEST = 20  # images of a class that choose, at least
SMALL = 100_000_000  # the same, up to which one thread is best: others make it wait
MOST = 1000  # looks at all images, in one search
ROUGH, FINE, FINEST = 2e-4, 1e-4, 1e-5  # of the gradient: to choose, of all, of the head kept


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


class Tried(NamedTuple):
    """A way that was tried, and the mean loss of the images that judge it; nan without any."""

    scaling: Kind
    penalty: float
    loss: float


@dataclass(frozen=True, eq=False)
class Solved:
    """The heads of all problems in the way that was chosen.

    weights: (P, C, D) and biases: (P, C) float64, for features as they are, or where the scaling
    is "length" for features divided by their length. tried: every way, in order.
    """

    scaling: Kind
    penalty: float
    weights: Tensor
    biases: Tensor
    tried: tuple[Tried, ...]

    def logits(self, features: Tensor, problem: int = 0) -> Tensor:
        """What a problem's head gives. (n, D) -> (n, C) float32"""
        scaled = by_length(features) if self.scaling == "length" else features.double()
        return torch.addmm(self.biases[problem], scaled, self.weights[problem].T).float()


def fit_exact(
    task: Task,
    kinds: Sequence[Kind] = KINDS,
    penalties: Sequence[float] = PENALTIES,
    looking: Callable[[], None] = lambda: None,
) -> Solved:
    """Choose the scaling and the penalty, then solve every problem once more, to the end.

    looking: called at each look at the images; it may raise, which ends the search.
    """
    path: _Path | None = None
    with threads(1 if task.cost < SMALL else torch.get_num_threads()):
        few = _few(task)
        judged = _can_judge(few)
        if len(kinds) * len(penalties) == 1 or not judged.any():  # nothing to choose, or by none
            kind = UNJUDGED[0] if UNJUDGED[0] in kinds else kinds[0]
            penalty = min(penalties, key=lambda each: abs(np.log(each / UNJUDGED[1])))
            tried = [Tried(kind, penalty, np.nan)]
        else:
            tried, path = _chosen(few, judged, kinds, penalties, looking)
            kind, penalty = path.kind, path.penalty
        if path is not None and few is task:
            turned, at = path.turned, path.at
        else:
            turned = task.turned(kind)
            at = _zero(turned, task)
        if len(task.trained) > 1:
            at = _solve(turned.rows, task, penalty, at, FINE, looking)
        own = replace(task, trained=task.trained[:1], judged=task.judged[:1])
        at[:, :1] = _solve(turned.rows, own, penalty, at[:, :1], FINEST, looking)
    return Solved(kind, penalty, *turned.undone(at), tuple(tried))


def _can_judge(task: Task) -> np.ndarray:
    """Which images judge a problem: those of classes that its head has seen. -> (P, n) bool"""
    if task.against is not None:
        return task.judged
    true = np.eye(task.shares.shape[1], dtype=bool)[task.targets]
    seen = np.stack([true[rows].any(axis=0) for rows in task.trained])
    return np.asarray(task.judged & seen[:, task.targets])


def _few(task: Task) -> Task:
    """So little that the search costs little: of every class every m-th image, and fewer problems.

    All classes stay, for among fewer of them a weaker penalty is best. Of each class images that
    only train, or only judge, stay in proportion; of several labels the same goes for all images.
    """
    (images, classes), one = task.shares.shape, task.cost // len(task.judged)
    wanted = max(-(-images // MOST_CHOOSE), -(-one // COSTLY))
    step = max(1, min(wanted, images // (FEWEST * classes)))
    if step == 1 and task.cost <= COSTLY:
        return task
    judging = np.flatnonzero(task.judged.any(axis=1))
    problems = judging[: max(1, COSTLY * step // one)] if len(judging) else np.arange(1)
    groups = task.judged[problems].any(axis=0) + (2 * task.targets if task.against is None else 0)
    order = np.argsort(groups, kind="stable")
    sizes = np.unique_counts(groups).counts
    place = np.arange(images) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return task.only(np.sort(order[place % step == 0]), problems)


class _Path(NamedTuple):
    """What was tried with one scaling, the least loss and its penalty, and the penalty to take."""

    kind: Kind
    tried: list[Tried]
    least: float
    best: float
    penalty: float
    turned: Turned
    at: Tensor  # (r + 1, P, C), where the search ended at the penalty to take


def _chosen(
    task: Task,
    judged: np.ndarray,
    kinds: Sequence[Kind],
    penalties: Sequence[float],
    looking: Callable[[], None],
) -> tuple[list[Tried], _Path]:
    """All that was tried, and the scaling of the least loss; each begins at the penalty so far."""
    begin = sorted(penalties)[(len(penalties) - 1) // 2]
    paths: list[_Path] = []
    for kind in kinds:
        paths.append(_path(task, judged, kind, penalties, begin, looking))
        begin = min(paths, key=lambda path: path.least).best
    return [way for path in paths for way in path.tried], min(paths, key=lambda path: path.least)


def _path(
    task: Task,
    judged: np.ndarray,
    kind: Kind,
    penalties: Sequence[float],
    begin: float,
    looking: Callable[[], None],
) -> _Path:
    """From one penalty to weaker ones, while they help, and where none did to stronger ones.

    Each is begun where its neighbour ended. Taken is the strongest whose loss is more than the
    least by no more than a standard error of the difference (the one standard error rule of
    L. Breiman and others, Classification and Regression Trees, 1984; the difference is paired).
    """
    turned = task.turned(kind)
    where = np.nonzero(judged)
    problems, places = (torch.from_numpy(each) for each in where)
    images, place = np.unique(where[1], return_inverse=True)
    weight, image = task.weights[places].sum() / len(images), torch.from_numpy(place)

    def look(penalty: float, at: Tensor) -> tuple[Tensor, Tensor]:
        """Where the search ends, and what each image that judges has of the loss."""
        at = _solve(turned.rows, task, penalty, at, ROUGH, looking)
        logits = torch.einsum("nr,rpc->npc", turned.rows, at[:-1]) + at[-1]
        losses = task.losses(logits[places, problems], places).sum(dim=1) / weight
        return at, torch.zeros(len(images), dtype=losses.dtype).index_add(0, image, losses)

    found, best = {begin: look(begin, _zero(turned, task))}, begin
    weaker = sorted((each for each in penalties if each < begin), reverse=True)
    stronger = sorted(each for each in penalties if each > begin)
    for direction in (weaker, stronger):
        for penalty in direction:
            found[penalty] = look(penalty, found[best][0])
            if found[penalty][1].mean() >= found[best][1].mean():
                break
            best = penalty
        if best != begin:
            break
    least = found[best][1]
    clear = {each: _is_clear(losses - least) for each, (_, losses) in found.items()}
    chosen = max(each for each in found if not clear[each])
    tried = [Tried(kind, each, float(found[each][1].mean())) for each in sorted(found)[::-1]]
    return _Path(kind, tried, float(least.mean()), best, chosen, turned, found[chosen][0])


def _is_clear(more: Tensor) -> bool:
    """Whether a mean difference is more than its standard error. (n,)"""
    return bool(more.mean() > more.std(correction=0) / len(more) ** 0.5)


def _zero(turned: Turned, task: Task) -> Tensor:
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


def _solve(
    rows: Tensor,
    task: Task,
    penalty: float,
    start: Tensor,
    tolerance: float,
    looking: Callable[[], None],
) -> Tensor:
    """Towards the minimum of every problem, all of them side by side in one search.

    rows: (n, r), as `Turned` has them. start, and -> (r + 1, P, C): weights, and last the bias
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

    scores = scores_of(logits_of(start))
    flat = (weight * scores * (1 - scores)).flatten(1)
    parts = zip(torch.split(rows, ROWS), torch.split(flat, ROWS), strict=True)
    steep = torch.stack([part.square().T @ each for part, each in parts]).sum(dim=0)
    steep = torch.cat([steep, flat.sum(dim=0, keepdim=True)]).view_as(start)
    steep[:-1] += penalties  # the second derivative's diagonal
    step = steep.clamp(min=torch.finfo(steep.dtype).eps).rsqrt()

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        looking()
        at = torch.from_numpy(point).view_as(step) * step
        logits = logits_of(at)
        errors = (weight * scores_of(logits) - shares).flatten(1)
        slope = torch.cat([rows.T @ errors, errors.sum(dim=0, keepdim=True)]).view_as(at)
        slope[:-1] += penalties * at[:-1]
        value = 0.5 * (penalties * at[:-1].square()).sum() + (part * task.losses(logits)).sum()
        return float(value), (slope * step).flatten().numpy()

    found = minimize(
        loss,
        (start / step).flatten().numpy(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST, "maxfun": MOST, "gtol": tolerance, "ftol": 0},
    )
    return torch.from_numpy(found.x).view_as(step) * step
