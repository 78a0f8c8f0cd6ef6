"""Files that a run is exported to, on its test images: bytes, milliseconds an image, accuracy.

    uv run python benchmarks/smaller_files.py RUN [RUN ...] [--threads 2] [--images N] [--held N]

Each file is made by `fieldmark export`, so that its recipe is chosen on validation; nothing here
is chosen. Then each test image is decoded once and answered by torch and by every file, one after
the other and one image at a time, so that the machine's moods meet all of them; the ratio to torch
is the median over the images of the ratio at one image. Decoding is in no figure. The files of
onnxruntime resize within their time, torch and OpenVINO are given resized images.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from fieldmark.console import Console
from fieldmark.data.images import seen, unresized
from fieldmark.errors import UserError
from fieldmark.export.exported import export
from fieldmark.export.formats import FLOAT32, FORMATS, Asked
from fieldmark.export.parity import decisions, own_samples, pictures_of, spaced
from fieldmark.export.whole import read_source, whole_runner
from fieldmark.machine import processor, versions

FILES = (
    ("onnx", FLOAT32),
    ("onnx", "float16"),
    ("onnx", "int8"),
    ("openvino", FLOAT32),
    ("openvino", "float16"),
)
NAMES = {"onnx": "onnxruntime", "openvino": "OpenVINO"}


def files_of(run, folder, held):
    """Each way that the run answers: its name, bytes, whether it resizes, and what runs it."""
    source = read_source(run)
    plain = sum(file.stat().st_size for file in Path(run).glob("model.safetensors"))
    found = [("torch", plain, False, whole_runner(source))]
    for to, precision in FILES:
        out, words = folder / f"{Path(run).name}-{to}-{precision}", f"{NAMES[to]} {precision}"
        try:
            _, seen_of = export(
                run, to, out, Asked(most=held, precision=precision), console=Console()
            )
        except UserError as error:
            print(f"{words}: {error}", flush=True)
            continue
        print(f"{words}: {seen_of.words()}", flush=True)
        size = sum(file.stat().st_size for file in out.glob("model.*"))
        runner = FORMATS[to].maker().open(out, source)
        found.append((words, size, to == "onnx", runner))
    return source, found


def looked(source, files, images):
    """Every test image by every file. -> scores (K, n, C), seconds (K, n), truth (n,)"""
    samples = own_samples(source.first, "nothing else will do")
    rows = spaced(samples.rows("test"), images)
    truth = samples.targets(source.info.classes)[rows]
    scores, seconds = [], []
    for read in pictures_of(samples, rows):
        name, content = read()
        given = [form(content, source.info.spec, name)[None] for form in (seen, unresized)]
        answers, spent = [], []
        for _, _, resizes, run in files:
            began = time.perf_counter()
            answers.append(run(given[resizes])[0][0])
            spent.append(time.perf_counter() - began)
        scores.append(answers)
        seconds.append(spent)
    return np.array(scores).swapaxes(0, 1), np.array(seconds).T, truth


def table(source, files, found):
    """The lines, by the order of the files."""
    scores, seconds, truth = found
    decided = [decisions(each, source.info) for each in scores]
    print(f"\n{source.path}, {source.info.model}, {len(truth)} test images\n")
    print("| file | MB | ms an image | torch's time / its | accuracy | decided otherwise |")
    print("|---|---|---|---|---|---|")
    for place, (name, size, _, _) in enumerate(files):
        ratio = statistics.median(seconds[0] / seconds[place])
        middle = 1000 * statistics.median(seconds[place])
        right = 100 * np.mean(decided[place] == truth)
        others = int((decided[place] != decided[0]).sum())
        print(
            f"| {name} | {size / 1e6:.1f} | {middle:.1f} | {ratio:.2f} | {right:.1f} % | {others} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--held", type=int, default=200, help="that float32 is held to torch on")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(processor(), versions(("torch", "onnxruntime", "openvino")), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for run in asked.runs:
            source, files = files_of(run, Path(folder), asked.held)
            table(source, files, looked(source, files, asked.images))


if __name__ == "__main__":
    main()
