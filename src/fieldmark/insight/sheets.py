"""Arrays of a network's inside as pictures: many on one sheet, or one over its photo."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from fieldmark.insight.album import encoded
from fieldmark.insight.overlays import coloured, laid

COLUMNS = 4  # of a sheet of maps
TILE = 80  # pixels a side of a picture on a sheet, of its longer one
GAP = 4  # pixels between two of them, which are nothing: the page is seen
Encoded = tuple[bytes, str]  # a picture for a page, and its type


def map_sheet(maps: np.ndarray) -> Encoded:
    """(k, h, w) of 0..1, k at least 1 -> them in their colours, row after row."""
    return picture_sheet([coloured(each) for each in maps], COLUMNS)


def picture_sheet(pictures: Sequence[np.ndarray], columns: int, tile: int = TILE) -> Encoded:
    """Pictures of one shape, (h, w, 3) uint8, at least one -> them on one sheet, row after row.

    What is smaller than a tile is enlarged with hard edges.
    """
    tiles = [_fitted(each, tile) for each in pictures]
    height, width = tiles[0].shape[:2]
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sides = rows * (height + GAP) - GAP, columns * (width + GAP) - GAP
    sheet = np.zeros((*sides, 4), np.uint8)
    for place, each in enumerate(tiles):
        top, left = (height + GAP) * (place // columns), (width + GAP) * (place % columns)
        sheet[top : top + height, left : left + width, :3] = each
        sheet[top : top + height, left : left + width, 3] = 255
    return encoded(sheet, min(sides))


def over_photo(photo: np.ndarray, values: np.ndarray) -> Encoded:
    """(H, W, 3) uint8 and (h, w) of 0..1 -> the photo under the colours of the values."""
    return encoded(laid(photo, values)[0])


def _fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture with this longer side; enlarged with hard edges, or averaged."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    sides = (max(1, round(scale * width)), max(1, round(scale * height)))
    return np.asarray(Image.fromarray(picture).resize(sides, how))
