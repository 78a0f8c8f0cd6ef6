"""A heat map over the picture that the network saw: readable without telling red from green."""

import numpy as np
from PIL import Image

# matplotlib's inferno at nine even places: its lightness rises evenly from dark to light
COLOURS = np.array(
    [
        (0, 0, 4),
        (31, 12, 72),
        (85, 15, 109),
        (136, 34, 106),
        (186, 54, 85),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ],
    np.float64,
)
HOTTEST = 0.2  # the share of the picture inside the line
LEAST = 128  # pixels a side of an overlay
OPAQUE = 0.72  # of the hottest place
COLDEST = 0.18  # the place in COLOURS of what is cold
GRAY = np.array((0.299, 0.587, 0.114))  # of red, green and blue in a picture's lightness


def overlay(pixels: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The picture in grey under the heat's colours, a line around its hottest fifth.

    pixels: (S, S, 3) uint8, what the network saw. cells: (s, s) uint8, 255 the hottest.
    -> (T, T, 3) uint8, T at least LEAST
    """
    side = len(pixels)
    if side < LEAST:
        pixels = pixels.repeat(-(-LEAST // side), 0).repeat(-(-LEAST // side), 1)
    heat = stretched(cells, len(pixels))
    gray = (pixels @ GRAY)[..., None]
    cover = OPAQUE * (heat**0.7)[..., None]
    mixed = (1 - cover) * gray + cover * coloured(COLDEST + (1 - COLDEST) * heat)
    return _outlined(mixed, heat >= np.quantile(heat, 1 - HOTTEST)).round().astype(np.uint8)


def alone(cells: np.ndarray, side: int = LEAST) -> np.ndarray:
    """A map without a picture, in the same colours. (s, s) uint8 -> (side, side, 3) uint8"""
    return coloured(stretched(cells, side)).round().astype(np.uint8)


def stretched(cells: np.ndarray, side: int) -> np.ndarray:
    """(s, s) uint8 -> (side, side) 0..1, smooth between the cells."""
    grown = Image.fromarray(cells).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(grown, np.float64) / 255


def coloured(values: np.ndarray) -> np.ndarray:
    """(...) 0..1 -> (..., 3) 0..255"""
    places = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(values, places, each) for each in COLOURS.T], axis=-1)


def _outlined(picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The picture with a white line, dark on both sides, around what is inside."""
    wide = max(1, round(len(picture) / 160))
    line = _grown(inside, wide) & ~inside
    found = picture.copy()
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
