"""Colours of other spaces are shown as in sRGB: held against formulas, and against a browser."""

import base64
import io
import os
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor

import iccs
import numpy as np
import pytest
from pictures import encoded
from PIL import Image, ImageCms
from pngs import chunk

from fieldmark.data.coded_colours import hdr_of
from fieldmark.data.images import decode, examine, seen
from fieldmark.data.profiles import profile_of
from fieldmark.records import InputSpec

CHROMIUM = shutil.which("chromium")
RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
GRAY = PIXELS[:, :, 0]
D50 = (0.3457, 0.3585)
SPACES = {
    "Display P3": (iccs.P3, 2.2, iccs.D65),
    "Adobe RGB": (iccs.ADOBE, 563 / 256, iccs.D65),
    "ProPhoto": (iccs.PROPHOTO, 461 / 256, D50),
    "red and green exchanged": (iccs.EXCHANGED, 563 / 256, iccs.D65),
    "linear": (iccs.SRGB, 1.0, iccs.D65),
}


def with_chunks(image, *extra):
    """A PNG with chunks before its pixels."""
    content = encoded(image)
    return content[:33] + b"".join(extra) + content[33:]


def in_space(name):
    primaries, gamma, white = SPACES[name]
    gamma = round(gamma * 256) / 256
    return (
        iccs.rgb_profile(primaries, gamma, name, white),
        lambda pixels: iccs.shown(pixels, primaries, gamma, white),
    )


def furthest(found, wanted):
    return np.abs(found.astype(int) - wanted).max()


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})]
)
def test_colours_are_those_that_a_screen_shows(name, kind, options):
    icc, shown = in_space(name)
    content = encoded(Image.fromarray(PIXELS), kind, icc_profile=icc, **options)
    assert furthest(decode(content, "x"), shown(PIXELS)) <= 2
    assert furthest(decode(content, "x"), PIXELS) > 10
    assert examine(content, "x").profile == name
    spec = InputSpec("square:24", 24)
    opened = seen(Image.open(io.BytesIO(content)), spec, "x")
    assert np.array_equal(opened, seen(content, spec, "x"))


def test_a_jpeg_that_is_decoded_small_is_converted_too():
    icc, shown = in_space("Display P3")
    image = Image.new("RGB", (640, 480), (200, 60, 40))
    content = encoded(image, "JPEG", quality=95, icc_profile=icc)
    small = decode(content, "x", ("shorter", 32))
    assert furthest(small, shown(np.full((1, 1, 3), (200, 60, 40)))) <= 2


def test_transparency_and_palettes_are_kept_while_colours_change():
    icc, shown = in_space("Adobe RGB")
    alpha = np.where(np.arange(32) < 16, 0, 255).astype(np.uint8)[None].repeat(24, 0)
    found = decode(encoded(Image.fromarray(np.dstack([PIXELS, alpha])), icc_profile=icc), "x")
    assert (found[:, :16] == 255).all()
    assert furthest(found[:, 16:], shown(PIXELS[:, 16:])) <= 2
    palette = Image.fromarray(PIXELS).quantize(8)
    found = decode(encoded(palette, icc_profile=icc), "x")
    assert furthest(found, shown(np.asarray(palette.convert("RGB")))) <= 2


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "JPEG"])
def test_grays_have_their_own_profiles(gamma, mode):
    icc = iccs.gray_profile(gamma)
    image = Image.fromarray(GRAY)
    image = Image.fromarray(GRAY.astype(np.uint16) * 257) if mode == "I;16" else image
    image = image.convert("LA") if mode == "LA" else image
    kind = "JPEG" if mode == "JPEG" else "PNG"
    content = encoded(image, kind, icc_profile=icc)
    given = np.asarray(Image.open(io.BytesIO(content)).convert("L")) if kind == "JPEG" else GRAY
    wanted = iccs.shown(given[:, :, None].repeat(3, 2), iccs.SRGB, round(gamma * 256) / 256)
    assert furthest(decode(content, "x"), wanted) <= 2


def test_gray_with_a_profile_for_colours_is_a_colour_whose_three_parts_are_alike():
    icc, shown = in_space("ProPhoto")
    found = decode(encoded(Image.fromarray(GRAY), icc_profile=icc), "x")
    assert furthest(found, shown(GRAY[:, :, None].repeat(3, 2))) <= 2


def test_inks_are_mixed_as_their_profile_says():
    labs = [(95 - 5 * number, number - 8, 8 - number) for number in range(16)]
    icc = iccs.cmyk_profile(labs)
    inks = np.array(
        [[255 * (number >> bit & 1) for bit in (3, 2, 1, 0)] for number in range(1, 16)]
    )
    inks = inks.astype(np.uint8)[None].repeat(8, 0).repeat(8, 1)
    content = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=100, icc_profile=icc)
    found = decode(content, "x")[4, 4::8]
    assert furthest(found, np.stack([iccs.shown_of_lab(*lab) for lab in labs[1:]])) <= 4
    assert examine(content, "x").profile == "inks"


