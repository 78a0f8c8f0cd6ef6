"""Few images a class: `fieldmark train` against scikit-learn on the same features, and fastai.

    uv run python benchmarks/few.py DATA [DATA ...] [--more DATA ...] --out FILE --work DIR
        [--sets NAME ...] [--each 1 2 5 10 20 50 0] [--draws 5] [--methods NAME ...]
        [--networks NAME[=FILE] ...] [--fastai ENV/bin/python]
    uv run python benchmarks/few.py --table --out FILE

Each DATA has a training part and a test; it is a set of its own. One more, *mixed*, has at most 60
classes: those of every DATA and then of those of --more, and each of them once more, upside down,
as a class of its own; its test has at most 20 images a class. For each draw so many training images
a class (--each; 0: all, of which there is one draw), for every method the same; a draw of 5 holds
the draw of 2. Copies of test images are never drawn.

freeze, default   `fieldmark train --freeze` and `fieldmark train` on a folder of links, with the
                  test named and the draw as seed; validation is Fieldmark's own affair
scaled, plain     scikit-learn's LogisticRegressionCV (Cs=10, five folds or as many as a class has
                  images, max_iter=1000) on the features that Fieldmark embeds, with and without
                  StandardScaler; of one image a class LogisticRegression with C=1; one thread,
                  since two, beside other work, were seen to take a hundred times as long
*-loss            the same, but C is chosen by log loss instead of accuracy
fastai            fine_tune(5) from the same weights, benchmarks/fastai_fine_tune.py, in batches of
                  which an epoch has six, but of 8 to 64 images; no validation in between
fastai-20         the same, but fine_tune(20)

FILE gets a row a draw and method; rows that it has are not made again. In a row, `seconds` are
those of the whole command, and `cpu` what it took of a processor, which other work beside it
hardly changes: of Fieldmark the first draw's, a process with an empty cache, where the other draws
are calls of `fieldmark.train` in one process; `warm` and `warm_cpu` those of --freeze once more,
with the features in the cache; `fit` the seconds of training the head on features alone. DIR keeps
the draws. --table prints what FILE has of so many draws, of --methods and --networks where named.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from functools import lru_cache
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
from few_sets import drawn, pool
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import fieldmark
from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.errors import UserError
from fieldmark.fit.features import embed
from fieldmark.judge.intervals import wilson
from fieldmark.judge.metrics import metrics_of
from fieldmark.machine import processor, versions
from fieldmark.models import published
from fieldmark.runs.concrete import gather
from fieldmark.runs.on_features import passing
from fieldmark.runs.run import prepare

FOLDS, EPOCHS = 5, 5
FIGURES = ("accuracy", "log_loss", "ece")
KEY = ("set", "each", "draw", "method", "network")


def by_fieldmark(folder, network, draw, method, given):
    """The first draw as a command with an empty cache, which is timed, the others as calls."""
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as cache:
        options = {"seed": draw, "out": out, **model_of(network)}
        data, test = folder / "train", folder / "test"
        if draw == 0:
            words = [f"--{key}={value}" for key, value in options.items()]
            words += ["--freeze"] if method == "freeze" else []
            command = [sys.executable, "-m", "fieldmark", "train", data, *words]
            command += [f"data.test={test}"]
            _, seconds, cpu = output([*command, "--name=run"], FIELDMARK_CACHE=cache)
            spent = {"seconds": seconds, "cpu": cpu}
            if method == "freeze":
                _, warm, warm_cpu = output([*command, "--name=again"], FIELDMARK_CACHE=cache)
                spent |= {"warm": warm, "warm_cpu": warm_cpu}
        else:
            options |= {"freeze": method == "freeze", "data.test": str(test)}
            fieldmark.train(data, quiet=True, name="run", **options)
        metrics = json.loads(Path(out, "run", "metrics.json").read_text())
    test, times = metrics["test"], metrics["about"]["times"]
    figures = {figure: test[figure] for figure in FIGURES}
    fit = times.get("heads") if method == "freeze" else None
    return {**figures, "n": test["n"], "fit": fit, **spent}


@lru_cache(maxsize=1)
def features_of(folder, network):
    """The features that `--freeze` has, as (n, features) and targets (n,), of train and of test."""
    words = {"data.test": str(folder / "test"), "data.val": "none"}
    given = gather(str(folder / "train"), words, {"freeze": True, **model_of(network)})
    prepared, quiet = prepare(given, Console(quiet=True)), Console(quiet=True)
    samples = prepared.samples
    found = embed(passing(prepared), samples, cache=open_cache(), console=quiet).plain
    features, targets = found.float().numpy(), samples.targets(prepared.classes)
    rows = [samples.rows(side) for side in ("train", "test")]
    return [(features[each], targets[each]) for each in rows]


def model_of(network):
    """The options of NAME or NAME=FILE."""
    name, _, file = network.partition("=")
    return {"model": name, **({"weights": file} if file else {})}


def by_sklearn(folder, network, draw, method, given):
    """scikit-learn's regression on the features that `--freeze` has."""
    (features, targets), (test, truth) = features_of(folder, network)
    folds = min(FOLDS, np.bincount(targets).min())
    scoring = "neg_log_loss" if method.endswith("loss") else "accuracy"
    model = LogisticRegression(C=1, max_iter=1000)
    if folds > 1:
        quiet = {"l1_ratios": (0,), "use_legacy_attributes": False}  # as it is, without a warning
        model = LogisticRegressionCV(Cs=10, cv=folds, max_iter=1000, scoring=scoring, **quiet)
    if method.startswith("scaled"):
        model = make_pipeline(StandardScaler(), model)
    begun = time.perf_counter()
    with threadpool_limits(1), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        logits = model.fit(features, targets).predict_log_proba(test)
    about = {
        "fit": time.perf_counter() - begun,
        "C": float(getattr(model[-1] if method.startswith("scaled") else model, "C_", 1)),
        "unconverged": sum("onverge" in str(each.message) for each in told),
        "scikit-learn": version("scikit-learn"),
    }
    return {**figures_of(logits, truth), **about}


