"""Where the time of a run went, in words, and what to do about it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fieldmark.console import duration
from fieldmark.metrics_json import WHOLE
from fieldmark.report.words import whole_percent

SHORT = 20.0  # seconds of a run from which there is little to gain
ALSO = 0.15  # share from which a part that is not the largest gets a sentence too

# in the order of a run: the names in the clock, and what these parts are called
PARTS = {
    "preparing": "getting ready",
    "decoding": "decoding photos",
    "embedding": "embedding",
    "heads": "training heads",
    "reading": "reading images",
    "augmenting": "augmenting",
    "waiting": "waiting for images",
    "forward": "forward",
    "backward": "backward and step",
    "steps": "forward, backward and step",
    "validation": "validation",
    "predicting": "predicting",
    "explaining": "heat maps",
    "figures": "figures",
    "writing": "writing",
    "trackers": "trackers",
}
ELSE = "everything else"

LOADING = ("reading images", "augmenting", "waiting for images")
NETWORK = ("forward", "backward and step", "forward, backward and step")
ONCE = "which is done once; the next run"
# what follows "62 % ": what it was, and what to do
ADVICE = {
    "getting ready": (
        "of the time went into looking at the images and building the network, which takes the "
        "same however long the training is"
    ),
    "decoding photos": (
        f"of the time went into decoding photos, {ONCE} with these images finds them in the cache"
    ),
    "embedding": (
        f"of the time went into embedding the images, {ONCE} with this network and these images "
        "finds it in the cache"
    ),
    "training heads": (
        "of the time went into training heads: fewer features.penalties or features.scalings, or, "
        "where they are trained by epochs, fewer --epochs, features.rates, seeds or heads"
    ),
    "validation": (
        "of the time went into validation: a smaller data.val_fraction, at the price of less "
        "certain figures"
    ),
    "predicting": (
        "of the time went into the last predictions, which are made once, however long the "
        "training is"
    ),
    "figures": (
        "of the time went into the figures and their intervals, which are made once, however "
        "long the training is"
    ),
    "heat maps": (
        "of the time went into heat maps of some images, which are made once, however long the "
        "training is; without: run.explain=false"
    ),
    "writing": (
        "of the time went into writing: an --out on a faster disk, or, where epochs are long, "
        "a larger train.checkpoint_minutes"
    ),
    "trackers": (
        "of the time went into trackers, most of it into their start, which is the same however "
        "long the training is"
    ),
}
# told only where nothing else took more
NO_TROUBLE = ("network", "getting ready", "predicting", "figures", "trackers", "heat maps")


@dataclass(frozen=True)
class Timing:
    """Where the time of a run went, and what to do about it ("" where all is well)."""

    parts: tuple[tuple[str, float], ...]  # words, seconds
    advice: str = ""


def timing_of(times: Mapping[str, float], settings: Mapping[str, Any]) -> Timing:
    """`where_time_went` of a run with these settings, by section and name."""
    run, in_batches = settings["run"], settings["augment"]["by"] == "batch"
    return where_time_went(
        times,
        workers=None if in_batches else int(run["workers"]),
        device=str(run["device"]),
        has_weights=settings["model"]["weights"] != "none",
    )


def where_time_went(
    times: Mapping[str, float],
    *,
    workers: int | None,
    device: str,
    has_weights: bool,
    cores: int | None = None,
) -> Timing:
    """The parts of a run's seconds, which add up to all of them, and a sentence or two.

    times: of a Clock. workers: loader processes; None where images lie in memory. device: the
    type of the one that computes. has_weights: the run began with weights that were trained.
    What workers do happens beside training, so only waiting for them is a part. Without
    workers, reading and augmenting are parts, as far as training had to wait for them.
    """
    parts = parts_of(times)
    whole = sum(seconds for _, seconds in parts)
    if whole < SHORT:
        return Timing(parts, f"{duration(whole)} in all: there is little to gain.")
    shares = {words: seconds / whole for words, seconds in parts}
    groups = {
        "loading": sum(shares.get(words, 0.0) for words in LOADING),
        "network": sum(shares.get(words, 0.0) for words in NETWORK),
        **{words: shares.get(words, 0.0) for words in ADVICE},
    }
    first, second, *_ = sorted(groups, key=lambda name: -groups[name])
    if shares[ELSE] > groups[first]:
        return Timing(parts, "No part that could be made shorter took most of the time.")
    told = [first]
    if groups[second] >= ALSO and second not in NO_TROUBLE:
        told.append(second)
    loading = loading_advice(times, workers, cores or os.cpu_count() or 1)
    advice = {"loading": loading, "network": network_advice(device, has_weights), **ADVICE}
    return Timing(
        parts, " ".join(f"{whole_percent(groups[name])} {advice[name]}." for name in told)
    )


def parts_of(times: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Words and seconds of each part that took any, and everything else. They add up."""
    seconds = dict(times)
    inline = seconds.get("reading", 0.0) + seconds.get("augmenting", 0.0)
    waited = seconds.get("waiting", 0.0)
    if inline:  # a GPU may have been busy meanwhile: then nobody waited
        counted = min(1.0, waited / inline)
        for name in ("reading", "augmenting"):
            seconds[name] = counted * seconds.get(name, 0.0)
        seconds["waiting"] = max(0.0, waited - inline)
    found = [(words, seconds[name]) for name, words in PARTS.items() if seconds.get(name, 0.0) > 0]
    rest = seconds.get(WHOLE, 0.0) - sum(each for _, each in found)
    return (*found, (ELSE, max(0.0, rest)))


def loading_advice(times: Mapping[str, float], workers: int | None, cores: int) -> str:
    """What to do where training waits for images."""
    reading = times.get("reading", 0.0) + times.get("workers_reading", 0.0)
    augmenting = times.get("augmenting", 0.0) + times.get("workers_augmenting", 0.0)
    remedies = []
    if workers is None:
        reading = 0.0
    elif workers < cores:
        remedies.append(f"more --workers (now {workers}; there are {cores} cores)")
    if reading >= augmenting:
        remedies.append("a larger cache (FIELDMARK_CACHE_GB), which keeps photos decoded")
    else:
        remedies.append("a lighter --augment")
    return f"of the time went into waiting for images: {', or '.join(remedies)}"


def network_advice(device: str, has_weights: bool) -> str:
    """What to do where the network is what takes the time; random weights are not frozen."""
    remedies = ["a smaller --model or --image-size"]
    remedies += ["--freeze"] if has_weights else []
    remedies += ["a GPU"] if device == "cpu" else []
    return f"of the time was the network's own work: {', or '.join(remedies)}"


def time_line(timing: Timing) -> str:
    """One line for the terminal: the largest parts, and the advice."""
    whole = sum(seconds for _, seconds in timing.parts) or 1.0
    largest = sorted(timing.parts, key=lambda part: -part[1])[:4]
    words = [f"{what} {whole_percent(s / whole)}" for what, s in largest if s >= 0.01 * whole]
    total = f"{duration(whole)} in all" if whole >= SHORT else ""  # else the advice says it
    said = (total, ", ".join(words), timing.advice.removesuffix("."))
    return f"time    {'; '.join(filter(None, said))}"
