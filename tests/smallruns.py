"""Small runs on images drawn in code, runs that are killed, and what makes two runs the same."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import fieldmark
from fieldmark.console import Console
from fieldmark.data import packs
from fieldmark.reviews.evaluate import evaluate_new
from fieldmark.reviews.evaluated import Asked
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import gather
from fieldmark.runs.resume import resume_run
from fieldmark.runs.run import train_run
from fieldmark.settings.data import DataSettings
from fieldmark.settings.texts import read_given

SMALL = ("model.width=4", "optimizer.lr=0.01", "train.batch_size=16", "run.workers=0")
FAST = ("model.width=4", "train.batch_size=16", "run.workers=0", "--epochs", "1")  # typed words
STAGED = ("train.stages=[{train: head, epochs: 3}, {train: all}]", "train.epochs=2")
QUIET = Console(quiet=True)  # of no run: what it was told last would begin the log of the next


def draw_photos(root: Path, *, each: int = 16, side: int = 16, seed: int = 0) -> Path:
    """Images in three classes that differ in colour, under noise. -> their folder"""
    draw = np.random.default_rng(seed)
    for label, name in enumerate(("blue", "green", "red")):
        (root / name).mkdir(parents=True)
        for number in range(each):
            pixels = draw.integers(0, 160, size=(side, side, 3))
            pixels[..., 2 - label] += 60
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{number:02}.png")
    return root


@contextmanager
def pages(drawn: bool) -> Iterator[None]:
    """Inside it a run's page is an empty file unless `drawn`, which costs more than a small run."""
    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr("fieldmark.runs.run.report", lambda run: run.report.touch())
        yield


def train(
    data: object, out: Path, name: str, *words: str, page: bool = False, **options: object
) -> RunDir:
    """A run of a small small_cnn, in this process, to its end."""
    given = {"out": str(out), "name": name, "epochs": "3", **options}
    with pages(page):
        return train_run(gather(str(data), [*SMALL, *words], given), Console(quiet=True), "a test")


def exact(photos, out, name, weights, *words, data=None, page=False):
    """A run whose settings say nothing of how the head is trained, to its end."""
    given = {"out": str(out), "name": name}
    resolved = gather(str(photos), [*weights[:2], *words], given)
    with pages(page):
        return train_run(resolved, Console(quiet=True), "a test", data)


def exact_and_die(point, count, photos, out, name, weights, words) -> None:
    """Make an exact run, and be killed as `train_and_die` is."""
    die_at(point, count)
    exact(photos, out, name, weights, *words, page=True)


def train_recipe(
    recipe: str, data: object, out: Path, name: str, *words: str, page: bool = False
) -> RunDir:
    """A run of a recipe on images of its own, in this process, to its end."""
    given = {"out": str(out), "name": name}
    with pages(page):
        resolved = gather(str(data), words, given, recipe=recipe)
        return train_run(resolved, Console(quiet=True), "a test")


def recipe_and_die(point: str, count: int, recipe: str, data: Path, out: Path, name, words) -> None:
    """Train a recipe, and be killed as `train_and_die` is."""
    die_at(point, count)
    train_recipe(recipe, data, out, name, *words, page=True)


def resume(
    run: RunDir, console: Console | None = None, *, page: bool = False, **options: object
) -> RunDir:
    """Go on with a run, in this process."""
    with pages(page):
        asked = read_given([], options, None)
        return resume_run(str(run.path), asked, console or Console(quiet=True))


def in_process(target, *args) -> int:
    """Call `target` in a process of its own, forked from one that has torch. -> its exit code"""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fieldmark.runs.resume", "fieldmark.report.curves"])
    process = context.Process(target=target, args=args)
    process.start()
    process.join(120)
    return process.exitcode


def points(*cases: object) -> list:
    """Cases of a test that kills runs: the first is in the quick suite, the others slow."""
    wrapped = [each if isinstance(each, tuple) else (each,) for each in cases]
    marks = [(), *[pytest.mark.slow] * len(wrapped)]
    return [pytest.param(*each, marks=mark) for each, mark in zip(wrapped, marks, strict=False)]


def die() -> None:
    """What `kill -9` does to this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def train_and_die(point: str, count: int, data: Path, out: Path, name: str, words) -> None:
    """Train, and be killed at the `count`th time that `point` ("module:function") is reached."""
    die_at(point, count)
    train(data, out, name, *words, page=True)


def given_and_die(point: str, count: int, pixels, labels, options) -> None:
    """Train on arrays, and be killed as `train_and_die` is; this process opens Parquet itself."""
    die_at(point, count)
    packs._home = os.getpid()
    fieldmark.train(pixels, labels, quiet=True, **options)


def resume_and_die(point: str, count: int, run: RunDir) -> None:
    """Go on with a run, and be killed as `train_and_die` is."""
    die_at(point, count)
    resume(run, page=True)


def further_and_die(point: str, count: int, run: RunDir) -> None:
    """Train a finished run to four epochs, and be killed as `train_and_die` is."""
    die_at(point, count)
    resume(run, page=True, epochs="4")


def look_and_die(point: str, run: RunDir, data: str) -> None:
    """Evaluate a run on other images, and be killed the first time that `point` is reached."""
    die_at(point, 1)
    evaluate_new(str(run.path), DataSettings(source=data), Asked(), QUIET)


def train_until(seconds: float, data: object, out: Path, name: str, words, options) -> None:
    """Train, and be killed so many seconds after the run folder is there, or at the end."""

    def kill() -> None:
        while not (out / name / "settings.yaml").is_file():
            time.sleep(0.005)
        time.sleep(seconds)
        die()

    threading.Thread(target=kill, daemon=True).start()
    train(data, out, name, *words, page=True, **options)
    die()


def die_at(point: str, count: int) -> None:
    """Put death before the `count`th call of a function, or of a class's method."""
    module_name, _, path = point.partition(":")
    holder = __import__(module_name, fromlist=["x"])
    *parents, last = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    real, calls = getattr(holder, last), 0

    def deadly(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == count:
            die()
        return real(*args, **kwargs)

    setattr(holder, last, deadly)


def same_results(one: RunDir, other: RunDir) -> bool:
    """Whether the bundle, history and predictions are the same, bit for bit."""
    bundles = [
        [file.read_bytes() for file in (run.path / "model.safetensors", run.known) if file.exists()]
        for run in (one, other)
    ]
    return (
        bundles[0] == bundles[1]
        and history(one).equals(history(other))
        and predictions(one).equals(predictions(other))
    )


def history(run: RunDir) -> pl.DataFrame:
    """history.csv without the seconds."""
    return pl.read_csv(run.history).drop("seconds")


def predictions(run: RunDir) -> pl.DataFrame:
    """The predictions table without the run's name."""
    return pl.read_parquet(run.predictions).drop("model")
