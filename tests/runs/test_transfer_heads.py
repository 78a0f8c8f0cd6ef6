"""Heads on features: embedded once, several side by side, the best by validation kept."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from smallruns import (
    QUIET,
    STAGED,
    draw_photos,
    resume,
    same_results,
    train,
)

from fieldmark.errors import (
    NotFiniteError,
)
from fieldmark.fit import features
from fieldmark.models import bundle
from fieldmark.records import Predictions
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run
from fieldmark.use.predictor import Predictor


def test_features_are_the_same_with_and_without_the_cache(photos, weights, tmp_path, monkeypatch):
    frozen = (*weights, "model.freeze=true")
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    cold = train(photos, tmp_path, "cold", *frozen)
    warm = train(photos, tmp_path, "warm", *frozen)
    monkeypatch.setenv("FIELDMARK_CACHE", "off")
    without = train(photos, tmp_path, "without", *frozen)
    assert same_results(cold, warm)
    assert same_results(cold, without)
    assert list((tmp_path / "cache" / "features").rglob("*"))


def test_predictions_of_a_frozen_network_are_those_of_the_bundle(photos, weights, tmp_path):
    run = train(photos, tmp_path, "run", *weights, "model.freeze=true")
    table = Predictions.read(run.predictions)
    answers = Predictor(run.path).predict([photos / path for path in table.frame["path"]])
    for answer, row in zip(answers, table.scores(run.read_temperature()), strict=True):
        assert list(answer.scores.values()) == pytest.approx(row, abs=1e-5)


def test_several_heads_are_tried_and_the_best_by_validation_is_kept(photos, weights, tmp_path):
    words = ("features.rates=[1e-5, 1e-2]", "features.seeds=[0, 1]", "features.heads=[linear, mlp]")
    run = train(photos, tmp_path, "run", *weights, "model.freeze=true", *words, page=True)
    tried = run.read_metrics().about.heads_tried
    assert [(t["head"], t["seed"], t["lr"]) for t in tried] == [
        (head, seed, lr) for head in ("linear", "mlp") for seed in (0, 1) for lr in (1e-5, 1e-2)
    ]
    (kept,) = [each for each in tried if each.get("kept")]
    assert kept["val_macro_f1"] == max(each["val_macro_f1"] for each in tried)
    assert json.loads((run.path / "model.json").read_text())["head"] == kept["head"]
    assert "Heads tried" in run.report.read_text()
    again = train_from(run, tmp_path)
    assert same_results(run, again)


def train_from(run, tmp_path):
    """The run that its own settings.yaml gives."""
    words = {"run.out": str(tmp_path), "run.name": "again"}
    return train_run(gather(None, words, {}, config=str(run.settings)), QUIET, "a test")


def test_each_head_stage_has_its_own_rate(photos, weights, tmp_path):
    stages = "train.stages=[{train: head, epochs: 2, lr: 0.1}, {train: head}]"
    words = (*weights, stages, "optimizer.lr=1e-5", "schedule.name=none")
    run = train(photos, tmp_path, "run", *words, epochs="2")
    assert pl.read_csv(run.history)["lr"].to_list() == [0.1, 0.1, 1e-5, 1e-5]


def test_a_head_whose_loss_runs_away_ends_the_run_with_one_sentence(photos, weights, tmp_path):
    with pytest.raises(NotFiniteError, match="try a lower --lr"):
        train(photos, tmp_path, "run", *weights, "model.freeze=true", "optimizer.lr=1e38")


RUNS_AWAY = (  # after some good epochs
    "optimizer=sgd",
    "optimizer.weight_decay=100",
    "schedule=none",
    "train.patience=none",
)


@pytest.mark.parametrize("later", ["", ", {train: all}"])
def test_a_head_that_ran_away_is_not_done_when_the_run_goes_on(photos, weights, tmp_path, later):
    stages = f"train.stages=[{{train: head{', epochs: 40, lr: 0.1' if later else ''}}}{later}]"
    rate = 1e-9 if later else 0.1  # so that nothing but the head runs away
    words = (*weights, *RUNS_AWAY, stages, f"optimizer.lr={rate}")
    with pytest.raises(NotFiniteError, match="loss is nan"):
        train(photos, tmp_path, "run", *words, epochs="40")
    run = RunDir(tmp_path / "run")
    assert run.has_bundle
    with pytest.raises(NotFiniteError, match="loss is nan"):
        resume(run)
    assert not run.is_done
    assert pl.read_csv(run.history)["stage"].max() == 1
    assert Predictions.read(run.predictions).frame["split"].unique().to_list() == ["val"]


def test_the_line_of_a_head_names_the_figures_of_the_settings(photos, weights, tmp_path):
    words = (*weights, "model.freeze=true", "train.monitor=roc_auc", "train.figures=macro_recall")
    run = train(photos, tmp_path, "run", *words)
    (line,) = [line for line in run.log.read_text().splitlines() if "linear head" in line]
    told = [word for word in line.split("  ") if word.startswith("val ")]
    assert [word.split()[1] for word in told] == ["loss", "accuracy", "roc_auc", "macro_recall"]


def test_a_head_that_was_trained_to_its_end_goes_before_one_that_ran_away(
    photos, weights, tmp_path
):
    words = (*weights, "model.freeze=true", "features.rates=[1e38, 1e-6]")
    run = train(photos, tmp_path, "run", *words)
    tried = run.read_metrics().about.heads_tried
    assert [each["kept"] for each in tried] == [False, True]
    assert "lower --lr" in tried[0]["error"]


@pytest.fixture
def passes(monkeypatch):
    """How many images pass a backbone, by batch."""
    real, found = features._batches, []

    def counted(passing, model, job):
        found.append(len(job.rows))
        return real(passing, model, job)

    monkeypatch.setattr(features, "_batches", counted)
    return found


def test_another_head_rate_or_seed_finds_the_features_that_are_there(
    photos, weights, tmp_path, monkeypatch, passes
):
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    words = (*weights, "model.freeze=true")
    train(photos, tmp_path, "first", *words)
    assert passes == [48]
    train(photos, tmp_path, "mlp", *words, "head.name=mlp")
    train(photos, tmp_path, "both", *words, "features.heads=[linear, mlp]", seed="3")
    train(photos, tmp_path, "dropout", *words, "head.dropout=0.5", "optimizer.lr=1e-3")
    assert passes == [48]


def test_a_folder_that_grew_by_photos_and_a_class_passes_the_new_ones_alone(
    weights, tmp_path, monkeypatch, passes
):
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    words, photos = (*weights, "model.freeze=true"), draw_photos(tmp_path / "photos", each=16)
    train(photos, tmp_path, "first", *words)
    shutil.copytree(photos / "red", photos / "crimson")
    for place, photo in enumerate(sorted((photos / "crimson").iterdir())):
        pixels = np.array(Image.open(photo))
        pixels[place : place + 8] = 128  # else they were copies
        Image.fromarray(pixels).save(photo)
    run = train(photos, tmp_path, "grown", *words)
    assert passes == [48, 16]
    assert "16 images to embed; features of 48 are at hand" in run.log.read_text()


def test_without_a_cache_every_image_passes_once(photos, weights, tmp_path, monkeypatch, passes):
    monkeypatch.setenv("FIELDMARK_CACHE", "off")
    train(photos, tmp_path, "run", *weights, "model.freeze=true")
    assert passes == [48]


def test_a_head_in_a_list_is_the_head_alone(photos, weights, tmp_path):
    frozen = (*weights, "model.freeze=true")
    alone = train(photos, tmp_path, "alone", *frozen, "optimizer.lr=0.01")
    listed = train(photos, tmp_path, "listed", *frozen, "features.rates=[0.01, 1e-9]")
    one, other = bundle.load(alone.path)[0], bundle.load(listed.path)[0]
    for name, tensor in one.network.state_dict().items():
        assert torch.allclose(tensor, other.network.state_dict()[name], atol=1e-6)


def test_views_are_augmented_and_addressed(photos, weights, tmp_path):
    words = (*weights, "model.freeze=true")
    one = train(photos, tmp_path, "one", *words)
    several = train(photos, tmp_path, "several", *words, "features.views=2")
    again = train(photos, tmp_path, "again", *words, "features.views=2")
    assert same_results(several, again)
    assert not same_results(one, several)


@pytest.mark.parametrize("name", ["mlp", "after"])
def test_a_run_with_another_head_can_be_loaded_and_predicts_the_same(
    photos, weights, tmp_path, name
):
    run = train(photos, tmp_path, "run", *weights, *STAGED, f"head.name={name}", epochs=None)
    table = Predictions.read(run.predictions)
    answers = Predictor(run.path).predict([photos / path for path in table.frame["path"]])
    for answer, row in zip(answers, table.scores(run.read_temperature()), strict=True):
        assert list(answer.scores.values()) == pytest.approx(row, abs=1e-5)
