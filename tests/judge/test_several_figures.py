"""The figures of a split with several labels an image, and what metrics.json says of a run."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fieldmark.files import write_json
from fieldmark.judge.by import figures_by, values_by_column
from fieldmark.judge.figures import cooccurrence, figures, measure
from fieldmark.judge.metrics import METRICS, of_task
from fieldmark.judge.thresholds import best_thresholds
from fieldmark.metrics_json import flat, read
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import InputSpec, Predictions, Samples
from fieldmark.rundir import INFO, RunDir
from fieldmark.task import SEVERAL_LABELS, sigmoid

CLASSES = ("auk", "bat", "cat", "dog")
LEAST = np.array([0.4, 0.3, 0.2, 0.5])


def table_of(seed, n=120, split="test", unknown=0, **columns):
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, 4)) < (0.5, 0.3, 0.1, 0.0)).astype(int)
    logits = (rng.normal(size=(n, 4)) + 2 * targets - 1).astype(np.float32)
    labels = [[name for name, has in zip(CLASSES, row, strict=True) if has] for row in targets]
    labels[:unknown] = [None] * unknown
    columns |= {"path": [f"{row}.png" for row in range(n)], "labels": labels, "split": [split] * n}
    samples = Samples(Samples.from_columns(columns).frame, task=SEVERAL_LABELS)
    return Predictions.of(samples, np.arange(n), logits, classes=CLASSES), samples


def test_what_a_split_has_of_several_labels():
    table, _ = table_of(0, unknown=3)
    found, targets = figures(table, temperature=1.2, thresholds=LEAST), table.targets[3:]
    guesses = sigmoid(table.logits[3:], 1.2) >= LEAST
    assert (found.n, found.unknown, found.no_guess, found.absent) == (117, 3, 0, ("dog",))
    assert list(found.values) == list(of_task(SEVERAL_LABELS))
    assert found["micro_f1"] == pytest.approx(f1_score(targets, guesses, average="micro"))
    assert found.confusion is found.answers is None
    assert found.cooccurrence == (targets.T @ targets).tolist()
    assert [row.threshold for row in found.per_class.values()] == LEAST.tolist()
    assert [row.support for row in found.per_class.values()] == targets.sum(axis=0).tolist()
    assert sum(each.n for each in found.reliability) == 117 * 4


def test_at_a_half_stands_beside_the_thresholds():
    table, _ = table_of(1)
    found, plain = figures(table, thresholds=LEAST), figures(table)
    same = {name: plain[name] for name, row in METRICS.items() if name in found.at_half.values}
    assert found.at_half.values == same
    assert set(plain.values) - set(same) == {"roc_auc", "mean_average_precision", "log_loss", "ece"}
    assert found.at_half["micro_f1"] != found["micro_f1"]
    for name, row in found.at_half.per_class.items():
        assert row == {k: plain.per_class[name][k] for k in ("precision", "recall", "f1")}
    assert plain.at_half is None
    assert plain.per_class["auk"].threshold is None


def test_labels_together_are_counted():
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]])
    assert cooccurrence(targets).tolist() == [[3, 2, 1], [2, 2, 1], [1, 1, 1]]
    assert cooccurrence(targets[:0]).tolist() == [[0] * 3] * 3


def test_an_image_without_scores_is_told():
    table, _ = table_of(2)
    broken = table.logits.copy()
    broken[5, 0] = np.nan
    samples = table_of(2)[1]
    found = figures(Predictions.of(samples, np.arange(120), broken, classes=CLASSES))
    assert (found.no_guess, found["log_loss"], found["roc_auc"]) == (1, None, None)


def test_figures_are_json():
    found = flat(figures(table_of(3)[0], thresholds=LEAST, with_intervals=True))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["at_0.5"]["per_class"]["auk"].keys() == {"precision", "recall", "f1"}
    assert found["per_class"]["bat"]["threshold"] == 0.3
    assert "confusion" not in found
    assert "answers" not in found


def test_a_run_is_measured_at_the_thresholds_of_its_bundle(tmp_path):
    val, test = (table_of(seed, split=split)[0] for seed, split in ((4, "val"), (5, "test")))
    run, chosen = RunDir(tmp_path), best_thresholds(val.logits, val.targets, temperature=1.5)
    both = Predictions(val.frame.vstack(test.frame), SEVERAL_LABELS)
    both.write(run.predictions)
    named = chosen.named(CLASSES)
    spec = InputSpec("square:8", 8)
    info = BundleInfo("m", CLASSES, spec, task="multi-label", temperature=1.5, thresholds=named)
    write_json(run.path / INFO, info.to_json())
    found = measure(run)
    assert found.task == "multi-label"
    wanted = figures(test, temperature=1.5, thresholds=chosen.least, with_intervals=True)
    assert found.sides["test"].values == wanted.values
    assert found.sides["test"].intervals == wanted.intervals
    assert found.sides["test"].at_half == wanted.at_half
    for side in ("val", "test"):
        rows = found.sides[side].per_class.values()
        assert [row.positives for row in rows] == chosen.positives.tolist()
        assert [row.threshold for row in rows] == chosen.least.tolist()
    assert found.calibration.sides["val"].after["log_loss"] == found.sides["val"]["log_loss"]
    found.write(run.metrics)
    assert read(run.metrics) == found


def test_by_the_values_of_a_column_with_thresholds():
    table, samples = table_of(6, site=["north", "south"] * 60)
    values = values_by_column(samples, ["site"])
    named = dict(zip(CLASSES, LEAST.tolist(), strict=True))
    found = figures_by(table, samples, values, temperature=1.0, thresholds=named)["site"]["north"]
    rows = np.arange(0, 120, 2)
    guesses = sigmoid(table.logits[rows]) >= LEAST
    assert found["micro_f1"] == pytest.approx(
        f1_score(table.targets[rows], guesses, average="micro")
    )
    assert found.interval("micro_f1")[0] < found["micro_f1"] < found.interval("micro_f1")[1]
    assert found.cooccurrence is found.at_half is found.reliability is None
