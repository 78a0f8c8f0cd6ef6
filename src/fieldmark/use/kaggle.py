"""A file as Kaggle takes it: a row for each image of a table, in its order, and its labels."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from fieldmark.data.tables import Named
from fieldmark.errors import Mistake, SettingsError, counted, listed
from fieldmark.files import write_stream
from fieldmark.use.inputs import Found
from fieldmark.use.predictor import Answer, Failure

MARKS = {" ": "spaces", "|": "vertical bars", ";": "semicolons", ",": "commas"}  # between labels


@dataclass(frozen=True)
class Kaggle:
    """header: the columns' names; classes: in the order in which labels are written."""

    header: tuple[str, str]
    classes: tuple[str, ...]
    mark: str = " "

    @property
    def notes(self) -> list[str]:
        """What is to be said of how labels are written."""
        if self.mark == " ":
            return []
        spaced = next(name for name in self.classes if " " in name)
        return [f"labels are divided by {MARKS[self.mark]}, for '{spaced}' holds a space"]

    def write(self, out: Path | IO[str], answers: Iterable[Answer]) -> None:
        """A row each, as they come: an image without an answer or a label has an empty cell.

        A row of the table that names no image has none here. Raises DiskError.
        """
        write_stream(out, lambda stream: self._write(stream, answers))

    def _write(self, stream: IO[str], answers: Iterable[Answer]) -> None:
        place = {name: index for index, name in enumerate(self.classes)}
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.header)
        for answer in answers:
            if not answer.image:
                continue
            labels = () if isinstance(answer, Failure) else answer.labels
            writer.writerow([answer.image, self.mark.join(sorted(labels, key=place.__getitem__))])


def kaggle(found: Found, classes: Sequence[str], *, several: bool) -> Kaggle:
    """How the images of a table are written: its columns' names, where it has them.

    Raises SettingsError where no single table names the images, and where nothing can stand
    between the classes' names.
    """
    if found.columns is None:
        what = "is a row for each row of a table; name one table of images, and nothing else"
        raise SettingsError([Mistake("--format kaggle", what)])
    usual = ("ImageID", "Labels") if several else ("id", "label")
    header = (found.columns.image or usual[0], found.columns.label or usual[1])
    marks = [mark for mark in MARKS if not several or not any(mark in name for name in classes)]
    if not marks:
        what = f"each of {listed(MARKS.values())} stands in some class, so that none can divide"
        raise SettingsError([Mistake("--format kaggle", what.replace("'", ""))])
    return Kaggle(header, tuple(classes), marks[0])


def once(found: Found) -> Found:
    """Each image of a table where it stands first; a row that repeats one is told of."""
    seen: set[str] = set()
    kept = []
    for each in found.images:
        name = each.name if isinstance(each, Named) else ""
        if not name or name not in seen:
            kept.append(each)
        seen.add(name)
    repeats = len(found.images) - len(kept)
    if not repeats:
        return found
    note = f"{counted(repeats, 'row')} of images that stand above already: one row an image"
    return replace(found, images=tuple(kept), notes=(*found.notes, note))
