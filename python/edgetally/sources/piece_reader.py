"""Reads a TCP connection without copying what comes."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Protocol, cast

from edgetally.sources.base import READ_BYTES

SMALL_PIECE = 1 << 16
"""Smaller pieces are read together: a piece costs a turn of the event loop, and a thread's."""


class ByteReader(Protocol):
    """What a connection is read with."""

    async def read(self, size: int, /) -> bytes:
        """Return what has come, about `size` bytes at most; empty at the end. Raises OSError if it broke."""


class PieceReader(asyncio.Protocol):
    """
    Reads a connection in the pieces in which it comes.

    asyncio's own reader copies everything into a buffer, and from there once more: a tenth of what a fast connection
    took.
    """

    def __init__(self, accept: Callable[["PieceReader", asyncio.Transport], Coroutine[None, None, None]]) -> None:
        """Call `accept` once there is a connection, in a task of its own."""
        self._accept = accept
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_over = False
        self._error: Exception | None = None
        self._news = asyncio.Event()

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
        self._news.set()

    def eof_received(self) -> bool:
        """Take note that nothing more comes; what has come is still to be read."""
        self._is_over = True
        self._news.set()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the end, which an error may be."""
        self._transport = None
        self._is_over, self._error = True, error
        self._news.set()

    async def read(self, size: int, /) -> bytes:
        """Return what has come; empty at the end. Raises OSError if the connection broke."""
        while not self._pieces and not self._is_over:
            self._news.clear()
            await self._news.wait()
        if not self._pieces:
            if self._error:
                raise self._error
            return b""
        data = self._pieces.popleft()
        if len(data) < SMALL_PIECE and self._pieces:
            pieces, filled = [data], len(data)
            while self._pieces and filled + len(self._pieces[0]) <= size:
                pieces.append(self._pieces.popleft())
                filled += len(pieces[-1])
            data = b"".join(pieces)
        self._size -= len(data)
        if self._size <= READ_BYTES and self._transport and not self._transport.is_reading():
            self._transport.resume_reading()
        return data
