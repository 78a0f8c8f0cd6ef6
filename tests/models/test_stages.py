from functools import cache

import pytest
import torch
from torch import nn

from fieldmark.errors import UserError
from fieldmark.models.bundle import Classifier
from fieldmark.models.catalog import outline
from fieldmark.models.heads import make_head
from fieldmark.models.memory import on_meta
from fieldmark.models.own_networks import SmallCnn
from fieldmark.models.resizer import Resized, Resizer
from fieldmark.models.stages import (
    chosen,
    parameter_groups,
    set_trained,
    set_training,
    stages,
    weight_names,
)
from fieldmark.records import InputSpec

NAMES = {  # of the stages before the head
    "small_cnn": ["stage1", "stage2", "stage3"],
    "nature_cnn": [f"conv{place}" for place in range(1, 6)],
    "attention_cnn": [*(f"block{place}" for place in range(1, 6)), "attention"],
    "birds_alexnet": [*(f"features.{place}" for place in (0, 4, 8, 11, 14)), "classifier"],
    "cifar_resnet18": ["conv1", "layer1", "layer2", "layer3", "layer4"],
    "cifar_fast": ["whiten", "block1", "block2", "block3"],
    "resnet18": ["conv1", "layer1", "layer2", "layer3", "layer4"],
    "mobilenet_v2": [f"features.{place}" for place in range(19)],
    "mobilenet_v3_small": [*(f"features.{place}" for place in range(13)), "classifier"],
    "efficientnet_b0": [f"features.{place}" for place in range(9)],
    "vgg11": [*(f"features.{place}" for place in (0, 3, 6, 8, 11, 13, 16, 18)), "classifier"],
    "squeezenet1_1": [f"features.{place}" for place in (0, 3, 4, 6, 7, 9, 10, 11, 12)],
    "vit_b_32": ["conv_proj", *(f"encoder.layers.encoder_layer_{place}" for place in range(12))],
    "swin_t": [f"features.{place}" for place in range(8)],
    "convnext_tiny": [f"features.{place}" for place in range(8)],
    "regnet_y_400mf": ["stem", *(f"trunk_output.block{place}" for place in range(1, 5))],
    "mnasnet0_5": [f"layers.{place}" for place in (0, 3, 6, 8, 9, 10, 11, 12, 13, 14)],
    "shufflenet_v2_x0_5": ["conv1", "stage2", "stage3", "stage4", "conv5"],
    "maxvit_t": ["stem", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "classifier"],
    "densenet121": [
        "features.conv0",
        "features.denseblock1",
        "features.transition1",
        "features.denseblock2",
        "features.transition2",
        "features.denseblock3",
        "features.transition3",
        "features.denseblock4",
    ],
    "googlenet": [
        *(f"conv{place}" for place in (1, 2, 3)),
        *(f"inception{place}" for place in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")),
    ],
}
OF_TIMM = {
    "test_vit": ["patch_embed", *(f"blocks.{place}" for place in range(6))],
    "test_convnext": ["stem", *(f"stages.{place}" for place in range(4))],
    "test_efficientnet": ["conv_stem", *(f"blocks.{place}" for place in range(5)), "conv_head"],
}


@cache
def built(name):
    return outline(name, 7)


def names_of(network):
    return [stage.name for stage in stages(network)]


def parameters(network, *prefixes):
    return {name for name, _ in network.named_parameters() if name.startswith(prefixes)}


def trained(network):
    return {name for name, weight in network.named_parameters() if weight.requires_grad}


def training(network):
    return {name for name, module in network.named_modules() if module.training}


@pytest.mark.parametrize("name", NAMES)
def test_the_stages_stand_from_input_to_head(name):
    assert names_of(built(name)) == [*NAMES[name], "head"]


@pytest.mark.parametrize("name", OF_TIMM)
def test_networks_of_timm_have_stages_too(name):
    import timm

    network = on_meta(lambda: timm.create_model(name, num_classes=7))
    assert names_of(network) == [*OF_TIMM[name], "head"]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_in_one_stage(name):
    found = [name for stage in stages(built(name)) for name in stage.parameters]
    assert sorted(found) == sorted(name for name, _ in built(name).named_parameters())


def test_a_norm_belongs_to_the_part_before_it():
    first, *_, last, _ = stages(built("resnet18"))
    assert set(first.parameters) == {"conv1.weight", "bn1.weight", "bn1.bias"}
    assert set(last.parameters) == parameters(built("resnet18"), "layer4.")
    norm = {"encoder.ln.weight", "encoder.ln.bias"}
    assert norm < set(stages(built("vit_b_32"))[-2].parameters)


def test_class_tokens_and_positions_belong_to_the_first_stage():
    first = stages(built("vit_b_32"))[0].parameters
    own = {"class_token", "encoder.pos_embedding"}
    assert set(first) == {"conv_proj.weight", "conv_proj.bias"} | own


def test_a_part_that_holds_nearly_all_layers_is_taken_apart():
    body = nn.Sequential(*(nn.Conv2d(2, 2, 1) for _ in range(9)))
    network = nn.Sequential(nn.Conv2d(3, 2, 1), body, nn.Conv2d(2, 2, 1), nn.Flatten())
    network.append(nn.Linear(8, 2))
    assert names_of(network) == ["0", *(f"1.{place}" for place in range(9)), "2", "head"]


def test_a_network_that_is_only_a_head_is_one_stage():
    assert names_of(nn.Sequential(nn.Flatten(), nn.Linear(12, 2))) == ["head"]


def test_a_wrapped_network_has_the_stages_of_the_network():
    network = Classifier(SmallCnn(3), InputSpec("square:8", 8))
    assert names_of(network) == names_of(network.network)
    assert stages(network)[0].parameters[0] == "network.stage1.0.weight"
    assert chosen(network, ["stage2"]) == parameters(network, "network.stage2")
    assert chosen(network, ["last:1"]) == parameters(network, "network.stage3", "network.head")


def test_a_learned_resizer_is_the_first_stage():
    network = Resized(Resizer(8, width=4), SmallCnn(3, width=4))
    assert names_of(network) == ["resizer", "stage1", "stage2", "stage3", "head"]
    assert chosen(network, ["resizer"]) == parameters(network, "resizer.")
    assert chosen(network, ["last:3"]) == parameters(network, "network.")
    assert chosen(network, ["all"]) == parameters(network, "")
    wrapped = Classifier(network, InputSpec("square:8", 8))
    assert names_of(wrapped) == names_of(network)
    assert chosen(wrapped, ["head"]) == {"network.network.head.weight", "network.network.head.bias"}


def test_what_is_wanted_may_be_said_in_many_ways():
    network = built("resnet18")
    head = parameters(network, "fc.")
    assert chosen(network, ["head"]) == head
    assert chosen(network, ["all"]) == parameters(network, "")
    assert chosen(network, ["last:0"]) == head
    assert chosen(network, ["last:2"]) == parameters(network, "layer3.", "layer4.", "fc.")
    assert chosen(network, ["last:5"]) == parameters(network, "")
    assert chosen(network, ["layer4"]) == parameters(network, "layer4.")
    assert chosen(network, ["layer4.1.conv2", "head"]) == {"layer4.1.conv2.weight"} | head
    assert chosen(network, ["layer[12].0.bn1"]) == parameters(
        network, "layer1.0.bn1.", "layer2.0.bn1."
    )
    assert chosen(network, ["fc.bias"]) == {"fc.bias"}
    biases = {name for name in parameters(network, "") if name.endswith("bias")}
    assert chosen(network, ["*.bias"]) == biases


def test_a_stage_that_took_a_norm_in_is_chosen_with_it():
    assert chosen(built("resnet18"), ["conv1"]) == parameters(built("resnet18"), "conv1", "bn1")


def test_nothing_wanted_chooses_nothing():
    assert chosen(built("resnet18"), []) == frozenset()


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("layer5", "'layer5' fits no part of the network that has weights; did you mean 'layer"),
        ("relu", "'relu' fits no part of the network that has weights; its stages are 'conv1', "),
        ("resizer", "'resizer' fits no part"),
        ("last:6", "'last:6': there are 5 stages before the head; give a whole number up to that"),
        ("last:two", "'last:two': there are 5 stages before the head"),
        ("last:-1", "'last:-1': there are 5 stages"),
        ("zzz*", "'zzz*' fits no part of the network"),
    ],
)
def test_a_word_that_fits_nothing_is_told(word, words):
    with pytest.raises(UserError) as error:
        chosen(built("resnet18"), ["head", word])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_only_what_is_named_is_trained():
    network = SmallCnn(3)
    names = chosen(network, ["stage2", "head"])
    set_trained(network, names)
    assert trained(network) == names
    set_trained(network, chosen(network, ["all"]))
    assert trained(network) == parameters(network, "")


