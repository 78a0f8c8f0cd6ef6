"""Pictures as a page shows them: carried inside the file, in their shape, with their words."""

import base64
import io
from dataclasses import dataclass

from fieldmark.insight.album import SMALL

Shot = tuple[bytes, str, str]  # an encoded image, its type such as "image/jpeg", its caption
RATIOS = (0.4, 3.0)  # a thumbnail's shape on the page; what is longer lies in a frame of this shape


@dataclass(frozen=True)
class Thumb:
    """A picture that is ready for the page."""

    address: str
    caption: str
    small: bool  # so small that its pixels are to be seen
    ratio: float  # width over height, within RATIOS; 1 where it is not known


def thumb(content: bytes, mime: str, caption: str) -> Thumb:
    """An encoded image, of the type `mime`; bytes that are no image are carried as they are."""
    from PIL import Image, UnidentifiedImageError

    address = data_address(content, mime)
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except UnidentifiedImageError:
        return Thumb(address, caption, small=False, ratio=1)
    ratio = min(max(width / height, RATIOS[0]), RATIOS[1])
    return Thumb(address, caption, max(width, height) < SMALL, round(ratio, 3))


def data_address(content: bytes, mime: str) -> str:
    """Bytes as an address that carries them: "data:image/png;base64,…"."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
