"""Which column of a table holds what: by its usual name, or as the settings say."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from fieldmark.errors import DataError, listed, nearest
from fieldmark.records import SAMPLE_COLUMNS

YES_OR_NO = {  # columns that say of one split whether an image is in it
    "is_valid": "val",
    "is_val": "val",
    "is_validation": "val",
    "is_test": "test",
}
USUAL = {
    "image": (
        "image",
        "path",
        "filename",
        "file_name",
        "file",
        "image_path",
        "file_path",
        "filepath",
        "image_name",
        "imageid",
        "image_id",
        "img",
    ),
    "label": (
        "label",
        "labels",
        "class",
        "classes",
        "class_name",
        "category",
        "categories",
        "tags",
    ),
    "split": ("split", "subset", "partition", "set", "fold", *YES_OR_NO),
    "caption": ("caption", "captions"),
}
PLURAL = ("labels", "classes", "categories", "tags")


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
        matches = _usual(names, role) if role != without else []
        if not matches and role in needed:
            raise DataError(_nothing_for(where, names, role))
        found[role] = matches[0] if matches else None
        if len(matches) > 1 and role in ("image", "label"):
            notes.append(
                f"{where}: the {role}s are read from '{matches[0]}', not from "
                f"{listed(matches[1:])}; data.{role}_column=NAME says otherwise"
            )
    return Columns(**found), notes


def is_plural(name: str) -> bool:
    """Whether a column's name promises several labels in one cell."""
    return _plain(name) in PLURAL


def split_asked(name: str) -> str | None:
    """The split that a column of yes and no, such as `is_valid`, is about; None for others."""
    return YES_OR_NO.get(_plain(name))


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


def _usual(names: Sequence[str], role: str) -> list[str]:
    """The columns of usual names for a role, the most usual first."""
    wanted = USUAL.get(role, ())
    return [name for usual in wanted for name in names if _plain(name) == usual]


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _nothing_for(where: str, names: Sequence[str], role: str) -> str:
    near = [name for name in names if nearest(_plain(name), USUAL[role])]
    usual, guess = ", ".join(USUAL[role][:5]), near[0] if near else "NAME"
    return (
        f"{where}: no column is of {role}s by its name ({usual}, ...) among "
        f"{listed(names, most=12)}; say which it is: data.{role}_column={guess}"
    )
