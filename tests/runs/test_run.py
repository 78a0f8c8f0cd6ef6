"""Whole runs: they learn, they can be repeated, and the test is looked at once."""

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from scannedsource import read_source
from smallruns import QUIET, SMALL, draw_photos, history, predictions, same_results, train

from fieldmark.data.intake import Dataset, take_in
from fieldmark.data.splits import split
from fieldmark.errors import DataError, NotFiniteError, OutOfMemoryError, SettingsError
from fieldmark.fit import loop
from fieldmark.models import bundle
from fieldmark.models.precision import has_fast_bf16
from fieldmark.records import Samples
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare, train_run


@pytest.fixture(scope="module")
def a_run(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("a"), "run", "augment=standard", page=True)


def test_a_run_folder_holds_what_it_should(a_run):
    names = {path.name for path in a_run.path.iterdir()} - {".lock"}
    assert names == {
        "settings.yaml",
        "samples.parquet",
        "model.safetensors",
        "model.json",
        "known.safetensors",
        "predictions.parquet",
        "metrics.json",
        "history.csv",
        "steps.csv",
        "report.html",
        "run.log",
        "checkpoint",
        "manifest.json",
    }
    metrics = a_run.read_metrics()
    assert metrics.classes == ("blue", "green", "red")
    assert metrics.sides["test"].n == len(predictions(a_run).filter(pl.col("split") == "test"))
    low, high = metrics.sides["test"].intervals["accuracy"]
    assert low <= metrics.sides["test"]["accuracy"] <= high
    assert metrics.sides["val"].intervals == {}
    columns = history(a_run).columns
    assert columns[:4] == ["epoch", "lr", "train_loss", "val_loss"]
    assert {"train_accuracy", "val_accuracy", "val_macro_f1", "val_roc_auc"} <= set(columns)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(a_run, photos, tmp_path):
    again = train(photos, tmp_path, "again", "augment=standard")
    other = train(photos, tmp_path, "other", "augment=standard", seed="1")
    assert same_results(a_run, again)
    assert not same_results(a_run, other)
    # the split does not follow --seed, so that the two runs can be compared pair by pair
    assert predictions(a_run)["path"].equals(predictions(other)["path"])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_change_no_bit(a_run, photos, tmp_path, workers):
    run = train(photos, tmp_path, "run", "augment=standard", f"run.workers={workers}")
    assert same_results(a_run, run)


def test_settings_yaml_repeats_the_run(a_run, photos, tmp_path):
    resolved = gather(None, [], {"out": str(tmp_path), "name": "b"}, config=str(a_run.settings))
    assert same_results(a_run, train_run(resolved, QUIET, "a test"))


def test_labels_of_the_test_change_the_test_figures_alone(photos, tmp_path):
    source = read_source(str(photos)).samples
    samples = split(source, val=0.2, test=0.3, seed=0)
    one = _train_on(samples, tmp_path, "one")
    other = _train_on(_with_other_test_labels(samples), tmp_path, "other")
    assert history(one).equals(history(other))
    weights = [(run.path / "model.safetensors").read_bytes() for run in (one, other)]
    assert weights[0] == weights[1]
    infos = [bundle.load(run.path)[1] for run in (one, other)]
    assert infos[0].temperature == infos[1].temperature != 1
    assert infos[0].answers == infos[1].answers != ()
    assert infos[0].thresholds == infos[1].thresholds
    assert one.read_metrics().sides["val"] == other.read_metrics().sides["val"]
    assert one.read_metrics().sides["test"] != other.read_metrics().sides["test"]


def _train_on(samples, out, name):
    options = {"out": str(out), "name": name, "epochs": "2"}
    resolved = gather(samples.root, SMALL, options)
    return train_run(resolved, QUIET, "a test", Dataset(samples))


def _with_other_test_labels(samples):
    labels = samples.frame["labels"].to_list()
    rows = samples.rows("test")
    moved = dict(zip(rows, np.random.default_rng(0).permutation(rows), strict=True))
    labels = [labels[moved.get(row, row)] for row in range(len(labels))]
    frame = samples.frame.with_columns(pl.Series("labels", labels))
    return Samples(frame, samples.root)


def test_it_learns(photos, tmp_path):
    run = train(photos, tmp_path, "run", "augment=none", epochs="20")
    assert run.read_metrics().sides["test"]["accuracy"] == 1.0


