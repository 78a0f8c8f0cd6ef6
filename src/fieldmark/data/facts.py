"""What is measured of one image: its content's hash, size and format, and how it looks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from PIL import Image

from fieldmark.data.copies import LEAST_SIDE, perceptual_hash
from fieldmark.data.images import Picture, PictureError, content_hash, examine, thumb_of
from fieldmark.data.sources import content_of, place_name, raw_pixels
from fieldmark.errors import DataError

VERSION = 2  # of what is measured and how: another number makes void what is remembered
SCHEMA: dict[str, Any] = {
    "path": pl.String,
    "row": pl.Int64,
    "bytes": pl.Int64,  # of the file; for a row, of the file that holds it
    "modified": pl.Int64,  # when that file was changed, nanoseconds
    "hash": pl.String,  # of the image's content
    "width": pl.Int64,  # upright
    "height": pl.Int64,
    "format": pl.String,  # by content; null for pixels that were never a file
    "problem": pl.String,  # unreadable, truncated, zero-byte, bomb, missing; null where it is good
    "reason": pl.String,  # the sentence that says so
    "misnamed": pl.Boolean,  # the suffix says another format than the content
    "frames": pl.Int64,
    "phash": pl.UInt64,  # null where the shorter side is below LEAST_SIDE
    "thumb": pl.Binary,  # THUMB x THUMB x 3: red, green, blue
    "mean": pl.Float64,  # of gray, 0 to 255
    "contrast": pl.Float64,  # standard deviation of gray
    "sharpness": pl.Float64,  # of gray, the shorter side at most 256; see `sharpness`
}
TILE = 32
MEASURED = ["width", "height", "format", "frames", "phash", "thumb", "mean", "contrast"]
MEASURED += ["sharpness"]
FORMAT_OF = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
FORMAT_OF |= {".tif": "TIFF", ".tiff": "TIFF", ".gif": "GIF"}
Facts: TypeAlias = dict[str, Any]


def facts_of(root: str, place: Facts, known: Callable[[str], Facts | None]) -> Facts:
    """Read one image, and decode it unless its content is known. Never raises of the file.

    place: path, row, and bytes and modified, which are passed on.
    known: from a content's hash to what is measured of it, MEASURED, or None.
    """
    facts: Facts = dict.fromkeys(SCHEMA) | {"misnamed": False} | place
    name = place_name(str(Path(root, place["path"])), place["row"])
    try:
        content, pixels = _content(root, place["path"], place["row"])
        facts["hash"] = content_hash(content)
        seen = known(facts["hash"])
        if seen is None:
            picture = examine(content, name) if pixels is None else _picture(pixels)
            seen = measured(picture)
    except PictureError as error:
        return facts | {"problem": error.problem, "reason": str(error)}
    except DataError as error:
        return facts | {"problem": "unreadable", "reason": str(error)}
    suffix = FORMAT_OF.get(Path(place["path"]).suffix.lower(), seen["format"])
    return facts | seen | {"misnamed": suffix != seen["format"]}


def measured(picture: Picture) -> Facts:
    """Size, format and how it looks: MEASURED."""
    small = Image.fromarray(picture.gray).resize((32, 32), Image.Resampling.BILINEAR)
    is_large = min(picture.width, picture.height) >= LEAST_SIDE
    return {
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
        "frames": picture.frames,
        "phash": perceptual_hash(np.asarray(small)) if is_large else None,
        "thumb": picture.thumb.tobytes(),
        "mean": float(picture.gray.mean()),
        "contrast": float(picture.gray.std()),
        "sharpness": sharpness(picture.gray),
    }


def sharpness(gray: np.ndarray) -> float | None:
    """The highest variance of the Laplacian among tiles of TILE pixels a side, (H, W) -> number.

    None below 3 x 3 pixels. The variance over a whole picture (Pech-Pacheco and others, "Diatom
    autofocusing in brightfield microscopy", 2000) calls a sharp bird in a clear sky blurred; a
    picture is blurred where no part of it is sharp.
    """
    if min(gray.shape) < 3:
        return None
    wide = gray.astype(np.float32)
    beside = wide[1:-1, :-2] + wide[1:-1, 2:] + wide[:-2, 1:-1] + wide[2:, 1:-1]
    laplacian = beside - 4 * wide[1:-1, 1:-1]
    side = min(TILE, *laplacian.shape)
    high, broad = (length // side for length in laplacian.shape)
    tiles = laplacian[: high * side, : broad * side].reshape(high, side, broad, side)
    return float(tiles.var(axis=(1, 3)).max())


def _content(root: str, path: str, row: int | None) -> tuple[bytes, np.ndarray | None]:
    """An image's content, and its pixels where it was never a file."""
    pixels = raw_pixels(path, row)
    return (content_of(root, path, row) if pixels is None else pixels.tobytes()), pixels


def _picture(pixels: np.ndarray) -> Picture:
    """Pixels (H, W, 3) uint8 that were never a file."""
    image = Image.fromarray(pixels)
    gray = np.asarray(image.convert("L"))
    return Picture(None, 1, image.width, image.height, gray, thumb_of(image))
