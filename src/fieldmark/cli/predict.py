"""`fieldmark predict`: a trained run looks at new images."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.typed import Crops, Device, Engine, Images, flag
from fieldmark.errors import counted

if TYPE_CHECKING:
    from fieldmark.data.crops import Finder
    from fieldmark.use.inputs import Found
    from fieldmark.use.predictor import Predictor
    from fieldmark.use.tally import Tally


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a bundle.")],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUTS...", help="Images, folders, zips, tables; - for a list."),
    ],
    images: Images = None,
    crops: Crops = None,
    out: Annotated[
        Path | None, typer.Option(help="A .csv, .jsonl or .parquet file; else to the screen.")
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the file of --out.")] = False,
    scores: Annotated[bool, flag("--scores", "A column a class too.")] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="kaggle: a table's images and labels alone."),
    ] = None,
    at_least_one: Annotated[
        bool, flag("--at-least-one", "Of several labels the likeliest, where there is none.")
    ] = False,
    abstain: Annotated[
        float | None,
        typer.Option(help="Label only where this share was right in validation, such as 0.95."),
    ] = None,
    unlike: Annotated[
        bool, flag("--unlike", "No label for images unlike the training ones (so does --abstain).")
    ] = False,
    sets: Annotated[
        float | None,
        typer.Option(help="A column of the classes that hold the truth in this share: 0.9."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images at a time.", min=1)] = 64,
    device: Device = "auto",
    engine: Engine = "torch",
) -> int:
    """Label images: columns image, label, score. Broken files are listed; the rest goes on.

    Of a table (.csv, .tsv, .parquet, .xlsx) each row's image; data.image_column=NAME says which
    column names it. With --crops each box, with a confidence of data.crops_above=NUMBER or more. A
    model that reads captions needs a table with a column Caption. Exit code 1 where an image could
    not be read.
    """
    from fieldmark.files import check_table
    from fieldmark.use.kaggle import refuse_format
    from fieldmark.use.table import WRITERS

    if out is not None:
        check_table(out, WRITERS, overwrite=overwrite)
    refuse_format(form, out, {"--scores": scores, "--sets": sets is not None})
    found = to_look_at(run, inputs, images, form, crops)
    from fieldmark.use.predictor import Predictor

    how: Any = {"abstain": abstain, "at_least_one": at_least_one, "unlike": unlike, "sets": sets}
    predictor = Predictor(run, device=device, engine=engine, batch_size=batch_size, **how)
    if form is not None:
        return _in_kaggles_form(predictor, found, out)
    return _as_table(predictor, found, out, scores=scores, sets=sets)


def to_look_at(
    run: str,
    inputs: list[str],
    images: str | None,
    form: str | None,
    crops: str | None = None,
) -> "Found":
    """The images. No torch is imported, so what stands against them is told at once.

    Raises RunError, WeightsError, DataError, SettingsError.
    """
    from fieldmark.task import TASKS
    from fieldmark.use.asked import crops_note, info_of_any, refuse_swapped
    from fieldmark.use.inputs import find_images, told_of
    from fieldmark.use.kaggle import kaggle

    column, inputs = said_by(COLUMN, inputs)
    above, inputs = said_by(ABOVE, inputs)
    finder = boxes_asked(crops, above)
    refuse_swapped("predict", run, inputs)
    info = info_of_any(run)
    found = find_images(inputs, images=images, column=column, crops=finder)
    if form is not None:
        kaggle(found, info.classes, several=TASKS[info.task].several)
    notes = *found.notes, *told_of(found.images, info, run), *crops_note(run, crops)
    return replace(found, notes=notes)


COLUMN, ABOVE = "data.image_column=", "data.crops_above="


def said_by(key: str, inputs: list[str]) -> tuple[str | None, list[str]]:
    """What a word says that begins with `key`, such as a table's column, and the other words."""
    said = [word.removeprefix(key) for word in inputs if word.startswith(key)]
    return (said[-1] if said else None), [word for word in inputs if not word.startswith(key)]


def boxes_asked(crops: str | None, above: str | None) -> "Finder | None":
    """What finds the boxes of --crops. Raises SettingsError, DataError."""
    from fieldmark.data.crops import finder_of
    from fieldmark.errors import Mistake, SettingsError

    if crops is None and above is None:
        return None
    wrong = "goes with --crops, MegaDetector's results; name them, or leave it out"
    try:
        least = None if above in (None, "auto") else float(above or "")
    except ValueError:
        wrong, crops = f"must be a confidence from 0 to 1, not {above}", None
    if crops is None:
        raise SettingsError([Mistake(ABOVE.removesuffix("="), wrong)])
    return finder_of(crops, least)


def _as_table(
    predictor: "Predictor", found: "Found", out: Path | None, *, scores: bool, sets: float | None
) -> int:
    """Columns image, label, score of the images that have an answer."""
    from fieldmark.use.sets import words
    from fieldmark.use.table import write_table
    from fieldmark.use.tally import Tally

    tally = Tally()
    answers = tally.answered(predictor.stream(found.images))
    first = next(answers, None)
    if first is not None:  # else there is nothing to make a table of
        write_table(
            out or sys.stdout,
            chain([first], answers),
            predictor.classes,
            scores=scores,
            several=predictor.several,
            reasons=predictor.abstention is not None or predictor.leaves_out,
            sets=sets is not None,
        )
    _say_written(tally, out)
    code = _close(predictor, found.notes, tally, "" if tally.seen else "; there is no table")
    row, of_validation = predictor.set_row, predictor.info.sets
    if sets is not None and row is not None and of_validation is not None and tally.sets:
        _tell([words(of_validation, row, sets, tally.in_sets / tally.sets)])
    return code


def _in_kaggles_form(predictor: "Predictor", found: "Found", out: Path | None) -> int:
    """Each image of the table once, in its order; without an answer it has no label."""
    from fieldmark.use.kaggle import answer_table

    tally, notes = answer_table(predictor, found, out or sys.stdout)
    _say_written(tally, out)
    has = "has" if len(tally.failures) == 1 else "have"
    return _close(predictor, notes, tally, f" and {has} no label")


def _say_written(tally: "Tally", out: Path | None) -> None:
    if out is not None and tally.seen:
        print(f"{counted(tally.seen - tally.unlabelled, 'image')} labelled in {out}")


def _close(predictor: "Predictor", notes: Iterable[str], tally: "Tally", then: str) -> int:
    """Say what there is to be said beside the table. -> the exit code"""
    _tell([*notes, *predictor.told])
    _tell(failure.reason for failure in tally.failures)
    if tally.failures:
        _tell([f"{counted(len(tally.failures), 'file')} had no answer{then}"])
    if predictor.abstention is not None and tally.seen:
        _tell([predictor.abstention.words(tally.unlabelled, tally.seen, tally.unlike)])
    elif predictor.check is not None and tally.seen:
        if predictor.leaves_out:
            _tell([predictor.check.words(tally.unlike, tally.seen)])
        elif tally.unlike and predictor.check.is_of_enough:
            _tell([predictor.check.advice(tally.unlike, tally.seen)])
    return 1 if tally.failures else 0


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"fieldmark: {line}", file=sys.stderr)
