"""`fieldmark predict`: a trained run looks at new images."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.typed import Device, Engine, Images, flag
from fieldmark.errors import Mistake, counted, refuse

if TYPE_CHECKING:
    from fieldmark.use.inputs import Found
    from fieldmark.use.predictor import Predictor
    from fieldmark.use.tally import Tally

GoesOn = Annotated[bool, flag("--continue", "Go on with a file of --out that was stopped.")]
Top = Annotated[
    int, typer.Option(metavar="K", help="The K likeliest classes and their scores too.", min=0)
]
Answering = Callable[[Sequence[Any]], Iterator[Any]]  # images -> an answer of each, in order


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a bundle.")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUTS...", help="Images, folders, tables.")
    ],
    images: Images = None,
    out: Annotated[
        Path | None, typer.Option(help="A .csv, .jsonl or .parquet file; else to the screen.")
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the file of --out.")] = False,
    goes_on: GoesOn = False,
    scores: Annotated[bool, flag("--scores", "A column a class too.")] = False,
    top: Top = 0,
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

    Of a table (.csv, .tsv, .parquet) each row's image; data.image_column=NAME says which column
    names it. A model that reads captions needs such a table, with a column Caption. A command that
    was stopped leaves its answers beside --out, and goes on with --continue. Exit code 1 where an
    image could not be read.
    """
    from fieldmark.use.kaggle import refuse_format

    if is_done(out, goes_on=goes_on, overwrite=overwrite):
        return 0
    refuse_format(form, out, {"--scores": scores, "--top": top > 0, "--sets": sets is not None})
    how: Any = {"abstain": abstain, "at_least_one": at_least_one, "unlike": unlike, "sets": sets}
    found, asked = to_look_at(run, inputs, images, form, top=top, how=how)
    refuse_other_answers(out, asked, goes_on=goes_on)
    from fieldmark.use.predictor import Answering, Predictor

    wanted = Answering(**how)
    predictor = Predictor(run, wanted, device=device, engine=engine, batch_size=batch_size)
    answers = answering(predictor, out, asked, goes_on=goes_on)
    if form is not None:
        code = _in_kaggles_form(predictor, found, out, answers)
    else:
        code = _as_table(predictor, found, out, answers, scores=scores, top=top, sets=sets)
    return forget_answers(out, code)


def refuse_other_answers(out: Path | None, asked: dict[str, Any], *, goes_on: bool) -> None:
    """Raise SettingsError where a file that is gone on with answers another question."""
    if out is not None and goes_on:
        from fieldmark.use.unfinished import refuse_other

        refuse_other(out, asked)


def forget_answers(out: Path | None, code: int) -> int:
    """What was kept on the way to the table goes, now that it is there. -> the exit code"""
    if out is not None:
        from fieldmark.use.unfinished import forget

        forget(out)
    return code


def is_done(out: Path | None, *, goes_on: bool, overwrite: bool) -> bool:
    """Whether a command that goes on has nothing left to do, and says so. Raises SettingsError."""
    from fieldmark.files import check_table
    from fieldmark.use.table import WRITERS
    from fieldmark.use.unfinished import beside, refuse_unfinished

    if goes_on and (out is None or overwrite):
        what = "does not go with --overwrite" if overwrite else "goes on with the file of --out"
        do = "leave one out" if overwrite else "name that too"
        refuse([Mistake("--continue", f"{what}; {do}")])
    if out is None:
        return False
    if goes_on and out.is_file() and not beside(out).exists():
        print(f"{out} is done")
        return True
    refuse_unfinished(out, goes_on=goes_on, overwrite=overwrite)
    check_table(out, WRITERS, overwrite=overwrite)
    return False


def answering(
    predictor: "Predictor", out: Path | None, asked: dict[str, Any], *, goes_on: bool
) -> Answering:
    """What gives the answers of images: with a bar, and kept beside --out until that is there."""
    from fieldmark.console import Console
    from fieldmark.use.unfinished import kept_answers

    console = Console(stream=sys.stderr, quiet=out is None and sys.stdout.isatty())

    def look(images: Sequence[Any]) -> Iterator[Any]:
        with console.bar("predicting", len(images)) as bar:
            begun = time.monotonic()
            for number, answer in enumerate(predictor.stream(images), 1):
                rate = number / max(time.monotonic() - begun, 1e-9)
                bar.advance(1, f"{rate:.{0 if rate >= 10 else 1}f} images/s")
                yield answer

    if out is None:
        return look
    return lambda images: kept_answers(out, asked, images, look, goes_on=goes_on)


def to_look_at(
    run: str,
    inputs: list[str],
    images: str | None,
    form: str | None,
    *,
    top: int,
    how: dict[str, Any],
) -> tuple["Found", dict[str, Any]]:
    """The images, and what is asked of them, as `question` has it.

    No torch is imported, so what stands against them is told at once.

    Raises RunError, WeightsError, DataError, SettingsError.
    """
    from fieldmark.task import TASKS
    from fieldmark.use.asked import info_of_any, refuse_swapped
    from fieldmark.use.inputs import find_images, told_of
    from fieldmark.use.kaggle import kaggle
    from fieldmark.use.unfinished import question

    column, inputs = image_column(inputs)
    refuse_swapped("predict", run, inputs)
    info = info_of_any(run)
    if top > len(info.classes):
        what = f"the model knows {counted(len(info.classes), 'class')}; ask for no more"
        refuse([Mistake(f"--top {top}", what)])
    found = find_images(inputs, images=images, column=column)
    if form is not None:
        kaggle(found, info.classes, several=TASKS[info.task].several)
    found = replace(found, notes=(*found.notes, *told_of(found.images, info, run)))
    return found, question(info.to_json(), found.images, how)


COLUMN = "data.image_column="


def image_column(inputs: list[str]) -> tuple[str | None, list[str]]:
    """The column of a table that names its images, where a word says so, and the other words."""
    said = [word.removeprefix(COLUMN) for word in inputs if word.startswith(COLUMN)]
    return (said[-1] if said else None), [word for word in inputs if not word.startswith(COLUMN)]


def _as_table(
    predictor: "Predictor",
    found: "Found",
    out: Path | None,
    look: Answering,
    *,
    scores: bool,
    top: int,
    sets: float | None,
) -> int:
    """Columns image, label, score of the images that have an answer."""
    from fieldmark.use.sets import words
    from fieldmark.use.table import write_table
    from fieldmark.use.tally import Tally

    tally = Tally()
    answers = tally.answered(look(found.images))
    first = next(answers, None)
    if first is not None:  # else there is nothing to make a table of
        write_table(
            out or sys.stdout,
            chain([first], answers),
            predictor.classes,
            scores=scores,
            top=top,
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


def _in_kaggles_form(
    predictor: "Predictor", found: "Found", out: Path | None, look: Answering
) -> int:
    """Each image of the table once, in its order; without an answer it has no label."""
    from fieldmark.use.kaggle import answer_table

    tally, notes = answer_table(predictor, found, out or sys.stdout, look)
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
