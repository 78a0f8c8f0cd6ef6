"""Which column of a table holds what, by its name or by what is in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from fieldmark.data.label_cells import plain, texts_in
from fieldmark.data.likely_columns import (
    TEXT,
    kind_of,
    likely_images,
    likely_labels,
    words_of,
    zero_one_columns,
)
from fieldmark.data.split_columns import SPLIT_NAMES, YES_OR_NO, speaks_of_sides
from fieldmark.errors import DataError, listed, nearest

Share = Callable[[Sequence[str | None]], float]

# the usual names of columns; what stands between words does not count: see `bare`
IMAGES = (
    *("image", "path", "filename", "file", "image_path", "file_path", "image_name"),
    *("image_id", "img", "image_file", "image_filename", "img_path", "img_name", "img_file"),
    *("img_id", "id_code", "fname", "picture", "photo", "relative_path", "media_path"),
    *("photo_path", "photo_name"),
)
CLASSES = ("label", "labels", "class", "classes", "class_name", "category", "categories", "tags")
# what else people call the column of labels; a column of 0 and 1 so called may be one of several
ALSO = (
    *("label_name", "label_text", "class_label", "category_name", "species", "species_name"),
    *("scientific_name", "taxon", "taxon_name", "common_name", "vernacular_name", "breed"),
    *("target", "targets", "target_label", "dx", "diagnosis", "ground_truth", "truth"),
    *("true_label", "gt", "cls", "y", "tag", "genus", "label_id", "class_id", "category_id"),
    *("species_id", "target_id", "klasse", "kategorie", "classe", "clase", "especie", "espèce"),
    *("etikett", "étiquette", "etiqueta", "etichetta"),
)
LABEL_WORDS = {"label", "labels", "class", "classes", "category", "categories", "species", "taxon"}
LABEL_WORDS |= {"breed", "tags", "diagnosis", "target"}
BY_CONTENT = ", by what is in it"  # how a column was found
RANKS = ("kingdom", "phylum", "order", "family", "genus", "species")
USUAL = {
    "image": IMAGES,
    "label": (*CLASSES, *ALSO),
    "caption": ("caption", "captions", "text", "description", "descriptions"),
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


@dataclass(frozen=True)
class Reading:
    """How a source is read, where it does not say so itself.

    columns:   names of a table's columns, where they are not the usual ones.
    images:    the folder that a table's images lie in.
    data_dir:  where a built-in data set lies.
    levels, separator, task, pattern: as data.levels, label_separator, task and pattern have it.
    known:     the labels that there are, of images that are judged by a model or by other images.
    """

    columns: Columns = Columns()
    images: str | None = None
    data_dir: str | None = None
    levels: str | None = None
    separator: str = "auto"
    task: str = "auto"
    pattern: str | None = None
    known: tuple[str, ...] = ()


AS_USUAL = Reading()


def find_columns(
    where: str,
    frame: pl.DataFrame,
    given: Columns,
    *,
    needed: Sequence[str] = ("image", "label"),
    without: Sequence[str] = (),
    share: Share | None = None,
    guess: bool = True,
) -> tuple[Columns, list[str]]:
    """The columns that a table has for each role, and what is to be said of the choice.

    By their usual names, else by what is in them: the images by whether the files are there
    (share: the part of some cells that have one), the labels, with `guess`, where one column alone
    may hold them.
    A group or a split is only what the settings name; the roles `without` have none. Raises
    DataError for a needed one that is not there, and for labels that one of several columns holds.
    """
    names, found = frame.columns, dict[str, str | None]()
    for role, name in vars(given).items():
        found[role] = None if name is None else named(where, names, role, name)
    notes = []
    for role, usual in USUAL.items():
        if found[role] is not None or role in without:
            continue
        wanted = _with_ranks(usual, names) if role == "label" else usual
        matches = [name for name in called(names, wanted) if name not in found.values()]
        if role == "image":
            notes += _take_images(where, frame, found, matches, share)
            if found[role] is None and role in needed:
                raise DataError(_nothing_for(where, frame, role, _free(names, found)))
        elif matches or (
            guess and role == "label" and (matches := _named_like_labels(frame, found))
        ):
            found[role] = matches[0]
            notes += _chosen(where, role, matches, says=not called(matches[:1], CLASSES))
    if guess and found["label"] is None and "label" not in without:
        notes += _take_labels(where, frame, found, needed="label" in needed)
    return Columns(**found), notes


def _named_like_labels(frame: pl.DataFrame, found: dict[str, str | None]) -> list[str]:
    """The one column with a word such as "label" in its name that may hold labels, or none."""
    names = [name for name in _free(frame.columns, found) if set(words_of(name)) & LABEL_WORDS]
    likely = likely_labels(frame, names)
    return likely if len(likely) == 1 and not zero_one_columns(frame, likely) else []


def _take_images(
    where: str,
    frame: pl.DataFrame,
    found: dict[str, str | None],
    matches: Sequence[str],
    share: Share | None,
) -> list[str]:
    """Fill in the column of images, and what is to be said: of several with a usual name the first
    that names files; without one, or where it names none, any column that does."""
    there = [name for name in matches if share is None or share(cells_of(frame[name])) > 0]
    free = [name for name in _free(frame.columns, found) if name not in matches[:1]]
    other = None if there else likely_images(frame, free, share)
    if there or (matches and not (other and share and share(cells_of(frame[other])))):
        first = (there or matches)[0]
        found["image"] = first
        others = [name for name in matches if name != first]
        return _chosen(where, "image", [first, *others], says=False)
    found["image"] = other
    return [] if other is None else [_read_from(where, "image", other, BY_CONTENT)]


def _take_labels(
    where: str, frame: pl.DataFrame, found: dict[str, str | None], *, needed: bool
) -> list[str]:
    """Fill in the column of labels where one alone may hold them. -> what is to be said

    Raises DataError where several may, and where none may and labels are needed.
    """
    free = [
        name
        for name in _free(frame.columns, found)
        if plain(name) not in (*SPLIT_NAMES, *YES_OR_NO) and not speaks_of_sides(frame[name])
    ]
    likely = likely_labels(frame, free)
    alone = len(likely) == 1 and not zero_one_columns(frame, likely)
    alone = alone and (kind_of(frame[likely[0]]) == TEXT or len(free) == 1)
    if alone:
        found["label"] = likely[0]
        return [_read_from(where, "label", likely[0], BY_CONTENT)]
    if needed or likely:
        raise DataError(_nothing_for(where, frame, "label", likely or free))
    return [f"{where}: no column may hold labels, so the images have none"]


def bare(name: str) -> str:
    """A name as it is held against the usual ones: "Scientific_Name" -> "scientificname"."""
    return plain(name).replace("_", "")


def called(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """The columns that are called as one of the usual names, in the order of these."""
    return [name for word in usual for name in names if bare(name) == bare(word)]


def _read_from(where: str, role: str, name: str, how: str) -> str:
    told = f"the {role}s are read from '{name}'{how}; data.{role}_column=NAME says otherwise"
    return f"{where}: {told}"


def _free(names: Sequence[str], found: dict[str, str | None]) -> list[str]:
    return [name for name in names if name not in found.values()]


def cells_of(column: pl.Series) -> list[str | None]:
    """The cells of a column as texts; none of a column of lists."""
    return texts_in(column, column.name) if not column.dtype.is_nested() else []


def _with_ranks(usual: Sequence[str], names: Sequence[str]) -> list[str]:
    """The usual names of labels; `class` behind them where it is a rank beside others."""
    there = {plain(name) for name in names}
    usual = [each for each in usual if each != "y" or "x" not in there]  # a place in the picture
    if len(there & set(RANKS)) < 2:
        return usual
    return [*(each for each in usual if each != "class"), "class"]


def _chosen(where: str, role: str, matches: Sequence[str], *, says: bool) -> list[str]:
    """What to say of a column that was taken by its name: of others that might be meant, or, with
    `says`, that it was taken at all."""
    if (len(matches) < 2 and not says) or role == "caption":
        return []
    others = f", not from {listed(matches[1:])}" if matches[1:] else ""
    return [_read_from(where, role, matches[0], others)]


def named(where: str, names: Sequence[str], role: str, name: str) -> str:
    """The column that the settings name, maybe in other letters. Raises DataError."""
    for same in (name, *(each for each in names if plain(each) == plain(name))):
        if same in names:
            return same
    hint = nearest(name, names) or f"; there are {listed(names, most=12)}"
    raise DataError(f"{where}: there is no column '{name}' (data.{role}_column){hint}")


def _nothing_for(where: str, frame: pl.DataFrame, role: str, likely: Sequence[str]) -> str:
    names = frame.columns
    near = [name for name in likely if role == "label" and set(words_of(name)) & LABEL_WORDS]
    near += [name for name in names if nearest(plain(name), USUAL[role]) and name in likely]
    guess = next(iter([*near, *likely]), "NAME")
    usual = ", ".join(USUAL[role][:5])
    return (
        f"{where}: no column is of {role}s by its name ({usual}, ...) among "
        f"{listed(names, most=12)}; say which it is: data.{role}_column={guess}"
    )
