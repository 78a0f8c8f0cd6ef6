"""Data sets by name: digits, which come with a package, and cifar10, which is downloaded once.

CIFAR-10 (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009) comes in
batches, binary or as Python's pickles. A pickle can run code when it is read; here only dicts,
lists, numbers, texts and arrays of bytes are built, and anything else is refused.
"""

import gzip
import importlib.util
import io
import os
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fieldmark.catalog import Catalog
from fieldmark.data.columns import AS_USUAL
from fieldmark.data.listing import Listing
from fieldmark.data.shards import find_shards, read_shards
from fieldmark.errors import DataError
from fieldmark.records import Samples
from fieldmark.sockets import answering_within

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
BATCHES = {**{f"data_batch_{k}": "train" for k in range(1, 6)}, "test_batch": "test"}
FOLDERS = {"cifar-10-batches-py": "", "cifar-10-batches-bin": ".bin"}
SIDE = 32
PIXELS = 3 * SIDE * SIDE
PATIENCE = 30.0  # seconds without an answer from the network

Batch = tuple[list[int], np.ndarray]  # (n,) class numbers; (n, 3072) uint8: red, green, blue


def find_batches(folder: Path) -> list[tuple[str, str]]:
    """The batches in a folder, or in the folder that the archive unpacks to: [(path, split)]."""
    for name, ending in FOLDERS.items():
        for place in (f"{name}/", ""):
            found = [(f"{place}{batch}{ending}", split) for batch, split in BATCHES.items()]
            there = [(path, split) for path, split in found if (folder / path).is_file()]
            if there:
                return there
    return []


def open_batch(path: Path) -> Batch:
    """A batch's class numbers and pixels, read once a process. Raises DataError."""
    try:
        return _batch_at(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged pickle raises what it likes
        raise DataError(f"{path}: is no batch of CIFAR-10 ({error}); download it anew") from error


@cache
def _batch_at(path: Path, changed: int) -> Batch:
    """A batch as it was when its file was changed last."""
    content = path.read_bytes()
    return _from_binary(content) if path.suffix == ".bin" else _from_pickle(content)


def bitmap(path: Path, row: int) -> bytes:
    """One image of a batch as a BMP file, so that it is decoded as any other. Raises DataError."""
    labels, pixels = open_batch(path)
    if not 0 <= row < len(labels):
        raise DataError(f"{path}: has no row {row}, only {len(labels)} rows; list the images anew")
    stream = io.BytesIO()
    planes = pixels[row].reshape(3, SIDE, SIDE)
    Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0))).save(stream, "BMP")
    return stream.getvalue()


def download(folder: Path) -> None:
    """Fetch the archive (170 MB) and unpack it, through torchvision. Raises DataError."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_and_extract_archive

    try:
        with answering_within(PATIENCE):
            download_and_extract_archive(
                ADDRESS, str(folder), filename=CIFAR10.filename, md5=CIFAR10.tgz_md5
            )
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"cifar10: is not in {folder} and cannot be downloaded ({error}); name the folder of a "
            f"copy (batches or Parquet) with --data-dir, or unpack {ADDRESS} there"
        ) from error


def _from_binary(content: bytes) -> Batch:
    if not content or len(content) % (PIXELS + 1):
        raise ValueError(f"{len(content)} bytes are no whole number of images")
    table = np.frombuffer(content, np.uint8).reshape(-1, PIXELS + 1)
    return _checked(table[:, 0].tolist(), table[:, 1:])


def _from_pickle(content: bytes) -> Batch:
    found = _Plain(io.BytesIO(content), encoding="bytes").load()
    values = {key.decode() if isinstance(key, bytes) else key: found[key] for key in found}
    pixels, labels = values["data"], values["labels"]
    return _checked(labels, np.frombuffer(pixels.content, np.uint8).reshape(-1, PIXELS))


def _checked(labels: list[int], pixels: np.ndarray) -> Batch:
    if len(labels) != len(pixels):
        raise ValueError(f"{len(labels)} labels for {len(pixels)} images")
    if not set(labels) <= set(range(len(CLASSES))):
        raise ValueError("a label is not 0 to 9")
    return labels, pixels


class _Array:
    """What NumPy's pickle of an array of bytes says of it; no NumPy code is called."""

    content = b""

    def __init__(self, *about: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        """Of an array: (version, shape, type, is column by column, bytes)."""
        if len(state) == 5:
            self.content = state[4]
            if state[3]:
                raise pickle.UnpicklingError("an array is stored by columns")


def _text_as_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in Python 2's pickles."""
    return text.encode(encoding)


class _Plain(pickle.Unpickler):
    """Builds plain values and _Array; calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name in a pickle. Raises UnpicklingError for all others."""
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _Array
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _Array
        if (module, name) == ("_codecs", "encode"):
            return _text_as_bytes
        raise pickle.UnpicklingError(f"it wants to run {module}.{name}")


def digits() -> Listing:
    """scikit-learn's 1,797 handwritten digits of 8x8: scans from NIST, 0 to 16 a pixel."""
    _, targets = _digits_table()
    count, labels = len(targets), [[str(target)] for target in targets]
    columns = {"path": ["digits"] * count, "row": list(range(count)), "labels": labels}
    return Listing(Samples.from_columns(columns), mirrored=False, embedded=True)


def cifar10(*, data_dir: str | None = None) -> Listing:
    """CIFAR-10 (60,000 photos of 32x32): a copy in `data_dir`, or one that is downloaded once.

    A copy is the authors' batches (Python's or binary) or Parquet files with the pictures; a
    part of it will do. Raises DataError.
    """
    folder = Path(data_dir) if data_dir else _downloads() / "cifar10"
    notes = []
    if not find_batches(folder):
        if shards := find_shards(folder):
            return read_shards(folder, shards, AS_USUAL)
        download(folder)
        notes.append(f"cifar10 was downloaded to {folder}")
    batches = find_batches(folder)
    if len(batches) < len(BATCHES):
        notes.append(f"cifar10: only {len(batches)} of its {len(BATCHES)} batches are there")
    columns: dict[str, list[object]] = {"path": [], "row": [], "labels": [], "split": []}
    for path, split in batches:
        labels, _ = open_batch(folder / path)
        columns["path"] += [path] * len(labels)
        columns["row"] += range(len(labels))
        columns["labels"] += [[CLASSES[label]] for label in labels]
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
    return np.asarray(_digits_table()[0][row])


def _downloads() -> Path:
    """Where a user's programs keep data (XDG_DATA_HOME); the cache is not the place: it forgets."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "fieldmark"


@cache
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
