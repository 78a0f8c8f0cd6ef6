"""The loop. One epoch: train on each batch, validate, keep the best weights, checkpoint.

Before each step the global generators are seeded from (seed, epoch, step), so that dropout
too is a function of the place and a run that goes on needs no generator's state.
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from fieldmark import streams
from fieldmark.console import Bar, Console, duration
from fieldmark.data.in_memory import InMemory
from fieldmark.data.loader import Batches
from fieldmark.errors import NotFiniteError, StoppedError
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.losses import Loss
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.schedules import Place, Schedule
from fieldmark.fit.state import Row, Running, State
from fieldmark.models.precision import Autocast
from fieldmark.models.stages import set_training
from fieldmark.streams import Stream

SLOW = 4.0  # times the seconds of the epoch before that are worth a word

Measure = Callable[[np.ndarray, np.ndarray], dict[str, float]]
Validate = Callable[[torch.nn.Module], tuple[np.ndarray, np.ndarray]]
Follow = Callable[[list[Row]], None]
Mix = Callable[[torch.Tensor, torch.Tensor, int, int], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Plan:
    """How long and how, for one stage of the training.

    epochs: of this stage; first: how many came before it. sign: 1 where more of the monitored
    figure is better, else -1. norm_frozen: batch norm keeps its statistics. figures: of the
    validation, told after each epoch beside loss, accuracy and the monitored one. stage: its
    number, from 1; None where it is the only one.
    """

    epochs: int
    seed: int
    first: int = 0
    accumulate: int = 1
    clip_norm: float | None = None
    monitor: str = "macro_f1"
    sign: int = 1
    patience: int | None = None
    steps_every: int = 10
    norm_frozen: bool = False
    figures: tuple[str, ...] = ()
    stage: int | None = None

    def named(self, epoch: int) -> str:
        """An epoch, counted over all stages: "epoch 3 of 20", or "stage 2, epoch 1 of 5"."""
        stage = f"stage {self.stage}, " if self.stage else ""
        return f"{stage}epoch {epoch - self.first} of {self.epochs}"

    @property
    def told(self) -> tuple[str, ...]:
        """The figures of the validation that are told of an epoch."""
        return tuple(dict.fromkeys(["loss", "accuracy", self.monitor, *self.figures]))

    @property
    def last(self) -> int:
        """How many epochs are done when this stage is."""
        return self.first + self.epochs


@dataclass(frozen=True)
class Parts:
    """What the loop works with.

    measure: (logits (N, C), targets (N,)) -> figures by name.
    validate: model -> (logits, targets) of the validation images; None trains without.
    mix: (images, targets, epoch, step) -> images and shares (n, C) of the classes; None: no mixing.
    penalty: on the weights, once a step of the optimiser; no part of the loss that is told.
    follow: called after each epoch, when it is on disk, with the whole history.
    """

    batches: Batches | InMemory
    loss: Loss
    schedule: Schedule
    autocast: Autocast
    device: torch.device
    measure: Measure
    validate: Validate | None = None
    mix: Mix | None = None
    penalty: Penalty | None = None
    follow: Follow | None = None


def fit(state: State, plan: Plan, parts: Parts, keeper: Keeper, console: Console) -> str:
    """Train from where `state` stands to the plan's end. -> in words, why it ended.

    Raises StoppedError where the user stops it, NotFiniteError, OutOfMemoryError; what was
    reached is then on disk.
    """
    while state.epoch < plan.last:
        if out_of_patience(state, plan):
            return f"no better {plan.monitor} for {plan.patience} epochs"
        begun = time.monotonic() - state.seconds
        train_epoch(state, plan, parts, keeper, console)
        with state.clock("validation"):  # and the epoch's figures
            row = finish_epoch(state, plan, parts)
        row["seconds"] = round(time.monotonic() - begun, 3)
        is_best = note_epoch(state, plan, row)
        if is_best:
            state.best_epoch = state.epoch
            with state.clock("writing"):
                keeper.checkpoints.write_best(state.epoch, dict(state.judged.state_dict()))
        keeper.save(state)
        console.say(epoch_line(row, plan, is_best))
        if parts.follow:
            parts.follow(state.history)
        before = state.history[-2:-1] if state.epoch > plan.first + 1 else []
        if before and row["seconds"] > SLOW * before[0]["seconds"] + 5:
            console.warn(
                f"epoch {state.epoch} took {duration(row['seconds'])}, the one before "
                f"{duration(before[0]['seconds'])}; is something else using the machine?"
            )
        if keeper.stop_asked():
            raise StoppedError(f"stopped after {plan.named(state.epoch)}")
    return all_done(plan.last)


def all_done(epochs: int) -> str:
    """That nothing is left to train, in words."""
    return "the 1 epoch is done" if epochs == 1 else f"all {epochs} epochs are done"


def train_epoch(state: State, plan: Plan, parts: Parts, keeper: Keeper, console: Console) -> None:
    """The rest of the epoch's steps, from `state.step` on."""
    set_training(state.model, norm_frozen=plan.norm_frozen)
    sizes = parts.batches.sizes
    begun = time.monotonic() - state.seconds
    with console.bar(plan.named(state.epoch + 1), len(sizes)) as bar:
        bar.advance(state.step)
        with state.clock("waiting"):  # workers are started in it
            batches = parts.batches.epoch(state.epoch, state.step)
        for images, targets in state.clock.waiting(batches):
            seed_step(plan.seed, state.epoch, state.step)
            set_rate(state, plan, parts)
            targets = targets.to(parts.device, non_blocking=True)
            loss, logits = step(state, plan, parts, images, targets)
            state.step += 1
            state.running.add(loss, logits, targets)
            tell_step(state, plan, keeper, bar, loss, is_last=state.step == len(sizes))
            state.seconds = time.monotonic() - begun
            if state.step % plan.accumulate == 0 and state.step < len(sizes):
                if keeper.due or keeper.stop_asked():
                    state.clock.add(parts.batches.spent())
                    keeper.save(state)
                if keeper.stop_asked():
                    raise StoppedError(
                        f"stopped in {plan.named(state.epoch + 1)}, "
                        f"after step {state.step} of {len(sizes)}"
                    )
    state.clock.add(parts.batches.spent())


