"""CIFAR-10 as its authors publish it: batches of 32x32 pixels, binary or as Python's pickles.

A pickle can run code when it is read; here only dicts, lists, numbers, texts and arrays of bytes
are built, and anything else is refused.
Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fieldmark.errors import DataError
from fieldmark.sockets import answering_within

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
BATCHES = {**{f"data_batch_{k}": "train" for k in range(1, 6)}, "test_batch": "test"}
FOLDERS = {"cifar-10-batches-py": "", "cifar-10-batches-bin": ".bin"}
SIDE = 32
PIXELS = 3 * SIDE * SIDE
PATIENCE = 30.0  # seconds without an answer from the network

Batch = tuple[list[int], np.ndarray]  # (n,) class numbers; (n, 3072) uint8: red, green, blue
_read: dict[str, tuple[int, Batch]] = {}


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
        changed = path.stat().st_mtime_ns
        known = _read.get(str(path))
        if known is None or known[0] != changed:
            content = path.read_bytes()
            batch = _from_binary(content) if path.suffix == ".bin" else _from_pickle(content)
            known = _read[str(path)] = (changed, batch)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged pickle raises what it likes
        raise DataError(f"{path}: is no batch of CIFAR-10 ({error}); download it anew") from error
    return known[1]


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
