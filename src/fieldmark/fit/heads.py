"""Heads trained on features: several trials (rates, seeds, kinds of head) side by side.

Each trial is what it would be alone, and what the loop would make of the same head on a frozen
backbone: the same order of images, the same dropout, the same steps of the optimiser. All
follows from what is given, and no global generator is touched, so a stage that was killed is
done again to the same end.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.console import Bar, Console
from fieldmark.data.loader import Batch, Batches, Images, Key, Sampling
from fieldmark.errors import NotFiniteError, StoppedError
from fieldmark.fit import loop
from fieldmark.fit.averages import Ema, Lookahead
from fieldmark.fit.bank import Bank
from fieldmark.fit.checkpoint import Tensors
from fieldmark.fit.loop import Measure, Parts, Plan, Validate
from fieldmark.fit.losses import Loss
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.schedules import Schedule
from fieldmark.fit.state import Row, State
from fieldmark.machine import threads

SMALL = 20_000_000  # multiplications a step and head, up to which one thread is best


@dataclass(frozen=True)
class Trial:
    """One head to be trained: as it is at the start, and what is special about its training.

    seed: of the order of images and of dropout. optimizer: makes one for the parameters.
    """

    tail: nn.Module
    seed: int
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Embedded:
    """Features (n, ...) with targets (n,) int64.

    views: (k, n, ...), of which epoch e is trained on number e % k, in place of `features`.
    """

    features: Tensor
    targets: np.ndarray
    views: Tensor | None = None


@dataclass(frozen=True)
class HeadParts:
    """What all trials have in common; see loop.Parts.

    ema: decay of the weights' average; lookahead: steps between updates of slow weights. One
    of them at the most.
    """

    loss: Loss
    schedule: Schedule
    measure: Measure
    batch_size: int
    device: torch.device
    sampling: Sampling = "all"
    ema: float | None = None
    lookahead: int | None = None
    penalty: Penalty | None = None
    stop_asked: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Trained:
    """What became of a trial, in this stage alone.

    history: a row an epoch, as the loop's; `seconds` are those of all trials of the same build
    together. steps: rows of steps.csv. best_epoch: counted from 1, over all stages; where it is
    none of this stage's, there are no weights. weights: of the tail, by their names in it, on
    the processor. error: why it ended early, in words, where its loss was not finite.
    """

    history: list[Row]
    gains: list[float]
    steps: list[Row]
    best_epoch: int | None
    weights: Tensors | None
    ended: str
    error: str | None = None


@dataclass
class _Run:
    """A trial on its way."""

    state: State
    plan: Plan
    parts: Parts
    features: Tensor  # (views * n, ...)
    steps: list[Row] = field(default_factory=list)
    weights: Tensors | None = None
    ended: str | None = None
    error: str | None = None


def fit_heads(
    trials: Sequence[Trial],
    train: Embedded,
    val: Embedded | None,
    *,
    plan: Plan,
    parts: HeadParts,
    console: Console,
    begun: State | None = None,
) -> list[Trained]:
    """Train every trial; plan.seed does not count, for each has its own. -> in their order

    begun: where training stands before this stage, which stays as it is. The tails stay as
    they are, too. Raises StoppedError; a trial whose loss is not finite only ends itself.
    """
    builds = dict.fromkeys(repr(trial.tail) for trial in trials)
    views = train.features.unsqueeze(0) if train.views is None else train.views
    train = replace(train, features=train.features[:0], views=views.to(parts.device))
    found: dict[int, Trained] = {}
    with console.bar("training the head", plan.epochs * len(builds)) as bar:
        for build in builds:
            places = [place for place, trial in enumerate(trials) if repr(trial.tail) == build]
            runs = [_begin(trials[place], train, plan, parts, begun) for place in places]
            with _threads_for(runs[0].state.model, parts):
                _train(runs, val, parts, bar)
            found |= dict(zip(places, map(_trained, runs), strict=True))
    return [found[place] for place in range(len(trials))]


def _begin(
    trial: Trial, train: Embedded, plan: Plan, parts: HeadParts, begun: State | None
) -> _Run:
    tail = copy.deepcopy(trial.tail).to(parts.device).requires_grad_(True)
    state = State(tail, trial.optimizer(list(tail.parameters())), epoch=plan.first)
    if parts.ema:
        state.ema = Ema(tail, parts.ema)
    elif parts.lookahead:
        state.ema = Lookahead(tail, parts.lookahead)
    if begun is not None:
        state.history, state.gains = list(begun.history), list(begun.gains)
        state.best_epoch, state.patient_from = begun.best_epoch, begun.patient_from
        state.stage, state.stage_begun = begun.stage, begun.stage_begun
    assert train.views is not None
    views = train.views
    batches = Batches(
        _Places(train.targets, len(views)),
        np.arange(len(train.targets)),
        batch_size=parts.batch_size,
        seed=trial.seed,
        workers=0,
        sampling=parts.sampling,
    )
    as_loop = Parts(
        batches=batches,
        loss=parts.loss,
        schedule=parts.schedule,
        autocast=nullcontext,
        device=parts.device,
        measure=parts.measure,
        penalty=parts.penalty,
    )
    features = views.flatten(0, 1)
    return _Run(state, replace(plan, seed=trial.seed), as_loop, features)


@contextmanager
def _threads_for(tail: nn.Module, parts: HeadParts) -> Iterator[None]:
    """One thread for a small head, whose kernels are too short to share; else all.

    On a busy machine two threads took 16 times as long. It depends on the head alone, for sums
    may depend on the number of threads.
    """
    weights = sum(parameter.numel() for parameter in tail.parameters())
    is_small = weights * parts.batch_size < SMALL
    with threads(1 if is_small else torch.get_num_threads()):
        yield


class _Places(Images):
    """The loader's order without images: in the place of each its place among the features."""

    def __init__(self, targets: np.ndarray, views: int):
        self.targets, self._views = targets, views

    def __getitems__(self, keys: list[Key]) -> Batch:
        """-> (n,) int64 places in (views * rows), (n,) int64 targets"""
        rows = [row for _, row, _ in keys]
        starts = [(epoch + draw) % self._views * len(self.targets) for epoch, _, draw in keys]
        return torch.tensor(starts) + torch.tensor(rows), torch.from_numpy(self.targets[rows])


