"""The first look at somebody's images: counts, findings, and a page. No torch, no network."""

import os
import platform
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.asked_images import listed_of, scanned
from fieldmark.data.copies import copies_among
from fieldmark.data.corrections import correct, read_corrections
from fieldmark.data.finding import LEFT_OUT, PROBLEMS, SEVERITIES, Finding, by_severity
from fieldmark.data.group_columns import group_findings, proposal
from fieldmark.data.health import findings
from fieldmark.data.inside import is_there
from fieldmark.data.left_out import NO_LABEL, left_out_findings, unlabelled
from fieldmark.data.listing import Listing
from fieldmark.data.mirror_pairs import mirror_findings, mirror_pairs
from fieldmark.data.seen_part import WHOLE_BELOW, listed_sides, seen_words, shares_seen
from fieldmark.data.sources import place_name, read_pixels
from fieldmark.data.told import label_notes, spare_notes
from fieldmark.errors import DataError, counted
from fieldmark.files import write_text
from fieldmark.insight.album import encoded
from fieldmark.insight.label_counts import LabelCounts, count_labels
from fieldmark.insight.label_names import ShownNames, in_order, read_names, rows_of, write_names
from fieldmark.records import SPLITS, InputSpec
from fieldmark.report import label_counts_words
from fieldmark.report.findings import Note
from fieldmark.report.inspect_page import InspectPage, Sheet, render, size_words
from fieldmark.report.thumbs import Shot
from fieldmark.settings.data import DataSettings

SIDE = 192  # pixels of a picture's shorter side
A_CLASS = 6  # pictures shown of a class
A_FINDING = 6  # pictures shown of a finding
NAMED = 3  # files that a finding names
CLASSES = 60  # classes that are shown as pictures
SMALL = 64  # pixels: images up to here are seen whole
MIDDLE = InputSpec("shorter:256", 224)  # what most networks see
SIDE_OF = pl.col("split").fill_null("all")


