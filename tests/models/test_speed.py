from contextlib import nullcontext

import pytest
import torch
from torch import nn

from fieldmark.machine import threads
from fieldmark.models.speed import MOMENT, frozen_speed, trained_speed


class Slow(nn.Module):
    """A network that notes how it was asked."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.asked = []

    def forward(self, images):
        self.asked.append((tuple(images.shape), self.training, torch.get_num_threads()))
        return self.layers(images).mean(dim=(2, 3))


@pytest.mark.parametrize(("speed", "training"), [(frozen_speed, False), (trained_speed, True)])
def test_a_measurement_takes_a_moment_and_leaves_the_network_as_it_was(speed, training):
    network = Slow().train(not training)
    network.layers[0].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with threads(2):
        found = speed(network, 8, 5, autocast=nullcontext)
    rounds = len(network.asked) - 1  # but the first
    assert set(network.asked) == {((5, 3, 8, 8), training, 2 if training else 1)}
    assert found >= 5 * (rounds - 1) / MOMENT
    assert network.training is not training
    assert [weight.requires_grad for weight in network.parameters()] == [True, False, True, True]
    assert all(weight.grad is None for weight in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
