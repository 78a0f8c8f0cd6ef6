import json
from functools import cache
from pathlib import Path

import pytest
import timm
import torch

from fieldmark.errors import UserError, WeightsError
from fieldmark.models import recognise as module
from fieldmark.models.catalog import MODELS, outline
from fieldmark.models.recognise import TABLE, identify, make, recognise, write_table
from fieldmark.models.weights import read_weights

SHARED = Path(__file__).parents[2].parent / "shared" / "weights"
SMALL = ["small_cnn", "resnet18", "mobilenet_v2", "squeezenet1_1", "shufflenet_v2_x0_5", "vgg11"]
LARGE = ["densenet121", "googlenet", "vit_b_16", "swin_t", "maxvit_t", "mnasnet0_5", "alexnet"]
SAME_HASH_AT_OTHER_SIDES = {"vit_b_16": 384, "vit_l_16": 512, "vit_h_14": 518}


def tensors(name, classes=7, options=None):
    return dict(outline(name, classes, options).state_dict())


@cache
def known():
    """Every network in the table, with its two keys: {name: {(heads, hash)}}."""
    found = {}
    for heads, networks in json.loads(TABLE.read_text()).items():
        for key, names in networks.items():
            for name in names:
                found.setdefault(name, set()).add((heads, key))
    return found


@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_a_network_is_recognised_whatever_its_classes(name):
    assert recognise(tensors(name)) == name


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_network_of_the_catalog_is_recognised_and_stands_in_the_table_as_it_is(name):
    network = outline(name, 7)
    assert recognise(dict(network.state_dict())) == name
    assert identify(name, network) in known()[name]


@pytest.mark.parametrize("name", ["timm/mobilenetv2_100", "timm/repvit_m0_9", "timm/test_vit"])
def test_networks_of_timm_are_recognised_by_their_own_names(name):
    assert recognise(tensors(name)) == name


@pytest.mark.parametrize("name", ["mobilenet_v2", "squeezenet1_1"])
def test_files_of_weights_are_recognised(name):
    path = SHARED / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip("the ImageNet weights do not lie beside the checkout")
    assert recognise(read_weights(path)) == name


def test_where_timm_and_torchvision_have_the_same_network_it_is_torchvisions():
    assert recognise(tensors("timm/resnet50")) == "resnet50"


def test_wrappers_prefixes_older_names_and_missing_counters_change_nothing():
    older = {
        f"module.{name.replace('norm1.', 'norm.1.')}": tensor
        for name, tensor in tensors("densenet121").items()
        if not name.endswith("num_batches_tracked")
    }
    assert recognise(older) == "densenet121"


def test_a_head_of_another_kind_or_none_at_all_changes_nothing():
    body = {k: v for k, v in tensors("resnet18").items() if not k.startswith("fc.")}
    assert recognise(body) == "resnet18"
    head = {"fc.0.weight": torch.zeros(64, 512), "fc.3.weight": torch.zeros(7, 64)}
    assert recognise({**body, **head}) == "resnet18"


def test_auxiliary_classifiers_and_derived_buffers_change_nothing():
    extra = {"aux1.conv.conv.weight": torch.zeros(1), "AuxLogits.fc.bias": torch.zeros(1)}
    assert recognise({**tensors("googlenet"), **extra}) == "googlenet"
    kept = {k: v for k, v in tensors("swin_t").items() if "relative_position_index" not in k}
    assert recognise(kept) == "swin_t"


@pytest.mark.parametrize(("name", "side"), SAME_HASH_AT_OTHER_SIDES.items())
def test_weights_for_other_image_sizes_that_torchvision_publishes_are_recognised(name, side):
    assert recognise(tensors(name, 1000, {"image_size": side})) == name


def test_networks_that_differ_in_no_tensor_are_named_together():
    with pytest.raises(WeightsError) as caught:
        recognise(tensors("timm/efficientnet_b1"))
    said = str(caught.value)
    assert said.startswith("the weights fit 'timm/efficientnet_b1'")
    assert "'timm/tf_efficientnet_b1'" in said
    assert said.endswith("alike; say which it is with --model")


def test_unknown_weights_ask_for_the_model():
    given = {"stem.weight": torch.zeros(3, 3), "head.weight": torch.zeros(2, 3)}
    with pytest.raises(WeightsError) as caught:
        recognise(given)
    assert str(caught.value) == (
        "the weights are of no network that is known by its tensors (2 of them, such as "
        "'stem.weight'); say which it is with --model"
    )
    with pytest.raises(WeightsError, match="no network that is known"):
        recognise({})


def test_one_tensor_of_another_shape_is_another_network():
    given = tensors("resnet18")
    given["layer1.0.conv1.weight"] = torch.empty(64, 64, 5, 5, device="meta")
    with pytest.raises(WeightsError, match="no network that is known"):
        recognise(given)


def test_the_table_knows_every_network_that_has_a_head():
    assert set(MODELS) <= set(known())
    missing = {f"timm/{name}" for name in timm.list_models()} - set(known())
    for name in missing:
        with pytest.raises(UserError):
            identify(name, outline(name))


def test_the_table_is_written_as_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MODELS", ["small_cnn", "resnet18"])
    monkeypatch.setattr(module.timm_networks, "names", lambda: ("resnet18",))
    write_table(tmp_path / "table.json")
    assert json.loads((tmp_path / "table.json").read_text()) == make(
        ["small_cnn", "resnet18", "timm/resnet18"]
    )


@pytest.mark.slow
def test_the_table_is_what_networks_of_timm_are():
    for name in (f"timm/{name}" for name in timm.list_models()[::15]):
        if name in known():
            assert identify(name, outline(name)) in known()[name]
