"""Which columns of a table may hold labels or images, by what is in them."""

import re
from collections.abc import Callable, Sequence

import polars as pl

from fieldmark.data.images import SUFFIXES
from fieldmark.data.label_cells import plain
from fieldmark.data.split_words import EVENTS, PLACES
from fieldmark.names import written

# words in the names of columns that hold something else than labels
OF_OTHERS = {
    *PLACES,
    *EVENTS,
    *("date", "time", "datetime", "day", "month", "year", "hour", "timestamp", "observer"),
    *("photographer", "user", "author", "owner", "license", "licence", "url", "link"),
    *("source", "width", "height", "size", "lat", "latitude", "lon", "longitude", "x_min"),
    *("y_min", "x_max", "y_max", "xmin", "ymin", "xmax", "ymax", "bbox", "score"),
    *("confidence", "comment", "comments", "note", "notes", "remark", "remarks", "sex"),
    *("gender", "age", "weight", "md5", "hash", "sha1", "id", "uuid", "patient", "subject"),
    *("individual", "animal_id", "fold", "split", "country", "region", "city", "habitat"),
    *("weather", "temperature", "folder", "directory", "dir", "path", "file", "filename"),
    *("format", "suffix", "extension", "index", "row", "number"),
}
MOST_CLASSES = 5000
LONGEST = 80  # letters of a label; longer texts are captions
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")
DATE = re.compile(r"\d{1,4}[-./]\d{1,2}([-./]\d{1,4})?([ T].*)?|\d{1,2}:\d{2}(:\d{2})?.*")
TEXT, WHOLE = "text", "whole"
ONES, ZEROS = ("1", "1.0", "true"), ("0", "0.0", "false")


def kind_of(column: pl.Series) -> str | None:
    """Whether a column may hold labels: `text` of few different values that repeat, `whole`
    numbers of that kind; None for anything else."""
    if column.dtype == pl.Boolean:
        return WHOLE
    if column.dtype.is_float() or not (column.dtype in _TEXTS or column.dtype.is_integer()):
        return None
    filled = column.drop_nulls()
    cells = filled.unique().cast(pl.String).to_list()
    if not 1 < len(cells) <= MOST_CLASSES or 2 * len(cells) > len(filled):
        return None
    if 2 * len(filled) < len(column) or max(map(len, cells)) > LONGEST:
        return None
    if all(NUMBER.fullmatch(cell.strip()) for cell in cells):
        whole = all(cell.strip().lstrip("+-").removesuffix(".0").isdigit() for cell in cells)
        return WHOLE if whole and len(cells) <= MOST_CLASSES // 50 else None
    if all(DATE.fullmatch(cell.strip()) or _is_file(cell) for cell in cells):
        return None
    return TEXT


def likely_labels(frame: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """The columns among `names` that may hold labels, the likeliest first.

    Those whose names say that they hold a site, a date or a person are none; of no others, `Id`.
    """
    kinds = {name: kind_of(frame[name]) for name in names if not _is_of_others(name)}
    texts = [name for name, kind in kinds.items() if kind == TEXT]
    texts = texts or [n for n in names if plain(n) == "id" and kind_of(frame[n]) == TEXT]
    texts.sort(key=lambda name: frame[name].n_unique())
    return texts or [name for name, kind in kinds.items() if kind == WHOLE]


def zero_one_columns(frame: pl.DataFrame, among: Sequence[str]) -> list[str]:
    """The columns of 0 and 1, or of true and false, and of empty cells."""
    return [name for name in among if _is_zero_one(frame[name])]


def likely_images(
    frame: pl.DataFrame,
    names: Sequence[str],
    share: Callable[[Sequence[str | None]], float] | None,
) -> str | None:
    """The column of which most cells are files; else of which most end as pictures do; or None.

    share: the share of some names that have a file.
    """
    best, most = None, 0.6
    for name in names:
        column = frame[name]
        if share is None or not (column.dtype == pl.String or column.dtype.is_integer()):
            continue
        cells = column.cast(pl.String).to_list()
        found = share(cells)
        distinct = column.n_unique() / max(1, len(column))
        if found * (0.5 + distinct / 2) > most:
            best, most = name, found * (0.5 + distinct / 2)
    if best is not None:
        return best
    return next((name for name in names if _ends_as_pictures(frame[name])), None)


_TEXTS = (pl.String, pl.Categorical)


def _ends_as_pictures(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return False
    cells = column.drop_nulls().head(100).to_list()
    return bool(cells) and all(map(_is_file, cells))


def _is_file(cell: str) -> bool:
    return cell.strip().lower().endswith(SUFFIXES)


def words_of(name: str) -> list[str]:
    """The words of a column's name: "scientificName" -> ["scientific", "name"]."""
    return plain(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", written(name))).split("_")


def _is_of_others(name: str) -> bool:
    words = words_of(name)
    return "_".join(words) in OF_OTHERS or not OF_OTHERS.isdisjoint(words)


def _is_zero_one(column: pl.Series) -> bool:
    if column.dtype == pl.Boolean:
        return True
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        return False
    cells = column.drop_nulls().unique()
    return len(cells) > 0 and set(_small_texts(cells)) <= {*ONES, *ZEROS}


def ones_of(column: pl.Series) -> pl.Series:
    """Which cells of a column of 0 and 1 are 1. -> (N,) bool"""
    if column.dtype == pl.Boolean:
        return column.fill_null(value=False)
    known = column.unique()
    ones = [cell for cell, word in zip(known, _small_texts(known), strict=True) if word in ONES]
    return column.is_in(ones).fill_null(value=False)


def _small_texts(cells: pl.Series) -> list[str]:
    return [(cell or "").strip().casefold() for cell in cells.cast(pl.String).to_list()]
