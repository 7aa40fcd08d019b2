"""
Writing: responses become bytes for one client.

    READY ─▶ SENDING ─▶ READY   a large body is sent in pieces, and other clients have their turn in between
    any of these ─▶ BLOCKED     the client reads too slowly; from there to SENDING or READY
    any of these ─▶ CLOSED      the client has disconnected

A large body is sent as it is, never copied: many clients may be sent the same bytes. It is pinned until it is sent. A
body that is made while it is sent is pulled out of its generator piece by piece, each when the client has taken most of
those before.

A body without an end is sent by its feed, in parts. The client's own buffers and the transport's are the only queue.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.http.messages import Disconnect
from edgetally.telemetry.events import RequestFailed, say

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from edgetally.http.messages import BodyFeed, Flow, Part, Request, Response
    from edgetally.http.server import Server

WRITE_BUFFER = 1 << 16
"""Bytes that the transport may buffer before the client's next request is handled."""

PIECE = 1 << 18
"""Bytes of a large body that are sent at a time."""


class Writing(Enum):
    """Whether a writer can take the next response."""

    READY = auto()
    SENDING = auto()
    BLOCKED = auto()
    CLOSED = auto()


# A member costs more to look up on its class than a response can afford.
READY, SENDING, BLOCKED, CLOSED = Writing


