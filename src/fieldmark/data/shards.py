"""Folders of Parquet and Arrow files that carry the pictures themselves, as tables of images."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import polars as pl

from fieldmark.data.cells import find_labels, samples_of
from fieldmark.data.class_names import LABELS, named, names_beside, names_in_schema
from fieldmark.data.columns import Reading, find_columns
from fieldmark.data.label_cells import task_of
from fieldmark.data.listing import Listing
from fieldmark.data.packs import (
    holds_pictures,
    picture_column,
    picture_columns,
    read_schema,
    reading_parquet,
    table_of_file,
)
from fieldmark.data.split_words import split_of
from fieldmark.errors import DataError, listed
from fieldmark.records import Samples

NUMBERED = re.compile(r"(.*?)-(\d+)-of-(\d+)\.(?:parquet|arrow)")


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
    left_out: dict[str, str] = {}
    if labelled and not task.several:
        frame, left_out = _with_labels(frame, root)
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
        frame = table_of_file(path, rest).collect()
        count = int(table_of_file(path, rest or [pictures]).select(pl.len()).collect().item())
    found, notes = find_columns(str(path), frame, given, needed=needed, without=["image"])
    labels = find_labels(frame, found, str(path), reading, is_named=is_named, count=count)
    unnamed = []
    label = found.label or ""
    if _holds_numbers(frame.schema.get(label, pl.String())):
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


def _holds_numbers(kind: pl.DataType) -> bool:
    """Whether a column has whole numbers, or lists of them."""
    return (kind.inner if isinstance(kind, pl.List | pl.Array) else kind).is_integer()


def _with_labels(frame: pl.DataFrame, root: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """The rows that have a label, and why each other is left out. Raises DataError without any."""
    count = pl.col("labels").list.len()
    bare = frame.filter(count == 0).select("path", "row").rows()
    places = [f"{path}, row {row}" for path, row in bare]
    if len(bare) == len(frame):
        raise DataError(
            f"{root}: none of its {len(bare)} pictures has a label; name the column that "
            "holds them: data.label_column=NAME"
        )
    why = "has no label, or one that no class has; correct it"
    return frame.filter(count > 0), {place: f"{root}/{place}: {why}" for place in places}


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
