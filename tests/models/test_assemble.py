import math

import pytest
import torch
from torch import nn

from fieldmark.errors import WeightsError
from fieldmark.models.assemble import INITS, Design, assemble, with_weights
from fieldmark.models.catalog import MODELS
from fieldmark.models.heads import Head, Linear32, head_of, make_head
from fieldmark.models.own_networks import CifarFast, SmallCnn
from fieldmark.models.resizer import Resized, Resizer

PLAIN = Design("small_cnn", {"width": 4})
MLP = Design("small_cnn", {"width": 4}, "mlp", {"sizes": (6,), "dropout": 0.3, "norm": True})
AFTER = Design("small_cnn", {"width": 4}, "after", {"activation": "relu"})
SQUEEZE = {"model": "squeezenet1_1", "options": {}}


def pretrained(classes=1000, width=4):
    torch.manual_seed(7)
    return SmallCnn(classes, width=width).state_dict()


def same(found, wanted):
    assert list(found) == list(wanted)
    return all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "squeezenet1_1", "timm/test_vit"])
def test_a_plain_network_is_the_catalogs_bit_for_bit_and_draws_the_same(name):
    torch.manual_seed(1)
    wanted = MODELS.build(name, {}, 3)
    after = torch.get_rng_state()
    torch.manual_seed(1)
    found = assemble(Design(name), 3, seed=5)
    assert torch.equal(torch.get_rng_state(), after)
    assert same(found.state_dict(), wanted.state_dict())
    images = torch.rand(2, 3, 160, 160)
    assert torch.equal(found.eval()(images), wanted.eval()(images))


def test_a_linear_head_computes_in_float32():
    head = head_of(assemble(PLAIN, 3))[1]
    assert type(head) is Linear32
    assert head.weight.requires_grad


def test_a_convolution_that_gives_the_classes_stays_one():
    assert isinstance(head_of(assemble(Design("squeezenet1_1"), 3))[1], nn.Conv2d)


@pytest.mark.parametrize(
    "design",
    [
        MLP,
        AFTER,
        Design("small_cnn", {}, "linear", {"norm": True}),
        Design(**SQUEEZE, head="mlp", head_options={"sizes": (6,)}),
        Design(**SQUEEZE, head="mlp", head_options={"sizes": (6,), "dropout": 0.1}),
        Design(**SQUEEZE, head="linear", head_options={"norm": True}),
        Design(**SQUEEZE, head="after"),
        Design("timm/resnetv2_50", {}, "linear", {"norm": True}),
        Design("timm/resnetv2_50", {}, "after"),
        Design("timm/test_vit", {}, "mlp"),
        Design("timm/test_convnext", {}, "after"),
        Design("mobilenet_v3_small", {}, "mlp"),
        Design("small_cnn", {}, resizer=16),
    ],
)
def test_every_head_goes_onto_every_kind_of_network(design):
    torch.manual_seed(0)
    network = assemble(design, 3, seed=0).eval()
    for layer in network.modules():
        if isinstance(layer, Linear32):  # a new one is zero
            nn.init.normal_(layer.weight)
    logits = network(torch.rand(2, 3, 160, 160))
    assert logits.shape == (2, 3)
    assert logits.dtype == torch.float32
    assert logits.min() < 0 or logits.max() > 0
    if design.head_options or design.head != "linear":
        assert isinstance(head_of(network)[1], Head)


def test_a_head_with_options_is_drawn_from_the_seed_alone():
    torch.manual_seed(1)
    first = assemble(MLP, 3, seed=5)
    torch.manual_seed(2)
    again, other = assemble(MLP, 3, seed=5), assemble(MLP, 3, seed=6)
    alone = make_head("mlp", MLP.head_options, 16, 3, 5)
    assert same(first.head.state_dict(), again.head.state_dict())
    assert same(first.head.state_dict(), alone.state_dict())
    assert not torch.equal(first.head[1].weight, other.head[1].weight)


def test_the_networks_own_dropout_makes_way_for_one_that_is_given():
    for options, shares in (({}, [0.2]), ({"dropout": 0.5}, [0.5]), ({"norm": True}, [0.2])):
        network = assemble(Design("mobilenet_v3_small", {}, "linear", options), 3)
        found = [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)]
        assert found == shares


