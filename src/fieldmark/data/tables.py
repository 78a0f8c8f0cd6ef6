"""Tables of paths and labels: CSV, TSV, Parquet. Every row is used, or refused by its line."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from fieldmark.data.cells import find_labels, label_columns, labels_of_columns, samples_of
from fieldmark.data.columns import Columns, Reading, find_columns
from fieldmark.data.folders import parent_of
from fieldmark.data.formats.brought import Brought
from fieldmark.data.formats.recognised import bring
from fieldmark.data.given import was_given
from fieldmark.data.inside import is_folder
from fieldmark.data.label_cells import plain, task_of, texts_in
from fieldmark.data.listing import Listing
from fieldmark.data.row_reasons import reasons_of
from fieldmark.data.split_words import sides_of, split_of
from fieldmark.data.table_paths import Finder
from fieldmark.data.text_tables import Table
from fieldmark.errors import DataError, counted, listed, nearest_path
from fieldmark.records import Samples


def read_table(path: Path, reading: Reading, *, labelled: bool = True) -> Listing:
    """The images that a table names, or a file or folder of a format that stands for a table, with
    their labels and the user's other columns.

    Without `reading.images` they lie beside the table, or in images/ beside it. A row is left out,
    with the reason, where its image is missing, or its label where each image has one, where it
    leads out of the folder, and where the same image stands in another row of the same split: with
    the same labels the first stays, with others none. Raises DataError where no row can be used.
    """
    samples, table, _, finder, is_plain = read_rows(path, reading, labelled=labelled)
    frame = samples.frame
    found, missing, moved = finder.find_all(frame["path"].to_list())
    each_labelled = labelled and not samples.task.several
    reasons = reasons_of(frame, found, table.places, each_labelled=each_labelled)
    left_out = dict(table.left_out)
    kinds = dict.fromkeys(left_out, "broken-row" if is_plain else "left-out")
    for place, reason in zip(table.places, reasons, strict=True):
        if reason is not None:
            left_out[place], kinds[place] = f"{place}: {reason.words}", reason.kind
    files = [its.path for its in found]
    rows = zip(table.places, frame["path"], files, strict=True)
    without_file = {place: name or place for place, name, file in rows if file is None}
    kept = [row for row, reason in enumerate(reasons) if reason is None]
    if not kept:
        _refuse_all(path, finder.root, len(missing), left_out)
    used = frame.with_columns(pl.Series("path", files, pl.String))[kept]
    said = [*moved, *_split_in_paths(used["path"], used["split"])]
    chosen = path.suffix.lower() == ".parquet" and was_given(path)
    return Listing(
        replace(samples, frame=used),
        (*table.notes, *(f"{path}: {note}" for note in said)),
        left_out,
        kinds=kinds,
        missing=without_file,
        spare={} if chosen else finder.unnamed(files),
        separator=table.separator,
        unsaid=table.unsaid,
    )


def _split_in_paths(files: pl.Series, splits: pl.Series) -> list[str]:
    """What to say where images lie in folders of splits, and no column says of which they are."""
    if splits.null_count() < len(splits):
        return []
    folders = [parent_of(file).split("/") for file in files.unique()]
    for names in map(set, zip(*folders, strict=False)):
        if len(sides_of(names)) == len(names) > 1:
            return [
                f"the images lie in {listed(sorted(names))}, which is not used as a split; a "
                "column 'split' with these words says that they are one"
            ]
    return []


def _finder_of(path: Path, brought: Brought, images: str | None) -> Finder:
    """What finds the images of a table, where they lie. Raises DataError."""
    side = split_of(path.stem)
    if images is None:
        return Finder(brought.root, brought.folders, side=side)
    if not is_folder(Path(images)):
        hint = nearest_path(images, Path.is_dir) or "; name the one of the images"
        raise DataError(f"--images {images}: there is no such folder{hint}")
    return Finder(Path(images), side=side, chosen=True)


class Rows(NamedTuple):
    """What a table says: a row an image, whether or not it is there, with paths as the cells have
    them. The table, with all that is to be said of it; its columns; what finds its files; and
    whether every row is wanted (`plain` of Brought)."""

    samples: Samples
    table: Table
    columns: Columns
    finder: Finder
    is_plain: bool


def read_rows(path: Path, reading: Reading, *, labelled: bool | None = True) -> Rows:
    """What a table says. Raises DataError.

    Labels may be empty; labelled None: neither they nor splits are asked for or read.
    """
    brought = bring(path, reading)
    finder = _finder_of(path, brought, reading.images)
    if labelled and brought.unlabelled:
        raise DataError(brought.unlabelled)
    table = brought.table
    frame = table.frame
    if not len(frame) and not table.left_out:
        raise DataError(f"{path}: names columns and has no rows; add a row for each image")
    is_named = reading.columns.label is not None
    given = _merged(reading.columns, brought.columns)
    if reading.separator == "auto":
        reading = replace(reading, separator=table.separator)
    each_a_label, chosen = list[str](), list[str]()
    if labelled is not None:
        each_a_label, chosen = label_columns(frame, given, str(path), reading.known)
    found, notes = find_columns(
        *(str(path), frame.drop(each_a_label)),
        replace(given, label=None) if each_a_label else given,
        needed=("image", "label") if labelled and not each_a_label else ("image",),
        without=["label"] if each_a_label else [],
        share=finder.share,
        guess=labelled is not None and not brought.unlabelled,
    )
    wanted = found
    if labelled is None:
        wanted = replace(found, label=None, split=None)
        frame = frame.select(list(dict.fromkeys(filter(None, vars(wanted).values()))))
    if each_a_label:
        labels = labels_of_columns(frame, each_a_label, str(path))
    else:
        labels = find_labels(frame, wanted, str(path), reading, is_named=is_named)
    names = texts_in(frame[str(found.image)], str(path))
    joined, its_group = list[str](), brought.columns.group
    if not brought.columns.image:  # a format says where its images lie
        names, joined = _in_folders(frame, wanted, names, finder)
    samples, said, renamed = samples_of(
        *(frame, wanted, str(path), table.places.__getitem__),
        labels=labels,
        files={"path": names},
        each_a_label=each_a_label,
        stays=found.group if found.group == its_group != "group" else None,  # for figures by it
    )
    task = task_of(reading.task, labels.labels, several=labels.several)
    samples = replace(samples, task=task, root=str(finder.root.resolve()))
    told = (f"{path}: {each}" for each in (*joined, *renamed))
    unsaid = [name for name in reading.known if name not in each_a_label]
    table = replace(
        table,
        separator=labels.separator,
        unsaid=tuple(unsaid) if each_a_label and task.several else (),
        notes=(*table.notes, *notes, *chosen, *said, *told),
    )
    return Rows(samples, table, found, finder, brought.plain)


NO_GROUP = "none"  # data.group_column, where a format's own group is not wanted


def _merged(given: Columns, its: Columns) -> Columns:
    """The columns of the settings, and where they name none those of the format."""
    names = {role: name or getattr(its, role) for role, name in vars(given).items()}
    return Columns(**names | ({"group": None} if given.group == NO_GROUP and its.group else {}))


FOLDERS = (
    *("folder", "directory", "dir", "subfolder", "folder_name", "relative_path", "path"),
    *("relativepath", "image_folder", "image_dir"),
)


def _in_folders(
    frame: pl.DataFrame, found: Columns, names: list[str | None], finder: Finder
) -> tuple[list[str | None], list[str]]:
    """Names of files, with the folder that another column gives before them where the files are
    there only so; and what is to be said of that."""
    others = [name for name in frame.columns if name not in vars(found).values()]
    column = next((name for name in others if plain(name) in FOLDERS), None)
    if column is None:
        return names, []
    places = texts_in(frame[column], column)
    joined = [
        name if place is None or name is None else f"{place.strip().rstrip('/')}/{name}"
        for place, name in zip(places, names, strict=True)
    ]
    if finder.share(joined) <= 0 or finder.share(joined) < finder.share(names):
        return names, []
    return joined, [f"each image lies in the folder that '{column}' gives"]


def _refuse_all(path: Path, root: Path, missing: int, left_out: dict[str, str]) -> None:
    if missing == len(left_out):
        raise DataError(
            f"{path}: none of its {missing} images is in {root}; name the folder that they lie in: "
            "--images DIR"
        )
    first = next(iter(left_out.values()))
    raise DataError(f"{path}: none of its {len(left_out)} rows can be used; {first}")


@dataclass(frozen=True)
class Named:
    """What one row of a table names: the image as its cell has it, and its file.

    path: None where there is none, and then `reason` says why. caption: the text of the row; event:
    what it has in the column of groups, where that was asked for.
    """

    name: str
    path: Path | None
    reason: str | None = None
    caption: str | None = None
    event: str | None = None


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
    # labels are not asked for, so none leaves an image out
    reading = Reading(given or Columns(), images, task="multi-label")
    samples, table, columns, finder, is_plain = read_rows(path, reading, labelled=None)
    notes = [note for note in table.notes if "the labels are" not in note]
    if table.left_out:
        first = next(iter(table.left_out.values()))
        if is_plain:
            raise DataError(first)
        notes.append(f"{counted(len(table.left_out), 'row')} left out; {first}")
    rows = zip(table.places, *samples.frame.select("path", "caption", "group"), strict=True)
    found, by_event = [], given is not None and given.group is not None
    files, missing, moved = finder.find_all(samples.frame["path"].to_list())
    notes += [f"{path}: {each}" for each in moved]
    for (place, name, caption, group), (file, reason, *_) in zip(rows, files, strict=True):
        at = None if file is None else finder.root / file
        event = group if by_event else None
        found.append(Named(name or "", at, reason and f"{place}: {reason}", caption, event))
    if not any(each.path for each in found):
        left_out = {str(row): each.reason or "" for row, each in enumerate(found)}
        _refuse_all(path, finder.root, len(missing), left_out)
    return NamedImages(found, tuple(notes), columns)
