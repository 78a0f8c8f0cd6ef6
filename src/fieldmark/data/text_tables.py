"""Tables in text: comma, tab, semicolon; quoted or not; also those that strict readers refuse."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import polars as pl

from fieldmark.data.images import SUFFIXES
from fieldmark.data.inside import content_at
from fieldmark.errors import DataError, listed

MARKS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SHOWN = 25  # letters before and after a quotation mark, in a sentence
MOST_LINES = 1000  # of one quoted text; more than that is a quotation mark that was forgotten
CELL = '(?: *"(?:[^"]|"")*+" *|(?! *")[^{mark}]*)'  # as it should be written
STRICT = f"{CELL}(?:{{mark}}{CELL})*"
SEPARATED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
SPACES, TO_THE_END = re.compile(" *"), re.compile(r" *\Z")


@dataclass(frozen=True)
class Table:
    """A table as it stands. Where a row stands is told by its place: "labels.csv, line 41"."""

    frame: pl.DataFrame
    places: list[str]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    separator: str = "auto"  # of labels in a cell, once that is known
    unsaid: tuple[str, ...] = ()  # of labels that are known, those without a column of 0 and 1


def read_text_table(path: Path) -> Table:
    """A table of texts, the first line naming the columns. An empty cell is null.

    A quotation mark inside of a quoted text should be doubled; where it is not, it is kept as
    it stands. Every cell stays text: "0012" is not 12. Raises DataError.
    """
    text, notes = _decoded(path)
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if len(lines) == 1:
        lines = text.split("\r")  # as old spreadsheets end lines
    filled = list(islice((at for at, line in enumerate(lines) if line.strip()), 2))
    said = SEPARATED.fullmatch(lines[filled[0]].strip()) if filled else None
    if said:  # Excel's own line, which says what divides the columns
        lines[filled.pop(0)] = ""
    if not filled:
        raise DataError(f"{path}: is empty; the first line should name columns: image,label")
    mark = said[1] if said and said[1] in MARKS else _mark(lines[filled[0]], path)
    if mark != ("\t" if path.suffix.lower() == ".tsv" else ","):
        notes.append(f"{path}: the columns are divided by {MARKS[mark]}")
    records = _records(lines, mark, path)
    _, first, _ = next(records)
    header = _header(first, path)
    rows, places, left_out, mended = [], [], {}, list[tuple[int, str]]()
    for line, cells, strict in records:
        place = f"{path}, line {line}"
        while len(cells) > len(header) and not cells[-1].strip():
            cells.pop()
        if len(cells) == len(header):
            rows.append(cells)
            places.append(place)
            if not strict:
                mended.append((line, next(cell for cell in cells if '"' in cell).strip()))
        else:
            left_out[place] = (
                f"{place}: has {len(cells)} cells and the first line has {len(header)}; put texts "
                f"that hold {MARKS[mark]} between quotation marks"
            )
    columns = [_without_margin([row[k] for row in rows]) for k in range(len(header))]
    frame = pl.DataFrame(dict(zip(header, columns, strict=True)), dict.fromkeys(header, pl.String))
    notes += _mended_note(mended, path)
    return Table(frame, places, left_out, tuple(notes))


def _decoded(path: Path) -> tuple[str, list[str]]:
    content, notes = content_at(path), []
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        if encoding in ("cp1252", "latin-1"):
            notes.append(f"{path}: is not UTF-8 and is read as Latin-1; look at its accents")
        return text, notes
    raise DataError(f"{path}: is not a table of text; save it as CSV in UTF-8")


def _mark(header: str, path: Path) -> str:
    """What divides the columns: what the first line has most of, outside of quotation marks."""
    bare = re.sub(r'"[^"]*"', "", header)
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    return max([usual, *MARKS], key=bare.count)


def _header(cells: list[str], path: Path) -> list[str]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    image = next((name for name in names if name.lower().endswith(SUFFIXES)), None)
    if image:
        raise DataError(
            f"{path}, line 1: names no columns but the image '{image}'; put a line above it that "
            "names them, such as image,label"
        )
    refuse_twice(names, f"{path}, line 1")
    return names


def refuse_twice(names: list[str], where: str) -> None:
    """Raise DataError where two columns have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{where}: {listed(twice)} is named twice; rename one of the two")


