"""`fieldmark train --freeze` against the script that people write: seconds and accuracy.

    uv run python benchmarks/frozen.py DATA --weights FILE [--without NAMES] [--rounds 3]
        [--words WORDS ...]

A round is Fieldmark with an empty cache (cold), again with what that left (warm), and RATES at
once with an empty cache, and benchmarks/plain_frozen.py at one of RATES, so that the machine's
moods meet all of them. Three rounds are the script thrice, what three rates cost with it. Each is
a process of its own. Fewer rounds run the script at fewer rates, and what three would take is
reckoned from the mean.

DATA holds train/CLASS/ and val/CLASS/. FILE: mobilenet_v2's weights. NAMES: a text file, a line an
image of DATA that `val` shares with `train` (val/cat/1.jpg): accuracies are over `val` without
them too. WORDS, which come last, go to `fieldmark train` as they are. The script trains on all of
`train` and tells the best of its epochs on `val`, which flatters it a little. To Fieldmark `val` is
the test set: it chooses by images that it takes out of `train`, and trains on no copy of the test.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from timed_runs import accuracy_lines, fieldmark_train, heading, read_names, script

RATES = (1e-3, 3e-3, 1e-2)
AT_ONCE = f"features.rates=[{','.join(f'{rate:g}' for rate in RATES)}]"
SCRIPT = Path(__file__).with_name("plain_frozen.py")


def measure(args):
    """All rounds. -> Fieldmark's runs by kind, and the script's figures"""
    words = [str(args.data), "--weights", str(args.weights), "--freeze", *args.words]
    command = [sys.executable, SCRIPT, args.data, "--weights", args.weights, "--json"]
    command += ["--without", args.without] if args.without else []
    copies = read_names(args.without)
    ours = {"cold": [], "warm": [], f"{len(RATES)} rates, cold": []}
    scripts = []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as other:
            kinds = ((words, cache), (words, cache), ([*words, AT_ONCE], other))
            for kind, (line, place) in zip(ours, kinds, strict=True):
                ours[kind].append(fieldmark_train(line, place, copies))
        rate = RATES[number % len(RATES)]
        scripts.append(script([*command, "--rates", rate]))
        print(f"round {number + 1} of {args.rounds} is done", file=sys.stderr, flush=True)
    return ours, scripts


def tell_seconds(ours, scripts):
    """The table of seconds: medians, and how many times faster than the script."""
    alone = statistics.median(one["seconds"] for one in scripts)
    whole = statistics.median(one["whole"] for one in scripts)
    thrice = len(RATES) * statistics.mean(one["seconds"] for one in scripts)
    thrice_whole = len(RATES) * statistics.mean(one["whole"] for one in scripts)
    print(f"{'seconds, medians':<26}{'whole':>8}{'no imports':>12}{'own clock':>11}", end="")
    print(f"{'x whole':>10}{'x no imports':>14}")
    print(f"{'script, one rate':<26}{whole:>8.1f}{alone:>12.1f}")
    print(f"{f'script, {len(RATES)} rates':<26}{thrice_whole:>8.1f}{thrice:>12.1f}")
    for kind, runs in ours.items():
        taken = statistics.median(run.whole for run in runs)
        work = statistics.median(run.without_imports for run in runs)
        own = statistics.median(run.own for run in runs)
        several = kind not in ("cold", "warm")
        ratios = (thrice_whole if several else whole) / taken, (thrice if several else alone) / work
        line = f"{'Fieldmark, ' + kind:<26}{taken:>8.1f}{work:>12.1f}{own:>11.1f}"
        print(f"{line}{ratios[0]:>10.1f}{ratios[1]:>14.1f}")


def tell_accuracy(ours, scripts):
    """The table of accuracies, a number a round."""
    print("accuracy, a number a round")
    for kind, runs in ours.items():
        print("\n".join(accuracy_lines(f"Fieldmark, {kind}", [run.accuracy for run in runs])))
    found = [
        {
            "val": (one["accuracy"], one["n"]),
            "without copies": (one["accuracy_without"], one["n_without"]),
        }
        for one in scripts
    ]
    rates = ", ".join(f"{one['rate']:g}" for one in scripts)
    print("\n".join(accuracy_lines(f"script, {rates}", found)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--without", type=Path)
    parser.add_argument("--rounds", type=int, default=len(RATES))
    parser.add_argument(
        "--words",
        nargs=argparse.REMAINDER,
        default=[],
        help="all that follows, for fieldmark train",
    )
    args = parser.parse_args()
    print(heading(args.rounds))
    ours, scripts = measure(args)
    tell_seconds(ours, scripts)
    tell_accuracy(ours, scripts)


if __name__ == "__main__":
    main()
