"""What an explanation found: maps as picture files, a table, and a page. No torch, no model."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fieldmark.console import Console
from fieldmark.errors import counted
from fieldmark.files import write_text, write_whole
from fieldmark.heats import Heat, Heats
from fieldmark.insight.album import encoded
from fieldmark.insight.label_names import ShownNames
from fieldmark.insight.looks import ClassLook, class_looks
from fieldmark.insight.overlays import overlay
from fieldmark.metrics_json import About
from fieldmark.records import InputSpec
from fieldmark.report import heat_words as words
from fieldmark.report.feature_parts import NOTHING, Panels
from fieldmark.report.heat_charts import Proof, proof_charts, proof_words
from fieldmark.report.named import named_heats
from fieldmark.report.skeleton import about_texts, about_words, render_page
from fieldmark.rundir import plain

PAGE, TABLE, PICTURES = "explain.html", "heat.csv", "maps"
SIDES = ((40, 224), (90, 160), (200, 112))  # up to so many images, pixels a side of each
LETTERS = 40  # of a name in a file's name


@dataclass(frozen=True)
class Card:
    """An image on the page, and the map for a class. seen, map: encoded pictures and their types;
    map is None where none is drawn. truth: its labels; None where they are not known. least: the
    score from which the label is given, of several labels an image. is_unlike: whether the image is
    unlike the training ones."""

    name: str
    heat: Heat
    seen: tuple[bytes, str]
    map: tuple[bytes, str] | None
    truth: tuple[str, ...] | None = None
    least: float = 0.0
    picture: str = ""
    is_unlike: bool = False

    @property
    def is_right(self) -> bool | None:
        """Whether the image is of the class; None where that is not known."""
        return None if self.truth is None else self.heat.label in self.truth


@dataclass(frozen=True)
class Group:
    """The cards of a class, by kind; "" where there are no kinds. label: "" where the cards are of
    one picture, each for another class."""

    label: str
    kinds: Mapping[str, Sequence[Card]]


@dataclass(frozen=True)
class Explained:
    """What was found. about: how it came about; source: what was looked at, in words; spec: how it
    became what the network saw."""

    title: str
    source: str
    classes: tuple[str, ...]
    spec: InputSpec
    groups: Sequence[Group]
    heats: Heats
    proof: Proof
    folder: Path
    about: About
    command: str
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    names: ShownNames = field(default_factory=ShownNames)
    inside: Panels = NOTHING

    @property
    def class_looks(self) -> list[ClassLook]:
        """The mean map of each class: of the images drawn for that, else of all."""
        rows = self.heats.rows
        sampled = [each for each in rows if each.sampled]
        return class_looks(sampled or rows, self.classes)


def side_for(images: int) -> int:
    """Pixels a side of the pictures on a page of so many images."""
    return next((side for most, side in SIDES if images <= most), SIDES[-1][1])


def card_of(heat: Heat, name: str, pixels: np.ndarray, side: int, **more: Any) -> Card:
    """pixels: (S, S, 3) uint8, what the network saw. more: what else a card has, by its names."""
    drawn = heat.is_drawn and heat.cells is not None
    its = encoded(overlay(pixels, heat.cells), side) if drawn else None  # type: ignore[arg-type]
    return Card(name, heat, encoded(pixels, side), its, **more)


def picture_name(number: int, heat: Heat) -> str:
    """A file's name for a map: "0007-n504-bald_uakari.png"."""
    row = "" if heat.row is None else f"-{heat.row}"
    image, label = (plain(text)[:LETTERS] for text in (Path(heat.path).stem, heat.label))
    return f"{number:04}-{image}{row}-{label}.png"


