"""One way from file to pixels: any picture file becomes upright RGB, then the stored form.

Pillow and NumPy only. Training, evaluation, prediction, export and serving all come through
`decode` and `to_form`, and what is not augmented through `centre_crop`; `seen` is all of it. The
scan of a data set goes through `examine`, which decodes in the same way.
"""

import contextlib
import math
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageOps

from fieldmark.data import kinds
from fieldmark.data.coded_colours import hdr_of
from fieldmark.data.jpegs import ended
from fieldmark.data.mending import chunks, is_right, is_spoilt, mended
from fieldmark.data.opening import (
    PictureError,
    opened,
    refuse_unfit,
    refuse_unread,
    told,
)
from fieldmark.data.tones import Numbers, numbers_of, pixels_of, to_rgb
from fieldmark.records import InputSpec

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    *[".avif"] * kinds.READS_AVIF,
    *kinds.HEIF_SUFFIXES * kinds.READS_HEIF,
)
Content = bytes | np.ndarray | Image.Image  # a file's, or pixels that are decoded already
Form = tuple[str, int] | tuple[str, int, str]  # word, pixels, and the filter if not bilinear
JPEGS = ("JPEG", "MPO")  # a phone's MPO is a JPEG with a second picture behind it
GRAY_SIDE = 256  # most pixels on the shorter side of the gray picture that `examine` gives
THUMB = 16  # pixels a side of its small colour picture
LONGEST = 16  # times the shorter side; of what is longer the middle is resized
Result = TypeVar("Result")


@dataclass(frozen=True)
class Picture:
    """What one decode tells of a picture file.

    format: by content, one of FORMATS; None for pixels that were never a file.
    frames: more than 1 where it is animated or has pages. width, height: upright.
    gray: (h, w) uint8, the shorter side at most GRAY_SIDE. thumb: (THUMB, THUMB, 3) uint8.
    mended: whether something beside the pixels was damaged, and passed over. profile: by which
    colours were converted to sRGB; None where they are in it; of HDR the name of its curve, by
    which they were not.
    """

    format: str | None
    frames: int
    width: int
    height: int
    gray: np.ndarray
    thumb: np.ndarray
    mended: bool = False
    profile: str | None = None


def seen(content: Content, spec: InputSpec, name: str) -> np.ndarray:
    """What a network sees of an image that is not augmented. -> (size, size, 3) uint8, its own

    content: of a picture file; (H, W) or (H, W, 3) uint8; or one of Pillow's images, which is
    made upright RGB as a file is (of its JPEGs a large one is decoded whole here, so that last
    bits may differ from the file's). Raises PictureError with `name` and the reason.
    """
    return centre_crop(uncropped(content, spec, name), spec.size).copy()


def uncropped(content: Content, spec: InputSpec, name: str) -> np.ndarray:
    """The same before the middle is taken, for what does that by itself. -> (H, W, 3) uint8

    What resizes by itself, too, as an exported file does, leaves it as it is.
    """
    return _pixels(content, spec.evaluated_form, name)


def unresized(content: Content, spec: InputSpec, name: str) -> np.ndarray:
    """An image for what resizes by itself, as an exported file does. -> (H, W, 3) uint8

    Upright RGB; a large JPEG is decoded as small as `seen` decodes it. Takes and raises as it does.
    """
    return _pixels(content, spec.evaluated_form, name, resize=False)


def _pixels(content: Content, form: Form, name: str, *, resize: bool = True) -> np.ndarray:
    """Of any content, upright RGB, resized to the form or not. -> (H, W, 3) uint8"""
    wanted = form if resize else None
    if isinstance(content, bytes):
        return decode(content, name, form, resize=resize)
    if isinstance(content, np.ndarray):
        is_image = content.ndim > 1 and content.shape[2:] in ((), (3,)) and content.size
        if content.dtype != np.uint8 or not is_image:
            raise PictureError(
                f"{name}: is an array of shape {content.shape} and {content.dtype}; "
                f"give (height, width) or (height, width, 3) of uint8{to_bytes(content, 'image')}"
            )
        return from_array(content, wanted)
    with told(b"", name):
        refuse_unfit(content, name, _size_in_form(content.size, form))
        content.load()
        rgb = to_rgb(ImageOps.exif_transpose(content), numbers_of(content))
        return np.asarray(rgb if wanted is None else to_form(rgb, wanted))


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


