"""What the defaults reach on hard little data sets: the table of docs/results.md.

    uv run python benchmarks/results.py PHOTOS [--more FOLDER ...] --weights FILE [--seeds 3]
        [--only NAME ...] [--json FILE]

PHOTOS and each FOLDER hold train/CLASS/ and val/CLASS/. Made from them, for each seed anew:

few        5 training images a class of PHOTOS, and all of its `val`
many       as many of the classes of all folders as there are, each also turned upside down as a
           class of its own, at most 60, of 10 training images each and 6 of `val`
uneven     PHOTOS with 50 training images in its first class down to 1 in its last (1:50)
whole      PHOTOS as it is

Each is trained frozen (`--freeze`) and with the defaults, as a process of its own; `val` is the
test set. A seed decides the images as well as the training. Seconds are those of whole commands,
imports and report included; the cache is empty before each seed's first command, and the second
command finds the images that the first one decoded.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from timed_runs import fieldmark_train, heading

KINDS = {"frozen": ["--freeze"], "default": []}
CLASSES, FEW, MANY, MANY_TEST, MOST = 60, 5, 10, 6, 50


def files(folder, part):
    """Class -> its images, in order."""
    return {place.name: sorted(place.iterdir()) for place in sorted((folder / part).iterdir())}


def copy(images, target):
    target.mkdir(parents=True, exist_ok=True)
    for image in images:
        shutil.copy(image, target / image.name)


def turn(images, target):
    target.mkdir(parents=True, exist_ok=True)
    for image in images:
        with Image.open(image) as picture:
            picture.convert("RGB").transpose(Image.Transpose.ROTATE_180).save(
                target / f"{image.stem}.png"
            )


def drawn(images, count, draw):
    return [images[place] for place in draw.permutation(len(images))[:count]]


def few(folders, target, draw):
    for name, images in files(folders[0], "train").items():
        copy(drawn(images, FEW, draw), target / "train" / name)
    shutil.copytree(folders[0] / "val", target / "val")


def many(folders, target, draw):
    names = [(folder, name) for folder in folders for name in files(folder, "train")]
    made = [(folder, name, turned) for turned in (False, True) for folder, name in names]
    for folder, name, turned in made[:CLASSES]:
        for part, count in (("train", MANY), ("val", MANY_TEST)):
            images = drawn(sorted((folder / part / name).iterdir()), count, draw)
            label = f"{name}_turned" if turned else name
            (turn if turned else copy)(images, target / part / label)


def uneven(folders, target, draw):
    classes = files(folders[0], "train")
    counts = np.geomspace(MOST, 1, len(classes)).round().astype(int)
    for count, (name, images) in zip(counts, classes.items(), strict=True):
        copy(drawn(images, count, draw), target / "train" / name)
    shutil.copytree(folders[0] / "val", target / "val")


def whole(folders, target, draw):
    shutil.copytree(folders[0], target)


SETS = {"few": few, "many": many, "uneven": uneven, "whole": whole}


def measure(args):
    """-> (set, kind) -> a row a seed: {"seconds", "accuracy", "n"}"""
    found = {}
    for seed in range(args.seeds):
        for name in args.only or SETS:
            with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
                data = Path(folder) / name
                SETS[name]([args.photos, *args.more], data, np.random.default_rng(seed))
                for kind, words in KINDS.items():
                    line = [str(data), "--weights", str(args.weights), "--seed", str(seed), *words]
                    run = fieldmark_train(line, cache, set())
                    share, count = run.accuracy["val"]
                    row = {"seconds": run.whole, "accuracy": share, "n": count}
                    found.setdefault((name, kind), []).append(row)
                    print(f"seed {seed}  {name}  {kind}  {row}", file=sys.stderr, flush=True)
    return found


def tell(found):
    print("| data | kind | test accuracy, a number a seed | mean | n | seconds, median |")
    print("|---|---|---|---|---|---|")
    for (name, kind), rows in found.items():
        shares = " ".join(f"{100 * row['accuracy']:.1f}" for row in rows)
        mean = statistics.mean(100 * row["accuracy"] for row in rows)
        seconds = statistics.median(row["seconds"] for row in rows)
        print(f"| {name} | {kind} | {shares} | {mean:.1f} | {rows[0]['n']} | {seconds:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=SETS)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    print(heading(args.seeds))
    found = measure(args)
    tell(found)
    if args.json:
        rows = {f"{name} {kind}": rows for (name, kind), rows in found.items()}
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
