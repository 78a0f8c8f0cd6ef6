"""Runs with several labels an image: compared by images, and measured anew at their thresholds."""

import re

import numpy as np
import polars as pl
import pytest
from comparedruns import table_of, write_run

from fieldmark.errors import SettingsError
from fieldmark.files import write_json
from fieldmark.judge.figures import figures
from fieldmark.records import Predictions, Samples
from fieldmark.reviews.compare import as_json, as_lines, compare
from fieldmark.reviews.long_table import long_table
from fieldmark.task import SEVERAL_LABELS

CLASSES = ("cat", "dog", "owl")
LEAST = {"owl": 0.2, "cat": 0.4, "dog": 0.3}


def labels_of(seed, ahead=0.0, n=150):
    targets = np.random.default_rng(0).random((n, 3)) < (0.5, 0.3, 0.1)
    logits = np.random.default_rng(seed).normal(size=(n, 3)) - 2.5 + (2.5 + ahead) * targets
    columns = {
        "path": [f"{row}.png" for row in range(n)],
        "hash": [f"h{row}" for row in range(n)],
        "labels": [[c for c, has in zip(CLASSES, row, strict=True) if has] for row in targets],
        "split": ["test"] * n,
    }
    samples = Samples(Samples.from_columns(columns).frame, task=SEVERAL_LABELS)
    return Predictions.of(samples, np.arange(n), logits.astype(np.float32), classes=CLASSES)


def run_of(path, predictions):
    run = write_run(path, predictions.frame)
    predictions.write(run.predictions)
    write_json(path / "model.json", {"temperature": 1.0, "thresholds": LEAST})
    return run


@pytest.fixture
def runs(tmp_path):
    return [
        str(run_of(tmp_path / name, labels_of(seed, ahead)).path)
        for name, seed, ahead in (("a", 1, -1.0), ("b", 2, 1.5))
    ]


def test_they_are_compared_by_micro_f1_at_their_thresholds(runs):
    found = compare(runs)
    wanted = figures(labels_of(2, 1.5), thresholds=np.array([0.4, 0.3, 0.2]), with_intervals=True)
    assert found.metric == "micro_f1"
    assert found.runs[1].figures == wanted
    (sentence,) = found.sentences()
    assert re.match(r"b is better than a: \d+\.\d points of micro F1 more \(.*\)$", sentence)
    difference = found.pairings[0].differences["micro_f1"]
    assert difference.second == wanted["micro_f1"]
    head = as_lines(found)[0]
    assert "micro F1 (95 % interval)" in head
    assert "accuracy" not in head
    values = as_json(found)["runs"][1]
    assert (values["micro_f1"], values["n"]) == (wanted["micro_f1"], 150)
    assert "accuracy" not in values
    table = long_table(found.runs)
    [kept] = table.filter(run="b", split="test", metric="micro_f1")["value"]
    assert kept == wanted["micro_f1"]


def test_figures_without_a_label_are_of_what_is_said_of_the_others():
    columns = {"path": list("xyz"), "split": ["test"] * 3, "truth": [["cat"], [], ["cat"]]}
    logits = {"logit:cat": [2.0, -2.0, -2.0], "logit:dog": [2.0, 2.0, -2.0]}
    whole = Predictions(pl.DataFrame({**columns, **logits}), SEVERAL_LABELS)
    assert figures(whole)["micro_f1"] == pytest.approx(2 / 5)  # "dog" twice, as if it were wrong
    known = whole.without(["dog"])
    assert known.classes == ("cat",)
    found = figures(known)
    assert found["micro_f1"] == pytest.approx(2 / 3)  # one cat of two is found, and no other said
    assert found["samples_f1"] == pytest.approx(2 / 3)  # nothing is there and nothing said: 1


def test_a_metric_of_one_label_is_refused(runs):
    with pytest.raises(SettingsError, match=r"^--metric accuracy: is of one label an image, and"):
        compare(runs, metric="accuracy")


def test_runs_of_another_task_are_not_paired(runs, tmp_path):
    other = write_run(tmp_path / "c", table_of(150))
    found = compare([runs[0], str(other.path)])
    assert found.pairings[0].refusal == (
        "one has several labels an image, the other one label an image: not paired"
    )
