"""A closer look at two pictures that look alike: whether the one is the other saved again.

Both are read at SIDE pixels a side, in gray. A photo that was saved again, resized or made
brighter has the detail of before in the same places. So two pictures are taken for one only where
all of this holds:

- they are not too faint to tell: a deviation of LEAST_SPREAD levels (not a nearly black night);
- their detail, what is left when a blur is taken off, correlates by LEAST_DETAIL. The grain of a
  second exposure does not, nor does an X-ray of somebody else;
- the movement of the whole (shift, turn, zoom) that explains their difference best is at most
  LEAST_MOVED pixels, or MOST_MOVED where the detail correlates by MOVED_DETAIL even so: a copy may
  be cut by half a per cent, a burst by hand moves more;
- no place differs by more than MOST_ERROR times what a JPEG and a resize do there, which is more
  at edges. So the small animal in a burst is seen, and what was written into a form.

Where most is of one shade, as paper is, letters of one font move less than a copy may, so it is
LEAST_MOVED there, too. Where the detail is weaker than what a JPEG adds (LEAST_CLEAR levels) it
says nothing: then both limits are the lower ones.

Measured on 173 photos of 112 to 300 pixels, saved again in eleven ways, on ten that were found on
the web among photos of monkeys, and on drawn look-alikes. Detail: saved again 0.73 and more (0.8
but for JPEGs of quality 30), X-rays 0.78 and less, nights 0.65 and less. Movement: saved again
0.09 and less, from the web 0.55 and less (with a detail of 0.89 and more), letters and X-rays 0.2
and more. Error: saved again 2.2 and less (99 of 100 1.8), smooth drawings 1.2 (one 1.4), bursts and
forms 2.9 and more, unless the animal is of the colour of what is behind it.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from PIL import Image

from fieldmark.data.sources import read_pixels
from fieldmark.errors import DataError

VERSION = 2  # of what is told here: another number makes void what is remembered
SIDE = 128  # pixels; less where one of the two is smaller
LEAST_SPREAD = 8.0  # levels
LEAST_DETAIL, MOVED_DETAIL = 0.75, 0.85
LEAST_CLEAR = 2.0  # levels
MOST_MOVED, LEAST_MOVED = 0.8, 0.15  # pixels
ONE_SHADE = 0.5  # of the pixels, within 4 levels of the commonest shade
MOST_ERROR, LEAST_ERROR = 2.2, 1.5
BLUR, PLACE = 5, 3  # pixels a side: what is not detail, and what a place is
CUT_OFF = (5, 250)  # levels below and above which a picture that was made brighter lost its detail
SHADES = np.array([0.299, 0.587, 0.114], np.float32)  # of gray (ITU-R BT.601)


def saved_again(pairs: np.ndarray, facts: pl.DataFrame, root: str) -> np.ndarray:
    """Which pairs of images are one photo saved again, (n, 2) positions in `facts`. -> (n,) bool

    facts: of `scan`. What cannot be read is not said to be.
    """
    places = facts.select("path", "row", "width", "height").rows()

    def is_one(pair: tuple[int, int]) -> bool:
        its = [places[place] for place in pair]
        side = min(SIDE, *(min(width, height) for _, _, width, height in its))
        try:
            one, other = (_small(root, path, row, side) for path, row, *_ in its)
        except DataError:
            return False
        return is_saved_again(one, other)

    with ThreadPoolExecutor() as threads:
        return np.array(list(threads.map(is_one, pairs.tolist())), bool)


def is_saved_again(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures of one size, (s, s, 3) float32, are one photo: see above."""
    cut_off = np.zeros(one.shape[:2], bool)
    for each in (one, other):
        cut_off |= ((each < CUT_OFF[0]) | (each > CUT_OFF[1])).any(axis=2)
    counts = ~cut_off if (~cut_off).mean() >= 0.25 else np.ones_like(cut_off)
    low, high = sorted((one @ SHADES, other @ SHADES), key=lambda gray: float(gray.std()))
    fine = [(gray - _blurred(gray, BLUR))[counts] for gray in (low, high)]
    is_clear = min(each.std() for each in fine) >= LEAST_CLEAR
    detail = _alike(*fine)
    if low.std() < LEAST_SPREAD or (is_clear and detail < LEAST_DETAIL):
        return False
    error = _error(low, high, counts)
    down, across = np.gradient(high)
    may_move = is_clear and detail >= MOVED_DETAIL and not _is_of_one_shade(high)
    if _moved(error[counts], down, across, counts) > (MOST_MOVED if may_move else LEAST_MOVED):
        return False
    place = np.abs(_blurred(error, PLACE))
    usual = 2 + 2 * np.median(place) + 0.35 * _blurred(np.hypot(down, across), PLACE)
    return bool((place <= (MOST_ERROR if is_clear else LEAST_ERROR) * usual).all())


def _small(root: str, path: str, row: int | None, side: int) -> np.ndarray:
    """(side, side, 3) float32, its shape not kept."""
    pixels = Image.fromarray(read_pixels(root, path, row, ("shorter", side)))
    return np.asarray(pixels.resize((side, side), Image.Resampling.BILINEAR), np.float32)


def _is_of_one_shade(gray: np.ndarray) -> bool:
    commonest = np.bincount(np.rint(gray).astype(np.int64).ravel()).argmax()
    return bool((np.abs(gray - commonest) <= 4).mean() > ONE_SHADE)


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """How two details, each about 0, correlate."""
    return float((one * other).sum() / max(np.sqrt((one**2).sum() * (other**2).sum()), 1e-6))


def _error(low: np.ndarray, high: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What is left when `low` was given the brightness and contrast of `high`; 0 elsewhere."""
    inside = low[counts] - low[counts].mean()
    slope = (inside * high[counts]).sum() / max((inside**2).sum(), 1e-6)
    made = high[counts].mean() + slope * (low - low[counts].mean())
    error: np.ndarray = (high - np.clip(made, 0, 255)) * counts
    return error


def _moved(error: np.ndarray, down: np.ndarray, across: np.ndarray, counts: np.ndarray) -> float:
    """The movement that explains an error best, by least squares: its root mean square, pixels.

    An affine flow: Lucas and Kanade, "An iterative image registration technique", 1981.
    """
    side = len(down)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    flow = np.concatenate([across[..., None] * terms, down[..., None] * terms], axis=-1)[counts]
    normal = flow.T @ flow + 1e-3 * side**2 * np.eye(6)
    found = np.linalg.solve(normal, flow.T @ error)
    return float(np.sqrt(sum(((terms @ part) ** 2).mean() for part in (found[:3], found[3:]))))


def _blurred(gray: np.ndarray, side: int) -> np.ndarray:
    """The mean of the `side` x `side` pixels around each; edges are repeated."""
    padded = np.pad(gray, side // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    blurred: np.ndarray = windows.mean(axis=(2, 3))
    return blurred
