"""`fieldmark study`: what is done with studies, whatever they are of."""

from typing import Annotated

import typer

from fieldmark.cli.examples import shown

app = typer.Typer(help="Work on the runs of a study, on this machine or another.")


@app.callback()
def _study() -> None:
    """A group of verbs, though it has one today."""


@app.command("work", epilog=shown("study work"))
def work(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A study's folder.")],
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> int:
    """Do the planned runs of STUDY that nobody else does, until none is left.

    Any number of machines that see the folder may do so at once, such as the tasks of a SLURM
    array; the command that planned the study then puts the results together.
    """
    from fieldmark.console import Console
    from fieldmark.study.folder import open_study
    from fieldmark.study.work import work as do_all

    do_all(open_study(study), Console(), alone=not child)
    return 0
