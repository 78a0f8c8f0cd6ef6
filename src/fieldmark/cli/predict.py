"""`fieldmark predict`: a trained run looks at new images."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.typed import Crops, Device, Engine, Images, flag
from fieldmark.errors import Mistake, counted, refuse

if TYPE_CHECKING:
    from fieldmark.cli.predicted import Looked, Shown
    from fieldmark.data.crops import Finder
    from fieldmark.models.bundle_info import BundleInfo
    from fieldmark.use.inputs import Found
    from fieldmark.use.predictor import Predictor
    from fieldmark.use.refined import Known
    from fieldmark.use.sorting_asked import Sorting

GoesOn = Annotated[bool, flag("--continue", "Go on with a file of --out that was stopped.")]
Top = Annotated[
    int, typer.Option(metavar="K", help="The K likeliest classes and their scores too.", min=0)
]
Out = Annotated[
    Path | None,
    typer.Option(help="A .csv, .jsonl, .parquet or .xlsx file; else to the screen."),
]
Page = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A page of the pictures by label (.html).")
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="kaggle, megadetector or camtrap-dp."),
]
AtLeastOne = Annotated[
    bool, flag("--at-least-one", "Of several labels the likeliest, where there is none.")
]
Abstain = Annotated[
    float | None,
    typer.Option(help="Label only where this share was right in validation, such as 0.95."),
]
UnlikeToo = Annotated[
    bool, flag("--unlike", "No label for images unlike the training ones (so does --abstain).")
]
Sets = Annotated[
    float | None,
    typer.Option(help="A column of the classes that hold the truth in this share: 0.9."),
]
Only = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The classes that there can be, one a line.")
]
Taxonomy = Annotated[
    Path | None,
    typer.Option(metavar="TABLE", help="Of the classes: with --abstain, answers go up in it."),
]
SortInto = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Copy the pictures into folders by label.")
]
Move = Annotated[bool, flag("--move", "With --sort-into: move them.")]
Watch = Annotated[
    bool, flag("--watch", "Look at the folders again and again, and append to --out.")
]
By = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="One answer for the images of a value: a sequence."),
]


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, a bundle, or an export.")
    ],
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
    top: Top = 0,
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
    batch_size: Annotated[int, typer.Option(help="Images at a time.", min=1)] = 64,
    device: Device = "auto",
    engine: Engine = "torch",
) -> int:
    """Label images: columns image, label, score. Broken files are listed; the rest goes on.

    Of a table (.csv, .tsv, .parquet, .xlsx) each row's image; data.image_column=NAME says which
    column names it. With --crops each box, with a confidence of data.crops_above=NUMBER or more. A
    model that reads captions needs a table with a column Caption. A command that was stopped goes
    on with --continue. Exit code 1 where an image could not be read.
    """
    from fieldmark.cli.predicted import Shown, answer, is_done
    from fieldmark.cli.watching import watch as watch_folders
    from fieldmark.use.refined import Known
    from fieldmark.use.sorting_asked import Sorting

    how = dict[str, Any](abstain=abstain, at_least_one=at_least_one, unlike=unlike, sets=sets)
    known, sorting, before = Known(only, taxonomy, by), Sorting(sort_into, move), goes_on and out
    wanted = Wanted(run, inputs, images, crops, how, known, sorting, before or None, watch)
    shown = Shown(out, page, form, sorting, scores, top, sets, goes_up=taxonomy is not None)
    refuse(_mistakes(wanted, shown, goes_on=goes_on))
    done = not watch and is_done(shown, goes_on=goes_on, overwrite=overwrite)
    if done and move:  # the pictures are no longer where they were
        print(f"{out} is done")
        return 0
    looked = to_look_at(wanted, form, top)
    looked.asked.update(columns=shown.columns, overwrite=overwrite)
    how = {"device": device, "engine": engine, "batch_size": batch_size}
    if watch:
        return watch_folders(lambda: _opened(wanted, looked, **how), looked, shown)
    if is_answered(out, looked.asked, goes_on=goes_on, done=done):
        return 0
    return answer(_opened(wanted, looked, **how), looked, shown, goes_on=goes_on)


@dataclass(frozen=True)
class Wanted:
    """What was typed: the model, the images, and how they are answered and sorted.

    before: the table that is gone on with, if any. watch: whether the inputs are folders that are
    watched.
    """

    run: str
    inputs: list[str]
    images: str | None
    crops: str | None
    how: dict[str, Any]
    known: "Known"
    sorting: "Sorting"
    before: Path | None = None
    watch: bool = False


def to_look_at(wanted: Wanted, form: str | None, top: int) -> "Looked":
    """No torch is imported, so what stands against the images is told at once.

    Raises RunError, WeightsError, DataError, SettingsError.
    """
    from fieldmark.cli.predicted import Looked
    from fieldmark.use.asked import crops_note, info_of_any, refuse_swapped
    from fieldmark.use.forms import form_of, package_in
    from fieldmark.use.info import unended
    from fieldmark.use.inputs import Found, told_of
    from fieldmark.use.refined import way_of
    from fieldmark.use.sorting_asked import move_mistakes
    from fieldmark.use.unfinished import question

    run, known = wanted.run, wanted.known
    column, inputs = said_by(COLUMN, wanted.inputs)
    above, inputs = said_by(ABOVE, inputs)
    finder = boxes_asked(wanted.crops, above)
    refuse_swapped("predict", run, inputs)
    info = info_of_any(run)
    refuse_top(top, info)
    how = wanted.how
    way = way_of(run, info, known, how["abstain"], sets=how["sets"]) if known else None
    named = [str(package_in(inputs))] if form == "camtrap-dp" else inputs
    if wanted.watch:
        found = Found(tuple(map(Path, named)), ())
    else:
        how_found = {"images": wanted.images, "column": column, "crops": finder, "event": known.by}
        found = _found(named, wanted, how_found)
    refuse(move_mistakes(wanted.sorting, info, found))
    its = None if form is None else form_of(form, found, info, inputs, finder)
    notes = *unended(run), *found.notes, *told_of(found.images, info, run)
    notes = *notes, *crops_note(run, wanted.crops)
    options = wanted.how | {name: value and str(value) for name, value in vars(known).items()}
    options |= wanted.sorting.options()
    asked = question(info.to_json(), found.images, options)
    return Looked(replace(found, notes=notes), asked, its, way)


def _found(inputs: list[str], wanted: Wanted, how: dict[str, Any]) -> "Found":
    """Without pictures that were copied, and with those that were moved, by a command of before.

    how: as `find_images` takes it. Raises DataError.
    """
    from fieldmark.errors import DataError
    from fieldmark.use.inputs import Found, find_images
    from fieldmark.use.sorting_asked import with_moved, without_sorted
    from fieldmark.use.unfinished import answered

    into, before = wanted.sorting.into, wanted.before
    moved = answered(before) if wanted.sorting.move and before is not None else []
    try:
        there = [each for each in inputs if each not in moved or Path(each).exists()]
        found = find_images(there, **how)
        found = found if into is None else without_sorted(found, there, into)
    except DataError:  # of pictures that were all moved
        if not moved:
            raise
        found = Found((), ())
    return with_moved(found, moved) if moved else found


def refuse_top(top: int, info: "BundleInfo") -> None:
    """Raise SettingsError where there are not as many classes."""
    if top > len(info.classes):
        what = f"the model knows {counted(len(info.classes), 'class')}; ask for no more"
        refuse([Mistake(f"--top {top}", what)])


def is_answered(out: Path | None, asked: dict[str, Any], *, goes_on: bool, done: bool) -> bool:
    """Whether nothing is left to do for a file that is gone on with, and say so.

    done: whether it is there whole. Raises SettingsError where it answers another question.
    """
    if out is None or not goes_on:
        return False
    from fieldmark.use.unfinished import refuse_other, told_done

    if done:
        print(told_done(out, asked))
    else:
        refuse_other(out, asked)
    return done


def _opened(wanted: Wanted, looked: "Looked", **how: Any) -> "Predictor":
    """The model, ready to answer as is wanted; torch is imported. Raises any UserError."""
    from fieldmark.use.predictor import Answering, Predictor

    answering = wanted.how
    if looked.way is not None:  # what has no label is decided afterwards
        abstains = answering["abstain"] is not None
        answering = {**answering, "abstain": None, "unlike_if_known": abstains}
    return Predictor(wanted.run, Answering(**answering), **how)


def _mistakes(wanted: Wanted, shown: "Shown", *, goes_on: bool) -> Iterator[Mistake]:
    """What stands against sorting and watching, before the model is looked for."""
    from fieldmark.cli.watching import watch_mistakes
    from fieldmark.use.sorting_asked import sorting_mistakes

    crops, page = wanted.crops, shown.page
    yield from sorting_mistakes(wanted.sorting, wanted.inputs, crops=crops, page=page)
    if wanted.watch:
        others = {"--continue": goes_on, "--by": wanted.known.by, "--crops": crops, "--page": page}
        others |= {"--format": shown.form, "--images": wanted.images}
        yield from watch_mistakes(wanted.inputs, shown, others)


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
