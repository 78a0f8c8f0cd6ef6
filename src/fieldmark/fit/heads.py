"""Heads trained on features: several trials (rates, seeds, rows, kinds of head) side by side.

Each trial is what it would be alone, and what the loop would make of the same head on a frozen
backbone: the same order of images, the same dropout, the same steps of the optimiser. All
follows from what is given, and no global generator is touched, so a stage that was killed is
done again to the same end.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.console import Bar, Console
from fieldmark.data.loader import Batch, Keys, Sampling
from fieldmark.errors import NotFiniteError, StoppedError
from fieldmark.fit import loop
from fieldmark.fit.averages import Average
from fieldmark.fit.checkpoint import Tensors
from fieldmark.fit.epochs import all_done, close_epoch, has_step_row, out_of_patience, step_row
from fieldmark.fit.plan import Judged, Parts, Plan
from fieldmark.fit.stacked import StackedHeads
from fieldmark.fit.state import Row, State
from fieldmark.machine import threads

SMALL = 20_000_000  # multiplications a step and head, up to which one thread is best


@dataclass(frozen=True, eq=False)
class Embedded:
    """Some rows of a table of features, each with its target.

    features: (views, N, ...), of which epoch e is trained on view e % views. rows: (n,) of the
    N. targets: (n,) int64.
    """

    features: Tensor
    rows: np.ndarray
    targets: np.ndarray


class FeatureBatches:
    """A Feed of features, in the order in which the loader would have their images."""

    def __init__(
        self, embedded: Embedded, *, batch_size: int, seed: int, sampling: Sampling = "all"
    ):
        places = np.arange(len(embedded.rows))
        self._keys = Keys(places, batch_size, seed, sampling, embedded.targets)
        self._embedded, self.sizes = embedded, self._keys.sizes

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """(n, ...) features and (n,) targets of each step from `start` on, where the table is."""
        own, device = self._embedded, self._embedded.features.device
        for keys in self._keys.steps(epoch, start):
            _, places, draws = keys.T
            at = (epoch + draws) % len(own.features), own.rows[places], own.targets[places]
            views, rows, targets = (torch.from_numpy(numbers).to(device) for numbers in at)
            yield own.features[views, rows], targets

    def spent(self) -> dict[str, float]:
        """Nothing: features are there already."""
        return {}


@dataclass(frozen=True)
class Trial:
    """One head to be trained: as it is at the start, on what, and how.

    seed: of the order of rows and of dropout. optimizer: makes one for the parameters. parts:
    as for the loop; batches are of features, on the device, and `validate` is not asked.
    val: validated on, its first view; None trains without. average: of the weights, if any.
    keep: the epoch whose weights are kept, counted from 1; None: the best one. collect: whether
    the logits of `val` are kept, of every epoch.
    """

    head: nn.Module
    seed: int
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
    parts: Parts
    val: Embedded | None = None
    average: Callable[[nn.Module], Average | None] = lambda head: None
    keep: int | None = None
    collect: bool = False


@dataclass
class Trained:
    """A trial on its way, and what became of it. plan: with its own seed.

    keep, collect: the trial's. answers: what is collected, an epoch each. steps: rows of
    steps.csv. weights: of the head at its best epoch, by their names in it, on the processor;
    None where no epoch of this stage is the best. error: why it ended early, in words, where its
    loss was not finite.
    """

    state: State
    plan: Plan
    parts: Parts
    val: Embedded | None
    keep: int | None = None
    collect: bool = False
    answers: list[np.ndarray] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    weights: Tensors | None = None
    ended: str = ""
    error: str | None = None

    @property
    def history(self) -> list[Row]:
        """A row an epoch of this stage; `seconds` are those of all trials of one build together."""
        return self.state.history[self.plan.first :]

    @property
    def monitored(self) -> list[float]:
        """The monitored figure after each epoch of this stage, signed so that more is better."""
        return self.state.monitored[self.plan.first :]

    @property
    def best_epoch(self) -> int | None:
        """The best epoch, counted from 1, over all stages."""
        return self.state.best_epoch


def fit_heads(
    trials: Sequence[Trial],
    *,
    plan: Plan,
    console: Console,
    stop_asked: Callable[[], bool],
    begun: State | None,
) -> list[Trained]:
    """Train every trial; plan.seed does not count, for each has its own. -> in their order

    begun: where training stands before this stage, which stays as it is. The heads stay as
    they are, too. Raises StoppedError; a trial whose loss is not finite only ends itself.
    """
    builds = dict.fromkeys(repr(trial.head) for trial in trials)
    found: dict[int, Trained] = {}
    with console.bar("training the head", plan.epochs * len(builds)) as bar:
        for build in builds:
            places = [place for place, trial in enumerate(trials) if repr(trial.head) == build]
            sizes = {place: trials[place].parts.batches.sizes for place in places}
            # the longest first: then those that share a step, or a size of batch, are neighbours
            places.sort(key=lambda place: (len(sizes[place]), sizes[place]), reverse=True)
            runs = [_begin(trials[place], plan, begun) for place in places]
            with threads(_threads_for(runs[0].state.model, sizes[places[0]][0])):
                _train(runs, stop_asked, bar)
            found |= dict(zip(places, runs, strict=True))
    return [found[place] for place in range(len(trials))]


def _begin(trial: Trial, plan: Plan, begun: State | None) -> Trained:
    head = copy.deepcopy(trial.head).to(trial.parts.device).requires_grad_(True)
    state = state_of(head, trial.optimizer(list(head.parameters())), plan, begun)
    state.ema = trial.average(head)
    own = replace(plan, seed=trial.seed)
    return Trained(state, own, trial.parts, trial.val, trial.keep, trial.collect)


def state_of(
    head: nn.Module, optimizer: torch.optim.Optimizer, plan: Plan, begun: State | None
) -> State:
    """A head's own state at the start of a stage, where training stands by `begun`."""
    state = State(head, optimizer, epoch=plan.first)
    if begun is not None:
        state.history, state.monitored = list(begun.history), list(begun.monitored)
        state.best_epoch, state.patient_from = begun.best_epoch, begun.patient_from
        state.stage, state.stage_begun = begun.stage, begun.stage_begun
    return state


