"""Ctrl-C and SIGTERM, at any moment of a command: one sentence, and exit code 130.

Python's own answer, a KeyboardInterrupt, comes out of whatever line is running: an import, which
then leaves half a module behind, or a callback that swallows it. So the command ends where it
is, as a kill would end it (law 6: what is on disk is whole); what must not be left behind says
so with `undoing`. Only training has a clean end, which the first signal asks for.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SOON = 1.0  # seconds that the main thread, which may be inside a library, has to answer
CLEAN = 5.0  # seconds for the clean end that a first signal asks for
ONCE = 0.5  # seconds within which two signals are one: `uv run` hands on what all get already


class Stop:
    """Whether the user has asked to stop.

    words: what the first signal says; patience: seconds that the clean end may take.
    """

    def __init__(self, words: str, patience: float):
        self.words, self.patience, self.asked = words, patience, False


_is_command = False  # else somebody's own program, whose end is not ours to decide
_is_ending = False
_asked_at = float("-inf")  # when a clean end was last asked for
_stops: list[Stop] = []  # of the trainings that are going on; the last is the innermost
_undos: list[Callable[[], str | None]] = []


def take_over() -> None:
    """From here on both signals end this process with a sentence, even inside a library."""
    global _is_command
    _is_command = True
    for number in SIGNALS:
        signal.signal(number, _answer)
    import atexit  # what is registered first comes last: all is done and told then

    atexit.register(_ignore)
    if os.name != "posix":  # a pipe wakes nobody there
        return
    from threading import Thread  # imported now that the handlers stand

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    Thread(target=_watch, args=(reader,), daemon=True).start()
    os.register_at_fork(after_in_child=_leave_signals_to_the_parent)


@contextmanager
def listening(
    words: str = "stopping after this step", patience: float | None = None
) -> Iterator[Stop]:
    """A Stop that the first signal sets while the work inside goes on.

    A second one ends the command at once; in a program of somebody's own it is a
    KeyboardInterrupt, and outside of its main thread nothing listens.
    """
    from threading import current_thread, main_thread

    stop, before = Stop(words, CLEAN if patience is None else patience), {}
    if current_thread() is not main_thread():
        yield stop
        return
    if not _is_command:
        before = {number: signal.signal(number, _answer) for number in SIGNALS}
    _stops.append(stop)
    try:
        yield stop
    finally:
        _stops.remove(stop)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undoing(undo: Callable[[], str | None]) -> Iterator[None]:
    """Where a signal ends the process inside, `undo` is called first, and may give the sentence."""
    _undos.append(undo)
    try:
        yield
    finally:
        _undos.remove(undo)


def _answer(number: int, frame: FrameType | None) -> None:
    """The handler of both signals, in the main thread."""
    global _asked_at
    if _stops and not _stops[-1].asked:
        _stops[-1].asked, _asked_at = True, time.monotonic()
        _say(f"{_stops[-1].words}; once more to stop at once")
    elif _is_command and time.monotonic() - _asked_at < ONCE:
        return
    elif _is_command:
        _end(flush=True)
    else:
        raise KeyboardInterrupt


def _watch(reader: int) -> None:
    """End the process where its main thread does not, in time."""
    from select import select

    first, until = float("inf"), None
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select([reader], [], [], left)[0]:
            _end()
        is_ours = set(SIGNALS) & set(os.read(reader, 64))  # not those that libraries listen for
        now = time.monotonic()
        if is_ours and not 0 <= now - first < ONCE:
            patience = _stops[-1].patience if _stops and until is None else SOON
            first, until = min(first, now), min(until or float("inf"), now + patience)


def _end(*, flush: bool = False) -> None:
    """Undo what must not stay, say the sentence, and end. flush: the output may be written."""
    global _is_ending
    if not _is_ending:
        _is_ending = True
        words = "stopped"
        for undo in reversed(_undos):
            with suppress(Exception):
                words = undo() or words
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.kill()
        _say(words)
        if os.isatty(1):
            os.write(1, b"\x1b[?25h")  # a bar has hidden the cursor
        if flush:
            with suppress(Exception):
                sys.stdout.flush()
    os._exit(130)


def _say(words: str) -> None:
    """A line, past Python's streams: a signal may come while they are in the middle of one."""
    begin = "\n" if os.isatty(2) else ""  # the terminal has written ^C
    with suppress(OSError):
        os.write(2, f"{begin}fieldmark: {words}\n".encode(errors="backslashreplace"))


def _ignore() -> None:
    """From here on Python takes itself apart, and its own answer would be a death by the signal."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _leave_signals_to_the_parent() -> None:
    """A process that was forked off: a Ctrl-C reaches all, and the parent ends them."""
    global _is_command
    _is_command = False
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
