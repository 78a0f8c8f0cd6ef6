"""Trials side by side: each is what it would be alone, and what the loop would make of it."""

import copy
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fieldmark.console import Console
from fieldmark.data.loader import Batches, Images
from fieldmark.errors import StoppedError
from fieldmark.fit import loop
from fieldmark.fit.averages import Ema, Lookahead
from fieldmark.fit.heads import Embedded, HeadParts, Trial, fit_heads
from fieldmark.fit.loop import Parts, Plan
from fieldmark.fit.losses import cross_entropy
from fieldmark.fit.optimizers import adamw, sgd
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.schedules import cosine, none, plateau
from fieldmark.fit.state import State
from fieldmark.judge.metrics import measure
from fieldmark.models import precision
from fieldmark.models.heads import Linear32

CPU = torch.device("cpu")
CLASSES, D = 3, 12
PLAN = Plan(4, seed=0, monitor="accuracy", steps_every=2)
CONSOLE = Console(quiet=True)


def embedded(count, seed, views=None):
    """Features in which the class shows, as maps of one pixel, so that the loop takes them too."""
    draw = np.random.default_rng(seed)
    targets = np.arange(count) % CLASSES
    found = draw.normal(size=(views or 1, count, D)).astype(np.float32)
    found[:, np.arange(count), targets] += 1.5
    whole = torch.from_numpy(found)[..., None, None]
    return Embedded(whole[0], targets, None if views is None else whole)


TRAIN, VAL = embedded(41, 1), embedded(30, 2)


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), Linear32(D, CLASSES))


def deep(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(),
        nn.BatchNorm1d(D),
        nn.Linear(D, 8),
        nn.ReLU(),
        nn.Dropout(0.3),
        Linear32(8, CLASSES),
    )


def trial(tail, seed, lr):
    return Trial(tail, seed, lambda parameters: adamw(parameters, lr=lr))


def head_parts(**changes):
    parts = HeadParts(
        loss=cross_entropy(np.bincount(TRAIN.targets), label_smoothing=0.1),
        schedule=cosine(),
        measure=measure,
        batch_size=8,
        device=CPU,
    )
    return replace(parts, **changes)


def trained(trials, train=TRAIN, val=VAL, *, plan=PLAN, begun=None, **changes):
    parts = head_parts(**changes)
    return fit_heads(trials, train, val, plan=plan, parts=parts, console=CONSOLE, begun=begun)


def without_seconds(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def assert_same(one, other):
    assert one.best_epoch == other.best_epoch
    torch.testing.assert_close(one.weights, other.weights, rtol=1e-4, atol=1e-5)
    for rows, others in ((one.history, other.history), (one.steps, other.steps)):
        pairs = zip(without_seconds(rows), without_seconds(others), strict=True)
        for row, wanted in pairs:
            assert row == pytest.approx(wanted, rel=1e-3, abs=1e-5, nan_ok=True)


class FeaturesAsImages(Images):
    def __init__(self, known):
        self.known, self.targets = known, known.targets

    def __getitems__(self, keys):
        rows = [row for _, row, _ in keys]
        return self.known.features[rows], torch.from_numpy(self.targets[rows])


def by_the_loop(tail, seed, lr, plan, parts):
    """The same training by the loop's own steps; the best weights are taken as it would."""
    state = State(tail, adamw(tail.parameters(), lr=lr))
    state.ema = Ema(tail, parts.ema) if parts.ema else None
    if parts.lookahead:
        state.ema = Lookahead(tail, parts.lookahead)
    batches = Batches(
        FeaturesAsImages(TRAIN),
        np.arange(41),
        batch_size=8,
        seed=seed,
        workers=0,
        sampling=parts.sampling,
    )

    def validate(model):
        with torch.no_grad():
            return model.eval()(VAL.features).numpy(), VAL.targets

    whole = Parts(
        batches=batches,
        loss=parts.loss,
        schedule=parts.schedule,
        autocast=precision.autocast("float32", CPU),
        device=CPU,
        measure=measure,
        validate=validate,
        penalty=parts.penalty,
    )
    plan, best = replace(plan, seed=seed), {}
    for _ in range(plan.epochs):
        tail.train()
        for images, targets in batches.epoch(state.epoch):
            loop.seed_step(seed, state.epoch, state.step)
            loop.set_rate(state, plan, whole)
            loss, logits = loop.step(state, plan, whole, images, targets)
            state.step += 1
            state.running.add(loss, logits, targets)
        if loop.note_epoch(state, plan, loop.finish_epoch(state, plan, whole)):
            state.best_epoch = state.epoch
            best = {k: v.clone() for k, v in state.judged.state_dict().items()}
    return state.history, best


@pytest.mark.parametrize("build", [linear, deep])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ema": 0.9},
        {"sampling": "balanced"},
        {"lookahead": 2, "penalty": Penalty(l1=1e-3, l2=1e-2, on="weights")},
    ],
    ids=["plain", "ema", "balanced", "lookahead and penalty"],
)
def test_a_trial_is_what_the_loop_makes_of_the_same_head(build, changes):
    plan = replace(PLAN, accumulate=2, clip_norm=0.5)
    first, second = trained(
        [trial(build(), 7, 0.02), trial(build(), 8, 0.01)], plan=plan, **changes
    )
    for found, seed, lr in ((first, 7, 0.02), (second, 8, 0.01)):
        history, best = by_the_loop(build(), seed, lr, plan, head_parts(**changes))
        torch.testing.assert_close(found.weights, best, rtol=1e-3, atol=1e-4)
        for row, wanted in zip(without_seconds(found.history), history, strict=True):
            assert row == pytest.approx(
                {k: v for k, v in wanted.items() if k != "seconds"}, rel=1e-3, abs=1e-4, nan_ok=True
            )


