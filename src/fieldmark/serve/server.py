"""The process: an address of its own, a thread for the requests, and a clean end."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldmark.data.images import made_up
from fieldmark.errors import Mistake, SettingsError, WorkError, refuse
from fieldmark.machine import INSTALL, cores, is_installed
from fieldmark.serve.desk import BATCHES, Desk
from fieldmark.serve.limits import Limits

if TYPE_CHECKING:
    from fieldmark.use.predictor import Predictor

PACKAGES = ("fastapi", "uvicorn", "python_multipart")  # what the extra installs
LOOPBACK = ("127.", "::1")
BACKLOG = 128  # connections that the system keeps until they are taken
IDLE = 15  # seconds that a connection is kept open without a request
STARTING = 30.0  # seconds that a server may take to listen


def refuse_lacking() -> None:
    """Raise SettingsError where the extra is not installed."""
    missing = [package for package in PACKAGES if not is_installed(package)]
    how = f"which is not installed; install it with: {INSTALL} 'fieldmark[serve]'"
    refuse(Mistake("fieldmark serve", f"needs '{name}', {how}") for name in missing[:1])


def bound(host: str, port: int) -> socket.socket:
    """A socket of this address that does not listen yet. Raises SettingsError."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        what = "is no name or address of this machine; take 127.0.0.1, or 0.0.0.0 for all of them"
        raise SettingsError([Mistake(f"--host {host}", what)]) from error
    found = socket.socket(family, kind, proto)
    try:
        if os.name == "posix":  # elsewhere it would share the port of another server
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(0)  # else the port of another that listens is told only afterwards
    except OSError as error:
        found.close()
        raise _taken(host, port, error) from error
    return found


def _taken(host: str, port: int, error: OSError) -> SettingsError:
    reason = (error.strerror or str(error)).lower()
    what = f"{host} cannot be listened to at this port ({reason}); choose another, or 0 for any"
    return SettingsError([Mistake(f"--port {port}", what)])


def address_of(bound_to: socket.socket) -> str:
    """The address that a browser opens."""
    host, port = bound_to.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_open(bound_to: socket.socket) -> bool:
    """Whether other machines may reach it."""
    return not bound_to.getsockname()[0].startswith(LOOPBACK)


def share_cores() -> None:
    """Let each of the BATCHES that are computed at once have its share of the cores, if nobody has
    said otherwise by OMP_NUM_THREADS. It is read when torch is imported, which is not done here.

    Threads that meet at every layer wait for each other whenever a picture is decoded, or another
    program runs, and burn the time: on two busy cores two took three times as long as one.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // BATCHES)))


def warmed(predictor: "Predictor", limits: Limits) -> float:
    """Let the network see a batch of drawn pictures, so that no request waits for what it does
    once. -> the seconds that an image takes

    Raises SettingsError where a batch does not fit into memory, or the engine is far from torch.
    """
    side, coarse = predictor.info.spec.size, made_up(limits.batch_size, 8, 8, 3)
    pictures = np.repeat(np.repeat(coarse, -(-side // 8), axis=1), -(-side // 8), axis=2)
    begun = time.monotonic()
    for _ in predictor.stream(pictures):
        pass
    return (time.monotonic() - begun) / limits.batch_size


@contextlib.contextmanager
def running(
    desk: Desk,
    bound_to: socket.socket,
    *,
    page: str = "",
    top: int = 5,
    token: bytes | None = None,
    log: Callable[[str], Any] | None = None,
) -> Iterator[Thread]:
    """Requests are answered inside, by a thread; at the end what was taken is answered first."""
    from threadpoolctl import threadpool_limits
    from uvicorn import Config, Server

    from fieldmark.serve.app import app_of
    from fieldmark.serve.connections import Connection
    from fieldmark.serve.door import Door

    config = Config(
        Door(app_of(desk, page, top), desk.counts, token, log),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=int(desk.limits.seconds) + 1,
        backlog=BACKLOG,
    )
    server = Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [bound_to]}, name="server", daemon=True)
    thread.start()
    few = threadpool_limits(1, user_api="blas")  # NumPy's threads, for the same reason
    try:
        _await(lambda: server.started or not thread.is_alive(), STARTING)
        if not server.started:
            raise WorkError("the server did not start; see above why, and try again")
        yield thread
    finally:
        desk.is_stopping = True  # from here on /ready says so
        _await(lambda: not desk.requests or not thread.is_alive(), desk.limits.seconds)
        server.should_exit = True
        thread.join()
        desk.close()
        few.restore_original_limits()


def _await(is_so: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so, at most as long."""
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
