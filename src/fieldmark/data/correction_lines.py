"""The lines of a file of corrections: read, and held against the images that they are of.

The file is CSV with the columns path, row, action and label, a line a decision. Path and row say
which image, as samples.parquet does. The action is `label` (its one label is this), `add` or
`drop` (of several labels), `remove` (do not use the image) or `right` (it was looked at).
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from fieldmark.data.sources import place_name
from fieldmark.errors import DataError, counted, listed, nearest
from fieldmark.names import written
from fieldmark.records import Samples
from fieldmark.task import Task

KEY = "data.corrections"
COLUMNS = ("path", "row", "action", "label")
ONE, SEVERAL, BOTH = ("label",), ("add", "drop"), ("remove", "right")
Place = tuple[str, int | None]
Wrong = tuple[int, Callable[[], str]]  # a line, and what to say of it where it is told
MOST = 10  # wrong lines that are told


@dataclass(frozen=True)
class Correction:
    """A line of the file. label: "" where the action needs none."""

    line: int
    path: str
    row: int | None
    action: str
    label: str

    @property
    def place(self) -> Place:
        """Which image it is of."""
        return self.path, self.row


def lines_for(path: str, samples: Samples) -> list[Correction]:
    """The lines of a file for these images. Raises DataError with the lines that are wrong.

    That is for a file that is no such table, an image or a class that there is not, an action that
    these images do not take, and two lines that contradict each other.
    """
    places = set(samples.places())
    lines, wrong = _read(path)
    wrong += [(each.line, what) for each in lines if (what := _unknown(each, samples, places))]
    wrong += _conflicts(lines, several=samples.task.several)
    _refuse(path, wrong)
    return lines


def lines_of(path: str) -> list[Correction]:
    """The lines of the file as they stand. Raises DataError with all that are none."""
    lines, wrong = _read(path)
    _refuse(path, wrong)
    return lines


def _read(path: str) -> tuple[list[Correction], list[Wrong]]:
    """The lines of the file, and what is wrong with those that are none. Raises DataError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = "(it is not UTF-8); in a spreadsheet save it as 'CSV UTF-8'"
        if isinstance(error, OSError):
            what = f"({error.strerror}); name a file as the page of `fieldmark suspects` saves one"
        raise DataError(f"{KEY}={path}: cannot be read {what}") from error
    first = text.partition("\n")[0]
    mark = next((each for each in ";\t" if each in first), ",")
    reader = csv.reader(io.StringIO(text), delimiter=mark)
    head = [cell.strip().casefold() for cell in next(reader, [])]
    if lacking := [name for name in ("path", "action", "label") if name not in head]:
        raise DataError(
            f"{path}, line 1: there is no column {listed(lacking)}; the columns are "
            f"{', '.join(COLUMNS)}"
        )
    lines: list[Correction] = []
    wrong: list[Wrong] = []
    for cells in reader:
        if any(cell.strip() for cell in cells):
            its = dict(zip(head, [*cells, *[""] * len(head)], strict=False))
            found = _correction(reader.line_num, its)
            if isinstance(found, Correction):
                lines.append(found)
            else:
                wrong.append((reader.line_num, found))
    return lines, wrong


def _refuse(path: str, wrong: Sequence[Wrong]) -> None:
    """Raise DataError with the first wrong lines, and how many more there are."""
    if not wrong:
        return
    first = sorted(wrong, key=lambda each: each[0])[:MOST]
    told = [f"{path}, line {line}: {what()}" for line, what in first]
    if more := len(wrong) - len(first):
        told.append(f"{path}: and {counted(more, 'more mistake')} of its lines")
    raise DataError("\n".join(told))


def _correction(line: int, cells: dict[str, str]) -> Correction | Callable[[], str]:
    """A line as it stands, or what is wrong with it."""
    row, action = cells.get("row", "").strip(), cells["action"].strip().casefold()
    if row and not (row.isascii() and row.isdigit()):
        return lambda: f"the row '{row}' is no whole number; leave it empty"
    if action not in (*ONE, *SEVERAL, *BOTH):
        known = listed((*ONE, *SEVERAL, *BOTH))
        return lambda: f"the action '{action}' is none of {known}; take one"
    label = written(cells["label"])
    if action in (*ONE, *SEVERAL) and not label:
        return lambda: f"'{action}' needs a label; write it behind"
    return Correction(line, cells["path"].strip(), int(row) if row else None, action, label)


def _unknown(each: Correction, samples: Samples, places: set[Place]) -> Callable[[], str] | None:
    """What these images do not have, of what a line names; None where they have it all."""
    if each.place not in places:
        return partial(_no_image, each, samples, places)
    if each.action in (SEVERAL if not samples.task.several else ONE):
        return partial(_not_for, each.action, samples.task)
    if each.action in (*ONE, *SEVERAL) and each.label not in samples.classes:
        return partial(_no_class, each.label, samples.classes)
    return None


def _no_image(each: Correction, samples: Samples, places: set[Place]) -> str:
    hint = _near_image(each.path, {known for known, _ in places}) or (
        "; paths are those in samples.parquet of a run on these images"
    )
    return f"there is no image '{place_name(*each.place)}' in {samples.root}{hint}"


def _near_image(path: str, known: set[str]) -> str:
    """As `nearest`, of the files whose own name is near too and has the same numbers.

    Photos are numbered, and the one with the next number is another photo.
    """
    stem = PurePosixPath(path).stem
    named = {each: PurePosixPath(each).stem for each in known}
    numbers = re.findall(r"\d+", stem)
    alike = {its for its in named.values() if re.findall(r"\d+", its) == numbers}
    alike = {its for its in alike if its == stem or nearest(stem, [its])}
    return nearest(path, sorted(each for each, its in named.items() if its in alike))


def _no_class(label: str, classes: Sequence[str]) -> str:
    hint = nearest(label, classes)
    hint = hint or f"; there are {listed(classes, most=20)}, and a new class needs "
    hint += "" if hint.endswith("?") else "images in the source itself"
    return f"there is no class '{label}'{hint}"


def _not_for(action: str, task: Task) -> str:
    if task.several:
        return f"'{action}' is for one label an image, and these have several; take 'add' or 'drop'"
    return f"'{action}' is for several labels an image, and these have one; take 'label'"


def _conflicts(lines: Sequence[Correction], *, several: bool) -> list[Wrong]:
    """Lines that cannot be done together with one before, each once."""
    found: dict[int, Callable[[], str]] = {}
    met: dict[tuple[Place, str], Correction] = {}
    removed = {each.place: each for each in lines if each.action == "remove"}
    for each in lines:
        about = each.label if several else ""
        before = met.setdefault((each.place, about), each)
        if each.place in removed and each.action != "remove":
            before = removed[each.place]
        if (before.action, before.label) != (each.action, each.label):
            first, second = sorted((before, each), key=lambda one: one.line)
            found.setdefault(second.line, partial(_contradicted, first, second))
    return list(found.items())


def _contradicted(first: Correction, second: Correction) -> str:
    return (
        f"'{_said(second)}' for '{place_name(*second.place)}', and line {first.line} says "
        f"'{_said(first)}'; take one of the two out"
    )


def _said(each: Correction) -> str:
    return f"{each.action} {each.label}".strip()
