"""In which part of the picture heat lies: corners and edges that have more than their share."""

from dataclasses import dataclass

import numpy as np

CORNER, EDGE = 1 / 4, 1 / 8  # of a side: a corner is a square, an edge a strip along all of it
FEW = 5  # maps; of fewer nothing is said
CLEARLY = 3.0  # times the share of an even map, that the lower end of the interval is above
BOUND = 1.96  # standard errors to either side


@dataclass(frozen=True)
class Part:
    """A part of the picture: the mean share of the heat in it, and that of an even map.

    low: the lower end of the mean's 95 % interval over the maps.
    """

    name: str
    share: float
    even: float
    low: float

    @property
    def is_suspect(self) -> bool:
        """Whether clearly more of the heat lies here than would by chance."""
        return self.low > CLEARLY * self.even


def mean_map(cells: np.ndarray) -> np.ndarray:
    """(N, S, S) maps -> (S, S) 0..1, each map of the same weight, the hottest place 1."""
    mean = _even(cells).mean(axis=0)
    return np.asarray(mean / mean.max())


def parts(cells: np.ndarray) -> list[Part]:
    """The corners and edges of (N, S, S) maps, those with the most for their size first."""
    weights = _even(cells)
    found = []
    for name, mask in _masks(cells.shape[-1]).items():
        shares = weights[:, mask].sum(axis=1)
        error = shares.std(ddof=1) / len(shares) ** 0.5 if len(shares) > 1 else np.inf
        mean = float(shares.mean())
        found.append(Part(name, mean, float(mask.mean()), float(mean - BOUND * error)))
    return sorted(found, key=lambda part: -part.share / part.even)


def suspects(cells: np.ndarray) -> list[Part]:
    """Corners and edges where clearly more of the heat lies than its share; [] of few maps.

    Where both corners of an edge are suspects the edge alone is named, and where one is, it is.
    """
    if len(cells) < FEW:
        return []
    found = [part for part in parts(cells) if part.is_suspect]
    corners = [part.name for part in found if part.name.endswith("corner")]
    beside = {
        part.name: [name for name in corners if part.name.split()[0] in name.split()]
        for part in found
        if part.name.endswith("edge")
    }
    told = {name for names in beside.values() if len(names) == 2 for name in names}
    told |= {edge for edge, names in beside.items() if len(names) == 1}
    return [part for part in found if part.name not in told]


def _even(cells: np.ndarray) -> np.ndarray:
    """Maps whose heat adds up to 1 each."""
    numbers = cells.astype(np.float64)
    return np.asarray(numbers / numbers.sum(axis=(1, 2), keepdims=True))


def _masks(side: int) -> dict[str, np.ndarray]:
    down, across = np.indices((side, side)) + 0.5
    top, bottom = (down < CORNER * side), (down > (1 - CORNER) * side)
    left, right = (across < CORNER * side), (across > (1 - CORNER) * side)
    return {
        "top left corner": top & left,
        "top right corner": top & right,
        "bottom left corner": bottom & left,
        "bottom right corner": bottom & right,
        "top edge": down < EDGE * side,
        "bottom edge": down > (1 - EDGE) * side,
        "left edge": across < EDGE * side,
        "right edge": across > (1 - EDGE) * side,
    }
