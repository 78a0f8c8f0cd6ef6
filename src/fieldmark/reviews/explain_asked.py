"""What is asked of an explanation, and what stands against it before any work."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from fieldmark.attribution.methods import METHODS
from fieldmark.captioned import Captioned, Seen
from fieldmark.data.sources import place_name
from fieldmark.errors import Mistake, counted, refuse
from fieldmark.heats import Heat, Wanted
from fieldmark.judge.thresholds import in_order
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.reviews.explain_inside import Wish
from fieldmark.task import TASKS
from fieldmark.use.asked import class_mistakes, refuse_several
from fieldmark.use.explained import Way, scores_of
from fieldmark.use.info import info_of
from fieldmark.use.opened import Opened, together

BATCH = 16
MOST = 200  # images on a page; the folder has all
NO_LAYER = ("occlusion", "integrated-gradients")  # methods that look at the pixels
Key = tuple[str, int | None, str]
Batches = Iterator[tuple[Seen, list[Wanted]]]


@dataclass(frozen=True)
class Asked:
    """What the user asked for. inputs: images, folders, tables; none: the run's own pictures.
    labels: the classes that are explained; none: what the model says. inside: what else is shown of
    the network. out: a new folder."""

    run: str
    inputs: tuple[str, ...] = ()
    images: str | None = None
    column: str | None = None
    labels: tuple[str, ...] = ()
    way: Way = field(default_factory=Way)
    inside: Wish = field(default_factory=Wish)
    out: Path | None = None
    device: str = "auto"
    command: str = ""


@dataclass(frozen=True)
class Subject:
    """What is looked at. images: how many. batches: of images and the class of each; a list takes
    the reason of each that cannot be read. each: maps of an image, as far as that is known. own:
    what the images are of the run's, in words. order: by class and kind; {}: as they come.
    is_whole: all that the run's own page shows."""

    images: int
    batches: Callable[[list[str]], Batches]
    each: int = 1
    own: str = ""
    truths: Mapping[tuple[str, int | None], tuple[str, ...]] = field(default_factory=dict)
    order: Mapping[str, Mapping[str, Sequence[Key]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_whole: bool = False

    @property
    def shown(self) -> int:
        """How many pictures the page has, at the most."""
        ordered = sum(len(keys) for kinds in self.order.values() for keys in kinds.values())
        return ordered or min(MOST, self.each * self.images)

    def source_of(self, read: int) -> str:
        """What was looked at, in words, where so many of the images could be read."""
        if self.own:
            return f"{read} of its own {self.own} images"
        every = counted(self.images, "image")
        return every if read == self.images else f"{read} of {every}"

    def is_ordered(self, heat: Heat) -> bool:
        """Whether the order has a place for this map."""
        return (heat.path, heat.row, heat.label) in self._ordered

    @cached_property
    def _ordered(self) -> set[Key]:
        return {key for kinds in self.order.values() for keys in kinds.values() for key in keys}

    def truth_of(self, heat: Heat) -> tuple[str, ...] | None:
        """The image's labels, None where they are not known."""
        return self.truths.get((heat.path, heat.row))

    def name_of(self, heat: Heat) -> str:
        """What the image is called on the page: its folder and its own name."""
        return place_name("/".join(Path(heat.path).parts[-2:]), heat.row)


def refuse_before_work(asked: Asked) -> tuple[BundleInfo, tuple[str, ...]]:
    """What the bundle is for, and what to look at. Raises RunError, SettingsError."""
    refuse_several(asked.run)
    info = info_of(asked.run)
    refuse([*class_mistakes(asked.labels, info), *_method(asked), *_out(asked)])
    return info, asked.inputs


def _method(asked: Asked) -> Iterator[Mistake]:
    _, mistakes = METHODS.read(asked.way.method, {})
    yield from (Mistake("--method", each.what) for each in mistakes)
    if asked.way.layer is not None and asked.way.method in NO_LAYER:
        yield Mistake("--layer", f"'{asked.way.method}' looks at no layer; leave it out")


def _out(asked: Asked) -> Iterator[Mistake]:
    if asked.out is None:
        return
    if asked.out.exists() and not asked.out.is_dir():
        yield Mistake(f"--out {asked.out}", "is a file; name a folder")
    elif asked.out.is_dir() and any(asked.out.iterdir()):
        yield Mistake(f"--out {asked.out}", "holds files already, which stay; name a new folder")


def shown_classes(info: BundleInfo, scores: np.ndarray) -> list[list[str]]:
    """The classes that each row of scores (N, C) is explained for."""
    task, first = TASKS[info.task], scores.argmax(axis=1)
    if not task.several:
        return [[info.classes[index]] for index in first]
    given = task.decide(scores, in_order(info.thresholds, info.classes))
    return [
        [name for name, there in zip(info.classes, row, strict=True) if there]
        or [info.classes[index]]
        for row, index in zip(given, first, strict=True)
    ]


def given_subject(opened: Opened, images: Sequence[object], asked: Asked) -> Subject:
    """Images that are named, each for the classes that were asked for, or that it is given."""

    def batches(failures: list[str]) -> Iterator[tuple[Seen, list[Wanted]]]:
        for read in opened.batches(images, BATCH):  # type: ignore[arg-type]
            failures += [each.seen for each in read if isinstance(each.seen, str)]
            there = [each for each in read if not isinstance(each.seen, str)]
            for seen in together(there, opened.info.spec.words):
                chosen = classes_of(opened, seen, asked)
                rows = [row for row, its in enumerate(chosen) for _ in its]
                labels = [label for its in chosen for label in its]
                for start in range(0, len(rows), BATCH):
                    part = slice(start, start + BATCH)
                    yield (
                        rows_of(seen, rows[part]),
                        [
                            Wanted(there[row].name, None, label)
                            for row, label in zip(rows[part], labels[part], strict=True)
                        ],
                    )

    return Subject(len(images), batches, each=len(asked.labels) or 1)


def classes_of(opened: Opened, images: Seen, asked: Asked) -> list[list[str]]:
    """The classes that each image is explained for: the top one; of several labels those that
    reach their thresholds, or where none does the likeliest."""
    if asked.labels:
        return [list(asked.labels)] * len(images)
    return shown_classes(opened.info, scores_of(opened, [images]))


def rows_of(images: Seen, rows: Sequence[int]) -> Seen:
    """These images, some maybe more than once."""
    places = torch.tensor(rows)
    if isinstance(images, Captioned):
        return Captioned(images.images[places], images.words[places])
    return images[places]
