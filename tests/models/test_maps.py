"""The maps that a body hands over to its head are found, whatever the network, and no table."""

import pytest
import torch
from torch import nn

from fieldmark.errors import SettingsError, UserError
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.catalog import NETWORKS, outline
from fieldmark.models.maps import Layout, handovers
from fieldmark.models.memory import on_meta

LAST = {  # layer, how its places lie, places a side, tokens before them
    "small_cnn": ("stage3", "maps", 8, 0),
    "nature_cnn": ("dropout5", "maps", 7, 0),
    "squeezenet1_1": ("classifier.0", "maps", 13, 0),
    "shufflenet_v2_x0_5": ("conv5", "maps", 7, 0),
    "vit_b_32": ("encoder.layers.encoder_layer_11.ln_1", "tokens", 7, 1),
}
MORE = {
    "alexnet": ("avgpool", "maps", 6, 0),
    "vgg11": ("avgpool", "maps", 7, 0),
    "birds_alexnet": ("pool", "maps", 6, 0),
    "cifar_fast": ("block3", "maps", 3, 0),
    "cifar_resnet18": ("layer4", "maps", 4, 0),
    "efficientnet_lite0": ("act1", "maps", 7, 0),
    "resnet18": ("layer4", "maps", 7, 0),
    "resnext50_32x4d": ("layer4", "maps", 7, 0),
    "googlenet": ("inception5b", "maps", 7, 0),
    "inception_v3": ("Mixed_7c", "maps", 8, 0),
    "densenet121": ("features", "maps", 7, 0),
    "mobilenet_v2": ("features", "maps", 7, 0),
    "mobilenet_v3_small": ("features", "maps", 7, 0),
    "mnasnet0_5": ("layers", "maps", 7, 0),
    "efficientnet_b0": ("features", "maps", 7, 0),
    "regnet_y_400mf": ("trunk_output", "maps", 7, 0),
    "vit_b_16": ("encoder.layers.encoder_layer_11.ln_1", "tokens", 14, 1),
    "swin_t": ("permute", "maps", 7, 0),
    "swin_v2_t": ("permute", "maps", 8, 0),
    "convnext_tiny": ("features", "maps", 7, 0),
    "maxvit_t": ("blocks.3", "maps", 7, 0),
    "timm/deit_tiny_distilled_patch16_224": ("blocks.11.norm1", "tokens", 14, 2),
    "timm/vit_small_patch14_reg4_dinov2": ("blocks.11.norm1", "tokens", 37, 5),
    "timm/vit_relpos_small_patch16_224": ("norm", "tokens", 14, 0),
    "timm/swin_tiny_patch4_window7_224": ("norm", "channels last", 7, 0),
    "timm/coat_lite_tiny": ("serial_blocks4.1.norm1", "tokens", 7, 1),
    "timm/test_convnext": ("stages", "maps", 5, 0),
    "timm/naflexvit_base_patch16_siglip": ("attn_pool.kv", "tokens", 24, 0),
}


def found(network, side, **given):
    image = torch.empty(1, 3, side, side, device="meta")
    places = handovers(network, image, **given)
    return [
        (place.layer, place.layout.kind, place.layout.sides[0], place.layout.before)
        for place in places
    ]


def side_of(name):
    if name in NETWORKS:
        return NETWORKS[name].size
    from fieldmark.models import timm_networks

    return timm_networks.input_size(name.removeprefix("timm/"))[0]


@pytest.mark.parametrize("name", LAST)
def test_the_last_maps_before_the_mean_are_found_without_a_table(name):
    assert found(outline(name), side_of(name)) == [LAST[name]]


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_the_last_maps_of_every_family_are_found(name):
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    assert found(outline(name), side_of(name)) == [MORE[name]]


