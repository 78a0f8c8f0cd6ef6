"""`fieldmark export`: a trained run for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.typed import flag


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, a bundle, or a study.")
    ],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="onnx or pth.")] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; else exports/FORMAT in RUN's.")
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the folder.")] = False,
    images: Annotated[
        list[str] | None,
        typer.Option(help="Images to hold the file to; else those of RUN's validation."),
    ] = None,
    embedding: Annotated[
        bool, flag("--embedding", "What enters the head too, as a third output.")
    ] = False,
    accept_drift: Annotated[
        bool, flag("--accept-drift", "Write it also where it decides otherwise.")
    ] = False,
) -> int:
    """Write a run's model in another format, and see that it answers alike.

    The file is run on at least 200 images of the validation, or all, from the disk: one that is
    decided otherwise is named, and nothing is written. Of a sweep it is the winner's model, of a
    grid the best cell's by validation.
    """
    from fieldmark.models.bundle_info import read_info
    from fieldmark.rundir import INFO, STUDY

    if not Path(run, STUDY).is_file():
        read_info(Path(run) / INFO)  # refused where there is none, before torch is imported
    from fieldmark.export.formats import Asked, export
    from fieldmark.study.folder import StudyDir, is_study
    from fieldmark.study.one_model import one_model
    from fieldmark.use.ensemble import is_ensemble

    place = one_model(StudyDir(Path(run))).path if is_study(run) and not is_ensemble(run) else run
    asked = Asked(embedding, tuple(images or ()), accept_drift=accept_drift)
    folder, parity = export(place, to, out, asked, overwrite=overwrite)
    print(f"{folder}: {parity.words()}")
    return 0
