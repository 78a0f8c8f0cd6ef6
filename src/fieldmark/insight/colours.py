"""Values as colours: dark is little, pale yellow is much, and equal steps look equally large."""

import numpy as np

TABLE = (  # seventeen points of "inferno", by Smith and van der Walt, 2015 (CC0), evenly apart
    "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 "
    "d24644 e45a31 f1731d f98e09 fcac11 f9cb35 f2ea69 fcffa4"
)
POINTS = np.array([[int(word[k : k + 2], 16) for k in (0, 2, 4)] for word in TABLE.split()])
GREY = (0.299, 0.587, 0.114)  # how bright red, green and blue are, by ITU-R BT.601
OPAQUE = 0.72  # how much of a pixel is colour where it is hottest
COLDEST = 0.18  # the place in the table of the colour of what is cold: black would darken a photo


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
