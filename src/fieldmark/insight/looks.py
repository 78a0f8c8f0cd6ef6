"""Heat maps for a page: each over what the network saw, drawn once; and of a class, their mean."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fieldmark.data.images import centre_crop
from fieldmark.data.sources import read_pixels
from fieldmark.errors import DataError
from fieldmark.heats import Heat, Heats
from fieldmark.insight.album import Place, encoded
from fieldmark.insight.overlays import alone, overlay
from fieldmark.judge.places import Part, mean_map, suspects
from fieldmark.records import InputSpec, Samples

SIDE = 160  # pixels of an overlay beside a picture of a gallery


@dataclass(frozen=True)
class Look:
    """A heat map and its overlay, encoded, of the type `mime`; b"" where none is drawn."""

    heat: Heat
    content: bytes = b""
    mime: str = ""


@dataclass
class Looks:
    """The overlays of maps of images of a table, as they are asked for; each is drawn once."""

    samples: Samples
    spec: InputSpec
    heats: Heats
    drawn: dict[tuple[Place, str], Look] = field(default_factory=dict)

    def of(self, path: str, row: int | None, label: str) -> Look | None:
        """The look at an image for a class; None where there is no map, or no image any more."""
        heat = self.heats.of(path, row, label)
        if heat is None:
            return None
        key = ((path, row), label)
        if key not in self.drawn:
            try:
                self.drawn[key] = self._look(heat)
            except DataError:  # the album tells of it
                return None
        return self.drawn[key]

    def _look(self, heat: Heat) -> Look:
        if heat.cells is None or not heat.is_drawn:
            return Look(heat)
        form = self.spec.evaluated_form
        pixels = read_pixels(self.samples.root, heat.path, heat.row, form)
        return Look(heat, *encoded(overlay(centre_crop(pixels, self.spec.size), heat.cells), SIDE))


@dataclass(frozen=True)
class ClassLook:
    """Where the network looks for a class: the mean of its maps, and what is suspicious there.

    is_checked: whether each of the maps was held against random parts.
    """

    label: str
    images: int
    is_checked: bool
    suspects: tuple[Part, ...]
    content: bytes
    mime: str


def class_looks(heats: Sequence[Heat], classes: Sequence[str]) -> list[ClassLook]:
    """The mean of each class's maps that may be drawn, those with suspects first."""
    found = []
    for label in classes:
        its = [each for each in heats if each.label == label and each.is_drawn]
        if not its:
            continue
        stack = np.stack([each.cells for each in its])  # type: ignore[misc]  # what is drawn has cells
        is_checked = all(each.standing == "true" for each in its)
        mean = (255 * mean_map(stack)).round().astype(np.uint8)
        parts = tuple(suspects(stack))
        found.append(ClassLook(label, len(its), is_checked, parts, *encoded(alone(mean))))
    return sorted(found, key=lambda look: not look.suspects)
