"""A bundle as timm has it: timm's own loader takes the folder and gives the same logits."""

import pytest
import timm
import torch
from torchvision.transforms import CenterCrop, Resize

import fieldmark
from fieldmark.files import write_json
from fieldmark.hub.timm_form import crop_share, input_config, timm_form
from fieldmark.models import bundle
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import MODELS
from fieldmark.records import InputSpec
from fieldmark.use.predictor import Predictor

SPEC = InputSpec("shorter:73", 64, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
CLASSES = ("a", "b", "c")


def made(folder, name="resnet18", spec=SPEC, options=None, **about):
    torch.manual_seed(0)
    network = MODELS.build(name, options or {}, len(CLASSES))
    for layer in network.modules():  # as trained ones are: a wrong eps would show
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    folder.mkdir()
    info = BundleInfo(name, CLASSES, spec, options=options or {}, **about)
    bundle.save(folder, network.state_dict(), info)
    return folder


def as_timms(folder, form):
    """The folder written as timm's, and what timm makes of it."""
    bundle.save(folder, form.state, form.info)
    write_json(folder / "config.json", form.config)
    return timm.create_model(f"local-dir:{folder}", pretrained=True).eval()


@pytest.mark.parametrize(
    ("name", "architecture", "kept"),
    [
        ("resnet18", "resnet18", "resnet18"),
        ("mobilenet_v2", "mobilenetv2_100", "timm/mobilenetv2_100"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (
                ("efficientnet_lite0", "tf_efficientnet_lite0", "timm/tf_efficientnet_lite0"),
                ("efficientnet_b0", "efficientnet_b0", "timm/efficientnet_b0"),
                ("mnasnet0_5", "mnasnet_050", "timm/mnasnet_050"),
                ("densenet121", "densenet121", "densenet121"),
                ("timm/convnext_atto", "convnext_atto", "timm/convnext_atto"),
            )
        ),
    ],
)
def test_timm_gives_the_same_logits_on_the_same_pixels(tmp_path, name, architecture, kept):
    folder = made(tmp_path / "run", name)
    classifier, info = bundle.load(folder)
    form = timm_form(classifier, info)
    assert (form.architecture, form.info.model) == (architecture, kept)
    loaded = as_timms(folder, form)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        wanted = classifier.network(images)
        assert torch.allclose(loaded(images), wanted, atol=1e-5 * float(wanted.abs().max()))
        again = bundle.load(folder)[0].network(images)  # the folder is a bundle of ours, too
        assert torch.allclose(again, wanted, atol=1e-5 * float(wanted.abs().max()))
    assert loaded.pretrained_cfg["label_names"] == list(CLASSES)


def test_timm_prepares_an_image_as_we_do(tmp_path):
    config = input_config(SPEC)
    assert config == {
        "input_size": [3, 64, 64],
        "interpolation": "bilinear",
        "crop_pct": 64 / 73,
        "crop_mode": "center",
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.3, 0.4],
    }
    resize, crop, *_ = timm.data.create_transform(**config).transforms
    assert isinstance(resize, Resize)
    assert resize.size == 73
    assert isinstance(crop, CenterCrop)
    square = input_config(InputSpec("square:240:bicubic", 224))
    assert (square["crop_mode"], square["interpolation"]) == ("squash", "bicubic")


@pytest.mark.parametrize("size", [8, 32, 224, 225, 299, 384])
def test_the_stored_side_comes_out_of_timms_division(size):
    import math

    for stored in range(size, 2 * size):
        assert math.floor(size / crop_share(size, stored)) == stored


def test_what_timm_has_not_is_told(tmp_path):
    torch.manual_seed(0)
    network = assemble(Design("resnet18", {}, "linear", {"length": True}, pool="mean+max"), 3)
    about = {"head_options": {"length": True}, "pool": "mean+max"}
    bundle.save(tmp_path, network.state_dict(), BundleInfo("resnet18", CLASSES, SPEC, **about))
    told = timm_form(*bundle.load(tmp_path)).why_not
    assert told == "the network has the head 'linear' with length=true and head.pool=mean+max"
    folder = made(tmp_path / "own", "small_cnn")
    assert timm_form(*bundle.load(folder)).why_not == "timm has no network 'small_cnn'"


@pytest.mark.slow
def test_a_network_of_the_same_shapes_that_answers_otherwise_is_refused(tmp_path):
    folder = made(tmp_path / "run", "efficientnet_b5")  # torchvision's eps is 0.001, timm's 1e-5
    told = timm_form(*bundle.load(folder)).why_not
    assert told == "timm's 'efficientnet_b5' gives other logits than 'efficientnet_b5'"


def test_several_labels_are_told_to_transformers(tmp_path):
    folder = made(tmp_path / "run", task="multi-label", thresholds=dict.fromkeys(CLASSES, 0.3))
    form = timm_form(*bundle.load(folder))
    assert form.config["problem_type"] == "multi_label_classification"
    assert form.config["label_names"] == list(CLASSES)
    as_timms(folder, form)
    assert isinstance(fieldmark.load(folder), Predictor)


@pytest.mark.slow
def test_a_network_of_a_fixed_side_is_built_for_that_side(tmp_path):
    spec = InputSpec("square:96", 96)
    options = {"img_size": 96}
    folder = made(tmp_path / "run", "timm/vit_tiny_patch16_224", spec=spec, options=options)
    classifier, info = bundle.load(folder)
    loaded = as_timms(folder, timm_form(classifier, info))
    images = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.allclose(loaded(images), classifier.network(images), atol=1e-5)
