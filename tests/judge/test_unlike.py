"""What tells images unlike: entropy and distance against brute force, and how many known ones."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fieldmark.judge.intervals import share_interval, wilson
from fieldmark.judge.unlike import area, distances, entropy, is_unlike, most_of, unit


def test_the_entropy_is_the_sum_over_the_likeliest_hundred():
    scores = np.random.default_rng(0).dirichlet(np.ones(150) / 10, size=4)
    for row, found in zip(scores, entropy(scores), strict=True):
        likeliest = sorted(row)[::-1][:100]
        assert found == pytest.approx(sum((p * (1 - p)) ** 0.1 for p in likeliest))


def test_the_less_sure_the_larger_the_entropy():
    sure, unsure, none = entropy(np.array([[0.99, 0.01, 0.0], [0.6, 0.3, 0.1], [1.0, 0.0, 0.0]]))
    assert none == 0 < sure < unsure


@pytest.mark.parametrize("kept", [3, 10, 200])
def test_the_distance_is_the_mean_of_the_ten_nearest_or_of_all(kept):
    rng = np.random.default_rng(1)
    features, known = unit(rng.normal(size=(50, 7))), unit(rng.normal(size=(kept, 7)))
    for row, found in zip(features, distances(features, known), strict=True):
        apart = np.sort(np.linalg.norm(known - row, axis=1))[:10]
        assert found == pytest.approx(apart.mean(), abs=1e-5)


def test_a_feature_is_divided_by_its_length_and_none_stays_none():
    found = unit(np.array([[3.0, 4.0], [0.0, 0.0], [1e-3, 0.0]]))
    assert np.allclose(found, [[0.6, 0.8], [0, 0], [1, 0]])


def test_without_what_is_kept_nothing_is_known_and_nothing_is_unlike():
    found = distances(unit(np.ones((2, 3))), np.zeros((0, 3)))
    assert np.isnan(found).all()
    assert not is_unlike(0.1, None, found, None).any()


def test_at_most_one_known_image_in_forty_is_above_each_limit():
    rng = np.random.default_rng(2)
    for images, most in ((200, 0.025), (39, 0.025), (20, 1 / 21)):
        above = [
            (rng.normal(size=50) > most_of(rng.normal(size=images))).mean() for _ in range(400)
        ]
        assert np.mean(above) < most + 3 * np.std(above) / len(above) ** 0.5
        assert np.mean(above) > most / 2


def test_an_image_is_unlike_where_either_says_so():
    distance, spread = np.array([0.1, 0.9, 0.1, 0.9]), np.array([1.0, 1.0, 5.0, 5.0])
    assert is_unlike(0.5, 2.0, distance, spread).tolist() == [False, True, True, True]
    assert is_unlike(0.5, None, distance, spread).tolist() == [False, True, False, True]
    assert not is_unlike(0.9, 5.0, distance, spread).any()


def test_the_area_is_scikit_learns_and_nan_without_images():
    rng = np.random.default_rng(3)
    known, unknown = rng.integers(0, 9, 40) / 4, rng.integers(3, 12, 30) / 4
    truth = np.repeat([0, 1], [40, 30])
    assert area(known, unknown) == pytest.approx(
        roc_auc_score(truth, np.concatenate([known, unknown]))
    )
    assert np.isnan(area(known, unknown[:0]))


def test_a_share_has_wilsons_interval_and_by_groups_a_wider_one():
    hits = np.repeat([True, False], [6, 34])
    assert share_interval(hits) == pytest.approx(wilson(6 / 40, 40))
    low, high = share_interval(hits, np.arange(40) // 4)
    assert high - low > np.diff(wilson(6 / 40, 40))