def by_fastai(folder, network, draw, method, given):
    """fastai's fine_tune, a process of its own."""
    name, _, file = network.partition("=")
    images = len(list(folder.glob("train/*/*")))
    size = 2 ** int(np.log2(np.clip(images / 6, 8, 64)))
    with tempfile.TemporaryDirectory() as out:
        scores = Path(out, "scores.npz")
        command = [given.fastai, Path(__file__).with_name("fastai_fine_tune.py"), folder]
        file = file or published.fetch(published.chosen(name, "default"))
        command += ["--network", name, "--weights", file]
        epochs = int(method.partition("-")[2] or EPOCHS)
        command += ["--val", "test", "--epochs", epochs, "--seed", draw, "--batch-size", size]
        command += ["--unwatched", "--scores", scores, "--json"]
        words, seconds, cpu = output(command)
        told = json.loads(words.splitlines()[-1])
        kept = np.load(scores)
        logits = np.log(np.maximum(kept["scores"], np.finfo(np.float32).tiny))
    about = {"seconds": seconds, "cpu": cpu, "batch": size, "fastai": told["versions"]["fastai"]}
    return {**figures_of(logits, kept["labels"]), **about}


def figures_of(logits, targets):
    return {**metrics_of(logits, targets, FIGURES), "n": len(targets)}


def output(words, **more):
    """What a command prints, its seconds, and those of a processor.

    Raises UserError where it refuses; a failure ends this one too.
    """
    command, environment = [str(word) for word in words], {**os.environ, **more}
    begun, before = time.perf_counter(), os.times()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode == UserError.exit_code:
        raise UserError(done.stderr.strip())
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    seconds, after = time.perf_counter() - begun, os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])  # of processes that have ended
    return done.stdout, seconds, cpu


METHODS = {
    "freeze": (by_fieldmark, "`--freeze`"),
    "default": (by_fieldmark, "the default"),
    "scaled": (by_sklearn, "scikit-learn, scaled"),
    "plain": (by_sklearn, "scikit-learn, plain"),
    "scaled-loss": (by_sklearn, "scikit-learn, scaled, C by log loss"),
    "plain-loss": (by_sklearn, "scikit-learn, plain, C by log loss"),
    "fastai": (by_fastai, "fastai"),
    "fastai-20": (by_fastai, "fastai, 20 epochs"),
}


