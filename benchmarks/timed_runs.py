"""Commands run as a user runs them, timed, and what they found. Used by other benchmarks here.

Seconds without imports are the process's own less what `python -X importtime` counted, which
is every import, also those in the middle of the work. Counting makes the process itself a little
slower, and starting and ending it count as work. Where other work goes on in a thread during an
import, the seconds come out too low: `own` is there to compare.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fieldmark.machine import processor, versions
from fieldmark.records import Predictions

IMPORT = "import time:"  # how each line of -X importtime begins


@dataclass(frozen=True)
class Timed:
    """One `fieldmark train`: seconds, and the share of right answers by group of images.

    own: the seconds of training that the run itself tells. accuracy: name -> (share, images).
    """

    whole: float
    without_imports: float
    own: float
    accuracy: dict[str, tuple[float, int]]


def fieldmark_train(words, cache, copies):
    """Train with these words of the command line and this cache. -> Timed

    copies: names of images of `val` that the accuracy "without copies" leaves out.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-X", "importtime", "-m", "fieldmark", "train", *words]
        command += ["--out", folder, "--name", "run"]
        begun = time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "FIELDMARK_CACHE": str(cache)},
        )
        whole = time.perf_counter() - begun
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}\n{without_import_lines(done.stderr)}")
        run = Path(folder, "run")
        about = json.loads((run / "metrics.json").read_text())["about"]
        found = accuracy(Predictions.read(run / "predictions.parquet"), copies)
    return Timed(whole, whole - import_seconds(done.stderr), about["seconds"], found)


def import_seconds(text):
    """What the lines of -X importtime add up to: their first column, microseconds each."""
    lines = [line.partition(":")[2] for line in text.splitlines() if line.startswith(IMPORT)]
    own = [line.partition("|")[0].strip() for line in lines]
    return sum(int(number) for number in own if number.isdecimal()) / 1e6


def without_import_lines(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith(IMPORT))


def accuracy(predictions, copies):
    """Over the images of the folder val, and over those of them that have no copy."""
    right = predictions.logits.argmax(1) == predictions.targets
    paths = predictions.frame["path"]
    in_val = np.array([path.startswith("val/") for path in paths])
    alone = in_val & np.array([path not in copies for path in paths])
    groups = {"val": in_val, "without copies": alone}
    return {name: (float(right[rows].mean()), int(rows.sum())) for name, rows in groups.items()}


def script(command):
    """Run a script that prints its figures as JSON in its last line. -> them, with `whole`"""
    begun = time.perf_counter()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    whole = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return {**json.loads(done.stdout.splitlines()[-1]), "whole": whole}


def read_names(path):
    """A text file's lines, or none where no file is given."""
    return set(path.read_text().split("\n")) - {""} if path else set()


def heading(rounds):
    """The machine, the versions, what else it does, and n."""
    load = os.getloadavg()[0]
    return f"{processor()}, {os.cpu_count()} cores, load {load:.1f}; {versions()}; n = {rounds}"


def accuracy_lines(name, found):
    """A line a group of images: the shares of all rounds, and how many images."""
    lines = []
    for group in found[0]:
        shares = "  ".join(f"{100 * one[group][0]:.1f}" for one in found)
        lines.append(f"{name:<26}{group:<18}{shares} %  ({found[0][group][1]} images)")
    return lines
