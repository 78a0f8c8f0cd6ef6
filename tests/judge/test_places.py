"""Where heat lies: corners and edges that have clearly more than their share are named."""

import numpy as np
import pytest

from fieldmark.judge.places import mean_map, parts, suspects

SIDE = 56


def maps(n, place, *, seed=0):
    """Maps with noise everywhere and most of the heat at a place (a pair of slices)."""
    draw = np.random.default_rng(seed)
    found = draw.integers(0, 40, size=(n, SIDE, SIDE))
    found[(slice(None), *place)] = draw.integers(200, 256, size=found[(slice(None), *place)].shape)
    return found.astype(np.uint8)


MIDDLE = (slice(18, 38), slice(18, 38))
STAMP = (slice(44, 56), slice(44, 56))
FOOT = (slice(50, 56), slice(0, 56))


def test_even_maps_have_in_each_part_its_share_of_the_picture():
    for part in parts(np.full((6, SIDE, SIDE), 9, np.uint8)):
        assert part.share == pytest.approx(part.even)
        assert part.even == pytest.approx(1 / 16 if "corner" in part.name else 1 / 8)
        assert not part.is_suspect


def test_heat_in_the_middle_is_no_suspect():
    assert suspects(maps(8, MIDDLE)) == []


def test_a_stamp_in_a_corner_is_named_and_its_edges_are_not():
    (found,) = suspects(maps(8, STAMP))
    assert found.name == "bottom right corner"
    assert found.share > 0.3


def test_a_strip_along_an_edge_is_named():
    names = [each.name for each in suspects(maps(8, FOOT))]
    assert names == ["bottom edge"]


def test_of_few_maps_nothing_is_said():
    assert suspects(maps(4, STAMP)) == []
    assert suspects(maps(5, STAMP)) != []


def test_one_map_of_many_makes_no_suspect():
    assert suspects(np.concatenate([maps(1, STAMP), maps(7, MIDDLE)])) == []


def test_each_map_weighs_the_same_in_the_mean():
    faint, strong = np.zeros((2, 4, 4), np.uint8)
    faint[0, 0], strong[3, 3] = 1, 255
    mean = mean_map(np.stack([faint, strong]))
    assert (mean[0, 0], mean[3, 3], mean.max(), mean.sum()) == (1, 1, 1, 2)
