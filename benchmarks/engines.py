"""A frozen network's body in torch, onnxruntime and OpenVINO: images a second, in turns.

    uv run python benchmarks/engines.py [--rounds 7] [--images 128] [--processes 2]
    uv run python benchmarks/engines.py --whole DATA [--rounds 3] [--words WORDS ...]

As Fieldmark computes features: processes with one thread each, batches of eight, the images ready
as uint8, the precision that the table has for the engine. Before a round is counted, every engine
has computed once. In a round each engine passes `--images` images in each process, all processes
at once, and the engines take turns, so that the machine's moods meet all of them; the ratio to
torch is taken within a round. Weights are random: speed does not depend on them.

--whole times `fieldmark train DATA --freeze --engine ...` with an empty cache, the whole command,
imports and export and comparison included.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from fieldmark.fit.features import Pass, _Model
from fieldmark.machine import processor, versions
from fieldmark.models import engines, precision
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.body import body_and_head
from fieldmark.models.catalog import family
from fieldmark.models.infer import evaluating
from fieldmark.records import InputSpec

NETWORKS = (
    "mobilenet_v2",
    "efficientnet_lite0",
    "resnet18",
    "resnet50",
    "timm/vit_small_patch16_224",
)
SIDE = 224
CPU = torch.device("cpu")


def passing(name, engine):
    """How images pass the body of a network with random weights."""
    network = assemble(Design(name), 10).to(memory_format=torch.channels_last)
    body, _ = body_and_head(network, SIDE)
    kind = precision.choose(CPU, family(name), engine)
    return Pass(body, name, InputSpec(f"square:{SIDE}", SIDE), kind, CPU, engine)


def work(name, models, images, connection):
    """In a process of its own: pass images in the engine that is asked for, tell the seconds."""
    torch.set_num_threads(1)
    pixels = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), np.uint8)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    while engine := connection.recv():
        model = models[engine]
        begun = time.perf_counter()
        with evaluating(model.classifier):
            for _ in range(images // len(batch)):
                model(batch)
        connection.send(time.perf_counter() - begun)


def rates(name, args):
    """Of each engine, images a second in each round. -> {engine: [...]}, seconds of export"""
    models, export = {}, 0.0
    for engine in engines.PACKAGES:
        begun = time.perf_counter()
        models[engine] = _Model(passing(name, engine))
        export = time.perf_counter() - begun
    context, ends = multiprocessing.get_context("fork"), []
    for _ in range(args.processes):
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(name, models, args.images, theirs), daemon=True).start()
        ends.append(ours)
    found = {engine: [] for engine in models}
    for number in range(args.rounds + 1):
        for engine in models:
            for end in ends:
                end.send(engine)
            seconds = [end.recv() for end in ends]
            if number:
                found[engine].append(sum(args.images / each for each in seconds))
    for end in ends:
        end.send(None)
    return found, export


def tell_rates(name, found, export):
    """A line a network: medians with least and most, and the ratio to torch within a round."""
    cells = []
    for engine, each in found.items():
        cell = f"{engine} {statistics.median(each):.0f} ({min(each):.0f} to {max(each):.0f})"
        if engine != engines.TORCH:
            ratios = [a / b for a, b in zip(each, found[engines.TORCH], strict=True)]
            cell += f" x{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        cells.append(cell)
    print(f"{name}: {'; '.join(cells)}; export {export:.1f} s", flush=True)


def whole(args):
    """Seconds of the whole command with an empty cache, in turns."""
    found = {engine: [] for engine in engines.PACKAGES}
    for _ in range(args.rounds):
        for engine, seconds in found.items():
            with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as cache:
                words = ["train", args.whole, "--freeze", "--engine", engine, "--out", out]
                command = [sys.executable, "-m", "fieldmark", *map(str, words), *args.words]
                begun = time.perf_counter()
                environment = {**os.environ, "FIELDMARK_CACHE": cache}
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                seconds.append(time.perf_counter() - begun)
                if done.returncode:
                    sys.exit(done.stderr)
                print(f"{engine} {seconds[-1]:.1f} s", file=sys.stderr, flush=True)
    torch_alone = statistics.median(found[engines.TORCH])
    for engine, seconds in found.items():
        each = ", ".join(f"{one:.1f}" for one in seconds)
        middle = statistics.median(seconds)
        print(f"{engine}: {middle:.1f} s ({each}), torch takes {torch_alone / middle:.2f} times it")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--whole", type=Path)
    parser.add_argument("--words", nargs=argparse.REMAINDER, default=[])
    args = parser.parse_args()
    packages = ("torch", "onnxruntime", "openvino", "onnxscript")
    print(f"{processor()}, {os.cpu_count()} cores; {versions(packages)}; load {os.getloadavg()}")
    if args.whole:
        whole(args)
        return
    for name in args.networks:
        tell_rates(name, *rates(name, args))


if __name__ == "__main__":
    main()
