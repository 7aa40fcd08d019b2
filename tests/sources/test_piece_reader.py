import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from edgetally.clock import SystemClock
from edgetally.sources.base import READ_BYTES
from edgetally.sources.piece_reader import FULL_BYTES, READ_SECONDS, PieceReader
from tests.support.clock import ManualClock

Use = Callable[[PieceReader, asyncio.Transport, socket.socket], Awaitable[None]]


async def connected(use: Use) -> None:
    """Connect a client to a reader, and use both."""
    accepted: asyncio.Future[tuple[PieceReader, asyncio.Transport]] = asyncio.get_running_loop().create_future()

    async def accept(reader: PieceReader, transport: asyncio.Transport) -> None:
        accepted.set_result((reader, transport))

    server = await asyncio.get_running_loop().create_server(lambda: PieceReader(SystemClock(), accept), "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.setblocking(False)  # noqa: FBT003 - the socket's own interface
        reader, transport = await accepted
        await use(reader, transport, client)
        transport.close()
    server.close()
    await server.wait_closed()


async def send(client: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(client, data)


async def read_all(reader: PieceReader) -> bytes:
    found = b""
    while piece := await reader.read():
        found += piece
    return found


async def test_everything_comes_in_order_and_then_the_end() -> None:
    async def use(reader: PieceReader, _: asyncio.Transport, client: socket.socket) -> None:
        sent = b"".join(b"line %d\n" % number for number in range(500_000))
        sending = asyncio.create_task(send(client, sent))
        sending.add_done_callback(lambda _: client.shutdown(socket.SHUT_WR))
        assert await read_all(reader) == sent
        assert await reader.read() == b"", "and again"

    await connected(use)


async def test_a_sender_that_is_not_read_is_paused() -> None:
    async def use(reader: PieceReader, transport: asyncio.Transport, client: socket.socket) -> None:
        sent = b"x" * (20 * READ_BYTES)
        sending = asyncio.create_task(send(client, sent))
        while transport.is_reading():  # noqa: ASYNC110 - no one is told
            await asyncio.sleep(0)
        assert not sending.done()
        sending.add_done_callback(lambda _: client.shutdown(socket.SHUT_WR))
        assert await read_all(reader) == sent
        assert transport.is_reading()

    await connected(use)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def unused(_: PieceReader, __: asyncio.Transport) -> None:
    """Accept no connection."""


class Reading:
    """Reads, and takes note when."""

    def __init__(self, clock: ManualClock) -> None:
        self.reader = PieceReader(clock, unused)
        self.read: list[tuple[float, bytes]] = []
        self._clock = clock
        self._start = clock.now()
        self._task = asyncio.create_task(self._read())

    async def until(self, seconds: float) -> list[tuple[float, bytes]]:
        """Return what is read until so many seconds after the start, and when."""
        await self._clock.advance(self._start + seconds - self._clock.now())
        return self.read

    async def _read(self) -> None:
        while data := await self.reader.read():
            self.read.append((round(self._clock.now() - self._start, 3), data))


async def test_what_comes_after_a_pause_is_read_at_once_and_the_next_a_little_later(clock: ManualClock) -> None:
    reading = Reading(clock)
    reading.reader.data_received(b"a")
    assert await reading.until(0.01) == [(0, b"a")]
    reading.reader.data_received(b"b")
    await reading.until(0.02)
    reading.reader.data_received(b"c")
    assert await reading.until(1) == [(0, b"a"), (READ_SECONDS, b"bc")]
    reading.reader.data_received(b"d")
    assert await reading.until(2) == [(0, b"a"), (READ_SECONDS, b"bc"), (1, b"d")]


async def test_much_is_read_at_once(clock: ManualClock) -> None:
    reading = Reading(clock)
    reading.reader.data_received(b"a")
    await reading.until(0.01)
    half = b"b" * (FULL_BYTES // 2)
    reading.reader.data_received(half)
    assert await reading.until(0.02) == [(0, b"a")]
    reading.reader.data_received(half)
    assert await reading.until(0.03) == [(0, b"a"), (0.02, half + half)]


async def test_the_end_is_read_at_once(clock: ManualClock) -> None:
    reading = Reading(clock)
    reading.reader.data_received(b"a")
    await reading.until(0.01)
    reading.reader.data_received(b"b")
    reading.reader.eof_received()
    assert await reading.until(0.02) == [(0, b"a"), (0.01, b"b")]


async def test_what_came_before_a_connection_broke_is_read_first(clock: ManualClock) -> None:
    reader = PieceReader(clock, unused)
    reader.data_received(b"a\n")
    reader.connection_lost(ConnectionResetError("reset"))
    assert await reader.read() == b"a\n"
    with pytest.raises(ConnectionResetError):
        await reader.read()


async def test_what_was_not_read_yet_can_be_taken(clock: ManualClock) -> None:
    reading = Reading(clock)
    reading.reader.data_received(b"a")
    await reading.until(0.01)
    reading.reader.data_received(b"b")
    assert reading.reader.take() == b"b"
    assert reading.reader.take() == b""
