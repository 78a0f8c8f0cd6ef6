"""The colour profile that numbers in a PNG, AVIF or HEIC stand for, as browsers read them.

Sources: PNG, third edition, 11.3.2; ITU-T H.273, tables 2 and 3; ICC.1:2022.
"""

import struct
from functools import lru_cache

import numpy as np

from fieldmark.data.mending import chunks

Eight = tuple[float, float, float, float, float, float, float, float]  # x, y of white and R, G, B
D65 = 0.3127, 0.329
SRGB: Eight = (*D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
PRIMARIES: dict[int, Eight] = {
    1: SRGB,
    5: (*D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    **dict.fromkeys((6, 7), (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07)),
    9: (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
CURVES: dict[int, tuple[float, ...]] = {  # parameters of ICC's parametricCurveType
    **dict.fromkeys((1, 6, 14, 15), (2.4,)),  # of screens, which is what is shown (ITU-R BT.1886)
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
    13: (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
}
HDR = {16: "PQ", 18: "HLG"}  # curves of light that is brighter than a page; see `hdr_of`
NAME = "by its codes"
UNSAID = (1, 2, 6, 14, 15)  # curves that in an AVIF mean sRGB's; in a PNG they mean a screen's
NCLX = b"colrnclx"  # the box of an AVIF before the codes of primaries and curve, 2 bytes each
USUAL, NEAR = 1 / 2.2, 0.05  # a gamma alone that is so near is taken for sRGB's curve
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
D50 = np.array([0.9642, 1.0, 0.8249])


def png_profile(content: bytes) -> bytes | None:
    """A profile by the chunks of a PNG; None where it has none of its own, or is in sRGB.

    cICP counts before a profile that lies in the file (iCCP), and that and sRGB before gAMA.
    """
    found = _before_pixels(content)
    if len(code := found.get(b"cICP", b"")) == 4:
        primaries, curve = PRIMARIES.get(code[0]), CURVES.get(code[1])
        if primaries and curve and code[2:] == b"\0\1":
            return _profile(primaries, curve)
    gamma = found.get(b"gAMA", b"")
    if len(gamma) != 4 or found.keys() & {b"iCCP", b"sRGB"}:
        return None
    share = int.from_bytes(gamma, "big") / 100_000
    white = found.get(b"cHRM", b"")
    if not share or (len(white) != 32 and abs(share / USUAL - 1) < NEAR):
        return None
    if len(white) != 32:
        return _profile(SRGB, (1 / share,))
    values = struct.unpack(">8I", white)
    return _profile(tuple(value / 100_000 for value in values), (1 / share,))


def hdr_of(content: bytes, kind: str) -> str | None:
    """What a picture of Pillow's format `kind` calls its HDR curve, PQ or HLG; None for others.

    There is no one picture for a screen in them: browsers dim them, each in its own way, so that
    their numbers are taken as they are, and it is said.
    """
    if kind == "PNG":
        code = _before_pixels(content).get(b"cICP", b"")
        return HDR.get(code[1]) if len(code) == 4 else None
    codes = _box(content) if kind in ("AVIF", "HEIF") else None
    return HDR.get(codes[1]) if codes else None


def _before_pixels(content: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG that stand before its pixels, the last of each kind."""
    found: dict[bytes, bytes] = {}
    for kind, start, end in chunks(content):
        if kind == b"IDAT":
            break
        found[kind] = content[start + 8 : end - 4]
    return found


def _box(content: bytes) -> tuple[int, int] | None:
    """The codes of primaries and curve in the box nclx of an AVIF or HEIC."""
    at = content.find(NCLX)
    if at < 0 or len(content) < at + 12:
        return None
    primaries, curve = struct.unpack_from(">HH", content, at + len(NCLX))
    return primaries, curve


def box_profile(content: bytes) -> bytes | None:
    """A profile by the box nclx of an AVIF or HEIC that has no whole one; None where it is sRGB."""
    if (found := _box(content)) is None:
        return None
    primaries, curve = found
    codes = PRIMARIES.get(1 if primaries == 2 else primaries), CURVES.get(curve)
    if curve in UNSAID:
        codes = codes[0], CURVES[13]
    return _profile(codes[0], codes[1]) if codes[0] and codes[1] else None


@lru_cache(64)
def _profile(primaries: Eight, curve: tuple[float, ...]) -> bytes | None:
    """An ICC profile, of a matrix and one curve for all; None where no such colours are."""
    try:
        matrix = _to_d50(primaries)
    except (ZeroDivisionError, np.linalg.LinAlgError):
        return None
    kind = 0 if len(curve) == 1 else 3
    tags = {
        name: b"XYZ \0\0\0\0" + _fixed(*column)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), matrix.T, strict=True)
    }
    tags[b"wtpt"] = b"XYZ \0\0\0\0" + _fixed(*D50)
    para = b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(*curve)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), para)
    text = NAME.encode("utf-16-be")
    tags[b"desc"] = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    return _written(tags)


def _to_d50(primaries: Eight) -> np.ndarray:
    """Linear RGB to XYZ under D50, (3, 3), by Bradford's matrix."""
    points = np.array(primaries).reshape(4, 2)
    white, *colours = [np.array([x / y, 1, (1 - x - y) / y]) for x, y in points.tolist()]
    columns = np.stack(colours, axis=1)
    matrix: np.ndarray = columns * np.linalg.solve(columns, white)
    scale = np.diag((BRADFORD @ D50) / (BRADFORD @ white))
    adapted: np.ndarray = np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ matrix
    return adapted


def _fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def _written(tags: dict[bytes, bytes]) -> bytes:
    """Header (128 bytes), the table of tags, and these."""
    place, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", place + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s", place + len(data), 0x04200000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + _fixed(*D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data
