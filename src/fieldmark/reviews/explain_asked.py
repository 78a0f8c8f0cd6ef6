"""What is asked of an explanation, and what stands against it before torch is imported."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.attribution.catalog import method_mistakes
from fieldmark.errors import Mistake, refuse
from fieldmark.heats import Way
from fieldmark.insides import NO_ATTENTION
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import BESIDE, is_foreign
from fieldmark.use.asked import class_mistakes, refuse_gone, refuse_several, refuse_swapped
from fieldmark.use.info import info_of
from fieldmark.use.inputs import refuse_missing

STAGES = "stages"  # the word for the network's own stages
LOOKS = "attention_cnn"  # the network here that says where it looks


@dataclass(frozen=True)
class Wish:
    """What is asked for of the network's inside. features: names of layers, or patterns; None: no
    maps, () those of the network's stages. attention: None is where the network has one."""

    features: tuple[str, ...] | None = None
    filters: bool = False
    attention: bool | None = None


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


def refuse_before_work(asked: Asked) -> None:
    """What needs no network. Raises RunError, SettingsError with all mistakes, DataError."""
    refuse_swapped("explain", asked.run, asked.inputs)
    refuse_several(asked.run)
    info = info_of(asked.run)
    classes = class_mistakes(asked.labels, info)
    method = method_mistakes(asked.way.method, asked.way.layer)
    refuse([*classes, *method, *_inside(asked.inside, info), *_out(asked)])
    if asked.inputs:
        refuse_missing(asked.inputs)
    else:
        refuse_gone(asked.run)


def _inside(wish: Wish, info: BundleInfo) -> Iterator[Mistake]:
    """What needs no network to be known; `refuse_inside` knows the rest."""
    networks = info.model.split(BESIDE)
    looks = LOOKS in networks and info.options.get("attention") != "none"
    if wish.attention and not looks and not any(map(is_foreign, networks)):
        yield Mistake("--attention", NO_ATTENTION)
    if "" in (wish.features or ()):
        what = "a comma stands without a layer; name layers, such as conv1,layer*, or 'stages'"
        yield Mistake("--features", what)


def _out(asked: Asked) -> Iterator[Mistake]:
    if asked.out is None:
        return
    if asked.out.exists() and not asked.out.is_dir():
        yield Mistake(f"--out {asked.out}", "is a file; name a folder")
    elif asked.out.is_dir() and any(asked.out.iterdir()):
        yield Mistake(f"--out {asked.out}", "holds files already, which stay; name a new folder")


def layers_of(text: str | None) -> tuple[str, ...] | None:
    """What --features was given: None as it is, () for "stages", else what commas part."""
    if text is None:
        return None
    return () if text == STAGES else tuple(word.strip() for word in text.split(","))