def test_the_backbone_is_the_files_and_the_new_head_is_zero():
    torch.manual_seed(1)
    network, report = with_weights(PLAIN, 3, pretrained(), seed=5)
    torch.manual_seed(2)
    again, _ = with_weights(PLAIN, 3, pretrained(), seed=5)
    assert same(network.state_dict(), again.state_dict())
    assert not network.head.weight.any()
    assert torch.equal(network.stage1[0].weight, pretrained()["stage1.0.weight"])
    assert set(report.skipped) == {"head.weight", "head.bias"}
    fresh = make_head("linear", {}, 16, 3, 5)
    assert same(network.head.state_dict(), fresh.state_dict())


def test_a_head_that_fits_is_taken():
    network, report = with_weights(PLAIN, 3, pretrained(3), seed=5)
    assert same(network.state_dict(), pretrained(3))
    assert not report.skipped


def test_an_mlp_takes_the_backbone_and_leaves_the_files_head():
    network, report = with_weights(MLP, 3, pretrained(), seed=5)
    assert torch.equal(network.stage1[0].weight, pretrained()["stage1.0.weight"])
    assert same(
        network.head.state_dict(), make_head("mlp", MLP.head_options, 16, 3, 5).state_dict()
    )
    assert set(report.unexpected) == {"head.weight", "head.bias"}
    assert all(name.startswith("head.") for name in report.missing)


def test_an_mlp_of_the_same_kind_is_taken_whole():
    trained = assemble(MLP, 3, seed=1).state_dict()
    network, report = with_weights(MLP, 3, trained, seed=5)
    assert same(network.state_dict(), trained)
    other, _ = with_weights(MLP, 4, trained, seed=5)
    fresh = make_head("mlp", MLP.head_options, 16, 4, 5)
    assert same(other.head.state_dict(), fresh.state_dict())
    assert (report.skipped, report.missing, report.unexpected) == ((), (), ())


@pytest.mark.parametrize("outputs", [1000, 21])
def test_the_head_after_keeps_the_files_own_layer_whatever_its_size(outputs):
    network, report = with_weights(AFTER, 3, pretrained(outputs), seed=5)
    assert torch.equal(network.head[0].weight, pretrained(outputs)["head.weight"])
    assert network.head[1][-1].in_features == outputs
    assert (report.skipped, report.unexpected) == ((), ())
    again, _ = with_weights(AFTER, 3, network.state_dict(), seed=6)
    assert same(again.state_dict(), network.state_dict())


def test_the_head_after_works_on_what_the_kept_layer_gives():
    network, _ = with_weights(AFTER, 3, pretrained(), seed=5)
    whole = SmallCnn(1000, width=4)
    whole.load_state_dict(pretrained())
    images = torch.rand(2, 3, 8, 8)
    outputs = whole.eval()(images).relu()
    last = network.head[1][-1]
    torch.testing.assert_close(network.eval()(images), outputs @ last.weight.T + last.bias)


def test_the_head_after_needs_a_layer_to_keep():
    headless = {n: tensor for n, tensor in pretrained().items() if not n.startswith("head")}
    with pytest.raises(WeightsError, match="no last layer for the head 'after' to keep"):
        with_weights(AFTER, 3, headless, seed=5)
    broken = {n: tensor for n, tensor in pretrained().items() if n != "head.bias"}
    with pytest.raises(WeightsError, match="of another network"):
        with_weights(AFTER, 3, broken, seed=5)


@pytest.mark.parametrize("design", [PLAIN, MLP, AFTER])
def test_weights_of_another_network_are_refused(design):
    with pytest.raises(WeightsError, match="of another network"):
        with_weights(design, 3, pretrained(width=8), seed=5)


