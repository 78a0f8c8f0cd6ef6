"""When not to answer, in words: images unlike the training ones, and sets of classes."""

from collections.abc import Mapping
from typing import Any

from fieldmark.metrics_json import Figures, SetFigures, Share, UnlikeFigures
from fieldmark.report.words import SPLIT_WORDS, images, interval, percent


def caution_part(
    sides: Mapping[str, Figures], *, names: Mapping[str, str] = SPLIT_WORDS
) -> dict[str, Any] | None:
    """What when_not.html says of the test; None where it has nothing to say."""
    found = sides.get("test")
    if found is None or not (found.unlike or found.sets):
        return None
    return {
        "images": images(found.n, names["test"]),
        "unlike": found.unlike,
        "sets": found.sets or (),
    }


def caution_lines(found: Figures) -> list[str]:
    """What the figures of a split say of when not to answer; [] where they say nothing."""
    unlike = [f"  {unlike_words(found.unlike)}"] if found.unlike else []
    return unlike + [f"  {set_words(each)}" for each in found.sets or ()]


def unlike_words(found: UnlikeFigures) -> str:
    """ "told unlike the training images: 3.3 % (1.4 to 7.6 %); by distance 2.0 %, scores 1.3 %" """
    by = ", ".join(f"{name} {percent(each.value)}" for name, each in found.by.items())
    return f"told unlike the training images: {share_words(found.flagged)}; by {by}"


def set_words(found: SetFigures) -> str:
    """ "sets of 90 % hold the truth of 91.3 % (85.7 to 94.9 %); 1.12 classes on average" """
    return (
        f"sets of {100 * found.level:g} % hold the truth of {share_words(found.held)}; "
        f"{found.size:.2f} classes on average"
    )


def share_words(share: Share) -> str:
    """A share and its interval: "3.3 % (1.4 to 7.6 %)"."""
    return f"{percent(share.value)} ({interval(share.interval)})"
