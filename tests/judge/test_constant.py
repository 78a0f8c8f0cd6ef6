"""What always giving the same answer would score, against trying every answer."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from fieldmark.judge.constant import best_constant
from fieldmark.records import Predictions, Samples
from fieldmark.task import ONE_LABEL, SEVERAL_LABELS

CLASSES = ("a", "b", "c", "d")


def table(labels, task):
    n = len(labels)
    samples = Samples.from_columns(
        {"path": [f"{row}.png" for row in range(n)], "labels": labels, "split": ["test"] * n}
    )
    logits = np.zeros((n, len(CLASSES)), np.float32)
    made = Predictions.of(samples, np.arange(n), logits, classes=CLASSES, model="m")
    return Predictions(made.frame, task)


def test_of_one_label_it_is_the_most_frequent_class():
    truth = [["a"], ["b"], ["b"], ["c"], ["b"], ["c"]]
    targets = [CLASSES.index(name) for [name] in truth]
    best = max(accuracy_score(targets, [guess] * 6) for guess in range(4))
    assert best_constant(table(truth, ONE_LABEL)) == pytest.approx(best) == pytest.approx(0.5)


def test_of_several_labels_no_set_of_them_is_better():
    draw = np.random.default_rng(0)
    has = draw.random((40, 4)) < [0.7, 0.1, 0.4, 0.3]
    labels = [[name for name, there in zip(CLASSES, row, strict=True) if there] for row in has]
    sets = itertools.product([0, 1], repeat=4)
    best = max(
        f1_score(has, np.tile(answer, (40, 1)), average="micro", zero_division=0) for answer in sets
    )
    assert best_constant(table(labels, SEVERAL_LABELS)) == pytest.approx(best)


def test_of_no_image_there_is_none():
    assert np.isnan(best_constant(table([["a"]], ONE_LABEL).of_split("val")))
