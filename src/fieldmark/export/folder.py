"""The folder that an export is: it appears whole, with what was seen of it in export.json."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fieldmark.errors import DiskError, RunError, disk_error
from fieldmark.files import write_json
from fieldmark.rundir import EXPORT
from fieldmark.stopping import undoing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"  # in a folder that is being written
FORMAT = 1


def refuse_place(place: Path, *, overwrite: bool) -> None:
    """Raise RunError, before any work, for a place that is taken, or by what is no export."""
    if not place.exists() and not place.is_symlink():
        return
    if not overwrite:
        raise RunError(f"{place}: exists already; choose another --out, or add --overwrite")
    if not (place / EXPORT).is_file():
        raise RunError(f"{place}: is no export ({EXPORT}), so it stays; choose another --out")


def write_folder(place: Path, fill: Callable[[Path], dict[str, Any]]) -> None:
    """Let `fill` write files into a new folder, then put that in the place of `place`.

    fill: gives what export.json says, to which the files with their sizes and hashes are added.
    Whatever it raises, nothing half written stays; what a killed export left is taken away. Raises
    DiskError.
    """
    draft = place.with_name(f".{place.name}.{os.urandom(6).hex()}.part")
    try:
        _clear_left(place)
        draft.mkdir(parents=True)
        with _held(draft / LOCK), undoing(lambda: shutil.rmtree(draft, ignore_errors=True)):
            about = fill(draft)
            files = {
                file.name: _told(file) for file in sorted(draft.iterdir()) if file.name != LOCK
            }
            write_json(draft / EXPORT, {"format": FORMAT, **about, "files": files})
            (draft / LOCK).unlink()
            if place.exists():
                shutil.rmtree(place)
            draft.rename(place)
    except OSError as error:
        raise disk_error(place, error) from error
    except DiskError as error:  # of a file in the draft, whose name is of no use to anybody
        raise DiskError(str(error).replace(str(draft), str(place))) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _told(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


def _clear_left(place: Path) -> None:
    """Take away the drafts of exports that were killed; one that goes on holds its lock."""
    for left in place.parent.glob(f".{place.name}.*.part"):
        lock = left / LOCK
        if lock.is_file():
            with contextlib.suppress(OSError), _held(lock):
                shutil.rmtree(left)


@contextlib.contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Hold a lock that ends with the process. Raises OSError where another one holds it."""
    with lock.open("a") as stream:
        if fcntl is not None:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
