"""How long a table of a million rows is listed and split, and with how much memory.

    uv run python benchmarks/large_table.py [N]

Rows of an image each (the images are made up, and taken to be there), 1,000 classes of uneven
sizes, every tenth row with a quoted comma. Listed, then split twice: with groups of about twenty
images that stay whole, and without. Seconds by the clock, and of the processor.
"""

import os
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.data.cells import Columns
from fieldmark.data.splits import split
from fieldmark.data.tables import Finder, read_table
from fieldmark.machine import processor, versions


def written(folder, count):
    """A table of `count` rows. -> its path"""
    draw = np.random.default_rng(0)
    classes, sites = draw.zipf(1.3, count) % 1000, draw.integers(0, count // 20 + 1, count)
    frame = pl.DataFrame(
        {
            "path": [f"img/{row % 1000:03}/{row:07}.jpg" for row in range(count)],
            "label": [f"class {number:03}" for number in classes],
            "site": [f"s{number}" for number in sites],
            "note": ['of "old", dry' if row % 10 == 0 else "wet" for row in range(count)],
        }
    )
    frame.write_csv(folder / "table.csv")
    return folder / "table.csv"


def timed(what, work):
    """Do it, and print its seconds."""
    begun, spent = time.perf_counter(), time.process_time()
    result = work()
    taken = time.perf_counter() - begun, time.process_time() - spent
    print(f"  {what:<22} {taken[0]:6.2f} s  (processor {taken[1]:.2f})")
    return result


def main(count=1_000_000):
    print(f"{processor()}, {os.cpu_count()} cores; {versions()}")
    print(f"n = {count:,} rows")
    Finder._exact = lambda self, folder, name: name
    with tempfile.TemporaryDirectory() as place:
        path = written(Path(place), count)
        listing = timed("listed", lambda: read_table(path, Columns(group="site")))
    grouped = listing.samples
    single = replace(grouped, frame=grouped.frame.with_columns(group=pl.lit(None, pl.String)))
    timed("split, groups whole", lambda: split(grouped, val=0.15, test=0.15, seed=0))
    timed("split, image by image", lambda: split(single, val=0.15, test=0.15, seed=0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"  peak of the memory     {peak:6.2f} GB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
