"""What `train --profile` prints after a run: where its time went, part by part and layer by layer.

The seconds are those that every run counts; the layers are timed afterwards, on random pixels and
a copy of the network read from the run's folder. So a run is the same with and without it.
"""

import sys
from collections.abc import Iterator, Mapping

import torch

from fieldmark import streams
from fieldmark.console import Console
from fieldmark.errors import counted
from fieldmark.machine import threads
from fieldmark.metrics_json import WHOLE
from fieldmark.models import bundle, precision
from fieldmark.models.summary import layer_times
from fieldmark.records import Samples
from fieldmark.report.timing import LOADING, NETWORK, parts_of
from fieldmark.report.words import whole_percent as percent
from fieldmark.rundir import RunDir
from fieldmark.runs.resume import read_run
from fieldmark.settings.layers import Layer
from fieldmark.settings.tree import Settings
from fieldmark.streams import Stream

LAYERS = 8  # how many of the slowest are told
TRAINED = (*LOADING, *NETWORK)  # the parts of the time that the images trained on took


def tell_profile(run: RunDir, console: Console) -> None:
    """Parts, stages, the loader against the network, memory, and the slowest layers."""
    memory = list(memory_used())  # before this adds to it
    times = run.read_metrics().about.times
    if not times:
        console.warn(f"{run.path}: was trained by a version that kept no times; train it anew")
        return
    settings = read_run(run, Layer("nothing is changed", {}))[0].settings
    stages = stage_rows(run)
    images = images_seen(Samples.read(run.samples), settings, stages)
    for lines in (
        part_lines(times, images),
        stage_lines(stages),
        speed_lines(times, images["trained"], int(settings.run.workers)),
        memory,
        layer_lines(run, settings),
    ):
        if lines:
            console.say()
            console.say("\n".join(lines))


def stage_rows(run: RunDir) -> dict[int, tuple[int, float]]:
    """Epochs and seconds of each stage, counted from 1."""
    found: dict[int, tuple[int, float]] = {}
    for row in run.read_history():
        epochs, seconds = found.get(int(row["stage"]), (0, 0.0))
        found[int(row["stage"])] = epochs + 1, seconds + row["seconds"]
    return found


def images_seen(
    samples: Samples, settings: Settings, stages: Mapping[int, tuple[int, float]]
) -> dict[str, int]:
    """How many images were trained on, validated, predicted and embedded, each time counted.

    Epochs on features count for none: their images were embedded.
    """
    train, val, test = (len(samples.rows(side)) for side in ("train", "val", "test"))
    kinds = settings.train.stages
    epochs = sum(n for stage, (n, _) in stages.items() if not kinds[stage - 1].head_alone)
    views = settings.features.views
    return {
        "trained": epochs * train,
        "validation": epochs * val,
        "predicting": val + test,
        "embedding": len(samples) + (views * train if views > 1 else 0),
        "decoding photos": len(samples),
    }


def part_lines(times: Mapping[str, float], images: Mapping[str, int]) -> list[str]:
    """The parts of the run as a table: seconds, share, images a second."""
    parts, whole = parts_of(times), times[WHOLE] or 1.0
    lines = [f"{'where the time went':<30}{'seconds':>10}{'share':>8}{'images/s':>12}"]
    for words, seconds in parts:
        count = images["trained"] if words in TRAINED else images.get(words, 0)
        speed = f"{count / seconds:,.0f}" if count and seconds >= 0.001 else ""
        share = percent(seconds / whole)
        lines.append(f"  {words:<28}{seconds:>10.2f}{share:>8}{speed:>12}".rstrip())
    return [*lines, f"  {'all':<28}{whole:>10.2f}"]


def stage_lines(stages: Mapping[int, tuple[int, float]]) -> list[str]:
    """Epochs and seconds of each stage, where there are several."""
    if len(stages) < 2:
        return []
    return [
        f"stage {stage}: {epochs} epochs in {seconds:.1f} s, {seconds / epochs:.2f} s an epoch"
        for stage, (epochs, seconds) in stages.items()
    ]


def speed_lines(times: Mapping[str, float], trained: int, workers: int) -> list[str]:
    """How fast images could be loaded, and how fast the network took them."""
    beside = {name: times.get(f"workers_{name}", 0.0) for name in ("reading", "augmenting")}
    loading = sum(beside.values()) / max(1, workers)
    loading += times.get("reading", 0.0) + times.get("augmenting", 0.0)
    computing = sum(times.get(name, 0.0) for name in ("forward", "backward", "steps"))
    lines = []
    if sum(beside.values()):
        lines.append(
            f"beside training, loader processes: reading {beside['reading']:.2f} s, "
            f"augmenting {beside['augmenting']:.2f} s"
        )
    if trained and loading and computing:
        where = f"with {counted(workers, 'worker')}" if workers else "without workers"
        lines.append(
            f"the loader gives {trained / loading:,.0f} images/s {where}; "
            f"the network takes {trained / computing:,.0f} images/s"
        )
    return lines


def memory_used() -> Iterator[str]:
    """The most memory that processor and accelerator had in use, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        pass
    else:
        unit = 1 if sys.platform == "darwin" else 1024
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        yield f"most memory of this process, without its loader's: {most / 1e6:,.0f} MB"
    if torch.cuda.is_available() and (most := torch.cuda.max_memory_allocated()):
        yield f"most memory of the GPU: {most / 1e6:,.0f} MB"


def layer_lines(run: RunDir, settings: Settings) -> list[str]:
    """The slowest layers of a forward pass of one batch."""
    device, size = torch.device(settings.run.device), settings.train.batch_size
    model, info = bundle.load(run.path)
    model = model.to(device).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(streams.word(Stream.PROBE, 0))
    pixels = torch.randint(
        256, (size, 3, info.spec.size, info.spec.size), generator=generator, dtype=torch.uint8
    )
    images = model.prepare(pixels.to(device)).contiguous(memory_format=torch.channels_last)
    with threads(int(settings.run.threads)):
        whole, layers = layer_times(
            model.network, images, precision.autocast(settings.run.precision, device)
        )
    title = f"slowest layers of a forward pass of {size} images"
    lines = [f"{title:<52}{1000 * whole:>10.2f} ms"]
    for layer in layers[:LAYERS]:
        share = percent(layer.seconds / whole)
        lines.append(
            f"  {layer.name:<32}{layer.type:<18}{1000 * layer.seconds:>10.2f} ms{share:>8}"
        )
    return lines