def size_of(content: Content) -> tuple[int, int]:
    """Width and height of an image that can be decoded, as it lies; of a file by its head."""
    if isinstance(content, Image.Image):
        return content.size
    if isinstance(content, np.ndarray):
        return content.shape[1], content.shape[0]
    with opened(content, "") as image:
        return image.size


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


def decode(
    content: bytes, name: str, form: Form | None = None, *, resize: bool = True
) -> np.ndarray:
    """A picture file's bytes -> (H, W, 3) uint8, upright RGB, resized where `form` is given.

    resize: False where `form` says only how small a large JPEG may be decoded. Transparent parts
    lie over white, 16 bits are scaled to 8, colours are in sRGB, the first frame is taken, or the
    first page that is no smaller copy, and EXIF says which side is up. What is damaged beside the
    pixels is passed over. Raises PictureError with `name` and the reason.
    """

    def pixels(content: bytes) -> np.ndarray:
        with opened(content, name) as image:
            refuse_unfit(image, name, _size_in_form(image.size, form))
            if form is not None:
                _let_jpeg_shrink(image, form)
            numbers = _loaded(image, content, name)
            rgb = to_rgb(image, numbers)
            return pixels_of(to_form(rgb, form) if form is not None and resize else rgb)

    return _read(content, name, pixels)[0]


def examine(content: bytes, name: str) -> Picture:
    """Decode a picture file's bytes once, for what can be told of it. Raises PictureError.

    It refuses what `decode` refuses. A large JPEG is decoded small, which reads all its bytes.
    """
    picture, is_mended = _read(content, name, lambda whole: _examined(whole, name))
    return replace(picture, mended=True) if is_mended else picture


def _examined(content: bytes, name: str) -> Picture:
    with opened(content, name) as image:
        refuse_unfit(image, name)
        stored = image.size
        _let_jpeg_shrink(image, ("shorter", GRAY_SIDE))
        shrunk, turned = image.size != stored, _is_turned(image)
        numbers = _loaded(image, content, name)
        width, height = image.size if not shrunk else stored[::-1] if turned else stored
        profile, hdr = numbers.profile(image.mode), hdr_of(content, str(image.format))
        spoilt = image.format in ("PNG", *JPEGS) and is_spoilt(content)
        spoilt |= image.info.get("icc_profile", b"") is None  # one that cannot be unpacked
        rgb = to_rgb(image, numbers)
        gray = rgb.convert("L")
        if min(gray.size) > GRAY_SIDE:
            gray = to_form(gray, ("shorter", GRAY_SIDE))
        return Picture(
            "JPEG" if image.format in JPEGS else str(image.format),
            _frames(image),
            width,
            height,
            np.asarray(gray),
            thumb_of(rgb),
            mended=spoilt or profile.is_broken,
            profile=hdr or (profile.name if profile.moves else None),
        )


def _read(content: bytes, name: str, read: Callable[[bytes], Result]) -> tuple[Result, bool]:
    """What `read` makes of a file, or of it without what is damaged beside the pixels.

    -> and whether something was. Raises PictureError of the file as it is.
    """
    refuse_unread(content, name)
    if not content:
        raise PictureError(f"{name}: is empty (0 bytes); copy it anew or take it out", "zero-byte")
    try:
        return read(content), False
    except PictureError as error:
        if error.problem == "bomb":
            raise
        with contextlib.suppress(PictureError), told(content, name):
            for whole in mended(content):
                with contextlib.suppress(PictureError):
                    return read(whole), True
        raise


def thumb_of(rgb: Image.Image) -> np.ndarray:
    """A small picture of a whole one, its shape not kept. -> (THUMB, THUMB, 3) uint8"""
    return np.asarray(rgb.resize((THUMB, THUMB), Image.Resampling.BILINEAR, reducing_gap=3.0))


