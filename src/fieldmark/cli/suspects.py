"""`fieldmark suspects`: labels that are worth a second look."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.typed import Device, command_line, flag, named


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a cross-validation.")],
    page: Annotated[
        Path | None, named("FILE", "The page (default suspects.html in RUN); a table beside it.")
    ] = None,
    map: Annotated[bool, flag("--map/--no-map", "Also ask the network what is alike.")] = True,
    device: Device = "auto",
) -> int:
    """Show labels that are probably wrong, pictures nearly the same, and a map of all pictures.

    What you mark on the page is saved as a file: fieldmark train DATA --corrections FILE.
    """
    from fieldmark.console import Console
    from fieldmark.files import check_page
    from fieldmark.reviews.suspects import judged_run, review
    from fieldmark.rundir import is_study

    if page is not None:
        check_page(page)
    if is_study(run):
        from fieldmark.study.judged import judged_study

        judged = judged_study(run)
    else:
        judged = judged_run(run)
    review(judged, page, command_line(), Console(), mapped=map, device=device)
    return 0
