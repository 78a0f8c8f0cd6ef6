"""One way from file to pixels: any picture file becomes upright RGB, then the stored form.

Pillow and NumPy only. Training, evaluation, prediction, export and serving all come through
`decode` and `to_form`, and what is not augmented through `centre_crop`; `seen` is all of it. The
scan of a data set goes through `examine`, which decodes in the same way.
"""

import contextlib
import io
import stat
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fieldmark.errors import DataError
from fieldmark.records import InputSpec

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
Content = bytes | np.ndarray | Image.Image  # a file's, or pixels that are decoded already
Form = tuple[str, int] | tuple[str, int, str]  # word, pixels, and the filter if not bilinear
MOST_PIXELS = 200_000_000
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # where Pillow begins to warn; it refuses twice as many
PNG_HEAD = 8  # bytes before a PNG's first chunk
DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
JPEGS = ("JPEG", "MPO")  # a phone's MPO is a JPEG with a second picture behind it
GRAY_SIDE = 256  # most pixels on the shorter side of the gray picture that `examine` gives
THUMB = 16  # pixels a side of its small colour picture
PILLOW = r"PIL\."  # its modules, in the words of a filter of warnings
warnings.filterwarnings("ignore", module=PILLOW)
QUIET = warnings.filters[0]


class PictureError(DataError):
    """A picture that is refused. `problem`: zero-byte, truncated, bomb, missing or unreadable."""

    def __init__(self, sentence: str, problem: str = "unreadable"):
        super().__init__(sentence)
        self.problem = problem


@dataclass(frozen=True)
class Picture:
    """What one decode tells of a picture file.

    format: by content, one of FORMATS; None for pixels that were never a file.
    frames: more than 1 where it is animated or has pages. width, height: upright.
    gray: (h, w) uint8, the shorter side at most GRAY_SIDE. thumb: (THUMB, THUMB, 3) uint8.
    """

    format: str | None
    frames: int
    width: int
    height: int
    gray: np.ndarray
    thumb: np.ndarray


def seen(content: Content, spec: InputSpec, name: str) -> np.ndarray:
    """What a network sees of an image that is not augmented. -> (size, size, 3) uint8, its own

    content: of a picture file; (H, W) or (H, W, 3) uint8; or one of Pillow's images, which is
    made upright RGB as a file is (of its JPEGs a large one is decoded whole here, so that last
    bits may differ from the file's). Raises PictureError with `name` and the reason.
    """
    form = spec.evaluated_form
    if isinstance(content, bytes):
        pixels = decode(content, name, form)
    elif isinstance(content, np.ndarray):
        is_image = content.ndim > 1 and content.shape[2:] in ((), (3,)) and content.size
        if content.dtype != np.uint8 or not is_image:
            raise PictureError(
                f"{name}: is an array of shape {content.shape} and {content.dtype}; "
                "give (height, width) or (height, width, 3) of uint8"
            )
        pixels = from_array(content, form)
    else:
        with _told(b"", name):
            _refuse_unfit(content, name, form)
            pixels = np.asarray(to_form(_to_rgb(ImageOps.exif_transpose(content)), form))
    return centre_crop(pixels, spec.size).copy()


def centre_crop(pixels: np.ndarray, size: int) -> np.ndarray:
    """(H, W, C) -> (size, size, C), as evaluation sees it; small sides are repeated out.

    A view where the image is large enough.
    """
    for axis, side in enumerate(pixels.shape[:2]):
        start = (side - size) // 2
        if start >= 0:
            pixels = pixels[start : start + size] if axis == 0 else pixels[:, start : start + size]
        else:
            pixels = pixels.take(np.arange(start, start + size), axis, mode="clip")
    return pixels


def read_file(path: Path, form: Form | None = None) -> np.ndarray:
    """The pixels of a picture file, as `decode` gives them. Raises PictureError."""
    return decode(read_bytes(path), str(path), form)


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises PictureError."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):  # to read it might never end
            raise PictureError(f"{path}: is a pipe or a device and no file; take it out")
        return path.read_bytes()
    except OSError as error:
        problem = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        reason = f"{path}: cannot be read ({error.strerror or error})"
        raise PictureError(reason, problem) from error


def decode(content: bytes, name: str, form: Form | None = None) -> np.ndarray:
    """A picture file's bytes -> (H, W, 3) uint8, upright RGB, resized where `form` is given.

    Transparent parts lie over white, 16 bits are scaled to 8, the first frame is taken, and
    EXIF says which side is up. Raises PictureError with `name` and the reason.
    """
    with _opened(content, name) as image:
        _refuse_unfit(image, name, form)
        if form is not None:
            _let_jpeg_shrink(image, form)
        rgb = _to_rgb(_loaded(image, content, name))
        return np.asarray(rgb if form is None else to_form(rgb, form))


def examine(content: bytes, name: str) -> Picture:
    """Decode a picture file's bytes once, for what can be told of it. Raises PictureError.

    It refuses what `decode` refuses. A large JPEG is decoded small, which reads all its bytes.
    """
    with _opened(content, name) as image:
        _refuse_unfit(image, name, None)
        stored = image.size
        _let_jpeg_shrink(image, ("shorter", GRAY_SIDE))
        shrunk, turned = image.size != stored, _is_turned(image)
        upright = _loaded(image, content, name)
        width, height = upright.size if not shrunk else stored[::-1] if turned else stored
        rgb = _to_rgb(upright)
        gray = rgb.convert("L")
        if min(gray.size) > GRAY_SIDE:
            gray = to_form(gray, ("shorter", GRAY_SIDE))
        kind = "JPEG" if image.format in JPEGS else str(image.format)
        return Picture(kind, _frames(image), width, height, np.asarray(gray), thumb_of(rgb))


