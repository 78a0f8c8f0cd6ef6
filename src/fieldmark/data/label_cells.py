"""What the cells of a table say of labels: one, several with a mark between, a list, or 0 and 1."""

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl

from fieldmark.errors import DataError
from fieldmark.names import FLOAT, NUMBER, TRUTH, one_text, visible, written
from fieldmark.task import ONE_LABEL, SEVERAL_LABELS, TASKS, Task

LABELS = pl.List(pl.String)
PLURAL = ("labels", "classes", "categories", "tags")
MARKS = {"bar": "|", "semicolon": ";", "comma": ",", "space": " "}
JOINED_BY = {"|": "vertical bars", ";": "semicolons", ",": "commas", " ": "spaces"}
EMPTY = ("nan", "none", "null", "na", "n/a", "<na>")  # as programs write a missing number
QUOTED = re.compile(r"""'[^']*'|"[^"]*"|[^,'"]+""")
SIDE_BY_SIDE = re.compile(r"""['"]\s+['"]""")  # NumPy's lists have no commas


class LabelCells(NamedTuple):
    """Each row's labels, a list of texts, what is to be said of how they were read, whether the
    table is made for several labels an image, though each may have one, and what divides a cell."""

    labels: pl.Series
    notes: list[str]
    several: bool = False
    separator: str = "auto"  # as data.label_separator has it, where cells were divided


def task_of(asked: str, labels: pl.Series, *, several: bool = False) -> Task:
    """The task that data.task asks for; auto: what the labels are. several: of LabelCells."""
    if asked != "auto":
        return TASKS[asked]
    found = several or bool((labels.list.n_unique() > 1).any())
    return SEVERAL_LABELS if found else ONE_LABEL


def labels_in(
    column: pl.Series, where: str, separator: str = "auto", *, whole: bool | None = None
) -> LabelCells:
    """Each cell's labels, each the one text that it is kept as. Raises DataError.

    A cell of a list column is several labels, and so is a list that a program wrote as text,
    where all cells are such. separator: of the settings. With auto, cells are divided where the
    column's name is a plural ("labels"), by |, ; or commas, whichever is there, else by spaces;
    and in any column where that gives nothing but numbers. By spaces only where it is plain that
    they divide: "bald uakari" and "traffic light" are one label each. No cell is divided whose
    whole text is plainly a label (`_are_wholes`). whole: whether it is said that a cell is one
    label, unless it is a list, or that it may be several.
    """
    name = column.name
    if isinstance(column.dtype, pl.List | pl.Array):
        refuse_nested(name, column.dtype.inner, where)
        found = _lists(_unique(each or ()) for each in column.cast(LABELS).to_list())
        return _tidy(found, [], name, where, several=True)
    cells, notes = _tidied(texts_in(column, where), name, where)
    filled = {cell for cell in cells if cell}
    if column.dtype not in (pl.String, pl.Categorical) or separator == "none" or not filled:
        return LabelCells(_one_each(cells), notes)
    its = _in_cells(cells, filled, name, where, separator, whole=whole)
    return its._replace(notes=[*notes, *its.notes])


def _in_cells(
    cells: Sequence[str | None],
    filled: set[str],
    name: str,
    where: str,
    separator: str,
    *,
    whole: bool | None,
) -> LabelCells:
    """The labels of cells of text; filled: the different ones."""
    if separator == "auto" and all(map(_is_list, filled)):
        note = f"{where}: each cell of '{name}' is a list of labels"
        lists = _lists(_literal(cell) if cell else [] for cell in cells)
        return _tidy(lists, [note], name, where, several=True)
    mark = MARKS.get(separator) if separator != "auto" else _mark(filled, name)
    if separator == "auto" and mark:
        one = _are_wholes(cells, filled, mark) if whole is None else whole
        mark = None if one else mark
    if mark is None or not any(mark in cell.strip() for cell in filled):
        notes = _hints(filled, name, where) if separator == "auto" else []
        return _tidy(_one_each(cells), notes, name, where, one_each=True)
    note = f"{where}: the labels in a cell of '{name}' are divided by {JOINED_BY[mark]}"
    divided = _lists(_divided(cell or "", mark) for cell in cells)
    word = next(each for each in MARKS if MARKS[each] == mark)
    return _tidy(divided, [note], name, where)._replace(separator=word)


