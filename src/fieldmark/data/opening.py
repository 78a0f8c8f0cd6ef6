"""A picture file opened by Pillow, or refused in a sentence, by its head or by what goes wrong."""

import contextlib
import importlib
import io
import os
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from importlib.util import find_spec

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from fieldmark.data import jpegs, kinds
from fieldmark.data.tones import BITS, UNKNOWN_WHITE
from fieldmark.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", *["AVIF"] * kinds.READS_AVIF)
MOST_PIXELS = 200_000_000
MOST: ContextVar[int] = ContextVar("most pixels", default=MOST_PIXELS)  # that are opened here
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # where Pillow begins to warn; it refuses twice as many
# of 16 bits with white as zero Pillow knows only files with the lower byte first
TiffImagePlugin.OPEN_INFO.setdefault((b"MM", 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))
SUBFILE, OLD_SUBFILE, PLANAR = 254, 255, 284  # tags of a page of a TIFF, and of its layout
SAMPLES, SIGNED = 339, 2  # the tag of how numbers are coded, and with a sign
NOT_WHOLE = 5  # bits of the first: a picture made smaller (1), a mask (4)
MOST_PAGES = 16  # of a TIFF, that are made smaller before one is not
PILLOW = r"PIL\."  # its modules, in the words of a filter of warnings
warnings.filterwarnings("ignore", module=PILLOW)
QUIET = warnings.filters[0]


class PictureError(DataError):
    """A picture that is refused. `problem`: zero-byte, truncated, bomb, missing or unreadable."""

    def __init__(self, sentence: str, problem: str = "unreadable"):
        super().__init__(sentence)
        self.problem = problem


@contextlib.contextmanager
def at_most(pixels: int) -> Iterator[None]:
    """Inside, by this thread, pictures of more pixels are refused, at most MOST_PIXELS."""
    before = MOST.set(min(pixels, MOST_PIXELS))
    try:
        yield
    finally:
        MOST.reset(before)


def refuse_unread(content: bytes, name: str) -> None:
    """Raise PictureError for a file of a kind that is not read, by its content and its name."""
    what = kinds.unread(content, os.path.splitext(name)[1])  # noqa: PTH122  # of every image
    if what is not None:
        raise PictureError(f"{name}: {what}")


@contextlib.contextmanager
def opened(content: bytes, name: str) -> Iterator[Image.Image]:
    """The picture with its header read; whatever goes wrong with it becomes a PictureError."""
    formats = FORMATS
    if kinds.is_heif(content):
        formats = ("HEIF",)
        _register_heif()
    with told(content, name), Image.open(io.BytesIO(content), formats=formats) as image:
        _turn_to_whole_page(image)
        yield image


def _register_heif() -> None:
    reader = next(name for name in kinds.HEIF_READERS if find_spec(name))
    importlib.import_module(reader).register_heif_opener()


def _turn_to_whole_page(image: Image.Image) -> None:
    """Of a TIFF whose first pages are smaller copies or masks, to the first that is not."""
    for page in range(1, MOST_PAGES):
        tags = getattr(image, "tag_v2", {})
        if not (int(tags.get(SUBFILE, 0)) & NOT_WHOLE or tags.get(OLD_SUBFILE) == 2):
            return
        try:
            image.seek(page)
        except EOFError:
            image.seek(0)
            return


@contextlib.contextmanager
def told(content: bytes, name: str) -> Iterator[None]:
    """Whatever goes wrong inside with a picture of this content becomes a PictureError."""
    if QUIET not in warnings.filters:  # what Pillow warns of is answered here; threads share this
        warnings.filterwarnings("ignore", module=PILLOW)
    try:
        yield
    except UnidentifiedImageError as error:
        raise PictureError(f"{name}: {_unidentified(content)}") from error
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


def _unidentified(content: bytes) -> str:
    """What to say of a file that Pillow does not open."""
    if content.startswith(jpegs.HEAD) and (frame := jpegs.frame(content)):
        if frame[1] != 8:
            return f"is a JPEG of {frame[1]} bits, which is not read; save it with 8 bits"
        return "is a JPEG that is damaged or of a rare kind; save it anew as JPEG or PNG"
    if kinds.is_heif(content):
        return "is damaged (HEIC that cannot be opened); copy it anew or take it out"
    if content.startswith(kinds.TIFF_HEADS):
        return (
            "is a TIFF that is damaged or of a rare kind; save it anew with 8 or 16 bits, as PNG "
            "or TIFF"
        )
    return f"is not a picture that can be read ({', '.join(FORMATS)}); take it out"


def _is_cut(content: bytes, reason: str) -> bool:
    """Whether the end of a damaged file is missing. Of WebP, Pillow says only that it is damaged,
    but its head (RIFF, then the length of the rest, 4 bytes) tells."""
    if content[:4] == b"RIFF":
        return len(content) < 8 + int.from_bytes(content[4:8], "little")
    return "truncated" in reason.lower()


def refuse_unfit(image: Image.Image, name: str, wanted: tuple[int, int] | None = None) -> None:
    """What the header alone tells: too many pixels, there or in the size that is wanted, or no
    scale of grays."""
    most = MOST.get()
    millions = f"{most / 1_000_000:g}"
    if image.width * image.height > most:
        raise PictureError(
            f"{name}: has {image.width} x {image.height} pixels, more than the {millions} million "
            "that are opened; make it smaller",
            "bomb",
        )
    width, height = wanted or image.size
    if width * height > most:
        raise PictureError(
            f"{name}: is so narrow, {image.width} x {image.height}, that it would be resized to "
            f"{width} x {height} pixels, more than {millions} million; cut it or take it out",
            "bomb",
        )
    tags = getattr(image, "tag_v2", {})
    unknown = UNKNOWN_WHITE.get(image.mode)
    if unknown is None and SIGNED in tags.get(SAMPLES, ()):
        unknown = "signed numbers"
    if unknown is not None:
        raise PictureError(
            f"{name}: holds {unknown}, of which nobody knows what is white; "
            "save it with 8 or 16 bits"
        )
    if tags.get(PLANAR) == 2 and max(tags.get(BITS, (8,))) > 8:
        raise PictureError(
            f"{name}: is a TIFF with 16 bits and its colours apart, which is not read; save it "
            "anew as PNG"
        )
