"""Images that are given in Python, as data frames, arrays or pairs: kept as a file like any other.

What is given is one table, of an image and a label a row. It is kept as Parquet, with the pictures
in it where it has pixels, under a name that is a hash of what it holds. From there on it is a
source as any file is: listed, scanned, hashed, and there when a stopped run goes on.
"""

import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from fieldmark.data.columns import Columns, find_columns
from fieldmark.data.images import to_bytes
from fieldmark.data.packs import picture_columns
from fieldmark.errors import DataError, writing
from fieldmark.files import write_whole

FOLDER = "given"  # of the run folders' folder
IMAGE, LABEL = "image", "label"  # columns of what comes without names
WHERE = "data"  # how sentences call what was given
MARK = {"fieldmark": "given"}  # in the file's metadata
LAYOUTS = "give (N, height, width) or (N, height, width, 3) of uint8"


@dataclass(frozen=True)
class Kept:
    """A file with what was given, and the folder that its paths begin in; None for pixels.

    is_new: whether the file was not there before.
    """

    source: str
    images: str | None
    is_new: bool = field(default=True, compare=False)

    def give_back(self) -> None:
        """Take a new file away again, and its folder where that is empty."""
        if self.is_new:
            Path(self.source).unlink(missing_ok=True)
            with suppress(OSError):
                Path(self.source).parent.rmdir()


def is_given(data: object) -> bool:
    """Whether this is data itself, and not the name of where it lies."""
    return data is not None and not isinstance(data, str | os.PathLike)


def was_given(path: Path) -> bool:
    """Whether a Parquet file is what `keep` made of a table in memory.

    Who chose rows in Python knows that other files lie beside them.
    """
    return pl.read_parquet_metadata(path).get("fieldmark") == MARK["fieldmark"]


def keep(
    data: Any, labels: Any, out: Path, *, images: str | None = None, column: str | None = None
) -> Kept:
    """Write what was given into OUT/given, or find it there.

    data: a data frame of polars, pandas or anything that speaks Arrow, with a column of paths or
    of pictures (bytes, arrays, Pillow's images); an array (N, H, W) or (N, H, W, 3) of uint8 or a
    list of images, with `labels` (N,); or pairs (image, label). images: the folder that paths
    begin in; without it they begin in the current one. column: of a data frame, that of its images.
    Raises DataError for what is none of these, DiskError where it cannot be written.
    """
    columns = _columns(data, labels)
    there = _place(out, "images", columns, images)
    if there.is_file():  # what takes time is to make PNGs
        return Kept(str(there), images, is_new=False)
    frame = _frame(columns)
    if not len(frame):
        raise DataError(f"{WHERE}: has no rows; give an image and a label in each")
    place = there
    if not picture_columns(frame.schema):
        name = _path_column(frame, column)
        if images is None:
            images, paths = _below_one_folder(frame[name])
            columns[name], frame = paths, frame.with_columns(pl.Series(name, paths, pl.String))
        place = _place(out, "table", columns, images)
    is_new = not place.is_file()
    if is_new:
        with writing(place.parent):
            place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, lambda draft: frame.write_parquet(draft, metadata=MARK))
    return Kept(str(place), images, is_new)


def _columns(data: Any, labels: Any) -> dict[str, Any]:
    """What was given by columns: cells of plain values and images."""
    frame = _table(data)
    if frame is not None:
        if labels is not None:
            raise DataError(f"labels: a data frame has a column for them; leave `{LABEL}s` out")
        return frame
    if labels is None and _is_images_and_labels(data):
        data, labels = data
    given = images_of(data)
    if labels is None:
        given, labels = _unzipped(given)
    labels = _one_an_image(labels)
    if len(given) != len(labels):
        raise DataError(f"labels: are {len(labels)} for {len(given)} images; give one for each")
    found = [_label(each, place) for place, each in enumerate(labels)]
    if any(isinstance(each, list) for each in found):
        found = [[each] if isinstance(each, str) else each for each in found]
    return {IMAGE: [_cell(each) for each in given], LABEL: found}