def step(
    state: State, plan: Plan, parts: Parts, images: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Forward, backward, and at the end of a group of batches the optimiser. -> loss, logits"""
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
        logits = state.forward(images)
    loss = parts.loss(logits, wanted)
    state.clock.mark("forward")
    share = share_of(loss, wanted, state, plan, parts)
    torch.autograd.backward(state.scaler.scale(share) if state.scaler else share)
    if state.step + 1 == group.stop:
        update(state, plan, parts)
    state.clock.mark("backward")
    return loss.detach(), logits


def group_of(state: State, plan: Plan, parts: Parts) -> range:
    """The steps of the epoch that add up their gradients to the optimiser's next step."""
    start = state.step - state.step % plan.accumulate
    return range(start, min(start + plan.accumulate, len(parts.batches)))


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
        place = place_of(state, plan, parts)
        state.ema.update(state.model, (place.step + 1) / place.total)


def finish_epoch(state: State, plan: Plan, parts: Parts) -> Row:
    """The epoch's row of the history: training's running figures, then validation's."""
    logits, targets = (table.numpy() for table in state.running.tables())
    row: Row = {"epoch": state.epoch + 1, "seconds": 0.0, "lr": rate_of(state)}
    row["train_loss"] = state.running.loss_sum() / len(targets)
    if not math.isfinite(row["train_loss"]):
        raise NotFiniteError(not_finite(state, row["train_loss"]))
    if state.running.penalised_steps:
        row["train_penalty"] = state.running.penalty_sum() / state.running.penalised_steps
    train = parts.measure(logits, targets)
    if parts.validate is None:
        return {**row, **{f"train_{name}": value for name, value in train.items()}}
    logits, targets = parts.validate(state.judged)
    row["val_loss"] = parts.loss(torch.from_numpy(logits), torch.from_numpy(targets)).item()
    if not math.isfinite(row["val_loss"]):
        raise NotFiniteError(not_finite(state, row["val_loss"], "validation loss"))
    val = parts.measure(logits, targets)
    row |= {f"train_{name}": value for name, value in train.items()}
    return row | {f"val_{name}": value for name, value in val.items()}


def note_epoch(state: State, plan: Plan, row: Row) -> bool:
    """Close the epoch in `state`. -> whether it is the best so far

    Of equals it is the one with less validation loss, else the earlier: few images give coarse
    figures. But what an earlier stage reached gives way to a better figure only. While the
    figure is not defined (nan), the newest epoch counts as the best.
    """
    gain = plan.sign * row.get(f"val_{plan.monitor}", math.nan)
    best = max((old for old in state.gains if not math.isnan(old)), default=-math.inf)
    is_best = best == -math.inf if math.isnan(gain) else gain > best
    if gain == best and state.best_epoch is not None and state.best_epoch > plan.first:
        is_best = row["val_loss"] < state.history[state.best_epoch - 1]["val_loss"]
    row["stage"] = state.stage + 1
    state.history.append(row)
    state.gains.append(gain)
    state.epoch, state.step, state.seconds = state.epoch + 1, 0, 0.0
    state.running = Running()
    return is_best


def out_of_patience(state: State, plan: Plan) -> bool:
    """Whether the monitored figure has not become better for too long."""
    known = [gain for gain in state.gains if not math.isnan(gain)]
    if plan.patience is None or state.best_epoch is None:
        return False
    # of equals the first: less loss alone does not count as better
    last = state.gains.index(max(known)) + 1 if known else state.best_epoch
    return state.epoch - max(last, state.patient_from) >= plan.patience


def seed_step(seed: int, epoch: int, step: int, rank: int = 0) -> None:
    """Seed every global generator from the place alone."""
    words = streams.key(Stream.STEP, seed, epoch, step, rank).generate_state(3)
    torch.manual_seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002 (others' code may draw from it)
    random.seed(int(words[2]))


def set_rate(state: State, plan: Plan, parts: Parts) -> None:
    """Give every group its rate at this place."""
    factor = parts.schedule(place_of(state, plan, parts))
    for group in state.optimizer.param_groups:
        group["lr"] = group.setdefault("base_lr", group["lr"]) * factor


def place_of(state: State, plan: Plan, parts: Parts) -> Place:
    """Where in the stage the optimiser's next step stands."""
    steps = math.ceil(len(parts.batches) / plan.accumulate)
    done = (state.epoch - plan.first) * steps + state.step // plan.accumulate
    return Place(done, steps, plan.epochs, tuple(state.gains[plan.first :]))


def rate_of(state: State) -> float:
    """The learning rate now, of the first group."""
    return float(state.optimizer.param_groups[0]["lr"])


def tell_step(
    state: State, plan: Plan, keeper: Keeper, bar: Bar, loss: torch.Tensor, *, is_last: bool
) -> None:
    """The bar, a check that the loss is finite, and every so many steps a row of steps.csv.

    The last step of an epoch has a row too. An accelerator is asked for the loss only at steps
    with a row, for each question makes it wait.
    """
    is_row = is_last or state.step % plan.steps_every == 0
    if not is_row and loss.device.type != "cpu":
        bar.advance(1)
        return
    value, rate = loss.item(), rate_of(state)
    if not math.isfinite(value):
        raise NotFiniteError(not_finite(state, value))
    bar.advance(1, f"loss {value:.3f}  lr {rate:.2g}")
    if is_row:
        right = (state.running.logits[-1].argmax(1) == state.running.targets[-1]).float()
        place = {"epoch": state.epoch + 1, "step": state.step}
        row = {**place, "loss": value, "accuracy": right.mean().item(), "lr": rate}
        with state.clock("writing"):
            keeper.note_step(row)


def epoch_line(row: Row, plan: Plan, is_best: bool) -> str:
    """One line an epoch: "epoch  3/20  1.2 s  lr 0.001  train loss 0.2134  val loss 0.1837"."""
    place = f"{int(row['epoch']):>{len(str(plan.last))}}"
    words = [
        plan.named(int(row["epoch"])) if plan.stage else f"epoch {place}/{plan.last}",
        f"{row['seconds']:.1f} s",
        f"lr {row['lr']:.2g}",
        f"train loss {row['train_loss']:.4f}",
    ]
    if "train_penalty" in row:
        words.append(f"penalty {row['train_penalty']:.4f}")
    if "val_loss" in row:
        words += [f"val {name} {row[f'val_{name}']:.4f}" for name in plan.told]
    return "  ".join(words) + ("  best" if is_best and "val_loss" in row else "")


def not_finite(state: State, value: float, what: str = "loss") -> str:
    """The sentence for a loss that is nan or infinite."""
    best, rate = state.best_epoch, state.optimizer.param_groups[0]["base_lr"]
    kept = f"the weights of epoch {best} are kept" if best else "there are no good weights yet"
    return (
        f"epoch {state.epoch + 1}, step {state.step}: the {what} is {value}; {kept}; "
        f"try a lower --lr (it is {rate:g})"
    )
