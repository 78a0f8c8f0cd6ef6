"""Newton's method for logistic regressions, many side by side, each with steps of its own.

A step is nearly to the minimum of the second order expansion, which conjugate gradients look for
(truncated Newton: R. Dembo and T. Steihaug, Truncated-Newton algorithms for large-scale
unconstrained optimization, 1983), and it is halved until it brings enough. From weights of zero a
step with a weak penalty goes far too far, so there the penalty begins strong and becomes weaker
with the steps.

There are S searches of K classes each: of one label a problem is one search, of several labels
each label of each problem is one, of a single class. Logits are linear in the head, so a step's
are known from how it was found, and halving it costs no look at the images.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from fieldmark.fit.directions import ROWS
from fieldmark.fit.logistic import Task

MOST, LEAST = 1000, 30  # looks at all images after which a search ends in any case, by cost:
AFFORDED = 400_000_000_000  # multiplications of all its looks; with a stronger penalty none counts
LEFT = 0.3  # of the slope, that a step may leave of the expansion's
FIRST, WEAKER = 1.0, 10.0  # the penalty of a first step from zero; what divides it at each other
ENOUGH = 0.1  # of what the slope alone promises, that a step must bring (L. Armijo, 1966)
CLOSE = 1e-9  # a part of a step; a search that this is too far for has ended
EPSILON = torch.finfo(torch.float64).eps


def solve(
    rows: Tensor,
    task: Task,
    penalty: float,
    start: Tensor,
    share: float,
    looking: Callable[[], None],
) -> Tensor:
    """To the minimum of every problem; on the others depends no more than how many looks are left.

    There the loss is as steep as the penalty the other way. A problem ends where it is no steeper
    than `share` of the penalty alone, each slope as long as the step that it would lead to; or
    where no step can change the sum; all of them end when their looks are used up. looking: called
    at each look at the images.
    rows: (n, r + 1), as `Turned` has them. start, and -> (P, C, r + 1), last the bias.
    """
    loss = _Loss(rows, task, penalty, looking)
    heads, logits = loss.better_than_zero(start.reshape(loss.sides))
    losses, scores = loss.at(logits)
    is_zero = ~heads[..., :-1].flatten(1).any(dim=1)
    can_move = torch.ones_like(is_zero)
    times = 1 + is_zero.double() * (max(1.0, FIRST / penalty) - 1)  # of the penalty
    while loss.looks < loss.last:
        penalties = _wide(times) * loss.penalties
        pull = penalties * heads
        slope = loss.slope(loss.weight * scores - loss.shares) + pull
        steep = loss.about_bent(scores) + penalties
        sums = losses + _dots(pull, heads) / 2
        enough = torch.maximum(share**2 * _dots(pull, pull / steep), EPSILON * sums.abs())
        moving = loss.exceeds(_dots(slope, slope / steep), enough) | (times > 1)
        moving &= can_move
        if not moving.any():
            break
        if (moving & (times > 1)).any():
            loss.last = min(loss.looks, MOST) + loss.afforded
        step, along = _step(loss, slope, steep, penalties, scores, moving)
        promised, part = ENOUGH * _dots(slope, step), torch.ones_like(sums)
        while True:
            new = _moved(heads, _wide(part), step)
            ahead = _moved(logits, part.view(1, -1, 1), along)
            losses, scores = loss.at(ahead)
            brought = losses + _dots(penalties * new, new) / 2 - sums
            is_enough = brought <= part * promised + 4 * EPSILON * sums.abs()
            too_far = ~is_enough & (part > 0)  # nan is never enough
            if not too_far.any():
                break
            can_move &= ~too_far | (part > CLOSE)
            part = torch.where(too_far, torch.where(can_move, part / 2, 0), part)
        heads, logits = new, ahead
        times = torch.where(part == 1, (times / WEAKER).clamp(min=1), times)
    return heads.view_as(start)


def _step(
    loss: "_Loss", slope: Tensor, steep: Tensor, penalties: Tensor, scores: Tensor, moving: Tensor
) -> tuple[Tensor, Tensor]:
    """Nearly Newton's step of the searches that move, and its logits.

    By conjugate gradients, all coordinates divided by `steep`. -> (S, K, r + 1), (n, S, K)
    """
    step, logits, rest = torch.zeros_like(slope), torch.zeros_like(scores), -slope
    along = rest / steep
    size = _dots(rest, along)
    enough = LEFT**2 * size
    while moving.any() and loss.looks < loss.last:
        own = loss.logits(along)
        bent = loss.bent(own, scores) + penalties * along
        curve = _dots(along, bent)
        moving = moving & (curve > 0)
        by = torch.where(moving, size / curve, 0)
        step += _wide(by) * along
        logits += by.view(1, -1, 1) * own
        rest -= _wide(by) * bent
        divided = rest / steep
        new = _dots(rest, divided)
        along = divided + _wide(torch.where(moving, new / size, 0)) * along
        size, moving = new, moving & (new > enough)
    return step, logits


class _Loss:
    """What images have of the loss, of all searches, and how steep and bent it is.

    Each problem's is a mean of its images. shares: (n, S, K), what each -log score counts, and
    weight: (n, S, 1), what all of them do. penalties: (S, 1, r + 1), of the bias 0. looks: so many
    so far; all searches end at the `last`.
    """

    def __init__(
        self, rows: Tensor, task: Task, penalty: float, looking: Callable[[], None]
    ) -> None:
        (images, classes), problems = task.shares.shape, len(task.trained)
        self._rows, self._looking, self._labels = rows, looking, task.against is not None
        self._each = classes if self._labels else 1  # searches of a problem
        searches = problems * self._each
        self.sides = searches, classes // self._each, rows.shape[1]
        trained = torch.from_numpy(task.trained).double()
        total = trained @ task.weights.mean(dim=1)  # (P,)
        part = (trained.T / total).contiguous().unsqueeze(2)  # (n, P, 1)
        self.shares = (part * task.shares.unsqueeze(1)).reshape(images, *self.sides[:2])
        self.weight = (part * task.weights.unsqueeze(1)).reshape(images, searches, 1)
        self.shift = task.shift.expand(problems, -1).reshape(self.sides[:2])
        is_weight = torch.ones(rows.shape[1], dtype=torch.float64)
        is_weight[-1] = 0
        self.penalties = _wide((penalty / total).repeat_interleave(self._each)) * is_weight
        self._square = _squares(rows, part.squeeze(2)).repeat_interleave(self._each, dim=0)
        self.looks = 0
        self.last = self.afforded = min(MOST, max(LEAST, AFFORDED // task.cost))

    def logits(self, heads: Tensor) -> Tensor:
        """(S, K, r + 1) -> (n, S, K), without the shift"""
        return (self._rows @ heads.flatten(0, 1).T).view(-1, *self.sides[:2])

    def better_than_zero(self, heads: Tensor) -> tuple[Tensor, Tensor]:
        """The heads, or zero for those whose sum is more than there; and their logits."""
        logits = self.logits(heads) + self.shift
        sums = self.at(logits)[0] + _dots(self.penalties * heads, heads) / 2
        is_good = sums <= (1 + CLOSE) * self.at(self.shift.expand_as(logits))[0]
        heads = torch.where(_wide(is_good), heads, 0)
        return heads, torch.where(is_good.view(1, -1, 1), logits, self.shift)

    def at(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Each search's loss (S,), and the scores. (n, S, K) -> (n, S, K)"""
        if self._labels:
            against = self.weight - self.shares
            losses = self.shares * logsigmoid(logits) + against * logsigmoid(-logits)
            return -losses.sum(dim=(0, 2)), logits.sigmoid()
        logs = logits.log_softmax(dim=2)
        return -(self.shares * logs).sum(dim=(0, 2)), logs.exp()

    def slope(self, errors: Tensor) -> Tensor:
        """Of the loss whose slopes in the logits these are. (n, S, K) -> (S, K, r + 1)"""
        self._looking()
        self.looks += 1
        return (errors.flatten(1).T @ self._rows).view(self.sides)

    def bent(self, logits: Tensor, scores: Tensor) -> Tensor:
        """The matrix of second derivatives times the head of these logits. -> (S, K, r + 1)"""
        if self._labels:
            return self.slope(self.weight * scores * (1 - scores) * logits)
        mean = (scores * logits).sum(dim=2, keepdim=True)
        return self.slope(self.weight * scores * (logits - mean))

    def about_bent(self, scores: Tensor) -> Tensor:
        """That matrix's diagonal, nearly: how far an image is along a direction is taken to say
        nothing of how sure it is. (n, S, K) -> (S, K, r + 1)
        """
        counts = (self.weight * scores * (1 - scores)).sum(dim=0)
        return (counts.unsqueeze(2) * self._square.unsqueeze(1)).clamp(min=EPSILON)

    def exceeds(self, ones: Tensor, others: Tensor) -> Tensor:
        """Which searches are of a problem whose sum of ones is more. (S,) twice -> (S,)"""
        more = (ones - others).view(-1, self._each).sum(dim=1) > 0
        return more.repeat_interleave(self._each)


def _dots(ones: Tensor, others: Tensor) -> Tensor:
    """Of each search. (S, K, r + 1) twice -> (S,)"""
    return (ones * others).sum(dim=(1, 2))


def _squares(rows: Tensor, weights: Tensor) -> Tensor:
    """The mean of the rows' squares, weighted in each way. (n, r + 1), (n, P) -> (P, r + 1)"""
    parts = zip(torch.split(rows, ROWS), torch.split(weights, ROWS), strict=True)
    sums = torch.stack([own.T @ part.square() for part, own in parts]).sum(dim=0)
    return sums / weights.sum(dim=0).unsqueeze(1)


def _moved(begun: Tensor, part: Tensor, step: Tensor) -> Tensor:
    return torch.where(part > 0, begun + part * step, begun)


def _wide(numbers: Tensor) -> Tensor:
    return numbers.view(-1, 1, 1)
