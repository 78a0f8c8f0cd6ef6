"""The tidy table of every figure."""

import polars as pl
import pytest
from comparedruns import table_of, write_evaluation, write_run

from fieldmark.errors import SettingsError
from fieldmark.judge.figures import figures
from fieldmark.records import Predictions
from fieldmark.runs.contender import read_contenders
from fieldmark.runs.long_table import SCHEMA, long_table, refuse_taken, write


@pytest.fixture
def runs(tmp_path):
    return [
        write_run(tmp_path / "a", table_of(40)),
        write_run(tmp_path / "b", table_of(40, seed=1), optimizer__lr=0.1, optimizer__name="sgd"),
    ]


def table(*runs):
    return long_table(read_contenders([str(run.path) for run in runs]))


def test_every_epoch_and_the_final_figures_have_a_row_each(runs):
    found = table(*runs)
    assert found.schema == SCHEMA
    assert not found.select("run", "epoch", "split", "metric").is_duplicated().any()
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


def test_settings_stand_beside_the_figures(runs):
    found = table(*runs).select("run", "model", "optimizer", "learning_rate").unique().sort("run")
    assert found.rows() == [("a", "small_cnn", "adamw", 0.001), ("b", "small_cnn", "sgd", 0.1)]


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


def test_a_table_that_is_there_is_refused_unless_overwriting(tmp_path):
    path = tmp_path / "t.csv"
    refuse_taken(path, overwrite=False)
    path.touch()
    refuse_taken(path, overwrite=True)
    with pytest.raises(
        SettingsError, match=r"t.csv: exists already; choose another name, or add --"
    ):
        refuse_taken(path, overwrite=False)
    with pytest.raises(SettingsError, match=r"t.txt: is no table; name a .csv or .parquet file"):
        refuse_taken(tmp_path / "t.txt", overwrite=True)
