"""One way from file to pixels: any picture file becomes upright RGB, then the stored form.

Pillow and NumPy only. Training, evaluation, prediction, export and serving all come through
`decode` and `to_form`.
"""

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fieldmark.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MOST_PIXELS = 200_000_000
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # where Pillow begins to warn; it refuses twice as many
PNG_HEAD = 8  # bytes before a PNG's first chunk
DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_file(path: Path, form: tuple[str, int] | None = None) -> np.ndarray:
    """The pixels of a picture file, as `decode` gives them. Raises DataError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    return decode(content, str(path), form)


def decode(content: bytes, name: str, form: tuple[str, int] | None = None) -> np.ndarray:
    """A picture file's bytes -> (H, W, 3) uint8, upright RGB, resized where `form` is given.

    Transparent parts lie over white, 16 bits are scaled to 8, the first frame is taken, and
    EXIF says which side is up. Raises DataError with `name` and the reason.
    """
    if not content:
        raise DataError(f"{name}: is empty (0 bytes); copy it anew or take it out")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _refuse_unfit(image, name, form)
            if form is not None:
                _let_jpeg_shrink(image, form)
            image.load()
            if image.format == "PNG":
                _refuse_changed_bytes(content, name)
            rgb = _to_rgb(_upright(image))
            return np.asarray(rgb if form is None else to_form(rgb, form))
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name}: is not a picture that can be read ({', '.join(FORMATS)}); take it out"
        ) from error
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{name}: claims too many pixels to be opened safely; make it smaller or take it out"
        ) from error
    except Exception as error:  # Pillow's decoders raise what they like on damaged bytes
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise DataError(f"{name}: is damaged ({reason}); copy it anew or take it out") from error


def to_form(image: Image.Image, form: tuple[str, int]) -> Image.Image:
    """An image in its stored form: ("shorter", N), ("square", N) or ("original", ...)."""
    wanted = _size_in_form(image.size, form)
    if wanted == image.size:
        return image
    return image.resize(wanted, Image.Resampling.BILINEAR)  # Pillow's bilinear is antialiased


def _size_in_form(size: tuple[int, int], form: tuple[str, int]) -> tuple[int, int]:
    word, side = form
    if word == "original":
        return size
    if word == "square":
        return side, side
    width, height = (max(side, round(length * side / min(size))) for length in size)
    return width, height


def from_array(pixels: np.ndarray, form: tuple[str, int] | None) -> np.ndarray:
    """Pixels (H, W) or (H, W, 3) uint8 that were never a file -> (H, W, 3) uint8 in the form."""
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    return rgb if form is None else np.asarray(to_form(Image.fromarray(rgb), form))


def _refuse_unfit(image: Image.Image, name: str, form: tuple[str, int] | None) -> None:
    """What the header alone tells: too many pixels, there or in the form, or no scale of grays."""
    millions = MOST_PIXELS // 1_000_000
    if image.width * image.height > MOST_PIXELS:
        raise DataError(
            f"{name}: has {image.width} x {image.height} pixels, more than the {millions} million "
            "that are opened; make it smaller"
        )
    width, height = image.size if form is None else _size_in_form(image.size, form)
    if width * height > MOST_PIXELS:
        raise DataError(
            f"{name}: is so narrow, {image.width} x {image.height}, that it would be resized to "
            f"{width} x {height} pixels, more than {millions} million; cut it or take it out"
        )
    if image.mode == "F":
        raise DataError(
            f"{name}: holds 32-bit floats, of which nobody knows what is white; "
            "save it with 8 or 16 bits"
        )


def _refuse_changed_bytes(content: bytes, name: str) -> None:
    """Check what Pillow does not: the checksums of a PNG's pixels (its IDAT chunks).

    A chunk is its length (4 bytes), its kind (4), the data, and the CRC of kind and data (4).
    """
    view, start = memoryview(content), PNG_HEAD
    while start + 12 <= len(content):
        kind = content[start + 4 : start + 8]
        end = start + 8 + int.from_bytes(view[start : start + 4], "big")
        if kind == b"IEND":
            return
        if kind == b"IDAT" and zlib.crc32(view[start + 4 : end]) != int.from_bytes(
            view[end : end + 4], "big"
        ):
            raise DataError(
                f"{name}: is damaged (a checksum of its pixels is wrong); "
                "copy it anew or take it out"
            )
        start = end + 4


def _let_jpeg_shrink(image: Image.Image, form: tuple[str, int]) -> None:
    """Let the JPEG decoder leave out detail that the resize would throw away."""
    word, side = form
    if word != "original" and image.format == "JPEG":
        scale = 2 * side / min(image.size)  # twice the size wanted, so that the resize stays good
        image.draft("RGB", (round(image.width * scale), round(image.height * scale)))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is a guest in the file: where it is garbage, the pixels still count
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in DEEP_MODES:
        return _from_deep(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """16 bits a pixel -> 8 by v / 257. Pillow's own `convert` would clip at 255."""
    values = np.asarray(image).astype(np.float64)
    eight = np.clip(np.rint(values / 257), 0, 255).astype(np.uint8)
    return Image.fromarray(eight).convert("RGB")
