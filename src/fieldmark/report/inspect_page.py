"""The page of `fieldmark inspect`: a first look at somebody's images, one file without network."""

import io
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fieldmark.report.confusion import data_address
from fieldmark.report.page import SMALL, about_words, environment, style_and_script
from fieldmark.report.words import SPLIT_WORDS, count, images, quoted

SEVERITIES = ("error", "warning", "note")
COLLAGE = (5, 10)  # photos a row beside the headline, and at most
RATIOS = (0.4, 3.0)  # a thumbnail's shape on the page; what is longer lies in a frame of this shape
CHART = (380, 250)  # px; the picture of the sizes, without its labels
CELL = 4  # px; sizes whose corners fall into one cell share a dot
SHAPES = (  # up to which width over height, and what such an image is called
    (0.5, "tall", "less than half as wide as high"),
    (0.95, "portrait", "higher than wide"),
    (1.05, "square", "sides within 5 %"),
    (2.0, "landscape", "wider than high"),
    (math.inf, "wide", "more than twice as wide as high"),
)
TIMES = "\N{MULTIPLICATION SIGN}"
Shot = tuple[bytes, str, str]  # an encoded image, its type such as "image/jpeg", its caption
Sizes = Sequence[tuple[int, int, int]]  # width, height, how many


@dataclass(frozen=True)
class Note:
    """One finding of the health check."""

    kind: str
    severity: str  # "error", "warning" or "note"
    sentence: str
    files: tuple[str, ...]
    pictures: tuple[Shot, ...] = ()
    paired: bool = False  # the first picture belongs beside the second, the third to the fourth


@dataclass(frozen=True)
class Sheet:
    """Sample images of a class, or augmented ones of a sample."""

    title: str
    count: int
    pictures: tuple[Shot, ...]


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


@dataclass(frozen=True)
class Thumb:
    """A picture that is ready for the page."""

    address: str
    caption: str
    small: bool  # so small that its pixels are to be seen
    ratio: float  # width over height, within RATIOS; 1 where it is not known


def render(page: InspectPage) -> str:
    """The whole HTML text. The same page gives the same text; it is safe to write as UTF-8.

    Raises ValueError for a severity that is none of `SEVERITIES`.
    """
    text = (
        environment()
        .get_template("inspect.html")
        .render(
            page=page,
            seen=images(n) if (n := _image_count(page)) else page.data,
            collage=_collage(page.sheets),
            findings=_findings(page.notes),
            found_words=_found_words(page.notes),
            balance=_balance(page),
            sizes=_sizes(page.sizes),
            facts=_facts(page),
            sheets=[(sheet, _thumbs(sheet.pictures)) for sheet in page.sheets],
            augmented=[(sheet, _thumbs(sheet.pictures)) for sheet in page.augmented],
            about=about_words(page.about),
            **style_and_script(),
        )
    )
    return text.encode("utf-8", "replace").decode()  # file names may hold bytes of no encoding


def _thumbs(pictures: Iterable[Shot]) -> list[Thumb]:
    return [_thumb(*picture) for picture in pictures]


def _thumb(content: bytes, mime: str, caption: str) -> Thumb:
    from PIL import Image, UnidentifiedImageError

    address = data_address(content, mime)
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except UnidentifiedImageError:
        return Thumb(address, caption, small=False, ratio=1)
    ratio = min(max(width / height, RATIOS[0]), RATIOS[1])
    return Thumb(address, caption, max(width, height) < SMALL, round(ratio, 3))


def _collage(sheets: Sequence[Sheet]) -> list[Thumb]:
    """The first photo of each class, then the second of each, in whole rows; [] where too few."""
    row, most = COLLAGE
    turns = itertools.zip_longest(*(sheet.pictures for sheet in sheets))
    found = [shot for turn in turns for shot in turn if shot is not None][:most]
    return _thumbs(found[: len(found) // row * row])


def _image_count(page: InspectPage) -> int:
    """How many images were read; 0 where only a table was looked at."""
    return sum(n for _, _, n in page.sizes) or sum(page.formats.values())


def _rows(n: int) -> str:
    return f"{count(n)} row{_s(n)}"


def _s(n: int) -> str:
    return "s" if n != 1 else ""


def _findings(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """The findings by severity, the gravest first; severities without one are left out."""
    groups = []
    for severity in SEVERITIES:
        found = [
            {"note": note, "thumbs": _thumbs(note.pictures), "files": _unseen_files(note)}
            for note in notes
            if note.severity == severity
        ]
        if found:
            groups.append({"severity": severity, "found": found})
    return groups


def _found_words(notes: Sequence[Note]) -> str:
    """ "1 error, 2 warnings and 1 note"; "" where there is none."""
    numbers = Counter(note.severity for note in notes)
    if strange := set(numbers) - set(SEVERITIES):
        raise ValueError(f"no such severity of a finding: {strange}")
    *first, last = [
        f"{count(numbers[severity])} {severity}{_s(numbers[severity])}"
        for severity in SEVERITIES
        if numbers[severity]
    ] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _unseen_files(note: Note) -> list[str]:
    """The files that no caption names already."""
    named = {caption for _, _, caption in note.pictures}
    return [file for file in note.files if file not in named]


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
    formats = sorted(page.formats.items(), key=lambda item: -item[1])
    facts = {
        "Formats": ", ".join(f"{count(n)} {name}" for name, n in formats),
        "On disk": _weight(page.megabytes) if page.megabytes else "",
    }
    if len(page.sizes) > 1:
        facts = {name: _size_words(*size) for name, size in _landmarks(page.sizes)} | facts
    return {name: text for name, text in facts.items() if text}


def _landmarks(sizes: Sizes) -> list[tuple[str, tuple[int, int, int]]]:
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


def _size_words(width: int, height: int, n: int) -> str:
    return f"{width} {TIMES} {height} ({images(n)})"


def _weight(megabytes: float) -> str:
    """0.25 -> "250 KB", 9.04 -> "9.0 MB", 12_300 -> "12.3 GB"."""
    for unit, name in ((1e3, "GB"), (1, "MB")):
        if megabytes >= unit:
            return f"{megabytes / unit:.1f} {name}"
    return f"{megabytes * 1e3:.0f} KB"


def _sizes(sizes: Sizes) -> dict[str, Any] | None:
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
        "frames": [(w * scale, h * scale) for _, (w, h, _) in _landmarks(sizes)],
        "dots": _corners(sizes, scale),
        "across": _ticks(widest, scale),
        "up": _ticks(highest, scale),
        "shapes": _shapes(sizes),
    }


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
