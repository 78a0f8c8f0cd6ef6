"""`fieldmark train` with weights and no other word against fastai's fine_tune(2).

    sh benchmarks/fastai_env.sh ENV
    uv run python benchmarks/fine_tune_default.py DATA --weights FILE --fastai ENV/bin/python
        [--without NAMES] [--rounds 1] [--words WORDS ...]

The two take turns; round N has the seed N - 1. Each is a process of its own, Fieldmark with an
empty cache; fastai is benchmarks/fastai_fine_tune.py in its own environment. Seconds without
imports are held against each other, and the accuracies on `val`.

DATA holds train/CLASS/ and val/CLASS/. FILE: mobilenet_v2's weights. NAMES: a text file, a line an
image of DATA that `val` shares with `train` (val/cat/1.jpg): accuracies are over `val` without
them too. WORDS, which come last, go to `fieldmark train` as they are. fastai trains on all of
`train` and tells its last network's accuracy. To Fieldmark `val` is the test set: it chooses its
epoch by images that it takes out of `train`, and trains on no copy of the test.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from timed_runs import accuracy_lines, fieldmark_train, heading, read_names, script

SCRIPT = Path(__file__).with_name("fastai_fine_tune.py")


def measure(args):
    """All rounds. -> Fieldmark's runs and fastai's figures"""
    words = [str(args.data), "--weights", str(args.weights), *args.words]
    command = [args.fastai, SCRIPT, args.data, "--weights", args.weights, "--json"]
    command += ["--without", args.without] if args.without else []
    ours, theirs = [], []
    for seed in range(args.rounds):
        with tempfile.TemporaryDirectory() as cache:
            line = [*words, "--seed", str(seed)]
            ours.append(fieldmark_train(line, cache, read_names(args.without)))
        theirs.append(script([*command, "--seed", seed]))
        print(f"round {seed + 1} of {args.rounds} is done", file=sys.stderr, flush=True)
    return ours, theirs


def tell(ours, theirs):
    """Seconds, their ratio, and the accuracies."""
    print(f"{'seconds, medians':<26}{'whole':>8}{'no imports':>12}{'own clock':>11}")
    whole = statistics.median(one["whole"] for one in theirs)
    work = statistics.median(one["seconds"] for one in theirs)
    print(f"{'fastai, fine_tune(2)':<26}{whole:>8.1f}{work:>12.1f}")
    our_whole = statistics.median(run.whole for run in ours)
    our_work = statistics.median(run.without_imports for run in ours)
    own = statistics.median(run.own for run in ours)
    print(f"{'Fieldmark':<26}{our_whole:>8.1f}{our_work:>12.1f}{own:>11.1f}")
    print(f"{'Fieldmark / fastai':<26}{our_whole / whole:>8.2f}{our_work / work:>12.2f}")
    print("accuracy, a number a round")
    print("\n".join(accuracy_lines("Fieldmark", [run.accuracy for run in ours])))
    found = [
        {
            "val": (one["accuracy"], one["n"]),
            "without copies": (one["accuracy_without"], one["n_without"]),
        }
        for one in theirs
    ]
    print("\n".join(accuracy_lines("fastai, fine_tune(2)", found)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--fastai", type=Path, required=True, help="the environment's python")
    parser.add_argument("--without", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--words",
        nargs=argparse.REMAINDER,
        default=[],
        help="all that follows, for fieldmark train",
    )
    args = parser.parse_args()
    print(heading(args.rounds))
    tell(*measure(args))


if __name__ == "__main__":
    main()
