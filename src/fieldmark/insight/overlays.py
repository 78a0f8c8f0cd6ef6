"""A heat map over the picture that the network saw: readable without telling red from green.

Dark is little, pale yellow is much, and equal steps look equally large.
"""

import numpy as np
from PIL import Image

from fieldmark.heats import HOTTEST

LEAST = 128  # pixels of the longer side of an overlay
TABLE = (  # seventeen points of "inferno", by Smith and van der Walt, 2015 (CC0), evenly apart
    "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 "
    "d24644 e45a31 f1731d f98e09 fcac11 f9cb35 f2ea69 fcffa4"
)
POINTS = np.array([[int(word[k : k + 2], 16) for k in (0, 2, 4)] for word in TABLE.split()])
GREY = (0.299, 0.587, 0.114)  # how bright red, green and blue are, by ITU-R BT.601
OPAQUE = 0.72  # how much of a pixel is colour where it is hottest
COLDEST = 0.18  # the place in the table of the colour of what is cold: black would darken a photo


def overlay(pixels: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The picture in grey under the heat's colours, a line around its hottest fifth.

    pixels: (S, S, 3) uint8, what the network saw. cells: (s, s) uint8, 255 the hottest.
    -> (T, T, 3) uint8, T at least LEAST
    """
    mixed, heat = laid(pixels, cells / 255)
    return _outlined(mixed, heat >= np.quantile(heat, 1 - HOTTEST)).round().astype(np.uint8)


def laid(photo: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 and (h, w) of 0..1 -> the photo under their colours, and these at its size.

    A small photo is enlarged, with hard edges, by a whole number.
    """
    times = -(-LEAST // max(photo.shape[:2]))
    photo = photo.repeat(times, 0).repeat(times, 1)
    heat = stretched(values, photo.shape[:2])
    return overlaid(photo, heat), heat


def alone(cells: np.ndarray) -> np.ndarray:
    """A map without a picture, in the same colours. (s, s) uint8 -> (LEAST, LEAST, 3) uint8"""
    return coloured(stretched(cells / 255, (LEAST, LEAST)))


def stretched(values: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """(h, w) of 0..1 -> (H, W), smooth between the cells."""
    height, width = sides
    flat = Image.fromarray(values.astype(np.float32))
    return np.asarray(flat.resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)


def coloured(values: np.ndarray) -> np.ndarray:
    """(h, w) of 0..1 -> (h, w, 3) uint8; what lies outside is taken as the nearer end.

    Raises ValueError for a value that is nan.
    """
    if np.isnan(values).any():
        raise ValueError("a value that is nan has no colour")
    places = np.linspace(0, 1, len(POINTS))
    channels = [np.interp(values, places, POINTS[:, k]) for k in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def overlaid(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 and (H, W) of 0..1 -> (H, W, 3) uint8: the photo in grey, under the colours.

    The hotter a place, the more of it is colour; where it is cold, nothing is. Raises ValueError
    as `coloured` does, and where the sides differ.
    """
    if photo.shape[:2] != heat.shape:
        raise ValueError(f"the photo is {photo.shape[:2]}, but its heat {heat.shape}")
    grey = (photo @ np.array(GREY))[..., None]
    heat = np.clip(heat, 0, 1)
    share = OPAQUE * (heat**0.7)[..., None]
    mixed: np.ndarray = share * coloured(COLDEST + (1 - COLDEST) * heat) + (1 - share) * grey
    return mixed.round().astype(np.uint8)


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
