"""What each request passes: the token, the clock, the counts, and a line where one is asked for."""

import hmac
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldmark.errors import Mistake, SettingsError
from fieldmark.serve.counts import Counts

OPEN = ("/", "/health", "/ready")  # these tell nothing of the model
KNOWN = ("/predict", "/predict.csv", "/classes", "/metrics", "/openapi.json", *OPEN)
PREDICTING = ("/predict", "/predict.csv")
NO_TOKEN = (
    '{"error": "a token is needed, and this request has none or another; send it as '
    'Authorization: Bearer TOKEN"}'
)


def read_token(path: Path) -> bytes:
    """The token in a file. Raises SettingsError: missing, empty, or open to others."""
    where = f"--token-file {path}"
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            token = stream.read().strip()
    except OSError as error:
        what = f"cannot be read ({error.strerror or error}); name a file that holds the token"
        raise SettingsError([Mistake(where, what)]) from error
    if os.name == "posix" and mode & 0o077:
        what = f"can be read or written by others (mode {mode:o}); keep it to yourself: chmod 600"
        raise SettingsError([Mistake(where, f"{what} {path}")])
    if not token:
        raise SettingsError([Mistake(where, "is empty; write the token into it")])
    if len(token.split()) > 1 or not token.isascii():
        what = "must hold one word of ASCII; make one with: openssl rand -hex 32"
        raise SettingsError([Mistake(where, what)])
    return token


class Door:
    """An ASGI application before another one."""

    def __init__(
        self,
        app: Any,
        counts: Counts,
        token: bytes | None = None,
        log: Callable[[str], Any] | None = None,
    ):
        self._app, self._counts, self._token, self._log = app, counts, token, log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Of ASGI."""
        if scope["type"] != "http":
            return
        begun, status = time.monotonic(), 500

        async def noted(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            if self._may_pass(scope):
                await self._app(scope, receive, noted)
            else:
                from starlette.responses import Response

                headers = {"WWW-Authenticate": 'Bearer realm="fieldmark"'}
                asking = Response(NO_TOKEN, 401, headers, media_type="application/json")
                await asking(scope, receive, noted)
        finally:
            self._note(scope, status, time.monotonic() - begun)

    def _may_pass(self, scope: Any) -> bool:
        if self._token is None or scope["path"] in OPEN:
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, token = given.partition(b" ")
        return kind.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)

    def _note(self, scope: Any, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in KNOWN else "other"
        self._counts.requests[path, status] += 1
        if path in PREDICTING:
            self._counts.seconds.add(seconds)
        if self._log is not None:
            self._log(f"{scope['method']} {path} {status} {1000 * seconds:.0f} ms")