def _is_images_and_labels(data: Any) -> bool:
    """Whether this is (images, labels), as arrays come, and no list of pairs."""
    if not isinstance(data, tuple) or len(data) != 2 or isinstance(data[1], str):
        return False
    if not all(hasattr(each, "__len__") for each in data) or len(data[0]) != len(data[1]):
        return False
    return len(data[0]) != 2 or getattr(data[0], "ndim", 0) in (3, 4)


def _table(data: Any) -> dict[str, Any] | None:
    """A data frame by columns, as polars' series where it has plain ones; None for anything else.

    pandas is known by its face, and need not be installed. Its index is a column where it has a
    name.
    """
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        data = data.reset_index() if any(name is not None for name in data.index.names) else data
        names = [str(name) for name in data.columns]
        twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
        if twice is not None:
            raise DataError(f"{WHERE}: has two columns '{twice}'; rename one of them")
        cells = [(data.iloc[:, place]) for place in range(len(names))]
        return {
            name: [
                None if gone else _cell(value)
                for value, gone in zip(column.tolist(), column.isna().tolist(), strict=True)
            ]
            for name, column in zip(names, cells, strict=True)
        }
    if not isinstance(data, pl.DataFrame) and hasattr(data, "__arrow_c_stream__"):
        data = pl.DataFrame(data)
    if not isinstance(data, pl.DataFrame):
        return None
    own = {name: data[name] for name in data.columns}
    return {
        name: [_cell(value) for value in column.to_list()] if column.dtype == pl.Object else column
        for name, column in own.items()
    }


def images_of(data: Any) -> Sequence[Any]:
    """The images of an array, or whatever else can be gone through. Raises DataError."""
    if hasattr(data, "__array__") and hasattr(data, "shape"):
        pixels = np.asarray(data)
        if pixels.dtype == object or pixels.dtype.kind in "US":
            return list(pixels.tolist())
        others = pixels.ndim == 4 and pixels.shape[3] not in (1, 3, 4)
        turn = ".transpose(0, 2, 3, 1)" if others and pixels.shape[1] in (1, 3, 4) else ""
        if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or others:
            told = f"{WHERE}: is an array of shape {pixels.shape} and {pixels.dtype}; {LAYOUTS}"
            name = "images" if isinstance(data, np.ndarray) else "np.asarray(images)"
            how = to_bytes(pixels, name) or (turn and f": {name}")
            raise DataError(f"{told}{how}{turn if how else ''}")
        return list(pixels)
    if isinstance(data, dict | bytes) or not isinstance(data, Iterable):
        raise DataError(
            f"{WHERE}: is of type {type(data).__name__}; give a folder, a table, a data frame, an "
            "array of images with labels, or a list of (image, label)"
        )
    return list(data)


def _unzipped(pairs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Pairs (image, label) as images and labels. Raises DataError."""
    for place, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(
                f"{WHERE}: item {place} is no pair (image, label); give pairs, or the labels "
                "beside the images: fieldmark.train(images, labels)"
            )
    return [image for image, _ in pairs], [label for _, label in pairs]


def _one_an_image(labels: Any) -> Any:
    """Labels (N,), also of an array (N, 1). Raises DataError for a table of 0 and 1."""
    sides = tuple(getattr(labels, "shape", ()))
    if len(sides) == 2 and sides[1] == 1:
        return np.asarray(labels)[:, 0]
    if len(sides) > 1:
        raise DataError(
            f"labels: is an array of shape {sides}; give one label an image, as of 0 and 1 in "
            "columns labels.argmax(axis=1), or of several labels a list of them for each image"
        )
    return labels


def _cell(value: Any) -> Any:
    """A value as a table has it; images stay what they are."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim < 2:
        return value.tolist()
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def _label(value: Any, place: int) -> str | list[str] | None:
    """A label as text, a whole number without its point; of several the list of them.

    Raises DataError for what is none.
    """
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple | set | frozenset):
        names = [_label(each, place) for each in value]
        return [name for name in names if isinstance(name, str)]
    if isinstance(value, dict | bytes):
        what = f"is {value!r}, of type {type(value).__name__}; give a text, a number or a list"
        raise DataError(f"labels: that of image {place} {what}")
    if value is None or value != value:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _frame(columns: dict[str, Any]) -> pl.DataFrame:
    """The table; images that are pixels become PNG, without loss. Raises DataError."""
    found = {}
    for name, column in columns.items():
        if isinstance(column, list) and any(map(_is_pixels, column)):
            column = [_as_png(cell, name, row) for row, cell in enumerate(column)]
        if isinstance(column, list) and any(isinstance(cell, bytes) for cell in column):
            _refuse_mixed(column, name)
        try:
            found[name] = pl.Series(name, column, strict=False)
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise DataError(
                f"{WHERE}: the column '{name}' has values of several kinds ({error}); make them "
                "one kind"
            ) from error
    return pl.DataFrame(found)


