"""Where a network looked: a heat map an image and class, and whether it can be believed."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl

from fieldmark.errors import DataError
from fieldmark.files import write_whole

SIDE = 56  # cells a side of a map that is kept; a network's last map has 7 as a rule
COLUMNS: dict[str, Any] = {
    "path": pl.String,
    "row": pl.Int64,
    "class": pl.String,
    "score": pl.Float64,
    "map": pl.Binary,  # cells as bytes, 255 the hottest, row after row; null where it is flat
    "blurred": pl.Float64,
    "random": pl.List(pl.Float64),
    "beats": pl.Boolean,
    "sampled": pl.Boolean,
}
Standing = Literal["flat", "unchecked", "true", "untrue", "still"]
HOTTEST = 0.2  # share of an image that is blurred to see what its map is worth, and outlined
MOVED = 0.01  # of a score; what blurring moves by less tells no part of a picture from another


@dataclass(frozen=True)
class Way:
    """How maps are made. masks: random parts that each is held against; 0: none is. steps: of the
    curves of what becomes of the score as the picture goes or comes; 1: there are none."""

    method: str = "auto"
    layer: str | None = None
    masks: int = 20
    steps: int = 10


@dataclass(frozen=True)
class Wanted:
    """An image that is to have a heat map for a class.

    sampled: see `Heat`. score: of the class, where it is known; nan where it is not.
    """

    path: str
    row: int | None
    label: str
    sampled: bool = False
    score: float = float("nan")


@dataclass(frozen=True, eq=False)
class Heat:
    """One image's map for one class.

    label: the class. score: of it, 0..1. cells: (S, S) uint8 of what the network saw, 255 the
    hottest; None where the map is flat or empty. blurred: the score where the hottest fifth is
    blurred, nan where that was not looked at; random: the scores where random parts of the same
    shape are. beats: whether the score falls more by the hottest fifth than by those. sampled: one
    of the images that were drawn evenly from those that the class was given to, and rightly.
    """

    path: str
    row: int | None
    label: str
    score: float
    cells: np.ndarray | None
    blurred: float = float("nan")
    random: tuple[float, ...] = ()
    beats: bool | None = None
    sampled: bool = False

    @property
    def standing(self) -> Standing:
        """Whether the map may be drawn: "true" and "unchecked" may.

        "still": the score stays within MOVED whatever is blurred, so that nothing can be told.
        """
        if self.cells is None:
            return "flat"
        if self.beats is None:
            return "unchecked"
        is_firm = all(abs(self.score - each) < MOVED for each in self.random)
        if self.score - self.blurred < MOVED and (self.beats or is_firm):
            return "still"
        return "true" if self.beats else "untrue"

    @property
    def is_drawn(self) -> bool:
        """Whether it is a map, and beats random parts as far as that was looked at."""
        return self.standing in ("true", "unchecked")


@dataclass(frozen=True)
class Heats:
    """The maps of some images by one network.

    method: how they were made. layer: by which layer; "" where there is none, or it is the
    network's own. weights: the hash of the bundle's. reason: why there are none, where there are
    none.
    """

    rows: tuple[Heat, ...] = ()
    method: str = "grad-cam"
    layer: str = ""
    weights: str | None = None
    reason: str = ""

    def of(self, path: str, row: int | None, label: str) -> Heat | None:
        """The map of an image for a class, where there is one."""
        return self._by_place.get((path, row, label))

    @cached_property
    def _by_place(self) -> dict[tuple[str, int | None, str], Heat]:
        return {(each.path, each.row, each.label): each for each in self.rows}

    def write(self, path: Path) -> None:
        """The table as Parquet, whole or not at all; how it was made in its metadata."""
        rows = [
            (
                *(each.path, each.row, each.label, each.score),
                None if each.cells is None else each.cells.tobytes(),
                *(each.blurred, list(each.random), each.beats, each.sampled),
            )
            for each in self.rows
        ]
        frame = pl.DataFrame(rows, schema=COLUMNS, orient="row")
        told = {
            name: getattr(self, name) or "" for name in ("method", "layer", "weights", "reason")
        }
        write_whole(path, lambda draft: frame.write_parquet(draft, metadata=told))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote. Raises DataError."""
        try:
            frame, told = pl.read_parquet(path), pl.read_parquet_metadata(path)
            rows = tuple(_heat(row) for row in frame.select(list(COLUMNS)).iter_rows())
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            what = "is no table of heat maps; make it anew with: fieldmark explain RUN"
            raise DataError(f"{path}: {what}") from error
        about = {name: told.get(name, "") for name in ("method", "layer", "reason")}
        return cls(rows, weights=told.get("weights") or None, **about)


def _heat(row: tuple[Any, ...]) -> Heat:
    path, place, label, score, content, blurred, random, beats, sampled = row
    cells = None
    if content is not None:
        flat = np.frombuffer(content, np.uint8)
        cells = flat.reshape(round(len(flat) ** 0.5), -1)
    return Heat(path, place, label, score, cells, blurred, tuple(random), beats, sampled)
