"""How long an exact head takes, and how much memory: of invented features, a process each.

Features are clouds, one a class, under noise; a fifth of the images judges, as a validation side
does. With --folds they are in five folds in place of that. --apart 0.3 brings the clouds nearer,
so that they overlap.

    python benchmarks/exact_head.py 790x1280x10 --folds
    python benchmarks/exact_head.py 100000x1280x100
"""

import argparse
import resource
import time

import numpy as np
import torch

from fieldmark.fit.exact import fit_exact
from fieldmark.fit.logistic import Task
from fieldmark.fit.losses import LOSSES


def task(images, width, classes, folds, apart=1.0):
    draw = torch.Generator().manual_seed(0)
    targets = np.arange(images) % classes
    centres = apart * torch.randn(classes, width, generator=draw)
    features = torch.randn(images, width, generator=draw).mul_(3)
    features += centres[torch.from_numpy(targets)]
    loss = LOSSES.build("cross_entropy", {}, np.bincount(targets))
    held = np.arange(images) // classes % 5
    judged = held[None] == 0
    if folds:
        judged = np.stack([np.zeros(images, bool), *(held == fold for fold in range(5))])
    shares = loss.shares(torch.from_numpy(targets))
    return Task(features.relu_(), targets, shares, loss.shift.double(), ~judged, judged)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", help="IMAGESxFEATURESxCLASSES")
    parser.add_argument("--folds", action="store_true")
    parser.add_argument("--apart", type=float, default=1.0)
    given = parser.parse_args()
    made = task(*map(int, given.sizes.split("x")), given.folds, given.apart)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    begun, used = time.perf_counter(), time.process_time()
    solved = fit_exact(made)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    judged = made.judged[-1]
    logits = solved.logits(made.features[torch.from_numpy(judged)], len(made.judged) - 1)
    right = (logits.argmax(1).numpy() == made.targets[judged]).mean()
    print(
        f"{given.sizes}: {seconds:.1f} s, {cpu:.1f} s of processor time, peak {peak:.1f} GB "
        f"({before:.1f} before), {len(solved.tried)} ways, {solved.scaling} {solved.penalty:g}, "
        f"{100 * right:.1f} % of those that judged"
    )


if __name__ == "__main__":
    main()
