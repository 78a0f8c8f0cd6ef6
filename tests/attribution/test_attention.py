"""Where a network's own attention looks, over the image, whatever the network is wrapped in."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fieldmark.attribution.attention import attention_maps, has_attention
from fieldmark.errors import UserError
from fieldmark.insides import AttentionMap
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.bundle import Classifier
from fieldmark.records import InputSpec

SIDE = 64
TINY = {"widths": (2, 3, 4, 5, 6)}


def made(**around):
    torch.manual_seed(0)
    options = {**TINY, "attention": around.pop("attention", "softmax")}
    network = assemble(Design("attention_cnn", options, **around), 2)
    return Classifier(network, InputSpec(f"square:{SIDE}", SIDE)).eval()


def image():
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=drawn, dtype=torch.uint8)


class Looking(nn.Module):
    """An attention that is given, and a head."""

    def __init__(self, counts):
        super().__init__()
        self.counts = torch.tensor(counts)[None]
        self.head = nn.Linear(3, 2)

    def forward(self, images):
        return self.head(images.mean(dim=(2, 3)))

    def attention_maps(self, images):
        return {"place": self.counts}


def test_a_map_by_hand_is_spread_over_the_image():
    network = Classifier(Looking([[1.0, 0.0], [0.0, 4.0]]), InputSpec("square:4", 4))
    (found,) = attention_maps(network, image()[..., :4, :4])
    assert found.pooling == "place"
    np.testing.assert_allclose(found.shares, [[0.2, 0], [0, 0.8]])
    # bilinear: places lie at a quarter and three quarters of each side
    top = [0.25, 0.1875, 0.0625, 0]
    np.testing.assert_allclose(found.heat[0], top, atol=1e-6)
    np.testing.assert_allclose(np.diag(found.heat), [0.25, 0.203125, 0.578125, 1], atol=1e-6)


def test_the_hottest_tenth_is_told_against_an_even_attention():
    shares = np.zeros((4, 5), np.float32)
    shares[0, :3] = 0.5, 0.3, 0.2
    assert AttentionMap("p", shares, shares).hottest == pytest.approx((0.8, 0.1))
    even = np.full((3, 3), 1 / 9, np.float32)  # one of nine places
    assert AttentionMap("p", even, even).hottest == pytest.approx((1 / 9, 1 / 9))


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_both_attentions_are_the_networks_own(kind):
    network = made(attention=kind)
    found = attention_maps(network, image())
    own = network.network.attention_maps(network.prepare(image()))
    assert [(each.pooling, each.shares.shape) for each in found] == [
        ("pool3", (8, 8)),
        ("pool4", (4, 4)),
    ]
    for each in found:
        shares = own[each.pooling][0] / own[each.pooling].sum()
        np.testing.assert_allclose(each.shares, shares.numpy(), rtol=1e-5)
        heat = F.interpolate((shares / shares.max())[None, None], (SIDE, SIDE), mode="bilinear")
        np.testing.assert_allclose(each.heat, heat[0, 0].numpy(), atol=1e-5)
        assert each.heat.dtype == np.float32


@pytest.mark.parametrize("around", [{"resizer": SIDE}, {"words": 8}, {"resizer": 96, "words": 8}])
def test_behind_wrappers_it_is_the_attention_of_what_the_network_sees_there(around):
    network = made(**around)
    inner = next(m for m in network.modules() if hasattr(m, "attention_maps"))
    seen = network.prepare(image())
    if "resizer" in around:
        whole = network.network.network if "words" in around else network.network
        seen = whole.resizer(seen)
    expected = inner.attention_maps(seen)
    found = attention_maps(network, image())
    assert [each.pooling for each in found] == ["pool3", "pool4"]
    for each in found:
        np.testing.assert_allclose(each.shares, expected[each.pooling][0].numpy(), rtol=1e-4)
        assert each.heat.shape == (SIDE, SIDE)


def test_of_a_mirrored_network_it_is_that_of_the_image_itself():
    found, expected = (attention_maps(made(mirror=m), image()) for m in (True, False))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.shares, other.shares, rtol=1e-4)


def test_two_networks_side_by_side_have_theirs_under_their_own_names():
    torch.manual_seed(0)
    both = nn.ModuleDict({"first": made().network, "second": made().network})
    both.forward = lambda images: both["first"](images) + both["second"](2 * images)
    network = Classifier(both, InputSpec(f"square:{SIDE}", SIDE)).eval()
    found = attention_maps(network, image())
    names = ["first.pool3", "first.pool4", "second.pool3", "second.pool4"]
    assert [each.pooling for each in found] == names


@pytest.mark.parametrize(
    "network", [lambda: made(attention="none").network, lambda: nn.Linear(3, 2)]
)
def test_a_network_without_attention_is_told(network):
    without = Classifier(network(), InputSpec(f"square:{SIDE}", SIDE))
    assert not has_attention(without)
    with pytest.raises(UserError) as error:
        attention_maps(without, image())
    assert str(error.value) == (
        "the network has no attention maps to show; train one with --model attention_cnn and "
        "model.attention=softmax or sigmoid"
    )


def test_the_classifier_stays_as_it_was():
    network = made().train()
    network.network.block2.eval()
    assert has_attention(network)
    state = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    attention_maps(network, image())
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert all(weight.requires_grad and weight.grad is None for weight in network.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
