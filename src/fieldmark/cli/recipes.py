"""`fieldmark recipes`: list, print and copy them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fieldmark import recipes
from fieldmark.cli.examples import shown
from fieldmark.errors import RunError
from fieldmark.files import write_text

app = typer.Typer(help="Settings with a story: list, print, copy.", no_args_is_help=True)


@app.command("ls", epilog=shown("recipes ls"))
def ls() -> int:
    """List every recipe with a line on it."""
    for name in recipes.names():
        print(f"{name:<24}{recipes.about(name)}")
    return 0


@app.command("cat", epilog=shown("recipes cat"))
def cat(name: Annotated[str, typer.Argument(help="A name that `ls` lists.")]) -> int:
    """Print a recipe."""
    sys.stdout.write(recipes.text(name))
    return 0


@app.command("cp", epilog=shown("recipes cp"))
def cp(
    name: Annotated[str, typer.Argument(help="A name that `ls` lists.")],
    to: Annotated[Path, typer.Argument(help="The file to write; --config reads it.")],
) -> int:
    """Copy a recipe to a file of your own, for --config."""
    path = to / f"{name}.yaml" if to.is_dir() else to
    content = recipes.text(name)
    if path.exists():
        raise RunError(f"{path}: exists already; choose another name")
    write_text(path, content)
    print(f"{path} is yours to change: fieldmark train --config {path}")
    return 0