def plain(name: str) -> str:
    """A column's name as it is compared."""
    return re.sub(r"[\s.-]+", "_", written(name).casefold())


def texts_in(column: pl.Series, where: str) -> list[str | None]:
    """Each cell as text; whole numbers without a point. Empty ones are None. Raises DataError."""
    refuse_nested(column.name, column.dtype, where)
    if column.dtype.is_decimal():
        column = column.cast(pl.Float64)
    if column.dtype.is_float() and (column.drop_nulls().drop_nans() % 1 == 0).all():
        column = column.fill_nan(None).cast(pl.Int64)
    return [cell if cell and cell.strip() else None for cell in column.cast(pl.String).to_list()]


def refuse_nested(name: str, kind: object, where: str) -> None:
    """Raise DataError for a column whose cells are no texts and no numbers."""
    if isinstance(kind, pl.Struct | pl.List | pl.Array | pl.Binary | pl.Object):
        raise DataError(
            f"{where}: the column '{name}' holds {kind}; it should hold texts or numbers"
        )


def _one_each(cells: Sequence[str | None]) -> pl.Series:
    """A list of one label for each cell, empty where there is none. Not from Python's lists:
    polars takes 50 times as long to read a million of them."""
    one = pl.col("cell")
    none = pl.lit([], dtype=LABELS)
    frame = pl.DataFrame({"cell": cells}, {"cell": pl.String})
    return frame.select(pl.when(one.is_null()).then(none).otherwise(pl.concat_list(one)))["literal"]


def _lists(labels: Iterable[list[str]]) -> pl.Series:
    return pl.Series(list(labels), dtype=LABELS)


def _mark(filled: set[str], name: str) -> str | None:
    """What divides the labels in a cell; None where each cell is one label."""
    several = _is_plural(name)
    if several:
        mark = next((each for each in "|;," if any(each in cell for cell in filled)), None)
        if mark:
            return mark
    for mark in "|; ":
        parts = _parts(filled, mark) - {""}
        if any(mark in cell.strip() for cell in filled) and all(map(_is_number, parts)):
            return mark
    return " " if several and _spaces_divide(filled) else None


def _are_wholes(cells: Sequence[str | None], filled: set[str], mark: str) -> bool:
    """Whether cells are one label each though they hold a mark: few whole texts that come again and
    again ("Fox, red"), whose parts are more, and none of which stands alone."""
    if mark == "|":  # nobody writes it into a name
        return False
    parts = _parts(filled, mark) - {""}
    joined = _parts((cell for cell in filled if mark in cell), mark)
    again = 2 * len(filled) <= sum(cell is not None for cell in cells)
    return again and len(parts) > len(filled) and not joined & filled


def _parts(cells: Iterable[str], mark: str) -> set[str]:
    """All that a mark divides cells into."""
    return {part.strip() for cell in cells for part in cell.split(mark)}


def _is_plural(name: str) -> bool:
    return plain(name).split("_")[-1] in PLURAL


def _spaces_divide(filled: set[str]) -> bool:
    """Whether words are labels: each stands alone somewhere; or few words make many cells, of
    which some have at least two words more than others."""
    cells = [cell.split() for cell in filled]
    words, sizes = {word for cell in cells for word in cell}, list(map(len, cells))
    if max(sizes) == 1:
        return False
    alone = words <= filled and len(words) < len(filled)
    return alone or (2 * len(words) < len(filled) and max(sizes) - min(sizes) >= 2)


