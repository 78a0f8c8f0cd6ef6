from functools import cache

import pytest
import torch
import torchvision.models
from torch import nn

from fieldmark.models.catalog import MODELS, NETWORKS, OWN, family, outline, rows, side_mistake
from fieldmark.models.heads import head_of
from fieldmark.models.summary import summarise

SMALLEST = {
    network.series.idea: name
    for name, network in sorted(NETWORKS.items(), key=lambda line: -line[1].parameters)
}
ONE_A_SERIES = sorted(SMALLEST.values())
OF_ANY_SIZE = [name for name in ONE_A_SERIES if "image_size" not in MODELS[name].options()]
EVERY = [
    pytest.param(name, marks=() if name in ONE_A_SERIES else pytest.mark.slow) for name in MODELS
]
WITH_DROPOUT = [name for name in ONE_A_SERIES if "dropout" in MODELS[name].options()]


@cache
def built(name: str) -> nn.Module:
    return outline(name, 7)


def images(name: str, side: int | None = None, count: int = 2) -> torch.Tensor:
    side = side or NETWORKS[name].size
    return torch.empty(count, 3, side, side, device="meta")


def test_the_catalog_is_our_own_networks_and_every_torchvision_classifier():
    theirs = torchvision.models.list_models(module=torchvision.models)
    assert sorted(MODELS) == sorted([*OWN, *theirs])


def test_the_side_that_nature_cnn_is_built_for_is_its_builders():
    side = MODELS["nature_cnn"].options()["image_size"].default
    assert side_mistake("nature_cnn", {}, side) is None
    assert side_mistake("nature_cnn", {}, 2 * side)


@pytest.mark.parametrize("name", EVERY)
def test_every_network_is_built_float32_with_the_classes_asked_for(name):
    network = built(name)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert head_of(network)[1].weight.shape[0] == 7


@pytest.mark.parametrize("name", EVERY)
def test_every_network_gives_a_logit_a_class(name):
    assert built(name).eval()(images(name)).shape == (2, 7)


@pytest.mark.parametrize("name", OF_ANY_SIZE)
def test_the_smallest_side_works_in_training_and_one_pixel_less_does_not(name):
    network, smallest = built(name).train(), NETWORKS[name].series.smallest
    assert side_mistake(name, {}, smallest) is None
    assert network(images(name, smallest)).shape == (2, 7)
    if smallest > 4 and name != "squeezenet1_1":  # 1.1 would do with 17
        assert f"{smallest} px or more, not {smallest - 1}" in side_mistake(name, {}, smallest - 1)
        with pytest.raises((RuntimeError, ValueError)):
            network(images(name, smallest - 1))


@pytest.mark.parametrize("name", ["vit_b_16", "vit_h_14", "maxvit_t"])
def test_networks_of_one_size_are_built_for_the_size_asked_for(name):
    network = outline(name, 7, {"image_size": 448})
    assert network.eval()(images(name, 448, 1)).shape == (1, 7)
    assert side_mistake(name, {"image_size": 448}, 448) is None
    assert "built for 224 px, not 448" in side_mistake(name, {}, 448)
    assert "multiple of" in side_mistake(name, {"image_size": 450}, 450)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("small_cnn", 8),
        ("nature_cnn", 224),
        ("cifar_resnet18", 32),
        ("cifar_fast", 32),
        ("resnet18", 32),
        ("googlenet", 15),
        pytest.param("inception_v3", 75, marks=pytest.mark.slow),
        pytest.param("vit_b_32", 224, marks=pytest.mark.slow),
        pytest.param("swin_t", 32, marks=pytest.mark.slow),
    ],
)
def test_built_for_real_it_gives_finite_logits(name, side):
    network = MODELS.build(name, {}, 7).eval()
    logits = network(torch.rand(2, 3, side, side))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()
    assert logits.requires_grad


@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_dropout_reaches_the_network_where_it_is_offered(name):
    with_dropout = outline(name, 7, {"dropout": 0.37})
    assert any(
        module.p == 0.37 for module in with_dropout.modules() if isinstance(module, nn.Dropout)
    )


