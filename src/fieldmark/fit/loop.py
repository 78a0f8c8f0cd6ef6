"""The loop. One epoch: train on each batch, validate, keep the best weights, checkpoint.

Before each step the global generators are seeded from (seed, epoch, step), so that dropout
too is a function of the place and a run that goes on needs no generator's state.
"""

import math
import random
import time

import numpy as np
import torch

from fieldmark import streams
from fieldmark.captioned import Seen
from fieldmark.console import PLAIN_EVERY, Bar, Console, duration
from fieldmark.errors import StoppedError
from fieldmark.fit.epochs import (
    all_done,
    close_epoch,
    epoch_line,
    has_step_row,
    out_of_patience,
    rate_of,
    refuse_not_finite,
    step_row,
)
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.plan import Parts, Plan
from fieldmark.fit.schedules import Progress
from fieldmark.fit.state import State
from fieldmark.models.stages import set_training
from fieldmark.streams import Stream

Made = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # loss, logits and targets of a step
AUXILIARY = 0.3  # the weight of a classifier on the way (Szegedy et al., 2014)
SLOW = 4.0  # times the seconds of the epoch before that are worth a word


def fit(state: State, plan: Plan, parts: Parts, keeper: Keeper, console: Console) -> str:
    """Train from where `state` stands to the plan's end. -> in words, why it ended.

    Raises StoppedError where the user stops it, NotFiniteError, OutOfMemoryError; what was
    reached is then on disk. A stop that a kill came after is one where training goes on.
    """
    goes_on = state.step > 0 or state.epoch > plan.first
    while state.epoch < plan.last:
        if ended := out_of_patience(state, plan):
            return ended
        if goes_on and keeper.stop_asked():
            raise StoppedError(stopped(state, plan, parts))
        goes_on = False
        begun = time.monotonic() - state.seconds
        train_epoch(state, plan, parts, keeper, console)
        with state.clock("validation"):  # and the epoch's figures
            due = parts.validate if plan.validates(state.epoch + 1) else None
            judged = due(state.judged) if due else None
            row, is_best = close_epoch(state, plan, parts, judged, time.monotonic() - begun)
        keeper.save(state, dict(state.judged.state_dict()) if is_best else None)
        console.say(epoch_line(row, plan, is_best))
        if parts.follow:
            parts.follow(state.history)
        warn_if_slow(state, plan, console)
        if state.epoch < plan.last and keeper.stop_asked():
            raise StoppedError(stopped(state, plan, parts))
    return all_done(plan)


def stopped(state: State, plan: Plan, parts: Parts) -> str:
    """Where a training stands that is stopped, in words."""
    if not state.step:
        return f"stopped after {plan.named(state.epoch)}"
    steps = len(parts.batches.sizes)
    return f"stopped in {plan.named(state.epoch + 1)}, after step {state.step} of {steps}"


def warn_if_slow(state: State, plan: Plan, console: Console) -> None:
    """Say where an epoch took far longer than the one before it in its stage."""
    *_, before, now = [0.0, 0.0, *(row["seconds"] for row in state.history[plan.first :])]
    if before and now > SLOW * before + 5:
        console.warn(
            f"epoch {state.epoch} took {duration(now)}, the one before {duration(before)}; "
            "is something else using the machine?"
        )


def train_epoch(state: State, plan: Plan, parts: Parts, keeper: Keeper, console: Console) -> None:
    """The rest of the epoch's steps, from `state.step` on."""
    set_training(state.model, norm_frozen=plan.norm_frozen)
    steps = len(parts.batches.sizes)
    begun = time.monotonic() - state.seconds
    with console.bar(plan.named(state.epoch + 1), steps, first=PLAIN_EVERY) as bar:
        bar.advance(state.step)
        with state.clock("waiting"):  # workers are started in it
            batches = parts.batches.epoch(state.epoch, state.step)
        for images, targets in state.clock.waiting(batches):
            seed_step(plan.seed, state.epoch, state.step, parts.ranks.rank)
            set_rate(state, plan, parts)
            targets = targets.to(parts.device, non_blocking=True)
            loss, logits = step(state, plan, parts, images, targets)
            state.step += 1
            state.running.add(loss, logits, targets)
            tell_step(state, plan, parts, keeper, bar, (loss, logits, targets))
            state.seconds = time.monotonic() - begun
            if state.step % plan.accumulate == 0 and state.step < steps:
                stop = keeper.stop_asked()
                if stop or keeper.due():
                    state.clock.add(parts.batches.spent())
                    keeper.save(state)
                if stop:
                    raise StoppedError(stopped(state, plan, parts))
    state.clock.add(parts.batches.spent())


