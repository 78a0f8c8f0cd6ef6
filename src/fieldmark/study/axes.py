"""What a grid goes over: `--over KEY=V1,V2,...` as axes, and the cells that they make."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from fieldmark.errors import Mistake, SettingsError, counted, listed, refuse
from fieldmark.settings.layers import Resolved, setting_of
from fieldmark.settings.options import OPTIONS
from fieldmark.study.planned import PLACE, in_words

MOST = 1000  # cells
OPTIMIZER, RATE, SCHEDULE = "optimizer.name", "optimizer.lr", "schedule.name"
SHORT = {key: option for option, key in OPTIONS.items()}
CHOICE = ".name"  # ends the key of what is chosen from a catalog
T = TypeVar("T")
OPENING, CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Value:
    """A place on an axis. text: as it was typed. label: for people. settings: by dotted name."""

    text: str
    label: str
    settings: Mapping[str, str]


Values = tuple[Value, ...]  # one of each axis


@dataclass(frozen=True)
class Axis:
    """A setting and its values. name: the short one where there is one. typed: KEY=V1,V2,..."""

    name: str
    key: str
    typed: str
    values: Values


@dataclass(frozen=True)
class Cell:
    """One combination. about: label of its value by name of the axis."""

    about: dict[str, str]
    values: Values
    resolved: Resolved


def axes_of(typed: Sequence[str]) -> list[Axis]:
    """The axes in the order in which they were typed. Raises SettingsError with every mistake."""
    axes, mistakes = [], list[Mistake]()
    for text in typed:
        key, equals, values = text.partition("=")
        if not (key and equals):
            mistakes.append(Mistake(f"--over {text}", "is not KEY=V1,V2; write model=a,b"))
            continue
        found = _axis(key, text, divided(values))
        axes.append(found)
        mistakes += [Mistake(f"--over {text}", what) for what in _against(found)]
    mistakes += _against_all(axes)
    refuse(mistakes)
    return axes


def divided(text: str) -> list[str]:
    """A text in parts at its commas, but for those inside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in OPENING) - (letter in CLOSING)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _axis(key: str, typed: str, texts: Sequence[str]) -> Axis:
    full = setting_of(key)
    has_schedule = full == OPTIMIZER and any(text.count(":") == 2 for text in texts)
    names = [Path(text).stem if Path(text).is_file() else text for text in texts]
    labels = names if len(set(names)) == len(set(texts)) else texts
    values = tuple(
        Value(text, label, _optimizer(text, has_schedule) if full == OPTIMIZER else {full: text})
        for text, label in zip(texts, labels, strict=True)
    )
    return Axis(SHORT.get(full, full.removesuffix(CHOICE)), full, typed, values)


def _optimizer(text: str, has_schedule: bool) -> dict[str, str]:
    """ "sgd:1e-2:plateau" as settings; where other values name a schedule, one without has none."""
    name, *more = text.split(":")
    settings = {OPTIMIZER: name} | dict(zip((RATE, SCHEDULE), more, strict=False))
    return {SCHEDULE: "none", **settings} if has_schedule else settings


def _against(axis: Axis) -> Iterable[str]:
    """What is wrong with one axis."""
    texts = [value.text for value in axis.values]
    if "" in texts:
        yield "has an empty value; leave the comma or the axis out"
    elif len(texts) == 1:
        yield "has one value; give two or more, or set it without --over"
    twice = dict.fromkeys(text for text in texts if text and texts.count(text) > 1)
    if twice:
        yield f"has {listed(twice)} twice; name each value once"
    for text in texts:
        if axis.key == OPTIMIZER and (text.count(":") > 2 or "" in text.split(":")) and text:
            yield f"'{text}' is not NAME, NAME:RATE or NAME:RATE:SCHEDULE"
    section, _, name = axis.key.partition(".")
    if section == "run" and name in PLACE:
        yield "says where a run is, and not what it is; take another setting"


def _against_all(axes: Sequence[Axis]) -> Iterable[Mistake]:
    """What is wrong with axes beside each other."""
    seen = dict[str, Axis]()
    for axis in axes:
        own = {key for value in axis.values for key in value.settings} | {axis.key}
        for key in sorted(own & seen.keys()):
            what = f"sets {key}, and so does --over {seen[key].typed}; leave one out"
            yield Mistake(f"--over {axis.typed}", what)
            break
        seen |= dict.fromkeys(own, axis)
    number = math.prod(len(axis.values) for axis in axes)
    if number > MOST:
        yield Mistake("--over", f"{number:,} cells are more than {MOST:,}; take fewer values")


