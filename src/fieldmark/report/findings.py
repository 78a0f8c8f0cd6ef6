"""What the health check found, in the order and the words in which pages show it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.data.health import SEVERITIES, Finding
from fieldmark.report.thumbs import thumb
from fieldmark.report.words import count

Shot = tuple[bytes, str, str]  # an encoded image, its type such as "image/jpeg", its caption


@dataclass(frozen=True)
class Note(Finding):
    """A finding with some of its pictures.

    paired: the first picture belongs beside the second, the third to the fourth.
    """

    pictures: tuple[Shot, ...] = ()
    paired: bool = False


def by_severity(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """The findings by severity, the gravest first; severities without one are left out."""
    groups = []
    for severity in SEVERITIES:
        found = [
            {
                "note": note,
                "thumbs": [thumb(*picture) for picture in note.pictures],
                "files": _unseen_files(note),
            }
            for note in notes
            if note.severity == severity
        ]
        if found:
            groups.append({"severity": severity, "found": found})
    return groups


def found_words(notes: Sequence[Finding]) -> str:
    """ "1 error, 2 warnings and 1 note"; "" where there is none.

    Raises ValueError for a severity that is none of `SEVERITIES`.
    """
    numbers = Counter(note.severity for note in notes)
    if strange := set(numbers) - set(SEVERITIES):
        raise ValueError(f"no such severity of a finding: {strange}")
    *first, last = [
        f"{count(numbers[severity])} {severity}{'s' if numbers[severity] != 1 else ''}"
        for severity in SEVERITIES
        if numbers[severity]
    ] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _unseen_files(note: Note) -> list[str]:
    """The files that no caption names already."""
    named = {caption for _, _, caption in note.pictures}
    return [file for file in note.files if file not in named]
