"""What lies beside the pixels spoils no picture; pixels that lack do."""

import contextlib
import io
import struct
import zlib

import iccs
import numpy as np
import pytest
from PIL import Image
from pngs import chunk

from fieldmark.cache import open_cache
from fieldmark.data import jpegs
from fieldmark.data.copies import find_copies
from fieldmark.data.health import findings
from fieldmark.data.images import decode, examine
from fieldmark.data.mending import is_spoilt
from fieldmark.data.opening import PictureError
from fieldmark.data.scan import scan
from fieldmark.data.told import health_notes
from fieldmark.records import Samples

RNG = np.random.default_rng(5)
SOFT = Image.fromarray(RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((60, 44))


def encoded(kind, image=SOFT, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


LARGE = bytes(2_000_000)
WRONG = b"\0\1\2\3"  # in the place of a checksum


def with_checksum(kind, data, checksum):
    return struct.pack(">I", len(data)) + kind + data + checksum


SPOILT = {
    "compressed text": chunk(b"zTXt", b"k\0\0" + zlib.compress(LARGE)),
    "compressed text in any language": chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(LARGE)),
    "much text": b"".join(chunk(b"tEXt", b"k\0" + bytes(1_000_000)) for _ in range(70)),
    "text with a wrong checksum": with_checksum(b"tEXt", b"k\0v", WRONG),
    "a size with a wrong checksum": with_checksum(b"pHYs", bytes(9), WRONG),
    "a gamma with a wrong checksum": with_checksum(b"gAMA", struct.pack(">I", 100_000), WRONG),
    "a gamma that is short": chunk(b"gAMA", bytes(2)),
    "a program's own chunk with a wrong checksum": with_checksum(b"vpAg", b"123", WRONG),
    "text of an unknown method": chunk(b"zTXt", b"k\0\5garbage"),
    "a profile that is no profile": chunk(b"iCCP", b"name\0\0garbage"),
    "a profile of an unknown method": chunk(b"iCCP", b"name\0\7" + zlib.compress(b"abc")),
    "an empty profile": chunk(b"iCCP", b""),
    "a profile that swells": chunk(b"iCCP", b"name\0\0" + zlib.compress(20 * LARGE)),
    "transparency that is short": chunk(b"tRNS", b"\0"),
    "frames that are short": chunk(b"acTL", b"12"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_png_is_read_whatever_lies_beside_its_pixels(name):
    whole = encoded("PNG")
    content = whole[:33] + SPOILT[name] + whole[33:]
    assert np.array_equal(decode(content, "x"), np.asarray(SOFT))
    assert examine(content, "x").mended
    behind = whole[:-12] + SPOILT[name] + whole[-12:]
    assert np.array_equal(decode(behind, "x"), np.asarray(SOFT))


def test_what_changes_pixels_is_kept_where_something_else_is_taken_out():
    palette = SOFT.quantize(8)
    exif = Image.Exif()
    exif[274] = 3
    whole = encoded("PNG", palette, transparency=bytes([0, 128]), exif=exif)
    spoilt = whole[:33] + SPOILT["text with a wrong checksum"] + whole[33:]
    assert np.array_equal(decode(spoilt, "x"), decode(whole, "x"))
    assert not examine(whole, "x").mended


JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "with restart markers": {"restart_marker_blocks": 3},
    "gray": {},
    "inks": {},
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_that_lacks_its_end_alone_is_read_and_one_that_lacks_pixels_is_not(name):
    image = SOFT.convert({"gray": "L", "inks": "CMYK"}.get(name, "RGB"))
    whole = encoded("JPEG", image, quality=60, **JPEGS[name])
    for content in (whole[:-1], whole[:-2], whole[:-2] + b"\xff\xff"):
        assert np.array_equal(decode(content, "x"), decode(whole, "x"))
        assert examine(content, "x").mended
    assert not examine(whole, "x").mended
    for cut in range(3, 120):
        with contextlib.suppress(PictureError):
            found = decode(whole[:-cut], "x")
            assert cut < 4  # the last byte told nothing
            assert np.array_equal(found, decode(whole, "x"))


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}])
def test_a_flat_jpeg_whose_pixels_are_zeros_lacks_its_end_alone(options):
    for size in ((60, 44), (160, 160)):
        whole = encoded("JPEG", Image.new("RGB", size, (90, 120, 30)), subsampling=0, **options)
        assert np.array_equal(decode(whole[:-2], "x"), decode(whole, "x"))


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("name", JPEGS)
def test_zeros_in_the_place_of_pixels_are_no_pixels(name, share):
    image = SOFT.convert({"gray": "L", "inks": "CMYK"}.get(name, "RGB"))
    whole = encoded("JPEG", image, quality=95, **JPEGS[name])
    cut = whole[: int(share * len(whole))]
    for look in (decode, examine):
        with pytest.raises(PictureError, match="is damaged"):
            look(cut + bytes(len(whole) - len(cut)), "x")
    padded = whole[:-2] + bytes(500)
    assert np.array_equal(decode(padded, "x"), decode(whole, "x"))
    assert examine(padded, "x").mended


