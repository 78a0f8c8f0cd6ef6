"""What the health check found, in the order and the words in which pages show it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.data.health import SEVERITIES, Finding
from fieldmark.report.thumbs import Shot, thumb
from fieldmark.report.words import count


@dataclass(frozen=True)
class Note(Finding):
    """A finding with some of its pictures.

    paired: the first picture belongs beside the second, the third to the fourth.
    """

    pictures: tuple[Shot, ...] = ()
    paired: bool = False


def by_severity(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """The findings by severity, the gravest first; severities without one are left out."""
    groups = defaultdict(list)
    for note in notes:
        named = {caption for _, _, caption in note.pictures}
        files = [file for file in note.files if file not in named]
        thumbs = [thumb(*picture) for picture in note.pictures]
        groups[note.severity].append({"note": note, "thumbs": thumbs, "files": files})
    return [{"severity": each, "found": groups[each]} for each in SEVERITIES if each in groups]


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
