import numpy as np
import pytest

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.metrics import METRICS, monitors, of_task
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import InputSpec, Predictions, Samples
from fieldmark.task import NO_GUESS, ONE_LABEL, SEVERAL_LABELS, TASKS, first_label, likeliest


def test_a_target_is_the_place_of_the_first_label_or_none():
    labels = [["b"], ["a", "b"], [], None, ["x", "a"]]
    assert first_label(labels, ["a", "b"]).tolist() == [1, 0, -1, -1, -1]


def test_the_likeliest_class_is_the_first_of_equals_and_none_where_it_is_not_finite():
    scores = np.array([[0.5, 0.5, 0.0], [0.1, np.nan, 0.2], [0.0, np.inf, 1.0], [0.1, 0.2, 0.7]])
    assert likeliest(scores).tolist() == [0, NO_GUESS, NO_GUESS, 2]


@pytest.mark.parametrize("least", [0.6, np.array([0.1, 0.1, 0.6])])
def test_there_is_no_answer_under_the_least_score(least):
    assert likeliest(np.array([[0.3, 0.1, 0.6], [0.3, 0.1, 0.59]]), least).tolist() == [2, NO_GUESS]


def test_tables_bundles_settings_and_metrics_are_of_the_task():
    samples = Samples.from_columns({"path": ["x", "y"], "labels": [["b"], ["c"]]})
    logits = np.array([[0.0, 1.0], [2.0, 0.0]])
    predictions = Predictions.of(samples, np.arange(2), logits, classes=("a", "b"))
    assert samples.task is predictions.task is predictions.of_split("test").task is ONE_LABEL
    assert predictions.known.tolist() == [True, False]
    assert Evidence.on(predictions).guesses.tolist() == [1]
    assert TASKS[BundleInfo("m", ("a",), InputSpec("square:8", 8)).task] is ONE_LABEL
    assert {ONE_LABEL.metric, ONE_LABEL.monitor} < set(of_task())
    assert set(monitors()) == {*of_task(), "loss"}
    assert {*of_task(), *of_task(SEVERAL_LABELS)} == set(METRICS)
