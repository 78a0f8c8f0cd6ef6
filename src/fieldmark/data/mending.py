"""Files whose pixels are whole though something beside them is not, without that something.

Other programs read them, and say at most that something is odd.
"""

import contextlib
import zlib
from collections.abc import Iterator

from fieldmark.data import jpegs

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
# Chunks that change pixels and can be left out, and how long their data are
KEPT = {b"gAMA": range(4, 5), b"cHRM": range(32, 33), b"sRGB": range(1, 2), b"cICP": range(4, 5)}
KEPT |= dict.fromkeys((b"iCCP", b"eXIf"), range(4, 2**24))
CLEAR = {0: range(2, 3), 2: range(6, 7), 3: range(1, 257)}  # of tRNS, by the kind of colours
COLOURS = 25  # the byte of a PNG that tells that kind
MOST_PROFILE = 10_000_000  # bytes


def mended(content: bytes) -> Iterator[bytes]:
    """The file without what may spoil it, in one way after another; nothing where none is known.

    The pixels that are left are the file's own. Whether it can be read then is for the caller
    to try.
    """
    if content.startswith(PNG_HEAD):
        yield _with_pixels_alone(content)
    elif content.startswith(jpegs.HEAD):
        ended = jpegs.ended(content)
        if ended is not None:
            yield ended
        yield jpegs.without_applications(content, profiles=True)
        yield jpegs.without_applications(content, profiles=False)


def is_spoilt(content: bytes) -> bool:
    """Whether a PNG has a wrong checksum beside its pixels, or it or a JPEG lacks its end."""
    if content.startswith(jpegs.HEAD):
        lacks = content.rfind(jpegs.END) < content.rfind(jpegs.SCANS)
        return lacks and not jpegs.has_end(content)  # what is appended may look like a scan
    kind = b""
    for kind, start, end in chunks(content):
        if kind != b"IDAT" and not is_right(content, start, end):
            return True
    return kind != b"IEND"


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


def _with_pixels_alone(content: bytes) -> bytes:
    """A PNG of the chunks that must be there, and of others those that change its pixels."""
    lengths = KEPT | {b"tRNS": CLEAR.get(content[COLOURS], range(0)) if content[COLOURS:] else ()}
    parts = [PNG_HEAD]
    for kind, start, end in chunks(content):
        must = not kind[0] & 32  # capital letters begin what cannot be left out
        whole = end - start - 12 in lengths.get(kind, ()) and is_right(content, start, end)
        if kind == b"iCCP" and whole:
            whole = _is_profile(content[start + 8 : end - 4])
        if (must or whole) and kind != b"IEND":
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
