"""Exports against the run that they were made of, and against random networks of every series.

    python benchmarks/exports.py run runs/monkeys10-mobilenet_v2-1    # a run whose photos are there
    python benchmarks/exports.py networks dynamo [NAME ...]           # the smallest of each series

The first prints a line a format: what the export saw on validation, and how many of the run's test
images the file decides otherwise than the run's own predictions.parquet, read anew from the disk.
The second prints a line a network, by that exporter of ONNX alone.
"""

import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from fieldmark.data.images import seen, unresized
from fieldmark.data.sources import content_of
from fieldmark.errors import RunError
from fieldmark.export.exported import export
from fieldmark.export.formats import FORMATS, Asked
from fieldmark.export.parity import decisions
from fieldmark.export.whole import read_source
from fieldmark.records import Predictions, Samples
from fieldmark.rundir import RunDir
from fieldmark.task import TASKS


def of_run(path: Path, out: Path) -> None:
    """A line a format of a run."""
    print("| `--to` | exporter | MB | s | validation | largest | test | largest | ms | torch |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for to in FORMATS:
        began = time.perf_counter()
        try:
            folder, parity = export(path, to, out / to)
        except RunError as error:
            print(f"| `{to}` | {error} |")
            continue
        seconds = time.perf_counter() - began
        size = sum(file.stat().st_size for file in folder.glob("model.*")) / 2**20
        images, differ, largest = on_test(path, folder, to)
        print(
            f"| `{to}` | {way_of(folder)} | {size:.1f} | {seconds:.0f} | "
            f"{len(parity.differ)} of {parity.images} | {parity.largest:.1e} | "
            f"{differ} of {images} | {largest:.1e} | {1000 * parity.seconds:.0f} | "
            f"{1000 * parity.torch_seconds:.0f} |",
            flush=True,
        )


def way_of(folder: Path) -> str:
    """The exporter that was taken."""
    return str(json.loads((folder / "export.json").read_text()).get("exporter", ""))


def on_test(path: Path, folder: Path, to: str) -> tuple[int, int, float]:
    """Of the test images: how many, how many are decided otherwise, the largest difference."""
    run, source = RunDir(path), read_source(path)
    samples = Samples.read(run.samples)
    told = Predictions.read(run.predictions).of_split("test")
    file = FORMATS[to].maker().open(folder, source)
    pixels = seen if way_of(folder) in FORMATS[to].outside else unresized
    scores = []
    for place, row in told.frame.select("path", "row").iter_rows():
        image = pixels(content_of(samples.root, place, row), source.info.spec, place)
        scores.append(file(image[None])[0][0])
    wanted = TASKS[source.info.task].scores(told.logits, source.info.temperature)
    found = np.stack(scores).astype(np.float64)
    others = decisions(found, source.info) != decisions(wanted, source.info)
    return len(found), int(others.sum()), float(np.abs(found - wanted).max())


def of_networks(way: str, names: list[str], out: Path) -> None:
    """A line a network: the largest difference, images decided otherwise, seconds."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from randombundles import draw_smooth, random_bundle, side_of, smallest_of_series

    FORMATS["onnx"] = replace(FORMATS["onnx"], ways=(way,))
    print(f"| network | px | {way} | s |\n|---|---|---|---|", flush=True)
    for name in names or smallest_of_series():
        bundle = random_bundle(out / name, name)
        photos = draw_smooth(out / f"photos-{name}", side_of(name))
        began = time.perf_counter()
        found = one(bundle, Asked(images=(str(photos),), accept_drift=True))
        seconds = time.perf_counter() - began
        print(f"| `{name}` | {side_of(name)} | {found} | {seconds:.0f} |", flush=True)
        shutil.rmtree(bundle)


def one(bundle: Path, asked: Asked) -> str:
    """What came of it, in words."""
    try:
        parity = export(bundle, "onnx", None, asked)[1]
    except RunError as error:
        return f"no: {str(error).partition('(')[2].rstrip(')')}"
    differ = f", {len(parity.differ)} of {parity.images} otherwise" if parity.differ else ""
    return f"{parity.largest:.0e}{differ}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1] == "run":
            of_run(Path(sys.argv[2]), Path(folder))
        else:
            of_networks(sys.argv[2], sys.argv[3:], Path(folder))