def test_densenet_drops_at_the_rate_asked_for():
    network = outline("densenet121", 7, {"drop_rate": 0.5})
    assert network.features.denseblock1.denselayer1.drop_rate == 0.5


def test_zero_init_residual_begins_each_block_as_the_identity():
    network = MODELS.build("resnet18", {"zero_init_residual": True}, 7)
    assert network.layer1[0].bn2.weight.abs().max() == 0


def test_an_option_the_network_does_not_take_is_a_mistake():
    values, mistakes = MODELS.read("resnet18", {"dropout": 0.1})
    assert values == {}
    assert "'resnet18' takes no such option" in mistakes[0].what
    with pytest.raises(TypeError, match="dropout"):
        MODELS["resnet18"].builder()(7, dropout=0.1)


def test_a_misspelt_name_is_met_with_the_right_one():
    assert "did you mean 'mobilenet_v2'" in MODELS.read("mobilnet_v2", {})[1][0].what


def test_options_come_from_text_as_their_own_kind():
    given = {"dropout": "0.3", "image_size": "384", "representation_size": "64"}
    values, mistakes = MODELS.read("vit_b_16", given)
    assert not mistakes
    assert values == {"dropout": 0.3, "image_size": 384, "representation_size": 64}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vgg16", {"dropout": "1.5"}),
        ("vgg16", {"dropout": -0.1}),
        ("mobilenet_v2", {"width_mult": 0}),
        ("vit_b_16", {"image_size": "big"}),
        ("resnet50", {"groups": 0}),
        ("small_cnn", {"width": 0}),
    ],
)
def test_a_value_that_no_network_could_be_built_with_is_a_mistake(name, options):
    values, mistakes = MODELS.read(name, options)
    assert values == {}
    assert [mistake.where for mistake in mistakes] == list(options)


def test_rows_hold_what_they_say():
    row = next(row for row in rows("ResNet18") if row.name == "resnet18")
    assert (row.name, row.family, row.year) == ("resnet18", "resnet", 2015)
    assert (row.parameters, row.multiply_adds, row.size) == (11_689_512, 1_814_073_344, 224)
    assert "1512.03385" in row.paper
    assert "18 layers" in row.about


def test_rows_are_filtered_by_a_part_of_the_name():
    assert [row.name for row in rows("squeeze")] == ["squeezenet1_0", "squeezenet1_1"]
    assert len(rows()) == len(MODELS) == 89
    assert rows("nothing of the kind") == []


def test_every_row_says_one_line_of_its_own():
    abouts = [row.about for row in rows()]
    assert len(set(abouts)) == len(abouts)
    assert max(map(len, abouts)) <= 120


def test_variants_belong_to_their_family():
    names = ("small_cnn", "wide_resnet50_2", "resnext50_32x4d", "efficientnet_v2_s", "swin_v2_t")
    assert [family(n) for n in names] == ["small", "resnet", "resnet", "efficientnet", "swin"]
    own = ("nature_cnn", "birds_alexnet", "attention_cnn", "cifar_resnet18", "cifar_fast")
    assert [family(n) for n in own] == ["nature", "alexnet", "attention", "resnet", "airbench"]


@pytest.mark.parametrize("name", ["regnet_y_128gf", "swin_t"])
def test_an_outline_takes_no_memory_and_draws_no_random_number(name):
    before = torch.get_rng_state()
    network = outline(name)
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"meta"}
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_number_of_the_table_is_the_networks_own(name):
    line, summary = NETWORKS[name], summarise(outline(name), NETWORKS[name].size)
    assert (summary.parameters, summary.multiply_adds) == (line.parameters, line.multiply_adds)
    if name not in OWN:
        published = [
            weights
            for weights in torchvision.models.get_model_weights(name)
            if weights.transforms.keywords["crop_size"] == line.size
        ]
        assert round(line.multiply_adds / 1e9, 3) == published[0].meta["_ops"]
        # the published count of inception_v3 is with its auxiliary classifier
        if name != "inception_v3":
            assert line.parameters == published[0].meta["num_params"]
