"""Networks from scratch: what each recipe reached, and the paired tests of docs/results.md.

    uv run python benchmarks/from_scratch.py PHOTOS CIFAR --out DIR [--epochs 40] [--size 112]
        [--only NAME ...]

PHOTOS holds train/CLASS/ and val/CLASS/; CIFAR holds CIFAR-10's own files, or a part of them.
Each run is a process of its own and lies in DIR/NAME; one that is done is not trained again and
one that was stopped goes on, so that the whole can be had in pieces. `val` is the test set
(data.test=auto). Seconds are those of training.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from fieldmark.machine import processor, versions

PHOTO_RUNS = {  # name -> recipe, further words; E is --epochs
    "nature-cnn": ("nature-cnn", []),
    "nature-cnn, no dropout": ("nature-cnn", ["model.dropout=0"]),
    "nature-cnn, E epochs": ("nature-cnn", ["train.epochs=E"]),
    "nature-cnn, E epochs, no dropout": ("nature-cnn", ["train.epochs=E", "model.dropout=0"]),
    "nature-cnn-published": ("nature-cnn-published", ["train.epochs=E"]),
    "nature-cnn-published, no dropout": (
        "nature-cnn-published",
        ["train.epochs=E", "model.dropout=0"],
    ),
    "nature-cnn-best": ("nature-cnn-best", ["train.epochs=E"]),
    "birds-alexnet": ("birds-alexnet", ["data.test=auto"]),
    "birds-alexnet-best": ("birds-alexnet-best", ["data.test=auto"]),
}
CIFAR_RUNS = {
    "cifar-resnet18": ("cifar-resnet18", []),
    "cifar-resnet18-best": ("cifar-resnet18-best", []),
    "cifar-fast": ("cifar-fast", ["train.batch_size=256"]),
}
TWINS = ("nature-cnn, E epochs", "nature-cnn, E epochs, no dropout", "nature-cnn-published")
TWO_SEEDS = {*TWINS, "nature-cnn-published, no dropout", "nature-cnn-best"}


def fieldmark(*words):
    """A command, to its end. -> what it printed"""
    command = [sys.executable, "-m", "fieldmark", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def train(folder, words):
    """The run in `folder`, trained where it is not, to its end. -> its metrics.json"""
    if (folder / "checkpoint").is_dir():
        fieldmark("train", "--resume", folder)
    elif not (folder / "manifest.json").is_file():
        fieldmark("train", *words, "--out", folder.parent, "--name", folder.name, "run.threads=1")
    return json.loads((folder / "metrics.json").read_text())


def line(name, seed, found):
    """A row of the table."""
    test, about = found["test"], found["about"]
    low, high = test["intervals"]["accuracy"]
    flipped = found.get("test_flip", {}).get("test")
    apart = f"{100 * flipped['accuracy']:.1f}" if flipped else ""
    return (
        f"| {name} | {seed} | {100 * test['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        f" | {apart} | {test['n']} | {about['seconds']:.0f} |"
    )


def tell_pairs(folders, epochs):
    """For each seed, the best recipe against each of the others with as many epochs."""
    for seed in (0, 1):
        best = folders[("nature-cnn-best", seed)]
        for name in TWO_SEEDS - {"nature-cnn-best"}:
            if (name, seed) in folders:
                other = folders[(name, seed)]
                page = best.parent / "compare.html"
                said = fieldmark("compare", other, best, "--page", page, "--json")
                print(f"seed {seed}, nature-cnn-best against {name.replace('E ', f'{epochs} ')}:")
                print(f"  {json.loads(said)['comparisons'][0]['sentence']}")


def main(given):
    print(f"{processor()}; {versions()}")
    print("| recipe | seed | test accuracy | with mirror images | n | seconds |")
    print("|---|---|---|---|---|---|")
    folders = {}
    plans = [(given.photos, PHOTO_RUNS, ["--image-size", given.size, "--workers", 1])]
    plans.append(("cifar10", CIFAR_RUNS, ["--data-dir", given.cifar]))
    for source, runs, more in plans:
        for name, (recipe, words) in runs.items():
            if given.only and name not in given.only:
                continue
            words = [word.replace("=E", f"={given.epochs}") for word in words]
            for seed in (0, 1) if name in TWO_SEEDS else (0,):
                folder = given.out / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
                how = [source, "--recipe", recipe, *more, "--seed", seed, *words]
                found = train(folder, how)
                folders[(name, seed)] = folder
                print(line(name.replace("E ", f"{given.epochs} "), seed, found), flush=True)
    if ("nature-cnn-best", 0) in folders:
        tell_pairs(folders, given.epochs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("cifar", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--only", nargs="*")
    main(parser.parse_args())
