"""How long near copies are looked for, and with how much memory: facts of invented pictures.

    uv run python benchmarks/near_copies.py [N ...]

N pictures (100,000 and 1,000,000) are drawn as sums of cosines whose strengths fall with the
frequency, as those of photos do; every tenth is a copy of another with a little noise. No file is
read: the facts are those that a scan would give. A process each, so that the peak of the memory,
facts included, is its own. Seconds by the clock, and of the processor: what else runs there does
not count for the second.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.cache import Cache
from fieldmark.data.copies import COSINES, find_copies
from fieldmark.data.images import THUMB
from fieldmark.machine import processor, versions

AT_ONCE = 20_000
COPIED = 10
FALL = (1 + np.add.outer(np.arange(1, 9), np.arange(1, 9))) ** -1.5


def drawn(count, seed):
    """Hashes (count,) uint64 and small pictures of `count` photos."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(count, 8, 8)) * FALL
    copied = count // COPIED
    waves[:copied] = waves[copied : 2 * copied] + rng.normal(size=(copied, 8, 8)) * FALL * 0.01
    flat = waves.reshape(count, 64)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    hashes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    half = COSINES[1:9, :: 32 // THUMB]
    gray = np.einsum("fy,nfg,gx->nyx", half, waves, half) * 400 + 128
    tints = np.array([1.0, 0.9, 0.8])
    pixels = np.clip(gray[..., None] * tints, 0, 255).astype(np.uint8)
    return hashes, [pixel.tobytes() for pixel in pixels]


def facts_of(count):
    """What `find_copies` needs of `count` pictures."""
    parts = []
    for start in range(0, count, AT_ONCE):
        hashes, thumbs = drawn(min(AT_ONCE, count - start), start)
        names = [f"{start + place:032x}" for place in range(len(thumbs))]
        parts.append(pl.DataFrame({"hash": names, "phash": hashes, "thumb": thumbs}))
    return pl.concat(parts).with_columns(problem=pl.lit(None, pl.String))


def one(count):
    """Prints a line on `count` pictures."""
    facts = facts_of(count)
    labels = pl.Series([["one"]]).new_from_index(0, count)
    with tempfile.TemporaryDirectory() as place:
        taken = []
        for _ in range(2):
            begun, spent = time.perf_counter(), time.process_time()
            found = find_copies(facts, labels, Cache(Path(place)))
            taken += [time.perf_counter() - begun, time.process_time() - spent]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"n = {count:>9,}  first {taken[0]:6.2f} s (processor {taken[1]:.2f})  "
        f"again {taken[2]:6.2f} s ({taken[3]:.2f})  pairs {len(found.alike):,}  peak {peak:.2f} GB",
        flush=True,
    )


def main(counts):
    if len(counts) == 1:
        one(counts[0])
        return
    print(f"{processor()}, {os.cpu_count()} cores; {versions()}")
    for count in counts:
        subprocess.run([sys.executable, __file__, str(count)], check=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [100_000, 1_000_000])
