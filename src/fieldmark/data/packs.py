"""The pictures that Parquet and Arrow files carry, as Hugging Face's datasets has them.

A file's pictures are copied once into one flat file of the cache, which is then mapped into
memory, so that all processes share it; without a cache they are held in memory, which forked
workers share as well. So polars never enters one. The flat file: the bytes of all pictures; where
each begins and the last ends (N + 1 numbers); N. The numbers are int64.
"""

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from fieldmark.cache import address, open_cache
from fieldmark.errors import DataError, listed

NUMBER = np.dtype("<i8")
AT_ONCE = 64_000_000  # bytes of a Parquet file that are in memory while it is copied
ARROW = ".arrow"  # a stream of Arrow, as `save_to_disk` writes it
USUAL = ("image", "img", "picture", "photo")  # where several columns hold pictures


@dataclass(frozen=True)
class Pack:
    """content: (bytes,) uint8; starts: (N + 1,) int64."""

    content: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, row: int) -> bytes:
        """One picture's bytes; none where the cell is empty."""
        return self.content[self.starts[row] : self.starts[row + 1]].tobytes()


Stamp = tuple[int, int]  # size and time of change of the Parquet file
_open: dict[str, tuple[Stamp, Pack]] = {}
_opening = threading.Lock()
_home = os.getpid()  # of the process that imported this: a forked one has another


def content_of_row(path: Path, row: int) -> bytes:
    """The bytes of the picture in a row of a Parquet file. Raises DataError."""
    pack = open_pack(path)
    if not 0 <= row < len(pack):
        raise DataError(f"{path}: has no row {row}, only {len(pack)} rows; list the images anew")
    return pack.row(row)


def open_pack(path: Path) -> Pack:
    """The pictures of a Parquet file, opened once a process and file. Raises DataError.

    In a forked process it must be open already, or in the cache.
    """
    stamp = _stamp(path)
    known = _open.get(str(path))
    if known is not None and known[0] == stamp:
        return known[1]
    with _opening:
        known = _open.get(str(path))
        if known is None or known[0] != stamp:
            known = _open[str(path)] = (stamp, _pack(path, stamp))
        return known[1]


def picture_columns(schema: pl.Schema) -> list[str]:
    """The columns that hold the bytes of pictures: Binary, or a struct with a part `bytes`."""
    return [name for name, kind in schema.items() if kind == pl.Binary or _is_struct(kind)]


def holds_pictures(path: Path) -> bool:
    """Whether a Parquet file holds the bytes of pictures, and not only their paths."""
    return bool(picture_columns(read_schema(path)))


def picture_column(path: Path) -> str:
    """The one column of pictures of a Parquet file. Raises DataError."""
    columns = picture_columns(read_schema(path))
    usual = [name for wanted in USUAL for name in columns if name.casefold() == wanted]
    if len(columns) > 1 and not usual:
        raise DataError(
            f"{path}: several columns hold pictures, {listed(columns)}; name the one that is meant "
            "'image'"
        )
    if not columns:
        raise DataError(f"{path}: no column holds pictures (bytes)")
    return (usual or columns)[0]


def read_schema(path: Path) -> pl.Schema:
    """The columns of a Parquet or an Arrow file. Raises DataError."""
    with reading_parquet(path):
        if path.suffix == ARROW:
            return pl.read_ipc_stream(path, n_rows=0).schema
        return pl.Schema(pl.read_parquet_schema(path))


@contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """Turn what polars raises about a damaged file into a DataError of one sentence."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason, kind = str(error).partition("\n")[0], "Arrow" if path.suffix == ARROW else "Parquet"
        raise DataError(
            f"{path}: cannot be read as {kind} ({reason}); copy it anew or take it out"
        ) from error


def _is_struct(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.Struct) and any(
        part.name == "bytes" and part.dtype == pl.Binary for part in kind.fields
    )


def _stamp(path: Path) -> Stamp:
    try:
        about = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    return about.st_size, about.st_mtime_ns


def _pack(path: Path, stamp: Stamp) -> Pack:
    cache, key = open_cache(), address("bytes", os.path.realpath(path), *stamp)
    if (pack := _mapped(cache.get("bytes", key))) is not None:
        return pack
    if os.getpid() != _home:
        raise DataError(
            f"{path}: changed, or was not opened before the loading processes began; start again, "
            "or set run.workers=0"
        )
    if (pack := _mapped(cache.put("bytes", key, lambda draft: _write(draft, path)))) is not None:
        return pack
    stream = io.BytesIO()
    starts = _copy(path, stream)
    return Pack(np.frombuffer(stream.getbuffer(), np.uint8), starts)


def _mapped(kept: Path | None) -> Pack | None:
    """A flat file as it lies on the disk; None where it is not whole, or not there."""
    if kept is None:
        return None
    with suppress(OSError, ValueError):
        content = np.memmap(kept, np.uint8, "r")
        count = int(content[-NUMBER.itemsize :].view(NUMBER)[0])
        tail = NUMBER.itemsize * (count + 2)
        starts = np.frombuffer(content[-tail:].tobytes(), NUMBER)[:-1]
        if len(content) == starts[-1] + tail:
            return Pack(content, starts)
    return None


def _write(draft: Path, path: Path) -> None:
    with draft.open("wb") as stream:
        starts = _copy(path, stream)
        stream.write(np.append(starts, NUMBER.type(len(starts) - 1)).astype(NUMBER).tobytes())


def _copy(path: Path, stream: BinaryIO) -> np.ndarray:
    """Write all pictures of a Parquet file one behind the other. -> their starts, as of a Pack"""
    sizes = [stream.write(picture) for picture in _pictures(path)]
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(NUMBER)


def _pictures(path: Path) -> Iterator[bytes]:
    """The bytes in each row, a part of the file in memory at a time."""
    name = picture_column(path)
    column = pl.col(name)
    if read_schema(path)[name] != pl.Binary:
        column = column.struct.field("bytes")
    with reading_parquet(path):
        table = table_of_file(path, [name])
        count = int(table.select(pl.len()).collect().item())
        step = max(1, count * AT_ONCE // max(path.stat().st_size, 1))
        for start in range(0, count, step):
            part = table.slice(start, step).select(column).collect().to_series()
            yield from (picture or b"" for picture in part)


def table_of_file(path: Path, columns: list[str]) -> pl.LazyFrame:
    """Some columns of a file. A stream of Arrow has no index: they are then in memory at once."""
    if path.suffix == ARROW:
        return pl.read_ipc_stream(path, columns=columns).lazy()
    return pl.scan_parquet(path).select(columns)