def measure(given, sets):
    """Every row that FILE has not yet, the first draw of all cells before the second of any."""
    known = {tuple(row[name] for name in KEY) for row in read(given.out)}
    about = {"processor": processor(), "cores": os.cpu_count(), "versions": versions()}
    for draw, (name, sources), each in product(range(given.draws), sets.items(), given.each):
        if draw and not each:
            continue
        cell = (name, each, draw)
        tried = product(given.networks, given.methods)
        left = [(n, m) for n, m in tried if (*cell, m, n.partition("=")[0]) not in known]
        if not left:
            continue
        whole = pool(sources, given.work / name, name == "mixed")
        place = given.work / "draws" / "-".join(map(str, (*cell, os.getpid())))
        drawn(whole, each, draw, place)
        for network, method in left:
            key, load = (*cell, method, network.partition("=")[0]), os.getloadavg()[0]
            try:
                found = METHODS[method][0](place, network, draw, method, given)
            except UserError as error:
                found = {"error": str(error)}
            row = {**dict(zip(KEY, key, strict=True)), **found, **about, "load": load}
            with given.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(*row.values(), file=sys.stderr, flush=True)
        shutil.rmtree(place)


def read(file):
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def cell(rows, draws):
    """Accuracy with its spread, log loss and calibration error."""
    if not rows or any("error" in row for row in rows):
        return "refused" if rows else ""
    shares, losses, errors = ([row[name] for row in rows] for name in FIGURES)
    alone = wilson(shares[0], rows[0]["n"])
    low, high = (min(shares), max(shares)) if len(rows) > 1 else alone
    words = f"{100 * np.mean(shares):.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    words += f", {np.mean(losses):.3f}, {100 * np.mean(errors):.1f} %"
    part = f", {len(rows)} of {draws}" if rows[0]["each"] and len(rows) < draws else ""
    return words + part


def seconds(rows, _):
    """Medians of the whole command, of a processor, both once more with a cache, of the head."""
    forms = {"seconds": "{:.0f}", "cpu": "cpu {:.0f}", "warm": "warm {:.0f}"}
    forms |= {"warm_cpu": "cpu {:.0f}", "fit": "head {:.2g}"}
    found = {name: [row[name] for row in rows if row.get(name) is not None] for name in forms}
    return ", ".join(forms[name].format(np.median(each)) for name, each in found.items() if each)


def tell(rows, draws):
    """The machines, then two tables a set and network: figures, and seconds."""
    tables, machines = defaultdict(lambda: defaultdict(list)), set()
    for row in rows:
        tables[row["set"], row["network"]][row["each"], row["method"]].append(row)
        others = {name: row[name] for name in ("scikit-learn", "fastai") if name in row}
        machines.add(f"{row['processor']}, {row['cores']} cores; {row['versions'] | others}")
    print("\n".join(sorted(machines)))
    for (name, network), cells in tables.items():
        methods = [method for method in METHODS if any(each[1] == method for each in cells)]
        sizes = sorted({each for each, _ in cells}, key=lambda each: each or np.inf)
        count = next(row["n"] for row in rows if row["set"] == name and "n" in row)
        for title, fill in ((f"n = {count}", cell), ("seconds", seconds)):
            print(f"\n| {name}, {network}, {title} | ", end="")
            print(" | ".join(METHODS[method][1] for method in methods) + " |")
            print("|---" * (1 + len(methods)) + "|")
            for each in sizes:
                found = [fill(cells[each, method], draws) for method in methods]
                print(f"| {each or 'all'} | " + " | ".join(found) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--more", nargs="*", type=Path, default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--each", nargs="+", type=int, default=[1, 2, 5, 10, 20, 50, 0])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--methods", nargs="+", choices=METHODS)
    parser.add_argument("--networks", nargs="+")
    parser.add_argument("--fastai", type=Path, help="the python of benchmarks/fastai_env.sh")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        rows = [row for row in read(given.out) if row["draw"] < given.draws]
        for name, some in (("method", given.methods), ("network", given.networks)):
            rows = [row for row in rows if not some or row[name] in some]
        tell(rows, given.draws)
        return
    given.methods = given.methods or ["freeze", "default"]
    given.networks = given.networks or ["efficientnet_lite0"]
    sets = {folder.name: [folder] for folder in given.data}
    sets["mixed"] = [*given.data, *given.more]
    measure(given, {name: sets[name] for name in given.sets or sets})


if __name__ == "__main__":
    main()
