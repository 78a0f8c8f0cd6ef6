"""Ctrl-C and SIGTERM: the first one asks for a clean end, a second one ends at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether the user has asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def is_asked(self) -> bool:
        """The same as a function, for who need not know of signals."""
        return self.asked


@contextmanager
def listening() -> Iterator[Stop]:
    """A Stop that the signals set while the work inside goes on; none outside a main thread."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        # not the console: a handler may run while that is in the middle of a line
        os.write(2, b"\nfieldmark: stopping after this step; once more to stop at once\n")

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
