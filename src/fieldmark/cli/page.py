"""The page of the command line, docs/cli.md, made from the commands."""

from collections.abc import Iterator
from typing import Any

import typer

from fieldmark.cli.main import app

WIDTH = 100  # columns
HEAD = """# The command line

What `fieldmark VERB --help` prints, in one page; it is made by `python -m fieldmark.cli.page > \
docs/cli.md`. [The guide](guide.md) says what the verbs are for, and has every setting.
"""


def page() -> str:
    """The page as Markdown."""
    found = helps(typer.main.get_command(app), "fieldmark", None)
    return HEAD + "".join(f"\n## {name}\n\n```\n{text}\n```\n" for name, text in found)


def helps(command: Any, name: str, above: Any) -> Iterator[tuple[str, str]]:
    """What --help prints of this command, and of every one below it, with their names.

    above: the context of the command that it is below of.
    """
    context = command.make_context(
        name, [], parent=above, resilient_parsing=True, terminal_width=WIDTH
    )
    yield context.command_path, command.get_help(context)
    for below in getattr(command, "commands", {}).values():
        yield from helps(below, below.name, context)


if __name__ == "__main__":
    print(page(), end="")
