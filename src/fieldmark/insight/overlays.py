"""A heat map over the picture that the network saw: readable without telling red from green."""

import numpy as np
from PIL import Image

from fieldmark.heats import HOTTEST
from fieldmark.insight.colours import coloured, overlaid

LEAST = 128  # pixels a side of an overlay


def overlay(pixels: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The picture in grey under the heat's colours, a line around its hottest fifth.

    pixels: (S, S, 3) uint8, what the network saw. cells: (s, s) uint8, 255 the hottest.
    -> (T, T, 3) uint8, T at least LEAST
    """
    side = len(pixels)
    if side < LEAST:
        pixels = pixels.repeat(-(-LEAST // side), 0).repeat(-(-LEAST // side), 1)
    heat = stretched(cells, len(pixels))
    mixed = overlaid(pixels, heat)
    return _outlined(mixed, heat >= np.quantile(heat, 1 - HOTTEST)).round().astype(np.uint8)


def alone(cells: np.ndarray, side: int = LEAST) -> np.ndarray:
    """A map without a picture, in the same colours. (s, s) uint8 -> (side, side, 3) uint8"""
    return coloured(stretched(cells, side))


def stretched(cells: np.ndarray, side: int) -> np.ndarray:
    """(s, s) uint8 -> (side, side) 0..1, smooth between the cells."""
    grown = Image.fromarray(cells).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(grown, np.float64) / 255


def _outlined(picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The picture with a white line, dark on both sides, around what is inside."""
    wide = max(1, round(len(picture) / 160))
    line = _grown(inside, wide) & ~inside
    found = picture.astype(np.float64)
    found[_grown(line, wide) & ~line] *= 0.45
    found[line] = 255
    return found


def _grown(mask: np.ndarray, wide: int) -> np.ndarray:
    """The mask with its neighbours to all four sides, `wide` times."""
    for _ in range(wide):
        edges = np.pad(mask, 1)
        mask = edges[1:-1, 1:-1] | edges[:-2, 1:-1] | edges[2:, 1:-1] | edges[1:-1, :-2]
        mask |= edges[1:-1, 2:]
    return mask
