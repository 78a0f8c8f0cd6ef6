"""Sets of classes: their bound against brute force, and how often they hold the truth."""

import math

import numpy as np
import pytest

from fieldmark.judge.calibrate import fit_temperature
from fieldmark.judge.conformal import bound, row_for, set_rows, sets
from fieldmark.task import ONE_LABEL


def drawn(rng, images, classes=5, sure=2.0):
    """Scores and truths of a model that is sometimes wrong. -> (N, C), (N,)"""
    targets = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes)) + np.eye(classes)[targets] * sure
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), targets


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("images", [19, 20, 37, 200])
def test_the_bound_is_the_value_of_that_rank(level, images):
    values = np.random.default_rng(images).normal(size=images)
    rank = math.ceil(round((images + 1) * level, 9))
    assert bound(values, level) == np.sort(values)[rank - 1]


def test_no_bound_promises_more_than_the_images_allow():
    values = np.arange(19.0)
    assert bound(values, 0.95) == 18
    assert bound(values, 0.951) is None
    assert bound(values, 0.95, np.arange(19) // 2) is None  # ten groups


def test_by_groups_each_group_counts_as_one():
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=60), rng.integers(0, 12, 60)
    names = np.unique(groups)
    for level in (0.5, 0.7, 0.9):
        shares = [  # of a new group, that counts as one more, nothing is known
            sum((values[groups == name] <= value).mean() for name in names) / (len(names) + 1)
            for value in np.sort(values)
        ]
        expected = next(
            value for value, share in zip(np.sort(values), shares, strict=True) if share >= level
        )
        assert bound(values, level, groups) == expected


def test_groups_of_one_image_are_as_no_groups():
    values = np.random.default_rng(1).normal(size=40)
    assert bound(values, 0.9, np.arange(40)) == bound(values, 0.9)


def held_in_sets(scores, targets, groups, others, truths):
    """Whether sets at 80 % hold the truths of others, the likeliest class not being forced in."""
    missed = 1 - scores[np.arange(len(targets)), targets]
    return 1 - others[np.arange(len(truths)), truths] <= bound(missed, 0.8, groups)


def test_sets_hold_the_truth_as_often_as_promised_and_hardly_oftener():
    rng = np.random.default_rng(2)
    held = [held_in_sets(*drawn(rng, 60), None, *drawn(rng, 40)).mean() for _ in range(800)]
    error = np.std(held) / len(held) ** 0.5
    assert 0.8 - 3 * error < np.mean(held) < 0.8 + 1 / 61 + 3 * error


def test_sets_hold_the_truth_of_images_of_new_groups_as_often_as_promised():
    rng = np.random.default_rng(3)

    def grouped(groups):
        """Images of a group are alike: each group is easy or hard, and has 1 to 12 images."""
        sizes = rng.integers(1, 13, groups)
        numbers = np.repeat(np.arange(groups), sizes)
        return *drawn(rng, len(numbers), sure=rng.uniform(0, 4, groups)[numbers, None]), numbers

    held = []
    for _ in range(800):
        *others, numbers = grouped(10)
        inside = held_in_sets(*grouped(25), *others)
        held.append((np.bincount(numbers, inside) / np.bincount(numbers)).mean())
    error = np.std(held) / len(held) ** 0.5
    assert 0.8 - 3 * error < np.mean(held) < 0.8 + 1 / 26 + 3 * error


def test_a_set_has_at_least_the_likeliest_class_and_then_all_within_the_bound():
    scores = np.array([[0.5, 0.3, 0.2], [0.98, 0.01, 0.01]])
    assert sets(scores, 0.0).tolist() == [[True, False, False], [True, False, False]]
    assert sets(scores, 0.7).tolist() == [[True, True, False], [True, False, False]]
    assert sets(scores, 1.0).all()


def test_rows_rise_to_the_highest_level_and_keep_the_bound_of_each_level():
    scores, targets = drawn(np.random.default_rng(4), 5000)
    rows, missed = set_rows(scores, targets), 1 - scores[np.arange(5000), targets]
    assert len(rows) <= 70
    assert rows[-1].level == 5000 / 5001
    for level in (0.5, 0.9, 0.95, 0.99):
        row = row_for(rows, level)
        assert level <= row.level < level + 1 / 5000
        assert 0 <= row.bound - bound(missed, level) <= 1e-6  # rounded up
        assert row.size == sets(scores, row.bound).sum(axis=1).mean()
    between = row_for(rows, 0.9001)
    assert between.level >= 0.905 - 1e-9
    assert row_for(rows, 0.99999) is None


def test_images_whose_truth_is_no_class_or_whose_scores_are_not_finite_count_nothing():
    scores, targets = drawn(np.random.default_rng(5), 30)
    rows = set_rows(scores, targets)
    scores = np.concatenate([scores, [[np.nan] * 5], [[0.2] * 5]])
    assert set_rows(scores, np.append(targets, [0, -1])) == rows
    assert set_rows(scores[:0], targets[:0]) == ()


@pytest.mark.slow
def test_a_temperature_that_the_same_images_chose_takes_next_to_nothing_off_the_promise():
    held: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        targets = rng.integers(0, 3, 430)
        logits = 3 * (rng.normal(size=(430, 3)) + 1.5 * np.eye(3)[targets])
        for is_fitted in held:
            warm = fit_temperature(logits[:30], targets[:30]) if is_fitted else 1.0
            scores = ONE_LABEL.scores(logits, warm)
            row = row_for(set_rows(scores[:30], targets[:30]), 0.9)
            inside = sets(scores[30:], row.bound)
            held[is_fitted].append(inside[np.arange(400), targets[30:]].mean())
    assert np.mean(held[True]) > 0.9 - 3 * np.std(held[True]) / 200**0.5
    assert abs(np.mean(held[True]) - np.mean(held[False])) < 0.003
