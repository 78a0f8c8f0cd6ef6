"""Who works on which planned run: a claim is a file that only one process can make.

It says on which machine and in which process, and is renewed while that process lives. A claim
whose process is gone, or that was not renewed for a while, is stale, and may be taken. Machines
need nothing in common but the folder; their clocks may differ, for ages are told by the folder's.
"""

import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from threading import Event, Thread

from fieldmark.errors import disk_error
from fieldmark.study.folder import StudyDir, files_below

RENEWED = 10.0  # seconds between two renewals
STALE = 120.0  # seconds without one


class Had(Enum):
    """How a claim was had."""

    NOT = 0
    FREE = 1
    TAKEN = 2


@dataclass(frozen=True)
class Claim:
    """What a claim's file says."""

    run: str
    host: str
    process: int

    @property
    def is_here(self) -> bool:
        """Whether it was made on this machine."""
        return self.host == socket.gethostname()


def claims(study: StudyDir) -> list[Claim]:
    """All that there are, stale ones too."""
    found = (_read(path) for path in files_below(study.claims) if not path.name.startswith("."))
    return [each for each in found if each is not None]


@contextmanager
def claimed(
    study: StudyDir, name: str, *, renewing: Callable[[], None] = lambda: None
) -> Iterator[Had]:
    """Hold a planned run inside, alone. -> how it was had: free, taken from one that died, or not

    renewing: called whenever the claim is renewed, from another thread.
    """
    path, had = study.claims / name, Had.FREE
    if not _make(path):
        had = Had.TAKEN
        if not (_is_stale(study, path) and _take_away(study, path) and _make(path)):
            yield Had.NOT
            return
    done = Event()

    def renew() -> None:
        while not done.wait(RENEWED / 5):
            with suppress(OSError):
                os.utime(path)
            renewing()

    Thread(target=renew, daemon=True).start()
    try:
        yield had
    finally:
        done.set()
        path.unlink(missing_ok=True)


def release(study: StudyDir, process: int | None = None) -> list[str]:
    """Give up what a process of this machine held, now that it has died. -> the runs

    None: what all of them held that live no more.
    """
    held = [
        each
        for each in claims(study)
        if each.is_here
        and (each.process == process or (process is None and not lives(each.process)))
    ]
    for each in held:
        (study.claims / each.run).unlink(missing_ok=True)
    return [each.run for each in held]


def _make(path: Path) -> bool:
    """Make a claim's file whole, in one step. -> whether there was none."""
    about = json.dumps({"host": socket.gethostname(), "process": os.getpid()})
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        draft.write_text(about, encoding="utf-8")
        os.link(draft, path)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> Claim | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Claim(path.name, str(kept["host"]), int(kept["process"]))
    except (OSError, ValueError, KeyError, TypeError):  # gone this moment
        return None


def _is_stale(study: StudyDir, path: Path) -> bool:
    claim = _read(path)
    if claim is None:
        return not path.exists()
    if claim.is_here and not lives(claim.process):
        return True
    now = study.claims / f".now.{uuid.uuid4().hex}"
    try:
        now.touch()
        return now.stat().st_mtime - path.stat().st_mtime > STALE
    except OSError:
        return False
    finally:
        now.unlink(missing_ok=True)


def _take_away(study: StudyDir, path: Path) -> bool:
    """Take a stale claim away. -> whether it was this process that did

    Between the look at it and this, another may have taken it and made its own: that is put back.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True  # somebody gave it up
    if _is_stale(study, aside):
        aside.unlink(missing_ok=True)
        return True
    with suppress(FileExistsError):
        os.link(aside, path)
    aside.unlink(missing_ok=True)
    return False


def lives(process: int) -> bool:
    """Whether a process of this machine is there, and not only its name in the system's table."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        about = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:  # no Linux, or gone this moment
        return True
    return about.rpartition(")")[2].split()[0] != "Z"
