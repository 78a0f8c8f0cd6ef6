"""Whatever numbers a picture is made of, to red, green and blue of 8 bits in sRGB, over white."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from fieldmark.data.coded_colours import box_profile, png_profile
from fieldmark.data.profiles import OF_SRGB, Profile, profile_of

DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
UNKNOWN_WHITE = {"F": "32-bit floats", "I": "32-bit or signed numbers"}  # modes that are refused
WITHOUT_ALPHA = {"RGBA": "RGB", "LA": "L", "La": "L", "RGBa": "RGB"}
ALPHA_BY_MISTAKE = ("BMP", "TIFF")  # formats whose programs leave alpha 0 where they mean none
BAND = 2_000_000  # pixels that are changed at once, so that a large picture takes little more
BITS, WHITE = 258, 262  # tags of a TIFF: bits a value; 0 where white is 0
DEPTH = 24  # the byte of a PNG that tells its bits a value


@dataclass(frozen=True)
class Numbers:
    """What has to be known of a picture's numbers besides Pillow's mode of it.

    most: of a value of more than 8 bits, what is white; or black, where `white_is_zero`.
    alpha: L, where Pillow makes none of a transparent value; no_alpha: what Pillow makes is none.
    icc: the colour profile; None where there is none.
    """

    most: int = 65535
    white_is_zero: bool = False
    alpha: Image.Image | None = None
    no_alpha: bool = False
    icc: bytes | None = None

    def profile(self, mode: str) -> Profile:
        """What the colour profile does to images of a mode of Pillow's; nothing where none is.

        Lab colours say themselves what they are.
        """
        if not self.icc or mode == "LAB":
            return OF_SRGB
        gray = ("1", "L", "LA", "La", *DEEP_MODES)
        return profile_of(self.icc, "L" if mode in gray else "CMYK" if mode == "CMYK" else "RGB")


def numbers_of(image: Image.Image, content: bytes = b"") -> Numbers:
    """Of an image that is loaded and upright, from this file where it is one's."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS, (16,))
    is_png = image.format == "PNG" and bool(content)
    depth = content[DEPTH] if is_png else 8
    clear = image.info.get("transparency")
    if depth < 8 and image.mode == "L" and isinstance(clear, int):  # Pillow scales the grays alone
        image.info["transparency"] = clear * 255 // (2**depth - 1)
    return Numbers(
        most=2 ** (bits[0] if isinstance(bits, tuple) else int(bits)) - 1,
        white_is_zero=tags.get(WHITE) == 0,
        alpha=_alpha(image, clear, content, depth),
        no_alpha=image.format in ALPHA_BY_MISTAKE
        and image.mode in WITHOUT_ALPHA
        and image.getchannel("A" if image.mode.endswith("A") else "a").getextrema() == (0, 0),
        icc=_profile_in(image, content),
    )


def _profile_in(image: Image.Image, content: bytes) -> bytes | None:
    whole: bytes | None = image.info.get("icc_profile")
    if image.format == "PNG" and content:
        return png_profile(content) or whole
    if image.format in ("AVIF", "HEIF") and not whole:
        return box_profile(content)
    return whole


def to_rgb(image: Image.Image, numbers: Numbers) -> Image.Image:
    """An image of any mode that is not refused -> RGB. Large ones are changed band by band."""
    if numbers.no_alpha:
        image = image.convert(WITHOUT_ALPHA[image.mode])
    clear = numbers.alpha is not None or image.has_transparency_data
    if image.mode == "RGB" and not numbers.icc and not clear:
        return image
    if image.width * image.height <= BAND:
        return _whole(image, numbers.alpha, numbers)
    done = Image.new("RGB", image.size)
    for box in _bands(image.size):
        alpha = numbers.alpha.crop(box) if numbers.alpha else None
        done.paste(_whole(image.crop(box), alpha, numbers), box[:2])
    return done


def pixels_of(rgb: Image.Image) -> np.ndarray:
    """-> (H, W, 3) uint8. Of a large image Pillow alone would make it twice."""
    if rgb.width * rgb.height <= BAND:
        return np.asarray(rgb)
    pixels = np.empty((rgb.height, rgb.width, 3), np.uint8)
    for box in _bands(rgb.size):
        pixels[box[1] : box[3]] = np.asarray(rgb.crop(box))
    return pixels


def _bands(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    width, height = size
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        yield 0, top, width, min(height, top + rows)


def _whole(image: Image.Image, alpha: Image.Image | None, numbers: Numbers) -> Image.Image:
    profile = numbers.profile(image.mode)
    if image.mode in DEEP_MODES:
        image = _eight_bits(image, numbers)
    if image.mode == "La":
        image = image.convert("LA")
    if alpha is None and not image.has_transparency_data:
        return profile.applied(image)
    if alpha is not None or profile.moves:
        rgba = image.convert("RGBA")
        plain = image.getchannel("L") if image.mode in ("L", "LA") else rgba.convert("RGB")
        alpha = alpha or rgba.getchannel("A")
        rgba = profile.applied(plain)
        rgba.putalpha(alpha)
    else:
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _eight_bits(image: Image.Image, numbers: Numbers) -> Image.Image:
    """L of more bits a value. Pillow's own `convert` would clip at 255."""
    values = np.asarray(image).astype(np.float64)
    eight = np.clip(np.rint(values * 255 / numbers.most), 0, 255).astype(np.uint8)
    return Image.fromarray(255 - eight if numbers.white_is_zero else eight)


def _alpha(image: Image.Image, clear: Any, content: bytes, depth: int) -> Image.Image | None:
    """L of a PNG with 16 bits a value of which one is transparent: Pillow compares 8 of them."""
    if depth < 16 or clear is None:
        return None
    if image.mode in DEEP_MODES:
        is_clear = np.asarray(image) == clear
    elif image.mode == "RGB" and isinstance(clear, tuple):
        high, low = np.asarray(image), np.asarray(_low_bytes(content))
        is_clear = np.ones(high.shape[:2], bool)
        for channel, value in enumerate(clear):
            is_clear &= high[:, :, channel] == value >> 8
            is_clear &= low[:, :, channel] == value & 255
        del image.info["transparency"]  # else Pillow would make its own of it
    else:
        return None
    return Image.fromarray(np.where(is_clear, np.uint8(0), np.uint8(255)))


def _low_bytes(content: bytes) -> Image.Image:
    """The lower bytes of a PNG of 3 times 16 bits, upright: read as if they were the higher."""
    image = Image.open(io.BytesIO(content), formats=("PNG",))
    assert isinstance(image, PngImagePlugin.PngImageFile)
    image.tile = [part._replace(args="RGB;16L") for part in image.tile]
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image
