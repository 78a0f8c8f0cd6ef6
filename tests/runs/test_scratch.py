"""Training from scratch: images in memory, own channels, drawn weights, mirror images."""

import json
import os
import shutil
import signal

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from smallruns import (
    QUIET,
    SMALL,
    draw_photos,
    history,
    in_process,
    predictions,
    resume,
    same_results,
    train,
    train_and_die,
)

from fieldmark.console import Console
from fieldmark.data.images import decode
from fieldmark.errors import DataError, SettingsError, StoppedError
from fieldmark.fit.keeper import Keeper
from fieldmark.models.bundle import load
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import gather
from fieldmark.runs.preview import show
from fieldmark.runs.run import prepare
from fieldmark.track.trackers import KINDS

STEP = "fieldmark.fit.loop:step"
FAST = (
    "model.name=cifar_fast",
    "model.width=8",
    "augment.name=crop",
    "augment.alternate=true",
    "augment.hole=4",
    "train.lookahead=2",
    "train.bias_factor=8",
    "penalty.l1=1e-5",
    "schedule.name=one-cycle",
)


def settled(data, *words):
    return prepare(gather(str(data), words, {}), QUIET)


def refused(data, *words):
    with pytest.raises(SettingsError) as error:
        settled(data, *words)
    return str(error.value)


@pytest.fixture
def parted(tmp_path):
    """Photos with a split that is given."""
    return draw_parted(tmp_path / "parted")


def draw_parted(root):
    photos = draw_photos(root, each=16)
    for file in sorted(photos.rglob("*.png")):
        side = {0: "test", 1: "val"}.get(int(file.stem) % 4, "train")
        place = photos / side / file.parent.name
        place.mkdir(parents=True, exist_ok=True)
        file.rename(place / file.name)
    for name in ("blue", "green", "red"):
        (photos / name).rmdir()
    return photos


def negative(folder):
    """Change every pixel of every image in a folder."""
    for file in folder.rglob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "large", each=6, side=80)


def test_small_images_are_changed_a_batch_at_a_time_and_others_one_by_one(photos, large):
    assert settled(photos).settings.augment.by == "batch"
    assert settled(photos, "augment.name=standard").settings.augment.by == "image"
    assert settled(large, "model.weights=none").settings.augment.by == "image"


def test_a_square_is_of_the_size_that_the_network_sees(large):
    words = ("model.weights=none", "input.stored=square", "input.size=72")
    assert settled(large, *words).settings.input.stored == "square:72"


def test_what_cannot_be_changed_in_batches_is_told(photos, large):
    found = refused(photos, "augment.by=batch", "augment.name=standard")
    assert "'standard' works on one image at a time; take image or 'none', 'light'" in found
    found = refused(
        large, "model.weights=none", "augment.by=batch", "augment.name=light", "input.size=72"
    )
    assert "only small square images that fit in memory can be changed so; take image" in found


def test_own_channels_are_those_of_the_training_images_and_stay_with_the_run(photos, tmp_path):
    run = train(photos, tmp_path, "own", "input.normalize=dataset", epochs="1")
    samples = pl.read_parquet(run.samples).filter(pl.col("split") == "train")
    pixels = np.concatenate(
        [np.asarray(Image.open(photos / path)).reshape(-1, 3) for path in samples["path"]]
    )
    spec = json.loads((run.path / "model.json").read_text())["spec"]
    assert np.allclose(spec["mean"], pixels.mean(0) / 255, atol=1e-5)
    assert np.allclose(spec["std"], pixels.std(0) / 255, atol=1e-5)

    fewer = shutil.copytree(photos, tmp_path / "fewer")
    for path in samples["path"][:8]:
        (fewer / path).unlink()
    assert settled(fewer, "input.normalize=dataset").spec.mean != tuple(spec["mean"])
    words = [f"data.source={fewer}", "run.name=again"]
    again = prepare(gather(None, words, {}, config=str(run.settings)), QUIET).spec
    assert [*again.mean, *again.std] == [*spec["mean"], *spec["std"]]


def test_a_run_does_not_go_on_with_a_training_image_that_was_changed(parted, tmp_path):
    run = train(parted, tmp_path, "run", "input.normalize=dataset", epochs="1")
    negative(parted / "train" / "red")
    with pytest.raises(DataError, match="8 images changed or vanished since the run began"):
        resume(run, epochs="2")


def test_own_channels_never_see_validation_and_test(parted):
    before = settled(parted, "input.normalize=dataset").spec
    negative(parted / "val")
    negative(parted / "test")
    assert settled(parted, "input.normalize=dataset").spec == before
    negative(parted / "train" / "red")
    assert settled(parted, "input.normalize=dataset").spec != before


