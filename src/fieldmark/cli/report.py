"""`fieldmark report`: a run's page, drawn again."""

from typing import Annotated

import typer


def command(run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")]) -> int:
    """Draw a run's report.html again from what lies in its folder; no network is loaded."""
    from fieldmark.console import Console
    from fieldmark.data.sources import gone
    from fieldmark.records import Samples
    from fieldmark.report.page import report
    from fieldmark.rundir import open_run

    folder, console = open_run(run), Console()
    report(folder)
    if folder.samples.is_file() and (why := gone(Samples.read(folder.samples))):
        console.warn(f"{why}, so the page has no pictures; put them back, and draw it again")
    console.say(f"report  {folder.report}")
    return 0