def _threads_for(head: nn.Module, batch_size: int) -> int:
    """One thread for a small head, whose kernels are too short to share; else all.

    On a busy machine two threads took 16 times as long. It depends on a head alone, for sums
    may depend on the number of threads.
    """
    weights = sum(parameter.numel() for parameter in head.parameters())
    return 1 if weights * batch_size < SMALL else torch.get_num_threads()


def _train(runs: Sequence[Trained], stop_asked: Callable[[], bool], bar: Bar) -> None:
    """Heads of one build, from their start to their end."""
    plan, seeds = runs[0].plan, [run.plan.seed for run in runs]
    # the optimisers and averages are made by now: a stack changes where parameters lie, not which
    stacked = StackedHeads([run.state.model for run in runs], seeds)
    judged = (
        StackedHeads([run.state.judged for run in runs], seeds) if runs[0].state.ema else stacked
    )
    for epoch in range(plan.first, plan.last):
        for run in runs:
            run.ended = run.ended or out_of_patience(run.state, run.plan) or ""
        if all(run.ended for run in runs):
            break
        began = time.monotonic()
        _train_epoch(stacked, runs, epoch)
        answers = _validated(judged, runs)
        for run, answer in zip(runs, answers, strict=True):
            if not run.ended:
                _close_epoch(run, answer, time.monotonic() - began)
        bar.advance(1, _words(runs, plan))
        if stop_asked():
            raise StoppedError(f"stopped after {plan.named(epoch + 1)}")
    for run in runs:
        run.ended = run.ended or all_done(plan)


def _validated(stacked: StackedHeads, runs: Sequence[Trained]) -> list[Judged | None]:
    """Logits and targets of each head's validation; heads that share one pass it together."""
    found: list[Judged | None] = []
    for val, group in groupby(runs, attrgetter("val")):
        heads = slice(len(found), len(found) + len(list(group)))
        if val is None:
            found += [None] * (heads.stop - heads.start)
            continue
        rows = torch.from_numpy(val.rows).to(val.features.device)
        logits = stacked.predict(val.features[0, rows], heads).cpu().numpy()
        found += [(each, val.targets) for each in logits]
    return found


def _train_epoch(stacked: StackedHeads, runs: Sequence[Trained], epoch: int) -> None:
    """The steps of all heads side by side, also of those that have ended: nothing counts them."""
    feeds = [run.parts.batches.epoch(epoch) for run in runs]
    for step in range(len(runs[0].parts.batches.sizes)):
        there = [run for run in runs if step < len(run.parts.batches.sizes)]  # the first ones
        _step(stacked, there, [next(feed) for feed in feeds[: len(there)]], (epoch, step))


def _step(
    stacked: StackedHeads, runs: Sequence[Trained], batches: Sequence[Batch], place: tuple[int, int]
) -> None:
    """As loop.step, for the first heads of the stack at once.

    One backward serves all, for the gradient of the shares' sum is each head's own. Then each
    optimiser steps by itself, on gradients that are slices of the stack's.
    """
    if place[1] % runs[0].plan.accumulate == 0:
        stacked.zero_grad()
    shares, made = [], []
    for heads in _of_one_size(batches):
        logits = stacked(torch.stack([features for features, _ in batches[heads]]), place, heads)
        for run, own, (_, targets) in zip(runs[heads], logits, batches[heads], strict=True):
            if not run.ended:
                loss = run.parts.loss(own, targets)
                shares.append(loop.share_of(loss, targets, run.state, run.plan, run.parts))
                made.append((run, loss.detach(), own.detach(), targets))
    if not shares:
        return
    torch.autograd.backward(torch.stack(shares).sum())
    for run, loss, own, targets in made:
        loop.set_rate(run.state, run.plan, run.parts)
        if run.state.step + 1 == loop.group_of(run.state, run.plan, run.parts).stop:
            loop.update(run.state, run.plan, run.parts)
        run.state.step += 1
        run.state.running.add(loss, own, targets)
        if has_step_row(run.state, run.plan, run.parts):
            run.steps.append(step_row(run.state, loss.item(), own, targets))


def _of_one_size(batches: Sequence[Batch]) -> Iterator[slice]:
    """Neighbours whose batches are of one size, which the stack computes as one."""
    start = 0
    for _, group in groupby(len(targets) for _, targets in batches):
        end = start + len(list(group))
        yield slice(start, end)
        start = end


def _close_epoch(run: Trained, judged: Judged | None, seconds: float) -> None:
    try:
        _, is_best = close_epoch(run.state, run.plan, run.parts, judged, seconds)
    except NotFiniteError as error:
        run.ended = run.error = str(error)
        return
    if judged is not None and run.collect:
        run.answers.append(judged[0])
    if is_best if run.keep is None else run.state.epoch == run.keep:
        judged_weights = run.state.judged.state_dict().items()
        run.weights = {name: tensor.detach().cpu().clone() for name, tensor in judged_weights}


def _words(runs: Sequence[Trained], plan: Plan) -> str:
    """The best figure so far, beside the bar."""
    monitored = [gain for run in runs for gain in run.monitored if gain == gain]
    return f"val {plan.monitor} {plan.sign * max(monitored):.4f}" if monitored else ""
