"""The sizes of somebody's images as a picture: a dot an image's corner, and shapes in words."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

CHART = (380, 250)  # px; the picture of the sizes, without its labels
CELL = 4  # px; sizes whose corners fall into one cell share a dot
SHAPES = (  # up to which width over height, and what such an image is called
    (0.5, "tall", "less than half as wide as high"),
    (0.95, "portrait", "higher than wide"),
    (1.05, "square", "sides within 5 %"),
    (2.0, "landscape", "wider than high"),
    (math.inf, "wide", "more than twice as wide as high"),
)
Sizes = Sequence[tuple[int, int, int]]  # width, height, how many


def landmarks(sizes: Sizes) -> list[tuple[str, tuple[int, int, int]]]:
    """The sizes that stand for all: by area the smallest and the largest, and the commonest.

    Of sizes with one area, as those of a photo and the same camera turned, the commoner is taken.
    """
    smallest = min(sizes, key=lambda size: (size[0] * size[1], -size[2]))
    largest = max(sizes, key=lambda size: (size[0] * size[1], size[2]))
    common = max(sizes, key=lambda size: size[2])
    if common == smallest:
        return [("Smallest, most common", smallest), ("Largest", largest)]
    if common == largest:
        return [("Smallest", smallest), ("Largest, most common", largest)]
    return [("Smallest", smallest), ("Most common", common), ("Largest", largest)]


def sizes_chart(sizes: Sizes) -> dict[str, Any] | None:
    """The picture of the sizes: each image laid with its lower left corner at the origin.

    Its upper right corner is a dot, the larger the more images are of that size; the landmarks
    are drawn whole. Lengths are px of the picture, upwards.
    """
    if not sizes:
        return None
    widest, highest = (max(size[k] for size in sizes) for k in (0, 1))
    scale = min(CHART[0] / widest, CHART[1] / highest)
    return {
        "only": sizes[0][:2] if len(sizes) == 1 else None,
        "width": round(widest * scale),
        "height": round(highest * scale),
        "frames": [(w * scale, h * scale) for _, (w, h, _) in landmarks(sizes)],
        "dots": _corners(sizes, scale),
        "across": _ticks(widest, scale),
        "up": _ticks(highest, scale),
        "shapes": _shapes(sizes),
    }


def _corners(sizes: Sizes, scale: float) -> list[tuple[float, float, float]]:
    """(x, y, radius) of the dots; sizes of one cell share the dot of their commonest."""
    places: dict[tuple[int, int], tuple[float, float]] = {}
    weights: Counter[tuple[int, int]] = Counter()
    for width, height, n in sorted(sizes, key=lambda size: -size[2]):
        x, y = width * scale, height * scale
        cell = int(x / CELL), int(y / CELL)
        places.setdefault(cell, (x, y))
        weights[cell] += n
    most = max(weights.values())
    return [(*places[cell], 1.5 + 6 * math.sqrt(n / most)) for cell, n in weights.items()]


def _ticks(longest: int, scale: float) -> list[tuple[int, float]]:
    """Round numbers of pixels from the origin on, about 60 px apart, each with its place."""
    wanted = 60 / scale
    power = 10.0 ** math.floor(math.log10(wanted))
    step = max(1, round(next(k * power for k in (1, 2, 5, 10) if k * power >= wanted)))
    return [(pixels, pixels * scale) for pixels in range(0, longest + 1, step)]


def _shapes(sizes: Sizes) -> list[dict[str, Any]]:
    """How many images are tall, portrait, square, landscape and wide; none, left out."""
    found: Counter[str] = Counter()
    for width, height, n in sizes:
        found[next(name for most, name, _ in SHAPES if width / height <= most)] += n
    return [
        {"name": name, "meaning": meaning, "n": found[name], "share": found[name] / found.total()}
        for _, name, meaning in SHAPES
        if found[name]
    ]
