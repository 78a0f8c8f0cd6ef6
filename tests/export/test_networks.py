"""Every series of the catalog, and every part that Fieldmark adds, as files that answer alike."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from enginesthere import needs
from randombundles import draw_smooth, random_bundle, side_of, smallest_of_series, with_parts

from fieldmark.export.exported import export
from fieldmark.export.formats import EXPORTERS, FORMATS, Asked
from fieldmark.models import bundle
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.published import at_hand, weights_of
from fieldmark.models.weights import load_into, read_weights
from fieldmark.records import InputSpec

pytestmark = [pytest.mark.slow, needs("onnxruntime")]
SHARED = Path(__file__).parents[2].parent / "shared"
MONKEYS = SHARED / "data" / "monkeys10" / "val"
PARTS = {
    "mirrored": {"mirror": True},
    "the maximum beside the mean": {"pool": "mean+max"},
    "a resizer": {"resizer": 32},
    "divided by the length": {"head_options": {"length": True}},
    "two layers": {"head": "mlp"},
    "boosted trees": {"head": "boosted", "head_options": {"trees": 5, "leaves": 4}},
}


@pytest.fixture(autouse=True)
def quick_first(monkeypatch):
    """The exporter of a second before that of ten; what one cannot write the other does."""
    for to in ("onnx", "openvino"):
        monkeypatch.setitem(FORMATS, to, replace(FORMATS[to], ways=EXPORTERS[::-1]))


@pytest.mark.parametrize("name", smallest_of_series())
def test_a_network_of_each_series_answers_alike(tmp_path, name):
    photos = draw_smooth(tmp_path / "photos", side_of(name))
    _, parity = export(
        random_bundle(tmp_path / "run", name), "onnx", None, Asked(images=(str(photos),))
    )
    assert parity.holds
    assert parity.images == 6


@pytest.mark.parametrize("to", ["openvino", "torch"])
@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "vit_b_16"])
def test_other_formats_answer_alike(tmp_path, name, to):
    if to == "openvino":
        pytest.importorskip("openvino")
    photos = draw_smooth(tmp_path / "photos", side_of(name))
    _, parity = export(
        random_bundle(tmp_path / "run", name), to, None, Asked(images=(str(photos),))
    )
    assert parity.holds


@pytest.mark.parametrize("part", PARTS)
def test_what_is_added_to_a_network_is_in_the_file(tmp_path, part):
    photos = draw_smooth(tmp_path / "photos", 48)
    _, parity = export(
        with_parts(tmp_path / "run", **PARTS[part]), "onnx", None, Asked(images=(str(photos),))
    )
    assert parity.holds


def weights_of_imagenet(name):
    """The file of real weights, or a skip with the reason."""
    lite = at_hand(weights_of("efficientnet_lite0")[0])
    path = lite if name == "efficientnet_lite0" else SHARED / "weights" / f"{name}.safetensors"
    if path is None or not path.is_file() or not MONKEYS.is_dir():
        pytest.skip("the weights or the shared photos do not lie beside the checkout")
    return read_weights(path)


FORMS = {
    "mobilenet_v2": InputSpec("shorter:224", 224),  # as large as the photos: nothing is rounded
    "efficientnet_lite0": InputSpec("shorter:256:bicubic", 224, (0.5,) * 3, (0.5,) * 3),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_real_weights_answer_alike_on_real_photos(tmp_path, name, task):
    network = assemble(Design(name, several=task == "multi-label"), 10, seed=0)
    load_into(network, weights_of_imagenet(name))
    for parameter in network.parameters():
        if not parameter.any():  # the new last layer
            torch.nn.init.normal_(parameter, std=0.02)
    classes = tuple("abcdefghij")
    several = {"thresholds": dict.fromkeys(classes, 0.4)} if task == "multi-label" else {}
    info = BundleInfo(name, classes, FORMS[name], task=task, **several)
    bundle.save(tmp_path, network.state_dict(), info)
    _, parity = export(tmp_path, "onnx", None, Asked(images=(str(MONKEYS),), most=100))
    assert parity.holds
    assert parity.images == 100
