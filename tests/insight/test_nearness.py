"""Neighbours by features, held against all distances; pairs, strangers and maps."""

import numpy as np
import pytest

from fieldmark.insight import nearness
from fieldmark.insight.nearness import (
    Neighbours,
    look_alikes,
    maps,
    neighbours,
    principal,
    strangeness,
    strangers,
    unit,
)


def features(n=80, size=12, seed=0):
    """Three heaps of features, as a trained network has them."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(3, size))
    return (centres[np.arange(n) % 3] + 0.4 * draw.normal(size=(n, size))).astype(np.float32)


@pytest.mark.parametrize("at_once", [7 * 80, 2**24])
def test_neighbours_are_those_of_all_distances(monkeypatch, at_once):
    monkeypatch.setattr(nearness, "AT_ONCE", at_once)
    units = unit(features())
    near = neighbours(units, 5)
    far = 1 - units @ units.T
    np.fill_diagonal(far, np.inf)
    assert (near.rows == np.argsort(far, axis=1, kind="stable")[:, :5]).all()
    assert near.far == pytest.approx(np.sort(far, axis=1)[:, :5], abs=1e-6)


def test_maps_of_features_are_averaged_before_they_are_divided():
    whole = np.random.default_rng(0).random((4, 3, 2, 2))
    assert unit(whole) == pytest.approx(unit(whole.mean(axis=(2, 3))), abs=1e-6)
    assert np.linalg.norm(unit(whole), axis=1) == pytest.approx(np.ones(4), abs=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_pictures_have_few_neighbours(n):
    near = neighbours(unit(features(n)))
    assert near.rows.shape == (n, max(0, min(10, n - 1)))
    assert len(strangeness(near)) == n
    assert len(look_alikes(near)) in (0, 1)


def test_two_that_are_nearly_the_same_are_a_pair_once():
    found = features()
    found[40] = found[7] * 2 + 0.001
    pairs = look_alikes(neighbours(unit(found))).tolist()
    assert pairs[0] == [7, 40]
    assert len({tuple(pair) for pair in pairs}) == len(pairs)


def test_what_is_far_from_all_others_is_a_stranger():
    found = features()
    found[11] = -5 * found.mean(axis=0) + 9 * np.eye(12)[0]
    strange = strangeness(neighbours(unit(found)))
    assert strangers(strange).tolist() == [11]
    assert strangers(strange[:5]).tolist() == []


def test_principal_directions_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA

    units = unit(features())
    theirs = PCA(4, svd_solver="full").fit(units)
    own, share = principal(units, 4)
    assert share == pytest.approx(theirs.explained_variance_ratio_, abs=1e-5)
    assert np.abs(own) == pytest.approx(np.abs(theirs.transform(units)), abs=1e-4)


def test_a_map_lies_in_its_square_and_keeps_its_proportion():
    found = maps(unit(features(30)))
    assert found.near is None  # too few for neighbourhoods
    assert found.principal.min() >= 0
    assert found.principal.max() <= 1
    assert np.ptp(found.principal, axis=0).max() == pytest.approx(1)
    assert (maps(unit(features(30))).principal == found.principal).all()


def test_one_picture_and_pictures_that_are_all_the_same_have_a_map():
    for same in (np.ones((1, 3)), np.ones((6, 3)), np.arange(1.0, 5)[:, None]):
        assert np.isfinite(maps(unit(same)).principal).all()


def test_by_neighbourhoods_each_heap_lies_together_and_again_the_same():
    pytest.importorskip("openTSNE", reason="needs openTSNE: pip install 'fieldmark[maps]'")
    found = [maps(unit(features(90))).near for _ in range(2)]
    assert (found[0] == found[1]).all()
    near = neighbours(unit(found[0] - found[0].mean(axis=0)), 1)
    assert (near.rows[:, 0] % 3 == np.arange(90) % 3).mean() > 0.9


def test_pairs_come_the_nearest_first():
    near = Neighbours(np.array([[1], [0], [3], [2], [0]]), np.array([[0.1], [0.1], [0], [0], [1]]))
    assert look_alikes(near).tolist() == [[2, 3]]
