"""Camtrap DP 1.0: datapackage.json beside media, observations and deployments (TDWG, 2023).

https://camtrap-dp.tdwg.org/data has the fields.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.data.columns import Columns
from fieldmark.data.formats.brought import (
    LABELS,
    Brought,
    empty_notes,
    labels_once,
    read_json,
    with_group,
    with_labels,
    without_rows,
)
from fieldmark.data.inside import is_there, names_in
from fieldmark.data.text_tables import Table, read_text_table
from fieldmark.errors import DataError, counted

WHAT, PACKAGE = "Camtrap DP", "datapackage.json"
IMAGE, PLACE, EVENT, BLANK = "filePath", "location", "event", "blank"
NEEDED = {
    "media": ("mediaID", "deploymentID", IMAGE),
    "observations": ("deploymentID", "observationType"),
    "deployments": ("deploymentID",),
}
FILES = (PACKAGE, *(f"{name}.csv" for name in NEEDED))
NO_LABEL = ("unknown", "unclassified")  # types of observations that say nothing
Row = dict[str, str | None]
Found = dict[str, list[Row]]  # observations of an image or an event


def is_package(folder: Path) -> bool:
    """Whether a folder, or a zip, has a package at its top. Raises DataError for a damaged one.

    Other data have a datapackage.json too (Frictionless Data), without these tables.
    """
    if PACKAGE not in names_in(folder) or is_no_json(folder):
        return False
    about = read_json(folder / PACKAGE)
    return isinstance(about, dict) and (
        "camtrap" in str(about.get("profile")) or {"media", "observations"} <= _names(about)
    )


def is_no_json(folder: Path) -> bool:
    """Whether a datapackage.json is damaged and none of the package's tables lies beside it."""
    names = names_in(folder)
    if PACKAGE not in names or {f"{name}.csv" for name in NEEDED} & set(names):
        return False
    try:
        read_json(folder / PACKAGE)
    except DataError:
        return True
    return False


def is_part(columns: list[str]) -> bool:
    """Whether columns are those of a package's table."""
    return {"mediaID", IMAGE} <= set(columns) or {"observationID", "observationType"} <= set(
        columns
    )


def read_package(folder: Path, task: str) -> Brought:
    """The media of a package with the species of their observations. Raises DataError."""
    tables = {name: _table(folder, name) for name in NEEDED}
    media = tables["media"]
    rows = list(media.frame.iter_rows(named=True))
    videos = {
        place: f"{place}: is a video ('{row['fileMediatype']}'); take pictures of it"
        for place, row in zip(media.places, rows, strict=True)
        if str(row.get("fileMediatype") or "image").startswith("video")
    }
    media = without_rows(media, videos)
    rows = list(media.frame.iter_rows(named=True))
    observed = list(tables["observations"].frame.iter_rows(named=True))
    matched, notes = _matched(rows, observed, folder)
    labels = [labels_once(map(_label, its), (BLANK,)) for its in matched]
    places = {row["deploymentID"]: row for row in tables["deployments"].frame.iter_rows(named=True)}
    where = [places.get(row["deploymentID"], {}).get("locationID") for row in rows]
    frame = media.frame.select(
        IMAGE,
        pl.Series(PLACE, [at or row["deploymentID"] for at, row in zip(where, rows, strict=True)]),
        pl.Series(
            EVENT, [next((o.get("eventID") for o in its), None) for its in matched], pl.String
        ),
        *(name for name in ("mediaID", "deploymentID", "timestamp") if name in media.frame.columns),
    )
    left_out = {**media.left_out, **tables["observations"].left_out}
    notes = [*_notes(folder, rows, observed, labels, where), *notes]
    table = Table(frame, media.places, left_out, tuple(notes))
    table = with_labels(table, labels, task)
    made = Brought(table, Columns(image=IMAGE, label=LABELS), folder, ("", "media"))
    return with_group(made, WHAT, (PLACE, EVENT))


def _names(about: dict[str, Any]) -> set[str]:
    """The names of a package's tables."""
    resources = about.get("resources")
    found = resources if isinstance(resources, list) else ()
    return {str(each.get("name")) for each in found if isinstance(each, dict)}


def media_of(folder: Path) -> dict[str, Row]:
    """The rows of a package's media by their filePath. Raises DataError."""
    rows = _table(folder, "media").frame.iter_rows(named=True)
    return {str(row[IMAGE]): row for row in rows}