def test_channels_of_one_colour_are_refused(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=8)
    for file in photos.rglob("*.png"):
        pixels = np.array(Image.open(file))
        pixels[..., 0] = 7
        Image.fromarray(pixels).save(file)
    found = refused(photos, "input.normalize=dataset")
    assert "the training images are of one colour in a channel; take half or imagenet" in found


def test_weights_are_drawn_by_name(photos):
    plain = settled(photos, "model.name=small_cnn").model.network.state_dict()
    drawn = settled(photos, "model.name=small_cnn", "model.init=kaiming").model.network
    head = [layer for layer in drawn.modules() if isinstance(layer, torch.nn.Linear)][-1]
    assert not torch.equal(plain["stage1.0.weight"], drawn.state_dict()["stage1.0.weight"])
    assert head.weight.std().item() == pytest.approx(0.01, rel=0.2)


def test_weights_that_are_drawn_by_name_are_not_replaced_by_others(photos):
    found = settled(photos, "model.name=mobilenet_v2", "input.stored=square", "model.init=kaiming")
    assert found.settings.model.weights == "none"
    found = refused(photos, "model.name=mobilenet_v2", "model.init=kaiming", "model.freeze=true")
    assert "--freeze: " in found


def test_drawn_weights_do_not_go_with_others(photos):
    found = refused(photos, "model.init=kaimin")
    assert "there is no initialisation 'kaimin'; did you mean 'kaiming'?" in found
    found = refused(photos, "model.init=kaiming", "model.weights=default")
    assert "draws random weights, and this run begins with others; add --weights none" in found


def test_a_network_built_for_a_size_is_built_for_that_of_the_images(photos):
    model = settled(photos, "model.name=nature_cnn", "input.size=64", "model.weights=none")
    assert model.settings.model.options["image_size"] == 64
    found = refused(photos, "model.name=nature_cnn", "input.size=31", "model.weights=none")
    assert "needs images of 32 px or more, not 31" in found


def test_the_first_layer_is_made_from_training_images_alone(parted):
    def layers():
        return settled(parted, *FAST[:2]).model.network.state_dict()

    before = layers()
    negative(parted / "val")
    negative(parted / "test")
    assert all(torch.equal(tensor, before[name]) for name, tensor in layers().items())
    negative(parted / "train" / "red")
    changed = [name for name, tensor in layers().items() if not torch.equal(tensor, before[name])]
    assert len(changed) == 1


def test_what_changes_no_head_is_refused_for_one(large):
    words = ["model.freeze=true", "model.name=resnet18", "model.weights=default"]
    with pytest.raises(SettingsError, match="a head alone is trained on features") as error:
        prepare(
            gather(str(large), [*words, "train.bias_factor=2", "train.decay_on=weights"], {}),
            QUIET,
            load=False,
        )
    assert str(error.value).count("leave it out") == 2


def test_only_one_average_of_the_weights_is_kept(photos):
    found = refused(photos, "train.ema=0.9", "train.lookahead=3")
    assert "train.lookahead: keeps slow weights, and train.ema an average; leave one" in found


def test_slow_weights_that_would_never_move_are_refused(photos):
    found = refused(photos, "train.lookahead=99", "train.epochs=2")
    assert "train.lookahead: 99 is more than the 2 steps of the run, so nothing would be" in found


def test_each_stage_is_long_enough_for_slow_weights(photos):
    stages = "train.stages=[{train: all, epochs: 1, lr: 0.05}, {train: all}]"
    found = refused(photos, stages, "train.epochs=9", "train.lookahead=3")
    assert "train.lookahead: 3 is more than the 1 step of a stage" in found


def test_another_augmentation_is_not_held_to_the_way_of_the_old_one(photos, tmp_path):
    run = train(photos, tmp_path, "run", epochs="1")
    assert "by: batch" in run.settings.read_text()
    again = gather(None, ["augment=standard", "run.name=b"], {}, config=str(run.settings))
    assert prepare(again, QUIET).settings.augment.by == "image"


