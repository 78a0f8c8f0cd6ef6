import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from fieldmark.report.measures import (
    MOST,
    RIGHT,
    STEP,
    WRONG,
    cells,
    dots,
    picture,
    shades,
    together,
)


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


MATRIX = np.array([[9, 1, 0], [0, 4, 4], [0, 0, 0]])
CLASSES = ("a", "b", "c")


def test_a_cell_says_what_was_taken_for_what():
    table = cells(MATRIX, CLASSES)
    quoted = [
        title.replace("\N{LEFT SINGLE QUOTATION MARK}", "'")
        for title in (table[0][1].title, table[1][1].title)
    ]
    assert [title.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for title in quoted] == [
        "1 of 10 'a' was taken for 'b'",
        "4 of 8 'b' were recognised",
    ]
    assert table[0][0].right
    assert not table[0][1].right
    assert table[2][2].title == ""


def test_shades_grow_with_the_share_and_empty_cells_have_none():
    shade = shades(MATRIX)
    assert shade[0, 0] == pytest.approx(0.1 + 0.82 * 0.9)
    assert shade[0, 1] == pytest.approx(0.1 + 0.82 * 0.1**0.5)  # off the diagonal: the root
    assert shade[0, 2] == 0
    assert (shade[2] == 0).all()
    assert ((shade >= 0) & (shade <= 1)).all()


def test_the_picture_has_truth_in_rows_and_a_see_through_ground():
    head, _, body = picture(MATRIX).partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(body)))
    pixels = np.array(image)[
        image.height // 6 :: image.height // 3, image.width // 6 :: image.width // 3
    ]
    assert head == "data:image/png;base64"
    assert pixels.shape == (3, 3, 4)
    assert (pixels[..., 3] > 0).tolist() == (MATRIX > 0).tolist()
    assert tuple(pixels[0, 0, :3]) == RIGHT
    assert tuple(pixels[0, 1, :3]) == WRONG


def test_of_very_many_classes_a_square_shows_the_strongest_of_its_cells():
    matrix = np.zeros((401, 401), int)
    matrix[0, 0], matrix[1, 0], matrix[1, 1] = 5, 1, 1  # right by all, and by half
    matrix[3, 400] = 7
    matrix[5, 4], matrix[5, 5] = 9, 1
    assert (together(200), together(201), together(len(matrix))) == (1, 2, 3)
    _, _, body = picture(matrix).partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(body)))
    pixels = np.array(image)[:: image.height // 134, :: image.width // 134]
    assert pixels.shape == (134, 134, 4)
    rows, columns = np.nonzero(pixels[..., 3])
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 1), (1, 133)]
    colours = [tuple(pixels[at][:3]) for at in ((0, 0), (1, 1), (1, 133))]
    assert colours == [RIGHT, WRONG, WRONG]
