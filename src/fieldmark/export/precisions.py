"""In how many bits a file computes, by what recipes, and what is refused before torch comes."""

from collections.abc import Iterator, Sequence
from math import isfinite

from fieldmark.errors import Mistake, listed, nearest
from fieldmark.settings.meant import of_choice

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
AT_MOST_WORSE = 1.0  # points that a file in fewer bits may be worse by than that in float32
PER_CHANNEL, PER_TENSOR, PERCENTILE = "per channel", "per tensor", "per channel, percentile"
# how each is made, all of which are tried
RECIPES = {FLOAT16: ("halves",), INT8: (PER_CHANNEL, PER_TENSOR, PERCENTILE)}
OF_FORMATS = {"onnx": (FLOAT16, INT8), "openvino": (FLOAT16,)}  # the others have FLOAT32 alone


def precision_mistakes(
    to: str, precision: str, most: float | None, images: Sequence[str]
) -> Iterator[Mistake]:
    """What stands against a precision of a format that there is."""
    if precision not in (FLOAT32, *RECIPES):
        known = (FLOAT32, *RECIPES)
        hint = of_choice("precision", precision, known) or nearest(precision, known)
        hint = hint or f"; there are {listed(known)}"
        yield Mistake("--precision", f"there is no precision '{precision}'{hint}")
        return
    if most is not None and not (isfinite(most) and most >= 0):
        yield Mistake("--at-most-worse", f"{most:g} is no number of points; give 0 or more")
    if precision == FLOAT32:
        if most is not None:
            what = "float32 is held to every decision; leave it out, or add --precision"
            yield Mistake("--at-most-worse", what)
        return
    there = (FLOAT32, *OF_FORMATS.get(to, ()))
    if precision not in there:
        more = [name for name, its in OF_FORMATS.items() if precision in its]
        how = f"leave it out, or take {listed(f'--to {name}' for name in more)}"
        yield Mistake("--precision", f"{to} is written in {listed(there)} alone; {how}")
    if images:
        what = f"{precision} is judged by labels, on the run's own images; leave it out"
        yield Mistake("--images", what)
