"""Files and folders appear whole or not at all: written beside their place, then renamed."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from fieldmark.errors import DiskError, Mistake, SettingsError, disk_error, writing
from fieldmark.stopping import undoing

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

OURS = b'<meta name="generator" content="Fieldmark">'  # in the head of every page that is made here
LONG = 100  # numbers of a list from which they stand without blanks
HEAD = 1 << 16  # bytes of a file in which that stands
SHORT = 50  # letters of a name that a draft beside it has: the longest names have no room for more


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a new file, then put that in the place of `path` in one step.

    What stood at `path` stays as it was until the new file is complete and on the disk. The new
    file's name is drawn, for threads, and machines that share a disk, may have equal numbers.
    Raises DiskError where there is no room or no permission.
    """
    _written(path, write, lambda draft: draft.replace(path))


def write_new(path: Path, write: Callable[[Path], Any]) -> bool:
    """As `write_whole`, where nothing stands at `path` yet. -> whether nothing did

    What stands there stays, also what another process puts there meanwhile. Raises DiskError.
    """
    placed = []
    _written(path, write, lambda draft: placed.append(renamed(draft, path)))
    return placed[0]


def renamed(old: Path, new: Path) -> bool:
    """Give a file another name on the same disk, where nothing has that. -> whether nothing had

    Raises OSError, as for another disk.
    """
    try:
        new.hardlink_to(old)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links: nobody else may take the name just now
        if os.path.lexists(new):
            return False
        old.rename(new)
    else:
        try:
            old.unlink(missing_ok=True)
        except OSError:  # it stays where it was, and only there
            new.unlink()
            raise
    return True


def _written(path: Path, write: Callable[[Path], Any], place: Callable[[Path], Any]) -> None:
    draft = path.with_name(f".{path.name[:SHORT]}.{os.urandom(6).hex()}.part")
    try:
        with undoing(lambda: draft.unlink(missing_ok=True)):
            write(draft)
            with draft.open("rb+") as stream:
                os.fsync(stream.fileno())
            place(draft)
    except OSError as error:
        raise disk_error(path, error) from error
    except Exception as error:
        if (inner := _system_error(error)) is None:
            raise
        raise disk_error(path, inner) from error
    finally:
        with contextlib.suppress(OSError):  # the error above says why
            draft.unlink()


def _system_error(error: Exception) -> OSError | None:
    """The system's error that polars or safetensors wrapped into its own: "... (os error 28)"."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


@contextlib.contextmanager
def drafted(draft: Path, place: Path) -> Iterator[None]:
    """Inside, a new folder `draft`; at its end it is gone, unless it was renamed.

    So is the folder that it is in, if that was new and has nothing else. Raises DiskError, which
    names `place`, for which it is meant.
    """
    is_new = not draft.parent.exists()

    def undo() -> None:
        shutil.rmtree(draft, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):  # it has something else
                draft.parent.rmdir()

    try:
        with writing(place), undoing(undo):
            draft.mkdir(parents=True)
            yield
    except DiskError as error:  # of a file in the draft, whose name is of no use to anybody
        raise DiskError(str(error).replace(str(draft), str(place))) from error
    finally:
        undo()


def put_folder(draft: Path, place: Path) -> None:
    """Put a folder that is whole in the place of another one, or where nothing is.

    No rename does that in one step, so the old one first moves aside, to .NAME.before, and goes
    when the new one is in its place. What a kill in between leaves there goes with the next.
    Raises OSError.
    """
    aside = place.with_name(f".{place.name}.before")
    if os.path.lexists(place):
        shutil.rmtree(aside, ignore_errors=True)
        place.rename(aside)
    draft.rename(place)
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def held(lock: Path) -> Iterator[bool]:
    """Hold a file inside for this process. -> whether no other process holds it

    A killed process lets go of it by dying. The hold is of the kind that children do not inherit:
    a loader's workers may outlive a killed parent by seconds. A file system without locks has it
    always free. Raises DiskError where the file cannot be made.
    """
    with writing(lock):
        stream = lock.open("a")
    with stream:
        yield _is_free(stream)


def _is_free(stream: IO[str]) -> bool:
    """Lock a file, until it is closed. -> whether no other process had"""
    try:
        if sys.platform == "win32":
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass
    return True


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8, whole or not at all."""
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_csv(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    """Rows of cells as CSV in UTF-8, whole or not at all."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    write_text(path, stream.getvalue())


def write_stream(out: Path | IO[str], fill: Callable[[IO[str]], Any]) -> None:
    """Let `fill` write a text in UTF-8, into a stream, or into a file that appears whole.

    Lines end as `fill` ends them; folders that lack are made. Raises DiskError.
    """
    if not isinstance(out, Path):
        fill(out)
        return
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)

    def write(draft: Path) -> None:
        with draft.open("w", encoding="utf-8", newline="") as stream:
            fill(stream)

    write_whole(out, write)


def write_json(path: Path, value: Any) -> None:
    """JSON that any reader takes: indented, UTF-8, no NaN (ValueError where there is one).

    A list of numbers is one line: a confusion table of 1,000 classes has a million of them.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # a line end is never inside a text of JSON, which has \n there
    text = re.sub(r"\[\n([^][{}\"]+)\n *\]", _in_a_line, text)
    write_text(path, text + "\n")


def _in_a_line(found: re.Match[str]) -> str:
    """A list of numbers without its line ends; a long one without blanks, a third of its bytes."""
    parts = found[1].split()
    return f"[{(' ' if len(parts) < LONG else '').join(parts)}]"


def check_table(path: Path, endings: Iterable[str], *, overwrite: bool) -> None:
    """Refuse, before any work, a table that may not be written. Raises SettingsError."""
    wrong = ""
    if path.is_dir():
        wrong = "is a folder; name a file in it"
    elif path.suffix.lower() not in endings:
        page = "; a page is --page" if path.suffix.lower() == ".html" else ""
        wrong = f"must end in {' or '.join(endings)}, which names its kind{page}"
    elif path.exists() and not overwrite:
        wrong = "exists already; choose another name, or replace it with --overwrite"
    if wrong:
        raise SettingsError([Mistake(f"--out {path}", wrong)])


def check_page(path: Path) -> None:
    """Refuse, before any work, what `--page` must not replace or cannot be written.

    A page that is there already is replaced, if it is one of ours; nothing else is. Folders that
    lack are made when the page is written. Raises SettingsError.
    """
    try:
        wrong = _page_trouble(path)
    except OSError as error:
        wrong = f"cannot be used ({error.strerror or error}); choose another place"
    if wrong:
        raise SettingsError([Mistake(f"--page {path}", wrong)])


def _page_trouble(path: Path) -> str:
    """What is wrong with a page's place, and what to do; "" where nothing is."""
    if path.is_dir():
        return "is a folder; name a file that ends in .html"
    if path.suffix.lower() != ".html":
        return "does not end in .html; name a file that does"
    if path.exists() or path.is_symlink():
        return (
            "" if _is_ours(path) else "is no page of Fieldmark's, so it stays; choose another name"
        )
    return folder_trouble(path.parent)


def folder_trouble(folder: Path) -> str:
    """Why nothing can be put into a folder, there or to be made, and what to do; else ""."""
    whole = folder.absolute()
    above = next(each for each in (whole, *whole.parents) if each.exists())
    if not above.is_dir():
        return f"'{above}' is no folder; choose another place"
    return "" if os.access(above, os.W_OK) else f"'{above}' cannot be written; choose another place"


def _is_ours(path: Path) -> bool:
    """Whether a file is a page that this program made."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return OURS in stream.read(HEAD)