@pytest.mark.parametrize("name", NAMES)
def test_where_all_is_trained_all_is_in_training_mode(name):
    network = built(name)
    network.eval()
    set_training(network)
    assert training(network) == {name for name, _ in network.named_modules()}


DROPOUTS = {
    "small_cnn": ["dropout"],
    "nature_cnn": ["dropout5"],
    "mobilenet_v2": ["classifier.0"],
    "mobilenet_v3_small": ["classifier.2"],
    "efficientnet_b0": ["classifier.0"],
    "vgg11": ["classifier.5"],
    "squeezenet1_1": ["classifier.0"],
    "mnasnet0_5": ["classifier.0"],
    "googlenet": ["dropout"],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_head_alone_trains_with_the_dropout_before_it_and_no_norm_moves(name):
    network = outline(name, 7)
    set_trained(network, chosen(network, ["head"]))
    set_training(network)
    wanted = training(network)
    of_kind = {
        path
        for path, module in network.named_modules()
        if isinstance(module, (nn.Dropout, nn.Conv2d, nn.Linear, nn.modules.batchnorm._BatchNorm))
        or type(module).__name__ == "StochasticDepth"
    }
    head = {stages(network)[-1].parameters[0].rpartition(".")[0]}
    assert wanted & of_kind == head | set(DROPOUTS.get(name, []))


def test_a_part_with_a_dropout_of_its_own_goes_with_what_is_in_it():
    network = outline("vit_b_32", 7)
    set_trained(network, chosen(network, ["last:1"]))
    set_training(network)
    attentions = [n for n, m in network.named_modules() if isinstance(m, nn.MultiheadAttention)]
    on = [name for name in attentions if network.get_submodule(name).training]
    assert on == ["encoder.layers.encoder_layer_11.self_attention"]
    assert not any(m.training for m in network.encoder.layers.encoder_layer_10.modules())
    assert all(m.training for m in network.encoder.layers.encoder_layer_11.modules())
    assert network.training


def test_a_part_is_trained_whole_whatever_follows_it():
    network = outline("vit_b_32", 7)
    part = network.encoder.layers.encoder_layer_3
    set_trained(network, chosen(network, ["encoder.layers.encoder_layer_3"]))
    set_training(network)
    assert all(module.training for module in part.modules())
    inside = set(part.modules())
    assert not any(
        m.training for m in network.modules() if m not in inside and not any(m.children())
    )


def test_nothing_is_in_training_mode_where_nothing_is_trained():
    network = SmallCnn(3)
    set_trained(network, ())
    set_training(network)
    assert training(network) == set()


def test_a_norm_without_weights_goes_with_the_layer_before_it():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False), nn.Flatten(), nn.Linear(16, 2)
    )
    set_trained(network, chosen(network, ["head"]))
    set_training(network)
    assert not network[1].training
    assert network[3].training


