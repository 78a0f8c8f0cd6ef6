"""The page of `fieldmark suspects`: labels to look at again, marked and saved as a file.

It is one file without a network. What is marked is kept by the browser, and saved as the CSV that
`train --corrections` takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldmark.data.sources import place_name
from fieldmark.errors import counted
from fieldmark.insight.album import Placed
from fieldmark.insight.label_names import ShownNames
from fieldmark.insight.nearness import Maps
from fieldmark.insight.suspects import Found, Suspect
from fieldmark.report.skeleton import render_page
from fieldmark.report.words import images

STEPS = 2000  # places along a side of the map


@dataclass(frozen=True)
class Pictured(Placed):
    """An image that something is said of, with its labels and its side."""

    labels: tuple[str, ...]
    split: str
    content: bytes
    mime: str


@dataclass(frozen=True)
class Twins:
    """Two images that are nearly the same. far: their distance, 0 to 2."""

    one: Pictured
    other: Pictured
    far: float


@dataclass(frozen=True)
class Mapped:
    """All images on a plane. places: of each, in order. labels: of each, those that it has.

    suspects: of those that are one, what is said of it, by its place. thumbs: an address of a
    small picture, of suspects and a sample, by place. strange: the places of those unlike others.
    """

    maps: Maps
    places: Sequence[tuple[str, int | None]]
    labels: Sequence[Sequence[str]]
    suspects: Mapping[int, str]
    thumbs: Mapping[int, str]
    strange: Sequence[int]


@dataclass(frozen=True)
class SuspectsPage:
    """Everything that the page says.

    key: what the browser keeps marks under. again: the command that trains with what was marked.
    before: lines of corrections that were made already, which the saved file has too. pairs,
    strange: of pairs under other labels or on two sides, and of pictures unlike all others; those
    that are shown. more: of each kind, what to say of those that are not.
    """

    title: str
    key: str
    source: str
    again: str
    before: Sequence[tuple[str, str, str, str]]
    classes: Sequence[str]
    found: Found
    suspects: Sequence[tuple[Suspect, bytes, str]]
    pairs: Sequence[Twins]
    strange: Sequence[Pictured]
    more: Mapping[str, str]
    mapped: Mapped | None
    names: ShownNames
    notes: Sequence[str]
    command: str
    about: Mapping[str, str]
    table: str  # the file beside the page


def render(page: SuspectsPage) -> str:
    """The whole HTML text. The same page gives the same text; it is safe to write as UTF-8."""
    values = {
        "page": page,
        "title": page.title,
        "notes": page.notes,
        "headline": headline(page.found),
        "of_test": sum(each.split == "test" for each in page.found.suspects),
        "shown": page.names.shown,
        "named": lambda suspect: suspect.named(page.names),
        "review": review_data(page),
        "words": {"pair": pair_words},
    }
    return render_page(
        "suspects.html",
        values,
        sheets=("suspects.css",),
        scripts=("csv.js", "suspects.js", "map.js"),
    )


def headline(found: Found) -> tuple[str, str]:
    """What was found, and of how many."""
    number = len(found.suspects)
    if not number:
        return "No label is doubtful", f"of {images(found.judged)} that were judged"
    sure = f"{found.sure:,} of them clearly, " if found.sure and found.sure < number else ""
    labels = "label is" if number == 1 else "labels are"
    return f"{number:,} {labels} worth a look", f"{sure}of {images(found.judged)} that were judged"


def pair_words(twins: Twins) -> str:
    """Why a pair is shown."""
    one, other = twins.one, twins.other
    reasons = []
    if set(one.labels) != set(other.labels):
        reasons.append("labelled otherwise")
    if one.split != other.split:
        reasons.append(f"in {_sides(one.split)} and in {_sides(other.split)}")
    return " and ".join(reasons)


def _sides(split: str) -> str:
    return {"train": "training", "val": "validation", "test": "the test"}.get(split, split)


def review_data(page: SuspectsPage) -> dict[str, Any]:
    """What the page's script works on, as plain values."""
    values: dict[str, Any] = {
        "key": page.key,
        "several": page.found.several,
        "before": [list(line) for line in page.before],
        "classes": [[name, page.names.shown(name)] for name in page.classes],
    }
    if page.mapped is not None:
        values["map"] = map_data(page.mapped, page.classes)
    return values


def map_data(mapped: Mapped, classes: Sequence[str]) -> dict[str, Any]:
    """The map as lists: places in steps of 1/STEPS, the class of each (-1 without a label)."""
    number = {name: at for at, name in enumerate(classes)}
    own = [
        min((number[name] for name in its if name in number), default=-1) for its in mapped.labels
    ]
    made = {"principal": mapped.maps.principal, "near": mapped.maps.near}
    places = {name: _steps(each) for name, each in made.items() if each is not None}
    labels = [[number[name] for name in its if name in number] for its in mapped.labels]
    several = any(len(its) > 1 for its in labels)
    return {
        "places": places,
        "classes": own,
        "labels": labels if several else None,
        "names": [place_name(*place) for place in mapped.places],
        "said": {str(at): words for at, words in mapped.suspects.items()},
        "thumbs": {str(at): address for at, address in mapped.thumbs.items()},
        "strange": list(mapped.strange),
    }


def _steps(places: np.ndarray) -> list[list[int]]:
    return [column.tolist() for column in np.rint(places * STEPS).astype(int).T]


def limits(shown: int, there: int, noun: str, table: str) -> str:
    """What to say where not all are shown; "" where all are."""
    if shown >= there:
        return ""
    return f"The first {shown} of {counted(there, noun)} are shown; {table} has all."
