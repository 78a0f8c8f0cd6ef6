"""How long a user waits: help, import, and the whole first run.

    uv run python benchmarks/start.py [RUNS]

Each is a process of its own, timed from outside, after one that is not counted. Prints the
smallest, the median and the largest of RUNS (5), with the machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from fieldmark.machine import processor, versions

COMMANDS = {
    "fieldmark --help": ["-m", "fieldmark", "--help"],
    "import fieldmark": ["-c", "import fieldmark"],
    "python, nothing else": ["-c", "pass"],
    "import torch, torchvision": ["-c", "import torch, torchvision"],
    "fieldmark train digits": ["-m", "fieldmark", "train", "digits"],
}


def seconds(words, folder):
    """One process, start to end."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begun


def main(runs):
    print(f"{processor()}, {os.cpu_count()} cores; {versions()}; {runs} runs each, seconds")
    print(f"{'command':<28}{'min':>8}{'median':>8}{'max':>8}")
    for name, words in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            seconds(words, folder)
            taken = [seconds(words, folder) for _ in range(runs)]
        middle = statistics.median(taken)
        print(f"{name:<28}{min(taken):>8.2f}{middle:>8.2f}{max(taken):>8.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
