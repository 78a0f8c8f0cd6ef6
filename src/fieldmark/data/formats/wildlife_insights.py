"""Wildlife Insights' download: images.csv or images_NNN.csv, and deployments.csv beside it.

The fields are those that camtraptor's read_wi.R and megadetector's wi_download_csv_to_coco.py read.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from fieldmark.data.columns import Columns
from fieldmark.data.file_names import tails_of
from fieldmark.data.formats.brought import (
    LABELS,
    Brought,
    empty_notes,
    joined,
    labels_once,
    with_group,
    with_labels,
)
from fieldmark.data.inside import names_in, tree_of
from fieldmark.data.text_tables import read_text_table
from fieldmark.errors import listed

WHAT = "Wildlife Insights"
IMAGE, PLACE, BLANK = "file", "placename", "blank"
NO_LABEL = ("no cv result", "unknown")  # common names that say nothing
RANKS = ("genus", "family", "order", "class")  # the lowest that is there, below species
HEADER = {"deployment_id", "genus", "species", "common_name"}
FILE = re.compile(r"images(_\d+)?\.csv", re.IGNORECASE)
OWN = ("image_id", "deployment_id", "sequence_id", "timestamp", "common_name", "identified_by")
Row = dict[str, str | None]


def is_images(columns: Sequence[str]) -> bool:
    """Whether columns are those of images.csv."""
    return set(columns) >= HEADER and bool({"filename", "location"} & set(columns))


def tables_of_download(folder: Path) -> list[Path]:
    """The tables of images in a folder that is a download; [] for another."""
    names = names_in(folder)
    tables = [folder / name for name in names if FILE.fullmatch(name)]
    if not tables or "deployments.csv" not in names:
        return []
    return tables if is_images(read_text_table(tables[0]).frame.columns) else []


def read_download(folder: Path, tables: Sequence[Path], task: str, images: Path | None) -> Brought:
    """The images of a download, with the lowest rank that is known of each. Raises DataError.

    An image may have several rows, one an animal. Files are those below the folder, or below
    `images`, whose path ends as the table's `location` does, else those of its `filename`.
    """
    whole = joined([("", None, read_text_table(path)) for path in tables], IMAGE)
    rows: dict[str, list[Row]] = {}
    places: dict[str, str] = {}
    for place, row in zip(whole.places, whole.frame.iter_rows(named=True), strict=True):
        key = str(row.get("image_id") or row.get("location") or row.get("filename"))
        rows.setdefault(key, []).append(row)
        places.setdefault(key, place)
    first = [its[0] for its in rows.values()]
    labels = [labels_once(map(_label, its), (BLANK,)) for its in rows.values()]
    at = _places(folder)
    columns = {
        IMAGE: _files(images or folder, first),
        PLACE: [at.get(row["deployment_id"]) or row["deployment_id"] for row in first],
    }
    own = [name for name in OWN if name in whole.frame.columns]
    columns |= {name: [row[name] for row in first] for name in own}
    frame = pl.DataFrame(columns, dict.fromkeys(columns, pl.String))
    notes = (*whole.notes, *_notes(tables[0], labels, at))
    table = replace(whole, frame=frame, places=[*places.values()], notes=notes)
    table = with_labels(table, labels, task)
    made = Brought(table, Columns(image=IMAGE, label=LABELS), folder)
    return with_group(made, WHAT, (PLACE, "sequence_id"))


def _label(row: Row) -> str | None:
    """The lowest rank: "Vulpes vulpes", "Vulpes", "Canidae"; blank where nothing is there."""
    if str(row.get("is_blank")).casefold() in ("1", "true"):
        return BLANK
    genus, species = row["genus"], row["species"]
    if genus and species:
        return f"{genus} {species}"
    name = row["common_name"]
    known = None if name and name.strip().casefold() in NO_LABEL else name
    return next((row[rank] for rank in RANKS if row.get(rank)), None) or known


def _files(folder: Path, rows: Sequence[Row]) -> list[str | None]:
    """Each row's file below the folder, as its location or its name tells; else its name."""
    tails: dict[str, str | None] = {}
    for file in tree_of(folder).below(""):
        for tail in tails_of(file):  # a tail that several files have names none of them
            tails[tail] = None if tail in tails and tail != file else file
    found = []
    for row in rows:
        names = [each for each in (row.get("location"), row.get("filename")) if each]
        known = (tails.get(tail) for name in names for tail in tails_of(name))
        bare = row.get("filename") or (names[0].rpartition("/")[2] if names else None)
        found.append(next(filter(None, known), None) or bare)
    return found


def _places(folder: Path) -> dict[str | None, str | None]:
    """The name of each deployment's place; none where the table is not there."""
    if "deployments.csv" not in names_in(folder):
        return {}
    frame = read_text_table(folder / "deployments.csv").frame
    if not {"deployment_id", PLACE} <= set(frame.columns):
        return {}
    return dict(frame.select("deployment_id", PLACE).iter_rows())


def _notes(path: Path, labels: list[list[str]], at: dict[str | None, str | None]) -> list[str]:
    notes = [
        f"{path}: Wildlife Insights' table; the labels are genus and species, or the lowest rank "
        "that there is"
    ]
    notes += empty_notes(path, labels, BLANK)
    seen = {label for its in labels for label in its}
    ranks = sorted(label for label in seen if " " not in label and label != BLANK)
    if ranks and len(ranks) < len(seen):
        notes.append(f"{path}: higher ranks are classes too: {listed(ranks, most=5)}")
    if not any(at.values()):
        notes.append(f"{path}: deployments.csv tells no placename, so a place is a deployment")
    return notes
