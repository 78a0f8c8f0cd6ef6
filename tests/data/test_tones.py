"""Numbers of any depth, alpha and order of pages: right, or refused in a sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
from pictures import encoded
from PIL import Image
from pngs import chunk
from tiffs import BYTE, LONG, SHORT, page, tiff

from fieldmark.data.images import decode, examine, seen
from fieldmark.errors import DataError
from fieldmark.records import InputSpec

GRAY = np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16)
EIGHT = np.rint(GRAY / 257).astype(np.uint8)
COLOURS = np.stack([EIGHT, EIGHT[::-1], np.full_like(EIGHT, 77)], axis=-1)
SMALL = np.ascontiguousarray(COLOURS[::4, ::4])
CLEAR = np.zeros_like(EIGHT)


def in_rgb(gray):
    return np.repeat(gray[:, :, None], 3, axis=2)


def raw_png(depth, colours, rows, *extra):
    """A PNG of packed rows, and chunks before its pixels."""
    width = len(rows[0]) * 8 // (depth * {0: 1, 2: 3, 3: 1}[colours])
    head = struct.pack(">IIBBBBB", width, len(rows), depth, colours, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [chunk(b"IHDR", head), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def refusal(content):
    with pytest.raises(DataError) as caught:
        decode(content, "x.tif")
    with pytest.raises(DataError, match=r"x\.tif: "):
        examine(content, "x.tif")
    return str(caught.value)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("photometric", "shown"), [(1, EIGHT), (0, 255 - EIGHT)])
def test_16_bits_are_right_where_white_is_zero_too(order, photometric, shown):
    found = decode(tiff(page(GRAY, photometric), order=order), "x")
    assert np.array_equal(found, in_rgb(shown))
    turned = decode(tiff(page(GRAY, photometric, t274=(SHORT, 3)), order=order), "x")
    assert np.array_equal(turned, in_rgb(shown)[::-1, ::-1])


def test_12_bits_are_scaled_by_their_own_white():
    twelve = (GRAY >> 4).astype(int).reshape(-1, 2)
    packed = [twelve[:, 0] >> 4, (twelve[:, 0] & 15) << 4 | twelve[:, 1] >> 8, twelve[:, 1] & 255]
    tags, _ = page(GRAY, 1, bits=12)
    found = decode(tiff((tags, np.stack(packed, axis=1).astype(np.uint8))), "x")
    assert np.array_equal(found, in_rgb(np.rint((GRAY >> 4) / 4095 * 255).astype(np.uint8)))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("dtype", "code", "words"),
    [
        (np.int8, 2, "holds signed numbers"),
        (np.int16, 2, "holds 32-bit or signed numbers"),
        (np.int32, 2, "holds 32-bit or signed numbers"),
        (np.float32, 3, "holds 32-bit floats"),
    ],
)
def test_numbers_whose_white_nobody_knows_are_refused(order, dtype, code, words):
    content = tiff(page(EIGHT.astype(dtype), 1, t339=(SHORT, code)), order=order)
    assert refusal(content) == (
        f"x.tif: {words}, of which nobody knows what is white; save it with 8 or 16 bits"
    )


@pytest.mark.parametrize(
    ("pixels", "tags"),
    [
        (EIGHT.astype(np.float64), {"t339": (SHORT, 3)}),
        (COLOURS.astype(np.int16), {"t339": (SHORT, 2, 2, 2)}),
        (COLOURS.astype(np.float32), {"t339": (SHORT, 3, 3, 3)}),
    ],
)
def test_a_tiff_that_pillow_does_not_know_is_told_as_that(pixels, tags):
    assert refusal(tiff(page(pixels, 1 if pixels.ndim == 2 else 2, **tags))) == (
        "x.tif: is a TIFF that is damaged or of a rare kind; save it anew with 8 or 16 bits, as "
        "PNG or TIFF"
    )


def test_unsigned_32_bits_are_refused_and_not_made_black():
    content = tiff(page(GRAY.astype(np.uint32) << 16, 1))
    assert refusal(content).startswith("x.tif: holds 32-bit or signed numbers, of which nobody")


def test_one_of_pillows_images_with_such_numbers_is_refused_too():
    spec = InputSpec("square:8", 8)
    for mode in "IF":
        with pytest.raises(DataError, match="image 1: holds 32-bit"):
            seen(Image.new(mode, (8, 8)), spec, "image 1")


@pytest.mark.parametrize(
    ("depth", "row", "clear", "shown"),
    [
        (1, b"\x0f", 1, [0, 0, 0, 0, 255, 255, 255, 255]),
        (1, b"\x0f", 0, [255] * 8),
        (2, b"\x1b", 1, [0, 255, 170, 255]),
        (4, b"\x0f\x37", 3, [0, 255, 255, 119]),
        (8, b"\x09\x64", 9, [255, 100]),
        (16, struct.pack(">2H", 4660, 4661), 4660, [255, 18]),
    ],
)
def test_a_transparent_gray_of_any_depth_is_that_gray_and_no_other(depth, row, clear, shown):
    content = raw_png(depth, 0, [row], chunk(b"tRNS", struct.pack(">H", clear)))
    assert decode(content, "x")[0, :, 0].tolist() == shown
    assert examine(content, "x").gray[0].tolist() == shown


def test_a_transparent_colour_of_16_bits_is_compared_with_all_of_them():
    colours = struct.pack(">6H", 4660, 22136, 39612, 4661, 22136, 39612)
    clear = chunk(b"tRNS", struct.pack(">3H", 4660, 22136, 39612))
    found = decode(raw_png(16, 2, [colours], clear), "x")
    assert found.tolist() == [[[255, 255, 255], [18, 86, 154]]]


@pytest.mark.parametrize(
    ("pixels", "photometric", "shown"),
    [(np.dstack([COLOURS, CLEAR]), 2, COLOURS), (np.dstack([EIGHT, CLEAR]), 1, in_rgb(EIGHT))],
)
def test_alpha_that_is_0_everywhere_is_none_in_a_tiff(pixels, photometric, shown):
    content = tiff(page(pixels, photometric, t338=(SHORT, 2)))
    assert np.array_equal(decode(content, "x"), shown)


def test_alpha_that_is_0_everywhere_is_none_in_a_bmp():
    content = bytearray(encoded(Image.fromarray(np.dstack([COLOURS, CLEAR])), "BMP"))
    start = int.from_bytes(content[10:14], "little")
    head = struct.pack("<IiiHHIIiiII", 108, 32, 24, 1, 32, 3, 0, 0, 0, 0, 0)
    head += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)
    file = b"BM" + struct.pack("<IHHI", 14 + len(head) + 24 * 32 * 4, 0, 0, 14 + len(head))
    pixels = bytes(content[start:])
    assert np.array_equal(decode(file + head + pixels, "x"), COLOURS)
    some = bytearray(pixels)
    some[3] = 255
    found = decode(bytes(file + head + some), "x")
    assert (found == 255).all(axis=2).sum() >= 24 * 32 - 1


def test_a_png_that_is_transparent_everywhere_is_white_as_a_browser_shows_it():
    stream = io.BytesIO()
    Image.fromarray(np.dstack([COLOURS, CLEAR])).save(stream, "PNG")
    assert (decode(stream.getvalue(), "x") == 255).all()


@pytest.mark.parametrize(
    "before",
    [
        [{"t254": (LONG, 1)}],
        [{"t254": (LONG, 1)}, {"t254": (LONG, 1)}],
        [{"t255": (SHORT, 2)}],
        [{"t254": (LONG, 4)}],
    ],
)
def test_of_a_tiff_the_first_page_that_is_no_smaller_copy_is_read(before):
    content = tiff(*[page(SMALL, 2, **tags) for tags in before], page(COLOURS, 2))
    assert np.array_equal(decode(content, "x"), COLOURS)
    assert (examine(content, "x").width, examine(content, "x").height) == (32, 24)


def test_where_all_pages_are_smaller_copies_the_first_is_read():
    assert np.array_equal(decode(tiff(page(SMALL, 2, t254=(LONG, 1))), "x"), SMALL)


def test_colours_that_lie_apart_with_16_bits_are_refused():
    apart = np.ascontiguousarray(COLOURS.astype(np.uint16) * 257)
    assert refusal(tiff(page(apart, 2, t284=(SHORT, 2)))) == (
        "x.tif: is a TIFF with 16 bits and its colours apart, which is not read; save it anew as "
        "PNG"
    )


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "CMYK", "P"])
def test_a_large_picture_is_changed_in_bands_to_the_same_pixels(monkeypatch, mode):
    if mode == "I;16":
        image = Image.fromarray(GRAY)
    else:
        image = Image.fromarray(np.dstack([COLOURS, EIGHT])).convert("RGBA")
        image = image if mode == "RGBA" else image.convert("RGB").convert(mode)
    stream = io.BytesIO()
    image.save(stream, "TIFF" if mode == "CMYK" else "PNG")
    whole = decode(stream.getvalue(), "x")
    monkeypatch.setattr("fieldmark.data.tones.BAND", 100)
    assert np.array_equal(decode(stream.getvalue(), "x"), whole)


def test_a_dng_is_refused_by_its_tags():
    content = tiff(page(SMALL, 2, t254=(LONG, 1), t50706=(BYTE, 1, 4, 0, 0)))
    assert refusal(content) == (
        "x.tif: is a camera's RAW file: it is not read; develop it, and save it as JPEG or PNG"
    )