def test_norms_keep_their_statistics_where_they_are_frozen():
    network = SmallCnn(3)
    set_training(network, norm_frozen=True)
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    network(torch.rand(4, 3, 8, 8))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.named_buffers())
    assert network.stage1[0].training
    set_training(network)
    network(torch.rand(4, 3, 8, 8))
    assert not torch.equal(network.stage1[1].running_mean, before["stage1.1.running_mean"])


def test_a_new_heads_norm_moves_even_where_norms_are_frozen():
    network = SmallCnn(3)
    network.head = make_head("linear", {"norm": True}, 128, 3, 0)
    set_training(network, norm_frozen=True)
    assert network.head[0].training
    assert not network.stage1[1].training


def rates(groups):
    return {group["stage"]: group["lr"] for group in groups}


def test_rates_fall_from_the_head_to_the_input():
    network = SmallCnn(3)
    groups = parameter_groups(network, lr=0.1, decay=0.5, head_factor=3)
    assert [group["stage"] for group in groups] == ["head", "stage3", "stage2", "stage1"]
    assert rates(groups) == pytest.approx(
        {"head": 0.3, "stage3": 0.05, "stage2": 0.025, "stage1": 0.0125}
    )
    owned = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(owned) == sorted(id(weight) for weight in network.parameters())


