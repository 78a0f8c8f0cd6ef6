"""The page of `fieldmark inspect`: a first look at somebody's images, one file without network."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.insight.label_counts import LabelCounts
from fieldmark.report.findings import Note, by_severity, found_words
from fieldmark.report.label_counts_page import label_counts_values
from fieldmark.report.label_counts_words import Naming
from fieldmark.report.skeleton import about_words, render_page
from fieldmark.report.thumbs import Shot, Thumb, thumb
from fieldmark.report.words import SPLIT_WORDS, count, images, quoted

COLLAGE = (5, 10)  # photos a row beside the headline, and at most
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Sheet:
    """Sample images of a class, or augmented ones of a sample.

    words: of each picture its labels and its caption, where there is more to say than the title.
    """

    title: str
    count: int
    pictures: tuple[Shot, ...]
    words: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class InspectPage:
    """Everything that the page says."""

    title: str
    data: str
    verdict: str  # the headline: one sentence without a full stop
    counts: dict[str, dict[str, int]]  # class -> {split: images read}, or {"all": ..}
    sizes: list[tuple[int, int, int]]  # (width, height, images) of upright images
    formats: dict[str, int]  # "JPEG" -> images; empty where only a table was looked at
    megabytes: float
    notes: tuple[Note, ...]
    sheets: tuple[Sheet, ...]
    augmented: tuple[Sheet, ...]
    about: dict[str, str]
    command: str
    label_counts: LabelCounts | None = None
    shown: Naming = str  # from a label to what it is called
    part: str = ""  # how much of the pictures a network sees


def render(page: InspectPage) -> str:
    """The whole HTML text. The same page gives the same text; it is safe to write as UTF-8.

    Raises ValueError for a severity that is none of `findings.SEVERITIES`.
    """
    values = {
        "page": page,
        "title": page.title,
        "headline": (page.verdict, ""),
        "seen": images(n) if (n := _image_count(page)) else page.data,
        "collage": _collage(page.sheets),
        "findings": by_severity(page.notes),
        "found_words": found_words(page.notes),
        "balance": _balance(page),
        "sizes": sizes_chart(page.sizes),
        "facts": _facts(page),
        "labels": label_counts_values(page.label_counts, page.shown) if page.label_counts else None,
        "sheets": _with_thumbs(page.sheets),
        "augmented": _with_thumbs(page.augmented),
        "about": about_words(page.about),
    }
    return render_page("inspect.html", values, sheets=("inspect.css",))


def _with_thumbs(sheets: Sequence[Sheet]) -> list[tuple[Sheet, list[Thumb]]]:
    return [(sheet, [thumb(*picture) for picture in sheet.pictures]) for sheet in sheets]


def _collage(sheets: Sequence[Sheet]) -> list[Thumb]:
    """The first photo of each class, then the second of each, none twice, in whole rows."""
    row, most = COLLAGE
    turns = itertools.zip_longest(*(sheet.pictures for sheet in sheets))
    shots = (shot for turn in turns for shot in turn if shot is not None)
    found = list({caption: (content, mime, caption) for content, mime, caption in shots}.values())
    found = found[:most]
    return [thumb(*shot) for shot in found[: len(found) // row * row]]


def _image_count(page: InspectPage) -> int:
    """How many images were read; 0 where only a table was looked at."""
    return sum(n for _, _, n in page.sizes) or sum(page.formats.values())


def _rows(n: int) -> str:
    return f"{count(n)} row{'s' if n != 1 else ''}"


def _balance(page: InspectPage) -> dict[str, Any]:
    """Images of each class by split, and how even that is in a sentence.

    Where images have several labels each counts for all of them, and the sums say nothing:
    `foot` is False.
    """
    counts = page.counts
    found = {split for splits in counts.values() for split in splits}
    splits = [split for split in SPLIT_WORDS if split in found]
    splits += sorted(found - set(splits))
    totals = {name: sum(row.values()) for name, row in counts.items()}
    return {
        "splits": splits,
        "totals": totals,
        "sums": [sum(row.get(split, 0) for row in counts.values()) for split in splits],
        "foot": len(counts) > 1 and sum(totals.values()) <= _image_count(page),
        "unit": "Images" if _image_count(page) else "Rows",
        "largest": max(totals.values(), default=0) or 1,
        "ranked": sorted(totals, key=lambda name: -totals[name]),
        "letters": max(map(len, counts), default=0),
        "words": _evenness(totals, images if _image_count(page) else _rows),
    }


def _evenness(totals: dict[str, int], words: Callable[[int], str]) -> str:
    if len(totals) < 2:
        return "".join(f"One class, {quoted(name)}." for name in totals)
    few, many = (choose(totals, key=lambda name: totals[name]) for choose in (min, max))
    if totals[few] == totals[many]:
        return f"Each of the {count(len(totals))} classes has {words(totals[few])}."
    return (
        f"{count(len(totals))} classes, from {words(totals[few])} ({quoted(few)}) "
        f"to {words(totals[many])} ({quoted(many)})."
    )


def _facts(page: InspectPage) -> dict[str, str]:
    """Sizes, formats and weight in words; what is not known is left out."""
    formats = sorted(page.formats.items(), key=lambda item: (-item[1], item[0]))
    facts = {
        "Formats": ", ".join(f"{count(n)} {name}" for name, n in formats),
        "On disk": _weight(page.megabytes) if page.megabytes else "",
        "Seen by a network": page.part,
    }
    if len(page.sizes) > 1:
        sizes = landmarks(page.sizes)
        facts = {name: f"{w} {TIMES} {h} ({images(n)})" for name, (w, h, n) in sizes} | facts
    return {name: text for name, text in facts.items() if text}


def _weight(megabytes: float) -> str:
    """0.25 -> "250 KB", 9.04 -> "9.0 MB", 12_300 -> "12.3 GB"."""
    for unit, name in ((1e3, "GB"), (1, "MB")):
        if megabytes >= unit:
            return f"{megabytes / unit:.1f} {name}"
    return f"{megabytes * 1e3:.0f} KB"


CHART = (380, 250)  # px; the picture of the sizes, without its labels
CELL = 4  # px; sizes whose corners fall into one cell share a dot
SHAPES = (  # up to which width over height, and what such an image is called
    (0.5, "tall", "less than half as wide as high"),
    (0.95, "portrait", "higher than wide"),
    (1.05, "square", "sides within 5 %"),
    (2.0, "landscape", "wider than high"),
    (math.inf, "wide", "more than twice as wide as high"),
)
Sizes = Sequence[tuple[int, int, int]]  # width, height, how many


def landmarks(sizes: Sizes) -> list[tuple[str, tuple[int, int, int]]]:
    """The sizes that stand for all: by area the smallest and the largest, and the commonest.

    Of sizes with one area, as those of a photo and the same camera turned, the commoner is taken.
    """
    smallest = min(sizes, key=lambda size: (size[0] * size[1], -size[2]))
    largest = max(sizes, key=lambda size: (size[0] * size[1], size[2]))
    common = max(sizes, key=lambda size: size[2])
    if common == smallest:
        return [("Smallest, most common", smallest), ("Largest", largest)]
    if common == largest:
        return [("Smallest", smallest), ("Largest, most common", largest)]
    return [("Smallest", smallest), ("Most common", common), ("Largest", largest)]


def sizes_chart(sizes: Sizes) -> dict[str, Any] | None:
    """The picture of the sizes: each image laid with its lower left corner at the origin.

    Its upper right corner is a dot, the larger the more images are of that size; the landmarks
    are drawn whole. Lengths are px of the picture, upwards.
    """
    if not sizes:
        return None
    widest, highest = (max(size[k] for size in sizes) for k in (0, 1))
    scale = min(CHART[0] / widest, CHART[1] / highest)
    return {
        "only": sizes[0][:2] if len(sizes) == 1 else None,
        "width": round(widest * scale),
        "height": round(highest * scale),
        "frames": [(w * scale, h * scale) for _, (w, h, _) in landmarks(sizes)],
        "dots": _corners(sizes, scale),
        "across": _ticks(widest, scale),
        "up": _ticks(highest, scale),
        "shapes": _shapes(sizes),
    }


def size_words(sizes: Sizes) -> str:
    """The smallest and the largest size by area, the commonest, and how many have which shape."""
    if not sizes:
        return ""
    shapes = ", ".join(f"{count(shape['n'])} {shape['name']}" for shape in _shapes(sizes))
    marks = [f"{w} {TIMES} {h}" for _, (w, h, _) in landmarks(sizes)]
    if len(sizes) == 1:
        return f"{marks[0]} pixels; {shapes}"
    width, height, n = max(sizes, key=lambda size: size[2])
    return (
        f"{marks[0]} to {marks[-1]} pixels, most common {width} {TIMES} {height} ({count(n)}); "
        f"{shapes}"
    )


def _corners(sizes: Sizes, scale: float) -> list[tuple[float, float, float]]:
    """(x, y, radius) of the dots; sizes of one cell share the dot of their commonest."""
    places: dict[tuple[int, int], tuple[float, float]] = {}
    weights: Counter[tuple[int, int]] = Counter()
    for width, height, n in sorted(sizes, key=lambda size: -size[2]):
        x, y = width * scale, height * scale
        cell = int(x / CELL), int(y / CELL)
        places.setdefault(cell, (x, y))
        weights[cell] += n
    most = max(weights.values())
    return [(*places[cell], 1.5 + 6 * math.sqrt(n / most)) for cell, n in weights.items()]


def _ticks(longest: int, scale: float) -> list[tuple[int, float]]:
    """Round numbers of pixels from the origin on, about 60 px apart, each with its place."""
    wanted = 60 / scale
    power = 10.0 ** math.floor(math.log10(wanted))
    step = max(1, round(next(k * power for k in (1, 2, 5, 10) if k * power >= wanted)))
    return [(pixels, pixels * scale) for pixels in range(0, longest + 1, step)]


def _shapes(sizes: Sizes) -> list[dict[str, Any]]:
    """How many images are tall, portrait, square, landscape and wide; none, left out."""
    found: Counter[str] = Counter()
    for width, height, n in sizes:
        found[next(name for most, name, _ in SHAPES if width / height <= most)] += n
    return [
        {"name": name, "meaning": meaning, "n": found[name], "share": found[name] / found.total()}
        for _, name, meaning in SHAPES
        if found[name]
    ]
