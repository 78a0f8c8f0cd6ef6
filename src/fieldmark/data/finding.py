"""What the health check tells: a finding, and the kinds that there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from fieldmark.errors import counted, listed

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something about the images that a person should know before training.

    kind:     a word such as `exact-copies`; those that there are stand in KINDS.
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


def by_severity(finding: Finding) -> int:
    """A key by which the gravest come first."""
    return SEVERITIES.index(finding.severity)


def some(names: Sequence[str], one: str, more: str, noun: str = "image") -> str:
    """How many do what, and which: "2 images are small ('a.jpg' and 'b.jpg')"."""
    return f"{number(names, noun)} {one if len(names) == 1 else more} ({listed(names, most=3)})"


def number(things: Sequence[object], noun: str) -> str:
    """How many there are: "1,200 images"."""
    return f"{len(things):,}{counted(len(things), noun).removeprefix(str(len(things)))}"


PROBLEMS = {  # and how a sentence says it, of one file and of several
    "missing": ("is not there", "are not there"),
    "zero-byte": ("is empty", "are empty"),
    "truncated": ("ends too early", "end too early"),
    "unreadable": ("cannot be read", "cannot be read"),
    "bomb": ("has too many pixels", "have too many pixels"),
}
LEFT_OUT = {  # of a source, before anything is opened
    "no-file": ("row has no file", "rows have no file"),
    "no-label": ("image has no label", "images have no label"),
    "conflicting-rows": (
        *("row gives an image another label than another row", "rows give images two labels"),
    ),
    "repeated-row": ("row repeats another", "rows repeat others"),
    "broken-row": ("row has cells too many or too few", "rows have cells too many or too few"),
    "foreign-format": ("file is of a format that is not read", "files are of formats not read"),
    "no-box": ("picture has no box", "pictures have no box"),
    "video": ("file is a video", "files are videos"),
    "left-out": ("image or row cannot be used", "images or rows cannot be used"),
}


def foreign_kind(what: str) -> str:
    """The kind of LEFT_OUT that a file of a format that is not read is told under.

    what: as kinds.said_of says it.
    """
    return "video" if what.startswith("is a video") else "foreign-format"


KINDS = {
    **dict.fromkeys(PROBLEMS, "error"),
    **dict.fromkeys(LEFT_OUT, "error"),
    "no-box": "warning",
    "not-used": "warning",
    **dict.fromkeys(("nearly-black", "nearly-white", "blurred", "tiny"), "warning"),
    **dict.fromkeys(("panorama", "hdr", "misnamed"), "warning"),
    **dict.fromkeys(("animated", "mended", "other-profile"), "note"),
    "leakage": "error",
    "group-leakage": "error or warning",
    "conflicting-labels": "error",
    "exact-copies": "warning",
    "near-copies": "warning",
    "near-leakage": "error",
    "look-alikes": "warning or note",
    "unlabelled": "warning",
    "one-class": "error",
    "few-images": "error or warning",
    "class-missing-in-split": "error or warning",
    "label-spelling": "warning",
    "imbalance": "note",
    "mirrored-classes": "warning",
}
