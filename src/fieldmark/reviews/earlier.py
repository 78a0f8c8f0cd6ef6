"""What was corrected before, and the command that trains with further corrections."""

import shlex
from pathlib import Path

from fieldmark.data.correction_lines import lines_of
from fieldmark.errors import DataError

SAVED = "corrections.csv"  # what the page saves
Line = tuple[str, str, str, str]  # path, row, action, label, as the file has them


def earlier(file: str | None) -> tuple[list[Line], list[str]]:
    """The corrections that a run was trained with, and what to say where they are gone.

    What the page saves has them too, so that one file holds all.
    """
    if file is None:
        return [], []
    try:
        lines = [
            (e.path, "" if e.row is None else str(e.row), e.action, e.label) for e in lines_of(file)
        ]
    except DataError as error:
        return [], [f"what is saved here will lack the corrections of before: {error}"]
    return lines, []


def again(command: str, settings: Path) -> str:
    """The command that trained, with corrections in place of those that it had.

    command: "" or a call from Python where it is no command line; then its settings are named.
    """
    first = command.partition(" && ")[0]
    try:
        words = shlex.split(first)
    except ValueError:
        words = []
    if words[:1] != ["fieldmark"]:
        words = ["fieldmark", "train", "--config", str(settings)]
    kept, taken = [], iter(words)
    for word in taken:
        if word == "--corrections":
            next(taken, None)
        elif not word.startswith(("--corrections=", "data.corrections=")):
            kept.append(word)
    return shlex.join([*kept, "--corrections", SAVED])
