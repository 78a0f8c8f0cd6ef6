"""The rules at the end of an epoch, the same for images and for heads on features.

Which epoch is kept: the one with the best monitored figure; of equals the one with less
validation loss, else the earlier; but what an earlier stage reached gives way to a better figure
only. Patience: a stage ends when nothing became better in it for so many validations, counted
from its own beginning. The first stage counts the monitored figure, in which less loss alone is
nothing. A later one begins near its best, where a few images decide whether the figure rises:
with fewer than FEW of them, it counts the validation loss. `min_delta` has a rule of its own.
"""

import math
from collections.abc import Sequence

import torch

from fieldmark.errors import NotFiniteError, counted
from fieldmark.fit.plan import Judged, Parts, Plan
from fieldmark.fit.state import Row, Running, State

FEW = 200  # validation images, under which one of them moves accuracy by half a percent or more


def close_epoch(
    state: State, plan: Plan, parts: Parts, judged: Judged | None, seconds: float
) -> tuple[Row, bool]:
    """End the epoch in `state`. -> its row of the history, and whether it is the best so far

    judged: logits and targets of the validation, None without. Raises NotFiniteError.
    """
    row = row_of(state, parts, judged)
    row["seconds"] = round(seconds, 3)
    return row, note_epoch(state, plan, parts, row)


def row_of(state: State, parts: Parts, judged: Judged | None) -> Row:
    """The epoch's row: training's running figures, then validation's. Raises NotFiniteError."""
    logits, targets = (table.numpy() for table in state.running.tables())
    row: Row = {"epoch": state.epoch + 1, "seconds": 0.0, "lr": rate_of(state)}
    row["train_loss"] = state.running.loss_sum() / len(targets)
    refuse_not_finite(state, parts, row["train_loss"])
    if state.running.penalised_steps:
        row["train_penalty"] = state.running.penalty_sum() / state.running.penalised_steps
    train = parts.measure(logits, targets)
    val: dict[str, float] = {}
    if judged is not None:
        row["val_loss"] = parts.loss(*map(torch.from_numpy, judged)).item()
        refuse_not_finite(state, parts, row["val_loss"], "validation loss")
        val, state.validated = parts.measure(*judged), len(judged[1])
    row |= {f"train_{name}": value for name, value in train.items()}
    return row | {f"val_{name}": value for name, value in val.items()}


def note_epoch(state: State, plan: Plan, parts: Parts, row: Row) -> bool:
    """Close the epoch in `state`. -> whether it is the best so far

    While the figure is not defined (nan), the newest epoch counts as the best; an epoch without
    validation does so only before the first one that has it.
    """
    gain = plan.sign * row.get(f"val_{plan.monitor}", math.nan)
    best = max((old for old in state.monitored if not math.isnan(old)), default=-math.inf)
    is_best = best == -math.inf if math.isnan(gain) else gain > best
    if gain == best and state.best_epoch is not None and state.best_epoch > plan.first:
        is_best = row["val_loss"] < state.history[state.best_epoch - 1]["val_loss"]
    is_best = parts.ranks.of_first(is_best)
    row["stage"] = state.stage + 1
    state.history.append(row)
    state.monitored.append(gain)
    state.epoch, state.step, state.seconds = state.epoch + 1, 0, 0.0
    state.running = Running()
    if is_best:
        state.best_epoch = state.epoch
    return is_best


def out_of_patience(state: State, plan: Plan) -> str | None:
    """That nothing has become better in this stage for too long, in words; None while it may."""
    if plan.patience is None or state.best_epoch is None:
        return None
    count = counted(plan.patience, "epoch" if plan.validate_every == 1 else "validation")
    losses = [row.get("val_loss", math.nan) for row in state.history[plan.first :]]
    if plan.min_delta is not None:
        worse = times_worse(losses, plan.min_delta, state.patient_from - plan.first)
        what = f"the validation loss was more than {plan.min_delta:g} above its least in {count}"
        return f"stopped early: {what}" if worse >= plan.patience else None
    by_loss = plan.first > 0 and 0 < state.validated < FEW
    better = [-loss for loss in losses] if by_loss else state.monitored[plan.first :]
    known = [value for value in better if not math.isnan(value)]
    # of equals the first; where no figure is defined, the newest counts as the best
    last = plan.first + better.index(max(known)) + 1 if known else state.best_epoch
    waited = state.history[max(last, state.patient_from) :]
    if sum(any(name.startswith("val_") for name in row) for row in waited) < plan.patience:
        return None
    what = "less validation loss" if by_loss else f"better {plan.monitor}"
    return f"stopped early: no {what} for {count}"


