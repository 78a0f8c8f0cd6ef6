"""What an explanation looks at: images that are named, or those that a run's own page shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from fieldmark import rundir
from fieldmark.captioned import Seen
from fieldmark.data.sources import place_name
from fieldmark.errors import RunError, counted, listed
from fieldmark.heats import Heat, Wanted
from fieldmark.insight.worth import ClassGallery, class_galleries, worth_explaining
from fieldmark.judge.figures import shown_side
from fieldmark.judge.thresholds import in_order
from fieldmark.records import Predictions, Samples
from fieldmark.report.words import SPLIT_WORDS
from fieldmark.reviews.explain_asked import Asked
from fieldmark.rundir import RunDir
from fieldmark.task import TASKS
from fieldmark.use.explained import batches_of, scores_of
from fieldmark.use.opened import Opened
from fieldmark.use.unlike import Check, check_of

BATCH = 16
MOST = 200  # images on a page; the folder has all
Key = tuple[str, int | None, str]
Batches = Iterator[tuple[Seen, list[Wanted]]]


@dataclass(frozen=True)
class Subject:
    """What is looked at. images: how many. batches: of images and the class of each; a list takes
    the reason of each that cannot be read. each: maps of an image, as far as that is known. own:
    what the images are of the run's, in words. order: by class and kind; {}: as they come.
    is_whole: all that the run's own page shows. check: by which images are told that are unlike
    the training ones, whose names `unlike` has as soon as they are looked at."""

    images: int
    batches: Callable[[list[str]], Batches]
    each: int = 1
    own: str = ""
    truths: Mapping[tuple[str, int | None], tuple[str, ...]] = field(default_factory=dict)
    order: Mapping[str, Mapping[str, Sequence[Key]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_whole: bool = False
    check: Check | None = None
    unlike: set[str] = field(default_factory=set)

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

    def unlike_words(self, read: int) -> list[str]:
        """What to say where some of `read` images are unlike the training ones."""
        if self.check is None or not self.unlike:
            return []
        its = "it" if len(self.unlike) == 1 else "them"
        told = self.check.flagged_words(len(self.unlike), read)
        return [f"{told}; where the model looks in {its} says little"]

    def is_ordered(self, heat: Heat) -> bool:
        """Whether the order has a place for this map."""
        return (heat.path, heat.row, heat.label) in self._ordered

    @cached_property
    def _ordered(self) -> set[Key]:
        return {key for kinds in self.order.values() for keys in kinds.values() for key in keys}

    def name_of(self, heat: Heat) -> str:
        """What the image is called on the page: its folder and its own name."""
        return place_name("/".join(Path(heat.path).parts[-2:]), heat.row)


def given_subject(opened: Opened, images: Sequence[object], asked: Asked) -> Subject:
    """Images that are named, each for the classes that were asked for, or that it is given.

    Raises WeightsError where what tells images unlike the training ones is damaged.
    """
    found = check_of(opened.info, asked.run)
    check = found if isinstance(found, Check) and found.is_of_enough else None
    unlike: set[str] = set()

    def batches(failures: list[str]) -> Batches:
        for read in opened.batches(images, BATCH):  # type: ignore[arg-type]
            failures += [each.seen for each in read if isinstance(each.seen, str)]
            there = [each.name for each in read if not isinstance(each.seen, str)]
            for seen in opened.together(read):
                scores, flags = looked_at(opened, seen, check)
                unlike.update(np.array(there)[flags].tolist())
                chosen = [asked.labels] * len(seen) if asked.labels else classes_of(opened, scores)
                pairs = [(row, label) for row, its in enumerate(chosen) for label in its]
                for start in range(0, len(pairs), BATCH):
                    part = pairs[start : start + BATCH]
                    wanted = [Wanted(there[row], None, label) for row, label in part]
                    yield seen[torch.tensor([row for row, _ in part])], wanted

    return Subject(len(images), batches, each=len(asked.labels) or 1, check=check, unlike=unlike)


def looked_at(opened: Opened, seen: Seen, check: Check | None) -> tuple[np.ndarray, np.ndarray]:
    """-> scores (N, C) of images, and whether each is unlike the training ones (N,)."""
    if check is None:
        return scores_of(opened, [seen]), np.zeros(len(seen), bool)
    logits, far = opened.look([seen], check.far)
    scores = TASKS[opened.info.task].scores(logits, opened.info.temperature)
    return scores, check.flags(scores, far)


def classes_of(opened: Opened, scores: np.ndarray) -> list[list[str]]:
    """The classes that each row of scores (N, C) is explained for: the top one; of several labels
    those that reach their thresholds, or where none does the likeliest."""
    info, first = opened.info, scores.argmax(axis=1)
    task = TASKS[info.task]
    if not task.several:
        return [[info.classes[index]] for index in first]
    given = task.decide(scores, in_order(info.thresholds, info.classes))
    return [
        [name for name, there in zip(info.classes, row, strict=True) if there]
        or [info.classes[index]]
        for row, index in zip(given, first, strict=True)
    ]


def own_subject(run: RunDir, opened: Opened, asked: Asked) -> Subject:
    """Images of the test, or else of validation: by class, and all that the run's page shows.

    With --class those of these classes alone. Raises RunError where a bundle has no images of its
    own.
    """
    if not run.predictions.is_file() or not run.samples.is_file():
        raise RunError(
            f"{asked.run}: has no images of its own; "
            f"name some: fieldmark explain {asked.run} IMAGES"
        )
    rundir.open_run(asked.run)
    predictions, samples = Predictions.read(run.predictions), Samples.read(run.samples)
    side = shown_side(asked.run, predictions, "nothing can be explained")
    shown, info = predictions.of_split(side), opened.info
    at = {
        "temperature": info.temperature,
        "thresholds": in_order(info.thresholds, info.classes),
    }
    galleries = class_galleries(shown, labels=asked.labels, **at)  # type: ignore[arg-type]
    order = {each.label: _keys(each) for each in galleries}
    wanted = {key: Wanted(*key) for its in order.values() for keys in its.values() for key in keys}
    if not asked.labels:
        own = worth_explaining(shown, **at)  # type: ignore[arg-type]
        wanted |= {(each.path, each.row, each.label): each for each in own}
    if not wanted:
        raise RunError(
            f"--class: none of the run's own images was taken for {listed(asked.labels)}; name "
            f"images: fieldmark explain {asked.run} IMAGES"
        )
    return Subject(
        images=len({(path, row) for path, row, _ in wanted}),
        batches=partial(batches_of, samples, list(wanted.values()), opened, BATCH),
        own=SPLIT_WORDS[side],
        truths=_truths(shown),
        order=order,
        notes=_notes(galleries, info.classes, asked),
        is_whole=not asked.labels and asked.way.masks > 0,  # a report has no map that nobody judged
    )


def _keys(gallery: ClassGallery) -> dict[str, list[Key]]:
    return {
        kind: [(each.path, each.row, gallery.label) for each in shown]
        for kind, shown in gallery.kinds.items()
    }


def _truths(shown: Predictions) -> dict[tuple[str, int | None], tuple[str, ...]]:
    rows = shown.frame.select("path", "row", "truth").iter_rows()
    return {(path, row): tuple(truth or ()) for path, row, truth in rows}


def _notes(
    galleries: list[ClassGallery], classes: tuple[str, ...], asked: Asked
) -> tuple[str, ...]:
    if asked.labels or len(galleries) == len(classes):
        return ()
    return (
        f"of {len(classes)} classes {len(galleries)} are shown, those that some image was taken "
        "for, or with the most mistakes; --class NAME shows another",
    )
