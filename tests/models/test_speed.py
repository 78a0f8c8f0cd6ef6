from contextlib import nullcontext
from itertools import accumulate, chain, repeat
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fieldmark.machine import threads
from fieldmark.models import speed as speed_module
from fieldmark.models.speed import MOMENT, STEPS, frozen_speed, trained_pace


class Slow(nn.Module):
    """A network that notes how it was asked."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.asked = []

    def forward(self, images):
        modes = tuple(layer.training for layer in self.layers)
        self.asked.append((tuple(images.shape), *modes, torch.get_num_threads()))
        return self.layers(images).mean(dim=(2, 3))


def trained(network, words=("all",), *, norm_frozen=True):
    return trained_pace(
        *(network, 8, 5), trained=words, norm_frozen=norm_frozen, autocast=nullcontext
    )


def timed(monkeypatch, wall, alone):
    """Let runs take these seconds, the last of them again and again; alone: the first, by one
    thread, of the processor's time."""
    each = chain(wall, repeat(wall[-1]))
    now = accumulate(chain.from_iterable((0.0, seconds) for seconds in each))
    of_processor = accumulate(chain.from_iterable(repeat((0.0, alone))))
    clocks = {
        "perf_counter": lambda: next(now),
        "process_time": lambda: next(of_processor),
    }
    monkeypatch.setattr(speed_module, "time", SimpleNamespace(**clocks))


@pytest.mark.parametrize("training", [False, True])
def test_a_measurement_takes_a_moment_and_leaves_the_network_as_it_was(training):
    network = Slow().train(not training)
    network.layers[0].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with threads(2):
        if training:
            found = trained(network).speed
        else:
            found = frozen_speed(network, 8, 5, autocast=nullcontext)
    asked = ((5, 3, 8, 8), training, False, training)  # with the statistics of norms as they are
    assert set(network.asked) == {(*asked, 1), (*asked, 2)} if training else {(*asked, 1)}
    rounds = network.asked.count((*asked, 2 if training else 1))
    assert rounds >= STEPS - (not training)
    assert found >= 5 * (rounds - 1) / MOMENT
    assert network.training is not training
    assert [weight.requires_grad for weight in network.parameters()] == [True, False, True, True]
    assert all(weight.grad is None for weight in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_a_stage_trains_is_timed_and_nothing_else():
    network = Slow()
    seen = []
    network.layers.register_forward_pre_hook(
        lambda *_: seen.append([weight.requires_grad for weight in network.parameters()])
    )
    trained(network, ["layers.0"], norm_frozen=False)
    assert seen[0] == seen[-1] == [True, True, False, False]
    assert network.asked[0][1:4] == (True, False, False)
    trained(network, norm_frozen=False)
    assert network.asked[-1][1:4] == (True, True, True)


def test_the_first_step_warms_up_and_the_least_of_the_others_counts(monkeypatch):
    timed(monkeypatch, [0.25, 0.2, 0.25], alone=9.0)
    assert trained(Slow()) == (pytest.approx(25), True)


def test_of_threads_that_wait_for_each_other_the_time_of_one_alone_counts_and_is_unsure(
    monkeypatch,
):
    timed(monkeypatch, [10.0], alone=1.0)
    network = Slow()
    assert trained(network) == (pytest.approx(5), False)
    assert len(network.asked) == 2  # a step that takes so long is the last
    timed(monkeypatch, [0.2, 0.9, 0.8], alone=9.0)
    assert trained(Slow()) == (pytest.approx(25), False)


def test_a_network_with_classifiers_on_the_way_is_timed_with_them():
    class Several(Slow):
        def forward(self, images):
            made = super().forward(images)
            return (made, 2 * made) if self.training else made

    assert trained(Several()).speed > 0
