"""What a head is given besides the mean of one image's maps: whole runs."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from smallruns import QUIET

from fieldmark.errors import SettingsError
from fieldmark.fit.features import weights_hash
from fieldmark.models.bundle import load
from fieldmark.models.catalog import MODELS
from fieldmark.records import Predictions
from fieldmark.reviews.evaluate import evaluate_new
from fieldmark.reviews.evaluated import Asked
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare, train_run
from fieldmark.settings.data import DataSettings
from fieldmark.settings.texts import read_yaml

FROZEN = ("model.freeze=true", "run.workers=0")


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """The words for a network that ends with a pooling, its weights drawn at random."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    save_file(MODELS.build("timm/test_resnet", {}, 5).state_dict(), file)
    return ("model.name=timm/test_resnet", f"model.weights={file}", *FROZEN)


@pytest.fixture(scope="module")
def runs(photos, resnet, tmp_path_factory):
    """Three runs with one cache."""
    out = tmp_path_factory.mktemp("runs")
    own = {"plain": (), "pool": ("head.pool=mean+max",), "mirror": ("model.mirror=true",)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDMARK_CACHE", str(out / "cache"))
        return {
            name: train_run(
                gather(str(photos), [*resnet, *words], {"out": str(out), "name": name}),
                QUIET,
                "a test",
            )
            for name, words in own.items()
        }


def logits(table):
    return table.frame.sort("hash").select([f"logit:{name}" for name in table.classes]).to_numpy()


@pytest.mark.parametrize("name", ["pool", "mirror"])
def test_the_bundle_predicts_as_the_run_did_and_not_as_another(photos, runs, name):
    run = runs[name]
    evaluate_new(str(run.path), DataSettings(source=str(photos)), Asked(), QUIET)
    [file] = (run.path / "evaluations").glob("*/predictions.parquet")
    own, again = Predictions.read(run.predictions).of_split("test"), Predictions.read(file)
    among = again.frame["hash"].is_in(own.frame["hash"].to_list())
    again = Predictions(again.frame.filter(among))
    assert np.allclose(logits(own), logits(again), atol=1e-3)
    plain = Predictions.read(runs["plain"].predictions).of_split("test")
    assert not np.allclose(logits(own), logits(plain), atol=1e-2)  # the cache did not mix them


def test_it_stands_in_the_settings_and_in_the_bundle(runs):
    settings = read_yaml(runs["pool"].settings.read_text(encoding="utf-8"), "settings.yaml")
    assert settings["head"]["pool"] == "mean+max"
    (pooled, info), (mirrored, other) = (load(runs[name].path) for name in ("pool", "mirror"))
    assert (info.pool, info.mirror) == ("mean+max", False)
    assert (other.pool, other.mirror) == ("mean", True)
    assert pooled.network.fc.weight.shape == (3, 192)
    assert weights_hash(mirrored.network.network.layer4) == weights_hash(pooled.network.layer4)
    images = torch.randint(256, (2, 3, 160, 160), dtype=torch.uint8)
    assert torch.allclose(mirrored(images), mirrored(images.flip(-1)), atol=1e-5)


@pytest.mark.parametrize("own", ["head.pool=mean+max", "model.mirror=true"])
@pytest.mark.parametrize(
    "way",
    [("features.scalings=length",), ("features.heads=[linear, mlp]", "train.epochs=2")],
    ids=["exact", "epochs"],
)
def test_another_head_is_given_the_same(photos, resnet, tmp_path, own, way):
    given = {"out": str(tmp_path), "name": "run"}
    run = train_run(gather(str(photos), [*resnet, own, *way], given), QUIET, "a test")
    model, info = load(run.path)
    assert (info.pool, info.mirror) == (("mean+max", False) if "pool" in own else ("mean", True))
    assert info.head_options.get("length") is True or len(way) > 1
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    assert layers[0].in_features == (192 if "pool" in own else 96)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("head.pool=mean+max",),
            "head.pool: mean+max needs a network whose last layer works on the mean of its maps, "
            "by a pooling that can be replaced, and 'small_cnn' has none; take mean",
        ),
        (
            ("head.pool=mean+max", "head.name=after"),
            "head.pool: is for a layer in the place of the network's own, and 'after' keeps that; "
            "take mean",
        ),
        (
            ("model.mirror=true",),
            "model.mirror: is for a network that stays as it is; take --freeze, or leave it out",
        ),
        (
            ("model.mirror=true", "model.freeze=true", "train.test_flip=true"),
            "model.mirror: has mirror images in every figure already; leave train.test_flip out",
        ),
    ],
)
def test_what_cannot_work_is_refused(photos, weights, words, sentence):
    with pytest.raises(SettingsError) as caught:
        prepare(gather(str(photos), [*weights, *words], {}), QUIET)
    assert str(caught.value) == sentence


def test_mirror_images_that_mean_something_else_are_not_averaged_in(weights):
    words = [*weights[:2], "model.freeze=true", "model.mirror=true"]
    with pytest.raises(SettingsError) as caught:
        prepare(gather("digits", words, {}), QUIET)
    assert str(caught.value) == (
        "model.mirror: a mirror image means something else in these images; leave it out"
    )
