import math

import pytest
import torch
from torch import nn

from fieldmark.models.cifar_fast import cifar_fast
from fieldmark.models.initialise import INITS


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 64, 5),
        nn.BatchNorm2d(64),
        nn.PReLU(init=0.7),
        nn.Conv2d(64, 32, 3, groups=2, bias=False),
        nn.GroupNorm(2, 32),
        nn.Flatten(),
        nn.LazyLinear(100),
        nn.LayerNorm(100),
        nn.Linear(100, 10, bias=False),
        nn.BatchNorm1d(10, affine=False),
    )


def begun(name, seed=1):
    whole = network()
    whole(torch.rand(2, 3, 12, 12))  # running statistics, and the lazy layer's sides
    for norm in (whole[1], whole[4], whole[7]):
        nn.init.constant_(norm.weight, 3.0)
        nn.init.constant_(norm.bias, 2.0)
    before = {key: value.clone() for key, value in whole.state_dict().items()}
    torch.manual_seed(seed)
    INITS.build(name, {})(whole)
    return whole.requires_grad_(False), before


def test_pytorch_changes_nothing_and_draws_nothing():
    whole, before = begun("pytorch")
    assert all(torch.equal(value, before[key]) for key, value in whole.state_dict().items())
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))


@pytest.mark.parametrize(("place", "fan_out"), [(0, 64 * 25), (3, 32 * 9)])
def test_kaiming_gives_convolutions_a_variance_of_two_over_their_outputs_and_kernel(place, fan_out):
    layer = begun("kaiming")[0][place]
    assert layer.weight.std() == pytest.approx(math.sqrt(2 / fan_out), rel=0.05)
    assert layer.weight.mean().abs() < 0.01
    assert layer.bias is None or not layer.bias.any()


def test_kaiming_gives_linear_layers_a_deviation_of_a_hundredth():
    whole, _ = begun("kaiming")
    for layer in (whole[6], whole[8]):
        assert layer.weight.std() == pytest.approx(0.01, rel=0.1)
    assert not whole[6].bias.any()


def test_kaiming_gives_norms_a_weight_of_one_and_a_bias_of_zero():
    whole, _ = begun("kaiming")
    for norm in (whole[1], whole[4], whole[7]):
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert not norm.bias.any()


def test_kaiming_leaves_what_it_says_that_it_leaves():
    whole, before = begun("kaiming")
    untouched = ["2.weight", *(key for key in before if "running" in key)]
    assert len(untouched) == 5
    assert all(torch.equal(whole.state_dict()[key], before[key]) for key in untouched)
    attention, fast = nn.MultiheadAttention(8, 2), cifar_fast(3)
    kept = [attention.in_proj_weight, fast.whiten.weight, fast.block1.norm1.weight]
    values = [tensor.clone() for tensor in kept]
    INITS.build("kaiming", {})(attention)
    INITS.build("kaiming", {})(fast)
    assert all(map(torch.equal, kept, values))


def test_the_same_seed_gives_the_same_bits_and_another_gives_others():
    first, again, other = (begun("kaiming", seed)[0][0].weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_unknown_initialisation_is_met_with_the_nearest():
    _, mistakes = INITS.read("kaimming", {})
    assert mistakes[0].what == "there is no initialisation 'kaimming'; did you mean 'kaiming'?"
