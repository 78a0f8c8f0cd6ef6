"""Where a trained model looks: the story of `fieldmark explain`, from images to maps and a page."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from fieldmark import rundir
from fieldmark.attribution.trust import Trust
from fieldmark.captioned import Seen, pixels_of
from fieldmark.console import Console
from fieldmark.errors import WorkError, counted, writing
from fieldmark.files import write_whole
from fieldmark.heats import Heat, Heats, Way
from fieldmark.insight.label_names import kept_names
from fieldmark.insight.overlays import overlay
from fieldmark.machine import machine, versions
from fieldmark.metrics_json import About
from fieldmark.report.feature_parts import feature_panels
from fieldmark.report.page import report
from fieldmark.reviews.explain_asked import Asked
from fieldmark.reviews.explain_images import MOST, Subject, given_subject, own_subject
from fieldmark.reviews.explain_inside import Insides, begin, proof_of, refuse_inside
from fieldmark.reviews.explained import (
    PICTURES,
    TABLE,
    Card,
    Explained,
    Group,
    card_of,
    picture_name,
    side_for,
    tell,
    write_page,
    write_table,
)
from fieldmark.rundir import RunDir
from fieldmark.stopping import undoing
from fieldmark.task import TASKS
from fieldmark.use.explained import concrete, explained
from fieldmark.use.info import info_of
from fieldmark.use.inputs import find_images, told_of
from fieldmark.use.opened import Opened, open_bundle

CURVES = 32  # images that the curves are the mean of, or a few more
TOLD = 10  # images that could not be read, each with its reason
PROVED = 16  # images that the network with drawn weights looks at


@dataclass
class Maps:
    """What was made so far. kept: of some images what the network saw, for the last proof. places:
    the images that were looked at. every: of maps in no order each so manyth is on the page.
    """

    side: int
    insides: Insides
    cards: dict[tuple[str, int | None, str], Card] = field(default_factory=dict)
    heats: list[Heat] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    trusts: list[Trust] = field(default_factory=list)
    kept: list[tuple[Seen, Heat]] = field(default_factory=list)
    places: set[tuple[str, int | None]] = field(default_factory=set)
    every: int = 1
    failures: list[str] = field(default_factory=list)
    folder: Path = Path()


def explain(asked: Asked, console: Console) -> int:
    """Write the maps of images, a table and a page. -> exit code: 1 where an image was not read

    Without images those of the run's own page, whose maps are made anew in the run's folder, too.
    asked: what `refuse_before_work` has nothing against. Raises any UserError, and WorkError where
    no image could be read; then there is no folder.
    """
    begun = time.monotonic()
    info, inputs = info_of(asked.run), asked.inputs
    found = find_images(inputs, images=asked.images, column=asked.column) if inputs else None
    said = [*found.notes, *told_of(found.images, info, asked.run)] if found else []
    run = RunDir(Path(asked.run))
    opened = open_bundle(asked.run, asked.device)
    refuse_inside(opened, asked)
    asked = replace(asked, way=concrete(asked.way, opened))
    subject = (
        given_subject(opened, found.images, asked) if found else own_subject(run, opened, asked)
    )
    maps = Maps(side_for(subject.shown), begin(opened, asked.inside, len(subject.order) or 1))
    with whole_or_none(maps):
        make(maps, subject, opened, asked, console)
        read = len(maps.places)
        source, way = subject.source_of(read), asked.way
        result = Explained(
            title=run.name,
            source=source,
            classes=info.classes,
            spec=info.spec,
            groups=groups_of(maps, subject, several=TASKS[info.task].several),
            heats=Heats(tuple(maps.heats), way.method, way.layer or "", info.weights_sha256),
            proof=proof_of(maps.trusts, maps.kept, opened, way, console),
            folder=maps.folder,
            about=about(opened, asked, time.monotonic() - begun),
            command=asked.command,
            notes=(*said, *subject.notes, *subject.unlike_words(read), *first_of(maps.failures)),
            facts={"Model": info.model, "Images": source},
            names=kept_names(run.label_names, info.classes),
            inside=feature_panels([*maps.insides.images.values()], maps.insides.filters),
        )
        unlike = None if subject.check is None else subject.unlike
        write_table(maps.heats, maps.pictures, maps.folder / TABLE, unlike)
        write_page(result)
    if subject.is_whole:
        result.heats.write(run.heat)
        report(run)
    tell(result, console)
    return 1 if maps.failures else 0


def first_of(failures: Sequence[str]) -> list[str]:
    """What is said of images that could not be read: the first reasons, and how many more."""
    more = len(failures) - TOLD
    rest = [f"{counted(more, 'more image')} could not be read"] if more > 0 else []
    return [*failures[:TOLD], *rest]


@contextmanager
def whole_or_none(maps: Maps) -> Iterator[None]:
    """Where the work inside fails, or a signal ends it, the folder is taken away."""

    def away() -> None:
        if maps.folder != Path():
            rundir.remove(RunDir(maps.folder))

    with undoing(away):
        try:
            yield
        except BaseException:
            away()
            raise


def make(maps: Maps, subject: Subject, opened: Opened, asked: Asked, console: Console) -> None:
    """Every map, and its picture. Raises WorkError where no image could be read."""
    with console.bar("explaining", subject.images) as bar:
        for images, wanted in subject.batches(maps.failures):
            heats, trusts = explained(opened, images, wanted, way_for(maps, asked.way))
            maps.trusts += [each for each in trusts if each is not None and len(each.deletion) > 2]
            if not maps.heats:  # what stands against the maps has been told by now
                maps.folder = out_folder(asked)
            before = len(maps.places)
            take(maps, opened, images, heats, subject)
            maps.insides.take(opened, images, wanted)
            bar.advance(len(maps.places) - before)
    if not maps.heats:
        moved = f"; put them back, or name some: fieldmark explain {asked.run} IMAGES"
        raise WorkError(f"no image could be read; {maps.failures[0]}{moved if subject.own else ''}")


def take(maps: Maps, opened: Opened, images: Seen, heats: Sequence[Heat], subject: Subject) -> None:
    """Keep a batch's pictures, the table's rows and the page's cards."""
    for place, (each, pixels) in enumerate(zip(heats, pixels_of(images), strict=True)):
        seen = pixels.permute(1, 2, 0).cpu().numpy()
        name = write_map(maps.folder, len(maps.heats), each, seen)
        number = len(maps.heats)
        maps.heats.append(each)
        maps.places.add((each.path, each.row))
        maps.pictures.append(name)
        if each.cells is not None and len(maps.kept) < PROVED:
            maps.kept.append((images[place : place + 1], each))
        if subject.is_ordered(each) if subject.order else number % maps.every == 0:
            least = (opened.info.thresholds or {}).get(each.label, 0.5)
            maps.cards[each.path, each.row, each.label] = card_of(
                *(each, subject.name_of(each), seen, maps.side),
                truth=subject.truths.get((each.path, each.row)),
                least=least * TASKS[opened.info.task].several,
                picture=name,
                is_unlike=each.path in subject.unlike,
            )
    if not subject.order and len(maps.cards) > MOST:
        thin(maps)


