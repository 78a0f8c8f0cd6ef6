"""What layers make of an image: by hand and for every family; the network stays as it was."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models as tv
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock

from fieldmark.attribution.feature_maps import feature_maps
from fieldmark.errors import SettingsError, UserError
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.attention_cnn import AttentionCnn
from fieldmark.models.bundle import Classifier
from fieldmark.models.nature_cnn import nature_cnn
from fieldmark.models.own_networks import SmallCnn
from fieldmark.records import InputSpec

SIDE = 32
FLAT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def classifier(network, side=SIDE):
    return Classifier(network, InputSpec(f"square:{side}", side, **FLAT)).eval()


def image(side=SIDE):
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, 3, side, side), generator=drawn, dtype=torch.uint8)


class ByHand(nn.Module):
    """One layer of a single pixel: red, green, nothing, and red twice with its sign turned."""

    def __init__(self):
        super().__init__()
        self.mixed = nn.Conv2d(3, 4, 1, bias=False)
        weights = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [-2, 0, 0]])
        self.mixed.weight.data = weights[:, :, None, None]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        return self.head(self.pool(self.mixed(images).relu_()).flatten(1))


def test_maps_by_hand_are_those_that_vary_most_as_the_layer_gave_them():
    red, green = [[0, 255], [51, 102]], [[0, 0], [0, 51]]
    pixels = torch.tensor([red, green, [[9, 8], [7, 6]]], dtype=torch.uint8)[None]
    (found,) = feature_maps(classifier(ByHand(), 2), pixels)
    assert (found.layer, found.shape, found.channels) == ("mixed", (4, 2, 2), (3, 0, 1))
    # what is changed in place after the layer, as by a ReLU, does not count
    expected = [[[1, 0], [0.8, 0.6]], [[0, 1], [0.2, 0.4]], [[0, 0], [0, 1]]]
    np.testing.assert_allclose(found.maps, expected, atol=1e-6)
    # three times red and once green: 0, 3 / 0.6, 1.4, of four channels
    np.testing.assert_allclose(found.mean, [[0, 1], [0.2, 1.4 / 3]], atol=1e-6)
    assert found.maps.dtype == found.mean.dtype == np.float32


def test_of_an_image_of_one_colour_no_channel_varies():
    (found,) = feature_maps(classifier(ByHand(), 2), torch.full((1, 3, 2, 2), 7, dtype=torch.uint8))
    assert found.channels == ()
    assert found.maps.shape == (0, 2, 2)
    assert not found.mean.any()


def maps_first(given):
    return given[0]


def places_first(given):
    return given[0].permute(2, 0, 1)


def tokens(given):
    """Sixteen places behind the class token."""
    return given[0, 1:].T.reshape(-1, 4, 4)


def squares(given):
    """As the convolution gives it, then as tokens do."""
    return maps_first(given) if given.dim() == 4 else tokens(given)


def convnext():
    return tv.ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], num_classes=3)


def swin():
    settings = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": [2, 2]}
    return tv.SwinTransformer(patch_size=[4, 4], num_classes=3, **settings)


def vit():
    settings = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
    return tv.VisionTransformer(image_size=SIDE, patch_size=8, num_classes=3, **settings)


FAMILIES = {  # how it is built, how its places lie, its stages and their sides
    "resnet": (
        lambda: tv.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3),
        maps_first,
        {"conv1": 16, "layer1": 8, "layer2": 4, "layer3": 2},  # the last has a single place
    ),
    "mobilenet": (
        lambda: tv.mobilenet_v2(num_classes=3, width_mult=0.1),
        maps_first,
        {"0": 16, "3": 8, "5": 4, "8": 2, "10": 2, "13": 2},
    ),
    # eight channels of 8 x 8 could lie either way
    "convnext": (convnext, maps_first, {"0": 8, "1": 8, "2": 4, "3": 4}),
    "swin": (swin, places_first, {"0": 8, "1": 8, "2": 4, "3": 4}),
    "vit": (vit, squares, {"conv_proj": 4, "encoder_layer_0": 4, "encoder_layer_1": 4}),
    "attention_cnn": (
        lambda: AttentionCnn(3, widths=(2, 3, 4, 5, 6)),
        maps_first,
        {"block1": 16, "block2": 8, "block3": 4, "block4": 2},
    ),
    "nature_cnn": (
        lambda: nature_cnn(3, image_size=SIDE, filters=4),
        maps_first,
        {f"conv{place}": SIDE >> (place - 1) for place in range(1, 6)},
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_of_every_family_the_stages_are_shown_from_the_first_to_the_last(family):
    build, laid, sides = FAMILIES[family]
    torch.manual_seed(0)
    network = build()
    found = feature_maps(classifier(network), image(), most=3)
    assert {each.layer.rpartition(".")[2]: each.shape[1] for each in found} == sides
    assert [each.layer.rpartition(".")[2] for each in found] == list(sides)
    for each in found:
        given = laid(_given(network, each.layer)).numpy()
        spread = given.var(axis=(1, 2))
        assert each.shape == given.shape
        order = np.argsort(-spread, kind="stable")[:3]
        assert list(each.channels) == [channel for channel in order if np.ptp(given[channel])]
        for channel, shown in zip(each.channels, each.maps, strict=True):
            own = given[channel]
            own = (own - own.min()) / (own.max() - own.min())
            np.testing.assert_allclose(shown, own, atol=1e-5)


def _given(network, layer):
    kept = []
    handle = network.get_submodule(layer).register_forward_hook(
        lambda _, __, given: kept.append(given.clone())
    )
    with torch.no_grad():
        network(image().float() / 255)
    handle.remove()
    return kept[0]


WRAPPED = (
    {"mirror": True},
    {"resizer": SIDE},
    {"words": 8},
    {"mirror": True, "resizer": SIDE, "words": 8},
)


@pytest.mark.parametrize("around", WRAPPED)
def test_behind_what_a_network_is_wrapped_in_its_layers_keep_their_names_and_maps(around):
    torch.manual_seed(0)
    plain = assemble(Design("small_cnn", {"width": 4}), 3)
    torch.manual_seed(0)
    whole = assemble(Design("small_cnn", {"width": 4}, **around), 3)
    expected = feature_maps(classifier(plain), image())
    found = feature_maps(classifier(whole), image())
    assert [each.layer for each in found] == ["stage1", "stage2", "stage3"]
    for one, other in zip(expected, found, strict=True):
        assert one.channels == other.channels
        np.testing.assert_allclose(one.maps, other.maps, atol=1e-5)


def small():
    torch.manual_seed(0)
    return classifier(SmallCnn(3, width=4))


def test_layers_are_named_or_fitted_by_a_pattern_part_for_part_in_the_order_in_which_they_run():
    found = feature_maps(small(), image(), ["stage3", "stage1", "stage1.?", "stage[12]"])
    names = [each.layer for each in found]
    assert names == [*(f"stage1.{place}" for place in range(6)), "stage1", "stage2", "stage3"]
    assert feature_maps(small(), image(), []) == []


def test_all_names_that_fit_nothing_are_told_together():
    with pytest.raises(SettingsError) as error:
        feature_maps(small(), image(), ["stgae3", "qq", "head", "stage1"])
    assert str(error.value).splitlines() == [
        "--features: there is no layer 'stgae3'; did you mean 'stage3'?",
        "--features: there is no layer 'qq'; there are 'stage1', 'stage2' and 'stage3'",
        "--features: what 'head' gives has no places; there are 'stage1', 'stage2' and 'stage3'",
    ]


def test_a_network_without_places_or_with_values_that_are_not_finite_is_told():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 4), nn.Linear(4, 2))
    with pytest.raises(UserError) as error:
        feature_maps(classifier(linear), image())
    assert str(error.value) == (
        "Sequential has no stage whose output has places, so no maps to show"
    )
    broken = small()
    broken.network.stage2[0].weight.data[:] = torch.nan
    with pytest.raises(UserError) as error:
        feature_maps(broken, image())
    assert str(error.value) == "what 'stage2' gives is not finite, so it has no maps to show"


@pytest.mark.parametrize("layers", [None, ["qq"]])
def test_the_classifier_stays_as_it_was(layers):
    network = small().train()
    network.network.stage2.eval()
    network.network.stage1[0].weight.requires_grad_(False)
    state = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    wanted = [weight.requires_grad for weight in network.parameters()]
    drawn, grad = torch.get_rng_state(), torch.is_grad_enabled()
    try:
        feature_maps(network, image(), layers)
    except SettingsError:
        assert layers
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert [weight.requires_grad for weight in network.parameters()] == wanted
    assert all(weight.grad is None for weight in network.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert torch.is_grad_enabled() is grad
