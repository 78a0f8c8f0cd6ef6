"""The pictures of the page of `fieldmark suspects`: of pairs, of strange ones, and on the map."""

from collections.abc import Sequence

import numpy as np

from fieldmark.insight.album import Album, Placed
from fieldmark.insight.label_names import ShownNames
from fieldmark.insight.suspects import Suspect
from fieldmark.records import Samples
from fieldmark.report.suspects_page import Mapped, Pictured, Twins
from fieldmark.report.thumbs import data_address
from fieldmark.reviews.alike import Alike

PAIRS, STRANGE = 24, 12  # with a large picture on the page
THUMBS = 300  # small pictures of suspects on the map, and as many of a sample
TINY = 72  # pixels of the shorter side of a small one


def twins_of(near: Alike, album: Album) -> list[Twins]:
    """The first pairs whose pictures can both be read."""
    found = []
    for one, other, far in near.pairs[:PAIRS]:
        both = _pictured(near, (one, other), album)
        if len(both) == 2:
            found.append(Twins(both[0], both[1], far))
    return found


def strange_of(near: Alike, album: Album) -> list[Pictured]:
    """The strangest pictures."""
    return _pictured(near, [at for at, _ in near.strange[:STRANGE]], album)


def _pictured(near: Alike, places: Sequence[int], album: Album) -> list[Pictured]:
    frame = near.samples.frame.select("path", "row", "labels", "split")
    found = []
    for path, row, labels, split in map(frame.row, places):
        for _, content, mime in album.pictures([Placed(path, row)]):
            found.append(Pictured(path, row, tuple(labels or ()), split or "", content, mime))
    return found


def mapped_of(near: Alike, suspects: Sequence[Suspect], names: ShownNames) -> tuple[Mapped, int]:
    """The map with its small pictures: of the suspects that are shown, and a sample of all.

    -> that, and how many of these there are
    """
    places = near.samples.places()
    at = {place: number for number, place in enumerate(places)}
    said_of: dict[int, str] = {}
    for each in suspects:
        if (number := at.get((each.path, each.row))) is not None:
            said_of[number] = "; ".join(
                filter(None, [said_of.get(number), each.named(names).words])
            )
    wanted = dict.fromkeys([*list(said_of)[:THUMBS], *(place for place, _ in near.strange)])
    sample = np.linspace(0, len(places) - 1, min(THUMBS, len(places))).round().astype(int)
    wanted |= dict.fromkeys(sample.tolist())
    thumbs = _thumbs(near.samples, places, [*wanted])
    return Mapped(
        near.maps,
        places,
        [tuple(labels or ()) for labels in near.samples.frame["labels"].to_list()],
        said_of,
        thumbs,
        [place for place, _ in near.strange],
    ), len(thumbs)


def _thumbs(
    samples: Samples, places: Sequence[tuple[str, int | None]], wanted: Sequence[int]
) -> dict[int, str]:
    album = Album(samples, TINY)
    found = {}
    for number in wanted:
        for _, content, mime in album.pictures([Placed(*places[number])]):
            found[number] = data_address(content, mime)
    return found
