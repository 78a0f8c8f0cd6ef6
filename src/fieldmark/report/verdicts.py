"""What a paired difference means, in words that a person understands."""

import math
from typing import Literal

from fieldmark.errors import counted
from fieldmark.judge.metrics import METRICS
from fieldmark.judge.paired import Difference
from fieldmark.report.words import count, is_share, metric_words

FINE = 0.0005  # a share that would be written as 0.0 points
A_POINT = 0.01  # the difference that most people ask for


def sentence(
    difference: Difference, names: tuple[str, str], *, images: int, groups: int | None = None
) -> str:
    """The second of two runs against the first.

    "b is better than a: 2.5 points of accuracy more (0.6 to 4.4)", or "b and a are too close to
    tell with 200 images: ..." and how many images would tell.
    """
    first, second = names
    if math.isnan(difference.value):
        return (
            f"{second} and {first}: no {metric_words(difference.metric)} to compare, "
            f"{_lacking(difference, names)} has none; choose another --metric"
        )
    if difference.is_clear:
        return f"{second} is {direction(difference)} than {first}: {amount(difference)}"
    with_what = counted(images, "image") + (f" in {counted(groups, 'group')}" if groups else "")
    told = f"{second} and {first} are too close to tell with {with_what}: {amount(difference)}"
    enough = needed_words(difference, images)
    return f"{told}; {enough}" if enough else told


def unpaired_sentence(first: str, second: str, refusal: str) -> str:
    """Why two runs were not compared."""
    return f"{second} and {first}: {refusal}"


def direction(difference: Difference) -> Literal["better", "worse"]:
    """ "better" or "worse", whichever way the figure runs."""
    rises = METRICS[difference.metric].better == "max"
    return "better" if (difference.value > 0) == rises else "worse"


def amount(difference: Difference) -> str:
    """By how much, and from where to where: "2.5 points of accuracy more (0.6 to 4.4)"."""
    metric, points = metric_words(difference.metric), is_share(difference.metric)
    more, less = ("more", "less") if points else ("higher", "lower")
    word = more if difference.value > 0 else less
    size = _written(abs(difference.value), difference)
    told = f"{size} points of {metric} {word}" if points else f"{metric} {size} {word}"
    low, high = (_written(abs(bound), difference) for bound in (difference.low, difference.high))
    if not float(size):
        return f"the same {metric} ({low} {less} to {high} {more})"
    if difference.low < 0 < difference.high:
        return f"{told} ({low} {less} to {high} {more})"
    near, far = sorted((low, high), key=float)
    return f"{told} ({near} to {far})"


def _written(value: float, difference: Difference) -> str:
    """A size without its sign: in points of a percent, or as the plain number it is.

    A clear difference has one decimal more where its nearer bound would read as none.
    """
    points = is_share(difference.metric)
    nearer = min(abs(difference.low), abs(difference.high))
    fine = difference.is_clear and nearer < FINE
    return f"{value * 100:.{1 + fine}f}" if points else f"{value:.{3 + fine}f}"


def needed_words(difference: Difference, images: int) -> str:
    """How many images would tell: a difference of 0.01, or the observed one where it is larger."""
    size = max(A_POINT, abs(difference.value))
    units = difference.needed(size)
    if math.isnan(units):
        return ""
    if is_share(difference.metric):
        points = f"{size * 100:.1f}".removesuffix(".0")
        asked = f"a difference of {points} point{'s' if points != '1' else ''}"
    else:
        asked = f"a difference of {size:.2g}"
    needed = units * images / difference.units
    if needed <= images:
        return f"{asked} would most likely have shown"
    return f"to see {asked} you would need about {about(needed)}"


def about(number: float) -> str:
    """A number as a person says it: 3140 -> "3,000", 1234 -> "1,200", 47 -> "50"."""
    digits = 2 if f"{number:e}".startswith("1") else 1
    return count(float(f"{number:.{digits - 1}e}"))


def _lacking(difference: Difference, names: tuple[str, str]) -> str:
    """Which of the two has no such figure."""
    lacks = [
        name
        for name, value in zip(names, (difference.first, difference.second), strict=True)
        if math.isnan(value)
    ]
    return lacks[0] if len(lacks) == 1 else "each"
