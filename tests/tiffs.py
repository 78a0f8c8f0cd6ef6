"""TIFF files that are put together by hand: uncompressed, a strip a page."""

import struct

BYTE, SHORT, LONG = 1, 3, 4
LETTERS = {BYTE: "B", SHORT: "H", LONG: "I"}


def page(pixels, photometric, *, bits=None, **tags):
    """A page of (H, W) or (H, W, C) numbers. tags: t254=(LONG, 1) and so on."""
    height, width, channels = (*pixels.shape, 1)[:3]
    bits = bits or 8 * pixels.dtype.itemsize
    known = {256: (LONG, width), 257: (LONG, height), 258: (SHORT, *[bits] * channels)}
    known |= {259: (SHORT, 1), 262: (SHORT, photometric), 277: (SHORT, channels)}
    known |= {278: (LONG, height)} | {int(name[1:]): value for name, value in tags.items()}
    return known, pixels


def tiff(*pages, order="<"):
    """The file's bytes, `order` being "<" (II) or ">" (MM)."""
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 0))
    link = 4
    for tags, pixels in pages:
        place = len(out)
        out += pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        tags = tags | {273: (LONG, place), 279: (LONG, pixels.nbytes)}
        out += bytes(len(out) % 2)
        entries = b""
        for number, (kind, *values) in sorted(tags.items()):
            raw = struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values)
            if len(raw) > 4:
                out, raw = out + raw + bytes(len(raw) % 2), struct.pack(order + "I", len(out))
            entries += struct.pack(order + "HHI", number, kind, len(values)) + raw.ljust(4, b"\0")
        out[link : link + 4] = struct.pack(order + "I", len(out))
        out += struct.pack(order + "H", len(tags)) + entries
        link = len(out)
        out += bytes(4)
    return bytes(out)
