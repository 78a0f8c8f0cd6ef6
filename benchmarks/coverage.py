"""How often the 95 % intervals hold the truth, and how long they take.

    uv run python benchmarks/coverage.py [--repetitions 1000] [--processes 2]
    uv run python benchmarks/coverage.py --speed [--images 100000] [--classes 100]

A population is a classifier whose logits are drawn: of an image of class k, normal with deviation
1 around `apart` at k and 0 elsewhere, then, as a trained network's would be, weighed by the shares
of the classes, and half too sure of themselves (so that ece is not 0). Of each population, test
sets of n images are drawn, each gets its intervals, and these are held against the figure of
a million images. A mean over classes is held against the mean over those of the test set, since
that is what it is of.

Two classes and ten; equally frequent, or falling as 1, 1/2, 1/3, ...; classifiers that are right
in 65, 80, 90 and 97 of 100 images (with two unequal classes not 65, which is what the larger has).
In the populations with groups the images come from 30 places of unequal size: each place
shifts the logits of all its images by one normal vector of deviation 0.7, and shows classes in
shares of its own.

A row of the tables is the mean over the classifiers of one kind; `worst` is the one that is
farthest from 95. `below` and `above`: how often the truth was beyond that end. Beside stands the
percentile bootstrap of the same test sets, with groups the intervals as if there were none. `u`
in the head of the shorter tables: unequally frequent.
"""

import argparse
import itertools
import multiprocessing
import os
import resource
import time
from collections import defaultdict
from functools import cache
from typing import NamedTuple

import numpy as np

from fieldmark.judge.evidence import Evidence, Margins, mean_of_present, placements
from fieldmark.judge.intervals import intervals
from fieldmark.judge.metrics import METRICS, averages, overall, per_class

SIZES = (50, 200, 1000)
RIGHT = (0.65, 0.8, 0.9, 0.97)
PLACES = 30
SHIFT = 0.7
TRUTH = 1_000_000
AT_ONCE = 250_000
DRAWS = 300  # for percentiles and for ece; 1000 would hardly move a line
MEANS = {  # of which figure of each class each of these is the mean
    "balanced_accuracy": "recall",
    "macro_recall": "recall",
    "macro_precision": "precision",
    "macro_f1": "f1",
    "roc_auc": "roc_auc",
    "mean_average_precision": "average_precision",
}
MAIN = ("accuracy", "macro_f1", "roc_auc")
SAME = ("macro_recall", "micro_precision", "micro_recall", "micro_f1", "weighted_recall")


class Population(NamedTuple):
    """A classifier and the images it sees."""

    classes: int
    even: bool
    right: float
    grouped: bool

    @property
    def shares(self):
        """How frequent each class is. -> (C,)"""
        shares = np.ones(self.classes) if self.even else 1 / np.arange(1, self.classes + 1)
        return shares / shares.sum()

    def draw(self, rng, images, *, apart, places=None):
        """Logits (n, C), targets (n,) and places (n,) or None; `places` of them, else as many."""
        shares, place, shift = self.shares, None, 0
        if self.grouped:
            places = places or images
            sizes = rng.gamma(3, size=places)  # the largest is some four times the smallest
            alone = places == images
            place = (
                np.arange(images) if alone else rng.choice(places, images, p=sizes / sizes.sum())
            )
            seen = rng.dirichlet(4 * shares, size=places).cumsum(axis=1)
            targets = (rng.random((images, 1)) > seen[place, :-1]).sum(axis=1)
            shift = SHIFT * rng.normal(size=(places, self.classes))[place]
        else:
            targets = rng.choice(self.classes, size=images, p=shares)
        raw = rng.normal(size=(images, self.classes)) + shift
        raw[np.arange(images), targets] += apart
        return 1.5 * (apart * raw + np.log(shares)), targets, place


def populations():
    """Every population; not the classifier that would only ever name the larger of two."""
    kinds = itertools.product((2, 10), (True, False), RIGHT, (False, True))
    every = [Population(*kind) for kind in kinds]
    return [one for one in every if one.right > one.shares.max() + 0.01]