def to_form(image: Image.Image, form: Form) -> Image.Image:
    """An image in its stored form: ("shorter", N), ("square", N) or ("original", ...).

    A third part names the filter: ("shorter", N, "bicubic"); without it, it is bilinear. Of an
    image more than LONGEST times as long as wide, ("shorter", N) has the middle.
    """
    wanted = _size_in_form(image.size, form)
    if wanted == image.size:
        return image
    smooth = Image.Resampling.BICUBIC if "bicubic" in form else Image.Resampling.BILINEAR
    box = _middle(image.size) if form[0] == "shorter" else None
    return image.resize(wanted, smooth, box)  # Pillow's filters are antialiased


def _middle(size: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Of a picture more than LONGEST times as long as wide, the part that is resized."""
    width, height = (min(length, LONGEST * min(size)) for length in size)
    if (width, height) == size:
        return None
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height


def _size_in_form(size: tuple[int, int], form: Form | None) -> tuple[int, int]:
    if form is None or form[0] == "original":
        return size
    word, side = form[:2]
    if word == "square":
        return side, side
    width, height = (max(side, round(length * side / min(size))) for length in size)
    return min(width, LONGEST * side), min(height, LONGEST * side)


def made_up(*shape: int) -> np.ndarray:
    """Pixels of no picture, uint8, the same each time: for what has to be shown something."""
    return (np.arange(math.prod(shape)) * 167 % 251).astype(np.uint8).reshape(shape)


def from_array(pixels: np.ndarray, form: Form | None) -> np.ndarray:
    """Pixels (H, W) or (H, W, 3) uint8 that were never a file -> (H, W, 3) uint8 in the form."""
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    return rgb if form is None else np.asarray(to_form(Image.fromarray(rgb), form))


def _refuse_changed_bytes(content: bytes, name: str) -> None:
    """Check what Pillow does not: the checksums of a PNG's pixels (its IDAT chunks)."""
    if any(
        kind == b"IDAT" and not is_right(content, start, end)
        for kind, start, end in chunks(content)
    ):
        raise PictureError(
            f"{name}: is damaged (a checksum of its pixels is wrong); copy it anew or take it out"
        )


def _let_jpeg_shrink(image: Image.Image, form: Form) -> None:
    """Let the JPEG decoder leave out detail that the resize would throw away."""
    word, side = form[:2]
    if word != "original" and image.format in JPEGS:
        scale = 2 * side / min(image.size)  # twice the size wanted, so that the resize stays good
        image.draft("RGB", (round(image.width * scale), round(image.height * scale)))


def _loaded(image: Image.Image, content: bytes, name: str) -> Numbers:
    """Decode an image and turn it upright, in its place. -> what its numbers mean"""
    if image.info.get("default_image"):  # of a PNG, for programs that show no animation
        image.seek(1)
    image.load()
    if image.format == "PNG":
        _refuse_changed_bytes(content, name)
    elif image.format in JPEGS and is_spoilt(content) and ended(content) is None:
        raise PictureError(  # what stands in the place of its end was read as pixels
            f"{name}: is damaged (its end is missing); copy it anew or take it out", "truncated"
        )
    # EXIF is a guest in the file: where it is garbage, the pixels still count
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return numbers_of(image, content)


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


def to_bytes(pixels: np.ndarray, name: str) -> str:
    """How numbers of another type become uint8, as the end of a sentence; "" where it is unclear.

    name: of the array, in the code that is told.
    """
    if pixels.dtype == np.uint8 or pixels.dtype.kind not in "fiub" or not pixels.size:
        return ""
    least, most, whole = float(pixels.min()), float(pixels.max()), pixels.dtype.kind in "iu"
    if not whole and least >= 0 and most <= 1:
        how = f"(255 * {name}).round()"
    elif not whole and least >= -1 and most <= 1:
        how = f"(127.5 * ({name} + 1)).round()"
    elif least >= 0 and most <= 255:
        how = name
    else:  # also where a number is nan
        return ""
    return f"; its numbers are from {least:g} to {most:g}: {how}.astype('uint8')"
