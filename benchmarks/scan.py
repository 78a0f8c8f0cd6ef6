"""How fast images are looked at: a first and a second scan, near copies, and large photos.

    uv run python benchmarks/scan.py FOLDER [LARGE_PHOTOS]

FOLDER: its pictures, at any depth, are scanned with an empty cache, and again by a process that
knows nothing but the cache. LARGE_PHOTOS: each picture there is loaded with a shorter side of 256
pixels by Fieldmark, which lets the JPEG decoder shrink, and by plain Pillow (open, convert,
resize); the smallest time of RUNS (5) counts.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from fieldmark.cache import Cache
from fieldmark.data.copies import find_copies
from fieldmark.data.images import SUFFIXES, decode
from fieldmark.data.scan import scan
from fieldmark.machine import processor, versions
from fieldmark.records import Samples

RUNS = 5
SIDE = 256


def pictures(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)


def timed(work):
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def scans(folder):
    """Prints the seconds of two scans and of the search for copies."""
    paths = [path.relative_to(folder).as_posix() for path in pictures(folder)]
    samples = Samples.from_columns({"path": paths}, str(Path(folder).resolve()))
    with tempfile.TemporaryDirectory() as place:
        first, facts = timed(lambda: scan(samples, Cache(Path(place))))
        second, again = timed(lambda: scan(samples, Cache(Path(place))))
    copies, found = timed(lambda: find_copies(facts, samples.frame["labels"], Cache(None)))
    assert facts.equals(again)
    megabytes = facts["bytes"].sum() / 1e6
    print(f"{folder}: n = {len(samples)} files, {megabytes:.1f} MB")
    print(f"  first scan   {first:8.2f} s  ({len(samples) / first:,.0f} files/s)")
    print(f"  second scan  {second:8.2f} s")
    repeated = len(samples) - len(np.unique(found.near))
    print(f"  near copies  {copies:8.2f} s  ({len(found.alike)} pairs; {repeated} repeated)")


def plain(path):
    """What everybody writes: the whole picture decoded, then made small."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
        scale = SIDE / min(rgb.size)
        size = (round(rgb.width * scale), round(rgb.height * scale))
        return np.asarray(rgb.resize(size, Image.Resampling.BILINEAR))


def large(folder):
    """Prints milliseconds a picture, and how many times faster than plain Pillow."""
    print(f"{folder}: ms a picture, shorter side {SIDE}, the smallest of {RUNS}")
    for path in pictures(folder):
        with Image.open(path) as image:
            millions = image.width * image.height / 1e6
        ways = (plain, lambda picture: decode(picture.read_bytes(), "", ("shorter", SIDE)))
        taken = [[timed(lambda w=way, p=path: w(p))[0] for way in ways] for _ in range(RUNS)]
        slow, fast = np.min(taken, axis=0)  # in turns: other work on the machine slows both
        print(
            f"  {path.name:<28}{millions:5.1f} Mpx  plain {slow * 1e3:6.1f}  "
            f"fieldmark {fast * 1e3:6.1f}  ratio {slow / fast:4.1f}"
        )


def main(folder, photos=None):
    print(f"{processor()}, {os.cpu_count()} cores; Pillow {PIL.__version__}; {versions()}")
    scans(folder)
    if photos:
        large(photos)


if __name__ == "__main__":
    main(*sys.argv[1:3])
