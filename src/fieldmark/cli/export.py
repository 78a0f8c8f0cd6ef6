"""`fieldmark export`: a trained run for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.typed import flag


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a bundle.")],
    form: Annotated[str, typer.Option("--format", help="pth: a state dict for torch.")] = "pth",
    out: Annotated[
        Path | None, typer.Option(help="The file to write; else one in RUN's folder.")
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the file.")] = False,
) -> int:
    """Write a run's network in another format."""
    from fieldmark.use.export import export

    print(export(run, form, out, overwrite=overwrite))
    return 0
