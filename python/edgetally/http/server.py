"""What the connections of one listener share: handler, limits, cached responses, buffers and counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import msgspec

from edgetally.http.messages import ByteBudget
from edgetally.http.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from http import HTTPStatus

    from edgetally.clock import Clock
    from edgetally.http.messages import Part, Request, Response
    from edgetally.http.pending import PendingResponse

    Handler = Callable[[Request], Response | PendingResponse | Awaitable[Response]]

CACHED_RESPONSES = 1024
"""Different requests whose responses are cached."""

Limit = Literal[
    "max_connections",
    "max_target_bytes",
    "max_header_bytes",
    "handshake_timeout",
    "header_timeout",
    "stall_timeout",
    "max_unread_bytes",
]
"""A limit that refuses a request or ends a connection, by its name in `Limits`."""

LIMITS: tuple[Limit, ...] = get_args(Limit)


class Limits(msgspec.Struct, frozen=True):
    """What clients may use. Times are in seconds."""

    max_connections: int = 20_000
    max_target_bytes: int = 8 * 1024
    max_header_bytes: int = 64 * 1024
    handshake_timeout: float = 10.0
    """For a TLS handshake."""
    header_timeout: float = 20.0
    """For the header of a request, from its first byte."""
    stall_timeout: float = 30.0
    """Without progress in the body of a request, or in a response that the client reads."""
    idle_timeout: float = 75.0
    """Without a request."""
    max_waiting_bytes: int = 256_000_000
    """Buffered bytes of all request bodies; beyond it, every client with buffered bytes is paused."""
    max_unread_bytes: int = 512_000_000
    """Bytes of large responses that clients have not read. One that many clients are sent counts once."""


class ResponseCache:
    """
    Responses by the very bytes of their requests, tokens included, so that a hit costs one look-up and no parsing.

    All expire when `version` returns another value.
    """

    def __init__(self, version: Callable[[], int]) -> None:
        self.hits = 0
        self._version = version
        self._current = 0
        self._responses: dict[bytes, Response] = {}

    def get(self, request: bytes) -> Response | None:
        """Return the response to a request of these bytes."""
        version = self._version()
        if self._current != version:
            self._current = version
            self._responses.clear()
        return self._responses.get(request)

    def put(self, request: bytes, response: Response) -> None:
        """Cache `response` for requests of these bytes."""
        if self._current == self._version() and len(self._responses) < CACHED_RESPONSES:
            self._responses[request] = response

    def clear(self) -> None:
        """Drop all, because clients may no longer be permitted to see them."""
        self._responses.clear()


class UnreadResponses:
    """Large responses, and parts, that clients are still reading. Their bytes are shared, so each counts once."""

    def __init__(self) -> None:
        self.size = 0
        self._readers: Counter[Response | Part] = Counter()

    def pin(self, response: Response | Part, most: int) -> bool:
        """Count one more reader; return False, and count none, if this would exceed `most` bytes."""
        if not self._readers[response]:
            if self.size + len(response.body) > most:
                del self._readers[response]
                return False
            self.size += len(response.body)
        self._readers[response] += 1
        return True

    def unpin(self, response: Response | Part) -> None:
        """Count one reader less: it has read the response, or disconnected."""
        self._readers[response] -= 1
        if not self._readers[response]:
            del self._readers[response]
            self.size -= len(response.body)


class Client(Protocol):
    """An open connection, as the server manages it."""

    def sweep(self, now: float) -> None:
        """Close if a timeout has passed."""

    def close_if_idle(self) -> None:
        """Close unless a request is being received or answered."""

    def abort(self) -> None:
        """Close now."""


class Server:
    """What the connections of one listener share."""

    def __init__(
        self,
        handler: Handler,
        *,
        error_response: Callable[[HTTPStatus, str, str], Response],
        endpoint: Callable[[str], str],
        cache_version: Callable[[], int],
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008 - a tuple never changes
        rounds: Rounds | None = None,
    ) -> None:
        self.handler = handler
        self.error_response = error_response
        """
        Makes the response, from status, problem and path, where no handler does. The path is empty if none was read.
        """
        self.endpoint = endpoint
        """Names the endpoint of a path, to count responses by."""
        self.clock = clock
        self.limits = limits
        self.cache = ResponseCache(cache_version)
        self.buffered = ByteBudget(limits.max_waiting_bytes)
        """Bytes of request bodies that handlers have not taken."""
        self.unread = UnreadResponses()
        self.rounds = rounds or Rounds(clock)
        self.responses: Counter[tuple[str, int]] = Counter()
        """Responses by endpoint and status, without those from the cache: they have to cost nothing."""
        self.limits_reached: Counter[Limit] = Counter()
        """Refusals and closed connections, by the limit."""
        self.connections: set[Client] = set()
        self.closing = False
        self._all_closed = asyncio.Event()

    def sweep(self) -> None:
        """Close connections whose timeouts have passed; call it about once a second."""
        now = self.clock.now()
        for connection in list(self.connections):
            connection.sweep(now)

    def close(self) -> None:
        """Close idle connections now, and the others after their response."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

    async def drained(self) -> None:
        """Wait until the last connection is closed, after `close()`."""
        while self.connections:
            self._all_closed.clear()
            await self._all_closed.wait()

    def remove(self, connection: Client) -> None:
        """Forget a closed connection."""
        self.connections.discard(connection)
        if not self.connections:
            self._all_closed.set()

    def abort(self) -> None:
        """Close every connection now."""
        for connection in list(self.connections):
            connection.abort()