def thin(maps: Maps) -> None:
    """Every other card goes, and from here on every other one that would have come."""
    maps.cards = dict(list(maps.cards.items())[::2])
    maps.every *= 2


def way_for(maps: Maps, way: Way) -> Way:
    """How a batch's maps are made: without curves where those of enough images are known."""
    return way if len(maps.trusts) < CURVES else replace(way, steps=1)


def write_map(folder: Path, number: int, heat: Heat, pixels: np.ndarray) -> str:
    """The overlay as a picture file. -> its name; "" where no map is drawn"""
    if not heat.is_drawn or heat.cells is None:
        return ""
    from PIL import Image

    name = picture_name(number + 1, heat)
    drawn = Image.fromarray(overlay(pixels, heat.cells))
    write_whole(folder / PICTURES / name, lambda draft: drawn.save(draft, "PNG"))
    return name


def groups_of(maps: Maps, subject: Subject, *, several: bool) -> list[Group]:
    """The page's cards as the subject orders them, else by class in order of appearance, or, of
    several labels an image, by picture."""
    if subject.order:
        found = []
        for label, kinds in subject.order.items():
            known = {
                kind: [maps.cards[key] for key in keys if key in maps.cards]
                for kind, keys in kinds.items()
            }
            if any(known.values()):
                found.append(Group(label, known))
        return found
    together: dict[tuple[str, int | None] | str, list[Card]] = {}
    for (path, row, label), card in maps.cards.items():
        together.setdefault((path, row) if several else label, []).append(card)
    return [
        Group("" if several else cards[0].heat.label, {"": cards}) for cards in together.values()
    ]


def out_folder(asked: Asked) -> Path:
    """The folder for maps, table and page, made. Raises DiskError."""
    folder = asked.out
    if folder is None:
        stem = Path(asked.inputs[0]).resolve().stem if asked.inputs else "own"
        folder = rundir.create(str(RunDir(Path(asked.run)).explanations), None, stem).path
    with writing(folder):
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    return folder


def about(opened: Opened, asked: Asked, seconds: float) -> About:
    """How the maps came about."""
    return About(
        finished=datetime.now().astimezone().isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        command=asked.command,
        versions=versions(),
        machine=machine(opened.device),
    )
