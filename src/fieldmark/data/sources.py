"""Where images come from: built-in data sets by name, and folders of class folders."""

import gzip
import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

import numpy as np

from fieldmark.catalog import Catalog
from fieldmark.data.images import SUFFIXES, from_array, read_file
from fieldmark.errors import DataError, listed, nearest
from fieldmark.records import SPLITS, Samples

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Source:
    """What was found: the images, the files that cannot be used (name: reason), and more.

    mirrored: whether an image and its mirror image mean the same (not so for digits).
    notes: sentences on how the layout was understood.
    """

    samples: Samples
    left_out: dict[str, str]
    notes: tuple[str, ...] = ()
    mirrored: bool = True
    embedded: bool = False  # no files: the pixels come with an installed package


def read_source(name: str, advance: Callable[[int, int], None] | None = None) -> Source:
    """The images of a folder, or of a built-in data set. Raises DataError.

    `advance(done, total)` is called as files are read.
    """
    path = Path(name)
    if path.is_dir():
        return _read_folder(path, advance)
    if name in BUILT_IN:
        return BUILT_IN.build(name, {})  # type: ignore[no-any-return]
    if path.exists():
        raise DataError(f"{name}: is a file; name a folder of class folders")
    hint = nearest(name, BUILT_IN) or f"; name a folder, or a built-in one of {listed(BUILT_IN)}"
    raise DataError(f"{name}: there is no such folder{hint}")


def digits() -> Source:
    """scikit-learn's 1,797 handwritten digits of 8x8: scans from NIST, 0 to 16 a pixel."""
    _, targets = _digits_table()
    count = len(targets)
    pixels = [read_pixels(".", "digits", row, None) for row in range(count)]
    samples = Samples.from_columns(
        {
            "path": ["digits"] * count,
            "row": list(range(count)),
            "hash": [_hash(image.tobytes()) for image in pixels],
            "labels": [[str(target)] for target in targets],
            "width": [8] * count,
            "height": [8] * count,
        }
    )
    return Source(samples, {}, mirrored=False, embedded=True)


BUILT_IN = Catalog("built-in data set", {"digits": (digits, "1,797 handwritten digits of 8x8")})


def read_pixels(root: str, path: str, row: int | None, form: tuple[str, int] | None) -> np.ndarray:
    """One image by its place in a Samples table -> (H, W, 3) uint8. Raises DataError."""
    if row is None:
        return read_file(Path(root, path), form)
    images, _ = _digits_table()
    return from_array(images[row], form)


def content_hashes(samples: Samples) -> list[str | None]:
    """The hash of each image's content as it is now; None where it cannot be read."""

    def one(place: tuple[str, int | None]) -> str | None:
        path, row = place
        if row is not None:
            return _hash(read_pixels(samples.root, path, row, None).tobytes())
        try:
            return _hash(Path(samples.root, path).read_bytes())
        except OSError:
            return None

    with ThreadPoolExecutor() as threads:
        return list(threads.map(one, samples.places()))


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


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _read_folder(root: Path, advance: Callable[[int, int], None] | None) -> Source:
    files = list(_class_files(root))
    if not files:
        raise DataError(
            f"{root}: holds no class folders with pictures; it should look like "
            f"{root.resolve().name}/cat/1.jpg, {root.resolve().name}/dog/2.jpg"
        )
    found: dict[str, list[object]] = {
        key: [] for key in ("path", "hash", "labels", "split", "width", "height")
    }
    left_out: dict[str, str] = {}
    with ThreadPoolExecutor() as threads:
        scans = threads.map(lambda file: _scan(root, file.path), files)
        for number, (file, scan) in enumerate(zip(files, scans, strict=True), 1):
            if isinstance(scan, str):
                left_out[_shown(file.path)] = scan
            else:
                row = (file.path, scan[0], [file.label], file.split, scan[1], scan[2])
                for column, value in zip(found.values(), row, strict=True):
                    column.append(value)
            if advance:
                advance(number, len(files))
    if not found["path"]:
        raise DataError(f"{root}: none of its {len(files)} pictures can be read; {scan}")
    samples = Samples.from_columns(found, str(root.resolve()))
    return Source(samples, left_out, tuple(_layout_notes(root, files)))


def _layout_notes(root: Path, files: list["_File"]) -> Iterator[str]:
    sides = _split_folders(root)
    for name, side in sides.items():
        if side == "test" and len(sides) == 2:
            yield f"the folder '{name}' is the test set; validation images are taken out of train"
    beside = [name for name in _folders(root) if sides and name not in sides]
    if beside:
        yield f"beside the split folders, {listed(beside)} in {root} is not used"
    parents = [root / name for name in sides or [""]]
    labels = {label for parent in parents for label in _folders(parent)}
    without = sorted(labels - {file.label for file in files})
    if without:
        yield f"no class is made of {listed(without)}: no pictures ({', '.join(SUFFIXES)}) there"
    loose = [path.name for place in {root, *parents} for path in _pictures(place)]
    if loose:
        yield f"pictures outside of class folders are not used: {listed(sorted(loose), most=5)}"


@dataclass(frozen=True)
class _File:
    path: str  # relative to the root, with /
    label: str
    split: str | None


def _class_files(root: Path) -> Iterator[_File]:
    """Every picture below class folders, or below train, val and test folders of such."""
    for parent, split in _split_folders(root).items() or [("", None)]:
        for label in _folders(root / parent):
            for folder, below, names in os.walk(root / parent / label, onerror=_refuse):
                below[:] = sorted(name for name in below if not name.startswith("."))
                for name in sorted(filter(_is_picture, names)):
                    path = Path(folder, name).relative_to(root).as_posix()
                    yield _File(path, label, split)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _pictures(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _is_picture(path.name) and path.is_file()]


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror or error})") from error


def _split_folders(root: Path) -> dict[str, str]:
    """Folders that are splits: {folder: split}; none where there is no train folder.

    A folder that holds pictures and no folders is a class, even one that is named train.
    With train and one other, that other is the test set, whatever its name: a score on the
    images that chose the epoch would flatter.
    """
    names = {name: name.casefold() for name in _folders(root)}
    sides = {
        name: SPLIT_NAMES[low]
        for name, low in names.items()
        if low in SPLIT_NAMES and _folders(root / name)
    }
    if "train" not in sides.values():
        return {}
    others = [name for name, side in sides.items() if side != "train"]
    return {**sides, others[0]: "test"} if len(others) == 1 else sides


def _folders(parent: Path) -> list[str]:
    """The folders in a folder, in order; none that is hidden, or a link back up."""
    try:
        entries = [each for each in sorted(parent.iterdir()) if not each.name.startswith(".")]
    except OSError as error:
        _refuse(error)
    here = parent.resolve()
    return [e.name for e in entries if e.is_dir() and not here.is_relative_to(e.resolve())]


def _scan(root: Path, path: str) -> tuple[str, int, int] | str:
    """One file: its content's hash and size, or the sentence that says why it cannot be used."""
    if _shown(path) != path:
        return f"{root / _shown(path)}: has a name that is not UTF-8; rename it"
    try:
        pixels = read_file(root / path)
        content = (root / path).read_bytes()
    except (DataError, OSError) as error:
        return str(error)
    return _hash(content), pixels.shape[1], pixels.shape[0]


def _shown(path: str) -> str:
    """A path as it can be printed: bytes that are no UTF-8 as \\udcXX."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


assert set(SPLIT_NAMES.values()) == set(SPLITS)