def test_a_run_goes_on_without_a_tracker_that_is_not_there(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("fieldmark.track.trackers.is_installed", lambda package: True)
    monkeypatch.setitem(KINDS, "mlflow", ("fieldmark.no_such_module", "None"))
    run = train(photos, tmp_path, "run", "track.to=mlflow", epochs="1")
    monkeypatch.setattr("fieldmark.track.trackers.is_installed", lambda package: False)
    with pytest.raises(SettingsError, match="'mlflow' is not installed; install it with: "):
        settled(photos, "track.to=mlflow")
    assert resume(run, epochs="2").is_done
    assert run.log.read_text().count("mlflow") == 2  # one note a process


def test_a_misspelt_figure_is_named(photos):
    found = refused(photos, "train.figures=macro_recal")
    assert "there is no figure 'macro_recal'; did you mean 'macro_recall'?" in found


@pytest.mark.slow
def test_a_killed_run_with_images_in_memory_goes_on_to_the_same_bits(photos, tmp_path):
    whole = train(photos, tmp_path, "whole", *FAST)
    words = [*FAST, "train.checkpoint_minutes=1e-9"]
    # in the second epoch, and between two updates of the slow weights
    assert in_process(train_and_die, STEP, 6, photos, tmp_path, "killed", words) == -9
    resumed = resume(RunDir(tmp_path / "killed"))
    assert same_results(whole, resumed)


def test_images_in_memory_give_what_the_loader_gives_without_augmentation(photos, tmp_path):
    words = ("augment.name=none",)
    batch = train(photos, tmp_path, "batch", *words)
    image = train(photos, tmp_path, "image", *words, "augment.by=image")
    assert same_results(batch, image)


def test_mirror_images_are_averaged_and_told_apart(photos, tmp_path):
    plain = train(photos, tmp_path, "plain")
    flipped = train(photos, tmp_path, "flipped", "train.test_flip=true", page=True)
    assert history(plain).equals(history(flipped))
    assert predictions(plain).equals(predictions(flipped))
    told = json.loads(flipped.metrics.read_text())
    assert "test_flip" not in json.loads(plain.metrics.read_text())
    test = told["test_flip"]["test"]
    assert test["n"] == told["test"]["n"]
    assert len(test["intervals"]["accuracy"]) == 2
    assert "mirror image" in flipped.report.read_text()
    table = pl.read_parquet(flipped.path / "predictions-flip.parquet")

    model, _ = load(flipped.path)
    row = table.row(0, named=True)
    pixels = decode((photos / row["path"]).read_bytes(), row["path"])
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        both = (model.eval()(image) + model(image.flip(-1))) / 2
    found = [row[f"logit:{name}"] for name in ("blue", "green", "red")]
    assert np.allclose(found, both[0].numpy(), atol=1e-4)


@pytest.mark.parametrize("words", [("data.val=none",), ("data.test=none", "data.val=none")])
def test_mirror_images_need_no_validation_and_no_test(photos, tmp_path, words):
    run = train(photos, tmp_path, "run", "train.test_flip=true", *words, epochs="1")
    told = json.loads(run.metrics.read_text())
    assert ("test" in told) == ("test" in told.get("test_flip", {}))


def test_a_run_with_mirror_images_and_no_validation_can_be_stopped(photos, tmp_path, monkeypatch):
    save = Keeper.save

    def stop_after_an_epoch(self, state, best=None):
        save(self, state, best)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Keeper, "save", stop_after_an_epoch)
    words = ("train.test_flip=true", "data.val=none")
    said = "stopped after epoch 1 of 3; go on with: fieldmark train --resume .*run$"
    with pytest.raises(StoppedError, match=said):
        train(photos, tmp_path, "run", *words)
    run = RunDir(tmp_path / "run")
    assert run.has_bundle
    assert run.read_metrics().test_flip is None


def test_each_stage_has_its_penalty_on_what_it_trains(photos, tmp_path):
    stages = "train.stages=[{train: 'last:1', epochs: 1, lr: 1e-9}, {train: all}]"
    words = (stages, "optimizer.lr=1e-9", "penalty.l1=1", "model.name=small_cnn")
    run = train(photos, tmp_path, "run", *words, epochs="1")
    network = settled(photos, *SMALL[:1], "model.name=small_cnn").model.network
    sizes = {name: p.detach().abs().sum().item() for name, p in network.named_parameters()}
    last = sum(size for name, size in sizes.items() if name.startswith(("stage3", "head")))
    found = history(run)["train_penalty"].to_list()
    assert found == pytest.approx([last, sum(sizes.values())], rel=1e-4)


def test_a_preview_shows_of_a_long_value_the_start(photos, capsys):
    name = "n" * 120
    show(gather(str(photos), [f"run.name={name}"], {}), Console())
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "run.name" in line)
    assert f" {name[:96]} ...  command line" in line
    assert name not in line


def test_a_tag_stands_in_the_name_of_the_run(photos, tmp_path):
    run = train(photos, tmp_path, None, "run.tag=q3", epochs="1")
    assert run.name == "photos-small_cnn-q3-1"
