"""What does not go together, or cannot be had, is told in one sentence."""

import pytest
import torch
from safetensors.torch import save_file
from smallruns import (
    QUIET,
    draw_photos,
)

from fieldmark.errors import (
    SettingsError,
    WeightsError,
)
from fieldmark.models.catalog import MODELS
from fieldmark.models.published import chosen, fetch
from fieldmark.models.weights import read_weights
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("model.freeze=true", "model.unfreeze=last:1"),
            "model.unfreeze: does not go with --freeze; leave one out",
        ),
        (
            ("model.freeze=true", "train.stages=[{train: all}]"),
            "--freeze: says what is trained, and so does train.stages; leave one of them out",
        ),
        (
            ("model.unfreeze=last:9",),
            "--unfreeze: 'last:9': there are 3 stages before the head; "
            "give a whole number up to that, such as last:2",
        ),
        (
            ("train.stages=[{train: stage9}]",),
            "train.stages: 'stage9' fits no part of the network that has weights; "
            "did you mean 'stage3'?",
        ),
        (
            ("train.stages=[{train: all, epochs: 2}]", "train.epochs=3"),
            "train.epochs: is 3, and the last of train.stages says 2; leave one of them out",
        ),
        (
            ("model.freeze=true", "features.heads=[linear, after]"),
            "features.heads: 'after' works on other features; take fieldmark grid "
            "--over head=linear,after",
        ),
        (
            ("model.freeze=true", "features.heads=[linear]", "head.name=after"),
            "features.heads: 'after' works on other features; take fieldmark grid "
            "--over head=linear,after",
        ),
        (
            ("model.freeze=true", "train.batch_size=1", "head.norm=true"),
            "--batch-size: 1 is too few for the batch norm of 'small_cnn'; take 2 or more",
        ),
        (
            ("model.freeze=true", "model.resizer=16", "input.size=24"),
            "model.resizer: a resizer has to be trained, and --freeze does not; "
            "leave one of them out",
        ),
        (
            ("model.freeze=true", "augment.name=light"),
            "augment.name: changes nothing where each image is seen once, as evaluation sees it; "
            "give features.views=10, or leave --freeze or this out",
        ),
        (
            ("model.freeze=true", "features.views=3", "augment.name=none"),
            "features.views: all views of an image are the same without augmentation; "
            "give --augment standard",
        ),
        (
            ("train.stages=[{train: head, epoch: 3}]",),
            "train.stages: stage 1 has no 'epoch'; it takes train, epochs and lr",
        ),
        (
            ("features.rates=[]",),
            "features.rates: must be a list of rates above 0 such as [1e-3, 1e-2]",
        ),
        (
            ("features.penalties=[0.1, -3]",),
            "features.penalties: must be a list of penalties above 0 such as [1e-4, 1e-2], not -3",
        ),
        (
            ("model.freeze=true", "features.heads=[linaer]"),
            "features.heads: there is no head 'linaer'; did you mean 'linear'?",
        ),
        (
            ("model.freeze=true", "features.rates=[1e-3, 1e-2]", "data.val=none"),
            "features: to choose among several heads needs validation images; "
            "leave data.val=none out, or name one rate, seed and head",
        ),
        (
            ("model.freeze=true", "mix.name=mixup"),
            "mix.name: mixes pictures, and a head alone is trained on features; "
            "leave it out, or leave --freeze out",
        ),
        (
            ("model.freeze=true", "train.validate_every=2"),
            "train.validate_every: is for training on images, and a head alone is trained on "
            "features; leave it out",
        ),
        (
            ("loss.class_weights=[1, 2]",),
            "loss.class_weights: there are 2 numbers for 3 classes; "
            "give one a class, in the order of the classes",
        ),
    ],
)
def test_what_does_not_go_together_is_told_in_one_sentence(photos, weights, words, sentence):
    with pytest.raises(SettingsError) as caught:
        prepare(gather(str(photos), ["model.width=4", *weights, *words], {}), QUIET)
    assert str(caught.value) == sentence


def test_all_that_stands_against_these_images_is_told_at_once(photos):
    words = ["train.monitor=top5_accuracy", "train.lookahead=99", "train.epochs=2", "loss=focal"]
    with pytest.raises(SettingsError) as caught:
        prepare(gather(str(photos), [*words, "loss.class_weights=[1, 2]"], {}), QUIET)
    told = [mistake.where for mistake in caught.value.mistakes]
    assert told == ["train.monitor", "train.lookahead", "loss.class_weights"]


def test_weights_of_another_known_network_are_named(photos, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(MODELS.build("squeezenet1_1", {}, 1000).state_dict(), path)
    words = ["model.name=resnet18", f"model.weights={path}"]
    with pytest.raises(WeightsError) as caught:
        prepare(gather(str(photos), words, {}), QUIET)
    assert str(caught.value) == (
        f"{path}: these are weights of squeezenet1_1, not of resnet18; "
        "take --model squeezenet1_1, or leave it out"
    )


def test_auxiliary_classifiers_inside_of_a_frozen_network_are_refused(photos, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(MODELS.build("googlenet", {}, 1000).state_dict(), path)
    words = ["model.name=googlenet", f"model.weights={path}", "model.aux_logits=true"]
    with pytest.raises(SettingsError) as caught:
        prepare(gather(str(photos), [*words, "model.freeze=true", "input.size=32"], {}), QUIET)
    assert str(caught.value) == (
        "model.aux_logits: trains classifiers inside of a network that stays as it is; "
        "leave it out, or leave --freeze out"
    )


def test_the_hub_out_of_reach_is_one_sentence_with_three_ways_out(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    photos = draw_photos(tmp_path / "large", each=8, side=80)
    with pytest.raises(WeightsError) as caught:
        prepare(gather(str(photos), [], {"model": "mobilenet_v2"}), QUIET)
    text = str(caught.value)
    assert "mobilenet_v2" in text
    assert "--model efficientnet_lite0" in text
    assert "--weights FILE" in text
    assert "--weights none" in text
    assert "\n" not in text
    with pytest.raises(WeightsError) as caught:  # which a frozen network cannot do
        prepare(gather(str(photos), [], {"model": "mobilenet_v2", "freeze": "true"}), QUIET)
    assert "--weights none" not in str(caught.value)


def test_photos_begin_with_real_weights_where_no_hub_answers(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.download_url_to_file", None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", None)
    photos = draw_photos(tmp_path / "large", each=8, side=80)
    found = prepare(gather(str(photos), ["data.copies=equal"], {}), QUIET)
    assert (found.settings.model.name, found.info.licence) == ("efficientnet_lite0", "Apache-2.0")
    published = read_weights(fetch(chosen("efficientnet_lite0", "default")))
    assert torch.equal(found.model.network.conv_stem.weight, published["conv_stem.weight"])
    assert found.spec.form[:2] == ("shorter", 256)


def test_one_rate_on_the_command_line_takes_the_place_of_a_recipes_several():
    given = gather("digits", [], {"lr": "0.5"}, recipe="nature-transfer").settings
    assert given.features.rates is None
    assert given.optimizer.options["lr"] == "0.5"
