"""What the user sees while work goes on: lines, warnings and bars, and the same lines in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from fieldmark.errors import writing

PLAIN_FIRST = 10.0  # seconds of a piece of work before a line, where there is no terminal,
PLAIN_EVERY = 60.0  # and between lines
PACE_STEPS, PACE_SECONDS = 2, 3.0  # after the first, which show how fast work goes


class Bar:
    """Progress of one piece of work: `advance` it by steps, with words on how it goes."""

    def __init__(self, console: "Console", label: str, total: int | None, first: float):
        self._console, self._label, self._total = console, label, total
        self._done, self._start = 0, time.monotonic()
        self._next = self._start + first
        self._first: tuple[float, int] | None = None  # when a first step was done, and how many
        self._drawn: Any = None
        self._task: Any = None

    def resize(self, total: int) -> None:
        """The work is `total` steps, now that it is known."""
        if total != self._total:
            self._total = total
            if self._drawn is not None:
                self._drawn.update(self._task, total=total)

    def advance(self, steps: int = 1, words: str = "") -> None:
        """`steps` more are done; `words`, such as loss and rate, stand beside the bar."""
        self._done += steps
        now = time.monotonic()
        if steps and self._first is None:
            self._first = now, self._done
        if self._drawn is not None:
            self._drawn.update(self._task, advance=steps, words=words, left=self._left(now))
        elif self._done not in (0, self._total) and now > self._next:
            self._next = now + PLAIN_EVERY
            self._console.say(f"{self._label}: {self._so_far(now, words)}")

    def _so_far(self, now: float, words: str) -> str:
        if self._total is None:
            return f"{duration(now - self._start)} so far"
        return "  ".join(filter(None, (f"{self._done}/{self._total}", words, self._left(now))))

    def _left(self, now: float) -> str:
        """How long it still takes, in words; "" as long as steps have not shown it.

        The first does not count: it holds what has to be made ready, or is where work goes on.
        """
        if self._total is None or self._first is None or self._done >= self._total:
            return ""
        seconds, steps = now - self._first[0], self._done - self._first[1]
        if steps < PACE_STEPS or seconds < PACE_SECONDS:
            return ""
        return f"{duration(seconds / steps * (self._total - self._done))} left"


class Console:
    """Speaks to one stream (standard output, unless quiet) and, once there is one, to a log."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None):
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._drawing: Any = None  # the terminal, while a bar is drawn on it
        self._log: Path | None = None
        self._kept: list[str] = []

    @contextmanager
    def log_to(self, path: Path) -> Iterator[None]:
        """Inside, every line goes to this file too, and so do the lines so far."""
        self._log, kept, self._kept = path, self._kept, []
        try:
            self._append(kept)
            yield
        finally:
            self._log = None

    def say(self, text: str = "", *, level: str = "INFO") -> None:
        """A line, or several; in the log with time, name and level."""
        if self._drawing is not None:  # above the bar, which is drawn anew
            self._drawing.print(text, markup=False, highlight=False, soft_wrap=True)
        elif not self._quiet:
            self._print(text)
        stamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        start = f"{stamp}  fieldmark {level:<7}  "
        self._append([start + line for line in text.splitlines() if line.strip()])

    def warn(self, text: str) -> None:
        """A line that the user should not miss."""
        self.say(f"note: {text}", level="WARNING")

    @contextmanager
    def bar(self, label: str, total: int | None, *, first: float = PLAIN_FIRST) -> Iterator[Bar]:
        """A bar on a terminal, gone when its work is done; elsewhere a line now and then.

        total: steps; None: nobody knows. first: seconds before the first line.
        """
        bar = Bar(self, label, total, first)
        if self._quiet or not self._stream.isatty():
            yield bar
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            TextColumn("{task.fields[left]}"),
        )
        terminal = Terminal(file=self._stream)
        with Progress(*columns, console=terminal, transient=True) as drawn:
            bar._drawn, bar._task = drawn, drawn.add_task(label, total=total, words="", left="")
            self._drawing = terminal
            try:
                yield bar
            finally:
                self._drawing = None

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except UnicodeEncodeError:  # a stream of few characters, or a file's name that is no text
            encoding = self._stream.encoding or "utf-8"
            plain = text.encode(encoding, "backslashreplace").decode(encoding)
            print(plain, file=self._stream, flush=True)

    def _append(self, lines: list[str]) -> None:
        if self._log is None:
            self._kept += lines
            return
        with (
            writing(self._log),
            self._log.open("a", encoding="utf-8", errors="backslashreplace") as stream,
        ):
            stream.writelines(f"{line}\n" for line in lines)


def duration(seconds: float) -> str:
    """Seconds as a person says them: "0.8 s", "24 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        places = 0 if seconds >= 9.95 or seconds < 0.005 else 1 if seconds >= 0.095 else 2
        return f"{seconds:.{places}f} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
