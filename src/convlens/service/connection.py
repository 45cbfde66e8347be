"""HTTP connections that cannot be held open by saying nothing, and of which there are only so many."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_FULL_BODY = b'{"error":"The service has too many connections.","reason":"busy"}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_FULL_BODY), _FULL_BODY)
)


class GuardedConnection(H11Protocol):
    """uvicorn's connection with a time limit on the heads of requests, and a limit on the number of connections.

    Where there are too many, the one that has said nothing for longest makes room; where all have sent a request, the
    newest is refused.
    """

    most_connections: int
    head_seconds: float
    silent: dict["GuardedConnection", None]
    """Connections whose next request has not come, by how long they have been so."""
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse one too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections and not self._made_room():
            transport.write(_FULL)
            transport.close()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._forget()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """An answer is sent; another request may come."""
        super().on_response_complete()
        self._expect_head()

    def pause_writing(self) -> None:
        """The client reads too slowly: it has as long as for a head."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.head_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        if self._stalled is not None:
            self._stalled.cancel()
        super().resume_writing()

    def _expect_head(self) -> None:
        self._forget()
        if not self.transport.is_closing() and not self._is_answering():
            self.silent[self] = None
            self._timer = self.loop.call_later(self.head_seconds, self._close_if_silent)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close_if_silent(self) -> bool:
        """Whether it was: its request has not come whole."""
        self._forget()
        if self._is_answering():
            return False
        self.connections.discard(self)
        self.transport.abort()  # whatever it has not read by now is not waited for
        return True

    def _made_room(self) -> bool:
        """Close the connection that has been silent for longest; False where none is."""
        while self.silent:
            if next(iter(self.silent))._close_if_silent():
                return True
        return False

    def _forget(self) -> None:
        self.silent.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def guarded(*, most_connections: int, head_seconds: float) -> type[GuardedConnection]:
    """The connection with these limits, for uvicorn, which makes its connections itself."""
    limits: dict[str, Any] = {"most_connections": most_connections, "head_seconds": head_seconds, "silent": {}}
    return type("LimitedConnection", (GuardedConnection,), limits)