def test_a_resizer_is_new_before_a_files_network_and_taken_with_a_files_own():
    design = Design("small_cnn", {"width": 4}, resizer=8)
    network, _ = with_weights(design, 3, pretrained(), seed=5)
    assert isinstance(network, Resized)
    assert network.resizer.size == 8
    assert torch.equal(network.network.stage1[0].weight, pretrained()["stage1.0.weight"])
    nn.init.ones_(network.resizer.conv4.weight)
    again, report = with_weights(design, 3, network.state_dict(), seed=6)
    assert same(again.state_dict(), network.state_dict())
    assert "resizer.conv4.weight" in report.loaded
    cut = {n: t for n, t in network.state_dict().items() if n != "resizer.conv4.bias"}
    fresh, report = with_weights(design, 3, cut, seed=6)
    assert not fresh.resizer.conv4.weight.any()
    assert "resizer.conv4.weight" in report.unexpected


def test_a_resizer_draws_nothing_from_the_global_generators():
    torch.manual_seed(1)
    wanted = assemble(PLAIN, 3)
    after = torch.get_rng_state()
    torch.manual_seed(1)
    found = assemble(Design("small_cnn", {"width": 4}, resizer=8), 3)
    assert torch.equal(torch.get_rng_state(), after)
    assert same(found.network.state_dict(), wanted.state_dict())
    assert isinstance(found.resizer, Resizer)


def test_squeezenets_new_head_is_drawn_from_the_seed_too():
    torch.manual_seed(0)
    tensors = MODELS.build("squeezenet1_1", {}, 1000).state_dict()
    first, report = with_weights(Design("squeezenet1_1"), 3, tensors, seed=1)
    again, _ = with_weights(Design("squeezenet1_1"), 3, tensors, seed=1)
    assert same(first.state_dict(), again.state_dict())
    assert set(report.skipped) == {"classifier.1.weight", "classifier.1.bias"}
    for head in ("mlp", "after"):
        network, report = with_weights(Design("squeezenet1_1", {}, head), 3, tensors, seed=1)
        assert torch.equal(network.features[0].weight, tensors["features.0.weight"])
        old = {"classifier.1.weight", "classifier.1.bias"}
        assert old <= set(report.unexpected if head == "mlp" else report.loaded)


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
    INITS.build(name, {}, whole)
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


@pytest.mark.parametrize(("place", "fan_in"), [(0, 3 * 25), (3, 64 // 2 * 9)])
def test_kaiming_in_is_the_same_but_for_convolutions_by_their_inputs(place, fan_in):
    whole, other = begun("kaiming_in")[0], begun("kaiming")[0]
    assert whole[place].weight.std() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
    assert torch.equal(whole[6].weight, other[6].weight)
    assert torch.equal(whole[1].weight, torch.ones_like(whole[1].weight))
    assert not whole[0].bias.any()


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
    attention, fast = nn.MultiheadAttention(8, 2), CifarFast(3)
    kept = [attention.in_proj_weight, fast.whiten.weight, fast.block1.norm1.weight]
    values = [tensor.clone() for tensor in kept]
    INITS.build("kaiming", {}, attention)
    INITS.build("kaiming", {}, fast)
    assert all(map(torch.equal, kept, values))


def test_the_same_seed_gives_the_same_bits_and_another_gives_others():
    first, again, other = (begun("kaiming", seed)[0][0].weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_unknown_initialisation_is_met_with_the_nearest():
    _, mistakes = INITS.read("kaimming", {})
    assert mistakes[0].what == "there is no initialisation 'kaimming'; did you mean 'kaiming'?"


def test_of_several_labels_squeezenets_logits_fall_below_0_and_its_tensors_keep_their_names():
    images = torch.randn(2, 3, 64, 64)
    networks = []
    for several in (False, True):
        torch.manual_seed(0)
        networks.append(assemble(Design("squeezenet1_1", several=several), 3).eval())
    with torch.no_grad():
        for network in networks:
            head_of(network)[1].bias.fill_(-50.0)
        clipped, free = (network(images) for network in networks)
    assert torch.equal(clipped, torch.zeros(2, 3))
    assert (free < -10).all()
    assert networks[0].state_dict().keys() == networks[1].state_dict().keys()


@pytest.mark.parametrize("name", ["small_cnn", "mobilenet_v3_small", "googlenet"])
def test_of_several_labels_other_networks_are_the_same(name):
    found = [repr(assemble(Design(name, several=several), 3)) for several in (False, True)]
    assert found[0] == found[1]
