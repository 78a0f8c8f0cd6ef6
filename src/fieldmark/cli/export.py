"""`fieldmark export`: a trained run for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.typed import flag, named

if TYPE_CHECKING:
    from fieldmark.export.formats import Asked


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a study's.")],
    to: Annotated[
        str, named("FORMAT", "What `fieldmark options export` lists, such as pth.")
    ] = "onnx",
    out: Annotated[
        Path | None, named("DIR", "The folder to write; else exports/FORMAT in RUN's.")
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the folder.")] = False,
    images: Annotated[
        list[str] | None,
        named("INPUT", "Images to hold the file to, not RUN's validation; repeatable."),
    ] = None,
    embedding: Annotated[bool, flag("--embedding", "What enters the head too, as output.")] = False,
    accept_drift: Annotated[
        bool, flag("--accept-drift", "Write it also where it decides otherwise.")
    ] = False,
    abstain: Annotated[
        float | None,
        named("SHARE", "Page: “not sure” but where so many are right, as 0.95."),
    ] = None,
    no_pictures: Annotated[
        bool, flag("--no-pictures", "Page: without ten of the photos, so without its check.")
    ] = False,
    runtime: Annotated[
        str | None, named("PLACE", "Page: onnxruntime-web's folder or package, if not npm's.")
    ] = None,
    browser: Annotated[bool, flag("--browser", "Page: held to the model in Chromium.")] = False,
    precision: Annotated[
        str, named("NAME", "float16 or int8: a smaller file, judged beside float32.")
    ] = "float32",
    at_most_worse: Annotated[
        float | None, named("POINTS", "How much worse that may be; 1 if left out.")
    ] = None,
) -> int:
    """Write a run's model in another format, and see that it answers alike.

    The file is run on 200 images of the validation, or all, from the disk: where one is decided
    otherwise it is named, and nothing is written. Of a sweep it is the winner's model, of a grid
    the best cell's by validation, of folds the mean of their models in one file.
    """
    from fieldmark.export.formats import Asked

    asked = Asked(
        *(embedding, tuple(images or ())),
        accept_drift=accept_drift,
        abstain=abstain,
        pictures=not no_pictures,
        runtime=runtime,
        browser=browser,
        precision=precision,
        at_most_worse=at_most_worse,
    )
    _refuse_without_model(run)
    return _write(Path(run), to, out, asked, overwrite=overwrite)


def _write(path: Path, to: str, out: Path | None, asked: "Asked", *, overwrite: bool) -> int:
    from fieldmark.export.formats import place_of, refuse_before_work

    place = place_of(path, to, out, asked.precision)
    refuse_before_work(path, to, place, asked, overwrite=overwrite)
    from fieldmark.console import Console
    from fieldmark.export.exported import export
    from fieldmark.use.info import unended

    console = Console()
    for line in unended(path):
        console.say(f"note: {line}")
    export(path, to, out, asked, overwrite=overwrite, console=console)
    return 0


def _refuse_without_model(run: str) -> None:
    """Raise RunError for a study that came to no model, or has not come to its end."""
    from fieldmark.rundir import is_study
    from fieldmark.use.ensemble import is_ensemble

    if is_study(run) and not is_ensemble(run):
        from fieldmark.study.folder import StudyDir
        from fieldmark.study.one_model import one_model

        one_model(StudyDir(Path(run)))
