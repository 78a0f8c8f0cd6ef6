"""Data sets by name: digits, which come with a package, and cifar10, which is downloaded once."""

import gzip
import importlib.util
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from fieldmark.catalog import Catalog
from fieldmark.data import cifar
from fieldmark.data.listing import Listing
from fieldmark.data.shards import find_shards, read_shards
from fieldmark.errors import DataError
from fieldmark.records import Samples


def digits() -> Listing:
    """scikit-learn's 1,797 handwritten digits of 8x8: scans from NIST, 0 to 16 a pixel."""
    _, targets = _digits_table()
    samples = Samples.from_columns(
        {
            "path": ["digits"] * len(targets),
            "row": list(range(len(targets))),
            "labels": [[str(target)] for target in targets],
        }
    )
    return Listing(samples, mirrored=False, embedded=True)


def cifar10(*, data_dir: str | None = None) -> Listing:
    """CIFAR-10 (60,000 photos of 32x32): a copy in `data_dir`, or one that is downloaded once.

    A copy is the authors' batches (Python's or binary) or Parquet files with the pictures; a
    part of it will do. Raises DataError.
    """
    folder = Path(data_dir) if data_dir else _downloads() / "cifar10"
    notes = []
    if not cifar.find_batches(folder):
        if shards := find_shards(folder):
            return read_shards(folder, shards)
        cifar.download(folder)
        notes.append(f"cifar10 was downloaded to {folder}")
    batches = cifar.find_batches(folder)
    if len(batches) < len(cifar.BATCHES):
        notes.append(f"cifar10: only {len(batches)} of its {len(cifar.BATCHES)} batches are there")
    columns: dict[str, list[object]] = {"path": [], "row": [], "labels": [], "split": []}
    for path, split in batches:
        labels, _ = cifar.open_batch(folder / path)
        columns["path"] += [path] * len(labels)
        columns["row"] += range(len(labels))
        columns["labels"] += [[cifar.CLASSES[label]] for label in labels]
        columns["split"] += [split] * len(labels)
    return Listing(Samples.from_columns(columns, str(folder.resolve())), tuple(notes))


BUILT_IN = Catalog(
    "built-in data set",
    {
        "digits": (digits, "1,797 handwritten digits of 8x8"),
        "cifar10": (cifar10, "60,000 photos of 32x32 in 10 classes; downloaded, or in --data-dir"),
    },
)


def digit(row: int) -> np.ndarray:
    """One of the digits. -> (8, 8) uint8"""
    images, _ = _digits_table()
    found: np.ndarray = images[row]
    return found


def _downloads() -> Path:
    """Where a user's programs keep data (XDG_DATA_HOME); the cache is not the place: it forgets."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "fieldmark"


@lru_cache(maxsize=1)
def _digits_table() -> tuple[np.ndarray, np.ndarray]:
    """-> (1797, 8, 8) uint8, (1797,) int64. From the file: to import scikit-learn takes 1 s."""
    package = importlib.util.find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise DataError("digits: scikit-learn, which holds them, is not installed")
    path = Path(package.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    with gzip.open(path, "rt") as stream:
        table = np.loadtxt(stream, delimiter=",")
    pixels = np.rint(table[:, :64] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    return pixels, table[:, 64].astype(np.int64)
