"""Folders that are looked at again and again: which pictures are new there and rest, and a table
that grows by their answers, with a file beside it that says which have theirs.

    {"model": "5f...", "images": "9a...", "options": {...}}                          what was asked
    {"image": "inbox/a.jpg", "stamp": [52011, 17...], "folders": ["cat"], "row": [17, 25]}

A row is where it begins in the table, and how many bytes it has, null of a picture without an
answer. The line is written first, so that a kill leaves at most one row that lacks or is torn.
The process that does so holds a lock, .TABLE.lock, which no other has at the same time.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldmark.data.inside import size_and_time
from fieldmark.errors import DataError, Mistake, counted, refuse, writing
from fieldmark.files import held
from fieldmark.use.inputs import pictures_of
from fieldmark.use.predictor import Answer
from fieldmark.use.sorting import folders_of
from fieldmark.use.sorting_asked import place_in
from fieldmark.use.unfinished import beside, keep, whole_lines

EVERY = 2.0  # seconds from look to look
SHARE = 0.1  # of the time at most that looking takes
PATIENCE = 30.0  # seconds that a picture rests before it is called broken: it may be on its way
Stamp = tuple[int, int]  # bytes, and time of change


@dataclass
class Waiting:
    """A picture that has no answer yet: its stamp, since when, and from when it is looked at."""

    stamp: Stamp
    since: float
    due: float


@dataclass
class Inbox:
    """Folders that are watched. done: the stamps of pictures that have their answers, by path.

    into: where pictures are sorted into, which is not looked at.
    """

    folders: Sequence[Path]
    into: Path | None
    done: dict[str, Stamp]
    waiting: dict[str, Waiting] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _took: float = 0.0

    def ready(self, tell: Callable[[str], None]) -> list[Path]:
        """The pictures that are new and have the size of the look before. tell: is called once
        with each sentence on what is passed over."""
        begun = time.monotonic()
        there: dict[str, Stamp] = {}
        said: set[str] = set()
        for folder in self.folders:
            for path in self._pictures(folder, said):
                if (stamp := size_and_time(path)) and self.done.get(path) != stamp:
                    there[path] = stamp
        for line in sorted(said - self._told):
            tell(line)
        self._told = said
        waiting = {}
        for path, stamp in there.items():
            before = self.waiting.get(path)
            is_same = before is not None and before.stamp == stamp
            waiting[path] = before if before and is_same else Waiting(stamp, begun, begun + EVERY)
        self.waiting, now = waiting, time.monotonic()
        self._took = now - begun
        return [Path(path) for path, each in waiting.items() if each.due <= begun]

    def rest(self) -> None:
        """Wait until the next look, which comes later where looking takes long."""
        time.sleep(max(EVERY, self._took / SHARE))

    def again(self, path: str) -> bool:
        """Whether a picture without an answer is looked at once more, since it may not be whole."""
        its = self.waiting[path]
        now, settled = time.monotonic(), its.since + PATIENCE
        its.due = settled
        return now < settled

    def _pictures(self, folder: Path, said: set[str]) -> Iterator[str]:
        below = place_in(folder, self.into) if self.into else None
        try:
            paths, notes = pictures_of(folder)
        except DataError:
            said.add(f"{folder}: is not there just now, or cannot be read; it is waited for")
            return
        said.update(f"{folder}: {note}" for note in notes)
        yield from (str(path) for path in paths if below is None or not path.is_relative_to(below))


@contextmanager
def growing_alone(out: Path) -> Iterator[None]:
    """Hold a table, inside, for this process alone. Raises SettingsError where another one lets it
    grow, DiskError."""
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with held(_lock(out)) as is_ours:
        if not is_ours:
            what = "another process watches for this table; stop that one, or name another file"
            refuse([Mistake(f"--out {out}", what)])
        yield


def refuse_watched(out: Path) -> None:
    """Raise SettingsError for a table that another process lets grow just now."""
    if _lock(out).is_file():
        with growing_alone(out):
            pass


def _lock(out: Path) -> Path:
    return out.with_name(f".{out.name}.lock")


class Growing:
    """A table that grows by rows, and the file beside it of the pictures that have their answer."""

    def __init__(self, out: Path, asked: dict[str, Any], head: bytes):
        """head: what the table begins with. Raises DiskError."""
        self._out, self._head, self._path = out, head, beside(out)
        self.done: dict[str, Stamp] = {}
        self.rows = 0
        self.last: dict[str, Any] | None = None
        if whole_lines(self._path):
            self._read()
        else:
            self._keep(asked)

    def add(self, answer: Answer, stamp: Stamp, row: bytes | None) -> None:
        """One more picture that has its answer, with its row, or the reason why it has none."""
        with writing(self._out):
            size = self._out.stat().st_size if self._out.exists() else 0
        if row is not None and size == 0:
            row = self._head + row
        place = None if row is None else [size, len(row)]
        line = {"image": answer.image, "stamp": stamp, "folders": folders_of(answer), "row": place}
        self._keep(line)
        if row is not None:
            with writing(self._out), self._out.open("ab") as stream:
                stream.write(row)
            self.rows += 1
        self.done[answer.image] = stamp

    def _keep(self, values: dict[str, Any]) -> None:
        with writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            keep(self._path, stream, values)

    def _read(self) -> None:
        """What is done, but for a last picture whose row a kill has torn, which is taken away."""
        with self._path.open(encoding="utf-8") as stream:
            next(stream)
            for line in stream:
                self.last = json.loads(line)
                self.done[self.last["image"]] = (*self.last["stamp"],)
                self.rows += self.last["row"] is not None
        if self.last is None or self.last["row"] is None:
            return
        begin, length = self.last["row"]
        size = self._out.stat().st_size if self._out.exists() else 0
        if begin <= size < begin + length:
            with writing(self._out):
                if size:
                    os.truncate(self._out, begin)
            del self.done[self.last["image"]]
            self.rows, self.last = self.rows - 1, None


def begun_words(folders: Sequence[Path], growing: Growing, out: Path) -> str:
    """What is said when it begins."""
    names = ", ".join(map(str, folders))
    before = f"; {counted(growing.rows, 'image')} answered before" if growing.rows else ""
    return f"watching {names} for {out}{before}; Ctrl-C ends it"