def test_a_cube_is_as_the_networks_other_maps_are():
    """(1, 96, 96, 96) has places in the middle of it, or before its channels."""
    (cube,) = found(outline("swin_t"), 384, layer="features.1")
    assert cube == ("features.1", "channels last", 96, 0)
    first = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(8, 4, 2, stride=2))
    network = nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    assert found(network.to("meta"), 32, layer="0.0") == [("0.0", "maps", 8, 0)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_registered_network_has_maps_of_more_than_one_place(name):
    places = found(outline(name), side_of(name))
    assert len(places) == (3 if name == "attention_cnn" else 1)
    assert all(side >= 3 for _, _, side, _ in places)


def test_an_attention_network_hands_over_all_that_its_head_is_made_of():
    network = outline("attention_cnn", options={"widths": (4, 4, 4, 4, 4)})
    assert sorted(side for _, _, side, _ in found(network, 64)) == [2, 4, 8]


@pytest.mark.parametrize(
    ("name", "attended"), [("vit_b_32", True), ("swin_t", False), ("small_cnn", False)]
)
@pytest.mark.parametrize("layer", [True, False])
def test_whether_places_count_by_attention_is_known(name, attended, layer):
    layers = {"vit_b_32": "encoder", "swin_t": "features.1", "small_cnn": "stage2"}
    side = side_of(name)
    image = torch.empty(1, 3, side, side, device="meta")
    (place,) = handovers(outline(name), image, layer=layers[name] if layer else None)
    assert place.attended is attended


def test_networks_side_by_side_have_a_map_each():
    layers = {layer for layer, *_ in found(outline("small_cnn+squeezenet1_1"), 64)}
    assert layers == {"first.stage3", "second.classifier.2"}


@pytest.mark.parametrize(
    "design",
    [
        Design("small_cnn", resizer=32),
        Design("small_cnn", mirror=True),
        Design("small_cnn", words=8),
        Design("small_cnn", {}, "mlp", {"sizes": (8,)}),
    ],
)
def test_what_a_network_is_wrapped_in_changes_neither_map_nor_name(design):
    network = on_meta(lambda: assemble(design, 3))
    assert [layer for layer, *_ in found(network, 32)] == ["stage3"]
    assert [layer for layer, *_ in found(network, 32, layer="stage2")] == ["stage2"]


def test_what_is_done_in_place_after_a_layer_is_in_the_map():
    """As densenet's last ReLU is, which no module does."""

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Conv2d(3, 4, 3, padding=1)
            self.head = nn.Linear(4, 2)

        def forward(self, images):
            maps = nn.functional.relu(self.features(images), inplace=True)
            return self.head(maps.mean(dim=(2, 3)))

    (place,) = handovers(Plain(), torch.zeros(1, 3, 8, 8))
    (named,) = handovers(Plain(), torch.zeros(1, 3, 8, 8), layer="features")
    assert (place.layer, place.call) == ("features", named.call + 1)


@pytest.mark.parametrize("shape", [(8, 12), (12, 8)])
def test_images_need_not_be_square(shape):
    network = nn.Sequential(nn.Conv2d(3, 8, 2, stride=2), nn.Flatten(), nn.Linear(8 * 24, 2))
    (place,) = handovers(network, torch.zeros(1, 3, *shape))
    assert place.layout == Layout("maps", (shape[0] // 2, shape[1] // 2))


def test_every_layout_is_turned_into_maps():
    maps = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    tokens = maps.flatten(2).transpose(1, 2)
    with_others = torch.cat([torch.full((2, 2, 3), -1), tokens], dim=1)
    for layout, tensor in (
        (Layout("maps", (4, 5)), maps),
        (Layout("channels last", (4, 5)), maps.permute(0, 2, 3, 1)),
        (Layout("flat", (4, 5)), maps.flatten(2)),
        (Layout("tokens", (4, 5)), tokens),
        (Layout("tokens", (4, 5), before=2), with_others),
    ):
        torch.testing.assert_close(layout.maps(tensor), maps)


def test_a_network_that_knows_no_places_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    with pytest.raises(UserError) as told:
        handovers(network, torch.zeros(1, 3, 8, 8))
    assert str(told.value) == (
        "Sequential has no layer whose output still has places, other than the image; take "
        "--method occlusion, which needs none"
    )


def test_a_layer_that_there_is_not_is_told_with_the_nearest():
    with pytest.raises(SettingsError) as told:
        found(outline("small_cnn"), 32, layer="stage33")
    assert str(told.value) == "--layer: there is no layer 'stage33'; did you mean 'stage3'?"


def test_a_layer_like_no_other_is_told_with_the_stages():
    with pytest.raises(SettingsError) as told:
        found(outline("small_cnn"), 32, layer="nonsense")
    assert str(told.value) == (
        "--layer: there is no layer 'nonsense'; there are 'stage1', 'stage2' and 'stage3'"
    )


def test_the_network_is_left_as_it_was():
    network = outline("small_cnn").train()
    network.stage1.eval()
    modes = [module.training for module in network.modules()]
    found(network, 32)
    assert [module.training for module in network.modules()] == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
