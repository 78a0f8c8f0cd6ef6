"""A box of a picture as an image of its own: "cat/1.jpg#xywh=percent:10,20,30,40".

The end of such a path is a media fragment (W3C, "Media Fragments URI 1.0", 2012): left, top, width
and height of the box, in percent of the upright picture, or in pixels where it says no `percent`.
"""

import io
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fieldmark.data.images import decode
from fieldmark.data.opening import MOST_PIXELS, PictureError

BOX = "#xywh="
NUMBER = r"\d+(?:\.\d+)?"
FRAGMENT = re.compile(rf"{BOX}(percent:)?({NUMBER}),({NUMBER}),({NUMBER}),({NUMBER})")
PLACES = 4  # behind the point of a percentage: a hundredth of a pixel of 10,000


@dataclass(frozen=True)
class Box:
    """Left, top, width, height: shares of the upright picture, or pixels."""

    left: float
    top: float
    width: float
    height: float
    pixels: bool = False

    def fragment(self) -> str:
        """The box as it stands behind a path."""
        scale, most = (1, MOST_PIXELS) if self.pixels else (100, 1.0)
        sides = (self.left, self.top, self.width, self.height)
        within = (scale * min(max(0.0, each), most) for each in sides)
        numbers = [f"{each:.{PLACES}f}".rstrip("0").rstrip(".") for each in within]
        return f"{BOX}{'' if self.pixels else 'percent:'}{','.join(numbers)}"


def parted(path: str) -> tuple[str, Box | None]:
    """A path without its box, and the box; None where it has none."""
    if BOX not in path:
        return path, None
    whole, _, _ = path.rpartition(BOX)
    found = FRAGMENT.fullmatch(path, len(whole))
    if found is None:
        return path, None
    scale = 100.0 if found[1] else 1.0
    left, top, width, height = (float(each) / scale for each in found.groups()[1:])
    return whole, Box(left, top, width, height, pixels=not found[1])


def cut(content: bytes, name: str, box: Box) -> bytes:
    """The square of a picture around a box, as a BMP file. Raises PictureError.

    Its side is the box's longer one, so that what is long is seen whole; where the picture ends
    the square is moved into it, and where it is smaller than that, the whole side is taken.
    """
    pixels = decode(content, name)
    height, width = pixels.shape[:2]
    left, top = (box.left, box.top) if box.pixels else (box.left * width, box.top * height)
    wide, high = box.width, box.height
    if not box.pixels:
        wide, high = wide * width, high * height
    side = max(wide, high, 1.0)
    columns = _span(left + wide / 2, side, width)
    rows = _span(top + high / 2, side, height)
    if columns is None or rows is None:
        raise PictureError(
            f"{name}: the box lies outside of the picture of {width} x {height} pixels; correct it"
        )
    stream = io.BytesIO()
    part = np.ascontiguousarray(pixels[rows[0] : rows[1], columns[0] : columns[1]])
    Image.fromarray(part).save(stream, "BMP")
    return stream.getvalue()


def _span(middle: float, side: float, whole: int) -> tuple[int, int] | None:
    """Where `side` pixels around `middle` begin and end in `whole`; None where it is outside."""
    if not 0 <= middle <= whole:
        return None
    taken = min(round(side), whole)
    start = min(max(0, round(middle - taken / 2)), whole - taken)
    return start, start + taken
