"""The exact head: a linear layer at the minimum of its loss with a penalty, and which penalty.

How strong it is, and whether features are as they are, standardised or divided by their length,
is chosen by the loss of images that the head was not trained on; what is made small, and how, is
in `fit.logistic`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fieldmark.fit.directions import Kind, Turned, by_length
from fieldmark.fit.logistic import Task, begin
from fieldmark.fit.newton import solve
from fieldmark.machine import threads

KINDS: tuple[Kind, ...] = ("plain", "length", "standard")
PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
UNJUDGED: tuple[Kind, float] = ("length", 1e-4)  # where no image can judge, as with one a class
COSTLY = 250_000_000  # multiplications for one look at all images, above which few choose,
MOST_CHOOSE = 4_000  # or above so many images
FEWEST = 20  # images a class that choose, on average, at least
SMALL = 10_000_000  # the same, up to which one thread is best: others make it wait
JUDGED, KEPT = 0.01, 0.0001  # of the penalty's slope: of heads that judge, and of the one kept


class Tried(NamedTuple):
    """A way that was tried, and the mean loss of the images that judge it; nan without any."""

    scaling: Kind
    penalty: float
    loss: float


@dataclass(frozen=True, eq=False)
class Solved:
    """The heads of all problems, or of the kept one alone, in the way that was chosen.

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
    *,
    alone: bool = False,
) -> Solved:
    """Choose the scaling and the penalty, then solve what is kept once more, to the end.

    looking: called at each look at the images; it may raise, which ends the search. alone: only
    the kept head is given, and what judges is not solved for more than the choice.
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
        are_solved = path is not None and few is task
        turned = path.turned if path and are_solved else task.turned(kind)
        heads, others = _begun(task, few, turned, path), [each for each in _judges(task) if each]
        if others and not (are_solved or alone):
            own = task.of(others)
            heads[others] = solve(turned.rows, own, penalty, heads[others], JUDGED, looking)
            heads[0] = heads[others].mean(dim=0)
        kept = [each for each in range(len(heads)) if each not in others]
        heads[kept] = solve(turned.rows, task.of(kept), penalty, heads[kept], KEPT, looking)
    return Solved(kind, penalty, *turned.undone(heads[:1] if alone else heads), tuple(tried))


def _begun(task: Task, few: Task, turned: Turned, path: "_Path | None") -> Tensor:
    """Where searches begin: where those for the choice ended, and the kept one's at their mean.

    The choice may have been by few images and problems; other problems' weights begin at zero.
    -> (P, C, r + 1)
    """
    heads = begin(turned, task)
    if path:
        found = path.heads if path.turned is turned else turned.taken(path.heads, path.turned)
        heads[0] = found.mean(dim=0)
        known = range(len(heads)) if few is task else _judges(task)
        heads[[known[each] for each in _judges(few)]] = found
    return heads


def _judges(task: Task) -> list[int]:
    """The problems whose heads images judge."""
    return [int(each) for each in np.flatnonzero(task.judged.any(axis=1))]


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
    judges = _judges(task) or [0]
    problems = judges[: max(1, COSTLY * step // one)]
    if step == 1 and problems == judges:
        return task
    groups = task.judged[problems].any(axis=0) + (2 * task.targets if task.against is None else 0)
    order = np.argsort(groups, kind="stable")
    sizes = np.unique_counts(groups).counts
    place = np.arange(images) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return task.of(problems).only(np.sort(order[place % step == 0]))


class _Path(NamedTuple):
    """What was tried with one scaling, the least loss and its penalty, and the penalty to take."""

    kind: Kind
    tried: list[Tried]
    least: float
    best: float
    penalty: float
    turned: Turned
    heads: Tensor  # (P, C, r + 1), where the search ended at the penalty to take
    best_heads: Tensor  # the same of the least loss


def _chosen(
    task: Task,
    judged: np.ndarray,
    kinds: Sequence[Kind],
    penalties: Sequence[float],
    looking: Callable[[], None],
) -> tuple[list[Tried], _Path]:
    """All that was tried, and the scaling of the least loss; each begins at the penalty so far."""
    paths: list[_Path] = []
    for kind in kinds:
        so_far = min(paths, key=lambda path: path.least, default=None)
        paths.append(_path(task, judged, kind, penalties, so_far, looking))
    return [way for path in paths for way in path.tried], min(paths, key=lambda path: path.least)


def _path(
    task: Task,
    judged: np.ndarray,
    kind: Kind,
    penalties: Sequence[float],
    so_far: _Path | None,
    looking: Callable[[], None],
) -> _Path:
    """From a penalty to weaker ones while they help, to stronger ones until one is clearly worse.

    Each is begun where its neighbour ended. Taken is the strongest whose loss is more than the
    least by no more than a standard error of the difference (the one standard error rule of
    L. Breiman and others, Classification and Regression Trees, 1984; the difference is paired).
    """
    turned, judges = task.turned(kind), _judges(task)
    task, judged = task.of(judges), judged[judges]  # the scaling is of what problem 0 trains on
    where = np.nonzero(judged)
    problems, places = (torch.from_numpy(each) for each in where)
    images, place = np.unique(where[1], return_inverse=True)
    weight, image = task.weights[places].sum() / len(images), torch.from_numpy(place)

    def look(penalty: float, heads: Tensor) -> tuple[Tensor, Tensor]:
        """Where the search ends, and what each image that judges has of the loss."""
        heads = solve(turned.rows, task, penalty, heads, JUDGED, looking)
        logits = (turned.rows @ heads.flatten(0, 1).T).view(-1, *heads.shape[:2])
        losses = task.losses(logits[places, problems], places).sum(dim=1) / weight
        return heads, torch.zeros(len(images), dtype=losses.dtype).index_add(0, image, losses)

    def is_clear(penalty: float) -> bool:
        """Whether its loss is more than the least by more than that difference's standard error."""
        more = found[penalty][1] - found[best][1]
        return bool(more.mean() > more.std(correction=0) / len(more) ** 0.5)

    if so_far is None:
        best, heads = sorted(penalties)[(len(penalties) - 1) // 2], begin(turned, task)
    else:
        best, heads = so_far.best, turned.taken(so_far.best_heads, so_far.turned)
    first, found = best, {best: look(best, heads)}
    for penalty in sorted((each for each in penalties if each < first), reverse=True):
        found[penalty] = look(penalty, found[best][0])
        if found[penalty][1].mean() >= found[best][1].mean():
            break
        best = penalty
    for penalty in sorted(each for each in penalties if each > first):
        strongest = max(found)
        if is_clear(strongest):
            break
        found[penalty] = look(penalty, found[strongest][0])
        if found[penalty][1].mean() < found[best][1].mean():
            best = penalty
    chosen, least = max(each for each in found if not is_clear(each)), found[best][1].mean()
    tried = [Tried(kind, each, float(found[each][1].mean())) for each in sorted(found)[::-1]]
    heads, best_heads = found[chosen][0], found[best][0]
    return _Path(kind, tried, float(least), best, chosen, turned, heads, best_heads)
