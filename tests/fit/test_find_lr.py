import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from fieldmark.fit.find_lr import Search, find_lr, suggest
from fieldmark.fit.loop import seed_step, step
from fieldmark.fit.losses import Loss, cross_entropy
from fieldmark.fit.plan import Parts, Plan
from fieldmark.fit.schedules import none
from fieldmark.fit.state import State
from fieldmark.models import precision

CPU = torch.device("cpu")
SEARCH = Search(first=1e-5, last=10.0, steps=40)


class _Batches:
    """Batches of vectors whose class is the place of the largest of four numbers."""

    def __init__(self, steps=3):
        self.sizes = [16] * steps

    def __len__(self):
        return len(self.sizes)

    def epoch(self, epoch, start=0):
        draw = torch.Generator().manual_seed(epoch)
        for _ in self.sizes[start:]:
            images = torch.randn(16, 3, 2, 2, generator=draw)
            yield images, images.flatten(1)[:, :4].argmax(dim=1)


def parts(**changed):
    own = Parts(
        batches=_Batches(),
        loss=cross_entropy(np.ones(4)),
        schedule=none(),
        autocast=precision.autocast("float32", CPU),
        device=CPU,
        measure=lambda logits, targets: {},
    )
    return replace(own, **changed)


def new_state(kind=torch.optim.AdamW, **options):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(12, 32), torch.nn.BatchNorm1d(32), torch.nn.ReLU()]
    layers += [torch.nn.Dropout(0.1), torch.nn.Linear(32, 4)]
    model = torch.nn.Sequential(torch.nn.Flatten(), *layers).train()
    return State(model, kind(model.parameters(), **{"lr": 0.01, **options}))


def bits(value):
    """All of a state but where its time went."""
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {str(key): bits(each) for key, each in value.items() if key != "times"}
    return [bits(each) for each in value] if isinstance(value, (list, tuple)) else value


def test_rates_rise_exponentially_from_the_first_to_the_last():
    rows = find_lr(new_state(), Plan(1, 0), parts(), lr=0.01, search=replace(SEARCH, last=0.01))
    rates = np.array([row["lr"] for row in rows])
    assert rates == pytest.approx(np.geomspace(1e-5, 0.01, 40))
    assert [row["step"] for row in rows] == list(range(1, 41))


def test_losses_are_those_of_steps_with_these_rates():
    state, plan, found = new_state(), Plan(1, 5), parts()
    rows = find_lr(state, plan, found, lr=0.01, search=SEARCH)
    losses = []
    for place, row in enumerate(rows):
        state.epoch, state.step = divmod(place, 3)
        state.optimizer.param_groups[0]["lr"] = row["lr"]
        seed_step(5, state.epoch, state.step)
        images, targets = list(found.batches.epoch(state.epoch))[state.step]
        losses.append(step(state, plan, found, images, targets)[0].item())
    assert [row["loss"] for row in rows] == losses
    assert len(losses) > 6


def test_the_smoothed_loss_is_the_weighted_mean_of_all_so_far():
    rows = find_lr(new_state(), Plan(1, 0), parts(), lr=0.01, search=SEARCH)
    losses = np.array([row["loss"] for row in rows])
    for place, row in enumerate(rows):
        weights = 0.9 ** np.arange(place, -1, -1)
        assert row["smoothed"] == pytest.approx(np.average(losses[: place + 1], weights=weights))


def test_model_optimiser_and_generators_are_as_they_were():
    state, plan, own = new_state(), Plan(1, 0), parts()
    images, targets = next(own.batches.epoch(9))
    step(state, plan, own, images, targets)  # so that the optimiser holds moments
    before = bits(state.tree()), [bits(p.grad) for p in state.model.parameters()]
    modes = [module.training for module in state.model.modules()]
    torch.manual_seed(4)
    np.random.seed(4)  # noqa: NPY002
    random.seed(4)
    drawn = torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()  # noqa: NPY002
    torch.manual_seed(4)
    np.random.seed(4)  # noqa: NPY002
    random.seed(4)
    assert find_lr(state, plan, own, lr=0.01, search=SEARCH)
    again = torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()  # noqa: NPY002
    assert again == drawn
    assert (bits(state.tree()), [bits(p.grad) for p in state.model.parameters()]) == before
    assert [module.training for module in state.model.modules()] == modes
    assert "base_lr" not in state.optimizer.param_groups[0]


def test_all_is_as_it_was_where_the_user_stops_it_too():
    def stop(row):
        if row["step"] == 3:
            raise KeyboardInterrupt

    state = new_state()
    before, generator = bits(state.tree()), torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        find_lr(state, Plan(1, 0), parts(), lr=0.01, search=SEARCH, told=stop)
    assert bits(state.tree()) == before
    assert torch.equal(torch.get_rng_state(), generator)


def test_the_same_test_gives_the_same_rows():
    state = new_state()
    found = [find_lr(state, Plan(1, 3), parts(), lr=0.01, search=SEARCH) for _ in range(2)]
    assert found[0] == found[1]
    assert find_lr(state, Plan(1, 4), parts(), lr=0.01, search=SEARCH) != found[0]  # dropout


