"""A heat map over the picture that the network saw: readable without telling red from green."""

import numpy as np
from PIL import Image

from fieldmark.heats import HOTTEST
from fieldmark.insight.colours import coloured, overlaid

LEAST = 128  # pixels of the longer side of an overlay


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
