"""How fast a whole network trains, against the plain loop and the best that is written by hand.

    uv run python benchmarks/plain_fine_tune.py DATA [--networks mobilenet_v2 resnet18 ...]
        [--weights mobilenet_v2=FILE ...] [--rounds 5] [--steps 3] [--compile]

Training steps of 32 images at 224 px, forward, backward and AdamW on all parameters, on photos
from class folders (DATA, or DATA/train) that lie decoded in memory, so that loading counts for
nobody. The ways take turns, round by round, each round in another order:

    plain        float32, the loop as everybody writes it
    by hand      bf16 autocast, channels last, fused AdamW: what a careful person writes
    Fieldmark    the step of its own loop, with its seeding and its figures; it takes bytes and
                 normalises them in the step, while the others are handed normalised floats
    --compile    Fieldmark with torch.compile; the seconds of its first step are told, and after
                 how many images it has caught up

A network without a file has random weights, which are as fast. Rates are medians over the
rounds, ratios the median of the rounds' ratios. It needs a processor with bf16.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torchvision
from torch.nn import functional
from torchvision import datasets, transforms

from fieldmark.fit.loop import seed_step, set_rate, step
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.plan import Parts, Plan
from fieldmark.fit.schedules import SCHEDULES
from fieldmark.fit.state import State
from fieldmark.machine import processor, versions
from fieldmark.models.bundle import Classifier
from fieldmark.models.heads import head_of
from fieldmark.models.precision import autocast, has_fast_bf16
from fieldmark.models.weights import load_into, read_weights
from fieldmark.records import InputSpec

SPEC, BATCH, RATE = InputSpec("shorter:256", 224), 32, 1e-4
PLAIN, BY_HAND, OURS, COMPILED = "plain float32", "bf16 by hand", "Fieldmark", "  --compile"


def decoded(folder, count):
    """Photos of all classes and the number of classes: (count, BATCH, 3, 224, 224) uint8."""
    cut = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.PILToTensor()]
    )
    photos = datasets.ImageFolder(folder, cut)
    rows = np.random.default_rng(0).permutation(len(photos))[: count * BATCH]
    if len(rows) < count * BATCH:
        sys.exit(
            f"{folder}: has {len(photos)} images and {count * BATCH} are needed; fewer --steps"
        )
    images, labels = zip(*(photos[row] for row in rows), strict=True)
    shape = (count, BATCH, 3, 224, 224)
    return torch.stack(images).view(shape), torch.tensor(labels).view(count, BATCH), photos.classes


def network_of(name, weights, classes):
    """A torchvision network with a head for these classes, the same for each way."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(name, weights=None, num_classes=classes)
    if weights:
        load_into(network, read_weights(Path(weights)))
    assert head_of(network)[1].weight.shape[0] == classes
    return network


def plain(network):
    """float32, as everybody writes it. -> a function that trains on one batch"""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), RATE)

    def train(images, labels):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return train


def by_hand(network):
    """bf16 and channels last. -> a function that trains on one batch"""
    network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), RATE, fused=True)

    def train(images, labels):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images)
        loss = functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return train


def ours(network, batches, classes, *, compiled=False):
    """Fieldmark's loop, step by step. -> a function that trains on one batch"""
    device = torch.device("cpu")
    model = Classifier(network, SPEC).to(memory_format=torch.channels_last).train()
    state = State(model, OPTIMIZERS.build("adamw", {"lr": RATE}, model.parameters()))
    if compiled:
        state.compiled = torch.compile(model)
    plan = Plan(epochs=1, seed=0)
    parts = Parts(
        batches=SimpleNamespace(sizes=[len(batch) for batch in batches]),
        loss=LOSSES.build("cross_entropy", {}, np.ones(classes)),
        schedule=SCHEDULES.build("none", {}),
        autocast=autocast("bf16", device),
        device=device,
        measure=lambda logits, targets: {},
    )

    def train(images, labels):
        seed_step(plan.seed, state.epoch, state.step)
        set_rate(state, plan, parts)
        loss, logits = step(state, plan, parts, images, labels)
        state.running.add(loss, logits, labels)
        return loss.item()

    return train


def compare(name, weights, photos, args):
    """One network, all ways in turns. -> images/s a round and the first step's seconds, by way"""
    images, labels, classes = photos
    count = len(classes)
    floats = torch.stack([Classifier(torch.nn.Identity(), SPEC).prepare(some) for some in images])
    last = [some.contiguous(memory_format=torch.channels_last) for some in floats]
    stored = [some.contiguous(memory_format=torch.channels_last) for some in images]
    make = lambda: network_of(name, weights, count)  # noqa: E731
    ways = {
        PLAIN: (plain(make()), floats),
        BY_HAND: (by_hand(make()), last),
        OURS: (ours(make(), stored, count), stored),
    }
    if args.compile:
        ways[COMPILED] = (ours(make(), stored, count, compiled=True), stored)
    first = {way: timed(train, inputs[:1], labels) for way, (train, inputs) in ways.items()}
    rates = {way: [] for way in ways}
    for turn in range(args.rounds):
        order = list(ways)[turn % len(ways) :] + list(ways)[: turn % len(ways)]
        for way in order:
            train, inputs = ways[way]
            rates[way].append(len(inputs) * BATCH / timed(train, inputs, labels))
    return rates, first


def timed(train, inputs, labels):
    """Seconds of one step a batch."""
    begun = time.perf_counter()
    for images, targets in zip(inputs, labels, strict=False):
        loss = train(images, targets)
    assert np.isfinite(loss)
    return time.perf_counter() - begun


def tell(name, rates, first):
    """The network's lines of the table."""
    for way, found in rates.items():
        against = [
            statistics.median(a / b for a, b in zip(found, rates[other], strict=True))
            for other in (PLAIN, BY_HAND)
        ]
        middle = statistics.median(found)
        line = f"{name:<18}{way:<16}{middle:>8.1f}{min(found):>8.1f}{max(found):>8.1f}"
        print(line + "".join(f"{ratio:>14.2f}" for ratio in against), end="")
        if way == COMPILED:
            waited = first[way] - BATCH / middle
            gain = 1 / statistics.median(rates[OURS]) - 1 / middle
            even = f"even after {waited / gain:,.0f} images" if gain > 0 else "never even"
            print(f"  compiling took {waited:.0f} s, {even}", end="")
        print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--networks", nargs="+", default=["mobilenet_v2", "resnet18"])
    parser.add_argument("--weights", nargs="+", default=[], metavar="NETWORK=FILE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="a round and way")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    if not has_fast_bf16():
        sys.exit("this processor has no bf16 in hardware, so there is nothing to compare")
    files = dict(word.split("=", 1) for word in args.weights)
    folder = args.data / "train" if (args.data / "train").is_dir() else args.data
    photos = decoded(folder, args.steps)
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions()}")
    print(
        f"images/s in training steps of {BATCH} at 224 px; n = {args.rounds} rounds of {args.steps}"
    )
    print(f"{'network':<18}{'way':<16}{'median':>8}{'min':>8}{'max':>8}", end="")
    print(f"{'x plain':>14}{'x by hand':>14}")
    for name in args.networks:
        tell(name, *compare(name, files.get(name), photos, args))


if __name__ == "__main__":
    main()
