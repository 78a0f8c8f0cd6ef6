"""How fast training images come, against the script that people write.

    uv run python benchmarks/loading.py FOLDER [EPOCHS]

FOLDER holds class folders, or train with such. Both hand out batches of 32 at 224 px with a
random crop and a mirror image by half, from two workers, and nothing is trained: torchvision's
ImageFolder and DataLoader (resize 256, crop, flip, to tensor, normalise), and Fieldmark's loader
with its stored images, the first epoch with their decoding. They take turns, epoch by epoch.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from fieldmark.cache import Cache
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.loader import Augmenting, Batches, Images
from fieldmark.data.scan import scan, with_facts
from fieldmark.data.sources import read_listing
from fieldmark.data.stored import store
from fieldmark.machine import processor, versions
from fieldmark.records import InputSpec

SPEC, BATCH, WORKERS = InputSpec("shorter:256", 224), 32, 2


def plain(folder):
    """The script that people write. -> a function that runs one epoch"""
    change = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.RandomCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(SPEC.mean, SPEC.std),
        ]
    )
    images = datasets.ImageFolder(folder, change)
    loader = DataLoader(images, BATCH, shuffle=True, num_workers=WORKERS)
    return lambda epoch: sum(len(targets) for _, targets in loader)


def ours(folder, cache, workers):
    """Fieldmark's loader. -> a function that runs one epoch; the first one decodes"""
    listed = read_listing(str(folder)).samples
    samples, _ = with_facts(listed, scan(listed, cache))
    batches = []

    def epoch(number):
        if not batches:
            stored = store(samples, SPEC.form, cache, lambda _: None)
            change = Augmenting(AUGMENTS.build("light", {}, SPEC), seed=0)
            images = Images(samples, samples.classes, SPEC, change, stored=stored)
            rows = np.arange(len(samples))
            batches.append(Batches(images, rows, batch_size=BATCH, seed=0, workers=workers))
        return sum(len(targets) for _, targets in batches[0].epoch(number))

    return epoch


def main(folder, epochs):
    train = folder / "train" if (folder / "train").is_dir() else folder
    print(f"{processor()}, {os.cpu_count()} cores; {versions()}")
    with tempfile.TemporaryDirectory() as place:
        runs = {
            "ImageFolder, 2 workers": plain(train),
            "Fieldmark, 2 workers": ours(train, Cache(Path(place, "a")), WORKERS),
            "Fieldmark, none (one core)": ours(train, Cache(Path(place, "b")), 0),
        }
        print(f"images/s{'':<22}" + "".join(f"epoch {k + 1:<6}" for k in range(epochs)))
        rates = {name: [] for name in runs}
        for number in range(epochs):
            for name, run in runs.items():
                begun = time.perf_counter()
                count = run(number)
                rates[name].append(count / (time.perf_counter() - begun))
    for name, found in rates.items():
        print(f"{name:<30}" + "".join(f"{rate:<12.0f}" for rate in found))
    first, theirs = rates["Fieldmark, 2 workers"], rates["ImageFolder, 2 workers"]
    ratios = "".join(f"{a / b:<12.1f}" for a, b in zip(first, theirs, strict=True))
    print(f"{'ratio, 2 workers each':<30}{ratios}")


if __name__ == "__main__":
    torch.manual_seed(0)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4)
