"""What a file is is told by its content, by the same sentence at every door."""

import io
import struct

import numpy as np
import pytest
from heics import HEIC
from PIL import Image, features
from scannedsource import read_source
from tiffs import SHORT, page, tiff

from fieldmark.data import kinds
from fieldmark.data.images import decode, examine
from fieldmark.data.opening import PictureError
from fieldmark.data.sources import read_listing
from fieldmark.errors import DataError
from fieldmark.machine import INSTALL
from fieldmark.use.inputs import find_images

QUARTERS = np.zeros((48, 64, 3), np.uint8)
QUARTERS[:24, :32], QUARTERS[:24, 32:] = (200, 60, 40), (30, 180, 60)
QUARTERS[24:, :32], QUARTERS[24:, 32:] = (40, 60, 200), (230, 220, 30)
MOSAIC = tiff(
    page(QUARTERS[::8, ::8].copy(), 2, t254=(4, 1)),
    page(np.zeros((8, 8), np.uint16), 32803),
)
NOT_READ = "it is not read; save it as JPEG or PNG"
RAW = "a camera's RAW file: it is not read; develop it, and save it as JPEG or PNG"


def encoded(kind, **options):
    stream = io.BytesIO()
    Image.fromarray(QUARTERS).save(stream, kind, **options)
    return stream.getvalue()


def of_boxes(*brands):
    names = b"".join(brands)
    return struct.pack(">I4s", 12 + len(names), b"ftyp") + brands[0] + bytes(4) + names[4:]