def _hints(filled: set[str], name: str, where: str) -> list[str]:
    """What to say of cells that look like several labels and are taken for one: with a bar or a
    semicolon in them, or a comma or a space where a part of them stands alone, too."""
    few = _is_plural(name) and len({word for cell in filled for word in cell.split()}) < len(filled)
    parts = _parts((cell for cell in filled if "," in cell), ",")
    comma = _is_plural(name) or (bool(parts) and parts <= filled)
    numbers = all(map(_is_number, {part for cell in filled for part in cell.split()}))
    looked = {"bar": True, "semicolon": True, "comma": comma, "space": few or numbers}
    for word in (word for word, looks in looked.items() if looks):
        joined = min((cell for cell in filled if MARKS[word] in cell.strip()), default=None)
        if joined is not None:
            return [
                f"{where}: '{joined}' in '{name}' is one label; where it is several, say so: "
                f"data.label_separator={word}"
            ]
    return []


def _tidied(
    cells: Sequence[str | None], name: str, where: str
) -> tuple[list[str | None], list[str]]:
    """Cells without blanks at their ends and with composed accents, and true and false in small
    letters; what to say where labels that were two are one by that."""
    new = {cell: written(cell) for cell in dict.fromkeys(cells) if cell}
    if {text.casefold() for text in new.values()} <= set(TRUTH):
        new |= one_text(new)
    if all(cell == text for cell, text in new.items()):
        return list(cells), []
    texts = [new[cell] or None if cell else None for cell in cells]
    if len(set(new.values())) == len(new):
        return texts, []
    firsts: dict[str, str] = {}
    for cell, text in new.items():
        if firsts.setdefault(text, cell) != cell:
            two = sorted((firsts[text], cell))
            said = " and ".join(f"'{visible(each)}'" for each in two)
            return texts, [f"{where}: {said} in '{name}' are one label, '{text}'"]
    return texts, []


def _tidy(
    labels: pl.Series,
    notes: list[str],
    name: str,
    where: str,
    *,
    several: bool = False,
    one_each: bool = False,
) -> LabelCells:
    """Numbers that a program wrote with a point, or as nan where there was none, are none such.

    Only where there is nothing else: "1.0" beside "x" is a name. one_each: a cell is one label,
    and "none" beside whole numbers may be its name.
    """
    known = labels.explode().drop_nulls().unique().to_list()
    floats = [each for each in known if FLOAT.fullmatch(each)]
    missing = [each for each in known if each.casefold() in EMPTY]
    missing = [] if one_each and not floats else missing
    if not (missing or floats) or len(missing) == len(known):
        return LabelCells(labels, notes, several)
    if not all(_is_number(each) for each in known if each not in missing):
        return LabelCells(labels, notes, several)
    new = {each: each.partition(".")[0] for each in floats} | dict.fromkeys(missing)
    element = pl.element()
    labels = labels.list.eval(element.replace(new).drop_nulls().unique(maintain_order=True))
    if floats:
        first = min(floats)
        said = f"the labels of '{name}' are whole numbers: '{first}' is '{new[first]}'"
        notes = [*notes, f"{where}: {said}"]
    return LabelCells(labels, notes, several)


def _is_number(text: str) -> bool:
    return bool(NUMBER.fullmatch(text) or FLOAT.fullmatch(text) or text.casefold() in EMPTY)


def _is_list(cell: str) -> bool:
    cell = cell.strip()
    return cell.startswith("[") and cell.endswith("]")


def _literal(cell: str) -> list[str]:
    """The labels of a list that a program wrote: JSON, Python's or NumPy's, or plainly words."""
    cell = cell.strip()
    if not SIDE_BY_SIDE.search(cell):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(cell)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if all(isinstance(each, str | int | float | None) for each in found):
                return _unique(None if each is None else str(each).strip() for each in found)
    inside = cell[1:-1]
    words = inside.split()
    if "," not in inside and all(map(_is_number, words)):
        return _unique(words)
    return _unique(part.strip().strip("'\"").strip() for part in QUOTED.findall(inside))


def _divided(cell: str, mark: str) -> list[str]:
    if _is_list(cell):
        return _literal(cell)
    return _unique(part.strip() for part in cell.split(mark))


def _unique(labels: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(text for label in labels if label and (text := written(label))))
