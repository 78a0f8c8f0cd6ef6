"""Which network is the best start for photos: accuracy, images a second, seconds of a command.

    uv run python benchmarks/photo_networks.py DATA [DATA ...] [--networks NAME[=FILE] ...]
        [--each 5 20 0] [--draws 3]

Each DATA has `train/CLASS/` and `val/CLASS/`; the latter is the test. For each network `train
--freeze` on so many training images a class (0: all), drawn anew for each draw. Accuracy and log
loss are the mean of the draws; in brackets the lowest and the highest accuracy of them, or of one
run its 95 % interval. Seconds are those of the first command on all images, with a cache that is
empty, imports included; images a second those of its embedding. A NAME=FILE takes its weights from
the file.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fieldmark.machine import processor, versions


def part(data, each, draw, place):
    """A folder of links: `each` training images of a class (0: all), and the test."""
    for side, name in (("train", "train"), ("val", "test")):
        for folder in sorted((data / side).iterdir()):
            files = sorted(folder.iterdir())
            if side == "train" and each:
                files = random.Random(draw).sample(files, min(each, len(files)))
            (place / name / folder.name).mkdir(parents=True)
            for file in files:
                (place / name / folder.name / file.name).symlink_to(file)
    return place


def trained(photos, network, out, cache):
    """One command. -> its metrics.json, and its seconds"""
    name, _, file = network.partition("=")
    words = ["train", photos, "--freeze", "--model", name, "--out", out, "--name", "run"]
    words += ["--weights", file] if file else []
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "fieldmark", *map(str, words)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "FIELDMARK_CACHE": str(cache)},
    )
    seconds = time.monotonic() - begun
    return json.loads((Path(out) / "run" / "metrics.json").read_text()), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--networks", nargs="+", default=["mobilenet_v2", "efficientnet_lite0"])
    parser.add_argument("--each", nargs="+", type=int, default=[5, 20, 0])
    parser.add_argument("--draws", type=int, default=3)
    given = parser.parse_args()
    print(f"{processor()}, {os.cpu_count()} cores; {versions()}")
    for data in given.data:
        for network in given.networks:
            with tempfile.TemporaryDirectory() as place:
                line = row(data.resolve(), network, given, Path(place))
            print(f"{data.name:<14}{network.partition('=')[0]:<20}{line}", flush=True)


def row(data, network, given, place):
    """The figures of one network on one data set."""
    cells, cost = [], ""
    for each in sorted(given.each, key=lambda number: number or 10**9, reverse=True):
        found = []
        for draw in range(given.draws if each else 1):
            folder = place / f"{each}-{draw}"
            photos = part(data, each, draw, folder / "photos")
            metrics, seconds = trained(photos, network, folder, place / "cache")
            test = metrics["test"]
            found.append((test["accuracy"], test["log_loss"]))
            ends = test["intervals"]["accuracy"]
            if not each:
                images = sum(1 for file in photos.rglob("*") if file.is_symlink())
                rate = images / metrics["about"]["times"]["embedding"]
                cost = f"{rate:5.0f} images/s, {seconds:.1f} s"
        accuracy, loss = (sum(column) / len(found) for column in zip(*found, strict=True))
        low, high = ends if len(found) == 1 else (min(found)[0], max(found)[0])
        spread = f"({100 * low:.1f} to {100 * high:.1f})"
        cells.append(f"{each or 'all'}: {100 * accuracy:.1f} % {spread} {loss:.3f}")
    return f"n = {test['n']}  " + "  ".join(reversed(cells)) + f"  {cost}"


if __name__ == "__main__":
    main()
