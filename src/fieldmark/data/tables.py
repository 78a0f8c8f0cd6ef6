"""Tables of paths and labels: CSV, TSV, Parquet. Every row is used, or refused by its line."""

import os
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from fieldmark.data.cells import (
    Columns,
    find_columns,
    find_labels,
    label_columns,
    own_columns,
    sample_columns,
)
from fieldmark.data.folders import join, may_be_file
from fieldmark.data.images import SUFFIXES
from fieldmark.data.label_cells import Asked, labels_of_columns, task_of, texts_in
from fieldmark.data.listing import Listing
from fieldmark.data.shards import reading_parquet
from fieldmark.data.text_tables import Table, read_text_table
from fieldmark.errors import DataError, listed
from fieldmark.records import Samples


class Finder:
    """Finds files below `root`, in the first of `folders` that has them; each is listed once.

    missing: those that were looked for and are not there.
    """

    def __init__(self, root: Path, folders: Sequence[str] = ("",)):
        self._root, self._folders = root, folders
        self._starts = tuple(
            each.as_posix().rstrip("/") + "/" for each in (root.absolute(), root.resolve())
        )
        self._names: dict[str, dict[str, str]] = {}
        self.missing: list[str] = []

    def find(self, name: str | None) -> tuple[str | None, str | None]:
        """-> the path below the root and None, or None and why there is none.

        A name without a suffix may stand for the picture of that name ("56" for "56.jpg").
        """
        if name is None:
            return None, "names no image; name one, or take the row out"
        if "://" in name:
            return None, f"'{name}' lies in the web; download it, and name the file"
        below = self._below(name.strip().replace("\\", "/"))
        if below is None:
            return None, (
                f"'{name}' lies outside of {self._root}; name the folder that holds all images: "
                "--images DIR"
            )
        folder, _, file = below.rpartition("/")
        for place in self._folders:
            here = join(place, folder) if folder else place
            real = self._exact(here, file)
            if real is not None:
                return join(here, real), None
        self.missing.append(name)
        return None, f"there is no file '{name}' in {self._root}{self._hint(folder, file)}"

    def unnamed(self, files: Sequence[str | None]) -> dict[str, frozenset[str]]:
        """The pictures in the folders of `files`, by folder, that are not among these."""
        named = {file for file in files if file is not None}
        result = {}
        for folder in sorted({posixpath.dirname(file) for file in named}):
            names = set(self._listed(folder).values())
            pictures = {name for name in names if name.lower().endswith(SUFFIXES)}
            rest = frozenset(name for name in pictures if join(folder, name) not in named)
            result[str(self._root.resolve() / folder)] = rest
        return result

    def _below(self, name: str) -> str | None:
        """The path from the root, without "." and ".."; None where it leads out."""
        if name.startswith("/") or name[1:2] == ":":  # from the top, of Windows too
            start = next((start for start in self._starts if name.startswith(start)), None)
            if start is None:
                return None
            name = name.removeprefix(start)
        path = posixpath.normpath(name)
        return None if path.split("/")[0] == ".." else path

    def _exact(self, folder: str, name: str) -> str | None:
        """The name of a file in a folder, maybe with the suffix that `name` lacks."""
        here = self._listed(folder)
        whole = name.lower().endswith(SUFFIXES)
        for ending in ("",) if whole else ("", *SUFFIXES, *map(str.upper, SUFFIXES)):
            real = here.get(name + ending) or here.get(_composed(name + ending))
            if real is not None:
                return real
        return None

    def _hint(self, folder: str, name: str) -> str:
        """What to do about a missing file: its name in other letters, or nothing better."""
        for place in self._folders:
            here = join(place, folder) if folder else place
            other = self._folded(here).get(name.casefold())
            if other is not None:
                return f"; did you mean '{join(here, other)}'?"
        return "; add it, or take the row out"

    def _folded(self, folder: str) -> dict[str, str]:
        """A folder's names by their small letters."""
        key = f"{folder}/ folded"
        if key not in self._names:
            self._names[key] = {name.casefold(): name for name in self._listed(folder)}
        return self._names[key]

    def _listed(self, folder: str) -> dict[str, str]:
        """The files in a folder by name, and by name with its accents composed, as texts have it.

        None where there is no such folder. Raises DataError for one that may not be read.
        """
        if folder not in self._names:
            names: list[str] = []
            try:
                with os.scandir(self._root / folder) as entries:
                    names = [entry.name for entry in entries if may_be_file(entry)]
            except PermissionError as error:
                raise DataError(
                    f"{self._root / folder}: cannot be read ({error.strerror}); allow it, or take "
                    "the folder out"
                ) from error
            except (OSError, ValueError):  # no such folder, or a text that can be no path
                pass
            self._names[folder] = {_composed(name): name for name in names}
            self._names[folder].update({name: name for name in names})
        return self._names[folder]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