def test_threads_that_share_a_profile_give_the_same_bits():
    icc, _ = in_space("Adobe RGB")
    pictures = [RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(24)]
    files = [encoded(Image.fromarray(each), icc_profile=icc) for each in pictures]
    alone = [decode(each, "x") for each in files]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda each: decode(each, "x"), files))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_profile_that_is_srgb_costs_nothing_and_changes_no_bit():
    whole = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(Image.fromarray(PIXELS), icc_profile=whole)
    assert np.array_equal(decode(content, "x"), PIXELS)
    assert (examine(content, "x").profile, examine(content, "x").mended) == (None, False)
    assert profile_of(whole, "RGB") is profile_of(bytes(bytearray(whole)), "RGB")


@pytest.mark.parametrize(
    "icc",
    [b"nonsense" * 40, iccs.rgb_profile(iccs.P3, 2.2)[:300], iccs.gray_profile(1.8)],
    ids=["no profile", "cut off", "of another kind of colours"],
)
def test_a_profile_that_is_broken_or_does_not_fit_is_passed_over_with_a_note(icc):
    content = encoded(Image.fromarray(PIXELS), icc_profile=icc)
    assert np.array_equal(decode(content, "x"), PIXELS)
    assert (examine(content, "x").profile, examine(content, "x").mended) == (None, True)


CHROMATICITIES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
GAMMA = chunk(b"gAMA", struct.pack(">I", 45455))
P3_BY_NUMBERS = chunk(b"cHRM", struct.pack(">8I", *CHROMATICITIES))
CODED = {
    "gamma and primaries": ((GAMMA, P3_BY_NUMBERS), (iccs.P3, 1 / 0.45455)),
    "another gamma": ((chunk(b"gAMA", struct.pack(">I", 100_000)),), (iccs.SRGB, 1.0)),
    "cICP": ((chunk(b"cICP", bytes([12, 4, 0, 1])),), (iccs.P3, 2.2)),
    "the usual gamma": ((GAMMA,), None),
    "primaries alone": ((P3_BY_NUMBERS,), None),
    "sRGB goes before": ((chunk(b"sRGB", b"\0"), GAMMA, P3_BY_NUMBERS), None),
    "no colours": ((GAMMA, chunk(b"cHRM", bytes(32))), None),
}


@pytest.mark.parametrize("name", CODED)
def test_a_png_tells_its_colours_by_numbers_too(name):
    extra, space = CODED[name]
    content = with_chunks(Image.fromarray(PIXELS), *extra)
    wanted = PIXELS if space is None else iccs.shown(PIXELS, *space)
    assert furthest(decode(content, "x"), wanted) <= (0 if space is None else 2)


@pytest.mark.slow
@pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("FIELDMARK_BROWSER") != "required",
    reason="there is no chromium on this machine",
)
@pytest.mark.parametrize(("code", "name"), [(16, "PQ"), (18, "HLG"), (13, None)])
def test_pictures_with_an_hdr_curve_are_named_and_their_numbers_stay(code, name):
    content = with_chunks(Image.fromarray(PIXELS), chunk(b"cICP", bytes([1, code, 0, 1])))
    assert examine(content, "x").profile == name
    assert (decode(content, "x") == PIXELS).all()
    box = b"colrnclx" + bytes([0, 9, 0, code, 0, 9])
    assert hdr_of(box, "AVIF") == hdr_of(box, "HEIF") == name
    assert hdr_of(box, "JPEG") is None


def test_the_pixels_are_those_of_a_browser():
    from playwright.sync_api import sync_playwright

    files = {name: with_chunks(Image.fromarray(PIXELS), *CODED[name][0]) for name in CODED}
    for name in SPACES:
        icc, _ = in_space(name)
        files[name] = encoded(Image.fromarray(PIXELS), icc_profile=icc)
        files[f"{name}, gray"] = encoded(Image.fromarray(GRAY), icc_profile=icc)
    for code in ((9, 13), (1, 1), (5, 8), (6, 5), (11, 13)):
        extra = chunk(b"cICP", bytes([*code, 0, 1]))
        files[f"cICP {code}"] = with_chunks(Image.fromarray(PIXELS), extra)
    files["a gray"] = encoded(Image.fromarray(GRAY), icc_profile=iccs.gray_profile(1.8))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        for name, content in files.items():
            address = "data:image/png;base64," + base64.b64encode(content).decode()
            shown = np.array(tab.evaluate(DRAW, address), np.uint8).reshape(24, 32, 4)
            assert furthest(decode(content, "x"), shown[:, :, :3]) <= 2, name
        browser.close()


DRAW = """async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
}"""
