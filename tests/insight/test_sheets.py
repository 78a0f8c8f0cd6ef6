"""Maps and filters on one sheet, and values over their photo."""

import io

import numpy as np
from PIL import Image

from fieldmark.insight.overlays import LEAST, coloured, overlaid
from fieldmark.insight.sheets import GAP, TILE, map_sheet, over_photo, picture_sheet


def opened(encoded):
    content, mime = encoded
    image = Image.open(io.BytesIO(content))
    assert image.get_format_mimetype() == mime
    return np.asarray(image.convert("RGBA"))


def middle(sheet, row, column, side=TILE):
    top, left = row * (side + GAP), column * (side + GAP)
    return sheet[top + side // 2, left + side // 2]


def test_pictures_stand_row_after_row_and_between_them_the_page_is_seen():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    pictures = [np.full((5, 5, 3), colour, np.uint8) for colour in colours]
    sheet = opened(picture_sheet(pictures, 2))
    assert sheet.shape == (2 * TILE + GAP, 2 * TILE + GAP, 4)
    for place, colour in enumerate(colours):
        found = middle(sheet, *divmod(place, 2)).astype(int)
        assert np.abs(found - [*colour, 255]).max() < 30
    assert sheet[TILE + GAP // 2, :, 3].max() == 0
    assert middle(sheet, 1, 1)[3] == 0  # there is no fourth


def test_few_pictures_are_one_row():
    pictures = [np.zeros((8, 4, 3), np.uint8)] * 2
    assert opened(picture_sheet(pictures, 8, 40)).shape == (40, 2 * 20 + GAP, 4)


def test_maps_are_shown_in_their_colours_with_hard_edges():
    values = np.array([[[0.0, 1.0], [0.5, 0.25]]])
    sheet = opened(map_sheet(values))[..., :3].astype(int)
    assert sheet.shape == (TILE, TILE, 3)
    quarter = TILE // 4
    for row in (0, 1):
        for column in (0, 1):
            found = sheet[quarter * (1 + 2 * row), quarter * (1 + 2 * column)]
            assert np.abs(found - coloured(values[0])[row, column]).max() < 30


def test_values_are_spread_over_the_photo_and_a_small_one_is_enlarged_first():
    photo = np.full((8, 16, 3), 200, np.uint8)
    found = opened(over_photo(photo, np.array([[0.0, 1.0]])))[..., :3]
    assert found.shape == (LEAST // 2, LEAST, 3)
    ends = overlaid(photo[:1, :2], np.array([[0.0, 1.0]]))[0].astype(int)
    assert np.abs(found[40, 2] - ends[0]).max() < 12
    assert np.abs(found[40, -3] - ends[1]).max() < 12
    large = np.full((200, 300, 3), 200, np.uint8)
    assert opened(over_photo(large, np.ones((7, 7)))).shape == (200, 300, 4)