def _table(folder: Path, name: str) -> Table:
    """One of the package's tables. Raises DataError where it is not there or lacks a column."""
    package = folder / PACKAGE
    about: Any = read_json(package)
    resources = about.get("resources") if isinstance(about, dict) else None
    if not isinstance(resources, list):
        raise DataError(f"{package}: has no list of 'resources', as Camtrap DP has; export it anew")
    its = next((r for r in resources if isinstance(r, dict) and r.get("name") == name), {})
    file = its.get("path", f"{name}.csv")
    if not isinstance(file, str) or "://" in file or ".." in file or file.startswith("/"):
        raise DataError(
            f"{package}: the table '{name}' must be one file beside it, not {file!r}; download it"
        )
    if not is_there(folder / file):
        raise DataError(
            f"{folder}: is a Camtrap DP package without '{file}' ({name}); put it beside {PACKAGE}"
        )
    table = read_text_table(folder / file)
    lacking = [column for column in NEEDED[name] if column not in table.frame.columns]
    if lacking:
        raise DataError(
            f"{folder / file}: has no column '{lacking[0]}', as Camtrap DP's {name} have; export "
            "the package anew"
        )
    return table


def _matched(
    media: list[Row], observed: list[Row], folder: Path
) -> tuple[list[list[Row]], list[str]]:
    """The observations of each image, and what is to be said of how they were joined.

    Those of the image itself, else those of its event: by its eventID, or by its time.
    """
    of_media: Found = defaultdict(list)
    of_event: Found = defaultdict(list)
    of_place: Found = defaultdict(list)
    for each in observed:
        if each.get("mediaID"):
            of_media[str(each["mediaID"])].append(each)
        else:
            of_event[str(each.get("eventID"))].append(each)
            of_place[str(each["deploymentID"])].append(each)
    by_time = {place: _timed(its) for place, its in of_place.items()}
    matched, from_events = [], 0
    for row in media:
        its = of_media.get(str(row["mediaID"]), [])
        if not its:
            its = of_event.get(str(row["eventID"]), []) if row.get("eventID") else []
            if not its and (find := by_time.get(str(row["deploymentID"]))):
                its = find(row.get("timestamp"))
            from_events += bool(its)
        matched.append(its)
    if not from_events:
        return matched, []
    return matched, [
        f"{folder}: labels of their whole event for {counted(from_events, 'image')} of "
        f"{len(media):,}, so that some may not show what they are labelled"
    ]


def _timed(events: list[Row]) -> Callable[[str | None], list[Row]]:
    """What finds the observations of a deployment whose event holds a time."""
    spans = [(_time(each.get("eventStart")), _time(each.get("eventEnd")), each) for each in events]
    known = sorted(((a, b, each) for a, b, each in spans if a and b), key=lambda span: span[0])
    starts = [start for start, _, _ in known]
    longest = max(((b - a) for a, b, _ in known), default=0.0)

    def find(time: str | None) -> list[Row]:
        at = _time(time)
        if at is None:
            return []
        near = known[bisect_left(starts, at - longest) : bisect_right(starts, at)]
        return [each for _, end, each in near if at <= end]

    return find


def _time(text: str | None) -> float | None:
    """Seconds of an ISO 8601 time; one without a zone counts as UTC."""
    try:
        at = datetime.fromisoformat(text or "")
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _label(observation: Row) -> str | None:
    kind = observation["observationType"]
    return observation.get("scientificName") or (None if kind in NO_LABEL else kind)


def _notes(
    folder: Path,
    media: list[Row],
    observed: list[Row],
    labels: list[list[str]],
    where: list[str | None],
) -> list[str]:
    notes = [
        f"{folder}: a Camtrap DP package; the labels are the observations' scientificName, or "
        "their observationType where there is none"
    ]
    notes += empty_notes(folder, labels, BLANK)
    silent = sum(each["observationType"] in NO_LABEL for each in observed)
    if silent:
        notes.append(
            f"{folder}: no label in {counted(silent, 'observation')}, of type unknown or "
            "unclassified"
        )
    machine = sum(each.get("classificationMethod") == "machine" for each in observed)
    if machine:
        notes.append(
            f"{folder}: labels by a machine and not by a person in "
            f"{counted(machine, 'observation')} of {len(observed):,}, used as the others are"
        )
    private = sum(str(row.get("filePublic")).casefold() == "false" for row in media)
    if private:
        notes.append(
            f"{folder}: not public (filePublic false): {counted(private, 'image')}; pages show "
            "samples of all, so look before you pass one on"
        )
    if not any(where):
        notes.append(f"{folder}: deployments have no locationID, so a location is a deployment")
    return notes
