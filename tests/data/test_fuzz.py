"""Damaged files are read or refused: never another error, a warning, a hang or much memory."""

import io
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.data.images import PictureError, decode, examine

KINDS = {
    "JPEG": {"quality": 90},
    "progressive JPEG": {"progressive": True},
    "PNG": {},
    "GIF": {},
    "animated GIF": {"save_all": True},
    "WEBP": {},
    "lossless WEBP": {"lossless": True},
    "BMP": {},
    "TIFF": {},
    "packed TIFF": {"compression": "tiff_lzw"},
}
MOST_SECONDS = 5  # of one file, on a slow machine with other work
MOST_BYTES = 1_000_000_000


def drawn(kind, rng):
    """A picture of soft blobs as a file's bytes; JPEG, PNG, WebP and TIFF have EXIF too."""
    blobs = Image.fromarray(rng.integers(0, 256, size=(5, 7, 3), dtype=np.uint8))
    width, height = (int(length) for length in rng.integers(20, 120, size=2))
    image = blobs.resize((width, height), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[274], exif[271] = int(rng.integers(1, 9)), "a camera"
    options = dict(KINDS[kind])
    if options.get("save_all"):
        options["append_images"] = [image.transpose(Image.Transpose.ROTATE_180)]
    stream = io.BytesIO()
    image.save(stream, kind.split()[-1], exif=exif, **options)
    return stream.getvalue()


def damaged(content, rng):
    """One to three of: bytes changed, bits flipped, a piece cut, moved, doubled or zeroed."""
    found = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if len(found) < 8:
            break
        # much of the damage falls into the head, where it is worst
        reach = min(len(found), 64) if rng.random() < 0.3 else len(found)
        start, other = (int(at) for at in rng.integers(0, reach, size=2))
        end = min(len(found), start + int(rng.integers(1, 40)))
        match rng.integers(0, 7):
            case 0:
                found[start:end] = rng.bytes(end - start)
            case 1:
                found[start] ^= 1 << int(rng.integers(0, 8))
            case 2:
                del found[max(start, 8) :]
            case 3:
                del found[start:end]
            case 4:
                found[start], found[other] = found[other], found[start]
            case 5:
                found[start:start] = found[start:end]
            case 6:
                found[start:end] = bytes([int(rng.choice([0, 255]))]) * (end - start)
    return bytes(found)


def look(number):
    """Damage one picture and decode it in every way. -> whether it was refused, each time"""
    rng = np.random.default_rng([12, number])
    kinds = list(KINDS)
    content = damaged(drawn(kinds[number % len(kinds)], rng), rng)
    ways = (
        lambda: decode(content, "x.jpg").shape,
        lambda: decode(content, "x.jpg", ("shorter", 8)).shape,
        lambda: examine(content, "x.jpg").gray.shape,
    )
    return [is_refused(way, number) for way in ways]


def is_refused(way, number):
    begun, words = time.perf_counter(), None
    try:
        assert min(way()) > 0
    except PictureError as error:
        words = str(error)
    assert time.perf_counter() - begun < MOST_SECONDS, f"picture {number}"
    assert words is None or re.fullmatch(r"x\.jpg: [^\n]+; [^\n]+", words), words
    return words is not None


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_damaged_picture_is_read_or_refused_and_nothing_else(count):
    command = [sys.executable, "-W", "error", __file__, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    refused, peak = map(int, done.stdout.split())
    assert 0.2 * count < refused < 0.9 * count
    assert peak < MOST_BYTES


def test_the_damage_differs_from_picture_to_picture():
    rng = np.random.default_rng(0)
    content = drawn("PNG", rng)
    assert len({damaged(content, rng) for _ in range(20)}) > 15


def main(count):
    """Prints how many of `count` damaged pictures were refused, and the most memory used."""
    answers = [look(number) for number in range(count)]
    assert all(len(set(answer)) == 1 for answer in answers)
    print(sum(answer[0] for answer in answers), most_memory())


def most_memory():
    """Bytes; 0 where the system does not tell. (getrusage would tell that of the parent.)"""
    status = Path("/proc/self/status")
    words = status.read_text() if status.is_file() else ""
    found = re.search(r"VmHWM:\s+(\d+) kB", words)
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