def _is_pixels(cell: Any) -> bool:
    return isinstance(cell, np.ndarray | Image.Image)


def _as_png(cell: Any, name: str, row: int) -> Any:
    """Pixels as the bytes of a PNG; other cells as they are. Raises DataError."""
    if not _is_pixels(cell):
        return cell
    if isinstance(cell, np.ndarray):
        fits = cell.ndim == 2 or (cell.ndim == 3 and cell.shape[2] in (1, 3, 4))
        if cell.dtype != np.uint8 or not fits or not cell.size:
            raise DataError(
                f"{WHERE}: '{name}' in row {row} is an array of shape {cell.shape} and "
                f"{cell.dtype}; give (height, width) or (height, width, 3) of uint8"
                f"{to_bytes(cell, 'image')}"
            )
        flat = cell[..., 0] if cell.shape[2:] == (1,) else cell
        cell = Image.fromarray(np.ascontiguousarray(flat))
    stream = io.BytesIO()
    try:
        cell.save(stream, "PNG", compress_level=1, exif=cell.getexif())
    except OSError:  # a mode that PNG has not, such as CMYK
        cell.convert("RGB").save(stream, "PNG", compress_level=1, exif=cell.getexif())
    return stream.getvalue()


def _refuse_mixed(column: list[Any], name: str) -> None:
    for row, cell in enumerate(column):
        if cell is not None and not isinstance(cell, bytes):
            raise DataError(
                f"{WHERE}: '{name}' has a picture in one row and {cell!r} in row {row}; give all "
                "images as paths, or all as pictures"
            )


def _path_column(frame: pl.DataFrame, column: str | None) -> str:
    """The column of a table that names its images. Raises DataError."""
    found, _ = find_columns(WHERE, frame, Columns(image=column), needed=("image",))
    return str(found.image)


def _below_one_folder(column: pl.Series) -> tuple[str, list[str | None]]:
    """The folder that holds all of these files, and each as a path from there.

    Relative paths begin in the current folder. An address in the web stays as it is, to be told.
    """
    cells = [None if cell is None else str(cell) for cell in column.to_list()]
    whole = [
        # not `Path.resolve`, which would leave the folder that was named where it is a link
        cell if not cell or "://" in cell else os.path.abspath(Path(cell).expanduser())  # noqa: PTH100
        for cell in cells
    ]
    files = [cell for cell in whole if cell and "://" not in cell]
    if not files:
        return str(Path.cwd()), cells
    try:
        root = os.path.commonpath([Path(file).parent for file in files])
    except ValueError as error:  # Windows: two drives
        raise DataError(f"{WHERE}: its images must lie on one drive ({error})") from error
    start = f"{root.rstrip(os.sep)}{os.sep}"
    return root, [cell and cell.removeprefix(start) for cell in whole]


def _place(out: Path, kind: str, columns: dict[str, Any], images: str | None) -> Path:
    """The file of a table: its name says what it holds, and where its paths begin."""
    digest = hashlib.blake2b(repr((list(columns), images)).encode(), digest_size=6)
    for column in columns.values():
        for cell in column if isinstance(column, list) else column.to_list():
            if isinstance(cell, Image.Image):
                digest.update(repr((cell.mode, cell.size, cell.getexif().get(0x0112))).encode())
                digest.update(cell.tobytes())
            elif isinstance(cell, np.ndarray):
                digest.update(repr((cell.shape, str(cell.dtype))).encode() + cell.tobytes())
            else:
                digest.update(repr(cell).encode())
            digest.update(b"\n")
    return out / FOLDER / f"{kind}-{digest.hexdigest()}.parquet"