def _without_margin(cells: list[str]) -> list[str | None]:
    """A column's cells; the space after each comma is no part of them. Empty ones are None."""
    filled = [cell for cell in cells if cell.strip()]
    if filled and all(cell.startswith(" ") for cell in filled):
        cells = [cell.removeprefix(" ") for cell in cells]
    return [cell if cell.strip() else None for cell in cells]


def _mended_note(mended: list[tuple[int, str]], path: Path) -> list[str]:
    """What to say of rows, (line, cell), whose quotation marks are not as they should be."""
    if not mended:
        return []
    line, cell = mended[0]
    at = cell.index('"')
    start, end = max(0, at - SHOWN), at + SHOWN
    shown = f"{'...' * (start > 0)}{cell[start:end]}{'...' * (end < len(cell))}"
    rows = "1 row has" if len(mended) == 1 else f"{len(mended):,} rows have"
    return [
        f"{path}: {rows} quotation marks inside of a quoted text that are not doubled; they are "
        f"kept as they stand, in line {line} for one: {' '.join(shown.split())}"
    ]


def _records(lines: list[str], mark: str, path: Path) -> Iterator[tuple[int, list[str], bool]]:
    """Each record's first line, counted from 1, its cells, and whether it is written strictly.

    Empty lines are none.
    """
    width, at = None, 0
    strict = re.compile(STRICT.format(mark=re.escape(mark)))
    while at < len(lines):
        first, text = at, lines[at]
        at += 1
        if not text.strip():
            continue
        cells = _cells(text, mark, width)
        while cells is None and at < min(len(lines), first + MOST_LINES):
            text, at = f"{text}\n{lines[at]}", at + 1
            cells = _cells(text, mark, width)
        if cells is None:
            raise DataError(
                f"{path}, line {first + 1}: a quotation mark is opened and never closed; close it"
            )
        width = width or len(cells)
        yield first + 1, cells, '"' not in text or bool(strict.fullmatch(text))


def _cells(text: str, mark: str, width: int | None) -> list[str] | None:
    """A record's cells; None where a quoted text goes on in the next line.

    Where that gives too many or no end, a quoted text may hold `",` itself: then the last one is
    taken to end where the record does.
    """
    if '"' not in text:
        return text.split(mark)
    cells = _divided(text, mark, None)
    if width is not None and (cells is None or len(cells) > width):
        other = _divided(text, mark, width)
        return other if other is not None and len(other) == width else cells
    return cells


def _divided(text: str, mark: str, width: int | None) -> list[str] | None:
    cells: list[str] = []
    at = 0
    while True:
        margin = SPACES.match(text, at)[0]  # type: ignore[index]  # it always matches
        if text.startswith('"', at + len(margin)):
            last = len(cells) + 1 == width
            found = _quoted(text, at + len(margin) + 1, "" if last else mark)
            if found is None:
                return None
            cell, at = margin + found[0], found[1]
        else:
            end = text.find(mark, at)
            end = len(text) if end < 0 else end
            cell, at = text[at:end], end
        cells.append(cell)
        if at >= len(text):
            return cells
        at += 1


def _quoted(text: str, start: int, mark: str) -> tuple[str, int] | None:
    """The text behind an opening quotation mark, and where the next mark is; None: it goes on.

    Marks come in runs: two stand for one, and an odd one before a comma or the end closes. An
    odd one elsewhere shows that in this text they are not doubled: then every one counts as
    itself, and any run before a comma or the end closes.
    """
    parts, at, doubled = [], start, True
    while (found := text.find('"', at)) >= 0:
        end = found
        while text.startswith('"', end):
            end += 1
        run = end - found
        parts.append(text[at:found])
        at_end = TO_THE_END.match(text, end)
        if (at_end or (mark and text.startswith(mark, end))) and (run % 2 or not doubled):
            parts.append('"' * (run // 2 if doubled else run - 1))
            return "".join(parts), len(text) if at_end else end
        doubled = doubled and run % 2 == 0
        parts.append('"' * (run // 2 if doubled else run))
        at = end
    return None
