"""What a JPEG's markers tell: how it is coded, whether all of it is there (ITU-T T.81, annex B)."""

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
from PIL import Image

HEAD, SCANS, END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # markers of those that Pillow reads
TABLES, SCAN, RESTARTS, COMMENT = (0xC4, 0xC8, 0xCC), 0xDA, 0xDD, 0xFE
ALONE = (0x01, 0xD8, *range(0xD0, 0xD8))  # markers without a length behind them
APP0, APP14 = 0xE0, 0xEE
MARKER = re.compile(rb"\xff[^\x00\xff]")
UNSEEN = 99  # bits of a coefficient of which there is none yet
STUFFED = b"\xff\0"  # how a byte of eight ones is coded
FILL = 4096  # bytes behind a file that has no end
ROWS = 512  # of a decoded picture, that are looked at together


def frame(content: bytes) -> tuple[int, int] | None:
    """How a JPEG is coded: the second byte of its frame's marker, and the bits a value."""
    for marker, start, end in segments(content):
        if 0xC0 <= marker <= 0xCF and marker not in TABLES and end > start:
            return marker, content[start]
    return None


def ended(content: bytes) -> bytes | None:
    """A JPEG with the end that it lacks; None where it lacks more.

    Zeros behind it are what was never written, or else pixels, and then all of them are needed.
    """
    body = content.rstrip(b"\xff\0")
    body += STUFFED * content.startswith(STUFFED, len(body))
    if is_whole(body):
        return body + END
    zeros = content.rstrip(b"\xff")
    return zeros + END if zeros != body and is_whole(zeros) and not is_whole(zeros[:-1]) else None


def is_whole(body: bytes) -> bool:
    """Whether a JPEG without its end lacks no pixel: all scans are there, and the pixels are the
    same whatever follows.
    """
    if not has_all_scans(body):
        return False
    any_bytes = hashlib.shake_128(b"any").digest(FILL).replace(b"\xff", b"\x7f")  # no marker
    fills = (*(bytes([each]) * FILL for each in (0, 0x55, 0xAA, 0xFE)), any_bytes)
    try:
        return len({_digest(body + fill + END) for fill in fills}) == 1
    except Exception:  # Pillow's decoders raise what they like on damaged bytes
        return False


def has_end(content: bytes) -> bool:
    """Whether there is an end behind the last scan, whatever is appended to it (a film)."""
    scans = [end for marker, _, end in segments(content) if marker == SCAN]
    return bool(scans) and content.find(END, scans[-1]) >= 0


def has_all_scans(content: bytes) -> bool:
    """Whether all coefficients of all components come to their last bit (T.81, B.2.3 and G.1),
    and each scan has all its restart markers (B.2.4.4).

    What follows the last of these markers is not looked at.
    """
    left: dict[int, np.ndarray] = {}
    sides: dict[int, tuple[int, int]] = {}
    size, every = (0, 0), 0
    for marker, start, end in segments(content):
        data = content[start:end]
        if marker in FRAMES and len(data) >= 9:
            size = int.from_bytes(data[3:5], "big"), int.from_bytes(data[1:3], "big")
            left = {each: np.full(64, UNSEEN) for each in data[6::3]}
            sides = dict(
                zip(data[6::3], ((both >> 4, both & 15) for both in data[7::3]), strict=False)
            )
        elif marker == RESTARTS:
            every = int.from_bytes(data[:2], "big")
        elif marker == SCAN and len(data) >= 6:
            components = [each for each in data[1 : 1 + 2 * data[0] : 2] if each in sides]
            for each in components:
                left[each][data[-3] : data[-2] + 1] = data[-1] & 15
            if not components:
                return False
            units = _units(size, sides, components)
            if every and _restarts(content, end) != ceil(units / every) - 1:
                return False
    return bool(left) and not any(each.any() for each in left.values())


def without_applications(content: bytes, *, profiles: bool) -> bytes:
    """A JPEG without what programs wrote into it (APPn) but for how colours are coded.

    profiles: keep EXIF and the colour profile.
    """
    parts, done = [content[:2]], 2
    for marker, start, end in segments(content):
        if marker == SCAN:
            break
        data = content[start:end]
        known = profiles and data.startswith((b"Exif\0\0", b"ICC_PROFILE\0"))
        known |= marker in (APP0, APP14) and len(data) >= 12
        if known or not (APP0 <= marker < 0xF0 or marker == COMMENT):
            parts.append(content[start - 4 : end])
        done = end
    return b"".join([*parts, content[done:]])


def segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Of each marker that has data: its second byte, and where the data begin and end.

    What is coded between the markers is passed over.
    """
    at = 2
    while (found := MARKER.search(content, at)) and found.end() + 2 <= len(content):
        marker, at = content[found.start() + 1], found.end()
        if marker == END[1]:
            return
        if marker not in ALONE:
            start, at = at + 2, at + int.from_bytes(content[at : at + 2], "big")
            yield marker, start, min(at, len(content))


def _units(
    size: tuple[int, int], sides: dict[int, tuple[int, int]], components: Sequence[int]
) -> int:
    """Coded units (MCU) of a scan (T.81, A.2): blocks of 8 x 8 where it is of one component."""
    count = 1
    for axis, length in enumerate(size):
        most = max(1, *(side[axis] for side in sides.values()))
        if len(components) == 1:
            count *= ceil(ceil(length * sides[components[0]][axis] / most) / 8)
        else:
            count *= ceil(length / (8 * most))
    return count


def _restarts(content: bytes, at: int) -> int:
    """Restart markers from a place on, to any other marker."""
    count = 0
    for found in MARKER.finditer(content, at):
        if not 0xD0 <= content[found.start() + 1] <= 0xD7:
            break
        count += 1
    return count


def _digest(content: bytes) -> str:
    found = hashlib.blake2b()
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        image.load()
        for top in range(0, image.height, ROWS):
            box = (0, top, image.width, min(top + ROWS, image.height))
            found.update(image.crop(box).tobytes())
    return found.hexdigest()
