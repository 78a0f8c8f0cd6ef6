"""What a file is, by how it begins and, where that says too little, by its suffix.

Every door asks here: a folder that is listed, a row of a table, a picture that is named.
"""

import struct
from collections.abc import Iterator
from importlib.util import find_spec

from PIL import features

from fieldmark.machine import INSTALL

HEIF_READERS = ("pi_heif", "pillow_heif")  # whichever is installed; the first is the extra `heic`
HEIF = ("heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1")
HEIF_SUFFIXES = (".heic", ".heics", ".heif", ".hif")
READS_HEIF = any(find_spec(name) for name in HEIF_READERS)
READS_AVIF = bool(features.check("avif"))
HEAD = 32  # bytes of a file that say whether it is a picture

ELSE = "it is not read; save it as JPEG or PNG"
WAYS_OUT = {  # what a file is: what to do about it. Of all others ELSE is said
    "HEIC": f"{INSTALL} 'fieldmark[heic]' lets it be read; or save it as JPEG or PNG",
    "AVIF": "the Pillow that is installed does not read it; take a newer one, or save it as JPEG "
    "or PNG",
    "a camera's RAW file": "it is not read; develop it, and save it as JPEG or PNG",
    "a video": "it is not read; save frames of it as JPEG or PNG",
    "a web page": "download the picture anew, or take it out",
    "a PDF": "it is not read; save its pictures as JPEG or PNG",
    "an archive": "unpack it",
}
RAW = "a camera's RAW file"
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq"),
    *(".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2"),
    *(".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
BY_SUFFIX = dict.fromkeys(RAW_SUFFIXES, RAW) | dict.fromkeys(HEIF_SUFFIXES, "HEIC")
BY_SUFFIX |= {".avif": "AVIF", ".jxl": "JPEG XL", ".jp2": "JPEG 2000", ".j2k": "JPEG 2000"}
BY_SUFFIX |= {".svg": "SVG", ".psd": "a Photoshop file", ".ico": "an icon", ".tga": "TGA"}
BY_SUFFIX |= {".exr": "OpenEXR", ".hdr": "Radiance HDR", ".dds": "DDS", ".eps": "PostScript"}
BY_SUFFIX |= dict.fromkeys((".ppm", ".pgm", ".pbm"), "a Netpbm file") | {".pcx": "PCX"}
BY_SUFFIX |= {".jxr": "JPEG XR", ".qoi": "QOI", ".xcf": "a GIMP file", ".pdf": "a PDF"}
BY_SUFFIX |= {".dcm": "DICOM", ".dicom": "DICOM", ".nii": "NIfTI"}
VIDEO_SUFFIXES = (
    *(".3gp", ".asf", ".avi", ".flv", ".insv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"),
    *(".mpg", ".mts", ".webm", ".wmv"),
)
BY_SUFFIX |= dict.fromkeys(VIDEO_SUFFIXES, "a video")
COMMON = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
JPEG_LS = b"\xf7"  # the fourth byte of a file that begins like a JPEG and is none
BY_HEAD = {  # Some begin like a TIFF and are none
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\xff\xd8\xff" + JPEG_LS: "JPEG-LS",
    b"II\xbc\x01": "JPEG XR",
    b"IIRO": RAW,
    b"IIRS": RAW,
    b"MMOR": RAW,
    b"IIU\x00": RAW,
    b"FUJIFILMCCD-RAW": RAW,
    b"FOVb": RAW,
    b"\x00MRM": RAW,
    b"8BPS": "a Photoshop file",
    b"\x00\x00\x01\x00": "an icon",
    b"v/1\x01": "OpenEXR",
    b"#?R": "Radiance HDR",
    b"DDS ": "DDS",
    b"%!PS": "PostScript",
    b"%PDF": "a PDF",
    b"qoif": "QOI",
    b"BPG\xfb": "BPG",
    b"SIMPLE  =": "FITS",
    b"\x93NUMPY": "an array of NumPy's",
    b"\x89HDF": "HDF5",
    b"PK\x03\x04": "an archive",
    b"\x1f\x8b": "an archive",
    b"7z\xbc\xaf": "an archive",
    b"Rar!": "an archive",
    b"\x1aE\xdf\xa3": "a video",
    b"\x00\x00\x01\xba": "a video",
}
TIFF_HEADS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
CFA, LINEAR_RAW = 32803, 34892  # tag 262: a mosaic of colours, and one that is filled in
SUBFILES, PHOTOMETRIC, DNG_VERSION = 330, 262, 50706
MOST_FOLDERS = 64  # of tags in a TIFF that are looked at


def unread(content: bytes, suffix: str) -> str | None:
    """What a file of a kind that is not read is, and what to do; None of all others.

    content: whole, or its first HEAD bytes, which tell less. suffix: such as ".jpg", or "".
    """
    if content.startswith(COMMON) and content[3:4] != JPEG_LS:
        return None
    kind = _kind(content, suffix.lower())
    return None if kind is None else said_of(kind)


def of_foreign(head: bytes, suffix: str) -> str | None:
    """The same of a file whose suffix is of such a kind, by its first HEAD bytes and, where these
    say nothing, by the suffix; None of all others."""
    kind = BY_SUFFIX.get(suffix.lower())
    return None if kind is None or _is_read(kind) else unread(head, suffix) or said_of(kind)


def said_of(kind: str) -> str:
    """ "is HEIC: install ..." """
    return f"is {kind}: {WAYS_OUT.get(kind, ELSE)}"


def is_heif(content: bytes) -> bool:
    """Whether a file says that it is HEIC or its like."""
    return _of_boxes(content) == "HEIC"


def begins_as_picture(head: bytes, suffix: str) -> bool:
    """Whether a file is a picture of a kind that is read, by its first HEAD bytes."""
    return not unread(head, suffix) and _is_known(head)


def _is_known(head: bytes) -> bool:
    """Whether a file begins like a picture that is read; camera's RAW files begin like a TIFF."""
    if head.startswith((*COMMON, *TIFF_HEADS)) or _of_boxes(head) in ("HEIC", "AVIF"):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    is_bmp = head[:2] == b"BM" and head[6:10] == bytes(4)  # and the size of one of its headers:
    return is_bmp and len(head) >= 16 and head[14] in (12, 40, 52, 56, 64, 108, 124)


def _is_read(kind: str) -> bool:
    return (kind == "AVIF" and READS_AVIF) or (kind == "HEIC" and READS_HEIF)


def _kind(content: bytes, suffix: str) -> str | None:
    found = next((kind for head, kind in BY_HEAD.items() if content.startswith(head)), None)
    found = found or _of_boxes(content) or _of_text(content)
    is_tiff = content.startswith(TIFF_HEADS)
    if found is None and is_tiff and (content[8:10] == b"CR" or _holds_raw(content)):
        found = RAW
    if found is None and content[:4] == b"RIFF" and content[8:12] == b"AVI ":
        found = "a video"
    if found is None and content[6:14] == b"HEAPCCDR":
        found = RAW
    if found is None and content[128:132] == b"DICM":
        found = "DICOM"
    if found is None and (is_tiff or not _is_known(content)):
        found = BY_SUFFIX.get(suffix)
    return None if found is None or _is_read(found) else found


def _of_boxes(content: bytes) -> str | None:
    """Files made of boxes (ISO 14496-12), by the brands of the first: ftyp, its size before it."""
    if content[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(content[:4], "big"), len(content))
    brands = [content[at : at + 4].decode("latin-1") for at in (8, *range(16, end - 3, 4))]
    if "crx " in brands:
        return RAW
    if any(brand in ("avif", "avis") for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in HEIF for brand in brands) else "a video"


def _of_text(content: bytes) -> str | None:
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page"
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "SVG"
    is_netpbm = start[:1] == b"p" and start[1:2] in b"1234567" and start[2:3].isspace()
    return "a Netpbm file" if is_netpbm and content[:1] == b"P" else None


def _holds_raw(content: bytes) -> bool:
    """Whether any folder of tags in a TIFF is of what a sensor saw."""
    return any(
        tags.get(PHOTOMETRIC) in ((CFA,), (LINEAR_RAW,)) or DNG_VERSION in tags
        for tags in _folders_of(content)
    )


def _folders_of(content: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """Numbers by tag (PHOTOMETRIC, SUBFILES, DNG_VERSION) in each folder of a TIFF that is there.

    A tag takes 12 bytes: its number and type (2 each), how many values, and these or their place.
    """
    order = "<" if content[:2] == b"II" else ">"
    waiting, seen = list(_numbers(content, order, "I", 4, 1)), set[int]()
    while waiting and len(seen) < MOST_FOLDERS:
        place = waiting.pop(0)
        if place in seen or place < 8:
            continue
        seen.add(place)
        tags = {}
        [count] = _numbers(content, order, "H", place, 1) or (0,)
        for at in range(place + 2, place + 2 + 12 * min(count, 4096), 12):
            head = _numbers(content, order, "H", at, 2)
            if head and head[0] in (PHOTOMETRIC, SUBFILES, DNG_VERSION):
                tags[head[0]] = _values(content, order, at, kind=head[1])
        yield tags
        waiting += tags.get(SUBFILES, ())
        waiting += _numbers(content, order, "I", place + 2 + 12 * count, 1)


def _values(content: bytes, order: str, at: int, *, kind: int) -> tuple[int, ...]:
    letter = "H" if kind == 3 else "I"
    [count] = _numbers(content, order, "I", at + 4, 1) or (0,)
    count = min(count, MOST_FOLDERS)
    if count * struct.calcsize(letter) <= 4:
        return _numbers(content, order, letter, at + 8, count)
    [place] = _numbers(content, order, "I", at + 8, 1) or (len(content),)
    return _numbers(content, order, letter, place, count)


def _numbers(content: bytes, order: str, letter: str, at: int, count: int) -> tuple[int, ...]:
    """() where the file ends before."""
    form = f"{order}{count}{letter}"
    if at + struct.calcsize(form) > len(content):
        return ()
    return struct.unpack_from(form, content, at)