def write_table(
    heats: Sequence[Heat], pictures: Sequence[str], path: Path, unlike: Collection[str] | None
) -> None:
    """heat.csv: a row an image and class, with what stands behind its map.

    unlike: the images that are unlike the training ones; None where nothing tells that.
    """
    rows = [
        {
            "image": each.path,
            "row": each.row,
            "class": each.label,
            "score": round(each.score, 6),
            "blurred": _rounded(each.blurred),
            "random_mean": _rounded(float(np.mean(each.random))) if each.random else None,
            "random_least": _rounded(min(each.random)) if each.random else None,
            "random_most": _rounded(max(each.random)) if each.random else None,
            "beats_random": each.beats,
            "map": each.standing,
            "unlike": None if unlike is None else each.path in unlike,
            "picture": picture or None,
        }
        for each, picture in zip(heats, pictures, strict=True)
    ]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    write_whole(path, lambda draft: frame.write_csv(draft))


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _named(found: Explained) -> Explained:
    """The same, of labels that are called by their names; the table has the labels."""
    names = found.names

    def named(card: Card) -> Card:
        truth = None if card.truth is None else tuple(map(names.shown, card.truth))
        heat = replace(card.heat, label=names.shown(card.heat.label))
        return replace(card, heat=heat, truth=truth)

    groups = [
        Group(
            names.shown(group.label),
            {kind: [named(card) for card in cards] for kind, cards in group.kinds.items()},
        )
        for group in found.groups
    ]
    classes = tuple(map(names.shown, found.classes))
    heats = named_heats(found.heats, names)
    return replace(found, classes=classes, groups=groups, heats=heats, names=ShownNames())


def tell(found: Explained, console: Console) -> None:
    """How many maps can be believed, what is suspicious, and where everything lies."""
    found = _named(found)
    for note in (*found.notes, *words.advice(found.heats)):
        console.warn(note)
    console.say(words.told(found.heats.rows))
    if falls := words.fall_words(found.heats.rows):
        console.say(falls)
    if found.proof.drawn:
        console.say(proof_words(found.proof)[-1])
    if found.inside.attention_words:
        console.say(found.inside.attention_words)
    for look in found.class_looks:
        if look.suspects:
            console.warn(words.suspicion(look.label, look.suspects))
    drawn = sum(each.is_drawn for each in found.heats.rows)
    console.say(f"maps    {found.folder / PICTURES}, {counted(drawn, 'picture')}")
    console.say(f"table   {found.folder / TABLE}")
    console.say(f"page    {found.folder / PAGE}")


def write_page(found: Explained) -> None:
    """explain.html, whole or not at all. Raises DiskError."""
    write_text(found.folder / PAGE, render(found))


def render(found: Explained) -> str:
    """The whole HTML text. The same values give the same text; it is safe to write as UTF-8."""
    found = _named(found)
    rows = found.heats.rows
    shown = sum(len(cards) for group in found.groups for cards in group.kinds.values())
    looks = found.class_looks
    values: dict[str, Any] = {
        "title": found.title,
        "headline": headline(rows),
        "source": found.source,
        "seen": words.seen(found.spec),
        "groups": found.groups,
        "left_out": len(rows) - shown,
        "facts": {**found.facts, "Made by": words.made(found.heats)},
        "falls": words.fall_words(rows),
        "looks": looks,
        "suspected": [look for look in looks if look.suspects],
        "charts": proof_charts(found.proof),
        "sayings": proof_words(found.proof),
        "notes": (*found.notes, *words.advice(found.heats)),
        "typed": found.command,
        "about": about_words(about_texts(found.about)),
        "folder": PICTURES,
        "inside": found.inside,
    }
    sheets = ("calibration.css", "heat.css", "features.css")
    return render_page("explain.html", values, sheets=sheets)


def headline(heats: Sequence[Heat]) -> tuple[str, str]:
    """The page's first sentence, what the screen is told, in two parts."""
    if all(each.standing == "unchecked" for each in heats):
        pictures = len({(each.path, each.row) for each in heats})
        return f"Where it looks on {counted(pictures, 'picture')}", ""
    first, also, rest = words.told(heats).partition("; ")
    return first + also.strip(), rest
