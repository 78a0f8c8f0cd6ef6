"""The exact head: logistic regression on features, whose one minimum L-BFGS finds.

Made small is, over the weight and the bias of a linear layer,

    sum over the images of their loss + penalty / 2 * sum of the squared weights

The loss is a cross-entropy (`fit.losses.Loss.shares`), the bias is not penalised. It is convex:
nothing is drawn, there is no rate and no epoch, and the same features give the same head. The
penalty, and whether features are standardised or divided by their length, are chosen by the loss
of images that the head was not trained on. All is done on the processor, in float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fieldmark.machine import threads

Kind = Literal["plain", "standard", "length"]
KINDS: tuple[Kind, ...] = ("plain", "length", "standard")
PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
UNJUDGED: tuple[Kind, float] = ("length", 1e-4)  # where no image can judge, as with one a class
WORSE = 2  # weaker penalties in a row that do not help end the search
SHRUNK = 20  # images that the mean variance counts as, in the variance of a feature
RANK = 1e-12  # of the largest, under which an eigenvalue counts as 0
COSTLY = 1_000_000_000  # multiplications for one look at all images, above which few choose,
MOST_CHOOSE = 4_000  # or above so many images
FEWEST = 20  # classes that choose, at least
SMALL = 100_000_000  # the same, up to which one thread is best: others make it wait
ROWS = 8192  # that are worked on at once where there are many
MOST = 1000  # looks at all images, in one search
ROUGH, FINE, FINEST = 1e-3, 1e-4, 1e-5  # of the gradient: to choose, of all, of the head kept


@dataclass(frozen=True, eq=False)
class Task:
    """What heads are trained on: P problems that differ in their images alone.

    features: (n, D). targets: (n,) int64. shares: (n, C) float64, what each class's -log score
    counts. shift: (C,) float64, added to the logits while training. trained, judged: (P, n) bool,
    the images that a problem's head is trained on, and those whose loss judges it. Problem 0 is
    the one whose head is kept.
    """

    features: Tensor
    targets: np.ndarray
    shares: Tensor
    shift: Tensor
    trained: np.ndarray
    judged: np.ndarray

    def only(self, rows: np.ndarray, kept: np.ndarray | None = None) -> "Task":
        """The same of some images, which are of the `kept` (C,) classes; None: of all."""
        at, masks = torch.from_numpy(rows), (self.trained[:, rows], self.judged[:, rows])
        targets, shares, shift = self.targets[rows], self.shares[at], self.shift
        if kept is not None:
            columns = torch.from_numpy(kept)
            targets, shares, shift = (
                (np.cumsum(kept) - 1)[targets],
                shares[:, columns],
                shift[columns],
            )
        return Task(self.features[at], targets, shares, shift, *masks)

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
        scaled = _length(features) if self.scaling == "length" else features.double()
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
    ways = [(kind, penalty) for kind in kinds for penalty in penalties]
    with threads(1 if task.cost < SMALL else torch.get_num_threads()):
        few = _few(task)
        judged = _can_judge(few)
        if len(ways) == 1 or not judged.any():  # nothing to choose, or none to judge
            kind = UNJUDGED[0] if UNJUDGED[0] in kinds else kinds[0]
            penalty = min(penalties, key=lambda each: abs(np.log(each / UNJUDGED[1])))
            tried, path = [Tried(kind, penalty, np.nan)], None
        else:
            paths = [_path(few, judged, kind, penalties, looking) for kind in kinds]
            tried = [way for each in paths for way in each.tried]
            path = min(paths, key=lambda each: each.best.loss)
            kind, penalty, _ = path.best
        if path is not None and few is task:
            turned, at = path.turned, path.at
        else:
            turned = _turned(task.features, _scaling(task, kind))
            at = _zero(turned, task)
            if path is not None and path.at.shape[1:] == at.shape[1:]:
                at = turned.done(*path.turned.undone(path.at))
        at = _solve(turned.rows, task, penalty, at, FINE, looking)
        own = replace(task, trained=task.trained[:1], judged=task.judged[:1])
        at[:, :1] = _solve(turned.rows, own, penalty, at[:, :1], FINEST, looking)
    return Solved(kind, penalty, *turned.undone(at), tuple(tried))


def _can_judge(task: Task) -> np.ndarray:
    """Which images judge a problem: those of classes that its head has seen. -> (P, n) bool"""
    true = np.eye(task.shares.shape[1], dtype=bool)[task.targets]
    seen = np.stack([true[rows].any(axis=0) for rows in task.trained])
    return np.asarray(task.judged & seen[:, task.targets])


def _few(task: Task) -> Task:
    """So few images that the search costs little: of every m-th class, evenly within the class.

    Of each class images that only train, or only judge, stay in proportion.
    """
    classes = task.shares.shape[1]
    apart = min(int(np.ceil((task.cost / COSTLY) ** 0.5)), max(1, classes // FEWEST))
    kept = np.arange(classes) % apart == 0
    rows = np.flatnonzero(kept[task.targets])
    some = task.only(rows, kept) if apart > 1 else task
    step = max(-(-some.cost // COSTLY), -(-len(rows) // MOST_CHOOSE))
    if step == 1:
        return some
    groups = 2 * some.targets + some.judged.any(axis=0)
    order = np.argsort(groups, kind="stable")
    sizes = np.unique_counts(groups).counts
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return some.only(np.sort(order[place % step == 0]))


@dataclass(frozen=True, eq=False)
class _Scaling:
    """(features, divided by their length where that is asked) less `mean`, over `by`."""

    length: bool
    mean: Tensor  # (D,) float64
    by: Tensor  # (D,) float64

    def __call__(self, features: Tensor) -> Tensor:
        own = _length(features) if self.length else features.double()
        return (own - self.mean) / self.by


def _length(features: Tensor) -> Tensor:
    return torch.nn.functional.normalize(features.double(), dim=1)


def _scaling(task: Task, kind: Kind) -> _Scaling:
    """Of the images of problem 0; afterwards their mean square length is about 1.

    So a penalty means the same for each network. Standardised features are divided by their
    deviation, whose square is drawn towards the mean of all as if SHRUNK images more had had
    that: of few images some features hardly differ, and would drown all others.
    """
    rows = torch.from_numpy(np.flatnonzero(task.trained[0]))
    count, width = len(rows), task.features.shape[1]
    total, squares = torch.zeros(2, width, dtype=torch.float64)
    for part in torch.split(rows, ROWS):
        own = task.features[part]
        own = _length(own) if kind == "length" else own.double()
        total += own.sum(dim=0)
        squares += own.square().sum(dim=0)
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0)
    if kind == "standard":
        variance = (count * variance + SHRUNK * variance.mean()) / (count + SHRUNK)
        by = (variance * width).sqrt()
    else:
        by = (squares.sum() / count).sqrt().expand(width)
    return _Scaling(kind == "length", mean, by.clamp(min=torch.finfo(by.dtype).tiny))


@dataclass(frozen=True, eq=False)
class _Turned:
    """Scaled features along their principal directions. rows: (n, r); basis: (D, r)."""

    rows: Tensor
    basis: Tensor
    scaling: _Scaling

    def undone(self, solved: Tensor) -> tuple[Tensor, Tensor]:
        """(r + 1, P, C), last the bias -> (P, C, D) and (P, C), with the scaling folded in"""
        flat = self.basis @ solved[:-1].flatten(1) / self.scaling.by.unsqueeze(1)
        bias = solved[-1].flatten() - self.scaling.mean @ flat
        shape = solved.shape[1:]
        return flat.T.reshape(*shape, -1), bias.reshape(shape)

    def done(self, weights: Tensor, biases: Tensor) -> Tensor:
        """The reverse: (P, C, D) and (P, C) -> (r + 1, P, C)"""
        scaled = self.basis.T @ (weights * self.scaling.by).flatten(0, 1).T
        moved = biases + weights @ self.scaling.mean
        return torch.cat([scaled.view(-1, *biases.shape), moved.unsqueeze(0)])


def _turned(features: Tensor, scaling: _Scaling) -> _Turned:
    """So turned, the penalised loss is nearly as steep in each direction after one division.

    A weight has a part in directions that no image has only by the penalty, which makes it 0:
    of n images no more than n directions count.
    """
    images, width = features.shape
    if images <= width:
        scaled = scaling(features)
        values, vectors = torch.linalg.eigh(scaled @ scaled.T)
        kept = values > RANK * values[-1]
        lengths = values[kept].sqrt()
        return _Turned(vectors[:, kept] * lengths, scaled.T @ (vectors[:, kept] / lengths), scaling)
    product = torch.zeros(width, width, dtype=torch.float64)
    for part in torch.split(features, ROWS):
        scaled = scaling(part)
        product.addmm_(scaled.T, scaled)
    values, vectors = torch.linalg.eigh(product)
    basis = vectors[:, values > RANK * values[-1]]
    rows = torch.empty(images, basis.shape[1], dtype=torch.float64)
    for part, place in zip(torch.split(features, ROWS), torch.split(rows, ROWS), strict=True):
        torch.mm(scaling(part), basis, out=place)
    return _Turned(rows, basis, scaling)


class _Path(NamedTuple):
    """The penalties that were tried with one scaling, the best of them and where it ended."""

    tried: list[Tried]
    best: Tried
    turned: "_Turned"
    at: Tensor  # (r + 1, P, C)


def _path(
    task: Task,
    judged: np.ndarray,
    kind: Kind,
    penalties: Sequence[float],
    looking: Callable[[], None],
) -> _Path:
    """From the middle one to weaker ones, and where none was better to stronger ones.

    Each is begun where its neighbour ended; WORSE in a row end a direction.
    """
    turned = _turned(task.features, _scaling(task, kind))
    problems, places = (torch.from_numpy(each) for each in np.nonzero(judged))
    shares = task.shares[places]

    def loss(at: Tensor) -> float:
        logits = torch.einsum("nr,rpc->npc", turned.rows, at[:-1]) + at[-1] + task.shift
        logs = logits[places, problems].log_softmax(dim=1)
        return float(-(shares * logs).sum() / shares.sum())

    ordered = sorted(penalties, reverse=True)
    middle = len(ordered) // 2
    first = _solve(turned.rows, task, ordered[middle], _zero(turned, task), ROUGH, looking)
    tried = [Tried(kind, ordered[middle], loss(first))]
    best = tried[0], first
    for direction in (ordered[middle + 1 :], ordered[:middle][::-1]):
        at, worse = first, 0
        for penalty in direction:
            at = _solve(turned.rows, task, penalty, at, ROUGH, looking)
            way = Tried(kind, penalty, loss(at))
            tried.append(way)
            if way.loss < best[0].loss:
                best, worse = (way, at), 0
            else:
                worse += 1
            if worse == WORSE:
                break
        if best[1] is not first:
            break
    tried.sort(key=lambda way: -way.penalty)
    return _Path(tried, best[0], turned, best[1])


def _zero(turned: _Turned, task: Task) -> Tensor:
    """Where a search begins that knows nothing. -> (r + 1, P, C)"""
    sides = len(task.trained), task.shares.shape[1]
    return torch.zeros(turned.rows.shape[1] + 1, *sides, dtype=torch.float64)


def _solve(
    rows: Tensor,
    task: Task,
    penalty: float,
    start: Tensor,
    tolerance: float,
    looking: Callable[[], None],
) -> Tensor:
    """Towards the minimum of every problem, all of them side by side in one search.

    rows: (n, r), as `_Turned` has them. start, and -> (r + 1, P, C): weights, and last the bias
    """
    from scipy.optimize import minimize  # half a second; torch's own takes twice that to begin

    trained = torch.from_numpy(task.trained.T).double()  # (n, P)
    weight = trained * task.shares.sum(dim=1, keepdim=True)
    total = weight.sum(dim=0)  # of each problem, by which its loss is divided
    shares = (trained / total).unsqueeze(2) * task.shares.unsqueeze(1)  # (n, P, C)
    weight = (weight / total).unsqueeze(2)
    penalties = (penalty / total).view(1, -1, 1)

    def logs(at: Tensor) -> Tensor:
        flat = at.flatten(1)
        logits = torch.addmm(flat[-1], rows, flat[:-1]).view_as(shares)
        return (logits + task.shift).log_softmax(dim=2)

    scores = logs(start).exp()
    flat = (weight * scores * (1 - scores)).flatten(1)
    parts = zip(torch.split(rows, ROWS), torch.split(flat, ROWS), strict=True)
    steep = torch.stack([part.square().T @ each for part, each in parts]).sum(dim=0)
    steep = torch.cat([steep, flat.sum(dim=0, keepdim=True)]).view_as(start)
    steep[:-1] += penalties  # the second derivative's diagonal
    step = steep.clamp(min=torch.finfo(steep.dtype).eps).rsqrt()

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        looking()
        at = torch.from_numpy(point).view_as(step) * step
        known = logs(at)
        errors = (weight * known.exp() - shares).flatten(1)
        slope = torch.cat([rows.T @ errors, errors.sum(dim=0, keepdim=True)]).view_as(at)
        slope[:-1] += penalties * at[:-1]
        value = 0.5 * (penalties * at[:-1].square()).sum() - (shares * known).sum()
        return float(value), (slope * step).flatten().numpy()

    found = minimize(
        loss,
        (start / step).flatten().numpy(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST, "maxfun": MOST, "gtol": tolerance, "ftol": 0},
    )
    return torch.from_numpy(found.x).view_as(step) * step