def _train(runs: Sequence[_Run], val: Embedded | None, parts: HeadParts, bar: Bar) -> None:
    """Heads of one build, from their start to their end."""
    plan, seeds = runs[0].plan, [run.plan.seed for run in runs]
    bank = Bank([run.state.model for run in runs], seeds)
    judged = Bank([run.state.judged for run in runs], seeds) if runs[0].state.ema else bank
    val_features = None if val is None else val.features.to(parts.device)
    for epoch in range(plan.first, plan.last):
        for run in runs:
            if not run.ended and loop.out_of_patience(run.state, run.plan):
                run.ended = f"no better {plan.monitor} for {plan.patience} epochs"
        if all(run.ended for run in runs):
            break
        began = time.monotonic()
        _train_epoch(bank, runs, epoch)
        if val is not None and val_features is not None:
            for run, logits in zip(runs, judged.predict(val_features).cpu(), strict=True):
                run.parts = replace(run.parts, validate=_told(logits.numpy(), val.targets))
        for run in runs:
            if not run.ended:
                _finish_epoch(run, time.monotonic() - began)
        bar.advance(1, _words(runs, plan))
        if parts.stop_asked():
            raise StoppedError(f"stopped after {plan.named(epoch + 1)}")


def _told(logits: np.ndarray, targets: np.ndarray) -> Validate:
    """In the place of a validation: what came of it, for all heads were validated at once."""
    return lambda _: (logits, targets)


def _train_epoch(bank: Bank, runs: Sequence[_Run], epoch: int) -> None:
    for batches in zip(*(run.parts.batches.epoch(epoch) for run in runs), strict=True):
        features, targets = [], []
        for run, (places, wanted) in zip(runs, batches, strict=True):
            features.append(run.features[places.to(run.features.device)])
            targets.append(wanted.to(run.features.device))
        _step(bank, runs, torch.stack(features), targets)


def _step(bank: Bank, runs: Sequence[_Run], features: Tensor, targets: Sequence[Tensor]) -> None:
    """As loop.step, for all heads at once: the gradient of the losses' sum is each one's own."""
    live = [(run, place) for place, run in enumerate(runs) if not run.ended]
    state, plan, steps = live[0][0].state, live[0][0].plan, len(live[0][0].parts.batches)
    group = loop.group_of(state, plan, live[0][0].parts)
    if state.step == group.start:
        bank.zero_grad()
    for run, _ in live:
        loop.set_rate(run.state, run.plan, run.parts)
    logits = bank(features, (state.epoch, state.step))
    losses = [run.parts.loss(logits[place], targets[place]) for run, place in live]
    shares = [
        loop.share_of(loss, targets[place], run.state, run.plan, run.parts)
        for (run, place), loss in zip(live, losses, strict=True)
    ]
    torch.autograd.backward(torch.stack(shares).sum())
    is_update = state.step + 1 == group.stop
    for (run, place), loss in zip(live, losses, strict=True):
        if is_update:
            loop.update(run.state, run.plan, run.parts)
        run.state.step += 1
        run.state.running.add(loss.detach(), logits[place], targets[place])
        if run.state.step == steps or run.state.step % plan.steps_every == 0:
            run.steps.append(_step_row(run.state))


def _finish_epoch(run: _Run, seconds: float) -> None:
    state = run.state
    try:
        row = loop.finish_epoch(state, run.plan, run.parts)
    except NotFiniteError as error:
        run.ended = run.error = str(error)
        return
    row["seconds"] = round(seconds, 3)
    if loop.note_epoch(state, run.plan, row):
        state.best_epoch = state.epoch
        judged = state.judged.state_dict().items()
        run.weights = {name: tensor.detach().cpu().clone() for name, tensor in judged}


def _step_row(state: State) -> Row:
    """What steps.csv tells of the step before."""
    logits, targets = state.running.logits[-1], state.running.targets[-1]
    return {
        "epoch": state.epoch + 1,
        "step": state.step,
        "loss": state.running.losses[-1].item() / len(targets),
        "accuracy": (logits.argmax(1) == targets).float().mean().item(),
        "lr": loop.rate_of(state),
    }


def _words(runs: Sequence[_Run], plan: Plan) -> str:
    """The best figure so far, beside the bar."""
    gains = [gain for run in runs for gain in run.state.gains[plan.first :] if gain == gain]
    return f"val {plan.monitor} {plan.sign * max(gains):.4f}" if gains else ""


def _trained(run: _Run) -> Trained:
    state, first = run.state, run.plan.first
    return Trained(
        history=state.history[first:],
        gains=state.gains[first:],
        steps=run.steps,
        best_epoch=state.best_epoch,
        weights=run.weights,
        ended=run.ended or loop.all_done(run.plan.last),
        error=run.error,
    )
