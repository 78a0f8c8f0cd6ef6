"""What the user types: the words and options that several verbs take, and the line as it was."""

import os
import shlex
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Annotated, Any

import typer

from fieldmark.errors import Mistake, refuse

WORDS: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


def named(metavar: str | None, about: str, **ends: Any) -> Any:
    """An option with a value, as --help shows it. ends: min and max, where it has these."""
    return typer.Option(metavar=metavar, help=about, **ends)


def flag(names: str, about: str) -> Any:
    """An option without a value; "--on/--off" has both ways."""
    return typer.Option(names, help=about)


Text = str | None  # values stay text: the settings read them, so that all mistakes come together
Words = Annotated[list[str] | None, typer.Argument(metavar="DATA [KEY=VALUE ...]", hidden=True)]
Model = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's folder, a bundle, or an export.")
]
Images = Annotated[Text, named("DIR", "Where a table's images lie.")]
Crops = Annotated[Text, named("FILE", "MegaDetector's results: each box is an image.")]
DataDir = Annotated[Text, named("DIR", "Where a built-in data set lies.")]
Device = Annotated[str, named("NAME", "auto, cpu, cuda, mps.")]
Engine = Annotated[str, named("NAME", "torch, onnxruntime, openvino.")]
Jobs = Annotated[int, named("N", "Processes that train at once.", min=1)]
Abstain = Annotated[
    float | None, named(None, "Label only where this share was right in validation, such as 0.95.")
]
UnlikeToo = Annotated[
    bool, flag("--unlike", "No label for images unlike the training ones (so does --abstain).")
]
COLUMN = "data.image_column="


def data_and_rest(words: list[str] | None) -> tuple[str | None, list[str]]:
    """DATA and the settings: the first word that exists, or has no "=", is DATA."""
    words = words or []
    for place, word in enumerate(words):
        if "=" not in word or os.path.exists(word):  # noqa: PTH110 - a long word is no path
            return word, words[:place] + words[place + 1 :]
    return None, words


def said_by(key: str, inputs: list[str]) -> tuple[str | None, list[str]]:
    """What a word says that begins with `key`, such as a table's column, and the other words."""
    said = [word.removeprefix(key) for word in inputs if word.startswith(key)]
    return (said[-1] if said else None), [word for word in inputs if not word.startswith(key)]


def refuse_given(options: Mapping[str, object], what: str) -> None:
    """Raise SettingsError for each of these options that was given, though here it cannot be."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    refuse(Mistake(name, what) for name in given)


def command_line() -> str:
    """The command that is running, without its --name: a run folder's name is taken once."""
    kept: list[str] = []
    words = iter(WORDS.get())
    for word in words:
        if word == "--name":
            next(words, None)
        elif not word.startswith(("--name=", "run.name=", "name=")):
            kept.append(word)
    return shlex.join(["fieldmark", *kept])
