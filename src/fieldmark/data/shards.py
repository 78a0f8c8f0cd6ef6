"""Parquet files that carry the pictures themselves, in the layout of Hugging Face's datasets."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import polars as pl

from fieldmark.data.cells import sample_columns
from fieldmark.data.class_names import LABELS, named, names_beside, names_in_schema
from fieldmark.data.columns import Columns, find_columns, own_columns
from fieldmark.data.listing import Listing, split_of
from fieldmark.data.packs import picture_column, picture_columns, read_schema, reading_parquet
from fieldmark.errors import DataError, listed
from fieldmark.records import Samples

NUMBERED = re.compile(r"(.*?)-(\d+)-of-(\d+)\.parquet")


def holds_pictures(path: Path) -> bool:
    """Whether a Parquet file holds the bytes of pictures, and not only their paths."""
    return bool(picture_columns(read_schema(path)))


def find_shards(root: Path) -> list[str]:
    """The Parquet files with pictures below a folder, as paths from there, in order."""
    found = sorted(path.relative_to(root) for path in root.rglob("*.parquet") if path.is_file())
    visible = [file for file in found if not any(part.startswith(".") for part in file.parts)]
    return [file.as_posix() for file in visible if holds_pictures(root / file)]


def read_shards(
    root: Path, files: Sequence[str], given: Columns | None = None, *, labelled: bool = True
) -> Listing:
    """The pictures in Parquet files, one row a picture; `files` are paths below `root`.

    A file's split is the first word of its name ("validation-00000-of-00001.parquet"), else its
    folder's; one file alone has none. A class is named in the schema or in labels.json beside.
    The pictures are not touched. Raises DataError.
    """
    parts = [_read(root, file, given or Columns(), labelled) for file in files]
    frame = pl.concat([part for part, _ in parts], how="diagonal_relaxed")
    notes = [*dict.fromkeys(note for _, said in parts for note in said), *_missing_shards(files)]
    words = {file: _split_word(file) for file in files} if len(files) > 1 else {}
    words = {file: word for file, word in words.items() if word}
    if words and frame["split"].null_count() == len(frame):
        unused = [file for file in files if file not in words]
        if unused:
            notes.append(f"files of no split are not used: {listed(unused, most=3)}")
        splits = [split_of(words.get(file)) for file in frame["path"].to_list()]
        frame = frame.with_columns(pl.Series("split", splits, pl.String)).drop_nulls("split")
    left_out = {}
    if labelled:
        left_out = dict(_without_label(root, frame))
        frame = frame.filter(pl.col("labels").list.len() > 0)
        if not len(frame):
            raise DataError(
                f"{root}: none of its {len(left_out)} pictures has a label; name the column that "
                "holds them: data.label_column=NAME"
            )
    called = {str(split_of(word)): f"the split '{word}'" for word in words.values()}
    return Listing(Samples(frame, str(root.resolve())), tuple(notes), left_out, called)


def _read(root: Path, file: str, given: Columns, labelled: bool) -> tuple[pl.DataFrame, list[str]]:
    """The rows of one file as a table of Samples, and what is to be said of it."""
    path = root / file
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
    found, notes = find_columns(str(path), rest, given, needed=needed, without="image")
    with reading_parquet(path):
        frame = pl.read_parquet(path, columns=rest)
        count = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    columns, said = sample_columns(
        *(frame, found, str(path), lambda row: f"{path}, row {row}"),
        count=count,
        named_split=given.split is not None,
    )
    notes += said
    if found.label and _is_number(frame[found.label].dtype):
        names = in_schema.get(found.label) or names_beside(path, root)
        if names is None:
            notes.append(f"{root}: the classes are numbers, for no {LABELS} names them")
        labels = [named(each, names) for each in columns["labels"].to_list()]
        columns["labels"] = pl.Series(labels, dtype=pl.List(pl.String))
    columns |= {"path": [file] * count, "row": range(count)}
    own, said = own_columns(frame, list(vars(found).values()))
    table = Samples.from_columns(columns).frame
    return (table.hstack(own) if own.columns else table), [*notes, *said]


def _is_number(kind: pl.DataType) -> bool:
    return (kind.inner if isinstance(kind, pl.List | pl.Array) else kind).is_integer()


def _without_label(root: Path, frame: pl.DataFrame) -> Iterator[tuple[str, str]]:
    for path, row in frame.filter(pl.col("labels").list.len() == 0).select("path", "row").rows():
        place = f"{path}, row {row}"
        yield place, f"{root}/{place}: has no label, or one that no class has; correct it"


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
