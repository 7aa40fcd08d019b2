"""
What a client and a handler hand to each other.

A request is handed over when its header is complete. Its body follows as it is read: little of it waits, and then the
sender waits. An answer is bytes from the beginning, so that many can be given the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from edgetally.http.connection import Connection

BODY_AT_ONCE = 1 << 20
"""Bytes of a body that are worth waking the handler for before its end: a push of common size costs it one turn."""

PIECES_AT_ONCE = 256
"""The same for the pieces in which they came, because each piece has a price of its own."""

SMALL_PIECE = 1 << 12
"""Pieces smaller than this on average are joined: a copy costs less than handling each."""

BODY_AHEAD = 1 << 20
"""Bytes of a body that may wait for the handler; then the sender waits."""


class Disconnect(Exception):
    """The client has left before its request was complete."""


class Response:
    """An answer. It is bytes from the beginning, so that it can be sent to many."""

    __slots__ = ("body", "fresh", "head", "status")

    def __init__(
        self,
        status: HTTPStatus,
        body: bytes = b"",
        *fields: bytes,
        content_type: bytes = b"application/json",
        fresh: bool = False,
    ) -> None:
        lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode()), b"Date: " + formatdate(usegmt=True).encode()]
        if status is not HTTPStatus.NO_CONTENT:
            lines += [b"Content-Type: " + content_type, b"Content-Length: %d" % len(body)]
        self.status = status
        self.head = b"\r\n".join([*lines, *fields, b""])
        self.body = body
        self.fresh = fresh
        """Whether it answers every such request until the next second is sealed."""


class Body:
    """The body of a request, as it comes."""

    __slots__ = ("_chunks", "_connection", "_news", "_size", "complete", "expects_continue", "unwanted")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._news: asyncio.Future[None] | None = None
        self.complete = False
        self.expects_continue = False
        self.unwanted = False
        """Set when nobody will read it; then none of it is kept."""

    @property
    def is_ahead(self) -> bool:
        """Whether more has come than should wait."""
        server = self._connection.server
        return self._size > (BODY_AHEAD if server.waiting_bytes <= server.limits.max_waiting_bytes else 0)

    def unwant(self) -> None:
        """Keep none of it: the request is refused, and its answer may be held back."""
        self.unwanted = True
        self.drop()

    def put(self, chunk: bytes) -> None:
        """Add what came."""
        if self.unwanted:
            return
        self._chunks.append(chunk)
        self._grow(len(chunk))
        if self._size >= BODY_AT_ONCE or len(self._chunks) >= PIECES_AT_ONCE or self.is_ahead:
            self.news()

    def drop(self) -> None:
        """Keep nothing of what waits."""
        self._chunks.clear()
        self._grow(-self._size)

    def abandon(self) -> None:
        """Nothing more will come, and what waits is worth nothing without it."""
        self.drop()
        self.complete = False
        self.news()

    def _grow(self, size: int) -> None:
        self._size += size
        self._connection.server.waiting_bytes += size

    def news(self) -> None:
        """Wake the reader, if there is one."""
        if self._news and not self._news.done():
            self._news.set_result(None)

    async def __aiter__(self) -> AsyncIterator[Sequence[bytes]]:
        """Yield what comes, large pieces as they came; raise Disconnect when it does not come to its end."""
        while True:
            if self._chunks:
                are_small = self._size < SMALL_PIECE * len(self._chunks)
                chunks = [b"".join(self._chunks)] if are_small else [*self._chunks]
                self.drop()
                self._connection.flow()
                yield chunks
            elif self.complete:
                return
            elif self._connection.is_lost:
                raise Disconnect
            else:
                if self.expects_continue:
                    self.expects_continue = False
                    self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._news = asyncio.get_running_loop().create_future()
                await self._news


class Request(NamedTuple):
    """A request, from the moment when its header is complete."""

    method: str
    path: str
    """The decoded path."""
    query: dict[str, str]
    headers: dict[bytes, bytes]
    """By lower-case name; of fields that are repeated, the last."""
    body: Body
    keep_alive: bool
    http10: bool

    def header(self, name: bytes) -> str:
        """Return the field `name` as text; empty when it is absent."""
        return self.headers.get(name, b"").decode("latin-1").strip()
