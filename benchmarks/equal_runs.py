"""How often `fieldmark compare` calls runs different that are not.

    uv run python benchmarks/equal_runs.py simulated [--pairs 2000] [--processes 1]
    uv run python benchmarks/equal_runs.py trained [--pairs 200] [--out runs/equal] [KEY=VALUE ...]

Wanted: of 200 pairs of equal runs at most 7 % are called different (5 % are by right).

simulated: pairs of classifiers of one true accuracy, whose errors have the hard images in common,
on test sets of 200 images drawn anew for each pair. "alike" are drawn in the same way; "unlike"
are good at other classes, as good on the whole. Of each kind the share of pairs called different,
of the first 200 and of all, and last, how often a second that is truly ahead is called better, by
a lead that 200 images should show in 80 of 100 cases.

trained: runs of `digits` that differ in nothing but the seed, in pairs of two that no other pair
has. Each run that is there already is taken as it is, so that it can be stopped and started
again. Seeds make models that are a little unlike in truth, which is then seen, and rightly so:
what goes beyond 5 % here is the seeds' own. It is much where training stops early (with two
epochs some seeds are right on 91 % and others on 97 %), and little where it comes to its end.
Whether it is the seeds' own the halves show: how far a pair's difference on one half of the test
images goes with that on the other half (correlation over pairs; 0 where all is chance).

KEY=VALUE are settings of the runs (default train.epochs=12, about 15 s a run on two cores).
"""

import argparse
import multiprocessing
import sys
import time
from itertools import starmap
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fieldmark
from fieldmark.judge.evidence import Evidence, class_areas
from fieldmark.records import Predictions, Samples
from fieldmark.reviews.compare import compare, pair
from fieldmark.reviews.compared_run import ComparedRun
from fieldmark.rundir import RunDir, plain, remove

IMAGES = 200
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss")
COMMON = 0.6  # share of the variance of a score that both classifiers have in common


class Kind(NamedTuple):
    """A kind of pairs. apart: how far the true class's score is raised; lead: by how much more
    the second's is; spread: by how much more the class a classifier is best at than the worst."""

    name: str
    classes: int
    apart: float
    spread: float = 0.0
    lead: float = 0.0


KINDS = (
    Kind("alike, 10 classes, 85 % right", 10, 2.7),
    Kind("alike, 10 classes, 98 % right", 10, 4.0),
    Kind("alike, 2 classes, 80 % right", 2, 1.2),
    Kind("alike, 2 classes, 96 % right", 2, 2.5),
    Kind("unlike, 10 classes, 83 % right", 10, 2.7, spread=1.5),
    Kind("unlike, 2 classes, 91 % right", 2, 2.0, spread=1.0),
    Kind("second ahead, 10 classes", 10, 2.7, lead=0.53),
    Kind("second ahead, 2 classes", 2, 1.2, lead=0.52),
)


def runs(kind: Kind, seed: int) -> tuple[ComparedRun, ComparedRun]:
    """Two classifiers' predictions of the same new images."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(kind.classes, size=IMAGES)
    common = rng.normal(size=(IMAGES, kind.classes))
    names = [f"c{number}" for number in range(kind.classes)]
    samples = Samples.from_columns(
        {
            "path": [f"{row}.png" for row in range(IMAGES)],
            "hash": [f"{row}" for row in range(IMAGES)],
            "labels": [[names[place]] for place in truth],
            "split": ["test"] * IMAGES,
        }
    )
    strengths = kind.apart + kind.spread * np.linspace(-0.5, 0.5, kind.classes)
    found = []
    for name, strength, lead in (("a", strengths, 0.0), ("b", strengths[::-1], kind.lead)):
        own = rng.normal(size=common.shape)
        logits = np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * own
        logits[np.arange(IMAGES), truth] += strength[truth] + lead
        table = Predictions.of(
            samples, np.arange(IMAGES), (2 * logits).astype(np.float32), classes=names, model=name
        )
        folder = RunDir(Path(name))
        found.append(ComparedRun(name, folder, folder, "test", table, temperature=1.0))
    return found[0], found[1]


def judged(kind: Kind, seed: int) -> tuple[list[bool], float, float]:
    """Which metrics call the pair different, the first's accuracy, and the lead in accuracy."""
    found = pair(*runs(kind, seed)).differences
    assert found is not None
    accuracy = found["accuracy"]
    return [found[name].is_clear for name in METRICS], accuracy.first, accuracy.value


