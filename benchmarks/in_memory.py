"""How fast small images come in memory, a batch at a time, and how fast networks take them.

    uv run python benchmarks/in_memory.py FOLDER [--rounds 3] [--seconds 2] [--networks NAMES]

FOLDER holds small images (CIFAR-10's, say), of which training sees 32 pixels. For each
augmentation, images a second of the loader with none, one and two workers, and of the images in
memory on the device that there is; nothing is trained. Then training steps of each network
(forward, backward, SGD) on a batch that lies there already, in the precision that `fieldmark
train` takes. All take turns, round by round; medians, with the smallest and the largest.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from fieldmark.cache import Cache
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS
from fieldmark.data.in_memory import InMemory, read_all
from fieldmark.data.loader import Augmenting, Batches, Images
from fieldmark.data.scan import scan, with_facts
from fieldmark.data.sources import read_listing
from fieldmark.data.stored import store
from fieldmark.machine import machine
from fieldmark.models import precision
from fieldmark.models.bundle import Classifier
from fieldmark.models.catalog import MODELS, family
from fieldmark.records import InputSpec

SPEC, BATCH, PRESETS = InputSpec("square:32", 32), 512, ("light", "crop", "cifar")


def read(folder, cache):
    """The images of a folder, and their stored form."""
    listed = read_listing(folder).samples
    samples, _ = with_facts(listed, scan(listed, cache))
    return samples, store(samples, SPEC.form, cache, lambda _: None)


def loaders(samples, stored, preset, device):
    """Ways to have an epoch's batches, by name."""
    rows, how = np.arange(len(samples)), {"batch_size": BATCH, "seed": 0}
    augmenting = Augmenting(AUGMENTS.build(preset, {}, SPEC), seed=0)
    images = Images(samples, samples.classes, SPEC, augmenting, stored=stored)
    ways = {
        f"{preset}, {workers} workers": Batches(images, rows, workers=workers, **how)
        for workers in (0, 1, 2)
    }
    pixels = read_all(samples, SPEC, stored).to(device)
    targets, augment = samples.targets(samples.classes), BATCH_AUGMENTS[preset](SPEC)
    held = InMemory(pixels, targets, rows, augment=augment, **how)
    return {**ways, f"{preset}, in memory": held}


def epochs(batches):
    """Epoch after epoch, as a stream of how many images came."""
    return (len(each) for epoch in itertools.count() for _, each in batches.epoch(epoch))


def steps(name, batch, device):
    """Training steps of a network, as a stream of how many images it took."""
    images, targets = batch[0].to(device), batch[1].to(device)
    model = Classifier(MODELS.build(name, {}, 10), SPEC).to(device)
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    autocast = precision.autocast(precision.choose(device, family(name)), device)
    while True:
        optimizer.zero_grad()
        with autocast():
            logits = model(images)
        torch.nn.functional.cross_entropy(logits.float(), targets).backward()
        optimizer.step()
        yield len(images)


def rate(stream, seconds, device):
    """Images a second of a stream that has begun already."""
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        count += next(stream)
        if device.type == "cuda":
            torch.cuda.synchronize()
    return count / (time.perf_counter() - begun)


def main(args):
    torch.manual_seed(0)
    device = precision.pick_device("auto")
    print(machine(device))
    with tempfile.TemporaryDirectory() as place:
        samples, stored = read(args.folder, Cache(Path(place)))
        ways = {}
        for preset in PRESETS:
            ways |= loaders(samples, stored, preset, device)
        batch = next(ways["light, in memory"].epoch(0))
        streams = {name: epochs(way) for name, way in ways.items()}
        streams |= {name: steps(name, batch, device) for name in args.networks}
        for stream in streams.values():
            next(stream)  # workers start, kernels are chosen
        rates = {name: [] for name in streams}
        for _ in range(args.rounds):
            for name, stream in streams.items():
                rates[name].append(rate(stream, args.seconds, device))
    tell(rates, args.networks)


def tell(rates, networks):
    """Images a second of everything, and how many times a network's need comes from memory."""
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print(f"{'images/s':<24}{'median':>10}{'least':>10}{'most':>10}")
    for name, found in rates.items():
        print(f"{name:<24}{medians[name]:>10,.0f}{min(found):>10,.0f}{max(found):>10,.0f}")
    for name in networks:
        times = {p: medians[f"{p}, in memory"] / medians[name] for p in PRESETS}
        words = ", ".join(f"{preset} {ratio:,.0f}" for preset, ratio in times.items())
        print(f"in memory, times what {name} takes: {words}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--networks", nargs="*", default=["cifar_fast", "cifar_resnet18"])
    main(parser.parse_args())
