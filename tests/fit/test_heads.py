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

from fieldmark import streams
from fieldmark.console import Console
from fieldmark.data.loader import Batches, Images
from fieldmark.errors import StoppedError
from fieldmark.fit import loop
from fieldmark.fit.averages import Ema, Lookahead
from fieldmark.fit.epochs import close_epoch
from fieldmark.fit.heads import Embedded, FeatureBatches, Trial, fit_heads
from fieldmark.fit.losses import cross_entropy
from fieldmark.fit.optimizers import adamw, sgd
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.plan import Parts, Plan
from fieldmark.fit.schedules import cosine, none, plateau
from fieldmark.fit.state import State
from fieldmark.judge.metrics import metrics_of
from fieldmark.models.heads import Linear32
from fieldmark.streams import Stream

CPU = torch.device("cpu")
CLASSES, D = 3, 12
PLAN = Plan(4, seed=0, monitor="accuracy", steps_every=2)
CONSOLE = Console(quiet=True)


def embedded(count, seed, views=1):
    """Features in which the class shows, as maps of one pixel, so that the loop takes them too."""
    draw = np.random.default_rng(seed)
    targets = np.arange(count) % CLASSES
    found = draw.normal(size=(views, count, D)).astype(np.float32)
    found[:, np.arange(count), targets] += 1.5
    return Embedded(torch.from_numpy(found)[..., None, None], np.arange(count), targets)


TRAIN, VAL = embedded(41, 1), embedded(30, 2)


def linear(seed=0):
    torch.manual_seed(seed)
    last = Linear32(D, CLASSES)
    nn.init.normal_(last.weight, std=0.3)  # a new one is zero
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), last)


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


def head_parts(train=TRAIN, seed=0, sampling="all", **changes):
    found = Parts(
        batches=FeatureBatches(train, batch_size=8, seed=seed, sampling=sampling),
        loss=cross_entropy(np.bincount(TRAIN.targets), label_smoothing=0.1),
        schedule=cosine(),
        device=CPU,
        measure=metrics_of,
    )
    return replace(found, **changes)


AVERAGES = {"ema": lambda head: Ema(head, 0.9), "lookahead": lambda head: Lookahead(head, 2)}


def trial(head, seed, lr, train=TRAIN, val=VAL, average=None, **changes):
    return Trial(
        head,
        seed,
        lambda parameters: adamw(parameters, lr=lr),
        head_parts(train, seed, **changes),
        val,
        AVERAGES.get(average, lambda head: None),
    )


def trained(trials, *, plan=PLAN, begun=None, stop_asked=lambda: False):
    return fit_heads(trials, plan=plan, console=CONSOLE, stop_asked=stop_asked, begun=begun)


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
        return self.known.features[0, rows], torch.from_numpy(self.targets[rows])


def by_the_loop(head, seed, lr, plan, parts, average=None, sampling="all"):
    """The same training by the loop's own steps; the best weights are taken as it would."""
    state = State(head, adamw(head.parameters(), lr=lr))
    state.ema = AVERAGES[average](head) if average else None
    images = FeaturesAsImages(TRAIN)
    batches = Batches(images, np.arange(41), batch_size=8, seed=seed, workers=0, sampling=sampling)
    whole, plan, best = replace(parts, batches=batches), replace(plan, seed=seed), {}
    for _ in range(plan.epochs):
        head.train()
        for images, targets in batches.epoch(state.epoch):
            loop.seed_step(seed, state.epoch, state.step)
            loop.set_rate(state, plan, whole)
            loss, logits = loop.step(state, plan, whole, images, targets)
            state.step += 1
            state.running.add(loss, logits, targets)
        with torch.no_grad():
            judged = state.judged.eval()(VAL.features[0]).numpy(), VAL.targets
        if close_epoch(state, plan, whole, judged, 0.0)[1]:
            best = {k: v.clone() for k, v in state.judged.state_dict().items()}
    return state.history, best


