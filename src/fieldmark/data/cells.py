"""Which column of a table holds what, and what its cells mean: splits, groups, captions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from fieldmark.data.label_cells import (
    LABELS,
    LabelCells,
    labels_in,
    plain,
    texts_in,
    zero_one_columns,
)
from fieldmark.data.listing import split_of
from fieldmark.errors import DataError, listed, nearest
from fieldmark.records import SAMPLE_COLUMNS

# columns that say of one split whether an image is in it
YES_OR_NO = {"is_valid": "val", "is_val": "val", "is_validation": "val", "is_test": "test"}
IMAGES = ["image", "path", "filename", "file_name", "file", "image_path", "file_path", "filepath"]
IMAGES += ["image_name", "imageid", "image_id", "img"]
CLASSES = ["label", "labels", "class", "classes", "class_name", "category", "categories", "tags"]
USUAL = {
    "image": IMAGES,
    "label": CLASSES,
    "split": ["split", "subset", "partition", "set", "fold", *YES_OR_NO],
    "caption": ["caption", "captions", "text", "description", "descriptions"],
}


@dataclass(frozen=True)
class Columns:
    """The names of columns; None for what is found by its usual name, or is not there."""

    image: str | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None
    caption: str | None = None

    def given(self) -> dict[str, str]:
        """Those that are named, by the settings they are named with."""
        named = {f"data.{role}_column": name for role, name in vars(self).items() if name}
        return {key: name for key, name in named.items() if name is not None}


def find_columns(
    where: str,
    names: Sequence[str],
    given: Columns,
    *,
    needed: Sequence[str] = ("image", "label"),
    without: str = "",
) -> tuple[Columns, list[str]]:
    """The columns that a table has for each role, and what is to be said of the choice.

    A group is only what the settings name; the role `without` has none. Raises DataError for a
    needed one that is not there.
    """
    found: dict[str, str | None] = {}
    notes = []
    for role, name in vars(given).items():
        if name is not None:
            found[role] = _named(where, names, role, name)
            continue
        usual = USUAL.get(role, ()) if role != without else ()  # the most usual first
        matches = [name for wanted in usual for name in names if plain(name) == wanted]
        if not matches and role in needed:
            raise DataError(_nothing_for(where, names, role))
        found[role] = matches[0] if matches else None
        if len(matches) > 1 and role in ("image", "label"):
            notes.append(
                f"{where}: the {role}s are read from '{matches[0]}', not from "
                f"{listed(matches[1:])}; data.{role}_column=NAME says otherwise"
            )
    return Columns(**found), notes


def split_asked(name: str) -> str | None:
    """The split that a column of yes and no, such as `is_valid`, is about; None for others."""
    return YES_OR_NO.get(plain(name))


def own_columns(frame: pl.DataFrame, used: Sequence[str | None]) -> tuple[pl.DataFrame, list[str]]:
    """The user's other columns, under names that the Samples table leaves free; and what to say."""
    rest = frame.select(name for name in frame.columns if name not in used)
    new: dict[str, str] = {}
    for name in rest.columns:
        if name in SAMPLE_COLUMNS:
            new[name] = f"own_{name}"
            while new[name] in rest.columns:
                new[name] = f"own_{new[name]}"
    notes = [f"the column '{old}' is kept as '{name}'" for old, name in new.items()]
    return rest.rename(new), notes


def _named(where: str, names: Sequence[str], role: str, name: str) -> str:
    for same in (name, *(each for each in names if each.casefold() == name.casefold())):
        if same in names:
            return same
    hint = nearest(name, names) or f"; there are {listed(names, most=12)}"
    raise DataError(f"{where}: there is no column '{name}' (data.{role}_column){hint}")


def _nothing_for(where: str, names: Sequence[str], role: str) -> str:
    near = [name for name in names if nearest(plain(name), USUAL[role])]
    usual, guess = ", ".join(USUAL[role][:5]), near[0] if near else "NAME"
    return (
        f"{where}: no column is of {role}s by its name ({usual}, ...) among "
        f"{listed(names, most=12)}; say which it is: data.{role}_column={guess}"
    )


PLAIN = ("split", "partition")  # names of columns that can mean nothing else
YES, NO = ("true", "yes", "1", "t", "y"), ("false", "no", "0", "f", "n")