def times_worse(losses: Sequence[float], delta: float, start: int = 0) -> int:
    """How many validations are counted as worse after the last of the losses (nan: none was made).

    A loss below the least so far begins the count anew, one above that by more than `delta`
    counts, and one between does neither. Before place `start` nothing is counted.
    """
    least, worse = math.inf, 0
    for place, loss in enumerate(losses):
        if loss < least:
            least, worse = loss, 0
        elif loss > least + delta and place >= start:
            worse += 1
    return worse


def all_done(plan: Plan) -> str:
    """That nothing is left to train, in words."""
    stage = f" of stage {plan.stage}" if plan.stage else ""
    if plan.epochs == 1:
        return f"the 1 epoch{stage} is done"
    return f"all {plan.epochs} epochs{stage} are done"


def step_row(state: State, loss: float, logits: torch.Tensor, targets: torch.Tensor) -> Row:
    """What steps.csv tells of the step that was just made, with the batch's own figures."""
    several = targets.dim() == 2  # then the share of its decisions that are right
    right = ((logits > 0) if several else logits.argmax(1)) == targets
    place = {"epoch": state.epoch + 1, "step": state.step}
    return {**place, "loss": loss, "accuracy": right.float().mean().item(), "lr": rate_of(state)}


def has_step_row(state: State, plan: Plan, parts: Parts) -> bool:
    """Whether the step that was just made has a row of steps.csv; an epoch's last one has."""
    return state.step == len(parts.batches.sizes) or state.step % plan.steps_every == 0


def rate_of(state: State) -> float:
    """The learning rate now, of the first group."""
    return float(state.optimizer.param_groups[0]["lr"])


def epoch_line(row: Row, plan: Plan, is_best: bool) -> str:
    """One line an epoch: "epoch  3/20  1.2 s  lr 0.001  train loss 0.2134  val loss 0.1837"."""
    place = f"{int(row['epoch']):>{len(str(plan.last))}}"
    words = [
        plan.named(int(row["epoch"])) if plan.stage else f"epoch {place}/{plan.last}",
        f"{row['seconds']:.1f} s",
        f"lr {row['lr']:.2g}",
        f"train loss {row['train_loss']:.4f}",
    ]
    figures = [each for each in plan.figures if each != "loss" and f"train_{each}" in row]
    words += [f"train {name} {row[f'train_{name}']:.4f}" for name in figures]
    if "train_penalty" in row:
        words.append(f"penalty {row['train_penalty']:.4f}")
    if "val_loss" in row:
        words.append(validation_words(row, plan))
    return "  ".join(words) + ("  best" if is_best and "val_loss" in row else "")


def validation_words(row: Row, plan: Plan) -> str:
    """An epoch's figures of validation that are told: "val loss 0.1837  val accuracy 0.94"."""
    told = [name for name in plan.told if f"val_{name}" in row]
    return "  ".join(f"val {name} {row[f'val_{name}']:.4f}" for name in told)


def refuse_not_finite(state: State, parts: Parts, value: float, what: str = "loss") -> None:
    """Raise NotFiniteError where a loss is nan or infinite, in this process or another."""
    if not parts.ranks.any_of(not math.isfinite(value)):
        return
    best, rate = state.best_epoch, state.optimizer.param_groups[0]["base_lr"]
    kept = f"the weights of epoch {best} are kept" if best else "there are no good weights yet"
    raise NotFiniteError(
        f"epoch {state.epoch + 1}, step {state.step}: the {what} is {value}; {kept}; "
        f"try a lower --lr (it is {rate:g})"
    )
