"""Files whose pixels are whole though something beside them is not, without that something.

Other programs read them, and say at most that something is odd.
"""

import contextlib
import hashlib
import io
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
KEPT = (b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"eXIf")  # what changes pixels
MOST_PROFILE = 10_000_000  # bytes
JPEG_HEAD, END = b"\xff\xd8\xff", b"\xff\xd9"
FILL = 4096  # bytes behind a JPEG that has no end, in two ways
ROWS = 512  # of a decoded picture, that are looked at together
BASELINE, PROGRESSIVE = (0xC0, 0xC1, 0xC9), (0xC2, 0xCA)  # how a JPEG's frame begins
ALONE = (0x01, 0xD8, *range(0xD0, 0xD8))  # markers without a length behind them
APP0, APP14, COMMENT = 0xE0, 0xEE, 0xFE


def mended(content: bytes) -> Iterator[bytes]:
    """The file without what may spoil it, in one way after another; nothing where none is known.

    The pixels that are left are the file's own. Whether it can be read then is for the caller
    to try.
    """
    if content.startswith(PNG_HEAD):
        yield _with_pixels_alone(content)
    elif content.startswith(JPEG_HEAD):
        ended = _ended(content)
        if ended is not None:
            yield ended
        yield _without_applications(content, profiles=True)
        yield _without_applications(content, profiles=False)


def chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each whole chunk of a PNG, to IEND.

    A chunk is its length (4 bytes), its kind (4), the data, and the CRC of kind and data (4).
    """
    start = len(PNG_HEAD)
    while start + 12 <= len(content):
        kind = content[start + 4 : start + 8]
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        if end > len(content):
            return
        yield kind, start, end
        if kind == b"IEND":
            return
        start = end


def is_right(content: bytes, start: int, end: int) -> bool:
    """Whether a chunk's checksum is that of its kind and data."""
    view = memoryview(content)
    return zlib.crc32(view[start + 4 : end - 4]) == int.from_bytes(view[end - 4 : end], "big")


def jpeg_frame(content: bytes) -> tuple[int, int] | None:
    """How a JPEG is coded: the second byte of its frame's marker, and the bits a value."""
    for marker, start, end in _segments(content):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and end > start:
            return marker, content[start]
    return None


def _with_pixels_alone(content: bytes) -> bytes:
    """A PNG of the chunks that must be there, and of others those that change its pixels."""
    parts = [PNG_HEAD]
    for kind, start, end in chunks(content):
        must = not kind[0] & 32  # capital letters begin what cannot be left out
        is_sound = must or (kind in KEPT and is_right(content, start, end))
        if kind == b"iCCP" and is_sound:
            is_sound = _is_profile(content[start + 8 : end - 4])
        if is_sound and kind != b"IEND":
            parts.append(content[start:end])
    checksum = zlib.crc32(b"IEND").to_bytes(4, "big")
    return b"".join([*parts, bytes(4), b"IEND", checksum])


def _is_profile(data: bytes) -> bool:
    """Name, 0, the number of the method, which is 0, and the profile, deflated."""
    name, _, rest = data.partition(b"\0")
    with contextlib.suppress(zlib.error):
        worker = zlib.decompressobj()
        worker.decompress(rest[1:], MOST_PROFILE)
        return 0 < len(name) < 80 and rest[:1] == b"\0" and worker.eof
    return False


def _ended(content: bytes) -> bytes | None:
    """A JPEG with the end that it lacks; None where it lacks more.

    It lacks no pixel where these are the same whatever follows.
    """
    body = content.removesuffix(b"\xff")
    if not _has_all_scans(body):
        return None
    fills = (bytes(FILL), np.random.default_rng(0).integers(0, 255, FILL, np.uint8).tobytes())
    try:
        seen = {_digest(body + fill + END) for fill in fills}
    except Exception:  # Pillow's decoders raise what they like on damaged bytes
        return None
    return body + END if len(seen) == 1 else None


def _digest(content: bytes) -> str:
    found = hashlib.blake2b()
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        image.load()
        for top in range(0, image.height, ROWS):
            box = (0, top, image.width, min(top + ROWS, image.height))
            found.update(image.crop(box).tobytes())
    return found.hexdigest()


def _has_all_scans(content: bytes) -> bool:
    """Whether every component has all its coefficients to the last bit (ITU-T T.81, B.2.3, G.1)."""
    left: dict[int, np.ndarray] = {}
    for marker, start, end in _segments(content):
        if marker in (*BASELINE, *PROGRESSIVE) and end - start >= 6:
            left = {each: np.full(64, 99) for each in content[start + 6 : end : 3]}
        if marker == 0xDA and end - start >= 6:
            number = content[start]
            first, last, bits = content[end - 3 : end]
            for component in content[start + 1 : start + 1 + 2 * number : 2]:
                if component in left:
                    left[component][first : last + 1] = bits & 15
    return bool(left) and not any(each.any() for each in left.values())


def _without_applications(content: bytes, *, profiles: bool) -> bytes:
    """A JPEG without what programs wrote into it (APPn) but for how colours are coded.

    profiles: keep EXIF and the colour profile.
    """
    parts, done = [content[:2]], 2
    for marker, start, end in _segments(content):
        if marker == 0xDA:
            break
        data = content[start:end]
        known = profiles and data.startswith((b"Exif\0\0", b"ICC_PROFILE\0"))
        known |= marker in (APP0, APP14) and len(data) >= 12
        is_guest = APP0 <= marker < 0xF0 and not known
        if not (is_guest or marker == COMMENT):
            parts.append(content[start - 4 : end])
        done = end
    return b"".join([*parts, content[done:]])


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Of each marker of a JPEG that has data: its second byte, and where the data begin and end.

    What is coded between the markers is passed over.
    """
    at = 2
    while (at := content.find(b"\xff", at)) >= 0 and at + 4 <= len(content):
        marker = content[at + 1]
        if marker in (0x00, 0xFF):
            at += 1
        elif marker in ALONE:
            at += 2
        elif marker == END[1]:
            return
        else:
            end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
            yield marker, at + 4, min(end, len(content))
            at = end
