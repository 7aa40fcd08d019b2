"""
Requests and responses, as the server and a handler exchange them.

A request is handed over when its header is complete. Its body follows as it arrives; the client is paused while more
than a handler takes is buffered (backpressure). A response is bytes from the start, so that many clients share them.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edgetally.clock import http_date

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

WAKE_BYTES = 1 << 20
"""Buffered bytes for which a handler is woken before the body is complete: a common body costs one turn."""

WAKE_CHUNKS = 256
"""The same in chunks, because each chunk has a cost of its own."""

JOIN_BELOW = 1 << 12
"""Chunks that are smaller on average are joined: a copy costs less than handling each."""

WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
"""Responses that end with their head: https://www.rfc-editor.org/rfc/rfc9112#section-6.3."""

MAX_BUFFERED = 1 << 20
"""Bytes of one body that may be buffered before its client is paused."""


class Disconnect(Exception):
    """The client disconnected before its request was complete."""


class ByteBudget:
    """Bytes buffered for all clients together, and how many may be before every client with buffered bytes waits."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def is_exceeded(self) -> bool:
        """Whether more is buffered than should be."""
        return self.used > self.limit


class Flow(Protocol):
    """A connection, as its parts see it."""

    @property
    def is_lost(self) -> bool:
        """Whether the client has disconnected."""

    def resume(self) -> None:
        """Receive more, if the client was paused and no longer has to be."""

    def proceed(self) -> None:
        """Do what has become possible: send responses, handle the next requests, receive more."""

    def write_continue(self) -> None:
        """Send `100 Continue`."""

    def close(self) -> None:
        """Close once everything is written."""

    def abort(self) -> None:
        """Close now."""


class Part:
    """A part of a body without an end. Its bytes are made once and may be sent to many clients."""

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body


class Outlet(Protocol):
    """Where the parts for one client are sent."""

    @property
    def is_empty(self) -> bool:
        """Whether the client has taken everything that was sent."""

    def send_part(self, part: Part) -> None:
        """Send `part` behind what was sent before. Many may be sent at once; only the last of them may be large."""

    def end(self) -> None:
        """Close the connection once everything is sent."""


class BodyFeed(Protocol):
    """A body without an end. Its maker sends parts when it has some, and only while the client takes them."""

    def start(self, outlet: Outlet) -> None:
        """Take the outlet: the header was sent."""

    def proceed(self) -> None:
        """Go on, if there is more: the client has taken a large part."""

    def stop(self) -> None:
        """Send no more: the client has disconnected."""


class Response:
    """
    A response. Its bytes are made once and may be sent to many clients.

    A response with `pieces` is for one client: its body is made while it is sent, no faster than the client reads. When
    the generator raises, the connection is closed, so the client sees that the end is missing. The generator is closed
    when the client disconnects.

    A response with a `feed` is for one client, too, but many feeds may send the same parts. Its body has no end but
    that of the connection.
    """

    __slots__ = ("body", "cacheable", "feed", "head", "pieces", "status")

    def __init__(
        self,
        status: HTTPStatus,
        body: bytes = b"",
        *fields: bytes,
        content_type: bytes = b"application/json",
        cacheable: bool = False,
        pieces: AsyncGenerator[bytes, None] | None = None,
        feed: BodyFeed | None = None,
    ) -> None:
        lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode()), b"Date: " + http_date()]
        if status not in WITHOUT_BODY:
            lines.append(b"Content-Type: " + content_type)
            if pieces is None and feed is None:
                lines.append(b"Content-Length: %d" % len(body))
        self.status = status
        self.head = b"\r\n".join([*lines, *fields, b""])
        self.body = body
        self.pieces = pieces
        """The body as it is made, instead of `body`."""
        self.feed = feed
        """Sends the body, instead of `body`."""
        self.cacheable = cacheable
        """Whether it answers every request of the same bytes until the server's cache expires."""


class Body:
    """The body of a request, as it arrives."""

    __slots__ = ("_budget", "_chunks", "_flow", "_size", "_wakeup", "complete", "discarded", "expects_continue")

    def __init__(self, flow: Flow, budget: ByteBudget, *, expects_continue: bool = False) -> None:
        self._flow = flow
        self._budget = budget
        self._chunks: list[bytes] = []  # a deque takes 0.6 KB
        self._size = 0
        self._wakeup: asyncio.Future[None] | None = None
        self.expects_continue = expects_continue
        """Whether the client waits for `100 Continue` before it sends the body."""
        self.complete = False
        """Whether all of it has arrived."""
        self.discarded = False
        """Whether what arrives is dropped."""

    @property
    def is_ahead(self) -> bool:
        """Whether more is buffered than should be, so that the client has to be paused."""
        return self._size > 0 and self._size > (0 if self._budget.is_exceeded else MAX_BUFFERED)

    def put(self, chunk: bytes) -> None:
        """Buffer what arrived."""
        if self.discarded:
            return
        self._chunks.append(chunk)
        self._resize(len(chunk))
        if self._is_much:
            self._wake()

    def finish(self) -> None:
        """All of it has arrived."""
        self.complete = True
        self._wake()

    def abort(self) -> None:
        """No more will arrive, and what is buffered is useless without it."""
        self.clear()
        self.complete = False
        self._wake()

    def discard(self) -> None:
        """Drop all of it, now and as it arrives: the request is refused, perhaps after a delay."""
        self.discarded = True
        self.clear()

    def clear(self) -> None:
        """Drop what is buffered."""
        if self._chunks:
            self._chunks.clear()
            self._resize(-self._size)

    @property
    def _is_much(self) -> bool:
        """Whether enough is buffered to be handled."""
        return self._size >= WAKE_BYTES or len(self._chunks) >= WAKE_CHUNKS or self.is_ahead

    def _resize(self, size: int) -> None:
        self._size += size
        self._budget.used += size

    def _wake(self) -> None:
        if self._wakeup and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def __aiter__(self) -> AsyncIterator[Sequence[bytes]]:
        """Yield what arrives, some chunks at a time; raise Disconnect when the client leaves before the end."""
        while True:
            # What came with the header waits for the rest: a push would be folded in two steps otherwise.
            if self._chunks and (self.complete or self._is_much):
                are_small = self._size < JOIN_BELOW * len(self._chunks)
                chunks = [b"".join(self._chunks)] if are_small else [*self._chunks]
                self.clear()
                self._flow.resume()
                yield chunks
            elif self.complete:
                return
            elif self._flow.is_lost:
                raise Disconnect
            else:
                if self.expects_continue:
                    self.expects_continue = False
                    self._flow.write_continue()
                self._wakeup = asyncio.get_running_loop().create_future()
                # The client may be paused for a budget that others have freed by now.
                self._flow.resume()
                await self._wakeup


class Request(NamedTuple):
    """A request, from the moment when its header is complete."""

    method: str
    path: str
    """The decoded path."""
    query: dict[str, str]
    headers: dict[bytes, bytes]
    """By lower-case name; of repeated fields, the last."""
    body: Body
    keep_alive: bool
    http10: bool

    def with_path(self, path: str) -> Request:
        """Return the same request of another path."""
        # `_replace` takes four times as long.
        return Request(self.method, path, self.query, self.headers, self.body, self.keep_alive, self.http10)

    def header(self, name: bytes) -> str:
        """Return the field `name` as text; empty when it is absent."""
        return self.headers.get(name, b"").decode("latin-1").strip()
