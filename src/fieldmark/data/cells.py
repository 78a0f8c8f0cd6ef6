"""Which column of a table holds what, and what its cells mean: splits, groups, captions."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from fieldmark.data.label_cells import (
    LABELS,
    Asked,
    LabelCells,
    labels_in,
    plain,
    texts_in,
    zero_one_columns,
)
from fieldmark.data.likely_columns import TEXT, kind_of, likely_images, likely_labels, words_of
from fieldmark.data.split_columns import (
    SPLIT_NAMES,
    YES_OR_NO,
    sides_of_rows,
    speaks_of_sides,
)
from fieldmark.errors import DataError, listed, nearest
from fieldmark.names import written
from fieldmark.records import SAMPLE_COLUMNS
from fieldmark.task import SEVERAL_LABELS

Share = Callable[[Sequence[str | None]], float]

IMAGES = ["image", "path", "filename", "file_name", "file", "image_path", "file_path", "filepath"]
IMAGES += ["image_name", "imageid", "image_id", "img", "image_file", "image_filename", "img_path"]
IMAGES += ["img_name", "img_file", "img_id", "id_code", "fname", "picture", "photo", "imagepath"]
IMAGES += ["imagename", "relative_path", "relativepath", "media_path", "photo_path", "photo_name"]
CLASSES = ["label", "labels", "class", "classes", "class_name", "category", "categories", "tags"]
# what else people call the column of labels; a column of 0 and 1 so called may be one of several
ALSO = ["label_name", "labelname", "label_text", "class_label", "classname", "category_name"]
ALSO += ["species", "species_name", "scientific_name", "scientificname", "taxon", "taxon_name"]
ALSO += ["taxonname", "common_name", "commonname", "vernacular_name", "vernacularname", "breed"]
ALSO += ["target", "targets", "target_label", "dx", "diagnosis", "ground_truth", "groundtruth"]
ALSO += ["truth", "true_label", "gt", "cls", "y", "tag", "genus", "label_id"]
ALSO += ["class_id", "classid", "category_id", "species_id", "target_id", "klasse", "kategorie"]
ALSO += ["classe", "clase", "especie", "espèce", "etikett", "étiquette", "etiqueta", "etichetta"]
LABEL_WORDS = {"label", "labels", "class", "classes", "category", "categories", "species", "taxon"}
LABEL_WORDS |= {"breed", "tags", "diagnosis", "target"}
GENUS, EPITHET = re.compile(r"\s*[A-Z][a-z-]+\s*"), re.compile(r"\s*[a-z][a-z.-]+\s*")
RANKS = ("kingdom", "phylum", "order", "family", "genus", "species")
USUAL = {
    "image": IMAGES,
    "label": [*CLASSES, *ALSO],
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
        found[role] = None if name is None else _named(where, names, role, name)
    notes = []
    for role, usual in USUAL.items():
        if found[role] is not None or role in without:
            continue
        wanted = _with_ranks(usual, names) if role == "label" else usual
        matches = [name for word in wanted for name in names if plain(name) == word]
        matches = [name for name in matches if name not in found.values()]
        if role == "image":
            notes += _take_images(where, frame, found, matches, share)
            if found[role] is None and role in needed:
                raise DataError(_nothing_for(where, frame, role, _free(names, found)))
        elif matches or (
            guess and role == "label" and (matches := _named_like_labels(frame, found))
        ):
            found[role] = matches[0]
            notes += _chosen(where, role, matches, says=plain(matches[0]) not in CLASSES)
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
    first = matches[0] if matches else None
    if first is not None:
        usual = [name for name in matches if share is None or share(_cells(frame[name])) > 0]
        if usual:
            found["image"] = usual[0]
            others = [name for name in matches if name != usual[0]]
            return _chosen(where, "image", [usual[0], *others], says=False)
    other = likely_images(frame, [n for n in _free(frame.columns, found) if n != first], share)
    if first is not None and (other is None or share is None or not share(_cells(frame[other]))):
        found["image"] = first
        return _chosen(where, "image", matches, says=False)
    found["image"] = other
    if other is None:
        return []
    return [
        f"{where}: the images are read from '{other}', by what is in it; "
        "data.image_column=NAME says otherwise"
    ]


def _take_labels(
    where: str, frame: pl.DataFrame, found: dict[str, str | None], *, needed: bool
) -> list[str]:
    """Fill in the column of labels where one alone may hold them. -> what is to be said

    Raises DataError where several may, and where none may and labels are needed.
    """
    free = [name for name in _free(frame.columns, found) if not _is_of_splits(frame[name])]
    likely = likely_labels(frame, free)
    alone = len(likely) == 1 and not zero_one_columns(frame, likely)
    alone = alone and (kind_of(frame[likely[0]]) == TEXT or len(free) == 1)
    if alone:
        found["label"] = likely[0]
        return [
            f"{where}: the labels are read from '{likely[0]}', by what is in it; "
            "data.label_column=NAME says otherwise"
        ]
    if needed or likely:
        raise DataError(_nothing_for(where, frame, "label", likely or free))
    return [f"{where}: no column may hold labels, so the images have none"]


def _free(names: Sequence[str], found: dict[str, str | None]) -> list[str]:
    return [name for name in names if name not in found.values()]


def _cells(column: pl.Series) -> list[str | None]:
    return texts_in(column, column.name) if not column.dtype.is_nested() else []


def _is_of_splits(column: pl.Series) -> bool:
    return plain(column.name) in (*SPLIT_NAMES, *YES_OR_NO) or speaks_of_sides(column)


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
    return [
        f"{where}: the {role}s are read from '{matches[0]}'{others}; "
        f"data.{role}_column=NAME says otherwise"
    ]


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


def sample_columns(
    frame: pl.DataFrame,
    found: Columns,
    where: str,
    place: Callable[[int], str],
    *,
    labels: LabelCells,
    each_a_label: Sequence[str] = (),
) -> tuple[dict[str, Any], list[str], list[str]]:
    """labels, group, caption and split of a Samples table, from the columns that were found.

    What is to be said of how they were read, and the columns of splits. place: from a row to how
    it is called. each_a_label: the columns that are a label each. Raises DataError.
    """
    columns: dict[str, Any] = {"labels": labels.labels}
    if found.group is not None:
        cells = texts_in(frame[found.group], where)
        columns["group"] = [None if cell is None else written(cell) for cell in cells]
    if found.caption is not None:
        columns["caption"] = _captions_in(frame[found.caption], where)
    taken = [name for role, name in vars(found).items() if role != "split"]
    others = [name for name in frame.columns if name not in (*taken, *each_a_label)]
    sides = sides_of_rows(frame, found.split, others, where, place)
    if sides.splits is not None:
        columns["split"] = sides.splits
    return columns, [*labels.notes, *sides.notes], list(sides.columns)


def find_labels(
    frame: pl.DataFrame,
    found: Columns,
    where: str,
    asked: Asked,
    *,
    is_named: bool = False,
    count: int | None = None,
) -> LabelCells:
    """Each row's labels, from the column that holds them; without one there are none.

    is_named: whether the settings name the column. count: of rows, where no column is left.
    """
    if found.label is None:
        rows = len(frame) if count is None else count
        return LabelCells(pl.Series([[]] * rows, dtype=LABELS), [])
    notes: list[str] = []
    if not is_named:
        frame, notes = _with_genus(frame, found.label, where, asked.known)
    column = frame[found.label]
    if asked.task == SEVERAL_LABELS.name:
        whole: bool | None = False
    else:
        whole = is_named or _are_known(column, asked.known) or None
    cells = labels_in(column, where, asked.separator, whole=whole)
    return cells._replace(notes=[*cells.notes, *notes])


def _with_genus(
    frame: pl.DataFrame, label: str, where: str, known: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """The table with the genus before each species, where the labels are of a column `species` of
    single words in small letters and there is a column `genus`; and what to say of it."""
    names = {plain(name): name for name in frame.columns}
    genus = names.get("genus")
    if plain(label) != "species" or genus is None or _are_known(frame[label], known):
        return frame, []
    pairs = list(zip(_cells(frame[genus]), _cells(frame[label]), strict=True))
    whole = [(first, last) for first, last in pairs if first and last]
    if not whole or not all(
        first and GENUS.fullmatch(first) and EPITHET.fullmatch(last)
        for first, last in pairs
        if last
    ):
        return frame, []
    cells = [last and f"{str(first).strip()} {last.strip()}" for first, last in pairs]
    note = (
        f"{where}: '{genus}' goes before '{label}', as in '{' '.join(whole[0])}'; "
        f"data.label_column={label} takes that alone"
    )
    return frame.with_columns(pl.Series(label, cells, pl.String)), [note]


def _are_known(column: pl.Series, known: Sequence[str]) -> bool:
    """Whether each cell as a whole is a label that is known."""
    if not known or column.dtype != pl.String:
        return False
    cells = {written(cell) for cell in column.drop_nulls().unique()} - {""}
    return cells <= set(map(written, known))


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
    also = [name for name in frame.columns if plain(name) in ALSO]
    if any(plain(name) in CLASSES for name in frame.columns) or _holds_more(frame, also):
        return [], []
    others = {plain(name) for name in vars(given).values() if name is not None}
    others |= {*IMAGES, *CLASSES, *USUAL["caption"], *SPLIT_NAMES, *YES_OR_NO}
    found = zero_one_columns(frame, [name for name in frame.columns if plain(name) not in others])
    wanted = [name for name in found if name in known]
    if not wanted:
        return (found if len(found) > 1 else []), []
    notes = []
    if rest := [name for name in found if name not in known]:
        notes.append(f"{where}: {listed(rest)} of 0 and 1 is no label that is known; kept as yours")
    return wanted, notes


def _holds_more(frame: pl.DataFrame, names: Sequence[str]) -> bool:
    """Whether one of the columns holds more than 0 and 1."""
    return len(zero_one_columns(frame, names)) < len(names)


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


def _captions_in(column: pl.Series, where: str) -> list[str | None]:
    """Each cell's text; of several the one line that they make."""
    if column.dtype == pl.List(pl.String):
        column = column.list.drop_nulls().list.join(" ")
    return texts_in(column, where)
