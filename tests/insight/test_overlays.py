"""A heat map over its picture: hot is light, cold is grey, and a line is around the hottest."""

import numpy as np
import pytest

from fieldmark.insight.colours import GREY
from fieldmark.insight.overlays import LEAST, alone, overlay, stretched

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
