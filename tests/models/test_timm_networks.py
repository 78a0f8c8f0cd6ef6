import re

import pytest
import timm
import torch
from timm.models import get_pretrained_cfg

from fieldmark.models import timm_networks
from fieldmark.models.catalog import MODELS, MOST_COUNTED, family, outline, rows, side_mistake
from fieldmark.models.heads import head_of


def test_every_network_of_timm_is_in_the_catalog_but_not_in_its_list():
    assert all(f"timm/{name}" in MODELS for name in timm.list_models())
    assert "timm/resnet8_of_nobody" not in MODELS
    assert not [name for name in MODELS if name.startswith("timm/")]
    with pytest.raises(KeyError):
        MODELS["timm/resnet8_of_nobody"]


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "mobilenetv3_small_050"])
def test_built_it_gives_a_logit_a_class(name):
    network = MODELS.build(f"timm/{name}", {}, 7).eval()
    side = timm_networks.input_size(name)[0]
    assert network(torch.rand(2, 3, side, side)).shape == (2, 7)
    assert head_of(network)[1].weight.shape[0] == 7


def test_options_are_those_that_the_network_takes():
    assert set(MODELS["timm/resnet50"].options()) == {"drop_rate", "drop_path_rate"}
    assert set(MODELS["timm/vgg11"].options()) == {"drop_rate"}
    assert set(MODELS["timm/test_vit"].options()) == {"drop_rate", "drop_path_rate", "img_size"}


def test_options_that_a_base_class_takes_are_offered_too():
    # VisionTransformerDistilled.__init__ hands all but one on to VisionTransformer
    assert "img_size" in MODELS["timm/deit_tiny_distilled_patch16_224"].options()


def test_options_come_from_text_and_reach_the_network():
    given = {"drop_rate": "0.3", "img_size": "96", "drop_path_rate": "none"}
    values, mistakes = MODELS.read("timm/test_vit", given)
    assert not mistakes
    assert values == {"drop_rate": 0.3, "img_size": 96, "drop_path_rate": None}
    network = MODELS.build("timm/test_vit", values, 7)
    assert network.head_drop.p == 0.3
    assert network.patch_embed.img_size == (96, 96)


@pytest.mark.parametrize(
    ("name", "option", "value", "said"),
    [
        ("timm/resnet50", "dropout", 0.1, "takes no such option; did you mean 'drop_rate'"),
        ("timm/resnet50", "img_size", 96, "takes no such option"),
        ("timm/resnet50", "drop_rate", 1.5, "must be at most 1, not 1.5"),
        ("timm/test_vit", "img_size", "big", "must be a whole number"),
    ],
)
def test_an_option_that_does_not_fit_is_a_mistake(name, option, value, said):
    (mistake,) = MODELS.read(name, {option: value})[1]
    assert mistake.where == option
    assert said in mistake.what


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/resnet5O", "timm has no network 'resnet5O'; did you mean 'timm/resnet50'?"),
        ("timm/zzzzzz", "timm has no network 'zzzzzz'; `fieldmark models timm/` lists them"),
        (
            "timm/resnet50.a1_in1k",
            "there is no model 'timm/resnet50.a1_in1k'; name the version apart: timm/resnet50, "
            "weights a1_in1k",
        ),
    ],
)
def test_a_name_that_timm_does_not_have_is_met_with_one_it_has(name, said):
    assert [mistake.what for mistake in MODELS.read(name, {})[1]] == [said]


def test_sides_are_tried_without_computing_anything():
    assert side_mistake("timm/resnet18", {}, 33) is None
    assert side_mistake("timm/inception_v4", {}, 299) is None
    said = side_mistake("timm/inception_v4", {}, 64)
    assert said == "'timm/inception_v4' cannot take images of 64 px; give it 299 px"


def test_a_network_of_one_size_says_how_to_build_it_for_another():
    said = side_mistake("timm/test_vit", {}, 96)
    assert said == "'timm/test_vit' is built for 160 px, not 96; set its img_size to 96"
    assert side_mistake("timm/test_vit", {"img_size": 96}, 96) is None
    assert outline("timm/test_vit", 7, {"img_size": 96}).patch_embed.img_size == (96, 96)