def test_a_progressive_jpeg_that_lacks_its_last_scans_is_damaged():
    whole = encoded("JPEG", progressive=True)
    scans = [at for at in range(len(whole) - 1) if whole[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for at in scans[1:]:
        with pytest.raises(PictureError, match="is damaged"):
            decode(whole[:at], "x")


@pytest.mark.parametrize(
    "segment",
    [(0xEE, b"Adobe\0"), (0xE2, b"ICC_PROFILE\0"), (0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0\1")],
)
def test_a_jpeg_is_read_whatever_programs_wrote_into_it(segment):
    marker, data = segment
    whole = encoded("JPEG")
    part = b"\xff" + bytes([marker]) + struct.pack(">H", 2 + len(data)) + data
    content = whole[:2] + part + whole[2:]
    assert np.array_equal(decode(content, "x"), decode(whole, "x"))


def test_findings_and_notes_tell_what_was_passed_over_and_converted(tmp_path):
    white = encoded("PNG")
    files = {
        "a.png": white[:33] + SPOILT["text with a wrong checksum"] + white[33:],
        "b.jpg": encoded("JPEG")[:-2],
        "c.png": encoded("PNG", icc_profile=iccs.rgb_profile(iccs.P3, 2.2)),
        "d.png": encoded("PNG", SOFT.rotate(90)),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    columns = {"path": list(files), "labels": [["x"], ["y"], ["x"], ["y"]]}
    samples = Samples.from_columns(columns, str(tmp_path))
    cache = open_cache()
    facts = scan(samples, cache)
    copies = find_copies(facts, samples.frame["labels"], cache, root=samples.root)
    found = findings(samples, facts, copies)
    told = {each.kind: each for each in found if each.kind in ("mended", "other-profile")}
    assert {kind: each.files for kind, each in told.items()} == {
        "mended": ("a.png", "b.jpg"),
        "other-profile": ("c.png",),
    }
    assert [each.severity for each in told.values()] == ["note", "note"]
    assert told["mended"].sentence == (
        "2 images are damaged beside the pixels (in texts, a colour profile or the end marker) "
        "('a.png' and 'b.jpg'); the pixels are whole and are read; other programs may refuse "
        "them: save them anew"
    )
    assert told["other-profile"].sentence == (
        "1 image has a colour profile other than sRGB ('c.png'); their colours are converted to "
        "sRGB, as a browser shows them"
    )
    assert set(health_notes(found)) >= {each.sentence for each in told.values()}


@pytest.mark.parametrize("progressive", [False, True])
def test_a_film_behind_a_jpeg_spoils_it_not_and_a_cut_one_lacks_its_end(progressive):
    whole = encoded("JPEG", progressive=progressive)
    film = b"\0\0\0\x18ftypmp42" + bytes(1000) + jpegs.SCANS + bytes(1000)
    assert not is_spoilt(whole + film)
    assert is_spoilt(whole[:-2])
    assert is_spoilt(whole[: whole.rfind(jpegs.SCANS) + 20])
