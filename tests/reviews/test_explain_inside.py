"""What an explanation shows of the network's inside, and what it refuses before any work."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from fieldmark.attribution.feature_maps import LAYERS
from fieldmark.cli.main import run
from fieldmark.errors import SettingsError
from fieldmark.heats import Wanted, Way
from fieldmark.models import bundle
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import MODELS
from fieldmark.records import InputSpec
from fieldmark.reviews.explain_asked import Asked, Wish, layers_of, refuse_before_work
from fieldmark.reviews.explain_inside import ATTENDED, FEATURED, begin, refuse_inside
from fieldmark.use.opened import open_bundle

SIDE = 32
TINY = {"small_cnn": {"width": 4}, "attention_cnn": {"widths": (2, 3, 4, 5, 6)}}


@pytest.fixture(scope="module")
def opened(bundles):
    """A bundle of each network, ready to look at images."""
    return {name: open_bundle(folder, "cpu") for name, folder in bundles.items()}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """The folder of each network, of drawn weights."""
    found = {}
    for name, options in TINY.items():
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp(name)
        network = MODELS.build(name, options, 2)
        info = BundleInfo(name, ("a", "b"), InputSpec(f"square:{SIDE}", SIDE), options=options)
        bundle.save(folder, network.state_dict(), info)
        found[name] = folder
    return found


def wanted(number, label="a"):
    return Wanted(f"{number}.png", None, label)


def looked_at(opened, wish, wanted, labels=1):
    insides = begin(opened, wish, labels)
    images = torch.zeros(len(wanted), 3, SIDE, SIDE, dtype=torch.uint8)
    images[:, :, : SIDE // 2] = 255
    for start in range(0, len(wanted), 16):
        insides.take(opened, images[start : start + 16], wanted[start : start + 16])
    return insides


@pytest.mark.parametrize(
    ("name", "attention", "expected"),
    [
        ("attention_cnn", None, ["pool3", "pool4"]),
        ("attention_cnn", True, ["pool3", "pool4"]),
        ("attention_cnn", False, []),
        ("small_cnn", None, []),
        ("small_cnn", False, []),
    ],
)
def test_attention_is_shown_where_there_is_one_or_as_it_is_asked(opened, name, attention, expected):
    found = looked_at(opened[name], Wish(attention=attention), [wanted(0)]).images.values()
    assert [each.pooling for image in found for each in image.attention] == expected


def test_attention_and_layers_that_there_are_not_are_refused_together(opened):
    wish = Wish(attention=True, features=("stgae1", "stage1"))
    asked = Asked("run", way=Way(layer="stage4"), inside=wish)
    with pytest.raises(SettingsError) as error:
        refuse_inside(opened["small_cnn"], asked)
    assert str(error.value).splitlines() == [
        "--layer: there is no layer 'stage4'; did you mean 'stage3'?",
        "--attention: the network has no attention maps to show; train one with --model "
        "attention_cnn and model.attention=softmax or sigmoid",
        "--features: there is no layer 'stgae1'; did you mean 'stage1'?",
    ]


def test_an_attention_and_commas_without_a_layer_are_refused_without_a_network(tmp_path):
    spec = InputSpec(f"square:{SIDE}", SIDE)
    wish = Wish(attention=True, features=layers_of("stage1,,stage2"))

    def refused(model, **options):
        info = BundleInfo(model, ("a", "b"), spec, options=options)
        (tmp_path / "model.json").write_text(json.dumps(info.to_json()))
        with pytest.raises(SettingsError) as error:
            refuse_before_work(Asked(str(tmp_path), inputs=("photo.png",), inside=wish))
        return str(error.value).splitlines()

    attention = (
        "--attention: the network has no attention maps to show; train one with --model "
        "attention_cnn and model.attention=softmax or sigmoid"
    )
    features = (
        "--features: a comma stands without a layer; name layers, such as conv1,layer*, or 'stages'"
    )
    for model in ("resnet18", "timm/resnet18", "resnet18+small_cnn"):
        assert refused(model) == [attention, features]
    assert refused("attention_cnn", attention="none") == [attention, features]
    for model in ("attention_cnn", "small_cnn+attention_cnn", "mypackage/looking"):
        assert refused(model) == [features]


def test_only_the_first_images_are_looked_into_each_once(opened):
    each = [wanted(number, label) for number in range(ATTENDED + 1) for label in ("a", "b")]
    images = list(looked_at(opened["attention_cnn"], Wish(features=()), each).images.values())
    assert [each.caption for each in images] == [f"{number}.png" for number in range(ATTENDED)]
    assert [len(each.attention) for each in images] == [2] * ATTENDED
    assert [bool(each.layers) for each in images] == [n < FEATURED for n in range(ATTENDED)]
    assert images[0].photo.shape == (SIDE, SIDE, 3)


def test_where_images_come_by_class_each_class_has_its_share(opened):
    each = [wanted(number, label) for number, label in enumerate("aaabbbcccddd")]
    found = looked_at(opened["small_cnn"], Wish(features=("stage2",)), each, labels=3).images
    assert [path for path, _ in found] == ["0.png", "1.png", "3.png", "4.png"]
    assert [[layer.layer for layer in image.layers] for image in found.values()] == [["stage2"]] * 4


def test_filters_are_shown_where_they_are_asked_for(opened):
    assert begin(opened["small_cnn"], Wish()).filters == []
    (found,) = begin(opened["small_cnn"], Wish(filters=True)).filters
    assert (found.layer, found.count) == ("stage1.0", 4)


def test_layers_are_parted_by_commas_and_stages_are_the_networks_own():
    assert layers_of(None) is None
    assert layers_of("stages") == ()
    assert layers_of("conv1, layer*.0") == ("conv1", "layer*.0")
    assert LAYERS == 6  # as the guide says


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        (
            "attention_cnn",
            ["--features", "block1,block?.0", "--filters"],
            "attention features filters",
        ),
        ("attention_cnn", ["--no-attention"], ""),
        ("small_cnn", ["--features", "stages"], "features"),
    ],
)
def test_the_page_has_the_panels_that_were_asked_for(
    name, asked, expected, bundles, photo, tmp_path, capsys
):
    asked = [*asked, "--no-trust", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert run(["explain", str(bundles[name]), photo, *asked]) == 0
    page = (tmp_path / "out/explain.html").read_text()
    panels = re.findall(r'<details class="section" id="(attention|features|filters)"', page)
    assert panels == expected.split()
    told = "On 1 image the hottest tenth of the places has " in capsys.readouterr().out
    assert told is ("attention" in panels)


def test_a_wrong_layer_is_refused_before_a_folder_is_made(bundles, photo, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["--features", "bloc4", "--device", "cpu", "--out", str(out)]
    assert run(["explain", str(bundles["attention_cnn"]), photo, *asked]) == 2
    assert not out.exists()
    assert capsys.readouterr().err == (
        "fieldmark: --features: there is no layer 'bloc4'; did you mean 'block4'?\n"
    )
