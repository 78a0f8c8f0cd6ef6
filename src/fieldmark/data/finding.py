"""A finding of the health check, and the words that its sentences share."""

from collections.abc import Sequence
from dataclasses import dataclass

from fieldmark.errors import listed

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something about the images that a person should know before training.

    kind:     a word such as `exact-copies`; those that there are stand in `health.KINDS`.
    severity: `error` spoils the score or leaves images out, and fails `inspect --strict`;
              `warning` wants a look; `note` only tells.
    sentence: what, how many, an example, what to do.
    files:    all the files in question, or the classes where the finding is about classes.
    groups:   where it is about copies: the files, those together that are the same image.
    """

    kind: str
    severity: str
    sentence: str
    files: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()


def some(names: Sequence[str], one: str, more: str, noun: str = "image") -> str:
    """How many do what, and which: "2 images are small ('a.jpg' and 'b.jpg')"."""
    words = f"1 {noun} {one}" if len(names) == 1 else f"{len(names):,} {plural(noun)} {more}"
    return f"{words} ({listed(names, most=3)})"


def plural(noun: str) -> str:
    """image -> images, copy -> copies, class -> classes."""
    if noun.endswith("y"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
