"""`fieldmark predict`: a trained run looks at new images."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.predicted import Asked, Looked, answer
from fieldmark.cli.typed import (
    COLUMN,
    Abstain,
    Crops,
    Device,
    Engine,
    Images,
    Model,
    UnlikeToo,
    flag,
    named,
    said_by,
)
from fieldmark.cli.watching import watch as watch_folders
from fieldmark.cli.watching import watch_mistakes
from fieldmark.errors import Mistake, SettingsError, refuse

if TYPE_CHECKING:
    from fieldmark.data.crops import Finder
    from fieldmark.models.bundle_info import BundleInfo
    from fieldmark.use.inputs import Found

ABOVE = "data.crops_above="
GoesOn = Annotated[bool, flag("--continue", "Go on with a file of --out that was stopped.")]
Out = Annotated[
    Path | None, named(None, "A .csv, .jsonl, .parquet or .xlsx file; else to the screen.")
]
Page = Annotated[Path | None, named("FILE", "A page of the pictures by label (.html).")]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="kaggle, megadetector or camtrap-dp."),
]
AtLeastOne = Annotated[
    bool, flag("--at-least-one", "Of several labels the likeliest, where there is none.")
]
Sets = Annotated[
    float | None, named(None, "A column of the classes that hold the truth in this share: 0.9.")
]
Only = Annotated[Path | None, named("FILE", "The classes that there can be, one a line.")]
Taxonomy = Annotated[
    Path | None, named("TABLE", "Of the classes: with --abstain, answers go up in it.")
]
By = Annotated[str | None, named("COLUMN", "One answer for the images of a value: a sequence.")]
SortInto = Annotated[Path | None, named("DIR", "Copy the pictures into folders by label.")]
Move = Annotated[bool, flag("--move", "With --sort-into: move them.")]
Watch = Annotated[
    bool, flag("--watch", "Look at the folders again and again, and append to --out.")
]


def command(
    run: Model,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUTS...", help="Images, folders, zips, tables; - for a list."),
    ],
    images: Images = None,
    crops: Crops = None,
    out: Out = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the file of --out.")] = False,
    goes_on: GoesOn = False,
    page: Page = None,
    scores: Annotated[bool, flag("--scores", "A column a class too.")] = False,
    top: Annotated[int, named("K", "The K likeliest classes and their scores too.", min=0)] = 0,
    form: Format = None,
    at_least_one: AtLeastOne = False,
    abstain: Abstain = None,
    unlike: UnlikeToo = False,
    sets: Sets = None,
    only: Only = None,
    taxonomy: Taxonomy = None,
    by: By = None,
    sort_into: SortInto = None,
    move: Move = False,
    watch: Watch = False,
    batch_size: Annotated[int, named(None, "Images at a time.", min=1)] = 64,
    device: Device = "auto",
    engine: Engine = "torch",
) -> int:
    """Label images: columns image, label, score. Broken files are listed; the rest goes on.

    Of a table (.csv, .tsv, .parquet, .xlsx) each row's image; data.image_column=NAME says which
    column names it. With --crops each box, with a confidence of data.crops_above=NUMBER or more. A
    model that reads captions needs a table with a column Caption. A command that was stopped goes
    on with --continue. Exit code 1 where an image could not be read.
    """
    asked = Asked(**locals())
    refuse(_mistakes(asked))
    done = not watch and is_done(asked)
    if done and move:  # the pictures are no longer where they were
        print(f"{out} is done")
        return 0
    looked = to_look_at(asked)
    if watch:
        return watch_folders(asked, looked)
    if goes_on and is_answered(asked, looked, done=done):
        return 0
    return answer(asked, looked)


def _mistakes(asked: Asked) -> Iterator[Mistake]:
    """What stands against sorting and watching, before the model is looked for."""
    from fieldmark.use.sorting_asked import sorting_mistakes

    how: dict[str, Any] = {"move": asked.move, "crops": asked.crops, "page": asked.page}
    yield from sorting_mistakes(asked.sort_into, asked.inputs, **how)
    if asked.watch:
        yield from watch_mistakes(asked)


def is_done(asked: Asked) -> bool:
    """Whether a command that goes on has its table whole. Raises SettingsError."""
    from fieldmark.files import check_page, check_table
    from fieldmark.use.forms import ENDINGS, refuse_form
    from fieldmark.use.table import WRITERS, refuse_lacking
    from fieldmark.use.unfinished import beside, may_replace, refuse_unfinished
    from fieldmark.use.watched import refuse_watched

    out, page, overwrite, goes_on = asked.out, asked.page, asked.overwrite, asked.goes_on
    columns = {"--scores": asked.scores, "--top": asked.top > 0, "--sets": asked.sets is not None}
    refuse_form(asked.form, out, columns | {"--taxonomy": asked.taxonomy is not None})
    if page is not None:
        check_page(page)
    if goes_on and (out is None or overwrite):
        what = "does not go with --overwrite" if overwrite else "goes on with the file of --out"
        do = "leave one out" if overwrite else "name that too"
        refuse([Mistake("--continue", f"{what}; {do}")])
    if out is None:
        return False
    refuse_watched(out)
    if goes_on and out.is_file() and not beside(out).exists():
        if page is not None and not page.is_file():  # the answers are kept no longer
            what = f"is not there, and {out} is done without it; begin anew with --overwrite"
            refuse([Mistake(f"--page {page}", what)])
        return True
    refuse_unfinished(out, goes_on=goes_on, overwrite=overwrite)
    endings = WRITERS if asked.form is None else (ENDINGS[asked.form],)
    check_table(out, endings, overwrite=overwrite or (goes_on and may_replace(out)))
    refuse_lacking(out)
    return False


def to_look_at(asked: Asked) -> Looked:
    """No torch is imported, so what stands against the images is told at once.

    Raises RunError, WeightsError, DataError, SettingsError.
    """
    from fieldmark.use.asked import crops_note, info_of_any, refuse_swapped, refuse_top
    from fieldmark.use.forms import form_of, package_in
    from fieldmark.use.info import unended
    from fieldmark.use.inputs import Found, told_of
    from fieldmark.use.kaggle import Kaggle, once
    from fieldmark.use.refined import Known, way_of
    from fieldmark.use.sorting_asked import move_mistakes

    run, form = asked.run, asked.form
    column, inputs = said_by(COLUMN, asked.inputs)
    above, inputs = said_by(ABOVE, inputs)
    finder = boxes_asked(asked.crops, above)
    refuse_swapped("predict", run, inputs)
    info = info_of_any(run)
    refuse_top(asked.top, info)
    known = Known(asked.only, asked.taxonomy, asked.by)
    way = way_of(run, info, known, asked.abstain, sets=asked.sets) if known else None
    named = [str(package_in(inputs))] if form == "camtrap-dp" else inputs
    if asked.watch:
        found = Found(tuple(map(Path, named)), ())
    else:
        found = _found(named, asked, column, finder)
    refuse(move_mistakes(info, found) if asked.move else ())
    its = None if form is None else form_of(form, found, info, inputs, finder)
    notes = *unended(run), *found.notes, *told_of(found.images, info, run)
    question = _question(asked, info, found)
    found = replace(found, notes=(*notes, *crops_note(run, asked.crops)))
    if isinstance(its, Kaggle):
        found = once(found)
        found = replace(found, notes=(*found.notes, *its.notes))
    return Looked(found, question, its, way)


def _question(asked: Asked, info: "BundleInfo", found: "Found") -> dict[str, Any]:
    """What is asked of these images, by which answers are gone on with or are not."""
    from fieldmark.use.unfinished import question

    as_typed = ("abstain", "at_least_one", "unlike", "sets")
    options: dict[str, Any] = {name: getattr(asked, name) for name in as_typed}
    for name in ("only", "taxonomy", "by"):
        value = getattr(asked, name)
        options[name] = value and str(value)
    if asked.sort_into is not None:
        options |= {"sort_into": str(asked.sort_into.absolute()), "move": asked.move}
    if asked.watch:
        options |= {"watch": True, "columns": asked.columns}
    more = {"columns": asked.columns, "overwrite": asked.overwrite}
    return question(info.to_json(), found.images, options) | more


def _found(inputs: list[str], asked: Asked, column: str | None, finder: "Finder | None") -> "Found":
    """Without pictures that were copied, and with those that were moved, by a command of before.

    Raises DataError.
    """
    from fieldmark.errors import DataError
    from fieldmark.use.inputs import Found, find_images
    from fieldmark.use.sorting_asked import with_moved, without_sorted
    from fieldmark.use.unfinished import answered

    into, before = asked.sort_into, asked.out if asked.goes_on else None
    moved = answered(before) if asked.move and before is not None else []
    try:
        there = [each for each in inputs if each not in moved or Path(each).exists()]
        how: dict[str, Any] = {"images": asked.images, "column": column, "event": asked.by}
        found = find_images(there, crops=finder, **how)
        found = found if into is None else without_sorted(found, there, into)
    except DataError:  # of pictures that were all moved
        if not moved:
            raise
        found = Found((), ())
    return with_moved(found, moved) if moved else found


def is_answered(asked: Asked, looked: Looked, *, done: bool) -> bool:
    """Whether nothing is left to do for a file that is gone on with, and say so.

    done: whether it is there whole. Raises SettingsError where it answers another question.
    """
    from fieldmark.use.unfinished import refuse_other, told_done

    assert asked.out is not None
    if done:
        print(told_done(asked.out, looked.question))
    else:
        refuse_other(asked.out, looked.question)
    return done


def boxes_asked(crops: str | None, above: str | None) -> "Finder | None":
    """What finds the boxes of --crops. Raises SettingsError, DataError."""
    from fieldmark.data.crops import finder_of

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
