"""The headline's picture: one dot an image, the wrong ones in another colour."""

import math
from dataclasses import dataclass

MOST = 1000  # dots; above, a dot stands for several images
STEP = 10  # from dot to dot, in the picture's own units
WIDE = 2.4  # width over height


@dataclass(frozen=True)
class Dots:
    """Two paths of dashes that are drawn as dots, and what a dot stands for."""

    n_right: int
    n_wrong: int
    width: int
    height: int
    right: str  # the `d` of an SVG path, "" where there is no such dot
    wrong: str
    images_a_dot: float


def dots(n_right: int, n_wrong: int) -> Dots:
    """Lay out right dots first, then wrong ones, row by row.

    Where a dot stands for several images, both kinds keep at least one dot if they have an
    image: a mistake is never rounded away.
    """
    n = n_right + n_wrong
    shown = min(n, MOST)
    wrong = round(shown * n_wrong / n)
    wrong = min(max(wrong, int(n_wrong > 0)), shown - int(n_right > 0))
    columns = max(1, math.ceil(math.sqrt(shown * WIDE)))
    rows = math.ceil(shown / columns)
    return Dots(
        n_right,
        n_wrong,
        width=columns * STEP,
        height=rows * STEP,
        right=_dashes(0, shown - wrong, columns),
        wrong=_dashes(shown - wrong, shown, columns),
        images_a_dot=n / shown,
    )


def _dashes(start: int, end: int, columns: int) -> str:
    """A line a row, from its first dot to its last; dashes of length 0 make the dots."""
    lines = []
    while start < end:
        row, column = divmod(start, columns)
        last = min(end, (row + 1) * columns)
        length = (last - start - 1) * STEP
        x, y = column * STEP + STEP // 2, row * STEP + STEP // 2
        lines.append(f"M{x} {y}h{length + 0.1:g}")
        start = last
    return "".join(lines)