def test_an_encoder_that_gives_no_classes_is_refused():
    said = side_mistake("timm/mobilenetv5_300m_enc", {}, 768)
    assert "gives no logits of one image a class" in said


def test_names_are_found_by_a_part():
    found = [row.name for row in rows("timm/TEST_vit")]
    assert found == [f"timm/{name}" for name in timm.list_models("*test_vit*")]


def test_few_rows_come_with_their_numbers():
    (row,) = rows("timm/convnextv2_tiny")
    # 28.6 M and 4.47 G: table 5 of the paper, arXiv:2301.00808
    assert row.parameters == 28_635_496
    assert row.multiply_adds / 1e9 == pytest.approx(4.47, abs=0.02)
    assert (row.family, row.size, row.year, row.paper) == (
        "convnext",
        224,
        None,
        "arXiv:2301.00808",
    )
    assert row.about


def test_numbers_are_those_of_the_same_network_in_torchvision():
    own = next(row for row in rows("resnet18") if row.name == "resnet18")
    parameters, work = timm_networks.numbers("resnet18")
    assert (parameters, work) == (own.parameters, own.multiply_adds)


def test_a_pooling_by_attention_is_counted_too():
    assert timm_networks.numbers("test_vit3")[1] > 50e6


def test_many_rows_come_by_name_but_the_very_one_asked_for_is_counted():
    found = rows("timm/resnet50")
    assert len(found) > MOST_COUNTED
    assert [row.name for row in found if row.parameters is not None] == ["timm/resnet50"]
    assert {row.parameters for row in rows("timm/")} == {None}


def test_every_network_says_one_line_of_itself():
    for name in timm.list_models("*res*"):
        assert timm_networks.about(name)
        assert "\n" not in timm_networks.about(name)


def test_a_family_is_ours_where_the_name_says_so_and_else_timms_file():
    names = (
        "resnext50_32x4d",
        "vit_base_patch16_224",
        "tf_efficientnet_b0",
        "deit_tiny_patch16_224",
    )
    found = [family(f"timm/{name}") for name in names]
    assert found == ["resnet", "vit", "efficientnet", "deit"]


def test_the_default_version_comes_first():
    for name in ("resnet50", "vit_base_patch16_224", "convnext_base"):
        assert timm_networks.versions(name)[0] == get_pretrained_cfg(name).tag


def test_versions_are_of_this_network_and_not_of_those_whose_name_it_begins():
    assert timm_networks.versions("test_vit") == ("r160_in1k",)


def test_tensors_of_today_come_through_timms_conversion_as_they_are():
    for name in ("test_vit", "resnet18", "swin_tiny_patch4_window7_224"):
        network = outline(f"timm/{name}")
        own = network.state_dict()
        found = timm_networks.adapted(f"timm/{name}", network, own)
        assert {n: t.shape for n, t in found.items()} == {n: t.shape for n, t in own.items()}


def test_older_names_and_buffers_of_timms_files_are_converted():
    name = "timm/swin_tiny_patch4_window7_224"
    network = outline(name)
    old = {**network.state_dict(), "layers.0.blocks.0.attn.relative_position_index": torch.ones(2)}
    assert timm_networks.adapted(name, network, old).keys() == network.state_dict().keys()


def test_position_embeddings_are_resized_to_the_side_the_network_is_built_for():
    given = MODELS.build("timm/test_vit", {}, 7).state_dict()
    network = MODELS.build("timm/test_vit", {"img_size": 96}, 7)
    assert given["pos_embed"].shape != network.pos_embed.shape
    found = timm_networks.adapted("timm/test_vit", network, given)
    assert found["pos_embed"].shape == network.pos_embed.shape


def test_tensors_that_cannot_be_converted_come_back_unchanged():
    given = {"pos_embed": torch.zeros(2), "patch_embed.proj.weight": torch.zeros(1)}
    found = timm_networks.adapted("timm/test_vit", outline("timm/test_vit"), given)
    assert found.keys() == given.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", timm.list_models()[::50])
def test_a_network_is_a_classifier_at_its_own_side_or_is_refused(name):
    side = timm_networks.input_size(name)[0]
    said = side_mistake(f"timm/{name}", {}, side)
    if said is not None:
        assert re.search("no logits|is built for", said)
    else:
        shape = timm_networks._tried(name, {}, timm_networks.input_size(name))
        assert shape == (1, 7)
