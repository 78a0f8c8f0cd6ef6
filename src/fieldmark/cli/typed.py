"""What the user typed, for the line in a report that repeats it."""

import shlex
from contextvars import ContextVar

WORDS: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


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
