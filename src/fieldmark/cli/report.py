"""`fieldmark report`: a run's page, drawn again."""

from typing import Annotated

import typer


def command(run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")]) -> int:
    """Draw a run's report.html again from what lies in its folder; no network is loaded."""
    from fieldmark.console import Console
    from fieldmark.report.page import report
    from fieldmark.rundir import open_run

    folder = open_run(run)
    report(folder)
    Console().say(f"report  {folder.report}")
    return 0
