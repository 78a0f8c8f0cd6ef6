from contextlib import nullcontext

import torch
from torch import nn

from fieldmark.models import layer_times as tested
from fieldmark.models.layer_times import PASSES, layer_times


class Working(nn.Module):
    """Takes as many seconds as it is told."""

    def __init__(self, time, seconds):
        super().__init__()
        self.time, self.seconds = time, seconds

    def forward(self, images):
        self.time.now += self.seconds
        return images


class Time:
    now = 0.0


def network(time):
    inner = nn.Sequential(Working(time, 0.5), nn.Dropout())
    return nn.Sequential(Working(time, 0.25), inner, nn.BatchNorm2d(3))


def test_the_slowest_layer_comes_first_with_its_seconds_a_pass(monkeypatch):
    time = Time()
    monkeypatch.setattr(tested, "_now", lambda _: time.now)
    whole, layers = layer_times(network(time), torch.rand(2, 3, 4, 4), nullcontext)
    assert whole == 0.75
    assert [(each.name, each.type, each.seconds) for each in layers] == [
        ("1.0", "Working", 0.5),
        ("0", "Working", 0.25),
        ("1.1", "Dropout", 0.0),
        ("2", "BatchNorm2d", 0.0),
    ]
    assert time.now == 0.75 * (PASSES + 1)


def test_a_slow_network_passes_once_and_a_layer_that_is_used_twice_counts_twice(monkeypatch):
    time = Time()
    monkeypatch.setattr(tested, "_now", lambda _: time.now)
    one = Working(time, 6.0)
    whole, layers = layer_times(nn.Sequential(one, nn.Identity(), one), torch.rand(1), nullcontext)
    assert (whole, time.now) == (12.0, 24.0)
    assert [(each.name, each.seconds) for each in layers] == [("0", 12.0), ("1", 0.0)]


def test_the_network_stays_as_it_is():
    tested_on = network(Time()).train()
    before = {name: value.clone() for name, value in tested_on.state_dict().items()}
    layer_times(tested_on, torch.rand(2, 3, 4, 4), nullcontext)
    assert all(module.training for module in tested_on.modules())
    assert all(torch.equal(value, before[n]) for n, value in tested_on.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in tested_on.modules())


def test_the_time_is_one_that_goes_on():
    assert 0 < tested._now(None) <= tested._now(torch.zeros(1))
