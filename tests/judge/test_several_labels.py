"""Figures of several labels an image: against scikit-learn, and against the task of one label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from fieldmark.judge.calibrate import bins_of, calibration_error, reliability
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.metrics import (
    Shown,
    each_epoch,
    metrics_of,
    monitors,
    of_task,
    overall,
    per_class,
    prominent,
)
from fieldmark.records import Predictions, Samples
from fieldmark.task import ONE_LABEL, SEVERAL_LABELS, sigmoid, softmax

AVERAGES = ("macro", "micro", "weighted", "samples")
KINDS = ("precision", "recall", "f1")


def drawn(seed, n=200, shares=(0.5, 0.3, 0.1, 0.02), decimals=1):
    """Logits rounded, so that scores tie, and 0/1 targets (n, C) that they know something of."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, len(shares))) < shares).astype(np.int64)
    logits = rng.normal(size=targets.shape) + 1.5 * targets - 0.7
    return logits.round(decimals).astype(np.float32), targets


def evidence_of(logits, targets, **options):
    return Evidence.of(logits, targets, task=SEVERAL_LABELS, **options)


@st.composite
def cases(draw):
    """Few or many images, ties or none, labels that no image has or that all have."""
    shares = draw(st.lists(st.sampled_from([0, 0.05, 0.3, 0.7, 1]), min_size=1, max_size=6))
    n, decimals = draw(st.integers(1, 60)), draw(st.integers(0, 3))
    return drawn(draw(st.integers(0, 10**6)), n, shares, decimals)


@settings(max_examples=80, deadline=None, database=None)
@given(cases(), st.sampled_from([None, 0.3, 0.8]))
def test_figures_of_decisions_are_those_of_scikit_learn(case, least):
    logits, targets = case
    thresholds = None if least is None else np.full(targets.shape[1], least)
    ours = overall(evidence_of(logits, targets, thresholds=thresholds))
    found = (sigmoid(logits) >= (0.5 if least is None else least)).astype(int)
    present = np.flatnonzero(targets.any(axis=0))
    theirs = {
        "subset_accuracy": (found == targets).all(axis=1).mean(),  # one column is not "multilabel"
        "hamming_loss": (found != targets).mean(),
    }
    if targets.shape[1] > 1:
        assert reference.accuracy_score(targets, found) == theirs["subset_accuracy"]
        assert reference.hamming_loss(targets, found) == pytest.approx(theirs["hamming_loss"])
        for average in AVERAGES if len(present) else ("samples",):
            values = reference.precision_recall_fscore_support(
                targets,
                found,
                average=average,
                labels=present if average == "macro" else None,
                zero_division=1 if average == "samples" else 0,
            )
            theirs |= {f"{average}_{k}": value for k, value in zip(KINDS, values[:3], strict=True)}
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=60, deadline=None, database=None)
@given(cases())
def test_figures_of_scores_are_those_of_scikit_learn(case):
    logits, targets = case
    evidence, scores = evidence_of(logits, targets, temperature=1.3), sigmoid(logits, 1.3)
    ours, classes = overall(evidence), per_class(evidence)
    columns = list(zip(targets.T, scores.T, strict=True))
    losses = [reference.log_loss(true, score, labels=[0, 1]) for true, score in columns]
    assert ours["log_loss"] == pytest.approx(np.mean(losses))
    for k, (true, score) in enumerate(columns):
        if true.any():
            theirs = reference.average_precision_score(true, score)
            assert classes["average_precision"][k] == pytest.approx(theirs)
        if 0 < true.sum() < len(true):
            assert classes["roc_auc"][k] == pytest.approx(reference.roc_auc_score(true, score))
        else:
            assert np.isnan(classes["roc_auc"][k])
    if targets.any():
        wanted = np.nanmean(classes["average_precision"])
        assert ours["mean_average_precision"] == pytest.approx(wanted)


def test_the_mean_average_precision_and_the_area_are_scikit_learns_macro():
    logits, targets = drawn(1)
    scores, ours = sigmoid(logits), metrics_of(logits, targets, task=SEVERAL_LABELS)
    wanted = reference.average_precision_score(targets, scores, average="macro")
    assert ours["mean_average_precision"] == pytest.approx(wanted)
    wanted = reference.roc_auc_score(targets, scores, average="macro")
    assert ours["roc_auc"] == pytest.approx(wanted)


