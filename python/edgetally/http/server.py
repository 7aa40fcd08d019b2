"""
What the connections of one listener share: what clients may do, the answers at hand, what waits, and what was counted.

An answer that was given in this second is given again to the same bytes for one look-up, without anybody reading them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from http import HTTPStatus

    from edgetally.clock import Clock
    from edgetally.http.messages import Request, Response

    Handler = Callable[[Request], Response | Awaitable[Response]]

FRESH_REQUESTS = 1024
"""How many different requests have their answer at hand."""


class Limits(NamedTuple):
    """What clients may do. These are settings, and are counted by their names."""

    max_connections: int = 20_000
    max_target_bytes: int = 8 * 1024
    max_header_bytes: int = 64 * 1024
    handshake_timeout: float = 10.0
    """How long TLS may take to begin."""
    header_timeout: float = 20.0
    """How long the header of a request may take, from its first byte."""
    stall_timeout: float = 30.0
    """How long the next bytes of a body, or the reading of an answer, may take."""
    idle_timeout: float = 75.0
    """How long a connection may be silent between requests."""
    max_waiting_bytes: int = 256_000_000
    """Bytes of bodies that may wait for their handlers, before every sender waits who has something waiting there."""
    max_unread_bytes: int = 512_000_000
    """Bytes of large answers that may wait for their readers. One that many readers are given counts once."""


class Client(Protocol):
    """Somebody who is connected."""

    def sweep(self, now: float) -> None:
        """Close if it takes too long."""

    def close_if_idle(self) -> None:
        """Close unless it waits for an answer."""

    def abort(self) -> None:
        """Close now."""


class Server:
    """What the connections of one listener share."""

    def __init__(
        self,
        handler: Handler,
        *,
        refuse: Callable[[HTTPStatus, str], Response],
        epoch: Callable[[], int],
        room: Callable[[str], str],
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008 - a tuple never changes
    ) -> None:
        self.handler = handler
        self.refuse = refuse
        """Makes the answer to what is no request that a handler could be asked."""
        self.room = room
        """Names what a path belongs to, for the count of responses."""
        self.clock = clock
        self.responses: Counter[tuple[str, int]] = Counter()
        """Responses, by room and status."""
        self.repeated = 0
        """Responses that were at hand already. They are not among the others: counting them there takes too long."""
        self.limits = limits
        self.waiting_bytes = 0
        """Bytes of bodies that wait for their handlers."""
        self.refused: Counter[str] = Counter()
        """Connections that were ended for a limit, by its setting."""
        self.unread_bytes = 0
        """Bytes of large answers that wait for their readers."""
        self._unread: Counter[Response] = Counter()
        self.connections: set[Client] = set()
        self.closing = False
        self._drained = asyncio.Event()
        self._epoch = epoch
        self._fresh_epoch = 0
        self._fresh: dict[bytes, Response] = {}

    def fresh(self, request: bytes) -> Response | None:
        """Return the answer that was given to these very bytes, if it still stands."""
        if self._fresh_epoch != self._epoch():
            self._fresh_epoch = self._epoch()
            self._fresh.clear()
        return self._fresh.get(request)

    def remember(self, request: bytes, response: Response) -> None:
        """Give `response` to these very bytes, the token in them included, until the next second is sealed."""
        if self._fresh_epoch == self._epoch() and len(self._fresh) < FRESH_REQUESTS:
            self._fresh[request] = response

    def forget(self) -> None:
        """Give no answer again that was given before: who may see it has changed."""
        self._fresh.clear()

    def hold(self, response: Response) -> bool:
        """Say whether there is room for `response` until it is read; then `let_go` of it."""
        if not self._unread[response]:
            if self.unread_bytes + len(response.body) > self.limits.max_unread_bytes:
                del self._unread[response]
                return False
            self.unread_bytes += len(response.body)
        self._unread[response] += 1
        return True

    def let_go(self, response: Response) -> None:
        """One reader has read it, or has left."""
        self._unread[response] -= 1
        if not self._unread[response]:
            del self._unread[response]
            self.unread_bytes -= len(response.body)

    def sweep(self) -> None:
        """Close connections that have been silent for too long; to be called about once a second."""
        now = self.clock.now()
        for connection in list(self.connections):
            connection.sweep(now)

    def close(self) -> None:
        """Close idle connections now, and the others after their answer."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

    async def drained(self) -> None:
        """Wait until the last connection has ended, after `close()`."""
        while self.connections:
            self._drained.clear()
            await self._drained.wait()

    def left(self, connection: Client) -> None:
        """Forget a connection that has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self._drained.set()

    def abort(self) -> None:
        """Close every connection, whatever it is doing."""
        for connection in list(self.connections):
            connection.abort()
