"""A heat map over its picture: hot is light, cold is grey, and a line is around the hottest."""

import numpy as np
import pytest

from fieldmark.insight.overlays import (
    GREY,
    LEAST,
    alone,
    coloured,
    overlaid,
    overlay,
    stretched,
)

SIDE = 160


def hot_corner(side=56):
    """A quarter of a side hot, the rest cold."""
    cells = np.zeros((side, side), np.uint8)
    cells[: side // 4, : side // 4] = 255
    return cells


def photo(colour=(40, 120, 200), side=SIDE):
    return np.full((side, side, 3), colour, np.uint8)


def test_what_is_cold_is_the_picture_in_grey():
    found = overlay(photo(), hot_corner())
    gray = round(float(np.array((40, 120, 200)) @ GREY))
    assert np.abs(found[-40:, -40:].astype(int) - gray).max() <= 1


def test_what_is_hot_is_yellow_and_lets_the_picture_through():
    dark = overlay(photo((0, 0, 0)), hot_corner())[4, 4].astype(int)
    light = overlay(photo((255, 255, 255)), hot_corner())[4, 4].astype(int)
    assert min(dark[:2]) > max(150, dark[2])
    assert (light - dark > 40).all()


def test_the_line_is_around_about_a_fifth_of_the_picture():
    row, column = np.indices((56, 56))
    cells = (255 * np.exp(-((row - 28) ** 2 + (column - 28) ** 2) / 200)).astype(np.uint8)
    found = overlay(photo((0, 0, 0)), cells)
    line = (found == 255).all(axis=2)
    down, across = np.nonzero(line)
    area = np.pi * (np.ptp(down) / 2) * (np.ptp(across) / 2) / SIDE**2
    assert area == pytest.approx(0.2, abs=0.02)


def test_a_small_picture_is_enlarged_with_hard_edges():
    found = overlay(photo(side=8), np.zeros((8, 8), np.uint8) + 1)
    assert found.shape == (LEAST, LEAST, 3)


def test_a_map_lies_on_the_picture_where_its_cells_are():
    assert stretched(hot_corner() / 255, (SIDE, SIDE))[: SIDE // 5, : SIDE // 5].min() == 1
    assert alone(hot_corner()).shape == (LEAST, LEAST, 3)


def lightness(pixels):
    """CIE L* of (..., 3) uint8, 0 to 100."""
    shares = pixels / 255
    linear = np.where(shares > 0.04045, ((shares + 0.055) / 1.055) ** 2.4, shares / 12.92)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    cubic = np.cbrt(luminance)
    return np.where(luminance > 0.008856, 116 * cubic - 16, 903.3 * luminance)


def test_lightness_rises_from_black_to_nearly_white_in_even_steps():
    found = lightness(coloured(np.linspace(0, 1, 33)[None])[0])
    assert found[0] < 1
    assert found[-1] > 97
    steps = np.diff(found)
    assert steps.min() > 1.5
    assert steps.max() < 4.5
    np.testing.assert_allclose(found, np.linspace(0, 100, 33), atol=7)


def test_a_point_of_the_table_is_itself_and_between_two_lies_their_mean():
    found = coloured(np.array([[0, 1 / 32, 1 / 16, 1]]))
    assert found.tolist() == [[[0, 0, 4], [6, 4, 20], [11, 7, 36], [252, 255, 164]]]


def test_what_lies_outside_takes_the_nearer_end():
    assert np.array_equal(coloured(np.array([[-1.0, 7.0]])), coloured(np.array([[0.0, 1.0]])))


def test_a_cold_place_is_the_photo_in_grey_and_a_hot_one_mostly_colour():
    photo = np.full((1, 2, 3), (200, 100, 50), np.uint8)
    found = overlaid(photo, np.array([[0.0, 1.0]]))
    grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert found[0, 0].tolist() == [round(grey)] * 3
    hot = 0.72 * np.array([252, 255, 164]) + 0.28 * grey
    assert found[0, 1].tolist() == hot.round().astype(int).tolist()


def test_nan_and_other_sides_are_refused():
    with pytest.raises(ValueError, match="a value that is nan has no colour"):
        coloured(np.array([[np.nan]]))
    with pytest.raises(ValueError, match=r"the photo is \(1, 2\), but its heat \(2, 1\)"):
        overlaid(np.zeros((1, 2, 3), np.uint8), np.zeros((2, 1)))