@dataclass(frozen=True)
class Look:
    """What was seen. facts: a row an image; none where only a table was looked at.

    source: what was named: a folder or file, whole, or a built-in set.
    """

    source: str
    listing: Listing
    facts: pl.DataFrame
    found: list[Finding]
    label_names: ShownNames

    @cached_property
    def good(self) -> pl.DataFrame:
        """The images that can be read."""
        return self.listing.samples.frame.filter(self.facts["problem"].is_null().to_numpy())

    @cached_property
    def unlabelled(self) -> list[str]:
        """Those of them that training leaves out, having no label."""
        return unlabelled(replace(self.listing.samples, frame=self.good))

    @cached_property
    def label_counts(self) -> LabelCounts:
        """What the labels and captions of these say."""
        labels = [labels or () for labels in self.good["labels"].to_list()]
        return count_labels(labels, self.good["caption"].to_list(), self.listing.samples.classes)

    @cached_property
    def sizes(self) -> list[tuple[int, int, int]]:
        """Width, height and how many images, the commonest first."""
        known = self.facts.filter(pl.col("problem").is_null()).group_by("width", "height").len()
        return list(known.sort("len", "width", "height", descending=True).iter_rows())

    @cached_property
    def part(self) -> str:
        """How much of the pictures a network sees that takes the square in the middle.

        "" where it does not: of small images, and of several labels, all is seen.
        """
        sides = listed_sides(self.sizes)
        if not len(sides) or sides.max() <= SMALL or self.listing.samples.task.several:
            return ""
        words = f"the square in the middle is {seen_words(sides, MIDDLE)}"
        if np.median(shares_seen(sides, MIDDLE)) < WHOLE_BELOW:
            return f"all, squeezed to a square: {words}"
        return words

    @cached_property
    def names(self) -> list[str]:
        """Each image as sentences call it."""
        return [place_name(*place) for place in self.listing.samples.places()]

    @cached_property
    def places(self) -> dict[str, tuple[str, int | None]]:
        """Where each image is, by its name."""
        return dict(zip(self.names, self.listing.samples.places(), strict=True))

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found that `--strict` fails for."""
        return not [each for each in self.found if each.severity == "error"]


def look(data: DataSettings, console: Console) -> Look:
    """List and scan; a table whose images are not there is looked at as a table."""
    if data.label_names is not None:
        rows_of(Path(data.label_names))  # a mistake is told before any image is read
    listing = listed_of(data, labelled=False)
    corrected = correct(listing.samples, read_corrections(data.corrections, listing.samples))
    listing = replace(listing, samples=corrected.samples, notes=(*listing.notes, *corrected.notes))
    facts = scanned(listing.samples, console)
    copies = copies_among(listing.samples, facts)
    names = ShownNames()
    if data.label_names is not None:
        names = read_names(Path(data.label_names), listing.samples.classes)
    found = findings(listing.samples, facts, copies)
    found += [*left_out_findings(listing), *group_findings(listing.samples)]
    found += unlabelled_findings(listing, str(data.source))
    if listing.mirrored and not listing.samples.task.several:
        pairs = mirror_pairs(facts, listing.samples.frame["labels"], open_cache())
        found += mirror_findings(pairs)
    found.sort(key=by_severity)
    own = [note for note in listing.notes if note not in listing.unused]  # findings tell the others
    told = [*label_notes(data, listing.samples), *spare_notes(listing.spare)]
    told += proposal(listing.samples)
    noted = replace(listing, notes=(*own, *told))
    source = str(data.source)
    whole = os.path.realpath(source) if is_there(Path(source)) else source
    return Look(whole, noted, facts, found, names)


def unlabelled_findings(listing: Listing, source: str) -> Iterable[Finding]:
    """That no image has a label, and how labels are given."""
    if listing.samples.classes or not len(listing.samples):
        return
    how = f"put those of a class into a folder of its own, such as {Path(source, 'cat', '1.jpg')}"
    how += ", or name a table with their labels"
    if Path(source).is_file():
        how = "give the table a column of labels, and name it with data.label_column=NAME"
    yield Finding(
        "unlabelled",
        "warning",
        f"no image has a label, and training needs them: {how}; a trained model gives them: "
        f"fieldmark predict RUN {shlex.quote(source)}",
    )


def as_json(seen: Look) -> dict[str, Any]:
    """What was seen as plain values: counts, notes, and each finding with all its files."""
    return {
        "images": len(seen.listing.samples),
        "verdict": verdict(seen),
        "classes": counts(seen),
        "notes": list(seen.listing.notes),
        "left_out": seen.listing.left_out | dict.fromkeys(seen.unlabelled, NO_LABEL),
        "findings": [
            {
                "kind": each.kind,
                "severity": each.severity,
                "sentence": each.sentence,
                "files": list(each.files),
                "groups": [list(group) for group in each.groups],
            }
            for each in seen.found
        ],
        "sizes": [list(size) for size in seen.sizes],
        "label_counts": label_counts_words.as_json(seen.label_counts, seen.label_names.shown),
    }


def as_lines(seen: Look) -> list[str]:
    """What was seen as lines for a terminal."""
    table = counts(seen)
    shown = {name: seen.label_names.shown(name) for name in table}
    sides = list(next(iter(table.values()), {}))
    width = max([len(name) for name in shown.values()] + [5])
    totals = [sum(by_side[side] for by_side in table.values()) for side in sides]
    if seen.label_counts.several:
        totals = [seen.good.filter(side == SIDE_OF).height for side in sides]
    lines = []
    if table:
        lines = [f"{'class':<{width}}" + "".join(f"{side:>8}" for side in sides)]
        lines += [
            f"{shown[name]:<{width}}" + "".join(f"{by_side[side]:>8,}" for side in sides)
            for name, by_side in table.items()
        ]
        lines += [f"{'all':<{width}}" + "".join(f"{total:>8,}" for total in totals), ""]
    lines += [*label_counts_words.lines(seen.label_counts, seen.label_names.shown)]
    if words := size_words(seen.sizes):
        lines.append(f"{'sizes':<{label_counts_words.INDENT}}{words}")
    if seen.part:
        lines.append(f"{'seen':<{label_counts_words.INDENT}}{seen.part}")
    lines += [f"note: {note}" for note in seen.listing.notes]
    lines += [f"{each.severity:<8} {each.kind}: {each.sentence}" for each in seen.found]
    gone = [each for each in seen.found if each.kind in {*PROBLEMS, *LEFT_OUT}]
    more = any(len(each.files) > NAMED for each in gone)
    return [*lines, "", *["--json names all that is left out"] * more, verdict(seen)]


def verdict(seen: Look) -> str:
    """One sentence: how many images can be used, how many cannot, and how much is to be mended."""
    number = seen.good.height - len(seen.unlabelled)
    left_out = len(seen.listing.samples) - number + len(seen.listing.left_out)
    classes = seen.listing.samples.classes
    where = f" in {counted(len(classes), 'class')}" if classes else ", none with a label"
    head = f"{counted(number, 'image')}{where}{f' and {left_out:,} left out' if left_out else ''}"
    by_severity = Counter(each.severity for each in seen.found)
    words = [
        counted(by_severity[severity], severity) for severity in SEVERITIES if by_severity[severity]
    ]
    return f"{head}: {', '.join(words) or 'nothing to mend was found'}"


def counts(seen: Look) -> dict[str, dict[str, int]]:
    """Images that can be read, by class and split; by "all" where the layout has no splits."""
    grouped = seen.good.explode("labels").group_by("labels", SIDE_OF).len()
    found = {(label, side): number for label, side, number in grouped.iter_rows()}
    sides = [side for side in (*SPLITS, "all") if side in {key[1] for key in found}]
    return {
        name: {side: found.get((name, side), 0) for side in sides}
        for name in in_order(seen.listing.samples.classes)
    }


def write_page(seen: Look, path: Path, command: str, augmented: tuple[Sheet, ...] = ()) -> None:
    """The page, one file of HTML, whole or not at all."""
    good = seen.facts.filter(pl.col("problem").is_null())
    formats = good.drop_nulls("format")["format"].value_counts()
    layout = {f"layout {n}": text for n, text in enumerate(seen.listing.notes, 1)}
    page = InspectPage(
        title=Path(seen.source).name,
        data=seen.source,
        verdict=verdict(seen),
        counts={seen.label_names.shown(name): row for name, row in counts(seen).items()},
        sizes=seen.sizes,
        part=seen.part,
        formats=dict(formats.iter_rows()),
        megabytes=float(seen.facts["bytes"].sum() or 0) / 1e6,
        notes=tuple(note(seen, each) for each in seen.found),
        sheets=tuple(sheets(seen)),
        augmented=augmented,
        about={"python": platform.python_version(), **layout},
        command=command,
        label_counts=seen.label_counts,
        shown=seen.label_names.shown,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render(page))


def keep_names(seen: Look, path: Path) -> str:
    """Write the names that captions suggest for labels that are numbers; what is to be said.

    "" where there are none, or names were given. A file that is there stays: somebody may have
    changed it.
    """
    captions = seen.label_counts.captions
    if captions is None or not captions.names or seen.label_names.names:
        return ""
    if path.exists():
        return f"names    {path} is there already and stays"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_names(path, captions.names)
    accept = shlex.quote(f"data.label_names={path}")
    return f"names    {path}: change what is wrong, and accept with {accept}"


def note(seen: Look, finding: Finding) -> Note:
    """A finding with some of its pictures; copies stand in pairs."""
    pairs = [group[:2] for group in finding.groups][: A_FINDING // 2]
    names = [name for pair in pairs for name in pair] or list(finding.files[:A_FINDING])
    shown = tuple(shots(seen, names))
    paired = bool(pairs) and len(shown) == 2 * len(pairs)
    return Note(**vars(finding), pictures=shown, paired=paired)


def sheets(seen: Look) -> Iterable[Sheet]:
    """Some images of each class, evenly taken from its list."""
    shown = seen.label_names.shown
    rows: dict[str, list[str]] = {name: [] for name in in_order(seen.listing.samples.classes)}
    words: dict[str, tuple[str, str]] = {}
    columns = seen.good.select("path", "row", "labels", "caption")
    for path, row, labels, caption in columns.iter_rows():
        name = place_name(path, row)
        words[name] = (", ".join(map(shown, labels or ())), caption or "")
        for label in dict.fromkeys(labels or ()):
            rows[label].append(name)
    told = seen.label_counts.several or seen.label_counts.captions is not None
    for label, found in list(rows.items())[:CLASSES]:
        places = np.unique(np.linspace(0, len(found) - 1, A_CLASS).round().astype(int))
        chosen = [found[place] for place in places] if found else []
        pictures = tuple(shots(seen, chosen))
        its = tuple(words[name] for _, _, name in pictures) if told else ()
        yield Sheet(shown(label), len(found), pictures, its)


def shots(seen: Look, names: Iterable[str]) -> Iterable[Shot]:
    """Thumbnails of images by name; those that cannot be read are passed over."""
    for name in names:
        try:
            pixels = read_pixels(seen.listing.samples.root, *seen.places[name], None)
        except (KeyError, DataError):
            continue
        yield *encoded(pixels, SIDE), name