def sample_columns(
    frame: pl.DataFrame,
    found: Columns,
    where: str,
    place: Callable[[int], str],
    *,
    labels: LabelCells,
    named_split: bool,
) -> tuple[dict[str, Any], list[str]]:
    """labels, group, caption and split of a Samples table, from the columns that were found.

    And what is to be said of how they were read. place: from a row to how it is called.
    named_split: whether the settings name the column of splits. Raises DataError.
    """
    columns: dict[str, Any] = {"labels": labels.labels}
    notes = list(labels.notes)
    if found.group is not None:
        columns["group"] = texts_in(frame[found.group], where)
    if found.caption is not None:
        columns["caption"] = _captions_in(frame[found.caption], where)
    if found.split is not None:
        column = frame[found.split]
        others = [name for name in frame.columns if split_asked(name) and name != found.split]
        if others and split_asked(found.split):
            raise DataError(
                f"{where}: '{found.split}' and '{others[0]}' both give splits; make one column "
                "'split' of them, of train, val and test"
            )
        splits, said = splits_in(column, where, place, is_named=named_split)
        columns |= {} if splits is None else {"split": splits}
        notes += said
    return columns, notes


def find_labels(
    frame: pl.DataFrame, found: Columns, where: str, separator: str, *, count: int
) -> LabelCells:
    """Each row's labels, from the column that holds them; without one there are none."""
    if found.label is None:
        return LabelCells(pl.Series([[]] * count, dtype=LABELS), [])
    return labels_in(frame[found.label], where, separator)


def label_columns(
    frame: pl.DataFrame, given: Columns, where: str, known: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """The columns of 0 and 1 that are a label each, and what is to be said of the choice.

    They are those that data.label_column names, where it names several; else, where no column is
    of labels by its name, all of 0 and 1, but a single one only where it is `known`: of labels
    that are known, those alone. Raises DataError for a named one that is none.
    """
    if given.label is not None:
        return _named_zero_one(frame, given.label, where), []
    if any(plain(name) in CLASSES for name in frame.columns):
        return [], []
    others = {plain(name) for name in vars(given).values() if name is not None}
    others |= {name for names in USUAL.values() for name in names}
    found = zero_one_columns(frame, [name for name in frame.columns if plain(name) not in others])
    wanted = [name for name in found if name in known]
    if not wanted:
        return (found if len(found) > 1 else []), []
    notes = []
    if rest := [name for name in found if name not in known]:
        notes.append(f"{where}: {listed(rest)} of 0 and 1 is no label that is known; kept as yours")
    return wanted, notes


def _named_zero_one(frame: pl.DataFrame, given: str, where: str) -> list[str]:
    """The columns that a text with commas names; [] where it is the name of one column."""
    if "," not in given or given in frame.columns:
        return []
    parts = [part.strip() for part in given.split(",")]
    found = list(dict.fromkeys(_named(where, frame.columns, "label", part) for part in parts))
    for name in found:
        if name not in zero_one_columns(frame, found):
            raise DataError(
                f"{where}: the column '{name}' (data.label_column) holds more than 0 and 1, which "
                "each of several columns of labels must; name such columns, or one of labels"
            )
    return found


def splits_in(
    column: pl.Series, where: str, place: Callable[[int], str], *, is_named: bool
) -> tuple[list[str | None] | None, list[str]]:
    """Each cell's split, and what is to be said. Raises DataError for a word that is none.

    A column that was taken for the splits by a name such as `fold`, and has no split in any cell,
    means another thing: then there are no splits, and it is said why. place: from a row to how it
    is called. is_named: whether the settings name the column.
    """
    asked = split_asked(column.name)
    cells = texts_in(column, where)
    if asked:
        words = {**dict.fromkeys(YES, asked), **dict.fromkeys(NO, "train")}
        splits = [words.get(cell.strip().casefold(), "") if cell else None for cell in cells]
    else:
        splits = [(split_of(cell) or "") if cell else None for cell in cells]
    wrong = next((row for row, split in enumerate(splits) if split == ""), None)
    if not is_named and not any(splits) and not asked and column.name.casefold() not in PLAIN:
        if wrong is None:
            return None, []
        said = f"is not used as a split, because of '{cells[wrong]}' in {place(wrong)}"
        return None, [f"{where}: the column '{column.name}' {said}"]
    if wrong is not None:
        write = "true or false" if asked else "train, val or test"
        other = "" if is_named else ", or rename the column where it means another thing"
        raise DataError(
            f"{place(wrong)}: '{cells[wrong]}' in '{column.name}' is no split; write {write}{other}"
        )
    if is_named and not any(splits):
        raise DataError(f"{where}: the column '{column.name}' is empty; fill in train, val or test")
    return splits if any(splits) else None, []


def _captions_in(column: pl.Series, where: str) -> list[str | None]:
    """Each cell's text; of several the one line that they make."""
    if column.dtype == pl.List(pl.String):
        column = column.list.drop_nulls().list.join(" ")
    return texts_in(column, where)
