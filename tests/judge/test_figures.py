import json

import numpy as np
import pytest
from sklearn.metrics import log_loss

from fieldmark.judge.calibrate import answer_curve
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import ConfusedPair, figures, most_confused
from fieldmark.judge.intervals import Intervals, intervals
from fieldmark.judge.metrics import metrics_of, of_task
from fieldmark.metrics_json import flat
from fieldmark.records import Predictions, Samples
from fieldmark.task import softmax

CLASSES = ("auk", "bat", "cat")


BY_CLASS = ("precision", "recall", "f1", "roc_auc", "average_precision")


def predicted(logits, labels, groups=None):
    columns = {
        **({"group": groups} if groups else {}),
        "path": [f"{row}.png" for row in range(len(labels))],
        "labels": [[label] for label in labels],
        "split": ["test"] * len(labels),
    }
    samples = Samples.from_columns(columns)
    return Predictions.of(samples, np.arange(len(labels)), logits, classes=CLASSES)


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    targets = rng.integers(3, size=60)
    logits = rng.normal(size=(60, 3)).astype(np.float32) + np.eye(3, dtype=np.float32)[targets]
    return predicted(logits, [CLASSES[k] for k in targets])


def test_figures_are_the_measures_of_the_predictions(predictions):
    found = figures(predictions)
    measured = metrics_of(predictions.logits, predictions.targets)
    assert measured.pop("top5_accuracy") != found["top5_accuracy"] is None  # nan, of three classes
    assert {name: found[name] for name in measured} == measured
    assert (found.n, found.unknown, found.no_guess, found.absent) == (60, 0, 0, ())
    assert found.intervals == {}
    assert np.trace(found.confusion) / 60 == pytest.approx(found["accuracy"])
    assert {name: row.support for name, row in found.per_class.items()} == {
        name: sum(found.confusion[k]) for k, name in enumerate(CLASSES)
    }


def test_figures_are_json_and_come_back_as_they_were(predictions):
    found = flat(figures(predictions, with_intervals=True))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_intervals_are_given_when_they_are_asked_for(predictions):
    found = figures(predictions, with_intervals=True, seed=5)
    assert list(found.intervals) == list(of_task())
    assert found.intervals.pop("top5_accuracy") == (None, None)
    for name, (low, high) in found.intervals.items():
        assert low <= found[name] <= high
        assert low < high
    for row in found.per_class.values():
        assert tuple(row.intervals) == BY_CLASS
        assert row.intervals["recall"][0] < row["recall"] < row.intervals["recall"][1]
    other = figures(predictions, with_intervals=True, seed=6)
    assert found.intervals != other.intervals


def test_temperature_changes_the_loss_and_not_the_guesses(predictions):
    cool, warm = figures(predictions), figures(predictions, temperature=4.0)
    expected = log_loss(predictions.targets, softmax(predictions.logits, 4.0))
    assert warm["log_loss"] == pytest.approx(expected)
    assert warm.confusion == cool.confusion


def test_images_of_a_class_that_is_not_known_are_counted_and_left_out():
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    found = figures(predicted(logits, ["auk", "bat", "cat", "yeti"]))
    assert (found.n, found.unknown, found["accuracy"]) == (3, 1, 1.0)
    assert found.confusion == np.eye(3, dtype=int).tolist()


def test_a_class_without_images_is_named_and_its_figures_are_null():
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    found = figures(predicted(logits, ["auk", "bat", "bat"]), with_intervals=True)
    absent = found.per_class["cat"]
    assert found.absent == ("cat",)
    assert absent.intervals == dict.fromkeys(BY_CLASS, (None, None))
    assert (absent.support, absent.values) == (0, dict.fromkeys(BY_CLASS))
    assert found["macro_recall"] == 0.75