@pytest.mark.parametrize("build", [linear, deep])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"average": "ema"},
        {"sampling": "balanced"},
        {"average": "lookahead", "penalty": Penalty(l1=1e-3, l2=1e-2, on="weights")},
    ],
    ids=["plain", "ema", "balanced", "lookahead and penalty"],
)
def test_a_trial_is_what_the_loop_makes_of_the_same_head(build, changes):
    plan = replace(PLAN, accumulate=2, clip_norm=0.5)
    rates = [(7, 0.02), (8, 0.01)]
    trials = [trial(build(), seed, lr, **changes) for seed, lr in rates]
    own = {name: changes[name] for name in ("average", "sampling") if name in changes}
    for found, (seed, lr), one in zip(trained(trials, plan=plan), rates, trials, strict=True):
        history, best = by_the_loop(build(), seed, lr, plan, one.parts, **own)
        torch.testing.assert_close(found.weights, best, rtol=1e-3, atol=1e-4)
        for row, wanted in zip(without_seconds(found.history), history, strict=True):
            assert row == pytest.approx(
                {k: v for k, v in wanted.items() if k != "seconds"}, rel=1e-3, abs=1e-4, nan_ok=True
            )


@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5)])
def test_a_group_of_batches_has_the_gradient_of_all_its_images(weights):
    """41 images in batches of 8, 8, 8, 8 and 9: one group, so an epoch is one step on all."""
    loss = cross_entropy(np.bincount(TRAIN.targets), class_weights=weights)
    head = nn.Sequential(nn.Flatten(), Linear32(D, CLASSES))
    one = trial(head, 3, 0.0, loss=loss, schedule=none())
    plain = {"lr": 0.5, "momentum": 0.0, "weight_decay": 0.0}
    one = replace(one, optimizer=lambda parameters: sgd(parameters, **plain))
    plan = replace(PLAN, epochs=1, accumulate=5)
    found, _ = trained([one, one], plan=plan)
    by_hand = copy.deepcopy(head)
    weight = None if weights is None else torch.tensor(weights)
    functional.cross_entropy(
        by_hand(TRAIN.features[0]), torch.from_numpy(TRAIN.targets), weight=weight
    ).backward()
    for name, parameter in by_hand.named_parameters():
        torch.testing.assert_close(found.weights[name], parameter.detach() - 0.5 * parameter.grad)


def test_trials_side_by_side_are_what_each_is_alone():
    """Rates, seeds (order, start and dropout) and builds of all kinds, in one call."""
    trials = [
        trial(linear(1), 1, 0.1, schedule=plateau(wait=0)),
        trial(deep(2), 2, 0.01, schedule=plateau(wait=0)),
        trial(linear(3), 3, 0.001, schedule=plateau(wait=0)),
        trial(deep(2), 2, 0.05, schedule=plateau(wait=0)),
    ]
    together = trained(trials)
    for one, found in zip(trials, together, strict=True):
        assert_same(found, *trained([one]))
    assert together[0].weights.keys() != together[1].weights.keys()
    assert together[0].history != together[2].history


def own_rows(number):
    """The rows of one head of ten: of a size and an order of the 3 classes of its own."""
    draw = np.random.default_rng(number)
    table, val = embedded(120, 1), embedded(60, 2)
    rows = draw.permutation(120)[: 30 + 7 * number]
    judged = draw.permutation(60)[: 20 + number]
    order = draw.permutation(CLASSES)
    return (
        Embedded(table.features, rows, order[table.targets[rows]]),
        Embedded(val.features, judged, order[val.targets[judged]]),
    )


@pytest.mark.parametrize("build", [linear, deep])
def test_ten_heads_on_ten_sets_of_rows_are_what_each_is_alone(build):
    plan = replace(PLAN, epochs=6, patience=2, accumulate=2)
    trials = [trial(build(n), n % 4, 0.02, *own_rows(n)) for n in range(10)]
    for one, found in zip(trials, trained(trials, plan=plan), strict=True):
        assert_same(found, *trained([one], plan=plan))


