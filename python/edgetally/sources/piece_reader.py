"""Reads a TCP connection without copying what comes more than once."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import cast

from edgetally.clock import Clock, Timer
from edgetally.sources.base import READ_BYTES

FULL_BYTES = READ_BYTES // 2
"""As soon as so much has come, it is read."""

READ_SECONDS = 0.04
"""Less is read this long after the read before, and at once after a pause. A read costs turns of the event loop and of
a thread, whatever it brings, and connections that are folded in turns push each other's rows out of the caches."""


class PieceReader(asyncio.Protocol):
    """
    Reads a connection in the pieces in which it comes.

    asyncio's own reader copies everything into a buffer, and from there once more: a tenth of what a fast connection
    took.
    """

    def __init__(
        self, clock: Clock, accept: Callable[["PieceReader", asyncio.Transport], Coroutine[None, None, None]]
    ) -> None:
        """Call `accept` once there is a connection, in a task of its own."""
        self._clock = clock
        self._accept = accept
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_over = False
        self._error: Exception | None = None
        self._due = 0.0
        """When less than FULL_BYTES is read."""
        self._timer: Timer | None = None
        self._is_ready = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are transports in all but their ancestry.
        self._transport = cast("asyncio.Transport", transport)
        self._task = asyncio.create_task(self._accept(self, self._transport))

    def data_received(self, data: bytes) -> None:
        """Keep a piece until it is read, and pause the sender if there are too many."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > READ_BYTES and self._transport:
            self._transport.pause_reading()
        self._get_ready()

    def eof_received(self) -> bool:
        """Take note that nothing more comes; what has come is still to be read."""
        self._is_over = True
        self._is_ready.set()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the end, which an error may be."""
        self._transport = None
        self._is_over, self._error = True, error
        self._is_ready.set()

    async def read(self) -> bytes:
        """Return what has come, about READ_BYTES at most; empty at the end. Raises OSError if it broke."""
        await self._is_ready.wait()
        data = self.take()
        if not data and self._error:
            raise self._error
        return data

    def take(self) -> bytes:
        """Return what has come by now, about READ_BYTES at most; empty if there is nothing."""
        pieces, size = [], 0
        while self._pieces and size < FULL_BYTES:
            pieces.append(self._pieces.popleft())
            size += len(pieces[-1])
        self._size -= size
        self._due = self._clock.now() + READ_SECONDS
        if not self._is_over:
            self._is_ready.clear()
            self._get_ready()
        if self._size <= READ_BYTES and self._transport and not self._transport.is_reading():
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _get_ready(self) -> None:
        """Let what has come be read, now or later."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._size >= FULL_BYTES or (self._pieces and self._clock.now() >= self._due):
            self._is_ready.set()
        elif self._pieces:
            self._timer = self._clock.call_at(self._due, self._is_ready.set)
