"""The tidy table of every figure."""

import json

import polars as pl
import pytest
from comparedruns import table_of, write_evaluation, write_run

from fieldmark.errors import RunError
from fieldmark.judge.figures import figures
from fieldmark.records import Predictions
from fieldmark.reviews.compared import read_runs
from fieldmark.reviews.long_table import SCHEMA, long_table, write


@pytest.fixture
def runs(tmp_path):
    return [
        write_run(tmp_path / "a", table_of(40)),
        write_run(tmp_path / "b", table_of(40, seed=1), optimizer__lr=0.1, optimizer__name="sgd"),
    ]


def table(*runs):
    return long_table(read_runs([str(run.path) for run in runs]))


def test_every_epoch_and_the_final_figures_have_a_row_each(runs):
    found = table(*runs)
    assert found.schema == SCHEMA
    named = found.select("run", "epoch", "split", "metric", "temperature")
    assert not named.is_duplicated().any()
    own = found.filter(pl.col("run") == "a")
    loss = own.filter(metric="loss").sort("split", "epoch").select("epoch", "split", "value")
    assert loss.rows() == [(1, "train", 1.0), (2, "train", 0.5), (1, "val", 1.1)]  # nan left out
    assert own.filter(metric="accuracy", split="val")["value"].to_list() == [0.4, 0.6]
    test = own.filter(split="test")
    assert test["epoch"].unique().to_list() == [2]
    wanted = figures(Predictions(table_of(40)))
    by_metric = dict(test.select("metric", "value").iter_rows())
    assert by_metric["macro_f1"] == pytest.approx(wanted["macro_f1"])
    assert "top5_accuracy" not in by_metric  # there are three classes


def test_each_epoch_has_its_seconds_its_rate_and_its_stage(runs):
    own = table(*runs).filter(run="a", split="train").sort("epoch")
    for name, values in (("seconds", [1.0, 1.0]), ("lr", [0.001, 0.0]), ("stage", [1.0, 1.0])):
        assert own.filter(metric=name).select("epoch", "value").rows() == [
            *zip([1, 2], values, strict=True)
        ]


def test_settings_stand_beside_the_figures(runs):
    found = table(*runs).select("run", "model", "optimizer", "learning_rate").unique().sort("run")
    assert found.rows() == [("a", "small_cnn", "adamw", 0.001), ("b", "small_cnn", "sgd", 0.1)]


def rates_of(run, other):
    found = table(run, other).filter(run=run.name)
    epochs = found.filter(split="train", metric="loss").sort("epoch")
    return epochs["learning_rate"].to_list(), found.filter(split="test")["learning_rate"].unique()


STAGES = [{"train": ["head"], "lr": 0.5}, {"train": ["all"]}]


def test_each_epoch_has_the_rate_of_its_stage_and_the_test_that_of_the_kept_epoch(runs, tmp_path):
    own = write_run(tmp_path / "c", table_of(20), train__stages=STAGES, optimizer__lr=0.02)
    by_epoch, of_test = rates_of(own, runs[0])
    assert by_epoch == [0.5, 0.02]
    assert of_test.to_list() == [0.02]  # the second epoch was kept
    metrics = json.loads(own.metrics.read_text())
    metrics["about"]["best_epoch"] = 1
    own.metrics.write_text(json.dumps(metrics))
    assert rates_of(own, runs[0])[1].to_list() == [0.5]
    folder = write_evaluation(own, "new", table_of(30))
    assert table(runs[0], folder).filter(run="c/new")["learning_rate"].unique().to_list() == [0.5]


def test_where_several_rates_were_tried_it_is_that_of_the_head_that_was_kept(runs, tmp_path):
    several = {"train__stages": STAGES, "features__rates": [0.1, 0.01]}
    own = write_run(tmp_path / "c", table_of(20), optimizer__lr=0.02, **several)
    metrics = json.loads(own.metrics.read_text())
    tried = [{"lr": 0.1, "kept": False}, {"lr": 0.01, "kept": True}]
    own.metrics.write_text(json.dumps({"about": {**metrics["about"], "heads_tried": tried}}))
    assert rates_of(own, runs[0])[0] == [0.01, 0.02]


def test_a_head_that_was_solved_or_is_of_trees_has_no_rate(runs, tmp_path):
    several = {"train__stages": STAGES, "features__rates": [0.1, 0.01]}
    own = write_run(tmp_path / "c", table_of(20), optimizer__lr=0.02, **several)
    history = pl.read_csv(own.history)
    unrated = pl.when(pl.col("stage") > 1).then(pl.col("lr")).alias("lr")
    history.with_columns(unrated).write_csv(own.history)
    metrics = json.loads(own.metrics.read_text())
    tried = [{"head": "mlp", "lr": 0.1, "kept": False}, {"head": "boosted", "kept": True}]
    own.metrics.write_text(json.dumps({"about": {**metrics["about"], "heads_tried": tried}}))
    assert rates_of(own, runs[0])[0] == [None, 0.02]
    history.drop("lr").write_csv(own.history)  # of that head alone
    assert rates_of(own, runs[0])[0] == [None, None]


def test_where_one_rate_was_tried_it_is_that(runs, tmp_path):
    several = {"train__stages": STAGES[:1], "features__rates": [0.03]}
    assert rates_of(write_run(tmp_path / "c", table_of(20), **several), runs[0])[0] == [0.03, 0.03]


def test_a_rate_that_is_no_number_is_refused_in_a_sentence(runs):
    text = runs[1].settings.read_text()
    runs[1].settings.write_text(text.replace("lr: 0.1", "lr: fast"))
    with pytest.raises(RunError, match=r"settings.yaml: optimizer.lr is 'fast', and not a number"):
        table(*runs)


def test_validation_stands_at_the_temperature_too_where_that_moves_it(runs, tmp_path):
    own = write_run(tmp_path / "c", table_of(40, split="val"), temperature=4.0)
    with_loss = pl.read_csv(own.history).with_columns(val_log_loss=pl.lit(0.7))
    with_loss.write_csv(own.history)
    found = table(own, runs[0]).filter(run="c", split="val", epoch=2)
    loss = found.filter(metric="log_loss").select("temperature", "value").sort("temperature")
    wanted = figures(Predictions(table_of(40, split="val")), temperature=4.0)["log_loss"]
    assert loss.rows() == [(1.0, 0.7), (4.0, pytest.approx(wanted))]
    assert found.filter(metric="accuracy")["temperature"].to_list() == [1.0]  # of the history
    assert found.filter(metric="mcc")["temperature"].to_list() == [4.0]


def test_an_evaluation_has_test_figures_only(runs):
    folder = write_evaluation(runs[0], "new", table_of(30, seed=5))
    found = table(runs[1], folder).filter(run="a/new")
    assert found["split"].unique().to_list() == ["test"]
    assert found["model"].unique().to_list() == ["small_cnn"]


@pytest.mark.parametrize(("name", "read"), [("t.csv", pl.read_csv), ("t.parquet", pl.read_parquet)])
def test_the_table_reads_back_as_it_was(runs, tmp_path, name, read):
    found = table(*runs)
    write(tmp_path / "deep" / name, found)
    assert read(tmp_path / "deep" / name).equals(found)