def test_a_stage_that_is_not_trained_keeps_its_place_among_the_rates():
    network = SmallCnn(3)
    set_trained(network, chosen(network, ["stage1", "stage3"]))
    groups = parameter_groups(network, lr=0.1, decay=0.5, head_factor=3)
    assert rates(groups) == pytest.approx({"stage3": 0.05, "stage1": 0.0125})


def test_a_learned_resizer_is_as_new_as_the_head():
    network = Resized(Resizer(8, width=4), SmallCnn(3, width=4))
    groups = parameter_groups(network, lr=0.1, decay=0.5, head_factor=3)
    assert rates(groups)["resizer"] == rates(groups)["head"] == pytest.approx(0.3)


def test_by_default_all_have_one_rate():
    assert set(rates(parameter_groups(SmallCnn(3), lr=0.1)).values()) == {0.1}


def test_where_all_have_one_rate_there_is_one_group():
    network = SmallCnn(3)
    (group,) = parameter_groups(network, lr=0.1)
    assert group.keys() == {"params", "lr", "stage"}
    assert [id(p) for p in group["params"]] == [id(p) for p in network.parameters()]


class Mixed(nn.Module):
    """Weights, biases and norms of all kinds; the head is a Linear."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.batch = nn.BatchNorm2d(4)
        self.layer = nn.LayerNorm((4, 2, 2))  # its weight has three dimensions
        self.attention = nn.MultiheadAttention(4, 2)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
        self.scale = nn.Parameter(torch.ones(4))
        self.head = nn.Linear(4, 3)


WEIGHTS = {"conv.weight", "attention.in_proj_weight", "attention.out_proj.weight", "head.weight"}


def test_weights_are_no_biases_and_nothing_of_norms():
    assert weight_names(Mixed()) == WEIGHTS


def test_decay_on_weights_is_on_weights_alone():
    network = Mixed()
    groups = parameter_groups(network, lr=0.1, decay_on="weights", weight_decay=0.02)
    names = {id(p): name for name, p in network.named_parameters()}
    decayed = {names[id(p)] for g in groups if g["weight_decay"] for p in g["params"]}
    assert decayed == WEIGHTS
    assert {g["weight_decay"] for g in groups} == {0.02, 0.0}
    assert {g["lr"] for g in groups} == {0.1}
    assert sorted(names[id(p)] for g in groups for p in g["params"]) == sorted(names.values())


def test_biases_have_a_rate_of_their_own_and_the_same_product_with_decay():
    network = Mixed()
    groups = parameter_groups(network, lr=0.1, bias_factor=64, weight_decay=0.02)
    assert [g["lr"] for g in groups] == pytest.approx([0.1, 6.4])
    assert [g["lr"] * g["weight_decay"] for g in groups] == pytest.approx([0.002] * 2)
    names = {id(p): name for name, p in network.named_parameters()}
    assert {names[id(p)] for p in groups[1]["params"]} == {
        "conv.bias",
        "batch.bias",
        "layer.bias",
        "attention.in_proj_bias",
        "attention.out_proj.bias",
        "relative_position_bias_table",
        "head.bias",
    }


def test_biases_move_by_decay_as_if_they_had_the_rate_of_the_others():
    network = Mixed()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    groups = parameter_groups(network, lr=0.1, bias_factor=64, weight_decay=0.02)
    torch.optim.SGD(groups, lr=0.1).step()
    assert all(torch.allclose(p, torch.tensor(1 - 0.002)) for p in network.parameters())


def test_the_first_group_has_the_rate_that_was_given_also_where_a_bias_comes_first():
    network = Mixed()
    network.conv.weight.requires_grad_(False)
    groups = parameter_groups(network, lr=0.1, bias_factor=64)
    assert groups[0]["lr"] == 0.1


def test_stages_and_kinds_of_parameters_have_rates_together():
    network = SmallCnn(3)
    groups = parameter_groups(
        network, lr=0.1, head_factor=3, decay=0.5, decay_on="weights", bias_factor=2, weight_decay=1
    )
    found = [(g["stage"], round(g["lr"], 6), g["weight_decay"]) for g in groups]
    assert found[:2] == [("head", 0.3, 1.0), ("head", 0.6, 0.0)]
    assert found[-3:] == [("stage1", 0.0125, 1.0), ("stage1", 0.0125, 0.0), ("stage1", 0.025, 0.0)]