PARQUET = ".parquet"
BESIDE = "images"  # the folder beside a table that its images may lie in


def read_table(
    path: Path,
    given: Columns | None = None,
    *,
    images: str | None = None,
    labelled: bool = True,
    asked: Asked | None = None,
) -> Listing:
    """The images that a table names, with their labels and the user's other columns.

    They lie in the folder `images`; without it beside the table, or in images/ beside it. A row
    is left out, with the reason, where its image is missing, or its label where each image has
    one, where it leads out of the folder, and where the same image stands in another row of the
    same split: with the same labels the first stays, with others none. Raises DataError where no
    row can be used.
    """
    root, finder = _looking(path, images)
    samples, table = read_rows(path, given, labelled=labelled, asked=asked)
    frame = samples.frame
    found = [finder.find(name) for name in frame["path"].to_list()]
    reasons = [reason for _, reason in found]
    if labelled and not samples.task.several:
        counts = frame["labels"].list.len().to_list()
        reasons = [
            reason or (None if its else f"'{name}' has no label; give it one, or take the row out")
            for reason, its, name in zip(reasons, counts, frame["path"].to_list(), strict=True)
        ]
    missing = {
        place: name or place
        for place, name, (file, _) in zip(table.places, frame["path"], found, strict=True)
        if file is None
    }
    spare = finder.unnamed([file for file, _ in found])
    files = [
        file if reason is None else None for (file, _), reason in zip(found, reasons, strict=True)
    ]
    used = [file for file in files if file is not None]
    if len(set(used)) < len(used):
        labels, splits = frame["labels"].to_list(), frame["split"].to_list()
        reasons = _with_repeats(files, labels, splits, table.places, reasons)
    left_out, kinds = dict(table.left_out), dict.fromkeys(table.left_out, "broken-row")
    kinds_of = _kinds(files, frame["labels"].to_list(), [file for file, _ in found])
    for place, reason, kind in zip(table.places, reasons, kinds_of, strict=True):
        if reason is not None:
            left_out[place], kinds[place] = f"{place}: {reason}", kind
    kept = [row for row, reason in enumerate(reasons) if reason is None]
    if not kept:
        _refuse_all(path, root, len(finder.missing), left_out)
    frame = frame.with_columns(pl.Series("path", files, pl.String))[kept]
    samples = replace(samples, frame=frame, root=str(root.resolve()))
    return Listing(
        samples,
        table.notes,
        left_out,
        kinds=kinds,
        missing=missing,
        spare=spare,
        separator=table.separator,
        unsaid=table.unsaid,
    )


def _looking(path: Path, images: str | None) -> tuple[Path, Finder]:
    """Where a table's images lie, and what finds them. Raises DataError."""
    if images is None:
        return path.parent, Finder(path.parent, ("", BESIDE))
    if not Path(images).is_dir():
        raise DataError(f"--images {images}: there is no such folder; name the one of the images")
    return Path(images), Finder(Path(images))


def read_rows(
    path: Path,
    given: Columns | None = None,
    *,
    labelled: bool = True,
    asked: Asked | None = None,
) -> tuple[Samples, Table]:
    """What a table says, whether or not its images are there: paths as the cells have them.

    And the table, with all that is to be said of it. Labels may be empty. Raises DataError.
    """
    table = _read_parquet(path) if path.suffix.lower() == PARQUET else read_text_table(path)
    frame = table.frame
    if not len(frame) and not table.left_out:
        raise DataError(f"{path}: names columns and has no rows; add a row for each image")
    given, asked = given or Columns(), asked or Asked()
    each_a_label, chosen = label_columns(frame, given, str(path), asked.known)
    needed, without = ("image", "label") if labelled else ("image",), ""
    if each_a_label:
        given, needed, without = replace(given, label=None), ("image",), "label"
    found, notes = find_columns(str(path), frame.columns, given, needed=needed, without=without)
    if each_a_label:
        labels = labels_of_columns(frame, each_a_label, str(path))
    else:
        labels = find_labels(frame, found, str(path), asked.separator, count=len(frame))
    columns, said = sample_columns(
        *(frame, found, str(path), table.places.__getitem__),
        labels=labels,
        named_split=given.split is not None,
    )
    columns["path"] = texts_in(frame[str(found.image)], str(path))
    used = [name for role, name in vars(found).items() if role != "split" or "split" in columns]
    own, renamed = own_columns(frame, [*used, *each_a_label])
    samples = Samples.from_columns(columns, str(path.parent.resolve()))
    task = task_of(asked.task, labels.labels, several=labels.several)
    samples = replace(samples, task=task)
    if own.columns:
        samples = replace(samples, frame=samples.frame.hstack(own))
    notes = [*table.notes, *notes, *chosen, *said, *(f"{path}: {each}" for each in renamed)]
    unsaid = tuple(name for name in asked.known if name not in each_a_label)
    unsaid = unsaid if each_a_label and task.several else ()
    table = replace(table, separator=labels.separator, unsaid=unsaid)
    return samples, replace(table, notes=tuple(notes))


