"""What the user types: the words and options that several verbs take, and the line as it was."""

import os
import shlex
from contextvars import ContextVar
from typing import Annotated, Any

import typer

WORDS: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


def named(metavar: str, about: str) -> Any:
    """An option with a value, as --help shows it."""
    return typer.Option(metavar=metavar, help=about)


def flag(names: str, about: str) -> Any:
    """An option without a value; "--on/--off" has both ways."""
    return typer.Option(names, help=about)


Text = str | None  # values stay text: the settings read them, so that all mistakes come together
Words = Annotated[list[str] | None, typer.Argument(metavar="DATA [KEY=VALUE ...]", hidden=True)]
Images = Annotated[Text, named("DIR", "Where a table's images lie.")]
Crops = Annotated[Text, named("FILE", "MegaDetector's results: each box is an image.")]
DataDir = Annotated[Text, named("DIR", "Where a built-in data set lies.")]
Device = Annotated[str, named("NAME", "auto, cpu, cuda, mps.")]
Engine = Annotated[str, named("NAME", "torch, onnxruntime, openvino.")]


def data_and_rest(words: list[str] | None) -> tuple[str | None, list[str]]:
    """DATA and the settings: the first word that exists, or has no "=", is DATA."""
    words = words or []
    for place, word in enumerate(words):
        if "=" not in word or os.path.exists(word):  # noqa: PTH110 - a long word is no path
            return word, words[:place] + words[place + 1 :]
    return None, words


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
