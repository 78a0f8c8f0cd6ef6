"""`fieldmark predict --watch`: folders are looked at until Ctrl-C, and a table grows."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.cli.predicted import (
    Asked,
    Looked,
    columns_of,
    note,
    opened,
    refined,
    seen,
    sorter_of,
    tell,
)
from fieldmark.errors import DataError, Mistake, counted, writing

if TYPE_CHECKING:
    from fieldmark.use.predictor import Answer, Prediction
    from fieldmark.use.sorting import Sorter
    from fieldmark.use.watched import Growing, Inbox


def watch_mistakes(asked: Asked) -> Iterator[Mistake]:
    """What stands against watching, of the options beside it and of the inputs."""
    from fieldmark.use.table import LINES

    out = asked.out
    if out is None:
        yield Mistake("--watch", "appends to the file of --out; name that too")
    elif out.suffix.lower() not in LINES:
        what = f"rows can be appended to {' or '.join(LINES)} alone; choose one of these endings"
        yield Mistake(f"--out {out} with --watch", what)
    for option, (name, why) in BESIDE.items():
        if getattr(asked, name) not in (None, False):
            yield Mistake(f"--watch with {option}", why)
    for each in asked.inputs:
        if not Path(each).is_dir():
            yield Mistake("--watch", f"looks at folders, and '{each}' is none; name a folder")


BESIDE = {  # what does not go with it: the option, its name in Asked, and why
    "--continue": ("goes_on", "it goes on by itself where it was; leave --continue out"),
    "--by": ("by", "an event is answered when all of it is there; leave one of the two out"),
    "--crops": (
        "crops",
        "boxes are found before, and new pictures have none; leave one of the two out",
    ),
    "--page": ("page", "a page is of pictures that are all there; leave one of the two out"),
    "--format": (
        "form",
        "such a file is written whole, and this one grows; leave one of the two out",
    ),
    "--images": ("images", "is for a table of images, and these are folders; leave it out"),
}


def watch(asked: Asked, looked: Looked) -> int:
    """Look at the folders until a signal ends it; never comes back but by an error.

    Raises SettingsError for a table that does not grow by the same question, or does so by another
    process just now, any UserError, DiskError.
    """
    from fieldmark.files import check_table
    from fieldmark.use.table import LINES
    from fieldmark.use.unfinished import beside, refuse_other
    from fieldmark.use.watched import growing_alone

    out = asked.out
    assert out is not None
    if not asked.overwrite:
        refuse_other(out, looked.question, "--watch")
    check_table(out, LINES, overwrite=asked.overwrite or beside(out).exists())
    with growing_alone(out):
        return _watch(asked, looked, out)


def _watch(asked: Asked, looked: Looked, out: Path) -> int:
    from fieldmark.stopping import undoing
    from fieldmark.use.table import appended
    from fieldmark.use.unfinished import beside
    from fieldmark.use.watched import Growing, Inbox, begun_words

    predictor = opened(asked, looked)
    if asked.overwrite:
        with writing(out):
            beside(out).unlink(missing_ok=True)
            out.unlink(missing_ok=True)
    columns = columns_of(predictor, asked, looked)
    head, row_of = appended(out.suffix.lower(), predictor.classes, **columns)
    growing, sorter = Growing(out, looked.question, head), sorter_of(asked, looked, predictor)
    folders = [Path(str(each)) for each in looked.found.images]
    inbox = Inbox(folders, asked.sort_into, growing.done)
    print(begun_words(inbox.folders, growing, out), flush=True)
    if sorter is not None and growing.last is not None:
        _sort_last(growing.last, sorter)
    before = growing.rows

    def stopped() -> str:
        now = f"{counted(growing.rows - before, 'image')} answered in {out}"
        where = "".join(f"; {line}" for line in sorter.words()) if sorter else ""
        return f"stopped; {now}{where}; the same command goes on"

    with undoing(stopped):
        note(predictor.told)
        while True:
            ready = inbox.ready(lambda line: note([line]))
            rows = growing.rows
            for answer in refined(looked, seen(predictor, ready), ready) if ready else ():
                _take(answer, inbox, growing, row_of, sorter)
            if growing.rows > rows:
                print(f"{counted(growing.rows, 'image')} answered in {out}", flush=True)
            inbox.rest()


def _take(
    answer: "Answer",
    inbox: "Inbox",
    growing: "Growing",
    row_of: "Callable[[Prediction], bytes]",
    sorter: "Sorter | None",
) -> None:
    """Write an answer down, and put its picture in place. Raises DiskError."""
    from fieldmark.use.predictor import Prediction
    from fieldmark.use.sorting import folders_of

    path, row = answer.image, None
    if isinstance(answer, Prediction):
        row = row_of(answer)
    elif not Path(path).exists() or inbox.again(path):  # taken away, or on its way still
        return
    else:
        tell([answer.reason])
    growing.add(answer, inbox.waiting[path].stamp, row)
    if sorter is not None:
        _put(sorter, folders_of(answer), path)


def _sort_last(last: dict[str, Any], sorter: "Sorter") -> None:
    """Put the last picture of before in place, which a kill may have kept from it."""
    from fieldmark.data.inside import size_and_time

    if size_and_time(last["image"]) == tuple(last["stamp"]):
        _put(sorter, last["folders"], last["image"])


def _put(sorter: "Sorter", folders: Sequence[str], path: str) -> None:
    try:
        sorter.put(folders, Path(path))
    except DataError as error:
        tell([str(error)])
