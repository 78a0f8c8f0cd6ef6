"""Two networks side by side: a whole run, its bundle, and what is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from smallruns import QUIET, draw_photos

from fieldmark.errors import SettingsError, WeightsError
from fieldmark.models.bundle import load
from fieldmark.models.catalog import MODELS
from fieldmark.models.published import chosen, fetch
from fieldmark.models.weights import read_weights
from fieldmark.records import Predictions
from fieldmark.reviews.evaluate import evaluate_new
from fieldmark.reviews.evaluated import Asked
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare, train_run
from fieldmark.settings.data import DataSettings

BOTH = "timm/test_resnet+efficientnet_lite0"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("few") / "photos", each=8)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    save_file(MODELS.build("timm/test_resnet", {}, 5).state_dict(), file)
    return file


@pytest.fixture(scope="module")
def run(photos, resnet, tmp_path_factory):
    out = tmp_path_factory.mktemp("both")
    given = {"model": BOTH, "weights": f"{resnet}+default", "freeze": "true", "workers": "0"}
    resolved = gather(str(photos), [], {**given, "out": str(out), "name": "run"})
    return train_run(resolved, QUIET, "a test")


def test_the_bundle_says_both_and_predicts_as_the_run_did(photos, resnet, run):
    about = json.loads((run.path / "model.json").read_text(encoding="utf-8"))
    assert about["model"] == BOTH
    assert about["weights"] == f"{resnet}+IMAGENET1K_V1"
    assert about["licence"] == "unknown+Apache-2.0"
    evaluate_new(str(run.path), DataSettings(source=str(photos)), Asked(), QUIET)
    [file] = (run.path / "evaluations").glob("*/predictions.parquet")
    own, again = Predictions.read(run.predictions).of_split("test"), Predictions.read(file)
    joined = own.frame.join(again.frame, on="hash", suffix="_again")
    assert joined.height == 3
    for name in own.classes:
        assert np.allclose(joined[f"logit:{name}"], joined[f"logit:{name}_again"], atol=1e-3)


def test_each_has_its_own_weights_and_sees_the_image_as_it_was_trained(resnet, run):
    model, info = load(run.path)
    assert torch.equal(model.network.first.conv1[0].weight, read_weights(resnet)["conv1.0.weight"])
    lite = chosen("efficientnet_lite0", "default")
    stem = read_weights(fetch(lite))["conv_stem.weight"]
    assert torch.equal(model.network.second.conv_stem.weight, stem)
    assert (info.spec.size, info.options["second_size"]) == (160, 224)
    pixels = torch.tensor([0.1, 0.5, 0.9]).view(3, 1, 1)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (info.spec.mean, info.spec.std))
    seen = (pixels - mean) / std * model.network.scale + model.network.shift
    torch.testing.assert_close(seen, (pixels - 0.5) / 0.5)


def test_the_file_of_a_bundle_begins_another_run_of_both(photos, run):
    given = {"model": BOTH, "weights": str(run.path / "model.safetensors"), "freeze": "true"}
    again = prepare(gather(str(photos), [], given), QUIET).model.network.state_dict()
    first = load(run.path)[0].network.state_dict()
    assert all(torch.equal(again[name], first[name]) for name in first if "head" not in name)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            (),
            f"--model: '{BOTH}' are two networks, which stay as they are; add --freeze",
        ),
        (
            ("model.freeze=true", "input.normalize=dataset"),
            "input.normalize: dataset is for one network, and these are two with their own; "
            "leave it out",
        ),
        (
            ("model.freeze=true", "head.pool=mean+max"),
            "head.pool: mean+max needs a network whose last layer works on the mean of its maps, "
            f"by a pooling that can be replaced, and '{BOTH}' has none; take mean",
        ),
        (
            ("model.freeze=true", "model.weights=default+no.pth"),
            "model.weights: there is no file 'no.pth'; name a .safetensors or .pth file",
        ),
        (
            ("model.freeze=true", "model.drop_rate=0.1"),
            f"model.drop_rate: the model '{BOTH}' takes no such option; it takes "
            "'second_size', 'second_scale' and 'second_shift'",
        ),
    ],
)
def test_what_cannot_work_is_refused(photos, resnet, words, sentence):
    given = [f"model.weights={resnet}+default", f"model.name={BOTH}", *words]
    with pytest.raises(SettingsError) as caught:
        prepare(gather(str(photos), dict(word.split("=", 1) for word in given), {}), QUIET)
    assert str(caught.value) == sentence


def test_a_layer_that_neither_has_cannot_be_kept(photos, resnet):
    words = [f"model.weights={resnet}+default", f"model.name={BOTH}", "model.freeze=true"]
    with pytest.raises(WeightsError) as caught:
        prepare(gather(str(photos), [*words, "head.name=after"], {}), QUIET)
    assert str(caught.value) == (
        f"{resnet}+IMAGENET1K_V1: the weights have no last layer for the head 'after' to keep; "
        "give those of a whole network, or take the head 'linear'"
    )
