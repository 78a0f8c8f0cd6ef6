"""`fieldmark export`: a trained run for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.typed import flag


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, a bundle, or a study.")
    ],
    form: Annotated[str, typer.Option("--format", help="pth: a state dict for torch.")] = "pth",
    out: Annotated[
        Path | None, typer.Option(help="The file to write; else one in RUN's folder.")
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the file.")] = False,
) -> int:
    """Write a run's network in another format.

    Of a sweep it is the winner's, of a grid the best cell's by validation.
    """
    from fieldmark.models.bundle_info import read_info
    from fieldmark.rundir import INFO, STUDY

    if not Path(run, STUDY).is_file():
        read_info(Path(run) / INFO)  # refused where there is none, before torch is imported
    from fieldmark.study.folder import StudyDir, is_study
    from fieldmark.study.one_model import one_model
    from fieldmark.export.pth import export

    place = one_model(StudyDir(Path(run))).path if is_study(run) else run
    print(export(place, form, out, overwrite=overwrite))
    return 0