@settings(max_examples=40, deadline=None, database=None)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_one_label_each_given_as_several_has_the_figures_of_one(seed, classes):
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=50)
    raised = rng.normal(size=(50, classes))
    raised[np.arange(50), truth] += 1
    raised -= raised.mean(axis=1, keepdims=True)
    raised[np.arange(50), raised.argmax(axis=1)] += 10  # its softmax is above a half
    scores, hot = softmax(raised), np.eye(classes, dtype=np.int64)[truth]
    one = Evidence.of(raised, truth, scores=scores)
    several = evidence_of(raised, hot, scores=scores)
    ours, theirs = overall(several), overall(one)
    assert ours["micro_f1"] == pytest.approx(theirs["accuracy"])
    assert ours["subset_accuracy"] == theirs["accuracy"]
    same = [name for name in theirs if name.startswith(("macro", "micro", "weighted"))]
    for name in (*same, "roc_auc", "mean_average_precision"):
        assert ours[name] == pytest.approx(theirs[name], nan_ok=True)
    for name, column in per_class(one).items():
        np.testing.assert_array_equal(per_class(several)[name], column)
    for mine, its in zip(several.margins, one.margins, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_the_calibration_error_is_of_every_decision():
    logits, targets = drawn(2)
    evidence = evidence_of(logits, targets)
    scores, true = sigmoid(logits).ravel(), targets.ravel()
    bins = bins_of(scores)
    gaps = [abs((true - scores)[bins == k].sum()) for k in range(15)]
    assert calibration_error(evidence) == pytest.approx(sum(gaps) / len(true), abs=1e-12)
    found = reliability(evidence)
    assert sum(each.n for each in found) == targets.size
    assert found[0].accuracy == pytest.approx(true[bins == bins.min()].mean())


def test_an_image_without_scores_is_wrong_in_every_figure():
    logits = np.array([[3.0, -3.0], [np.nan, -3.0], [np.inf, -3.0]])
    evidence = evidence_of(logits, np.array([[1, 0], [0, 0], [1, 0]]))
    ours = overall(evidence)
    assert evidence.answered.tolist() == [True, False, False]
    assert evidence.guesses.tolist() == [[True, False], [False, False], [False, False]]
    assert ours["subset_accuracy"] == ours["samples_f1"] == pytest.approx(1 / 3)
    assert ours["hamming_loss"] == pytest.approx(2 / 3)
    assert ours["micro_recall"] == 0.5
    assert np.isnan([ours["roc_auc"], ours["log_loss"], ours["ece"]]).all()


def test_an_image_without_labels_of_which_none_is_guessed_is_right():
    ours = metrics_of(np.full((2, 3), -1.0), np.zeros((2, 3), int), task=SEVERAL_LABELS)
    assert ours["samples_f1"] == ours["samples_precision"] == ours["samples_recall"] == 1.0
    assert (ours["subset_accuracy"], ours["hamming_loss"]) == (1.0, 0.0)
    assert np.isnan([ours["micro_f1"], ours["macro_f1"], ours["mean_average_precision"]]).all()


def test_without_images_every_figure_is_nan():
    ours = metrics_of(np.empty((0, 3)), np.empty((0, 3), np.int64), task=SEVERAL_LABELS)
    assert list(ours) == list(of_task(SEVERAL_LABELS))
    assert np.isnan(list(ours.values())).all()


def test_a_truth_that_is_not_known_is_refused():
    message = "row 1: its truth is not 0 or 1 for each class; leave out the rows whose labels are"
    with pytest.raises(ValueError, match=message):
        evidence_of(np.zeros((2, 2)), np.array([[0, 1], [-1, -1]]))


def test_a_table_gives_the_rows_whose_labels_are_known():
    columns = {"path": ["x", "y", "z"], "labels": [["b", "a"], None, []]}
    samples = Samples(Samples.from_columns(columns).frame, task=SEVERAL_LABELS)
    logits = np.array([[1.0, -1.0], [0.0, 0.0], [-1.0, -1.0]])
    table = Predictions.of(samples, np.arange(3), logits, classes=("a", "b"))
    evidence = Evidence.on(table, thresholds=np.array([0.5, 0.2]))
    assert evidence.targets.tolist() == [[1, 1], [0, 0]]
    assert evidence.guesses.tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize("part", ["counts", "confidence", "in_top5"])
def test_what_one_label_alone_has_is_not_there(part):
    with pytest.raises(AssertionError, match="several labels an image have none"):
        getattr(evidence_of(*drawn(3)), part)


def test_what_may_choose_an_epoch_and_what_stands_in_front():
    signs = monitors(SEVERAL_LABELS)
    assert {name for name, sign in signs.items() if sign < 0} == {
        "log_loss",
        "ece",
        "hamming_loss",
        "loss",
    }
    assert not {"accuracy", "balanced_accuracy", "top5_accuracy", "mcc"} & set(signs)
    front = ["macro_f1", "micro_f1", "mean_average_precision"]
    assert list(prominent(Shown.COLUMN, SEVERAL_LABELS)) == front
    assert of_task(SEVERAL_LABELS)["micro_recall"].meaning == (
        "share of all labels of the images that are found"
    )
    assert of_task(ONE_LABEL)["micro_recall"].meaning == "share of all images that are found"


def test_of_many_logits_an_epoch_has_the_metrics_of_counts_and_those_asked_for(monkeypatch):
    monkeypatch.setattr("fieldmark.judge.metrics.EVERY", 100)
    logits, targets = drawn(4)
    found = each_epoch(["mean_average_precision", "loss"], SEVERAL_LABELS)(logits, targets)
    every = metrics_of(logits, targets, task=SEVERAL_LABELS)
    costly = {"roc_auc", "log_loss", "ece", "hamming_loss", "subset_accuracy"}
    costly |= {f"samples_{kind}" for kind in KINDS}
    assert found == {name: value for name, value in every.items() if name not in costly}
