"""What `fieldmark predict` makes of answers: a table, a file of another form, a page, sentences."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.errors import counted

if TYPE_CHECKING:
    from fieldmark.report.answers_page import Groups
    from fieldmark.use.forms import Form
    from fieldmark.use.inputs import Found
    from fieldmark.use.predictor import Answer, Predictor
    from fieldmark.use.refined import Way
    from fieldmark.use.sorting import Sorter
    from fieldmark.use.tally import Tally


@dataclass(frozen=True)
class Asked:
    """What was typed, under the names that `fieldmark predict` has for it."""

    run: str
    inputs: list[str]
    images: str | None
    crops: str | None
    out: Path | None
    overwrite: bool
    goes_on: bool
    page: Path | None
    scores: bool
    top: int
    form: str | None
    at_least_one: bool
    abstain: float | None
    unlike: bool
    sets: float | None
    only: Path | None
    taxonomy: Path | None
    by: str | None
    sort_into: Path | None
    move: bool
    watch: bool
    batch_size: int
    device: str
    engine: str

    @property
    def columns(self) -> list[Any]:
        """What a table of the same answers may have otherwise."""
        return [self.form, self.scores, self.top]


@dataclass(frozen=True)
class Looked:
    """The images, and what is asked of them, as `unfinished.question` has it. form: of the file,
    and way: of the answers, where they are not those of the model alone."""

    found: "Found"
    question: dict[str, Any]
    form: "Form | None"
    way: "Way | None"


def opened(asked: Asked, looked: Looked) -> "Predictor":
    """The model, ready to answer as is wanted; torch is imported. Raises any UserError."""
    from fieldmark.use.predictor import Answering, Predictor

    answering = Answering(asked.abstain, asked.unlike, asked.sets, asked.at_least_one)
    if looked.way is not None:  # what has no label is decided afterwards
        abstains = asked.abstain is not None
        answering = replace(answering, abstain=None, unlike_if_known=abstains)
    how: dict[str, Any] = {"device": asked.device, "engine": asked.engine}
    return Predictor(asked.run, answering, **how, batch_size=asked.batch_size)


def answer(asked: Asked, looked: Looked) -> int:
    """Look at the images, write what is wanted, and say what there is to say. -> the exit code"""
    from fieldmark.use.unfinished import answered, conclude, kept_answers

    predictor, out = opened(asked, looked), asked.out
    images: Sequence[Any] = looked.found.images
    groups, sorter = None, sorter_of(asked, looked, predictor)
    if out is None:
        answers = seen(predictor, images, quiet=sys.stdout.isatty())
    else:
        look, question = partial(seen, predictor), looked.question
        answers = kept_answers(out, question, images, look, goes_on=asked.goes_on)
    answers = refined(looked, answers, images)
    if asked.page is not None:
        from fieldmark.report.answers_page import Groups

        groups = Groups()
        answers = groups.watch(answers, [getattr(each, "path", each) for each in images])
    if sorter is not None:
        known = len(answered(out)) if out is not None and asked.goes_on else 0
        held = looked.way is not None and looked.way.by_event
        answers = sorter.watch(answers, images, before=known, held=held)
    write = _as_table if looked.form is None else _in_a_form
    code = write(predictor, asked, looked, answers)
    if looked.way is not None:
        note(looked.way.words())
    if sorter is not None:
        tell(sorter.lost)
        note(sorter.words())
        code = 1 if sorter.lost else code
    if groups is not None and asked.page is not None:
        _write_page(groups, predictor, looked.found, asked.page)
    if out is not None:
        conclude(out, looked.question)
    return code


def seen(
    predictor: "Predictor", images: Sequence[Any], *, quiet: bool = False
) -> "Iterator[Answer]":
    """The model's own answers to images, with a bar."""
    from fieldmark.console import Console

    with Console(stream=sys.stderr, quiet=quiet).bar("predicting", len(images)) as bar:
        begun = time.monotonic()
        for number, each in enumerate(predictor.stream(images), 1):
            rate = number / max(time.monotonic() - begun, 1e-9)
            bar.advance(1, f"{rate:.{0 if rate >= 10 else 1}f} images/s")
            yield each


