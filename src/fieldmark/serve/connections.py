"""Connections that must say what they want, and of which there are not too many."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 10.0  # seconds for the head of a request, and for the rest of a body that was refused
MOST = 512  # connections at once
TOO_MANY = b'{"error": "too many connections are open; come back in 5 s"}'
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\n"
    b"Connection: close\r\nContent-Length: " + str(len(TOO_MANY)).encode() + b"\r\n\r\n" + TOO_MANY
)


class Connection(H11Protocol):
    """uvicorn's, which by itself waits for a head without end."""

    head_seconds, most = HEAD, MOST
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head, where there is room."""
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > self.most:
            transport.write(FULL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Wait no longer where that was a whole head."""
        super().data_received(data)
        if not self._is_idle:
            self._stop_waiting()
        elif self._timer is None:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._close_idle)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_idle(self) -> None:
        self._timer = None
        if self._is_idle:
            self.transport.close()