def cells_of(
    axes: Sequence[Axis], set_beside: Iterable[str], gather: Callable[[dict[str, str]], Resolved]
) -> list[Cell]:
    """Every combination with its settings, the last axis the fastest.

    set_beside: dotted keys that the user sets for all cells. gather: settings with these values,
    by dotted name, over the others. Raises SettingsError with the mistakes of all cells.
    """
    refuse(_set_twice(axes, set(set_beside)))

    def made(values: Values) -> Cell:
        settings = {key: text for value in values for key, text in value.settings.items()}
        labels = {axis.name: v.label for axis, v in zip(axes, values, strict=True)}
        return Cell(labels, values, gather(settings))

    combinations = list(itertools.product(*(axis.values for axis in axes)))
    cells = of_all(axes, combinations, [partial(made, values) for values in combinations])
    _refuse_equal(cells)
    return cells


def of_all(
    axes: Sequence[Axis], combinations: Sequence[Values], makers: Sequence[Callable[[], T]]
) -> list[T]:
    """What each maker gives. Raises SettingsError with the mistakes of all together.

    One that all share is told as it is, any other under the value or the cell that makes it.
    """
    made, wrong = list[T](), dict[Mistake, list[Values]]()
    for values, make in zip(combinations, makers, strict=True):
        try:
            made.append(make())
        except SettingsError as error:
            for mistake in error.mistakes:
                wrong.setdefault(mistake, []).append(values)
    refuse(_named(mistake, of, axes, combinations) for mistake, of in wrong.items())
    return made


def _set_twice(axes: Sequence[Axis], others: set[str]) -> Iterable[Mistake]:
    for axis in axes:
        own = {key for value in axis.values for key in value.settings}
        for key in sorted(own & others):
            what = f"sets {key}, which is set beside it too; leave one out"
            yield Mistake(f"--over {axis.typed}", what)


def _named(
    mistake: Mistake,
    of: list[Values],
    axes: Sequence[Axis],
    combinations: Sequence[Values],
) -> Mistake:
    """A mistake under the name of the value that makes it, or of the first cell that has it."""
    if len(of) == len(combinations):
        return mistake
    for place, axis in enumerate(axes):
        value = of[0][place]
        if of == [values for values in combinations if values[place] == value]:
            own = mistake.where in value.settings
            what = mistake.what if own else f"{mistake.where}: {mistake.what}"
            return Mistake(f"--over {axis.name}={value.text}", what)
    about = zip(axes, of[0], strict=True)
    cell = ", ".join(f"{axis.name} {value.text}" for axis, value in about)
    more = f" and {counted(len(of) - 1, 'cell')} more" if len(of) > 1 else ""
    return Mistake(f"{cell}{more}: {mistake.where}", mistake.what)


def _refuse_equal(cells: Sequence[Cell]) -> None:
    """Cells that come to the same settings, such as of the rates 0.1 and 1e-1."""
    seen = dict[str, Cell]()
    for cell in cells:
        key = cell.resolved.settings.model_dump_json()
        if key in seen:
            first, second = (in_words(each.about) for each in (seen[key], cell))
            what = f"'{first}' and '{second}' are the same settings; leave one out"
            raise SettingsError([Mistake("--over", what)])
        seen[key] = cell


def short_label(about: Mapping[str, str]) -> str:
    """{"model": "resnet18", "image_size": "96"} -> "resnet18, image size 96"."""
    return ", ".join(_in_words(name, value) for name, value in about.items())


def _in_words(name: str, value: str) -> str:
    """What is chosen from a catalog, and a file of weights, says by itself what it is."""
    key = OPTIONS.get(name, name if "." in name else f"{name}{CHOICE}")
    is_plain = key.endswith(CHOICE) or key == "model.weights"
    return value if is_plain else f"{axis_words(name)} {value}"


def axis_words(name: str) -> str:
    """What an axis is called where people read: "image_size" -> "image size"."""
    return name.rpartition(".")[2].replace("_", " ")
