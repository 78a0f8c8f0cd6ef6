"""What the figures of an epoch cost where there are many images and classes.

    uv run python benchmarks/epoch_figures.py [--images 100000] [--classes 1000] [--rounds 3]

Random logits of which a part is right, float32, in memory. Every metric, those of an epoch by
default, and those with the log loss asked for, in turn, round by round; the least of the rounds,
and how many times less that is than every metric.
"""

import argparse
import time

import numpy as np
import torch

from fieldmark.judge.metrics import each_epoch, metrics_of
from fieldmark.machine import machine


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    targets = rng.integers(given.classes, size=given.images)
    logits = rng.standard_normal((given.images, given.classes), dtype=np.float32)
    logits[np.arange(given.images), targets] += 3
    ways = {
        "every metric": metrics_of,
        "an epoch's": each_epoch(["macro_f1"]),
        "with log_loss": each_epoch(["macro_f1", "log_loss"]),
    }
    seconds = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(logits, targets)
            seconds[name].append(time.perf_counter() - begun)
    print(f"{given.images:,} images, {given.classes:,} classes; {machine(torch.device('cpu'))}")
    whole = min(seconds["every metric"])
    for name, each in seconds.items():
        print(f"{name:<14} {min(each):8.3f} s  {whole / min(each):6.1f} times less")


if __name__ == "__main__":
    main()
