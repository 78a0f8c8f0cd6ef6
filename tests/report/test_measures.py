import re

import pytest

from fieldmark.report.measures import MOST, STEP, dots


def drawn(path: str) -> int:
    """How many dots the dashes of a path make."""
    return sum(int(float(length) // STEP) + 1 for length in re.findall(r"h([\d.]+)", path))


@pytest.mark.parametrize(
    ("right", "wrong"), [(261, 9), (1, 0), (0, 1), (0, 7), (500, 500), (24, 24)]
)
def test_each_image_has_its_dot(right, wrong):
    found = dots(right, wrong)
    assert (drawn(found.right), drawn(found.wrong)) == (right, wrong)
    assert found.images_a_dot == 1


@pytest.mark.parametrize(("right", "wrong"), [(99_999, 1), (1, 99_999), (50_000, 50_000)])
def test_of_many_images_neither_kind_is_rounded_away(right, wrong):
    found = dots(right, wrong)
    assert drawn(found.right) + drawn(found.wrong) == MOST
    assert drawn(found.right) > 0
    assert drawn(found.wrong) > 0
    assert found.images_a_dot == 100


def test_all_dots_lie_inside_the_picture():
    found = dots(100, 13)
    for x, y, length in re.findall(r"M(\d+) (\d+)h([\d.]+)", found.right + found.wrong):
        assert 0 < int(x) + float(length) < found.width
        assert 0 < int(y) < found.height
