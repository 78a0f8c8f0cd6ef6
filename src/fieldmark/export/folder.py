"""The folder that an export is: it appears whole, with what was seen of it in export.json."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldmark.errors import RunError, disk_error
from fieldmark.files import write_json
from fieldmark.stopping import undoing

ABOUT = "export.json"
FORMAT = 1


def refuse_place(place: Path, *, overwrite: bool) -> None:
    """Raise RunError, before any work, for a place that is taken, or by what is no export."""
    if not place.exists() and not place.is_symlink():
        return
    if not overwrite:
        raise RunError(f"{place}: exists already; choose another --out, or add --overwrite")
    if not (place / ABOUT).is_file():
        raise RunError(f"{place}: is no export ({ABOUT}), so it stays; choose another --out")


def write_folder(place: Path, fill: Callable[[Path], dict[str, Any]]) -> None:
    """Let `fill` write files into a new folder, then put that in the place of `place`.

    fill: gives what export.json says, to which the files with their sizes and hashes are added.
    Whatever it raises, nothing half written stays. Raises DiskError.
    """
    draft = place.with_name(f".{place.name}.{os.urandom(6).hex()}.part")
    try:
        draft.mkdir(parents=True)
        with undoing(lambda: shutil.rmtree(draft, ignore_errors=True)):
            about = fill(draft)
            files = {file.name: _told(file) for file in sorted(draft.iterdir())}
            write_json(draft / ABOUT, {"format": FORMAT, **about, "files": files})
            if place.exists():
                shutil.rmtree(place)
            draft.rename(place)
    except OSError as error:
        raise disk_error(place, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _told(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}