def refined(
    looked: Looked, answers: "Iterator[Answer]", images: Sequence[Any]
) -> "Iterator[Answer]":
    """The answers to images, made by what else is known of these."""
    from fieldmark.use.refined import refine

    if looked.way is None:
        return answers
    return refine(answers, [getattr(each, "event", None) for each in images], looked.way)


def sorter_of(asked: Asked, looked: Looked, predictor: "Predictor") -> "Sorter | None":
    """What puts pictures into folders; None where that is not asked."""
    from fieldmark.use.sorting import sorter

    if asked.sort_into is None:
        return None
    bars = (looked.way.bars if looked.way else None) or ()
    taxa = [taxon for bar in bars for taxon in bar.rank.taxa]
    return sorter(asked.sort_into, predictor.classes, taxa, move=asked.move)


def _as_table(
    predictor: "Predictor", asked: Asked, looked: Looked, answers: "Iterator[Answer]"
) -> int:
    """Columns image, label, score of the images that have an answer."""
    from fieldmark.use.sets import words
    from fieldmark.use.table import write_table
    from fieldmark.use.tally import Tally

    tally, sets = Tally(), asked.sets
    answered = tally.answered(answers)
    first = next(answered, None)
    if first is not None:  # else there is nothing to make a table of
        out, columns = asked.out or sys.stdout, columns_of(predictor, asked, looked)
        write_table(out, chain([first], answered), predictor.classes, **columns)
    _say_written(tally, asked.out)
    without = "" if tally.seen else "; there is no table"
    code = _close(predictor, looked.found.notes, tally, without)
    row, of_validation = predictor.set_row, predictor.info.sets
    if sets is not None and row is not None and of_validation is not None and tally.sets:
        note([words(of_validation, row, sets, tally.in_sets / tally.sets)])
    return code


def columns_of(predictor: "Predictor", asked: Asked, looked: Looked) -> dict[str, Any]:
    """Which columns the table has, as `write_table` takes it."""
    bars = (looked.way.bars if looked.way else None) or ()
    goes_up = looked.way is not None and looked.way.bars is not None
    return {
        "scores": asked.scores,
        "top": asked.top,
        "several": predictor.several,
        "reasons": predictor.abstention is not None or predictor.leaves_out or goes_up,
        "sets": asked.sets is not None,
        "ranks": len(bars) > 1,
    }


def _in_a_form(
    predictor: "Predictor", asked: Asked, looked: Looked, answers: "Iterator[Answer]"
) -> int:
    """A file as other programs read it."""
    from fieldmark.use.megadetector_file import MegaDetector
    from fieldmark.use.tally import Tally

    form, tally = looked.form, Tally()
    assert form is not None
    if isinstance(form, MegaDetector) and predictor.abstention is not None:
        form = replace(form, above=predictor.abstention.score)
    form.write(asked.out or sys.stdout, tally.watch(answers))
    _say_written(tally, asked.out)
    has = "has" if len(tally.failures) == 1 else "have"
    return _close(predictor, looked.found.notes, tally, f" and {has} no label")


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

    note([*notes, *predictor.told])
    tell(failure.reason for failure in tally.failures)
    if tally.failures:
        tell([f"{counted(len(tally.failures), 'file')} had no answer{then}"])
    note(little_words(tally.little, tally.seen))
    if predictor.abstention is not None and tally.seen:
        note([predictor.abstention.words(tally.unlabelled, tally.seen, tally.unlike)])
    elif predictor.check is not None and tally.seen:
        if predictor.leaves_out:
            note([predictor.check.words(tally.unlike, tally.seen)])
        elif tally.unlike and predictor.check.is_of_enough:
            note([predictor.check.advice(tally.unlike, tally.seen)])
    return 1 if tally.failures else 0


def tell(lines: Iterable[str]) -> None:
    """What could not be done, beside what is written."""
    for line in lines:
        print(f"fieldmark: {line}", file=sys.stderr)


def note(lines: Iterable[str]) -> None:
    """What is good to know, beside what is written."""
    for line in lines:
        print(f"note: {line}", file=sys.stderr)