def thumb_of(rgb: Image.Image) -> np.ndarray:
    """A small picture of a whole one, its shape not kept. -> (THUMB, THUMB, 3) uint8"""
    return np.asarray(rgb.resize((THUMB, THUMB), Image.Resampling.BILINEAR, reducing_gap=3.0))


def to_form(image: Image.Image, form: Form) -> Image.Image:
    """An image in its stored form: ("shorter", N), ("square", N) or ("original", ...).

    A third part names the filter: ("shorter", N, "bicubic"); without it, it is bilinear.
    """
    wanted = _size_in_form(image.size, form)
    if wanted == image.size:
        return image
    smooth = Image.Resampling.BICUBIC if "bicubic" in form else Image.Resampling.BILINEAR
    return image.resize(wanted, smooth)  # Pillow's filters are antialiased


def _size_in_form(size: tuple[int, int], form: Form) -> tuple[int, int]:
    word, side = form[:2]
    if word == "original":
        return size
    if word == "square":
        return side, side
    width, height = (max(side, round(length * side / min(size))) for length in size)
    return width, height


def from_array(pixels: np.ndarray, form: Form | None) -> np.ndarray:
    """Pixels (H, W) or (H, W, 3) uint8 that were never a file -> (H, W, 3) uint8 in the form."""
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    return rgb if form is None else np.asarray(to_form(Image.fromarray(rgb), form))


@contextlib.contextmanager
def _opened(content: bytes, name: str) -> Iterator[Image.Image]:
    """The picture with its header read; whatever goes wrong with it becomes a PictureError."""
    if not content:
        raise PictureError(f"{name}: is empty (0 bytes); copy it anew or take it out", "zero-byte")
    with _told(content, name), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        yield image


@contextlib.contextmanager
def _told(content: bytes, name: str) -> Iterator[None]:
    """Whatever goes wrong inside with a picture of this content becomes a PictureError."""
    if QUIET not in warnings.filters:  # what Pillow warns of is answered here; threads share this
        warnings.filterwarnings("ignore", module=PILLOW)
    try:
        yield
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name}: is not a picture that can be read ({', '.join(FORMATS)}); take it out"
        ) from error
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{name}: claims too many pixels to be opened safely; make it smaller or take it out",
            "bomb",
        ) from error
    except MemoryError as error:
        raise PictureError(
            f"{name}: needs more memory than there is; make it smaller", "bomb"
        ) from error
    except Exception as error:  # Pillow's decoders raise what they like on damaged bytes
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise PictureError(
            f"{name}: is damaged ({reason}); copy it anew or take it out",
            "truncated" if _is_cut(content, reason) else "unreadable",
        ) from error


def _is_cut(content: bytes, reason: str) -> bool:
    """Whether the end of a damaged file is missing. Of WebP, Pillow says only that it is damaged,
    but its head (RIFF, then the length of the rest, 4 bytes) tells."""
    if content[:4] == b"RIFF":
        return len(content) < 8 + int.from_bytes(content[4:8], "little")
    return "truncated" in reason.lower()


def _refuse_unfit(image: Image.Image, name: str, form: Form | None) -> None:
    """What the header alone tells: too many pixels, there or in the form, or no scale of grays."""
    millions = MOST_PIXELS // 1_000_000
    if image.width * image.height > MOST_PIXELS:
        raise PictureError(
            f"{name}: has {image.width} x {image.height} pixels, more than the {millions} million "
            "that are opened; make it smaller",
            "bomb",
        )
    width, height = image.size if form is None else _size_in_form(image.size, form)
    if width * height > MOST_PIXELS:
        raise PictureError(
            f"{name}: is so narrow, {image.width} x {image.height}, that it would be resized to "
            f"{width} x {height} pixels, more than {millions} million; cut it or take it out",
            "bomb",
        )
    if image.mode == "F":
        raise PictureError(
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
            raise PictureError(
                f"{name}: is damaged (a checksum of its pixels is wrong); "
                "copy it anew or take it out"
            )
        start = end + 4


def _let_jpeg_shrink(image: Image.Image, form: Form) -> None:
    """Let the JPEG decoder leave out detail that the resize would throw away."""
    word, side = form[:2]
    if word != "original" and image.format in JPEGS:
        scale = 2 * side / min(image.size)  # twice the size wanted, so that the resize stays good
        image.draft("RGB", (round(image.width * scale), round(image.height * scale)))


def _loaded(image: Image.Image, content: bytes, name: str) -> Image.Image:
    """The same image, decoded and turned upright in its place."""
    image.load()
    if image.format == "PNG":
        _refuse_changed_bytes(content, name)
    # EXIF is a guest in the file: where it is garbage, the pixels still count
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _is_turned(image: Image.Image) -> bool:
    """Whether EXIF says that width and height change places."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # as above
        return False


def _frames(image: Image.Image) -> int:
    """Frames or pages, counted after the first was read: to count them moves on in the file."""
    if image.format == "MPO":
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # damage behind the first frame does no harm
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in DEEP_MODES:  # 16 bits a pixel -> 8; Pillow's own `convert` would clip at 255
        values = np.asarray(image).astype(np.float64)
        eight = np.clip(np.rint(values / 257), 0, 255).astype(np.uint8)
        return Image.fromarray(eight).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
