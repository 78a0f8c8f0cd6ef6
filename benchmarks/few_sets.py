"""Folders of links to few images a class, drawn anew for each draw. Used by few.py.

A set's pool is place/train/CLASS/ and place/test/CLASS/, with no copy of a test image among those
to train on, as Fieldmark finds them. A mixed set has the classes of all its sources and, until
there are 60, each once more, upside down, as a class of its own, and at most 20 images a class for
the test.
"""

import shutil
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from fieldmark.console import Console
from fieldmark.data.intake import take_in
from fieldmark.data.sources import read_pixels
from fieldmark.settings.tree import DataSettings

CLASSES, MIXED_TEST = 60, 20


def pool(sources, place, mixed):
    """All images of a set, as place/train/CLASS/ and place/test/CLASS/. -> place"""
    if place.is_dir():
        return place
    draft = place.with_name(f"{place.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    counts, classes = Counter(), []
    for end, source in product(("", "_turned") if mixed else ("",), sources):
        settings = DataSettings(source=str(source), val="none")
        samples = take_in(settings, Console(quiet=True)).samples
        classes += [f"{name}{end}" for name in samples.classes]
        rows = samples.frame.select("path", "row", "labels", "split").rows()
        for at in np.random.default_rng(0).permutation(len(rows)):
            path, row, [label], side = rows[at]
            folder = draft / side / f"{label}{end}"
            counts[folder] += 1
            full = side == "test" and counts[folder] > MIXED_TEST
            if mixed and (full or folder.name not in classes[:CLASSES]):
                continue
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{counts[folder]:05}"
            if row is None and not end:
                file = Path(samples.root, path).resolve()
                (folder / f"{name}{file.suffix}").symlink_to(file)
                continue
            pixels = read_pixels(samples.root, path, row, None)
            pixels = np.ascontiguousarray(pixels[::-1, ::-1]) if end else pixels
            Image.fromarray(pixels).save(folder / f"{name}.png")
    return draft.rename(place)


def drawn(whole, each, draw, place):
    """Links to `each` training images a class (0: all), and to the test. -> place"""
    shutil.rmtree(place, ignore_errors=True)
    rng = np.random.default_rng(draw)
    for folder in sorted((whole / "train").iterdir()):
        files, target = sorted(folder.iterdir()), place / "train" / folder.name
        target.mkdir(parents=True)
        for at in rng.permutation(len(files))[: each or None]:
            (target / files[at].name).symlink_to(files[at].resolve())
    (place / "test").symlink_to(whole.resolve() / "test")
    return place