def simulate(pairs: int, processes: int) -> None:
    """The table of all kinds."""
    print(
        f"{'kind':<32}{'accuracy':>9}{'lead':>7}{'pairs':>7}" + "".join(f"{m:>19}" for m in METRICS)
    )
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for kind in KINDS:
            work = [(kind, seed) for seed in range(pairs)]
            found = pool.starmap(judged, work) if processes > 1 else list(starmap(judged, work))
            called = np.array([each[0] for each in found])
            accuracy, lead = (np.mean([each[k] for each in found]) for k in (1, 2))
            for part in sorted({min(200, pairs), pairs}):
                shares = "".join(f"{100 * share:>17.1f} %" for share in called[:part].mean(axis=0))
                print(f"{kind.name:<32}{accuracy:>9.3f}{lead:>7.3f}{part:>7}{shares}", flush=True)


def halves(first: ComparedRun, second: ComparedRun, seed: int) -> list[tuple[float, float]]:
    """The difference of accuracy, ROC-AUC and log loss on each half of the test images."""
    classes, rows = first.predictions.classes, np.arange(len(first.shown))
    one, two = (each.evidence(classes, rows) for each in (first, second))
    is_mine = np.random.default_rng(seed).permutation(len(rows)) % 2 == 0
    parts = (is_mine, ~is_mine)

    def area(evidence: Evidence, part: np.ndarray) -> float:
        return float(np.nanmean(class_areas(evidence.scores[part], evidence.targets[part])[0]))

    return [
        tuple((two.right[part].mean() - one.right[part].mean()) for part in parts),
        tuple(area(two, part) - area(one, part) for part in parts),
        tuple((two.losses[part] - one.losses[part]).mean() for part in parts),
    ]


def train(pairs: int, out: Path, words: list[str]) -> None:
    """The runs that are not there yet, then the share of pairs that are called different."""
    words = words or ["train.epochs=12"]
    settings, out = dict(word.split("=", 1) for word in words), out / plain(" ".join(words))
    called, apart, begun = [], [], time.monotonic()
    for number in range(pairs):
        runs = [out / f"seed-{seed:03}" for seed in (2 * number, 2 * number + 1)]
        for seed, run in enumerate(runs, 2 * number):
            if not RunDir(run).is_done:
                remove(RunDir(run))  # what a run that was stopped has left
                given = {**settings, "seed": str(seed), "out": str(out), "name": run.name}
                fieldmark.train("digits", quiet=True, **given)
        compared = compare([str(run) for run in runs])
        found = compared.pairings[0].differences
        assert found is not None
        apart.append(halves(*compared.runs, number))
        called.append([found[name].is_clear for name in METRICS] + [found["accuracy"].first])
        if (number + 1) % 10 == 0 or number + 1 == pairs:
            table = np.array(called)
            shares = ", ".join(
                f"{name} {100 * share:.1f} %"
                for name, share in zip(METRICS, table.mean(axis=0), strict=False)
            )
            print(
                f"{number + 1} pairs, accuracy {table[:, -1].mean():.3f}, called different: "
                f"{shares}  ({time.monotonic() - begun:.0f} s)",
                flush=True,
            )
    for name, values in zip(
        ("accuracy", "roc_auc", "log_loss"), np.moveaxis(apart, 1, 0), strict=True
    ):
        print(f"{name}: correlation of the halves {np.corrcoef(values.T)[0, 1]:.2f}")


def main() -> None:
    """Read the command line and do the part that it names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=("simulated", "trained"))
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/equal"))
    given = parser.parse_intermixed_args()
    if strange := [word for word in given.settings if "=" not in word]:
        sys.exit(f"{strange[0]}: is not KEY=VALUE; write for example train.epochs=12")
    if given.part == "simulated":
        simulate(given.pairs or 2000, given.processes)
    else:
        train(given.pairs or 200, given.out, given.settings)


if __name__ == "__main__":
    main()
