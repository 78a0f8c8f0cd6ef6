"""Parquet and Arrow files that carry the pictures themselves, as Hugging Face's datasets has them.

A file's pictures are copied once into one flat file of the cache, which is then mapped into
memory, so that all processes share it; without a cache they are held in memory, which forked
workers share as well. So polars never enters one. The flat file: the bytes of all pictures; where
each begins and the last ends (N + 1 numbers); N. The numbers are int64.
"""

import io
import json
import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from fieldmark.cache import address, open_cache
from fieldmark.data.cells import find_labels, samples_of
from fieldmark.data.columns import Reading, find_columns
from fieldmark.data.label_cells import task_of
from fieldmark.data.listing import Listing
from fieldmark.data.split_words import split_of
from fieldmark.errors import DataError, listed
from fieldmark.names import written
from fieldmark.records import Samples

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
        table = _table(path, [name])
        count = int(table.select(pl.len()).collect().item())
        step = max(1, count * AT_ONCE // max(path.stat().st_size, 1))
        for start in range(0, count, step):
            part = table.slice(start, step).select(column).collect().to_series()
            yield from (picture or b"" for picture in part)


def _table(path: Path, columns: list[str]) -> pl.LazyFrame:
    """Some columns of a file. A stream of Arrow has no index: they are then in memory at once."""
    if path.suffix == ARROW:
        return pl.read_ipc_stream(path, columns=columns).lazy()
    return pl.scan_parquet(path).select(columns)


LABELS, SAVED = "labels.json", "dataset_info.json"  # the second beside Arrow files


def names_in_schema(path: Path) -> dict[str, list[str]]:
    """The names of classes in order, for each column that has some (Hugging Face's ClassLabel)."""
    try:
        if path.suffix == ARROW:
            info = json.loads((path.parent / SAVED).read_text(encoding="utf-8"))
        else:
            info = json.loads(pl.read_parquet_metadata(path).get("huggingface", "{}"))["info"]
        features = dict(info["features"])
    except (OSError, json.JSONDecodeError, KeyError, TypeError, ValueError):
        return {}
    found = {column: _names(feature) for column, feature in features.items()}
    return {column: names for column, names in found.items() if names}


def names_beside(path: Path, root: Path) -> list[str] | None:
    """The names in labels.json beside a file or at the root; None where there is none.

    It is a list, or {name: number}, or {number: name}. Raises DataError.
    """
    for place in (path.parent / LABELS, root / LABELS):
        if not place.is_file():
            continue
        try:
            return _in_order(json.loads(place.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f'{place}: should hold the names of the classes in order: ["cat", "dog"]'
            ) from error
    return None


def named(labels: list[str], names: list[str] | None) -> list[str]:
    """Numbers as the names of their classes; one that can have none, such as -1, is no label."""
    numbers = [int(label) for label in labels]
    if names is None:
        return [str(number) for number in numbers if number >= 0]
    return [names[number] for number in numbers if 0 <= number < len(names)]


def _names(feature: Any) -> list[str]:
    """The names of a ClassLabel, or of a list of such."""
    if isinstance(feature, list):
        return _names(feature[0]) if feature else []
    if not isinstance(feature, dict):
        return []
    names = feature.get("names")
    if isinstance(names, list):
        return [written(str(name)) for name in names]
    return _names(feature.get("feature"))


def _in_order(found: Any) -> list[str]:
    if isinstance(found, list):
        return [written(str(name)) for name in found]
    if all(str(key).isdigit() for key in found):
        by_number = {int(key): written(str(name)) for key, name in found.items()}
    else:
        by_number = {int(number): written(str(name)) for name, number in found.items()}
    return [by_number[number] for number in range(len(by_number))]


NUMBERED = re.compile(r"(.*?)-(\d+)-of-(\d+)\.(?:parquet|arrow)")


def holds_pictures(path: Path) -> bool:
    """Whether a Parquet file holds the bytes of pictures, and not only their paths."""
    return bool(picture_columns(read_schema(path)))


def find_shards(root: Path) -> list[str]:
    """The Parquet files with pictures below a folder, as paths from there, in order."""
    found = sorted(path.relative_to(root) for path in root.rglob("*.parquet") if path.is_file())
    visible = [file for file in found if not any(part.startswith(".") for part in file.parts)]
    return [file.as_posix() for file in visible if holds_pictures(root / file)]


def read_shards(
    root: Path,
    files: Sequence[str],
    reading: Reading,
    *,
    labelled: bool = True,
) -> Listing:
    """The pictures in Parquet files, one row a picture; `files` are paths below `root`.

    A file's split is the first word of its name ("validation-00000-of-00001.parquet"), else its
    folder's; one file alone has none. A class is named in the schema or in labels.json beside.
    The pictures are not touched. Raises DataError.
    """
    parts = [_read(root, file, reading, labelled=labelled) for file in files]
    frame = pl.concat([part for part, _, _ in parts], how="diagonal_relaxed")
    notes = [*dict.fromkeys(note for _, said, _ in parts for note in said), *_missing_shards(files)]
    several = any(lists for _, _, lists in parts)
    task = task_of(reading.task, frame["labels"], several=several)
    words = {file: _split_word(file) for file in files} if len(files) > 1 else {}
    words = {file: word for file, word in words.items() if word}
    if words and frame["split"].null_count() == len(frame):
        unused = [file for file in files if file not in words]
        if unused:
            notes.append(f"files of no split are not used: {listed(unused, most=3)}")
        splits = [split_of(words.get(file)) for file in frame["path"].to_list()]
        frame = frame.with_columns(pl.Series("split", splits, pl.String)).drop_nulls("split")
    left_out = {}
    if labelled and not task.several:
        is_bare = pl.col("labels").list.len() == 0
        for path, row in frame.filter(is_bare).select("path", "row").rows():
            place = f"{path}, row {row}"
            left_out[place] = f"{root}/{place}: has no label, or one that no class has; correct it"
        frame = frame.filter(pl.col("labels").list.len() > 0)
        if not len(frame):
            raise DataError(
                f"{root}: none of its {len(left_out)} pictures has a label; name the column that "
                "holds them: data.label_column=NAME"
            )
    called = {str(split_of(word)): f"the split '{word}'" for word in words.values()}
    samples, kinds = Samples(frame, str(root.resolve()), task), dict.fromkeys(left_out, "no-label")
    return Listing(samples, tuple(notes), left_out, called, kinds=kinds)


def _read(
    root: Path, file: str, reading: Reading, *, labelled: bool
) -> tuple[pl.DataFrame, list[str], bool]:
    """The rows of one file as a table of Samples, what is to be said, and LabelCells.several."""
    path, given = root / file, reading.columns
    schema, pictures = read_schema(path), picture_column(path)
    if given.image not in (None, pictures):
        raise DataError(
            f"{path}: the pictures are read from '{pictures}'; take data.image_column away, or "
            f"rename the columns so that '{given.image}' is 'image'"
        )
    in_schema = names_in_schema(path)
    if given.label is None and len(in_schema) == 1:
        given = replace(given, label=next(iter(in_schema)))
    rest = [name for name in schema if name not in picture_columns(schema)]
    needed = ("label",) if labelled else ()
    given = replace(given, image=None)
    is_named = given.label is not None and given.label not in in_schema
    with reading_parquet(path):
        frame = _table(path, rest).collect()
        count = int(_table(path, rest or [pictures]).select(pl.len()).collect().item())
    found, notes = find_columns(str(path), frame, given, needed=needed, without=["image"])
    labels = find_labels(frame, found, str(path), reading, is_named=is_named, count=count)
    unnamed = []
    label = found.label or ""
    kind = frame.schema.get(label, pl.String())
    if (kind.inner if isinstance(kind, pl.List | pl.Array) else kind).is_integer():
        names = in_schema.get(label) or names_beside(path, root)
        if names is None:
            unnamed.append(f"{root}: the classes are numbers, for no {LABELS} names them")
        lists = [named(each, names) for each in labels.labels.to_list()]
        labels = labels._replace(labels=pl.Series(lists, dtype=pl.List(pl.String)))
    samples, said, renamed = samples_of(
        *(frame, found, str(path), lambda row: f"{path}, row {row}"),
        labels=labels,
        files={"path": [file] * count, "row": range(count)},
    )
    return samples.frame, [*notes, *said, *unnamed, *renamed], labels.several


def _split_word(file: str) -> str | None:
    """The word in a file's path that names a split: of its name, else of its folders."""
    path = PurePosixPath(file)
    words = [re.split(r"[^A-Za-z]", path.stem)[0], *reversed(path.parts[:-1])]
    return next((word for word in words if split_of(word)), None)


def _missing_shards(files: Sequence[str]) -> Iterator[str]:
    """What the numbering of the files shows to be missing."""
    seen: dict[tuple[str, str], set[int]] = defaultdict(set)
    for file in files:
        found = NUMBERED.fullmatch(file)
        if found:
            seen[found[1], found[3]].add(int(found[2]))
    for (stem, total), numbers in seen.items():
        if len(numbers) < int(total):
            yield f"only {len(numbers)} of the {int(total)} files of '{stem}' are there"
