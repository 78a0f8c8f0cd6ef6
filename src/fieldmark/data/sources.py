"""Where images come from: folders, tables, Parquet files and built-in data sets by name."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fieldmark.data.built_in import BUILT_IN, bitmap, digit
from fieldmark.data.class_folders import read_folder
from fieldmark.data.columns import AS_USUAL, Reading
from fieldmark.data.formats.hugging_face import saved_files
from fieldmark.data.formats.recognised import FILES, PARQUET, SHOWN, folder_of_format, passed_over
from fieldmark.data.images import Form, decode, from_array
from fieldmark.data.inside import ZIP, content_at, is_folder, is_there, tree_of
from fieldmark.data.label_cells import task_of
from fieldmark.data.listing import Listing, join_test, with_known_labels, with_roles
from fieldmark.data.packs import ARROW, content_of_row, holds_pictures
from fieldmark.data.shards import find_shards, read_shards
from fieldmark.data.tables import read_table
from fieldmark.errors import DataError, counted, listed, nearest, nearest_path
from fieldmark.records import Samples
from fieldmark.rundir import RunDir, is_study
from fieldmark.task import SEVERAL_LABELS

ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
DIGITS = "digits"
STREAM = "-"

__all__ = ["BUILT_IN", "Listing", "Reading", "content_of", "read_listing", "read_pixels"]


def read_listing(
    source: str,
    reading: Reading = AS_USUAL,
    *,
    test: str = "auto",
    labelled: bool = True,
    validated: bool = True,
) -> Listing:
    """The images of a source, none of them opened. Raises DataError.

    source:   a folder of class folders, or of Parquet files with pictures, or a zip; a file or
              folder of a known format; a table; a Parquet file with pictures; a built-in name.
    test:     auto: a test set that the source has; none: no test set, and `val` is for
              validation; else the folder of a run whose test images are among these, or a source
              of its own, all of which is the test set.
    labelled: False lists images without labels too.
    validated: False where there will be no validation, so that no note speaks of it.
    """
    listing = _read(source, reading, labelled=labelled)
    if (run := RunDir(Path(test))).settings.is_file() and run.samples.is_file():
        return _with_test_of(run, listing, validated=validated)
    listing = with_roles(listing, test, validated=validated)
    if test in ("auto", "none"):
        return listing
    if not is_there(Path(test)):
        hint = nearest_path(test, Path.exists) or "; name one, or auto or none"
        raise DataError(f"data.test={test}: there is no such file{hint}")
    if is_study(test):
        raise DataError(f"data.test={test}: is a study of many runs; name one of them, or a source")
    own = listing.samples.task  # a test whose rows have one label each, or none, may be of several
    of_test = replace(
        reading,
        data_dir=None,
        levels=reading.levels if is_folder(Path(test)) else None,
        separator=listing.separator if reading.separator == "auto" else reading.separator,
        task=own.name if own.several and reading.task == "auto" else reading.task,
        known=reading.known or listing.samples.classes,
    )
    its = _read(test, of_test, labelled=labelled)
    if its.samples.task is not own:  # where one has several labels, both may
        of_test = replace(of_test, task=SEVERAL_LABELS.name)
        again = replace(of_test, data_dir=reading.data_dir, levels=reading.levels)
        listing = with_roles(_read(source, again, labelled=labelled), test, validated=validated)
        its = _read(test, of_test, labelled=labelled)
    its = replace(its, samples=with_known_labels(its.samples, listing.samples.classes))
    return join_test(listing, its)


def content_of(root: str, path: str, row: int | None) -> bytes:
    """What one image is made of: its file's bytes, or those in a Parquet row, or raw pixels.

    Raises DataError. No polars where the Parquet file was opened before, or is in the cache.
    """
    if row is None:
        return content_at(Path(root, path))
    pixels = raw_pixels(path, row)
    if pixels is not None:
        return pixels.tobytes()
    if path.lower().endswith((PARQUET, ARROW)):
        return content_of_row(Path(root, path), row)
    return bitmap(Path(root, path), row)


def raw_pixels(path: str, row: int | None) -> np.ndarray | None:
    """The pixels of an image that was never a file, (H, W, 3) uint8; None for all others."""
    return from_array(digit(row), None) if row is not None and path == DIGITS else None


def read_pixels(root: str, path: str, row: int | None, form: Form | None) -> np.ndarray:
    """One image by its place in a Samples table -> (H, W, 3) uint8. Raises DataError."""
    if path == DIGITS and row is not None:
        return from_array(digit(row), form)
    return decode(content_of(root, path, row), str(Path(root, place_name(path, row))), form)


def open_files(samples: Samples) -> None:
    """Open the files that hold many images, so that forked loading processes have them too."""
    held = samples.frame.filter(pl.col("row").is_not_null())
    for path, row in held.unique("path").select("path", "row").iter_rows():
        content_of(samples.root, path, row)


def _with_test_of(run: RunDir, listing: Listing, *, validated: bool) -> Listing:
    """A listing of which the images that an earlier run tested on are the test.

    They have the labels, groups and captions that they have in the listing. Raises DataError where
    one of them is not in it: another image in its place, or none, would be another test.
    """
    kept = Samples.read(run.samples)
    wanted = set(_places(replace(kept, frame=kept.frame.filter(pl.col("split") == "test"))))
    if not wanted:
        raise DataError(f"data.test={run.path}: this run has no test images; name another run")
    there = _places(listing.samples)
    is_its = [each in wanted for each in there]
    if lost := wanted.difference(there):
        name = place_name(*min(lost, key=str))
        raise DataError(
            f"data.test={run.path}: {len(lost)} of its {counted(len(wanted), 'test image')} "
            f"{'is' if len(lost) == 1 else 'are'} not among these images ('{name}'); name a DATA "
            "that has them where they were, or a folder or a table as the test"
        )
    sides = np.array(listing.samples.frame["split"].to_list(), dtype=object)
    sides[is_its] = "train" if any(sides) else None  # what the source says is not asked of them
    listing = replace(listing, samples=listing.samples.with_splits(sides.tolist()))
    found = with_roles(listing, str(run.path), validated=validated)
    sides = np.array(found.samples.frame["split"].fill_null("train").to_list(), dtype=object)
    sides[[each in wanted for each in _places(found.samples)]] = "test"
    note = f"the {counted(len(wanted), 'image')} of the test are those of {run.path}"
    return replace(
        found, samples=found.samples.with_splits(sides.tolist()), notes=(*found.notes, note)
    )


def _places(samples: Samples) -> list[tuple[str, int | None]]:
    """Where each image really is, whatever links lead there."""
    root = samples.root
    return [(os.path.realpath(os.path.join(root, path)), row) for path, row in samples.places()]  # noqa: PTH118


def gone(samples: Samples) -> str:
    """That none of the images lies where it did, in words; "" where one does."""
    root = Path(samples.root)
    files = [path for path in samples.frame["path"].unique() if path != DIGITS]
    if not files or any(is_there(root / path) for path in files):
        return ""
    return f"the photos are no longer in {root}"


def place_name(path: str, row: int | None) -> str:
    """How an image is called in a sentence: "cat/1.jpg", or "train.parquet, row 3"."""
    return path if row is None else f"{path}, row {row}"


def address(source: str) -> str:
    """What to do about an address in place of a path; "" for a path."""
    if not re.match(r"[a-z][a-z0-9+.-]+://", source, re.IGNORECASE):
        return ""
    return "is an address, and images are read from this machine; fetch it, and name the file"


def refuse_missing(source: str) -> None:
    """Raise DataError for a name that is no path and no built-in set."""
    if what := address(source):
        raise DataError(f"{source}: {what}")
    if source == STREAM:
        raise DataError(
            "-: a list that comes in is for predict; write it into a .txt file, a path a line, and "
            "name that"
        )
    if not is_there(Path(source)) and source not in BUILT_IN:
        hint = nearest(source, BUILT_IN) or nearest_path(source, Path.exists)
        there = hint or f"; name one, or one of {listed(BUILT_IN)}"
        raise DataError(f"{source}: there is no such folder or table{there}")


def _read(source: str, reading: Reading, *, labelled: bool) -> Listing:
    images, data_dir, levels = reading.images, reading.data_dir, reading.levels
    path = Path(source)
    there, ending = is_there(path), path.suffix.lower()
    if data_dir is not None and (there or source not in BUILT_IN):
        raise DataError(
            f"--data-dir {data_dir}: is for {listed(BUILT_IN)} by name; name one, or take it away"
        )
    refuse_missing(source)
    zipped = there and not path.is_dir() and ending == ZIP
    tree = tree_of(path) if path.is_dir() or zipped else None
    if levels is not None and reading.pattern is not None:
        raise DataError(
            f"{source}: data.levels and data.pattern both say what folders are; keep one"
        )
    home = path if tree and reading.pattern is not None else None
    if tree and home is None and levels is None:
        home = folder_of_format(tree)
    if home is not None:
        return read_table(home, reading, labelled=labelled)
    shards = saved_files(tree) if tree and not zipped else []
    if tree and not (shards or zipped or tree.inside("")):
        shards = find_shards(path)
    if there and not tree and ending == PARQUET and holds_pictures(path):
        path, shards = path.parent, [path.name]
    if levels is not None and (shards or not tree):
        raise DataError(
            f"{source}: data.levels is for folders of pictures; take it away, or name a folder"
        )
    if shards:
        _refuse(source, {"--images": images})
        return read_shards(path, shards, reading, labelled=labelled)
    if there and not tree:
        if ending in ARCHIVES:
            raise DataError(f"{source}: is an archive; unpack it and name the folder")
        if ending not in FILES:
            raise DataError(
                f"{source}: is no table ({', '.join(SHOWN)}); name a folder of class folders, or "
                "a table of images and labels"
            )
        return read_table(path, reading, labelled=labelled)
    separator = None if reading.separator == "auto" else reading.separator
    of_tables = {**reading.columns.given(), "data.label_separator": separator, "--images": images}
    of_tables["data.pattern"] = reading.pattern
    _refuse(source, of_tables)
    listing = (
        read_folder(tree, labelled=labelled, levels=levels) if tree else _built_in(source, data_dir)
    )
    if tree:
        listing = replace(listing, notes=(*listing.notes, *passed_over(tree)))
    task = task_of(reading.task, listing.samples.frame["labels"])
    return replace(listing, samples=replace(listing.samples, task=task))


def _built_in(name: str, data_dir: str | None) -> Listing:
    options: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    _, mistakes = BUILT_IN.read(name, options)
    if mistakes:
        raise DataError(f"--data-dir {data_dir}: {mistakes[0].what}")
    return BUILT_IN.build(name, options)  # type: ignore[no-any-return]


def _refuse(source: str, asked: dict[str, str | None]) -> None:
    """Raise DataError for settings that mean nothing to this source: none is passed over."""
    names = [setting for setting, value in asked.items() if value is not None]
    if names:
        is_are = "is" if len(names) == 1 else "are"
        raise DataError(
            f"{source}: {listed(names)} {is_are} for tables of paths and labels; take it away, or "
            "name a table"
        )
