"""What the health check found, in the order and the words in which pages show it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.data.finding import SEVERITIES, Finding
from fieldmark.data.sources import place_name
from fieldmark.insight.album import Album, Placed
from fieldmark.records import Samples
from fieldmark.report.thumbs import Shot, thumb
from fieldmark.report.words import count

FINDINGS, A_FINDING = 6, 4  # findings with pictures on a run's page, and pictures of each
SIDE = 160  # pixels of the shorter side of one


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


def with_pictures(findings: Sequence[Finding], samples: Samples) -> tuple[Note, ...]:
    """The findings of a run, the first of them with a few of their pictures.

    Files that are no images of the table are looked for below its root; those that cannot be read
    are named alone.
    """
    places = {place_name(path, row): (path, row) for path, row in samples.places()}
    album, found = Album(samples, SIDE), []
    for number, finding in enumerate(findings):
        names = finding.files[:A_FINDING] if number < FINDINGS else ()
        wanted = [Placed(*places.get(name, (name, None))) for name in names]
        shots = tuple((content, mime, at.caption) for at, content, mime in album.pictures(wanted))
        found.append(Note(**vars(finding), pictures=shots))
    return tuple(found)


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