def test_the_rows_of_every_head_pass_in_the_order_of_its_seed():
    trials = [trial(linear(), seed, 0.01, own_rows(n)[0]) for n, seed in ((0, 5), (3, 6))]
    for n, seed, one in ((0, 5, trials[0]), (3, 6, trials[1])):
        rows = own_rows(n)[0].rows
        order = streams.draw(Stream.ORDER, seed, 2).permutation(np.arange(len(rows)))
        passed = torch.cat([features for features, _ in one.parts.batches.epoch(2)])
        assert torch.equal(passed, own_rows(n)[0].features[0, rows[order]])


def test_nothing_that_was_given_changes_and_the_same_comes_again():
    head = linear()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    state, numbers, words = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    first, again = (trained([trial(head, 5, 0.05)])[0] for _ in range(2))
    assert without_seconds(first.history) == without_seconds(again.history)
    for name in before:
        assert torch.equal(head.state_dict()[name], before[name])
        assert torch.equal(first.weights[name], again.weights[name])
    assert not torch.equal(first.weights["2.weight"], before["2.weight"])
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numbers).all()  # noqa: NPY002
    assert random.getstate() == words


def test_a_head_learns_and_its_best_weights_are_kept():
    (found,) = trained([trial(linear(), 0, 0.05)], plan=replace(PLAN, epochs=20))
    best = max(found.monitored)
    assert best > 0.65  # by chance it would be a third
    assert found.monitored[found.best_epoch - 1] == best
    head = linear(9)
    head.load_state_dict(found.weights)
    logits = head.eval()(VAL.features[0]).argmax(1).numpy()
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
    assert first.ended == "stopped early: no better accuracy for 2 epochs"
    assert len(second.history) > 3
    assert_same(second, *trained([going], plan=plan))


def test_a_trial_that_diverges_ends_only_itself():
    good = trial(linear(), 0, 0.05)
    wild = replace(good, optimizer=lambda parameters: sgd(parameters, lr=1e38, momentum=0.0))
    first, second = trained([wild, good])
    assert first.error is not None
    assert "lower --lr" in first.error
    assert second.error is None
    assert_same(second, *trained([good]))


def test_epoch_after_epoch_another_view_is_trained_on():
    views = embedded(41, 1, views=2)
    swapped = replace(views, features=views.features.flip(0))
    plan = replace(PLAN, epochs=2)
    first, second = (
        trained([trial(linear(), 0, 0.05, each)], plan=plan)[0] for each in (views, swapped)
    )
    one_view = replace(views, features=views.features[:1])
    (only,) = trained([trial(linear(), 0, 0.05, one_view)], plan=plan)
    losses = [[row["train_loss"] for row in each.history] for each in (first, second, only)]
    assert losses[0][0] == losses[2][0] != losses[1][0]
    assert losses[0][1] != losses[2][1]


def test_epochs_are_counted_on_from_the_stages_before():
    head = linear()
    begun = State(head, adamw(head.parameters()), epoch=2, stage=1, stage_begun=2)
    begun.history, begun.monitored, begun.best_epoch = [{"val_loss": 1.0}] * 2, [0.1, 2.0], 2
    (found,) = trained([trial(head, 0, 0.05)], plan=replace(PLAN, first=2), begun=begun)
    assert [(row["epoch"], row["stage"]) for row in found.history] == [(e, 2) for e in (3, 4, 5, 6)]
    assert len(found.monitored) == 4
    assert found.best_epoch == 2
    assert found.weights is None
    assert begun.epoch == len(begun.history) == 2


def test_without_validation_the_last_weights_are_kept():
    (found,) = trained([trial(linear(), 0, 0.05, val=None)])
    assert found.best_epoch == 4
    assert all(math.isnan(gain) for gain in found.monitored)
    assert "val_loss" not in found.history[0]


def test_a_stop_is_heard_after_an_epoch():
    with pytest.raises(StoppedError, match="stopped after epoch 1 of 4"):
        trained([trial(linear(), 0, 0.05)], stop_asked=lambda: True)
