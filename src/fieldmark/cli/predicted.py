"""What `fieldmark predict` makes of answers: a table, a file of another form, a page, sentences."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.errors import Mistake, counted, refuse

if TYPE_CHECKING:
    from fieldmark.report.answers_page import Groups
    from fieldmark.use.forms import Form
    from fieldmark.use.inputs import Found
    from fieldmark.use.predictor import Predictor
    from fieldmark.use.refined import Way
    from fieldmark.use.sorting import Sorter
    from fieldmark.use.sorting_asked import Sorting
    from fieldmark.use.tally import Tally

Look = Callable[[Sequence[Any]], Iterator[Any]]  # images -> an answer of each, in order


@dataclass(frozen=True)
class Looked:
    """The images, and what is asked of them, as `question` has it. form: of the file, and way: of
    the answers, where they are not those of the model alone."""

    found: "Found"
    asked: dict[str, Any]
    form: "Form | None"
    way: "Way | None"


@dataclass(frozen=True)
class Shown:
    """What answers become: a file of a form, or a table with these columns, a page, and folders of
    pictures. goes_up: whether they are of a taxonomy."""

    out: Path | None
    page: Path | None
    form: str | None
    sorting: "Sorting"
    scores: bool
    top: int
    sets: float | None
    goes_up: bool = False

    @property
    def columns(self) -> list[Any]:
        """What a table of the same answers may have otherwise."""
        return [self.form, self.scores, self.top]


def is_done(shown: Shown, *, goes_on: bool, overwrite: bool) -> bool:
    """Whether a command that goes on has its table whole. Raises SettingsError."""
    from fieldmark.files import check_page, check_table
    from fieldmark.use.forms import ENDINGS, refuse_form
    from fieldmark.use.sheet_file import refuse_lacking
    from fieldmark.use.table import WRITERS
    from fieldmark.use.unfinished import beside, may_replace, refuse_unfinished

    out = shown.out
    columns = {"--scores": shown.scores, "--top": shown.top > 0, "--sets": shown.sets is not None}
    refuse_form(shown.form, out, columns | {"--taxonomy": shown.goes_up})
    if shown.page is not None:
        check_page(shown.page)
    if goes_on and (out is None or overwrite):
        what = "does not go with --overwrite" if overwrite else "goes on with the file of --out"
        do = "leave one out" if overwrite else "name that too"
        refuse([Mistake("--continue", f"{what}; {do}")])
    if out is None:
        return False
    if goes_on and out.is_file() and not beside(out).exists():
        _refuse_lacking_page(out, shown.page)
        return True
    refuse_unfinished(out, goes_on=goes_on, overwrite=overwrite)
    endings = WRITERS if shown.form is None else (ENDINGS[shown.form],)
    check_table(out, endings, overwrite=overwrite or (goes_on and may_replace(out)))
    refuse_lacking(out)
    return False


def _refuse_lacking_page(out: Path, page: Path | None) -> None:
    """Raise SettingsError for a page of answers that are kept no longer."""
    if page is not None and not page.is_file():
        what = f"is not there, and {out} is done without it; begin anew with --overwrite"
        refuse([Mistake(f"--page {page}", what)])


def answer(predictor: "Predictor", looked: Looked, shown: Shown, *, goes_on: bool) -> int:
    """Look at the images, write what is wanted, and say what there is to say. -> the exit code"""
    from fieldmark.use.unfinished import conclude

    look = looking(predictor, shown.out, looked.asked, goes_on=goes_on)
    groups = None
    if looked.way is not None:
        look = _refining(look, looked)
    if shown.page is not None:
        look, groups = _gathering(look)
    sorter = sorter_of(predictor, looked, shown.sorting)
    if sorter is not None:
        look = _sorting(look, sorter, looked, shown.out if goes_on else None)
    if looked.form is not None:
        code = _in_a_form(predictor, looked, shown, look)
    else:
        code = _as_table(predictor, looked, shown, look)
    if looked.way is not None:
        tell(looked.way.words())
    if sorter is not None:
        tell([*sorter.lost, *sorter.words()])
        code = 1 if sorter.lost else code
    if groups is not None and shown.page is not None:
        _write_page(groups, predictor, looked.found, shown.page)
    if shown.out is not None:
        conclude(shown.out, looked.asked)
    return code


def looking(
    predictor: "Predictor", out: Path | None, asked: dict[str, Any], *, goes_on: bool
) -> Look:
    """What gives the answers of images: with a bar, and kept beside --out until that is there."""
    from fieldmark.use.unfinished import kept_answers

    look = _with_bar(predictor, quiet=out is None and sys.stdout.isatty())
    if out is None:
        return look
    return lambda images: kept_answers(out, asked, images, look, goes_on=goes_on)


def _with_bar(predictor: "Predictor", *, quiet: bool = False) -> Look:
    from fieldmark.console import Console

    console = Console(stream=sys.stderr, quiet=quiet)

    def look(images: Sequence[Any]) -> Iterator[Any]:
        with console.bar("predicting", len(images)) as bar:
            begun = time.monotonic()
            for number, answer in enumerate(predictor.stream(images), 1):
                rate = number / max(time.monotonic() - begun, 1e-9)
                bar.advance(1, f"{rate:.{0 if rate >= 10 else 1}f} images/s")
                yield answer

    return look


def look_of(predictor: "Predictor", looked: Looked) -> Look:
    """What gives the answers of images with a bar, made by what is known of them."""
    look = _with_bar(predictor)
    return look if looked.way is None else _refining(look, looked)


def _refining(look: Look, looked: Looked) -> Look:
    """The same, with answers made by what is known of the images."""
    from fieldmark.use.refined import refine

    way = looked.way
    assert way is not None

    def refined(images: Sequence[Any]) -> Iterator[Any]:
        return refine(look(images), [getattr(each, "event", None) for each in images], way)

    return refined


def sorter_of(predictor: "Predictor", looked: Looked, sorting: "Sorting") -> "Sorter | None":
    """What puts pictures into folders; None where that is not asked."""
    from fieldmark.use.sorting import sorter

    if sorting.into is None:
        return None
    bars = (looked.way.bars if looked.way else None) or ()
    taxa = [taxon for bar in bars for taxon in bar.rank.taxa]
    return sorter(sorting.into, predictor.classes, taxa, move=sorting.move)


def _sorting(look: Look, sorter: "Sorter", looked: Looked, before: Path | None) -> Look:
    """The same, and the pictures go into their folders as the answers go by.

    before: the table that is gone on with.
    """
    from fieldmark.use.unfinished import answered

    held = looked.way is not None and looked.way.by_event
    known = 0 if before is None else len(answered(before))
    return lambda images: sorter.watch(look(images), images, before=known, held=held)


def _gathering(look: Look) -> tuple[Look, "Groups"]:
    """The same, and what gathers the answers for a page as they go by."""
    from fieldmark.report.answers_page import Groups

    groups = Groups()

    def gathered(images: Sequence[Any]) -> Iterator[Any]:
        pictures = [getattr(each, "path", each) for each in images]
        return groups.watch(look(images), pictures)

    return gathered, groups


def _as_table(predictor: "Predictor", looked: Looked, shown: Shown, look: Look) -> int:
    """Columns image, label, score of the images that have an answer."""
    from fieldmark.use.sets import words
    from fieldmark.use.table import write_table
    from fieldmark.use.tally import Tally

    tally, sets = Tally(), shown.sets
    answers = tally.answered(look(looked.found.images))
    first = next(answers, None)
    if first is not None:  # else there is nothing to make a table of
        out, columns = shown.out or sys.stdout, columns_of(predictor, looked, shown)
        write_table(out, chain([first], answers), predictor.classes, **columns)
    _say_written(tally, shown.out)
    without = "" if tally.seen else "; there is no table"
    code = _close(predictor, looked.found.notes, tally, without)
    row, of_validation = predictor.set_row, predictor.info.sets
    if sets is not None and row is not None and of_validation is not None and tally.sets:
        tell([words(of_validation, row, sets, tally.in_sets / tally.sets)])
    return code


def columns_of(predictor: "Predictor", looked: Looked, shown: Shown) -> dict[str, Any]:
    """Which columns the table has, as `write_table` takes it."""
    bars = (looked.way.bars if looked.way else None) or ()
    goes_up = looked.way is not None and looked.way.bars is not None
    return {
        "scores": shown.scores,
        "top": shown.top,
        "several": predictor.several,
        "reasons": predictor.abstention is not None or predictor.leaves_out or goes_up,
        "sets": shown.sets is not None,
        "ranks": len(bars) > 1,
    }


def _in_a_form(predictor: "Predictor", looked: Looked, shown: Shown, look: Look) -> int:
    """A file as other programs read it; of a table for Kaggle each image once, in its order."""
    from fieldmark.use.forms import answer_form
    from fieldmark.use.kaggle import Kaggle, once

    form, found = looked.form, looked.found
    assert form is not None
    if isinstance(form, Kaggle):
        found = once(found)
        found = replace(found, notes=(*found.notes, *form.notes))
    tally = answer_form(form, predictor, found, shown.out or sys.stdout, look)
    _say_written(tally, shown.out)
    has = "has" if len(tally.failures) == 1 else "have"
    return _close(predictor, found.notes, tally, f" and {has} no label")


def _write_page(groups: "Groups", predictor: "Predictor", found: "Found", page: Path) -> None:
    from fieldmark.files import write_text
    from fieldmark.report.answers_page import render

    info = predictor.info
    about = {"Model": info.model, "Classes": str(len(info.classes)), "Licence": info.licence or ""}
    about |= {"Weights": (info.weights_sha256 or "")[:12], "Engine": info.engine}
    page.parent.mkdir(parents=True, exist_ok=True)
    shown = {name: text for name, text in about.items() if text}
    write_text(page, render(groups, "Predictions", found.notes, shown))
    print(f"page     {page}", file=sys.stderr)


def _say_written(tally: "Tally", out: Path | None) -> None:
    if out is not None and tally.seen:
        print(f"{counted(tally.seen - tally.unlabelled, 'image')} labelled in {out}")


def _close(predictor: "Predictor", notes: Iterable[str], tally: "Tally", then: str) -> int:
    """Say what there is to be said beside the table. -> the exit code"""
    from fieldmark.data.seen_part import little_words

    tell([*notes, *predictor.told])
    tell(failure.reason for failure in tally.failures)
    if tally.failures:
        tell([f"{counted(len(tally.failures), 'file')} had no answer{then}"])
    tell(little_words(tally.little, tally.seen))
    if predictor.abstention is not None and tally.seen:
        tell([predictor.abstention.words(tally.unlabelled, tally.seen, tally.unlike)])
    elif predictor.check is not None and tally.seen:
        if predictor.leaves_out:
            tell([predictor.check.words(tally.unlike, tally.seen)])
        elif tally.unlike and predictor.check.is_of_enough:
            tell([predictor.check.advice(tally.unlike, tally.seen)])
    return 1 if tally.failures else 0


def tell(lines: Iterable[str]) -> None:
    """Sentences for the user, beside what is written."""
    for line in lines:
        print(f"fieldmark: {line}", file=sys.stderr)
