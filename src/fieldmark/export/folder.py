"""The folder that an export is: it appears whole, with what was seen of it in export.json."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fieldmark.errors import RunError
from fieldmark.files import drafted, put_folder, write_json
from fieldmark.rundir import EXPORT

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


@contextlib.contextmanager
def written(place: Path) -> Iterator[Path]:
    """Inside, a new folder to be filled, which ends with `write_about`; then it is put at `place`.

    Where that raises, what was at `place` stays, and nothing half written. What a killed export
    left is taken away. Raises DiskError.
    """
    draft = place.with_name(f".{place.name}.{os.urandom(6).hex()}.part")
    _clear_left(place)
    with drafted(draft, place), (draft / LOCK).open("a") as lock:
        _hold(lock)
        yield draft
        put_folder(draft, place)
        (place / LOCK).unlink()


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """export.json, with the size and the hash of each file of the folder. Raises DiskError."""
    files = {file.name: _told(file) for file in sorted(folder.glob("[!.]*"))}
    write_json(folder / EXPORT, {"format": FORMAT, **about, "files": files})


def _told(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


def _clear_left(place: Path) -> None:
    """Take away the drafts of exports that were killed; one that goes on holds its lock."""
    for lock in place.parent.glob(f".{place.name}.*.part/{LOCK}"):
        with contextlib.suppress(OSError), lock.open("a") as stream:
            if _hold(stream):
                shutil.rmtree(lock.parent)


def _hold(lock: IO[str]) -> bool:
    """Hold a lock until its file is closed, or the process ends. -> whether it is held now"""
    try:
        if fcntl is not None:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the disk knows no locks
        return False
    return True
