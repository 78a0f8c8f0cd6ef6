"""What a run keeps of its training images, and how far from them validation is."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from smallruns import train

from fieldmark.judge.unlike import unit
from fieldmark.models.known import flat
from fieldmark.records import Predictions, Samples
from fieldmark.runs import known
from fieldmark.runs.known import Known, kept_rows
from fieldmark.use.predictor import Answering, Predictor


def table(count, names=("a", "b"), **columns):
    found = {
        "path": [f"{number}.png" for number in range(count)],
        "hash": [f"{(number * 7919) % 1009:04}" for number in range(count)],
        "labels": [[names[number % len(names)]] for number in range(count)],
        "split": ["train"] * count,
    }
    return Samples.from_columns({**found, **columns})


def test_of_each_class_the_first_fifty_by_their_content_are_kept():
    samples = table(300, names=("a", "b", "c"))
    rows = kept_rows(samples)
    assert len(rows) == 150
    assert (np.diff(rows) > 0).all()
    hashes = np.array(samples.frame["hash"].to_list())
    for start in range(3):
        own = rows[rows % 3 == start]
        assert sorted(hashes[own]) == sorted(hashes[start::3])[:50]


def test_the_order_of_the_table_decides_nothing_and_only_training_counts():
    split = ["train", "test", "train", "val"] * 40
    samples = table(160, split=split)
    turned = Samples(samples.frame[::-1])
    names = [each.frame["path"][kept_rows(each)].sort().to_list() for each in (samples, turned)]
    assert names[0] == names[1]
    assert set(samples.frame["split"][kept_rows(samples)]) == {"train"}


def test_the_same_content_counts_once_and_an_image_of_several_labels_for_each():
    labels = [["a"], ["a"], ["a", "b"], ["b"], []]
    samples = table(5, labels=labels, hash=["1", "1", "2", "3", "4"])
    assert kept_rows(samples).tolist() == [0, 2, 3, 4]


def test_of_many_classes_fewer_each_are_kept(monkeypatch):
    monkeypatch.setattr(known, "MOST", 40)
    assert len(kept_rows(table(200, names=[f"c{number}" for number in range(20)]))) == 40


def test_an_image_that_a_fold_holds_out_is_compared_with_other_folds_alone():
    rng = np.random.default_rng(0)
    features, folds = rng.normal(size=(60, 8)).astype(np.float32), np.arange(60) % 3
    kept = Known(unit(features).astype(np.float16), folds, "")
    found = kept.far_of_folds(features, folds)
    for row in range(60):
        others = kept.features[folds != folds[row]].astype(np.float32)
        apart = np.sort(np.linalg.norm(others - unit(features)[row], axis=1))[:10]
        assert found[row] == pytest.approx(apart.mean(), abs=1e-4)
    assert (kept.far(features) < found).all()  # which has each image beside itself


def test_maps_are_averaged_and_words_are_left_off():
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert flat(maps, 0).tolist() == [[5.5, 17.5]]
    assert flat(torch.tensor([[1.0, 2.0, 3.0]]), 1).tolist() == [[1.0, 2.0]]


FROZEN = ("model.freeze=true",)


def test_a_frozen_bodys_features_are_those_that_prediction_sees(photos, weights, tmp_path):
    run = train(photos, tmp_path, "frozen", *weights[:2], *FROZEN, "data.val=hold")
    samples, test = Samples.read(run.samples), Predictions.read(run.predictions).of_split("test")
    careful = Predictor(run.path, Answering(unlike=True))
    (batch,) = careful._opened.batches(
        [Path(samples.root, path) for path in test.frame["path"]], 64
    )
    _, far = careful._opened.look(careful._opened.together(batch), careful.check.far)
    assert far == pytest.approx(test.distances, abs=1e-3)
    assert len(careful.check.kept) == len(samples.rows("train"))


def test_validation_answered_by_folds_is_never_compared_with_itself(photos, weights, tmp_path):
    run = train(photos, tmp_path, "folds", *weights[:2], *FROZEN, "data.val=cross")
    val = Predictions.read(run.predictions).of_split("val")
    assert val.folds
    assert val.distances.min() > 1e-3
    info = json.loads((run.path / "model.json").read_text())
    assert info["unlike"]["folds"] == info["sets"]["folds"] == val.folds
    assert info["unlike"]["images"] == info["sets"]["images"] == len(val)


def test_without_validation_nothing_is_told_unlike(photos, tmp_path):
    run = train(photos, tmp_path, "alone", "data.val=none", epochs="1")
    info = json.loads((run.path / "model.json").read_text())
    assert info["unlike"] is info["sets"] is None
    assert not run.known.exists()
    assert Predictions.read(run.predictions).distances is None


def test_a_column_says_how_far_and_older_tables_have_none(photos, tmp_path):
    run = train(photos, tmp_path, "one", epochs="1")
    table = Predictions.read(run.predictions)
    assert table.frame["distance"].dtype == pl.Float32
    older = Predictions(table.frame.drop("distance"))
    assert older.distances is None
    assert older.classes == table.classes