def test_every_group_keeps_its_multiple_of_the_rate():
    seen = []

    class Watching(torch.optim.SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])

    state = new_state()
    first, last = state.model[1], state.model[5]
    groups = [{"params": last.parameters()}, {"params": first.parameters(), "lr": 0.002}]
    state.optimizer = Watching(groups, lr=0.02)
    for group in state.optimizer.param_groups:
        group["base_lr"] = group["lr"]
        group["lr"] = 1e-9  # as a schedule left it
    rows = find_lr(state, Plan(1, 0), parts(), lr=0.01, search=SEARCH)
    rates = np.array([row["lr"] for row in rows])
    assert np.array(seen)[: len(rates)] == pytest.approx(np.stack([2 * rates, rates / 5], axis=1))


def test_a_rate_has_as_many_batches_as_a_step_of_the_optimiser():
    still = replace(SEARCH, last=1.1e-5, steps=6)  # rates that change next to nothing
    single = [row["loss"] for row in find_lr(new_state(), Plan(1, 0), parts(), lr=1, search=still)]
    plan = Plan(1, 0, accumulate=2)
    rows = find_lr(new_state(), plan, parts(), lr=1, search=replace(still, steps=4))
    # of an epoch's three batches the last is a step of its own
    wanted = [np.mean(single[0:2]), single[2], np.mean(single[3:5]), single[5]]
    assert [row["loss"] for row in rows] == pytest.approx(wanted, abs=0.01)


def test_the_loss_of_a_rate_is_the_mean_over_the_images_of_its_batches():
    losses = iter([2.0, 8.0])
    own = parts(loss=Loss(lambda logits, targets: logits.sum() * 0 + next(losses, math.nan)))
    own.batches.sizes = [7, 3]
    own.batches.epoch = lambda _: iter(
        [(torch.ones(n, 3, 2, 2), torch.zeros(n, dtype=int)) for n in (7, 3)]
    )
    rows = find_lr(new_state(), Plan(1, 0, accumulate=2), own, lr=0.01, search=SEARCH)
    assert [row["loss"] for row in rows] == [pytest.approx((7 * 2.0 + 3 * 8.0) / 10)]


def test_it_ends_where_the_loss_runs_away():
    state = new_state(torch.optim.SGD)
    search = replace(SEARCH, last=1e9, smoothing=0.5)
    rows = find_lr(state, Plan(1, 0), parts(), lr=0.01, search=search)
    smoothed = [row["smoothed"] for row in rows]
    assert len(rows) < 40
    assert smoothed[-1] > 4 * min(smoothed)
    assert all(value <= 4 * min(smoothed[: n + 1]) for n, value in enumerate(smoothed[:-1]))


def test_it_ends_before_a_loss_that_is_not_finite():
    losses = iter([2.0, 1.0, float("nan"), 0.5])
    own = parts(loss=Loss(lambda logits, targets: logits.sum() * 0 + next(losses)))
    rows = find_lr(new_state(), Plan(1, 0), own, lr=0.01, search=SEARCH)
    assert [row["loss"] for row in rows] == [2.0, 1.0]


def test_each_row_is_told_as_it_comes():
    told = []
    rows = find_lr(new_state(), Plan(1, 0), parts(), lr=0.01, search=SEARCH, told=told.append)
    assert told == rows


def test_without_images_there_are_no_rows():
    assert find_lr(new_state(), Plan(1, 0), parts(batches=_Batches(0)), lr=1, search=SEARCH) == []


def rows_of(smoothed, first=1e-6):
    return [
        {"step": n, "lr": first * 10 ** (n / 10), "loss": value, "smoothed": value}
        for n, value in enumerate(smoothed)
    ]


def test_suggested_is_the_middle_of_the_longest_fall():
    flat, fall, rise = [2.0] * 30, np.linspace(2, 1, 20), np.linspace(1, 5, 20)
    rows = rows_of([*flat, *fall, *rise])
    # the fall ends at place 49 and is 20 long; the first tenth and the last five do not count
    assert suggest(rows) == pytest.approx(rows[39]["lr"], rel=0.3)


def test_single_losses_that_jump_do_not_end_a_fall():
    fall = np.linspace(2, 1, 40)
    fall[::7] += 0.5
    rows = rows_of([*[2.0] * 10, *fall, *np.linspace(1, 5, 10)])
    assert rows[25]["lr"] < suggest(rows) < rows[40]["lr"]


@pytest.mark.parametrize("losses", [[], [2.0] * 3, [2.0] * 60, np.linspace(1, 5, 60)])
def test_where_the_loss_never_falls_nothing_is_suggested(losses):
    assert suggest(rows_of(losses)) is None


def test_the_suggested_rate_learns_and_a_far_higher_one_does_not():
    def loss_after(rate):
        state = new_state(torch.optim.SGD, lr=rate)
        for place in range(24):
            state.epoch, state.step = divmod(place, 3)
            images, targets = list(own.batches.epoch(state.epoch))[state.step]
            last = step(state, plan, own, images, targets)[0].item()
        return last

    plan, own = Plan(1, 0), parts()
    state = new_state(torch.optim.SGD)
    rows = find_lr(
        state, plan, own, lr=0.01, search=replace(SEARCH, first=1e-4, last=100, steps=80)
    )
    rate = suggest(rows)
    assert rows[0]["lr"] < rate < rows[-1]["lr"]
    assert loss_after(rate) < 0.85 * rows[0]["loss"]
    assert not loss_after(1e4 * rate) < loss_after(rate)
