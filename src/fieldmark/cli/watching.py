"""`fieldmark predict --watch`: folders are looked at until Ctrl-C, and a table grows."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.errors import DataError, Mistake, counted

if TYPE_CHECKING:
    from fieldmark.cli.predicted import Looked, Shown
    from fieldmark.use.predictor import Failure, Prediction, Predictor
    from fieldmark.use.sorting import Sorter
    from fieldmark.use.watched import Growing, Inbox


def watch_mistakes(
    inputs: Sequence[str], shown: "Shown", others: dict[str, Any]
) -> Iterator[Mistake]:
    """What stands against it. others: what does not go with it, by name, and what was given."""
    from fieldmark.use.table import LINES

    if shown.out is None:
        yield Mistake("--watch", "appends to the file of --out; name that too")
    elif shown.out.suffix.lower() not in LINES:
        what = f"rows can be appended to {' or '.join(LINES)} alone; choose one of these endings"
        yield Mistake(f"--out {shown.out} with --watch", what)
    for name, value in others.items():
        if value not in (None, False):
            yield Mistake(f"--watch with {name}", WHY.get(name, "leave one of the two out"))
    for each in inputs:
        if not Path(each).is_dir():
            yield Mistake("--watch", f"looks at folders, and '{each}' is none; name a folder")


WHY = {
    "--continue": "it goes on by itself where it was; leave --continue out",
    "--by": "an event is answered when all of it is there; leave one of the two out",
    "--crops": "boxes are found before, and new pictures have none; leave one of the two out",
    "--page": "a page is of pictures that are all there; leave one of the two out",
    "--format": "such a file is written whole, and this one grows; leave one of the two out",
    "--images": "is for a table of images, and these are folders; leave it out",
}


def refuse_begun(shown: "Shown", asked: dict[str, Any]) -> None:
    """Raise SettingsError for a table that does not grow by the same question."""
    from fieldmark.files import check_table
    from fieldmark.use.table import LINES
    from fieldmark.use.unfinished import beside, refuse_other

    out, overwrite = shown.out, asked["overwrite"]
    assert out is not None
    asked["options"] |= {"watch": True, "columns": shown.columns}
    if not overwrite:
        refuse_other(out, asked, "--watch")
    check_table(out, LINES, overwrite=overwrite or beside(out).exists())


def _forget(out: Path) -> None:
    """Begin anew. Raises DiskError."""
    from fieldmark.errors import writing
    from fieldmark.use.unfinished import beside

    with writing(out):
        beside(out).unlink(missing_ok=True)
        out.unlink(missing_ok=True)


def watch(open_model: "Callable[[], Predictor]", looked: "Looked", shown: "Shown") -> int:
    """Look at the folders until a signal ends it; never comes back but by an error.

    open_model: is called when nothing stands against the table. Raises any UserError, DiskError.
    """
    from fieldmark.cli.predicted import columns_of, look_of, sorter_of, tell
    from fieldmark.stopping import undoing
    from fieldmark.use.table import appended
    from fieldmark.use.watched import Growing, Inbox, begun_words

    out, folders = shown.out, looked.found.images
    assert out is not None
    refuse_begun(shown, looked.asked)
    predictor = open_model()
    if looked.asked["overwrite"]:
        _forget(out)
    head, row_of = appended(
        out.suffix.lower(), predictor.classes, **columns_of(predictor, looked, shown)
    )
    growing, sorter = Growing(out, looked.asked, head), sorter_of(predictor, looked, shown.sorting)
    inbox = Inbox([Path(str(each)) for each in folders], shown.sorting.into, growing.done)
    look = look_of(predictor, looked)
    print(begun_words(inbox.folders, growing, out), flush=True)
    if sorter is not None and growing.last is not None:
        _sort_last(growing.last, sorter)
    before = growing.rows

    def stopped() -> str:
        now = f"{counted(growing.rows - before, 'image')} answered in {out}"
        where = "".join(f"; {line}" for line in sorter.words()) if sorter else ""
        return f"stopped; {now}{where}; the same command goes on"

    with undoing(stopped):
        tell(predictor.told)
        while True:
            ready = inbox.ready(lambda line: tell([line]))
            rows = growing.rows
            for answer in look(ready) if ready else ():
                _take(answer, inbox, growing, row_of, sorter)
            if growing.rows > rows:
                print(f"{counted(growing.rows, 'image')} answered in {out}", flush=True)
            inbox.rest()


def _take(
    answer: "Prediction | Failure",
    inbox: "Inbox",
    growing: "Growing",
    row_of: "Callable[[Prediction], bytes]",
    sorter: "Sorter | None",
) -> None:
    """Write an answer down, and put its picture in place. Raises DiskError."""
    from fieldmark.cli.predicted import tell
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
    from fieldmark.cli.predicted import tell

    try:
        sorter.put(folders, Path(path))
    except DataError as error:
        tell([str(error)])
