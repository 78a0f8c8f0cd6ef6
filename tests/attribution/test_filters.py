"""The filters that see the image itself: which layer that is, and their pictures by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models as tv

from fieldmark.attribution.filters import first_filters, pictured
from fieldmark.errors import UserError
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.attention_cnn import AttentionCnn
from fieldmark.models.catalog import MODELS
from fieldmark.models.own_networks import CifarFast


def test_zero_is_grey_and_the_weight_farthest_from_it_black_or_white():
    weights = np.array([[[[0, 1, -2]]], [[[0, 0, 0]]]], float)  # two filters of one pixel
    found = pictured(weights)
    assert found.shape == (2, 48, 48, 3)
    assert found.dtype == np.uint8
    assert np.array_equal(np.unique(found[0].reshape(-1, 3), axis=0), [[128, 191, 0]])
    assert np.unique(found[1]).tolist() == [128]


def test_small_filters_are_enlarged_with_hard_edges_and_large_ones_stay():
    weights = np.linspace(-1, 1, 27).reshape(1, 3, 3, 3)
    found = pictured(weights)[0]
    assert found.shape == (48, 48, 3)
    assert np.array_equal(found[::16, ::16].repeat(16, 0).repeat(16, 1), found)
    assert pictured(np.ones((1, 50, 50, 3))).shape == (1, 50, 50, 3)


def test_the_strongest_filters_come_first():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(3, 2))
    network[0].weight.data = torch.diag(torch.tensor([1.0, 3.0, 2.0]))[:, :, None, None]
    (found,) = first_filters(network, most=2)
    assert (found.layer, found.count, found.sides) == ("0", 3, (1, 1))
    assert found.pictures[:, 0, 0].tolist() == [[128, 255, 128], [128, 128, 255]]


def vit():
    settings = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
    return tv.VisionTransformer(image_size=32, patch_size=8, num_classes=3, **settings)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tv.mobilenet_v2(num_classes=3, width_mult=0.1), [("features.0.0", 8, (3, 3))]),
        (lambda: AttentionCnn(2, widths=(3, 3, 3, 3, 3)), [("block1.0", 3, (3, 3))]),
        (vit, [("conv_proj", 8, (8, 8))]),
        (lambda: CifarFast(2, width=4), [("whiten", 24, (2, 2))]),
        (
            lambda: assemble(Design("small_cnn", {"width": 4}, resizer=8, mirror=True), 2),
            [("stage1.0", 4, (3, 3))],
        ),
        (
            lambda: MODELS.build("small_cnn+cifar_fast", {}, 2),
            [("first.stage1.0", 32, (3, 3)), ("second.whiten", 24, (2, 2))],
        ),
    ],
)
def test_the_first_layer_on_three_channels_is_found(build, expected):
    found = first_filters(build())
    assert [(each.layer, each.count, each.sides) for each in found] == expected


def test_a_network_without_such_a_layer_is_told():
    with pytest.raises(UserError) as error:
        first_filters(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
    assert str(error.value) == (
        "Sequential has no layer with filters on the three channels of an image"
    )
