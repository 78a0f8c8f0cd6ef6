"""Values as colours: even steps of brightness, and a photo that stays visible under its heat."""

import numpy as np
import pytest

from fieldmark.insight.colours import coloured, overlaid


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