def _with_repeats(
    files: Sequence[str | None],
    labels: Sequence[Sequence[str]],
    splits: Sequence[str | None],
    places: Sequence[str],
    reasons: Sequence[str | None],
) -> list[str | None]:
    """The reasons, with those of rows whose image stands in another row too.

    The same image with the same labels in two splits stays: which of them it leaves is decided
    with the copies of other images.
    """
    rows_of = defaultdict(list)
    for row, file in enumerate(files):
        if file is not None:
            rows_of[file].append(row)
    result = list(reasons)
    for file, rows in rows_of.items():
        first = rows[0]
        others = [row for row in rows if set(labels[row]) != set(labels[first])]
        for row in rows if others else ():
            against = first if row in others else others[0]
            result[row] = (
                f"'{file}' is {_named(labels[row])} here and {_named(labels[against])} in "
                f"{_place(places[against])}; keep one of the two"
            )
        seen: dict[str | None, int] = {}
        for row in rows if not others else ():
            if splits[row] in seen:
                before = _place(places[seen[splits[row]]])
                result[row] = f"'{file}' stands in {before} already; take one of the two out"
            seen.setdefault(splits[row], row)
    return result


def _kinds(
    files: Sequence[str | None], labels: Sequence[Sequence[str]], found: Sequence[str | None]
) -> list[str]:
    """Why each row would be left out, of health.KINDS.

    files: of the rows that could be used but for others of the same image; found: of all rows.
    """
    several: dict[str, set[frozenset[str]]] = defaultdict(set)
    for file, its in zip(files, labels, strict=True):
        if file is not None:
            several[file].add(frozenset(its))
    return [
        "no-file"
        if there is None
        else "no-label"
        if file is None
        else "conflicting-rows"
        if len(several[file]) > 1
        else "repeated-row"
        for file, there in zip(files, found, strict=True)
    ]


def _named(labels: Sequence[str]) -> str:
    return listed(labels) if labels else "without a label"


def _place(place: str) -> str:
    """The line of "labels.csv, line 41", for a sentence that has named the file."""
    return place.rpartition(", ")[2]


def _refuse_all(path: Path, root: Path, missing: int, left_out: dict[str, str]) -> None:
    if missing == len(left_out):
        raise DataError(
            f"{path}: none of its {missing} images is in {root}; name the folder that they lie in: "
            "--images DIR"
        )
    first = next(iter(left_out.values()))
    raise DataError(f"{path}: none of its {len(left_out)} rows can be used; {first}")


def _read_parquet(path: Path) -> Table:
    with reading_parquet(path):
        frame = pl.read_parquet(path)
    return Table(frame, [f"{path}, row {row}" for row in range(len(frame))])


@dataclass(frozen=True)
class Named:
    """What one row of a table names: the image as its cell has it, and its file.

    path: None where there is none, and then `reason` says why. caption: the text of the row.
    """

    name: str
    path: Path | None
    reason: str | None = None
    caption: str | None = None


class NamedImages(NamedTuple):
    """Every row's image, what is to be said, and the columns that the table has."""

    rows: list[Named]
    notes: tuple[str, ...]
    columns: Columns


def named_images(
    path: Path, given: Columns | None = None, *, images: str | None = None
) -> NamedImages:
    """Every row's image, in order, of a table whose labels are not needed.

    The files are looked for as `read_table` does; a row without one stays, and so does a row that
    repeats another. Raises DataError for a row that cannot be told, and where no row has a file.
    """
    root, finder = _looking(path, images)
    samples, table = read_rows(path, given, labelled=False)
    if table.left_out:
        raise DataError(next(iter(table.left_out.values())))
    rows = zip(table.places, *samples.frame.select("path", "caption"), strict=True)
    found = []
    for place, name, caption in rows:
        file, reason = finder.find(name)
        at = None if file is None else root / file
        found.append(Named(name or "", at, reason and f"{place}: {reason}", caption))
    if not any(each.path for each in found):
        left_out = {str(row): each.reason or "" for row, each in enumerate(found)}
        _refuse_all(path, root, len(finder.missing), left_out)
    names = table.frame.columns
    columns, _ = find_columns(str(path), names, given or Columns(), needed=("image",))
    return NamedImages(found, table.notes, columns)