def test_it_memorises_eight_images(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=3)
    words = ("augment=none", "data.val=none", "data.test_fraction=0", "model.width=16")
    run = train(photos, tmp_path, "run", *words, epochs="40")
    last = history(run).row(-1, named=True)
    assert last["train_accuracy"] == 1.0
    assert last["train_loss"] < 0.1


def test_shuffled_labels_score_chance_and_the_interval_says_so(tmp_path):
    samples = read_source("digits").samples
    labels = samples.frame["labels"].to_list()
    order = np.random.default_rng(0).permutation(len(labels))
    frame = samples.frame.with_columns(pl.Series("labels", [labels[k] for k in order]))
    shuffled = split(Samples(frame, samples.root), val=0.15, test=0.3, seed=0)
    words = ("model.width=8", "train.batch_size=64", "augment=none")
    options = {"out": str(tmp_path), "name": "run", "epochs": "2"}
    resolved = gather("digits", words, options)
    run = train_run(resolved, QUIET, "a test", Dataset(shuffled))
    found = run.read_metrics().sides["test"]
    low, high = found.intervals["accuracy"]
    assert low < 0.1 < high
    low, high = found.intervals["roc_auc"]
    assert low < 0.5 < high


def test_without_validation_the_last_weights_of_all_images_are_kept(photos, tmp_path):
    run = train(photos, tmp_path, "run", "data.val=none")
    assert run.read_metrics().about.best_epoch == 3
    assert "val" not in run.read_metrics().sides
    assert not [name for name in history(run).columns if name.startswith("val_")]
    samples = Samples.read(run.samples)
    assert len(samples.rows("val")) == 0
    assert len(samples.rows("train")) == 42


def test_a_last_batch_of_one_does_not_break_batch_norm(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=5)  # 9 for training
    run = train(photos, tmp_path, "run", "train.batch_size=8", "data.test_fraction=0.2")
    assert len(Samples.read(run.samples).rows("train")) == 9
    assert run.is_done


def test_a_loss_that_is_not_finite_stops_with_the_last_good_weights(photos, tmp_path, monkeypatch):
    real, steps = loop.step, 0

    def poisoned(*args):
        nonlocal steps
        steps += 1
        loss, logits = real(*args)
        return (loss * float("nan") if steps == 5 else loss), logits

    monkeypatch.setattr(loop, "step", poisoned)
    with pytest.raises(NotFiniteError) as caught:
        train(photos, tmp_path, "run")
    assert str(caught.value) == (
        "epoch 2, step 2: the loss is nan; the weights of epoch 1 are kept; "
        f"try a lower --lr (it is 0.01); they are in {tmp_path / 'run'}"
    )
    model, _ = bundle.load(tmp_path / "run")
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_loss_that_is_never_finite_leaves_nothing_behind(photos, tmp_path):
    with pytest.raises(NotFiniteError, match="there are no good weights yet"):
        train(photos, tmp_path, "run", "optimizer=sgd", "optimizer.lr=1e30", "model.dropout=0")
    assert not (tmp_path / "run").exists()


