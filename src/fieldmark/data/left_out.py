"""What a source leaves out, as findings: rows and files that nothing is learned from."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from fieldmark.data.finding import KINDS, LEFT_OUT, PROBLEMS, Finding
from fieldmark.data.listing import Listing
from fieldmark.data.sources import place_name
from fieldmark.errors import counted, listed
from fieldmark.machine import INSTALL
from fieldmark.records import Samples

NO_LABEL = "give each image a label, or take it out"
FOREIGN = ("foreign-format", "video")
NAMED = 5  # files in a note


def left_out_findings(listing: Listing) -> Iterator[Finding]:
    """Rows and files that are left out, by why; pictures in no class, a warning.

    Where images have a label each, one without any counts as left out, whether or not it is
    listed. Files that no row of a table names are none: a table may be of a part.
    """
    reasons: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for name, sentence in listing.left_out.items():
        kind, why = listing.kinds.get(name, "left-out"), without_place(name, sentence)
        reasons[kind, why if kind in FOREIGN else ""][name] = why
    for name in unlabelled(listing.samples):
        reasons["no-label", ""][name] = NO_LABEL
    for kind, why in sorted(reasons, key=lambda each: list(LEFT_OUT).index(each[0])):
        yield _finding(kind, reasons[kind, why])
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


def left_out_notes(
    left_out: Mapping[str, str], kinds: Mapping[str, str], missing: Mapping[str, str], see: str
) -> list[str]:
    """Which files are not used: why, or where there are several reasons, how many are for each.

    Rows without a file stand apart. left_out: {name: sentence}. kinds: of Listing, and problems of
    a scan, by name. missing: of Listing. see: the command that names each.
    """
    others = {name: why for name, why in left_out.items() if name not in missing}
    notes = []
    if missing:
        have = "row has no file" if len(missing) == 1 else "rows have no file"
        reason = left_out[next(iter(missing))]
        notes.append(f"{len(missing):,} {have} ({listed(missing.values(), most=5)}); {reason}")
    by_why: dict[tuple[str, str, str], int] = defaultdict(int)
    for name, sentence in others.items():
        by_why[_words(kinds.get(name, "left-out"), without_place(name, sentence))] += 1
    images = counted(len(others), "image")
    if len(by_why) == 1 and len(others) <= NAMED:
        reason = next(iter(others.values()))
        notes.append(f"{images} left out ({listed(others, most=NAMED)}); {reason}")
    elif others:
        most_first = sorted(by_why.items(), key=lambda each: -each[1])
        words = [f"{n:,} {one if n == 1 else more}" for (one, more, _), n in most_first]
        ways = [way for _, _, way in by_why if way]
        ends = ", and ".join([*ways, f"`{see}` names each"])
        notes.append(f"{images} left out: {', '.join(words)}; {ends}")
    return notes


def _words(kind: str, reason: str) -> tuple[str, str, str]:
    """How a sentence says why a file is left out, of one and of several; and what to install."""
    its = re.match(r"is ([^:;(]+): ([^;]+)", reason)
    if its is None or kind not in (*FOREIGN, "unreadable"):
        return *(PROBLEMS | LEFT_OUT)[kind], ""
    what, way = its.groups()
    each = "each " if what.startswith(("a ", "an ")) else ""
    installs = way.replace("it be", f"{what} be") if way.startswith(INSTALL) else ""
    return f"is {what}", f"are {each}{what}", installs


def _finding(kind: str, reasons: dict[str, str]) -> Finding:
    names, first = list(reasons), next(iter(reasons.values()))
    one, more = LEFT_OUT[kind]
    words = f"1 {one} and is left out" if len(names) == 1 else f"{len(names):,} {more}"
    words += " and are left out" if len(names) > 1 else ""
    if kind in FOREIGN:
        first = f"it {first}" if len(names) == 1 else f"each {first}"
    elif kind == "no-box":  # of these the reason is not of all
        first = f"it {first}" if len(names) == 1 else f"'{names[0]}' {first}"
    return Finding(kind, KINDS[kind], f"{words} ({_listed(names)}); {first}", tuple(names))


def _listed(names: Sequence[str]) -> str:
    """Three names; of lines of one table the table once: "t.csv, 'line 3', 'line 9' and 4 more"."""
    tables = {name.rpartition(", ")[0] for name in names}
    table = next(iter(tables)) if len(tables) == 1 else ""
    if not table:
        return listed(names, most=3)
    return f"{table}, {listed([name.rpartition(', ')[2] for name in names], most=3)}"