FILES = {
    "jp2": (encoded("JPEG2000"), f"JPEG 2000: {NOT_READ}"),
    "codestream": (encoded("JPEG2000", no_jp2=True), f"JPEG 2000: {NOT_READ}"),
    "jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), f"JPEG XL: {NOT_READ}"),
    "bare jxl": (b"\xff\x0a" + bytes(20), f"JPEG XL: {NOT_READ}"),
    "jpeg-ls": (b"\xff\xd8\xff\xf7" + bytes(20), f"JPEG-LS: {NOT_READ}"),
    "psd": (b"8BPS" + bytes(30), f"a Photoshop file: {NOT_READ}"),
    "icon": (encoded("ICO"), f"an icon: {NOT_READ}"),
    "svg": (b"<?xml version='1.0'?>\n<svg/>", f"SVG: {NOT_READ}"),
    "ppm": (encoded("PPM"), f"a Netpbm file: {NOT_READ}"),
    "pdf": (b"%PDF-1.7\n", "a PDF: it is not read; save its pictures as JPEG or PNG"),
    "web page": (
        b"<!DOCTYPE html><html>404</html>",
        "a web page: download the picture anew, or take it out",
    ),
    "archive": (b"PK\3\4" + bytes(30), "an archive: unpack it"),
    "video": (
        of_boxes(b"isom", b"mp42"),
        "a video: it is not read; save frames of it as JPEG or PNG",
    ),
    "cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(30), RAW),
    "cr3": (of_boxes(b"crx ", b"isom"), RAW),
    "orf": (b"IIRO\x08\0\0\0" + bytes(30), RAW),
    "raf": (b"FUJIFILMCCD-RAW 0201" + bytes(30), RAW),
    "rw2": (b"IIU\0\x08\0\0\0" + bytes(30), RAW),
    "mosaic": (MOSAIC, RAW),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_called_jpg_is_told_as_what_it_is(name):
    content, words = FILES[name]
    for look in (decode, examine):
        with pytest.raises(PictureError) as caught:
            look(content, "x.jpg")
        assert str(caught.value) == f"x.jpg: is {words}"


def test_a_jpeg_of_12_bits_is_told_as_that():
    frame = b"\xff\xc1" + struct.pack(">HBHHB", 11, 12, 8, 8, 1) + b"\1\x11\0"
    with pytest.raises(PictureError) as caught:
        decode(b"\xff\xd8" + frame + b"\xff\xd9", "x.jpg")
    assert (
        str(caught.value) == "x.jpg: is a JPEG of 12 bits, which is not read; save it with 8 bits"
    )


@pytest.mark.parametrize("suffix", [".dng", ".CR2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"])  # fmt: skip  # noqa: E501
def test_a_cameras_raw_file_is_refused_by_the_same_sentence_everywhere(tmp_path, suffix):
    for name in ("cat/1.png", "dog/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(QUARTERS).save(tmp_path / name)
    raw = tmp_path / "cat" / f"2{suffix}"
    raw.write_bytes(tiff(page(QUARTERS, 2, t271=(SHORT, 1))))  # its thumbnail alone
    sentence = f"{raw}: is {RAW}"
    assert read_listing(str(tmp_path)).left_out == {f"cat/2{suffix}": sentence}
    table = tmp_path / "labels.csv"
    lines = [f"cat/2{suffix},cat", "cat/1.png,cat", "dog/1.png,dog"]
    table.write_text("\n".join(["path,label", *lines]))
    assert list(read_source(str(table)).left_out.values()) == [sentence]
    with pytest.raises(PictureError) as caught:
        decode(raw.read_bytes(), str(raw))
    assert str(caught.value) == sentence
    notes = find_images([tmp_path]).notes
    assert f"{tmp_path}: 1 file passed over: 'cat/2{suffix}' is {RAW}" in notes
    assert find_images([raw]).images == (raw,)  # and refused where it is read, as above


@pytest.mark.parametrize("content", [b"", b"II*\0", b"nobody knows this"])
def test_what_says_nothing_itself_is_what_its_name_says(content):
    for name, words in {"x.nef": RAW, "x.jxl": f"JPEG XL: {NOT_READ}"}.items():
        with pytest.raises(PictureError) as caught:
            decode(content, name)
        assert str(caught.value) == f"{name}: is {words}"
    jpeg = encoded("JPEG")
    assert np.array_equal(decode(jpeg, "x.nef"), decode(jpeg, "x.jpg"))


def test_content_that_is_known_under_another_name_is_refused_by_its_own(tmp_path):
    content = tiff(page(QUARTERS, 2))
    for name in ("cat/1.tif", "dog/1.tif", "cat/2.dng"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    table = tmp_path / "labels.csv"
    table.write_text("path,label\ncat/1.tif,cat\ncat/2.dng,cat\ndog/1.tif,dog\n")
    assert list(read_source(str(table)).left_out.values()) == [f"{tmp_path}/cat/2.dng: is {RAW}"]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read_as_any_other_format(tmp_path):
    content = encoded("AVIF", quality=95, subsampling="4:4:4")
    for name in ("x.avif", "x.jpg"):
        assert np.abs(decode(content, name).astype(int) - QUARTERS).max() < 12
    assert examine(content, "x.avif").format == "AVIF"
    with pytest.raises(DataError, match="is damaged"):
        decode(content[:-40], "x.avif")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.avif").write_bytes(content)
    (tmp_path / "cat" / "2").write_bytes(content)
    assert read_listing(str(tmp_path)).samples.frame["path"].to_list() == ["cat/1.avif", "cat/2"]


def test_heic_is_told_with_the_way_out_where_nothing_reads_it(monkeypatch):
    monkeypatch.setattr(kinds, "READS_HEIF", False)
    for name in ("x.jpg", "x.heic"):
        with pytest.raises(PictureError) as caught:
            decode(HEIC, name)
        assert str(caught.value) == (
            f"{name}: is HEIC: {INSTALL} 'fieldmark[heic]' lets it be read; or save it as JPEG "
            "or PNG"
        )


@pytest.mark.skipif(not kinds.READS_HEIF, reason="fieldmark[heic] is not installed")
def test_heic_is_read_upright_where_the_extra_is_installed():
    found = decode(HEIC, "x.heic").astype(int)
    assert np.abs(found - np.rot90(QUARTERS, -1)).mean() < 4
    assert examine(HEIC, "x.jpg").format == "HEIF"
    with pytest.raises(PictureError, match="is damaged"):
        decode(HEIC[:-100], "x.heic")
