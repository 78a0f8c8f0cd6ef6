"""Boxes of pictures in place of the pictures: what --crops does to a listing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from fieldmark.data.boxes import Box
from fieldmark.data.file_names import tails_of
from fieldmark.data.formats.megadetector import Boxes, read_boxes
from fieldmark.data.listing import Listing
from fieldmark.errors import DataError, counted, listed


class Finder:
    """Finds the boxes of a picture by its path.

    A name in the file of boxes is a picture's where it is the end of its whole path, or the
    picture's path, as it is known here, is the end of the name; and one name only is so. A name
    that fits several of the pictures that are looked at is none's.
    """

    def __init__(self, boxes: Boxes, above: float | None):
        self.boxes, self.above = boxes, boxes.threshold if above is None else above
        self._by_tail: dict[str, str | None] = {}
        self._of_several: set[str] = set()
        for name in boxes.of:
            for tail in tails_of(name):
                self._by_tail[tail] = None if tail in self._by_tail else name

    def look_at(self, pictures: Iterable[tuple[Path, str]]) -> None:
        """Say which pictures there are, each by its path and as it is known."""
        owners: dict[str, set[str]] = defaultdict(set)
        for path, known in pictures:
            if name := self._name(path, known):
                owners[name].add(path.absolute().as_posix())
        self._of_several = {name for name, its in owners.items() if len(its) > 1}

    def find(self, path: Path, known: str) -> tuple[list[Box], str]:
        """-> the boxes, the surest first, and "", or none and why there is none."""
        name = self._name(path, known)
        if name is None:
            return [], f"is not in {self.boxes.path}; run the detector on it too"
        if name in self._of_several:
            what = f"is one of several pictures that '{name}' in {self.boxes.path} fits"
            return [], f"{what}; run the detector on the folder that holds them all"
        found = self.boxes.of[name]
        if found is None:
            return [], "could not be read by the detector"
        sure = sorted((each for each in found if each[0] >= self.above), key=lambda each: -each[0])
        if not sure:
            return [], f"has no box with a confidence of {self.above:g} or more"
        return [box for _, box in sure], ""

    def confidence(self, known: str, box: Box) -> float:
        """How sure the detector was of a box that was found in a picture."""
        name, place = self._name(Path(known), known), box.fragment()
        its = self.boxes.of.get(name or "") or []
        return max((sure for sure, each in its if each.fragment() == place), default=1.0)

    def _name(self, path: Path, known: str) -> str | None:
        whole = path.absolute().as_posix()
        name = next((tail for tail in tails_of(whole) if tail in self.boxes.of), None)
        return name or (whole if whole in self.boxes.of else self._by_tail.get(known))


def finder_of(crops: str, above: float | None) -> Finder:
    """For the results file that --crops names. above: None takes what the file has as usual."""
    return Finder(read_boxes(Path(crops)), above)


def cropped(listing: Listing, finder: Finder) -> Listing:
    """Each box as an image with the labels and the side of its picture, which is its group where
    there is none: so the boxes of one picture are never on two sides.

    A picture without a box is left out. Raises DataError where no picture has one.
    """
    samples = listing.samples
    if listing.embedded or samples.frame["row"].count():
        raise DataError(
            f"--crops {finder.boxes.path}: is for pictures that are files; name a folder or a table"
        )
    rows, paths, groups = [], [], []
    left_out: dict[str, str] = {}
    finder.look_at((Path(samples.root, path), path) for path in samples.frame["path"])
    for row, (path, group) in enumerate(samples.frame.select("path", "group").iter_rows()):
        boxes, why = finder.find(Path(samples.root, path), path)
        if why:
            left_out[path] = f"{path}: {why}"
        for box in boxes:
            rows.append(row)
            paths.append(path + box.fragment())
            groups.append(group if group is not None else path)
    if not rows:
        first = next(iter(left_out.values()), "there is none")
        raise DataError(
            f"--crops {finder.boxes.path}: has boxes for none of the {len(samples)} pictures "
            f"({first}); name the file of these pictures, or a lower data.crops_above"
        )
    frame = samples.frame[rows].with_columns(
        pl.Series("path", paths, pl.String), pl.Series("group", groups, pl.String)
    )
    return replace(
        listing,
        samples=replace(samples, frame=frame),
        notes=(*listing.notes, *_notes(listing, finder, len(rows), left_out)),
        left_out={**listing.left_out, **left_out},
        kinds={**listing.kinds, **dict.fromkeys(left_out, "no-box")},
    )


def _notes(
    listing: Listing, finder: Finder, number: int, left_out: dict[str, str]
) -> Iterator[str]:
    samples = listing.samples
    used = len(samples) - len(left_out)
    own = samples.frame["group"].count() == 0
    yield from finder.boxes.notes
    yield (
        f"images are the {counted(number, 'box')} of {counted(used, 'picture')} that "
        f"{finder.boxes.path} has with a confidence of {finder.above:g} or more (data.crops_above)"
        + ("; boxes of one picture stay on one side of the split" if own else "")
    )
    kept = set(samples.frame.filter(~pl.col("path").is_in(list(left_out)))["labels"].explode())
    lost = sorted(set(samples.classes) - kept)
    if lost:
        yield f"no picture of {listed(lost, most=5)} has a box, so there is no such class"
    if samples.task.several:
        yield "each box has all labels of its picture, though one animal is in it"
