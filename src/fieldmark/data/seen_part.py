"""How much of a picture a network sees, told from the sizes alone.

A network sees a square. Cut out of the middle (`shorter:N`), it leaves of a wide picture half and
more outside, with all that stands at the edges. So the pictures are squeezed to a square
(`square:N`), and all of each is seen, where the middle would be less than WHOLE_BELOW of the
median training picture: more than 1.53 times as wide as high, at 224 of 256 pixels. On drawn
pictures of 480 x 135 with the object at an edge, that is 1.00 right in place of 0.50.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fieldmark.errors import counted, listed
from fieldmark.records import InputSpec, Samples

WHOLE_BELOW = 0.5
LITTLE = 0.25  # of one picture, below which it is named when it is answered
TOLD_FROM = 0.1  # of the images, of which less than WHOLE_BELOW is seen: then it is said


def learned_sizes(samples: Samples) -> np.ndarray:
    """Width and height of the training images, of all where there are no sides. -> (n, 2) int64"""
    rows = samples.rows("train")
    frame = samples.frame[rows] if len(rows) else samples.frame
    return frame.select("width", "height").drop_nulls().to_numpy()


def shares_seen(sizes: np.ndarray, spec: InputSpec) -> np.ndarray:
    """The share of its area that is seen of each picture, (n, 2) width and height. -> (n,)"""
    word, side = spec.evaluated_form[:2]
    if word == "square":
        return np.full(len(sizes), min(1.0, spec.size / side) ** 2)
    scaled = sizes * (side / sizes.min(axis=1, keepdims=True))
    seen: np.ndarray = (np.minimum(scaled, spec.size) / scaled).prod(axis=1)
    return seen


def squeezed(sizes: np.ndarray, spec: InputSpec) -> InputSpec:
    """The same with its pictures made square, where too little of the median one would be seen."""
    if not len(sizes) or np.median(shares_seen(sizes, spec)) >= WHOLE_BELOW:
        return spec
    smooth = spec.evaluated_form[2:]
    return replace(spec, stored=":".join(["square", str(spec.size), *map(str, smooth)]))


def seen_words(sizes: np.ndarray, spec: InputSpec) -> str:
    """ "57 % of the median picture (171 x 128 pixels)"; "" without a size."""
    if not len(sizes):
        return ""
    shares = shares_seen(sizes, spec)
    middle = np.argsort(shares, kind="stable")[(len(shares) - 1) // 2]
    width, height = sizes[middle]
    return f"{100 * shares[middle]:.0f} % of the median picture ({width} x {height} pixels)"


def seen_notes(sizes: np.ndarray, spec: InputSpec, chosen: InputSpec | None) -> list[str]:
    """What to say of the part that is seen by `spec`.

    chosen: what would cut the middle out, where that was found to be too little; else None.
    """
    whole = f"square:{spec.size}"
    if chosen is not None:
        return [
            f"pictures are squeezed to a square, so that all of each is seen: the square in the "
            f"middle would be {seen_words(sizes, chosen)}; input.stored={chosen.stored} takes that"
        ]
    lost = shares_seen(sizes, spec) < WHOLE_BELOW
    if not len(lost) or lost.mean() < TOLD_FROM:
        return []
    return [
        f"of {100 * lost.mean():.0f} % of the training images less than half is seen, the square "
        f"in the middle: {seen_words(sizes, spec)}; input.stored={whole} shows all of each, "
        "squeezed"
    ]


def little_words(names: Sequence[str], number: int) -> list[str]:
    """What to say of the pictures of `number` of which less than LITTLE was seen."""
    if not names:
        return []
    return [
        f"{len(names):,} of {counted(number, 'image')} {'is' if len(names) == 1 else 'are'} so "
        "long that less than a quarter is seen, the square in the middle "
        f"({listed(names, most=3)}); cut such pictures into parts, and let the model answer these"
    ]


def listed_sides(sizes: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Width, height and how many images have them, as a row an image. -> (n, 2)"""
    counts = np.array([count for _, _, count in sizes], np.int64)
    sides = np.array([(width, height) for width, height, _ in sizes], np.int64).reshape(-1, 2)
    repeated: np.ndarray = np.repeat(sides, counts, axis=0)
    return repeated
