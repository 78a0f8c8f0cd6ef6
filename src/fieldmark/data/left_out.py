"""What a source leaves out, as findings: rows and files that nothing is learned from."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from fieldmark.data.finding import KINDS, LEFT_OUT, Finding
from fieldmark.data.kinds import VIDEO_SUFFIXES, by_suffix
from fieldmark.data.listing import Listing
from fieldmark.data.sources import place_name
from fieldmark.errors import listed
from fieldmark.records import Samples

NO_LABEL = "give each image a label, or take it out"


def left_out_findings(listing: Listing) -> Iterator[Finding]:
    """Rows and files that are left out, by why; pictures in no class, a warning.

    Where images have a label each, one without any counts as left out, whether or not it is
    listed. Files that no row of a table names are none: a table may be of a part.
    """
    reasons: dict[str, dict[str, str]] = defaultdict(dict)
    for name, sentence in listing.left_out.items():
        reasons[_kind(listing, name)][name] = without_place(name, sentence)
    for name in unlabelled(listing.samples):
        reasons["no-label"][name] = NO_LABEL
    for kind in sorted(reasons, key=list(LEFT_OUT).index):
        yield _finding(kind, reasons[kind])
    for sentence, files in listing.unused.items():
        yield Finding("not-used", "warning", sentence, files)


def unlabelled(samples: Samples) -> list[str]:
    """The images without a label where others have one, and one is asked for."""
    if samples.task.several or not samples.classes:
        return []
    bare = samples.frame.filter(samples.frame["labels"].list.len().fill_null(0) == 0)
    return [place_name(path, row) for path, row in bare.select("path", "row").iter_rows()]


def without_place(name: str, sentence: str) -> str:
    """The reason in a sentence of Listing.left_out, which begins with the place."""
    return sentence.partition(f"{name}: ")[2] or sentence


def _kind(listing: Listing, name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if name in listing.kinds:
        return listing.kinds[name]
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return "foreign-format" if by_suffix(suffix) else "left-out"


def _finding(kind: str, reasons: dict[str, str]) -> Finding:
    names, first = list(reasons), next(iter(reasons.values()))
    one, more = LEFT_OUT[kind]
    words = f"1 {one} and is left out" if len(names) == 1 else f"{len(names):,} {more}"
    words += " and are left out" if len(names) > 1 else ""
    if kind in ("foreign-format", "video", "no-box"):  # of these the reason is not of all
        first = f"it {first}" if len(names) == 1 else f"'{names[0]}' {first}"
    return Finding(kind, KINDS[kind], f"{words} ({_listed(names)}); {first}", tuple(names))


def _listed(names: Sequence[str]) -> str:
    """Three names; of lines of one table the table once: "t.csv, 'line 3', 'line 9' and 4 more"."""
    tables = {name.rpartition(", ")[0] for name in names}
    table = next(iter(tables)) if len(tables) == 1 else ""
    if not table:
        return listed(names, most=3)
    return f"{table}, {listed([name.rpartition(', ')[2] for name in names], most=3)}"
