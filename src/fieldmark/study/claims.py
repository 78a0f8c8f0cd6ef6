"""Who works on which planned run: a run's claims are numbered files, and the last one counts.

Only one process can make the file of a number. It says on which machine and in which process, is
renewed while that process lives, and is cut to one byte to give the run up. A claim whose process
is gone, or that was not renewed for a while, is stale; to take it is to make the next number. None
is ever taken away, so what came between a look and a claim is seen: its number is there. Machines
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
from itertools import count
from pathlib import Path
from threading import Event, Thread
from time import sleep

from fieldmark.errors import disk_error
from fieldmark.study.folder import StudyDir, files_below

RENEWED = 10.0  # seconds between two renewals
STALE = 120.0  # seconds without one
GIVEN_UP = "{"  # what is left of a claim then


class Had(Enum):
    """How a claim was had."""

    NOT = 0
    FREE = 1
    TAKEN = 2


@dataclass(frozen=True)
class Claim:
    """What a claim's file says; without a host while it is being made."""

    run: str
    number: int
    host: str
    process: int

    @property
    def is_here(self) -> bool:
        """Whether it was made on this machine."""
        return self.host == socket.gethostname()


def claims(study: StudyDir) -> list[Claim]:
    """The last of each run that is not given up, stale ones too."""
    last: dict[str, int] = {}
    for path in files_below(study.claims):
        run, _, number = path.name.rpartition(".")
        if number.isdecimal() and not run.startswith("."):
            last[run] = max(int(number), last.get(run, 0))
    found = (_read(_place(study, run, number)) for run, number in last.items())
    return [each for each in found if each is not None]


@contextmanager
def claimed(
    study: StudyDir, name: str, *, renewing: Callable[[], None] = lambda: None
) -> Iterator[Had]:
    """Hold a planned run inside, alone. -> how it was had: free, taken from one that died, or not

    renewing: called whenever the claim is renewed, from another thread.
    """
    number = _next(study, name)
    last = _place(study, name, number - 1)
    before = _read(last)
    path = _place(study, name, number)
    if (before is not None and not _is_stale(before, last)) or not _make(path):
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
        yield Had.TAKEN if before is not None and before.host else Had.FREE
    finally:
        done.set()
        _give_up(path)


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
        _give_up(_place(study, each.run, each.number))
    return [each.run for each in held]


def _place(study: StudyDir, run: str, number: int) -> Path:
    return study.claims / f"{run}.{number}"


def _next(study: StudyDir, run: str) -> int:
    """The first number that is still to be had."""
    return next(number for number in count() if not _place(study, run, number).exists())


def _make(path: Path) -> bool:
    """-> whether there was none"""
    about = json.dumps({"host": socket.gethostname(), "process": os.getpid()})
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(about)
    except FileExistsError:
        return False
    except OSError as error:
        raise disk_error(path, error) from error
    return True


def _give_up(path: Path) -> None:
    with suppress(FileNotFoundError, PermissionError):  # no study any more; another user's, stale
        os.truncate(path, len(GIVEN_UP))  # one step, for which a full disk has room


def _read(path: Path) -> Claim | None:
    """None: given up, or never made. Raises DiskError."""
    run, _, number = path.name.rpartition(".")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error(path, error) from error
    if text == GIVEN_UP:
        return None
    try:
        kept = json.loads(text)
        return Claim(run, int(number), str(kept["host"]), int(kept["process"]))
    except (ValueError, KeyError, TypeError):  # this moment being made, or cut off by a power cut
        return Claim(run, int(number), "", 0)


def _is_stale(claim: Claim, path: Path) -> bool:
    if claim.is_here and not lives(claim.process):
        return True
    if claim.is_here and _is_old(path):
        sleep(RENEWED)  # the machine may have slept: who lives renews now
    return _is_old(path)


def _is_old(path: Path) -> bool:
    """Whether a claim was not renewed for a while, by the clock of its folder."""
    now = path.with_name(f".now.{uuid.uuid4().hex}")
    try:
        now.touch()
        return now.stat().st_mtime - path.stat().st_mtime > STALE
    except OSError:
        return False
    finally:
        now.unlink(missing_ok=True)


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
