"""Colour profiles that are put together by hand, and what they make of a colour, by formula."""

import struct

import numpy as np

D65, D50 = (0.3127, 0.329), np.array([0.9642, 1.0, 0.8249])
SRGB = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
EXCHANGED = (SRGB[1], SRGB[0], SRGB[2])
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def xyz(point):
    x, y = point
    return np.array([x / y, 1, (1 - x - y) / y])


def to_d50(primaries, white=D65):
    """Linear RGB -> XYZ under D50, (3, 3)."""
    columns = np.stack([xyz(point) for point in primaries], axis=1)
    matrix = columns * np.linalg.solve(columns, xyz(white))
    scale = np.diag((BRADFORD @ D50) / (BRADFORD @ xyz(white)))
    return np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ matrix


def shown(pixels, primaries, gamma, white=D65):
    """What a screen shows of pixels (..., 3) of 0 to 255 in such colours, in sRGB."""
    linear = (np.asarray(pixels) / 255.0) ** gamma
    return srgb((to_d50(primaries, white) @ linear[..., None])[..., 0])


def shown_of_lab(light, a, b):
    """What a screen shows of a colour in Lab under D50."""
    y = (light + 16) / 116
    cubed = np.array([y + a / 500, y, y - b / 200])
    return srgb(D50 * np.where(cubed > 6 / 29, cubed**3, 3 * (6 / 29) ** 2 * (cubed - 4 / 29)))


def srgb(colours):
    """XYZ under D50 (..., 3) -> 0 to 255."""
    mixed = np.linalg.inv(to_d50(SRGB)) @ np.asarray(colours)[..., None]
    linear = np.clip(mixed[..., 0], 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded)


def fixed(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def written(tags, kind=b"mntr", space=b"RGB ", connection=b"XYZ "):
    place, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", place + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s", place + len(data), 0x02400000, kind, space, connection)
    head += bytes(12) + b"acsp" + bytes(28) + fixed(*D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def told(name):
    text = name.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)


def curve(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def rgb_profile(primaries, gamma, name="a profile", white=D65):
    """Three primaries and a gamma, which is kept to 1/256."""
    tags = {b"desc": told(name), b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50)}
    for letter, column in zip(b"rgb", to_d50(primaries, white).T, strict=True):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*column)
        tags[bytes([letter]) + b"TRC"] = curve(gamma)
    return written(tags)


def gray_profile(gamma):
    tags = {b"desc": told("a gray"), b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50)}
    return written(tags | {b"kTRC": curve(gamma)}, space=b"GRAY")


def cmyk_profile(labs):
    """Lab by the 16 mixtures of inks that are there wholly or not, the black changing first."""
    ramp = bytes(range(256))
    table = b"".join(
        bytes([round(light * 2.55), round(a + 128), round(b + 128)]) for light, a, b in labs
    )
    mixed = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    tags = {b"desc": told("inks"), b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50)}
    tags[b"A2B0"] = mixed + ramp * 4 + table + ramp * 3
    return written(tags, kind=b"prtr", space=b"CMYK", connection=b"Lab ")