@cache
def apart_of(population):
    """How far apart the classes must be for the share right. By halving."""
    low, high = 0.0, 9.0
    for _ in range(25):
        middle = (low + high) / 2
        logits, targets, _ = population.draw(np.random.default_rng(1), 50_000, apart=middle)
        below = (logits.argmax(axis=1) == targets).mean() < population.right
        low, high = (middle, high) if below else (low, middle)
    return high


def truth_of(population):
    """The figures of a million images, and those of each class."""
    rng, parts = np.random.default_rng(2), []
    for _ in range(TRUTH // AT_ONCE):
        evidence = Evidence.of(*population.draw(rng, AT_ONCE, apart=apart_of(population))[:2])
        parts.append((overall(evidence), per_class(evidence)))
    return population, *(
        {k: np.mean([p[i][k] for p in parts], axis=0) for k in parts[0][i]} for i in (0, 1)
    )


def percentile_bootstrap(evidence, rng):
    """macro_f1 and roc_auc as they would be by percentiles of draws, roc_auc to first order."""
    images, classes = evidence.scores.shape
    weights = rng.multinomial(images, np.full(images, 1 / images), size=DRAWS).astype(np.float32)
    one = np.eye(classes, dtype=np.float32)
    truth, guess = one[evidence.targets], one[evidence.guesses]
    parts = Margins(*(weights @ part for part in (truth * guess, truth, guess)))
    areas = np.full((DRAWS, classes), np.nan)
    for index in np.flatnonzero(~np.isnan(evidence.areas["roc_auc"])):
        mine, column = evidence.targets == index, evidence.scores[:, index]
        own = placements(column[mine], column[~mine])
        rest = 1 - placements(column[~mine], column[mine])
        ours, others = weights[:, mine], weights[:, ~mine]
        with np.errstate(invalid="ignore", divide="ignore"):
            area = ours @ own / ours.sum(axis=1) + others @ rest / others.sum(axis=1)
        areas[:, index] = (area - evidence.areas["roc_auc"][index]).clip(0, 1)
    found = {"macro_f1": averages(parts)["macro_f1"], "roc_auc": mean_of_present(areas)}
    return {name: tuple(np.nanquantile(values, (0.025, 0.975))) for name, values in found.items()}


class Tally:
    """Intervals counted: how many, truths below and above, summed widths."""

    def __init__(self):
        self.rows = defaultdict(lambda: np.zeros(4))

    def add(self, name, bounds, truth):
        """Count one interval, or (C, 2) of them; none where there is no figure."""
        low, high = np.moveaxis(np.atleast_2d(bounds), -1, 0)
        has = ~np.isnan(low)
        below, above = (truth < low)[has].sum(), (truth > high)[has].sum()
        self.rows[name] += (has.sum(), below, above, (high - low)[has].sum())


def cell(job):
    """All repetitions of one population and size. -> population, size, {name: counts}"""
    population, images, repetitions, (whole, by_class) = job
    number = int(1000 * population.right) + population.classes + 100_000 * population.even
    rng = np.random.default_rng([number, population.grouped, images])
    tally = Tally()
    for seed in range(repetitions):
        logits, targets, places = population.draw(
            rng, images, apart=apart_of(population), places=PLACES
        )
        evidence = Evidence.of(logits, targets)
        found = intervals(evidence, draws=DRAWS, seed=seed, groups=places)
        shown = per_class(evidence)
        truth = {
            name: by_class[MEANS[name]][~np.isnan(shown[MEANS[name]])].mean()
            if name in MEANS and not np.isnan(found.overall[name]).any()
            else whole[name]
            for name in METRICS
        }
        other = (
            percentile_bootstrap(evidence, rng)
            if places is None
            else {name: intervals(evidence, draws=2).overall[name] for name in MAIN}
        )
        for name in METRICS:
            tally.add(name, found.overall[name], truth[name])
        for name, bounds in other.items():
            tally.add(f"{name} otherwise", bounds, truth[name])
        for name, bounds in found.per_class.items():
            tally.add(f"{name} of a class", bounds, by_class[name])
    return population, images, dict(tally.rows)


def simulate(args):
    """Print the tables of coverage."""
    start, kinds = time.perf_counter(), populations()
    for library in ("OMP", "OPENBLAS"):  # read by the processes to come: one core each
        os.environ[f"{library}_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        truths = {one: truth for one, *truth in pool.imap(truth_of, kinds)}
        jobs = [
            (one, images, args.repetitions, truths[one])
            for images in sorted(args.sizes, reverse=True)
            for one in kinds
        ]
        cells = pool.map(cell, jobs, chunksize=1)
    by_row = defaultdict(list)
    for one, images, counts in cells:
        for name, row in counts.items():
            if row[0]:
                by_row[name, one.grouped, one.classes, images, one.even].append((one.right, *row))
    for grouped in (False, True):
        tell(by_row, grouped=grouped)
    print(f"\n{args.repetitions} repetitions a classifier, {time.perf_counter() - start:.0f} s")


def tell(by_row, *, grouped):
    """The table of MAIN, a row a kind of test set, and the shorter one of all other figures."""
    other = "as if no groups" if grouped else "percentiles"
    print(f"\n### {f'{PLACES} groups' if grouped else 'Single images'}\n")
    print(
        "| figure | classes | frequent | images | held, % | worst | below | above | width | ",
        end="",
    )
    print(f"{other}, % |\n|---|---|---|---|---|---|---|---|---|---|")
    for name in MAIN:
        for key in sorted(key for key in by_row if key[:2] == (name, grouped)):
            _, _, classes, images, even = key
            held, error, worst, below, above, width = summary(by_row[key])
            beside = by_row.get((f"{name} otherwise", *key[1:]))
            print(
                f"| {name} | {classes} | {'equally' if even else 'unequally'} | {images}"
                f" | {held:.1f} ± {error:.1f} | {worst[1]:.1f} ({worst[0]:.2f})"
                f" | {below:.1f} | {above:.1f} | {width:.3f}"
                f" | {f'{summary(beside)[0]:.1f}' if beside else ''} |"
            )
    columns = sorted({key[2:] for key in by_row if key[1] == grouped})
    print("\nHeld, %, of every other figure:\n\n| figure |", end="")
    for classes, images, even in columns:
        print(f" {classes} x {images}{'' if even else ' u'} |", end="")
    print("\n|---|" + "---|" * len(columns))
    for name in dict.fromkeys(key[0] for key in by_row):
        if name in (*MAIN, *SAME) or name.endswith("otherwise"):
            continue
        rows = [by_row.get((name, grouped, *column)) for column in columns]
        print(f"| {name} |", *(f" {summary(row)[0]:.1f} |" if row else " |" for row in rows))


def summary(rows):
    """Of rows (right, n, below, above, widths): percent held, its error, the worst, the misses."""
    table = np.array(rows)
    count, misses = table[:, 1], table[:, 2:4] / table[:, 1:2] * 100
    held = 100 - misses.sum(axis=1)
    error = np.sqrt((held * (100 - held) / count).sum()) / len(table)
    worst = np.abs(held - 95).argmax()
    width = (table[:, 4] / count).mean()
    return held.mean(), error, (table[worst, 0], held[worst]), *misses.mean(axis=0), width


def speed(args):
    """Print seconds and peak memory of the figures and intervals of many images."""
    rng = np.random.default_rng(0)
    targets = rng.integers(args.classes, size=args.images)
    logits = rng.normal(size=(args.images, args.classes)).astype(np.float32)
    logits[np.arange(args.images), targets] += 3
    groups = rng.integers(args.images // 10, size=args.images)
    print("| of | seconds | processor seconds | peak, MB |\n|---|---|---|---|")
    evidence = Evidence.of(logits, targets)
    works = {
        "figures": lambda: (overall(evidence), per_class(evidence)),
        "intervals": lambda: intervals(evidence),
        "intervals by group": lambda: intervals(evidence, groups=groups),
    }
    for name, work in works.items():
        start, busy = time.perf_counter(), time.process_time()
        work()
        taken, busy = time.perf_counter() - start, time.process_time() - busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {name} | {taken:.1f} | {busy:.1f} | {peak:.0f} |")
    print(f"\n{args.images} images, {args.classes} classes, {len(np.unique(groups))} groups")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="images in a test set")
    parser.add_argument("--speed", action="store_true", help="time one large set instead")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    chosen = parser.parse_args()
    (speed if chosen.speed else simulate)(chosen)
