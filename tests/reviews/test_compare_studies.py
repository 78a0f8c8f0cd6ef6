"""Studies beside each other and beside runs: their models as one, on answers out of fold."""

import json

import numpy as np
import polars as pl
import pytest
from comparedruns import CLASSES, table_of, write_run

from fieldmark.cli.main import run as cli
from fieldmark.errors import RunError
from fieldmark.files import write_json
from fieldmark.judge.many_answers import figures_by_image
from fieldmark.judge.thresholds import of_rows
from fieldmark.records import Predictions
from fieldmark.reviews.compare import compare
from fieldmark.reviews.long_table import long_table
from fieldmark.task import SEVERAL_LABELS

N = 120


def write_study(path, *, seed=0, right=0.8, repeats=1, solved=False, n=N):
    """A cross-validation in three folds, or a one-vs-rest whose heads were solved as one."""
    parts = [
        table_of(n, seed=seed + 10 * each, right=right).with_columns(
            fold=pl.int_range(pl.len(), dtype=pl.Int64) % 3 + 3 * each
        )
        for each in range(repeats)
    ]
    path.mkdir()
    frame = pl.concat(parts)
    frame.write_parquet(path / "predictions.parquet")
    names = ["one-vs-rest"] if solved else [f"fold-{k}" for k in range(3 * repeats)]
    for number, name in enumerate(names):
        if solved:
            (path / "runs" / name).mkdir(parents=True)
        else:
            own = frame.filter(pl.col("fold") == number)
            write_run(path / "runs" / name, own.with_columns(fold=pl.lit(None, pl.Int64)))
        spec = {"size": 8, "stored": "square:8", "mean": [0] * 3, "std": [1] * 3}
        info = {"format": 1, "model": "resnet18", "classes": CLASSES, "spec": spec}
        write_json(path / "runs" / name / "model.json", info)
    settings = {"model": {"name": "auto"}, "optimizer": {"name": "adamw", "lr": 0.001}}
    write_json(path / "study.json", {"settings": settings, "command": f"fieldmark {path.name}"})
    about = {"versions": {"torch": "2.7"}, "machine": {"processor": "P"}, "best_epoch": 3}
    write_json(path / "results.json", {"runs": names, "about": about})
    return str(path)


def test_two_studies_of_the_same_images_are_paired_image_by_image(tmp_path):
    one = write_study(tmp_path / "cv", seed=1, right=0.5)
    other = write_study(tmp_path / "ovr", seed=2, right=0.95, solved=True)
    found = compare([one, other])
    assert [(each.name, each.split, each.figures.n) for each in found.runs] == [
        ("cv", "test", N),
        ("ovr", "test", N),
    ]
    (pairing,) = found.pairings
    accuracy = [
        (table.logits.argmax(axis=1) == table.targets).mean()
        for table in (Predictions(each.predictions.frame) for each in found.runs)
    ]
    difference = pairing.differences["accuracy"]
    assert difference.value == pytest.approx(accuracy[1] - accuracy[0])
    assert pairing.images == N
    assert found.sentences()[0].startswith("ovr is better than cv: ")
    assert [each.settings["model.name"] for each in found.runs] == ["small_cnn", "resnet18"]
    assert [each.command for each in found.runs] == ["fieldmark cv", "fieldmark ovr"]


def test_another_seed_is_spoken_of_where_a_model_of_a_study_drew_anything(tmp_path):
    one = write_study(tmp_path / "cv", seed=1)
    other = write_study(tmp_path / "ovr", seed=2, solved=True)
    seeds = "; the same settings with another seed would make other models."
    for fold in range(3):
        assert compare([one, other]).notes()[-1].endswith(f"of these models{seeds}")
        history = tmp_path / "cv" / "runs" / f"fold-{fold}" / "history.csv"
        history.write_text("epoch,train_loss\n1,0.1\n")  # as of a head that was solved exactly
    found = compare([one, other])
    assert found.notes()[-1].endswith("of these models.")
    assert long_table(found.runs)["learning_rate"].is_null().all()


def test_an_image_that_is_answered_more_than_once_counts_once(tmp_path):
    one, other = (
        write_study(tmp_path / name, seed=seed, repeats=2) for name, seed in (("a", 1), ("b", 3))
    )
    found = compare([one, other])
    assert [each.figures.n for each in found.runs] == [N, N]
    assert (found.pairings[0].images, found.pairings[0].groups) == (N, None)
    single = write_study(tmp_path / "c", seed=5)
    assert compare([one, single]).pairings[0].refusal == (
        "240 answers to 120 images in the one, 120 in the other: not paired; take --repeats so "
        "that both have as many"
    )


def test_a_study_is_not_paired_with_a_run_on_other_images(tmp_path):
    study = write_study(tmp_path / "cv")
    run = write_run(tmp_path / "run", table_of(N)[: N // 2])
    assert compare([str(run.path), study]).pairings[0].refusal == (
        "60 of 60 and 120 images are shared: not paired; a study answers the images of its folds, "
        "so compare it with another study of the same images"
    )


def test_a_study_alone_stands_for_its_runs_if_it_has_some(tmp_path):
    assert len(compare([write_study(tmp_path / "cv")]).runs) == 3
    with pytest.raises(RunError) as told:
        compare([write_study(tmp_path / "ovr", solved=True)])
    assert str(told.value) == (
        f"{tmp_path}/ovr: is a study of one model; name another run or study beside it"
    )


def test_the_long_table_has_the_study_and_every_epoch_of_its_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "a", seed=1)
    write_study(tmp_path / "b", seed=2, solved=True)
    assert cli(["compare", "a", "b", "--out", "t.csv", "--json"]) == 0
    table = pl.read_csv("t.csv", infer_schema_length=None)
    assert table["run"].unique(maintain_order=True).to_list() == [
        *("a", "a/fold-0", "a/fold-1", "a/fold-2", "b"),
    ]
    [own] = table.filter(run="a", metric="accuracy")["value"]
    assert own == figures_by_image(Predictions.read("a/predictions.parquet"), None)["accuracy"]
    assert table.filter(run="a/fold-0", metric="loss", split="train")["epoch"].to_list() == [1, 2]


def test_each_answer_is_decided_by_the_thresholds_of_its_own_model(tmp_path):
    study = write_study(tmp_path / "cv")
    path = tmp_path / "cv" / "predictions.parquet"
    Predictions(pl.read_parquet(path), SEVERAL_LABELS).write(path)
    least = [{"cat": 0.3, "dog": 0.4, "owl": 0.6}, {"owl": 0.9}, None]
    for number, its in enumerate(least):
        place = tmp_path / "cv" / "runs" / f"fold-{number}" / "model.json"
        write_json(place, {**json.loads(place.read_text()), "thresholds": its})
    other = write_run(tmp_path / "run", table_of(N))
    Predictions(table_of(N), SEVERAL_LABELS).write(other.predictions)
    first, run = compare([study, str(other.path)]).runs
    wanted = of_rows(least, CLASSES, first.predictions.frame["fold"].to_numpy())
    assert np.array_equal(first.least, wanted)
    rows = np.arange(N)
    back = first.evidence(CLASSES[::-1], rows)
    assert np.array_equal(back.guesses[:, ::-1], first.evidence(CLASSES, rows).guesses)
    assert run.figures.n == N
