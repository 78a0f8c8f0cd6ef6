"""A taxonomy of the classes: a table with a row a class and a column a rank."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fieldmark.data.text_tables import read_text_table
from fieldmark.errors import DataError, counted, listed

LABEL = "label"  # the column of the classes; else the first


@dataclass(frozen=True)
class Rank:
    """name: of the column; taxa: what is in it; of: the place in `taxa` of each class, in order."""

    name: str
    taxa: tuple[str, ...]
    of: tuple[int, ...]


def read_taxonomy(path: Path, classes: tuple[str, ...]) -> tuple[Rank, ...]:
    """The classes themselves, and each rank above them that puts some together, finest first.

    Where a cell is empty the taxon of the finer rank stands. Raises DataError for a class without
    a row, and for taxa that do not lie within those of the next rank.
    """
    frame = read_text_table(path).frame
    key = LABEL if LABEL in frame.columns else frame.columns[0]
    rows = {row[key]: row for row in frame.iter_rows(named=True) if row[key]}
    missing = [name for name in classes if name not in rows]
    if missing:
        raise DataError(
            f"{path}: its column '{key}' has no row for {listed(missing, most=5)}, of "
            f"{counted(len(classes), 'class')} of the model; add what is missing"
        )
    cells, ranks = list(classes), [Rank(key, classes, tuple(range(len(classes))))]
    others = {column: {rows[name][column] for name in classes} - {None} for column in frame.columns}
    del others[key]
    for column in sorted(others, key=lambda name: -len(others[name])):
        cells = [rows[name][column] or finer for name, finer in zip(classes, cells, strict=True)]
        taxa = tuple(dict.fromkeys(cells))
        if 1 < len(taxa) < len(ranks[-1].taxa):
            ranks.append(Rank(column, taxa, tuple(map(taxa.index, cells))))
    if len(ranks) == 1:
        raise DataError(
            f"{path}: no column puts classes together beside '{key}'; add one, such as family"
        )
    for fine, coarse in pairwise(ranks):
        _refuse_across(path, fine, coarse)
    return tuple(ranks)


def _refuse_across(path: Path, fine: Rank, coarse: Rank) -> None:
    within: dict[int, int] = {}
    for below, above in zip(fine.of, coarse.of, strict=True):
        if within.setdefault(below, above) != above:
            both = [coarse.taxa[within[below]], coarse.taxa[above]]
            raise DataError(
                f"{path}: the {fine.name} '{fine.taxa[below]}' is in the {coarse.name} "
                f"{listed(both)}; correct the rows"
            )