@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5)])
def test_a_group_of_batches_has_the_gradient_of_all_its_images(weights):
    """41 images in batches of 8, 8, 8, 8 and 9: one group, so an epoch is one step on all."""
    loss = cross_entropy(np.bincount(TRAIN.targets), class_weights=weights)
    tail = nn.Sequential(nn.Flatten(), Linear32(D, CLASSES))
    one = Trial(tail, 3, lambda parameters: sgd(parameters, lr=0.5, momentum=0.0, weight_decay=0.0))
    plan = replace(PLAN, epochs=1, accumulate=5)
    (found,) = trained([one, one], plan=plan, loss=loss, schedule=none())[:1]
    by_hand = copy.deepcopy(tail)
    weight = None if weights is None else torch.tensor(weights)
    functional.cross_entropy(
        by_hand(TRAIN.features), torch.from_numpy(TRAIN.targets), weight=weight
    ).backward()
    for name, parameter in by_hand.named_parameters():
        torch.testing.assert_close(found.weights[name], parameter.detach() - 0.5 * parameter.grad)


def test_trials_side_by_side_are_what_each_is_alone():
    """Rates, seeds (order, start and dropout) and builds of all kinds, in one call."""
    trials = [
        trial(linear(1), 1, 0.1),
        trial(deep(2), 2, 0.01),
        trial(linear(3), 3, 0.001),
        trial(deep(2), 2, 0.05),
    ]
    together = trained(trials, schedule=plateau(wait=0))
    for one, found in zip(trials, together, strict=True):
        assert_same(found, *trained([one], schedule=plateau(wait=0)))
    assert together[0].weights.keys() != together[1].weights.keys()
    assert together[0].history != together[2].history


def test_nothing_that_was_given_changes_and_the_same_comes_again():
    tail = linear()
    before = {name: value.clone() for name, value in tail.state_dict().items()}
    state, numbers, words = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    first, again = (trained([trial(tail, 5, 0.05)])[0] for _ in range(2))
    assert without_seconds(first.history) == without_seconds(again.history)
    for name in before:
        assert torch.equal(tail.state_dict()[name], before[name])
        assert torch.equal(first.weights[name], again.weights[name])
    assert not torch.equal(first.weights["2.weight"], before["2.weight"])
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numbers).all()  # noqa: NPY002
    assert random.getstate() == words


def test_a_head_learns_and_its_best_weights_are_kept():
    (found,) = trained([trial(linear(), 0, 0.05)], plan=replace(PLAN, epochs=20))
    best = max(found.gains)
    assert best > 0.65  # by chance it would be a third
    assert found.gains[found.best_epoch - 1] == best
    tail = linear(9)
    tail.load_state_dict(found.weights)
    logits = tail.eval()(VAL.features).argmax(1).numpy()
    assert (logits == VAL.targets).mean() == pytest.approx(best)
    assert found.ended == "all 20 epochs are done"
    assert [row["step"] for row in found.steps[:3]] == [2, 4, 5]


def test_a_trial_out_of_patience_ends_and_the_others_go_on():
    plan = replace(PLAN, epochs=12, patience=2)
    stuck = trial(linear(), 0, 1e-12)
    going = trial(linear(), 0, 0.003)
    first, second = trained([stuck, going], plan=plan)
    assert first.best_epoch == 1
    assert len(first.history) == 3
    assert first.ended == "no better accuracy for 2 epochs"
    assert len(second.history) > 3
    assert_same(second, *trained([going], plan=plan))


def test_a_trial_that_diverges_ends_only_itself():
    wild = Trial(linear(), 0, lambda parameters: sgd(parameters, lr=1e38, momentum=0.0))
    good = trial(linear(), 0, 0.05)
    first, second = trained([wild, good])
    assert first.error is not None
    assert "lower --lr" in first.error
    assert second.error is None
    assert_same(second, *trained([good]))


def test_epoch_after_epoch_another_view_is_trained_on():
    views = embedded(41, 1, views=2)
    swapped = replace(views, views=views.views.flip(0))
    plan = replace(PLAN, epochs=2)
    first, second = (
        trained([trial(linear(), 0, 0.05)], each, plan=plan)[0] for each in (views, swapped)
    )
    one_view = replace(views, views=views.views[:1])
    (only,) = trained([trial(linear(), 0, 0.05)], one_view, plan=plan)
    losses = [[row["train_loss"] for row in each.history] for each in (first, second, only)]
    assert losses[0][0] == losses[2][0] != losses[1][0]
    assert losses[0][1] != losses[2][1]


def test_epochs_are_counted_on_from_the_stages_before():
    tail = linear()
    begun = State(tail, adamw(tail.parameters()), epoch=2, stage=1, stage_begun=2)
    begun.history, begun.gains, begun.best_epoch = [{"val_loss": 1.0}] * 2, [0.1, 2.0], 2
    (found,) = trained([trial(tail, 0, 0.05)], plan=replace(PLAN, first=2), begun=begun)
    assert [(row["epoch"], row["stage"]) for row in found.history] == [(e, 2) for e in (3, 4, 5, 6)]
    assert len(found.gains) == 4
    assert found.best_epoch == 2
    assert found.weights is None
    assert begun.epoch == len(begun.history) == 2


def test_without_validation_the_last_weights_are_kept():
    (found,) = trained([trial(linear(), 0, 0.05)], val=None)
    assert found.best_epoch == 4
    assert all(math.isnan(gain) for gain in found.gains)
    assert "val_loss" not in found.history[0]


def test_a_stop_is_heard_after_an_epoch():
    with pytest.raises(StoppedError, match="stopped after epoch 1 of 4"):
        trained([trial(linear(), 0, 0.05)], stop_asked=lambda: True)