def test_images_without_a_guess_are_counted_as_wrong():
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    logits[2] = np.nan
    found = figures(predicted(logits, ["auk", "bat", "cat"]), with_intervals=True)
    assert (found.n, found.no_guess) == (3, 1)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["log_loss"] is found["ece"] is found["mean_average_precision"] is None
    assert found.intervals["log_loss"] == (None, None)
    assert sum(each.n for each in found.reliability) == 2
    assert found.answers[-1].share == pytest.approx(2 / 3)
    assert found.confusion == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_split_without_images_has_no_figures():
    found = figures(predicted(np.empty((0, 3), np.float32), []), with_intervals=True)
    assert found.n == 0
    assert found.absent == CLASSES
    assert {found[name] for name in of_task()} == {None}
    assert all(bounds == (None, None) for bounds in found.intervals.values())
    assert found.reliability == found.answers == ()


def test_answers_run_from_the_surest_to_all(predictions):
    found = figures(predictions)
    scores, shares = ([getattr(row, name) for row in found.answers] for name in ("score", "share"))
    assert scores == sorted(scores, reverse=True)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert found.answers[-1].accuracy == found["accuracy"]
    sure = predictions.scores().max(axis=1) >= scores[10]
    right = predictions.logits.argmax(axis=1) == predictions.targets
    assert (shares[10], found.answers[10].accuracy) == (sure.mean(), right[sure].mean())


def test_answers_of_many_images_are_the_rows_that_a_bundle_has():
    logits = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    table = predicted(logits, ["auk", "bat"] * 250)
    rows = answer_curve(Evidence.of(table.logits, table.targets))
    assert len(rows) == 200
    assert [
        (each.score, round(500 * each.share), round(500 * each.share * each.accuracy))
        for each in figures(table).answers
    ] == rows


@pytest.mark.filterwarnings("error")
def test_figures_of_two_very_unequal_groups_are_json():
    logits = 8 * np.eye(3, dtype=np.float32)[[0, 1, 2] * 133 + [1]]
    labels = [*CLASSES] * 133 + ["auk"]
    logits[::7] *= 0.5
    found = figures(predicted(logits, labels, ["A"] * 399 + ["B"]), with_intervals=True)
    plain = flat(found)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert found["log_loss"] > 0
    assert (found.groups, found.intervals["log_loss"]) == (2, (None, None))


def test_a_bound_that_is_infinite_is_null(predictions, monkeypatch):
    def endless(evidence, **options):
        found = intervals(evidence, **options)
        return Intervals({**found.overall, "log_loss": (0.0, np.inf)}, found.per_class)

    monkeypatch.setattr("fieldmark.judge.figures.intervals", endless)
    assert figures(predictions, with_intervals=True).intervals["log_loss"] == (0.0, None)


def test_groups_that_the_intervals_go_by_are_counted():
    logits = np.random.default_rng(2).normal(size=(40, 3)).astype(np.float32)
    labels = ["auk", "bat", "cat", "yeti"] * 10  # the yeti is not known, nor are its groups
    grouped = predicted(logits, labels, [f"{row // 2}" for row in range(39)] + [None])
    found = figures(grouped, with_intervals=True)
    alone = figures(predicted(logits, labels), with_intervals=True)
    assert (found.groups, alone.groups, figures(grouped).groups) == (20, None, None)
    assert found["accuracy"] == alone["accuracy"]
    assert found.intervals["macro_f1"] != alone.intervals["macro_f1"]


MATRIX = np.array([[9, 1, 0], [0, 4, 4], [0, 0, 0]])
ABC = ("a", "b", "c")


def test_pairs_come_most_frequent_first_and_hold_mistakes_only():
    assert most_confused(MATRIX, ABC, most=9) == [
        ConfusedPair("b", "c", 4, 8),
        ConfusedPair("a", "b", 1, 10),
    ]
    assert most_confused(MATRIX, ABC, most=1) == [ConfusedPair("b", "c", 4, 8)]


def test_pairs_as_frequent_as_each_other_keep_the_order_of_the_classes():
    even = np.array([[5, 1, 1], [1, 5, 1], [1, 1, 5]])
    assert [(pair.truth, pair.guess) for pair in most_confused(even, ABC, most=3)] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "a"),
    ]


def test_no_mistakes_are_no_pairs():
    assert most_confused(np.diag([3, 4, 5]), ABC, most=3) == []