class ResponseWriter:
    """Sends responses to one client, in the order in which it is given them."""

    __slots__ = (
        *("_backlog", "_flow", "_pinned", "_room", "_server", "_stream", "_transport", "_unsent"),
        *("closes", "feed", "progress", "state"),
    )

    def __init__(self, flow: Flow, server: Server) -> None:
        self._flow = flow
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._unsent = memoryview(b"")
        """What is left of a large body."""
        self._pinned: Response | Part | None = None
        """The response whose large body is being sent."""
        self._stream: asyncio.Task[None] | None = None
        """Sends a body that is being made."""
        self._room: asyncio.Future[None] | None = None
        """What it waits for while the client reads too slowly."""
        self.closes = False
        """Whether the connection is closed behind that body."""
        self.feed: BodyFeed | None = None
        """Sends a body without an end: nothing else is written behind it."""
        self._backlog = 0
        """Bytes that were not sent when a sweep last looked."""
        self.state = CLOSED
        self.progress = 0.0
        """When the client last took some of what it had not read."""

    @property
    def is_streaming(self) -> bool:
        """Whether a body is being made and sent: nothing else can be written."""
        return self._stream is not None

    @property
    def is_busy(self) -> bool:
        """Whether a response is not written to its end."""
        return self.state is not READY or self.is_streaming

    def open(self, transport: asyncio.Transport) -> None:
        """Write to `transport` from now on."""
        transport.set_write_buffer_limits(WRITE_BUFFER)
        self._transport = transport
        self.state = READY

    def close(self) -> None:
        """Write nothing more: the client has disconnected."""
        self.state = CLOSED
        self._transport = None
        self._unsent = memoryview(b"")
        self._unpin()
        if self._stream:
            self._stream.cancel()
            self._stream = None
        if self.feed:
            self.feed.stop()
            self.feed = None

    def answer(self, request: Request, response: Response, *, stays: bool) -> None:
        """Send `response` to `request`; `stays` if the connection stays open behind it."""
        if not stays:
            fields = b"Connection: close\r\n\r\n"
        elif request.http10:
            fields = b"Connection: keep-alive\r\n\r\n"
        else:
            fields = b"\r\n"
        status = response.status
        if request.method == "HEAD":
            self.write(response.head + fields)
        elif response.pieces:
            # HTTP/1.0 has no chunks: there, the end of the connection is the end of the body.
            framing = b"" if request.http10 else b"Transfer-Encoding: chunked\r\n"
            self.write(response.head + framing + fields)
            self._start_stream(request, response.pieces)
        elif response.feed:
            self.write(response.head + fields)
            self.feed = response.feed
            self.feed.start(self)
        else:
            status = self.send(response, fields, request.path)
        # A member of an enumeration is hashed in Python.
        self._server.responses[self._server.endpoint(request.path), int(status)] += 1

    def send(self, response: Response, fields: bytes, path: str = "") -> HTTPStatus:
        """
        Send `response` with `fields` added to its header, or 503 when too much is unread; return the status.

        `path` is that of the request, if it was parsed.
        """
        if len(response.body) <= WRITE_BUFFER:
            self.write(response.head + fields + response.body)
        elif self._server.unread.pin(response, self._server.limits.max_unread_bytes):
            self.write(response.head + fields)
            self._send_large(response)
        else:
            self._server.limits_reached["max_unread_bytes"] += 1
            problem = "too many responses are unread: try again later"
            busy = self._server.error_response(HTTPStatus.SERVICE_UNAVAILABLE, problem, path)
            self.write(busy.head + b"Retry-After: 1\r\n" + fields + busy.body)
            return busy.status
        return response.status

    @property
    def is_empty(self) -> bool:
        """Whether everything was sent, and the transport buffers nothing."""
        return self.state is READY and self._transport is not None and self._transport.get_write_buffer_size() == 0

    def send_part(self, part: Part) -> None:
        """Send a part of a body without an end, or end it when too much is unread."""
        if self._transport is None:
            return
        self.progress = self._server.clock.now()
        self._server.rounds.join()
        if len(part.body) <= WRITE_BUFFER:
            self.write(part.body)
        elif self._server.unread.pin(part, self._server.limits.max_unread_bytes):
            self._send_large(part)
        else:
            self._server.limits_reached["max_unread_bytes"] += 1
            self._flow.close()

    def end(self) -> None:
        """Close the connection once everything is sent."""
        self.flush()
        self._flow.close()

    def is_stalled(self, now: float) -> bool:
        """Whether the client of a feed has taken nothing for too long; to be asked at every sweep."""
        backlog = len(self._unsent) + (self._transport.get_write_buffer_size() if self._transport else 0)
        if backlog != self._backlog:
            self._backlog = backlog
            self.progress = now
        return backlog > 0 and now - self.progress > self._server.limits.stall_timeout

    def write(self, data: bytes) -> None:
        """Write `data`, unless the client has disconnected."""
        if self._transport:
            if self._unsent:
                self.flush()
            self._transport.write(data)

    def flush(self) -> None:
        """Write all that is left of a large body, because something else has to follow."""
        if self._transport and self._unsent:
            self._transport.write(self._unsent)
            self._unsent = memoryview(b"")
            self._settle()

    def pause(self) -> None:
        """Wait: the transport's buffer is full."""
        if self.state is not CLOSED:
            self.state = BLOCKED

    def resume(self) -> None:
        """Go on: the transport's buffer has room again."""
        if self.state is BLOCKED:
            self.state = SENDING
            self.progress = self._server.clock.now()
            if self._room and not self._room.done():
                self._room.set_result(None)
            self._send_piece()
            self._proceed_with_feed()

    def _send_large(self, response: Response | Part) -> None:
        """Send a pinned body in pieces."""
        self._unpin()
        self._pinned = response
        self._unsent = memoryview(response.body)
        self._send_piece()

    def _start_stream(self, request: Request, pieces: AsyncGenerator[bytes, None]) -> None:
        """Send `pieces`, and then close or take the next response."""
        if not self._transport:
            return
        if self.state is READY:
            self.state = SENDING
        self.progress = self._server.clock.now()

        def finish(stream: asyncio.Task[None]) -> None:
            if stream.cancelled() or self._stream is not stream:
                return
            self._stream = None
            if error := stream.exception():
                if not isinstance(error, Disconnect):
                    say(RequestFailed(method=request.method, path=request.path), error=error)
                self._flow.abort()
                return
            self._settle()
            if self.closes:
                self._flow.close()
            self._flow.proceed()

        self._stream = asyncio.create_task(self._send_pieces(self._transport, pieces, is_chunked=not request.http10))
        self._stream.add_done_callback(finish)

    async def _send_pieces(
        self, transport: asyncio.Transport, pieces: AsyncGenerator[bytes, None], *, is_chunked: bool
    ) -> None:
        async with aclosing(pieces):
            async for piece in pieces:
                while self.state is BLOCKED:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
                self.progress = self._server.clock.now()
                # An empty chunk would be the end.
                if piece:
                    transport.writelines([b"%x\r\n" % len(piece), piece, b"\r\n"] if is_chunked else [piece])
        if is_chunked:
            transport.write(b"0\r\n\r\n")

    def _send_piece(self) -> None:
        """Send the next piece of a large body, unless the client has to read first."""
        if self._transport and self._unsent and self.state is not BLOCKED:
            self.progress = self._server.clock.now()
            piece, self._unsent = self._unsent[:PIECE], self._unsent[PIECE:]
            self._transport.write(piece)
        self._settle()

    def _settle(self) -> None:
        """Enter the state that fits what is left; writing may have blocked."""
        if self.state is BLOCKED or self.state is CLOSED or self._stream:
            return
        if self._unsent:
            self.state = SENDING
            asyncio.get_running_loop().call_soon(self._continue)
        else:
            self.state = READY
            self._unpin()

    def _continue(self) -> None:
        if self.state is SENDING:
            self._send_piece()
            self._proceed_with_feed()
        self._flow.proceed()

    def _proceed_with_feed(self) -> None:
        if self.feed and self.state is READY:
            self.feed.proceed()

    def _unpin(self) -> None:
        if self._pinned:
            self._server.unread.unpin(self._pinned)
            self._pinned = None