def step(
    state: State, plan: Plan, parts: Parts, images: Seen, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Forward, backward, and at the end of a group of batches the optimiser. -> loss, logits

    Where the network gives several logits, as one with auxiliary classifiers does, the first are
    those that are told, and the losses of the others are added by their weight.
    """
    group = group_of(state, plan, parts)
    if state.step == group.start:
        state.optimizer.zero_grad(set_to_none=True)
    images = images.to(parts.device, non_blocking=True)
    if images.dim() == 4:  # pictures, not features
        images = images.contiguous(memory_format=torch.channels_last)
    wanted = targets
    if parts.mix:
        images, wanted = parts.mix(images, targets, state.epoch, state.step)
    with parts.autocast():
        made = state.forward(images)
    several: tuple[torch.Tensor, ...] = made if isinstance(made, tuple) else (made,)
    logits, *others = several
    whole = loss = parts.loss(logits, wanted)
    for other in others:
        whole = whole + AUXILIARY * parts.loss(other, wanted)
    state.clock.mark("forward")
    share = share_of(whole, wanted, state, plan, parts)
    torch.autograd.backward(state.scaler.scale(share) if state.scaler else share)
    if state.step + 1 == group.stop:
        update(state, plan, parts)
    state.clock.mark("backward")
    return loss.detach(), logits


def group_of(state: State, plan: Plan, parts: Parts) -> range:
    """The steps of the epoch that add up their gradients to the optimiser's next step."""
    start = state.step - state.step % plan.accumulate
    return range(start, min(start + plan.accumulate, len(parts.batches.sizes)))


def share_of(
    loss: torch.Tensor, targets: torch.Tensor, state: State, plan: Plan, parts: Parts
) -> torch.Tensor:
    """A batch's loss as its share of its group's, which is the mean over all images of the group.

    Weights of classes are not known before the last batch; `update` divides by them.
    """
    group = group_of(state, plan, parts)
    if len(group) == 1:
        return loss
    weight = parts.loss.weight(targets)
    state.group_weight = weight + (state.group_weight if state.step > group.start else 0)
    return loss * weight / images_in(group, parts)


def images_in(group: range, parts: Parts) -> int:
    """How many images a group of batches has."""
    return sum(parts.batches.sizes[group.start : group.stop])


def update(state: State, plan: Plan, parts: Parts) -> None:
    """One step of the optimiser, on gradients that may be unscaled, penalised and clipped."""
    group = group_of(state, plan, parts)
    if len(group) > 1 and parts.loss.weights is not None:
        for parameter in state.model.parameters():
            if parameter.grad is not None:
                parameter.grad *= images_in(group, parts) / state.group_weight
    if state.scaler and (parts.penalty or plan.clip_norm is not None):
        state.scaler.unscale_(state.optimizer)
    if parts.penalty:
        if state.penalised is None:
            state.penalised = parts.penalty.covered(state.model)
        state.running.penalties.append(parts.penalty.add_gradient(state.penalised))
    if plan.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), plan.clip_norm)
    if state.scaler:
        state.scaler.step(state.optimizer)
        state.scaler.update()
    else:
        state.optimizer.step()
    if state.ema:
        progress = progress_of(state, plan, parts)
        state.ema.update(state.model, (progress.step + 1) / progress.total)


def seed_step(seed: int, epoch: int, step: int, rank: int = 0) -> None:
    """Seed every global generator from the place alone."""
    words = streams.key(Stream.STEP, seed, epoch, step, rank).generate_state(3)
    torch.manual_seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002 (others' code may draw from it)
    random.seed(int(words[2]))


def set_rate(state: State, plan: Plan, parts: Parts) -> None:
    """Give every group its rate at this place."""
    factor = parts.schedule(progress_of(state, plan, parts))
    for group in state.optimizer.param_groups:
        group["lr"] = group.setdefault("base_lr", group["lr"]) * factor


def progress_of(state: State, plan: Plan, parts: Parts) -> Progress:
    """Where in the stage the optimiser's next step stands."""
    steps = math.ceil(len(parts.batches.sizes) / plan.accumulate)
    done = (state.epoch - plan.first) * steps + state.step // plan.accumulate
    losses = tuple(row.get("val_loss", math.nan) for row in state.history[plan.first :])
    return Progress(done, steps, plan.epochs, tuple(state.monitored[plan.first :]), losses)


def tell_step(state: State, plan: Plan, parts: Parts, keeper: Keeper, bar: Bar, made: Made) -> None:
    """The bar, a check that the loss is finite, and every so many steps a row of steps.csv.

    An accelerator is asked for the loss only at steps with a row, for each question makes it wait.
    """
    loss, logits, targets = made
    is_row = has_step_row(state, plan, parts)
    if not is_row and loss.device.type != "cpu":
        bar.advance(1)
        return
    value = loss.item()
    refuse_not_finite(state, parts, value)
    bar.advance(1, f"loss {value:.3f}  lr {rate_of(state):.2g}")
    if is_row:
        with state.clock("writing"):
            keeper.note_step(step_row(state, value, logits, targets))