def test_an_accelerator_without_room_names_the_batch_to_try(photos, tmp_path, monkeypatch):
    def no_room(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr("fieldmark.fit.loop.step", no_room)
    with pytest.raises(OutOfMemoryError) as caught:
        train(photos, tmp_path, "run")
    assert str(caught.value) == (
        "the accelerator's memory is too small for batches of 16; "
        "try --batch-size 8 train.accumulate=2"
    )
    assert not (tmp_path / "run").exists()


def test_a_frozen_network_trains_its_head_alone(photos, tmp_path):
    first = train(photos, tmp_path, "first", epochs="1")
    weights = str(first.path / "model.safetensors")
    words = ("model.name=small_cnn", f"model.weights={weights}", "model.freeze=true")
    run = train(photos, tmp_path, "run", *words)
    before, _ = bundle.load(first.path)
    after, _ = bundle.load(run.path)
    changed = {
        name
        for name, tensor in after.network.state_dict().items()
        if not torch.equal(tensor, before.network.state_dict()[name])
    }
    assert changed
    assert {name.rpartition(".")[0] for name in changed} == {"head"}


def test_a_frozen_network_without_weights_is_refused(photos, tmp_path):
    with pytest.raises(SettingsError) as caught:
        train(photos, tmp_path, "run", "model.name=small_cnn", "model.freeze=true")
    assert str(caught.value) == (
        "--freeze: needs weights that were trained before; leave --weights none out, "
        "or give --weights FILE"
    )
    assert not (tmp_path / "run").exists()


def test_one_class_is_refused(photos, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "red").symlink_to(photos / "red")
    with pytest.raises(DataError, match="there is only the class 'red'"):
        train(alone, tmp_path, "run")


def test_an_image_that_vanishes_between_scan_and_training_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDMARK_CACHE", "off")
    with pytest.raises(DataError, match=r"\d\d.png: cannot be read \(No such file"):
        _train_on_vanished(tmp_path)
    assert not (tmp_path / "run").exists()


def test_images_that_vanish_while_the_cache_has_them_cost_only_their_thumbnails(tmp_path):
    # in the cache are the same pixels under other names
    train(draw_photos(tmp_path / "before", each=6), tmp_path, "first", epochs="1")
    run = _train_on_vanished(tmp_path)
    assert run.is_done
    assert "Not shown among the pictures" in run.report.read_text()


def _train_on_vanished(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=6)
    options = {"out": str(tmp_path), "name": "run", "epochs": "1"}
    resolved = gather(str(photos), SMALL, options)
    data = take_in(resolved.settings.data, QUIET)
    for path in photos.glob("*/*.png"):
        path.unlink()
    return train_run(resolved, QUIET, "a test", data)


def test_files_that_cannot_be_read_are_left_out_by_name(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=6)
    (photos / "red" / "zero.png").touch()
    run = train(photos, tmp_path, "run", epochs="1")
    assert "1 image left out ('red/zero.png')" in run.log.read_text()
    assert "red/zero.png" not in Samples.read(run.samples).frame["path"].to_list()


def test_a_torchvision_network_trains_in_the_precision_of_the_table(photos, tmp_path):
    resolved = gather(
        str(photos),
        ["input.size=32", "train.batch_size=16"],
        {"out": str(tmp_path), "name": "run", "model": "squeezenet1_1", "epochs": "1"},
    )
    run = train_run(resolved, QUIET, "a test")
    settings = yaml.safe_load(run.settings.read_text())
    assert settings["run"]["precision"] == ("bf16" if has_fast_bf16() else "float32")
    assert bundle.load(run.path)[1].model == "squeezenet1_1"


def test_the_cache_changes_no_bit(a_run, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDMARK_CACHE", "off")
    assert same_results(a_run, train(photos, tmp_path, "off", "augment=standard"))
    monkeypatch.setattr("fieldmark.runs.on_images.store", lambda *_: None)
    assert same_results(a_run, train(photos, tmp_path, "each-time", "augment=standard"))


def test_digits_that_are_handed_in_have_no_mirror_images():
    resolved = gather("digits", ["augment=light"], {})
    data = take_in(resolved.settings.data, QUIET)
    handed, read = (prepare(resolved, QUIET, each).settings for each in (data, None))
    assert handed == read
    assert handed.augment.options["flip"] is False


def test_data_is_taken_in_once_for_several_runs(tmp_path, monkeypatch):
    photos = draw_photos(tmp_path / "photos")
    alone = train(photos, tmp_path, "alone", "run.seed=1")
    data = take_in(gather(str(photos), [], {}).settings.data, QUIET)
    monkeypatch.setattr("fieldmark.runs.run.take_in", None)
    words = [*SMALL, "train.epochs=3", f"run.out={tmp_path}"]
    runs = [
        train_run(gather(str(photos), [*words, f"run.seed={seed}"], {}), QUIET, "a test", data)
        for seed in (0, 1)
    ]
    assert same_results(alone, runs[1])
    assert not history(alone).equals(history(runs[0]))


def test_a_study_may_leave_the_test_unseen(tmp_path):
    photos = draw_photos(tmp_path / "photos")
    words = [*SMALL, "train.epochs=1", f"run.out={tmp_path}"]
    run = train_run(gather(str(photos), words, {}), QUIET, "a test", sides=["val"])
    assert run.is_done
    assert set(predictions(run)["split"]) == {"val"}
    assert run.report.is_file()
