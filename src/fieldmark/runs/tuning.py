"""Where a head was trained before more of the network: the start of the tuning, and its outcome.

The tuning is validated on images that were put aside, or that the first fold holds out. In the
latter case it begins with the head that was trained without these. What it comes to is the mean
of the weights before and after it that does best on them, of which the change is added to the head
that was trained on all images; where that is the start itself, this head alone is kept.

Wortsman et al., "Robust fine-tuning of zero-shot models", 2022 (WiSE-FT): of a network whose head
was trained first, the mean is as a rule better than either end, and costs a few validations.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch

from fieldmark.console import Console
from fieldmark.errors import counted
from fieldmark.fit.checkpoint import Checkpoints, Tensors
from fieldmark.fit.epochs import validation_words
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.plan import Judged, Parts, Plan
from fieldmark.fit.state import State
from fieldmark.models.body import body_and_head
from fieldmark.records import Samples
from fieldmark.runs.on_images import OnImages

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the weights after the tuning


def enough_alone(state: State, samples: Samples, least: int) -> str:
    """Why nothing is trained after the head, in words; "" where more is.

    least: mistakes on the images that would validate what follows; with 0 something always does.
    Of a few mistakes that are left nobody could tell whether they become fewer by training more.
    """
    if state.best_epoch is None:
        return ""
    best = state.history[state.best_epoch - 1]
    accuracy = best.get("val_accuracy", best.get("val_subset_accuracy", math.nan))
    folds, images = 1, len(samples.rows("val"))
    if samples.folds is not None and state.out_of_fold is not None:
        folds, images = int(samples.folds.max()) + 1, len(state.out_of_fold)
    if least and samples.folds is not None and math.isnan(accuracy):
        return (
            "only the head was trained: no image could be spared to see whether training more of "
            "the network helps; train.least_mistakes=0 tries"
        )
    if math.isnan(accuracy) or round((1 - accuracy) * images) >= least * folds:
        return ""
    wrong = round((1 - accuracy) * images)
    one = f", {round(wrong / folds)} in the fold that would validate more" if wrong > folds else ""
    return (
        f"only the head was trained: it is wrong on {wrong} of {images} validation images{one}, "
        "too few to see whether training more of the network helps; train.least_mistakes=0 tries"
    )


def hold_out(state: State, trainer: OnImages, console: Console) -> None:
    """Begin with the head that was trained without the images that `trainer` validates on.

    What comes has to be better than it on these, and not than all folds' heads on all images.
    """
    assert state.best_epoch is not None
    _put_held_out(state)
    logits, targets = trainer.validate(state.model)
    plan, found = trainer.plan(state), trainer.parts.measure(logits, targets)
    loss = trainer.parts.loss(torch.from_numpy(logits), torch.from_numpy(targets)).item()
    figures = {"val_loss": loss, **{f"val_{name}": value for name, value in found.items()}}
    console.say(
        f"what follows is validated on the first fold, {counted(len(targets), 'image')}; "
        f"the head without them: {validation_words(figures, plan)}"
    )
    state.monitored = [math.nan] * len(state.monitored)
    state.monitored[state.best_epoch - 1] = plan.sign * found[plan.monitor]


def average_ends(state: State, trainer: OnImages, keeper: Keeper, console: Console) -> None:
    """Find the best mean of the weights before and after the tuning, which is kept from now on.

    Done once for so many epochs: a run that is killed after it does not do it again.
    """
    checkpoints = keeper.checkpoints
    if state.head_epoch is None or any(row["epoch"] == state.epoch for row in state.shares):
        return
    own, (epoch, after) = copy_of_weights(state), after_tuning(state, checkpoints)
    before = before_tuning(state, checkpoints)

    def judge(share: float) -> Judged:
        state.model.load_state_dict(mean_of(before, after, share))
        return trainer.validate(state.model)

    rows = judged_shares(judge, trainer.plan(state), trainer.parts)
    best = best_share(rows)
    state.tuned = torch.from_numpy(judge(best)[0]) if best and state.held_out else None
    state.model.load_state_dict(own)
    state.shares = [{**row, "epoch": state.epoch, "kept": row["share"] == best} for row in rows]
    state.best_epoch = epoch if best else state.head_epoch
    keeper.save(state, after if best else None)
    losses = ", ".join(f"{row['share']:g}: {row['val_loss']:.4f}" for row in rows)
    console.say(f"mean of the weights before and after: {best:g} of after (val loss {losses})")


def mean_of(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], share: float
) -> Tensors:
    """Weights between two of one network; share: of `after`. Whole numbers are those of `after`."""
    return {
        name: torch.lerp(before[name], tensor.to(before[name].device), share)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in after.items()
    }


def moved(
    start: Mapping[str, torch.Tensor],
    before: Mapping[str, torch.Tensor],
    after: Mapping[str, torch.Tensor],
) -> Tensors:
    """`start` with what changed from `before` to `after`, wherever those two are computed.

    Whole numbers are those of `after`.
    """
    return {
        name: start[name] + (tensor - before[name]).to(start[name].device)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in after.items()
    }


def judged_shares(
    judge: Callable[[float], Judged], plan: Plan, parts: Parts
) -> list[dict[str, float]]:
    """A row a share: share, val_loss and the monitored figure, signed so that more is better.

    judge: a share -> logits (n, C) and targets (n,) of validation by the mean of this share.
    """
    rows = []
    for share in SHARES:
        logits, targets = judge(share)
        loss = parts.loss(torch.from_numpy(logits), torch.from_numpy(targets)).item()
        gain = plan.sign * parts.measure(logits, targets)[plan.monitor]
        rows.append({"share": share, "val_loss": loss, "gain": gain})
    return rows


def best_share(rows: Sequence[Mapping[str, float]]) -> float:
    """The share with the least loss; of equals the smallest, which is nearest to the start."""
    finite = [row for row in rows if math.isfinite(row["val_loss"])]
    return min(finite, key=lambda row: row["val_loss"])["share"] if finite else 0.0


def best_weights(state: State, checkpoints: Checkpoints) -> Tensors:
    """The weights that a run keeps, by their names in a Classifier.

    Where folds held images out of the tuning, what it changed is added to the start with the head
    that was trained on all: only the figures of validation are of the head without them.
    """
    assert state.best_epoch is not None
    if state.best_epoch == state.head_epoch:
        return checkpoints.read_start()
    best = checkpoints.read_best(state.best_epoch)
    kept = [row["share"] for row in state.shares if row["kept"] and row["epoch"] == state.epoch]
    if not kept:
        return best
    before = before_tuning(state, checkpoints)
    mean = mean_of(before, best, kept[0])
    return moved(checkpoints.read_start(), before, mean) if state.held_out else mean


def after_tuning(state: State, checkpoints: Checkpoints) -> tuple[int, Tensors]:
    """The epoch that the tuning came to, its best one or else its last, and its weights."""
    best = state.best_epoch
    if best is not None and best != state.head_epoch:
        return best, checkpoints.read_best(best)
    judged = state.judged.state_dict().items()
    return state.epoch, {name: tensor.detach().clone() for name, tensor in judged}


def before_tuning(state: State, checkpoints: Checkpoints) -> Tensors:
    """The weights with which the tuning began; the network is afterwards as it was."""
    own = copy_of_weights(state)
    state.model.load_state_dict(checkpoints.read_start())
    if state.held_out:
        _put_held_out(state)
    before = copy_of_weights(state)
    state.model.load_state_dict(own)
    return before


def copy_of_weights(state: State) -> Tensors:
    """A copy of the network's weights."""
    return {name: tensor.detach().clone() for name, tensor in state.model.state_dict().items()}


def _put_held_out(state: State) -> None:
    body_and_head(state.model.network)[1].load_state_dict(state.held_out)  # type: ignore[arg-type]
