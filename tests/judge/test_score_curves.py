"""ROC and precision-recall curves are scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.score_curves import POINTS, score_curves

NAMES = ("a", "b", "c")


def evidence(number, seed=0):
    draw = np.random.default_rng(seed)
    targets = draw.integers(0, 2, number)  # none of the last class
    logits = draw.normal(0, 1, (number, 3)).round(1)  # with ties
    logits[np.arange(number), targets] += 0.7
    return Evidence.of(logits, targets)


def test_curves_are_those_of_scikit_learn():
    its = evidence(60)
    found = score_curves(its, NAMES)
    assert [each.name for each in found] == ["a", "b"]
    for index, curve in enumerate(found):
        is_of, score = its.targets == index, its.scores[:, index]
        false, recall, _ = roc_curve(is_of, score, drop_intermediate=False)
        assert curve.false == pytest.approx(false)
        assert curve.recall == pytest.approx(recall)
        precision, recalls, _ = precision_recall_curve(is_of, score)
        assert curve.precision == pytest.approx(precision[::-1])
        assert curve.recall == pytest.approx(recalls[::-1])
        assert curve.area == pytest.approx(auc(curve.false, curve.recall))
        assert curve.average_precision == pytest.approx(average_precision_score(is_of, score))
        assert curve.n == is_of.sum()


def test_of_many_images_some_points_are_kept_with_both_ends():
    curve = score_curves(Evidence.of(*_many()), NAMES)[0]
    assert len(curve.recall) == POINTS
    assert (curve.false[0], curve.recall[0]) == (0, 0)
    assert (curve.false[-1], curve.recall[-1]) == (1, 1)
    assert auc(curve.false, curve.recall) == pytest.approx(curve.area, abs=0.01)


def _many():
    draw = np.random.default_rng(1)
    targets = draw.integers(0, 3, 5000)
    logits = draw.normal(0, 1, (5000, 3))
    logits[np.arange(5000), targets] += 1
    return logits, targets


def test_without_scores_or_with_one_class_alone_there_is_no_curve():
    assert score_curves(Evidence.of(np.zeros((0, 3)), np.zeros(0, int)), NAMES) == []
    assert score_curves(Evidence.of(np.full((2, 3), np.nan), np.array([0, 1])), NAMES) == []
    assert score_curves(Evidence.of(np.zeros((4, 3)), np.zeros(4, int)), NAMES) == []


def test_of_many_classes_the_worst_by_either_figure_are_kept():
    all_of_them = score_curves(Evidence.of(*_many()), NAMES)
    one = score_curves(Evidence.of(*_many()), NAMES, most=1)
    worst = {min(all_of_them, key=lambda each: each.area).name}
    worst.add(min(all_of_them, key=lambda each: each.average_precision).name)
    assert {each.name for each in one} == worst
