"""How often the 95 % intervals of several labels an image hold the truth.

    uv run python benchmarks/coverage_several.py [--repetitions 500]

A population: labels that fall from 60 % of the images to less than one in a hundred, and that
rise and fall together by `tie`; logits that are `apart` for images with the label and without,
with noise of their own and noise that all labels of an image share. In the last, images come from
30 places, which shift the logits of each label. Test sets of n images are drawn, and their
intervals held against the figures of 200,000 images; a mean over labels against the mean over
those that the test set has.
"""

import argparse
from typing import NamedTuple

import numpy as np

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.intervals import intervals
from fieldmark.judge.metrics import of_task, overall, per_class
from fieldmark.task import SEVERAL_LABELS

TRUTH = 200_000
DRAWS = 200  # for ece
MEANS = {
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "f1",
    "mean_average_precision": "average_precision",
    "roc_auc": "roc_auc",
}


class Population(NamedTuple):
    """Images of a test set, labels, how these go together, how well they are told, places."""

    images: int
    labels: int
    tie: float
    apart: float
    places: int = 0

    def draw(self, rng, images, places):
        """Evidence of some images, and the place of each or None."""
        base = np.linspace(0.4, -2.6, self.labels)
        hidden = rng.normal(size=(images, self.labels)) + self.tie * rng.normal(size=(images, 1))
        targets = (base + hidden > 0).astype(np.int64)
        noise = rng.normal(size=targets.shape) + 0.8 * self.tie * rng.normal(size=(images, 1))
        logits, place = base + self.apart * (2 * targets - 1) + noise, None
        if places:
            place = rng.integers(places, size=images)
            logits += 0.7 * rng.normal(size=(places, self.labels))[place]
        return Evidence.of(np.float32(1.2 * logits), targets, task=SEVERAL_LABELS), place


POPULATIONS = (
    Population(50, 6, 1, 0.8),
    Population(200, 6, 1, 0.8),
    Population(200, 6, 3, 0.8),
    Population(200, 18, 1, 1.5),
    Population(60, 18, 1, 2.5),
    Population(300, 6, 1, 0.8, places=30),
)


def held(population, repetitions):
    """In how many of 100 test sets each interval holds the truth. -> by metric"""
    rng = np.random.default_rng(1)
    whole, _ = population.draw(rng, TRUTH, population.places * 1000)
    truth, classes = overall(whole), per_class(whole)
    found = {name: [] for name in truth}
    for _ in range(repetitions):
        evidence, place = population.draw(rng, population.images, population.places)
        ours = intervals(evidence, draws=DRAWS, groups=place).overall
        there = evidence.margins.support > 0
        wanted = truth | {name: classes[of][there].mean() for name, of in MEANS.items()}
        for name, (low, high) in ours.items():
            if not np.isnan(low):
                found[name].append(low <= wanted[name] <= high)
    return {name: 100 * np.mean(each) for name, each in found.items()}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=500)
    columns = [held(each, parser.parse_args().repetitions) for each in POPULATIONS]
    heads = [
        f"n={p.images} C={p.labels} tie={p.tie:g} apart={p.apart:g}" + " places" * bool(p.places)
        for p in POPULATIONS
    ]
    print(f"| | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    for name in of_task(SEVERAL_LABELS):
        print(f"| {name} | {' | '.join(f'{column[name]:.1f}' for column in columns)} |")


if __name__ == "__main__":
    main()
