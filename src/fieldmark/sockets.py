"""How long a server may be silent."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def answering_within(seconds: float) -> Iterator[None]:
    """Inside, a server that is silent for so long is one that is not there.

    For libraries that download without setting a limit of their own.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
