import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from edgetally.sources.base import READ_BYTES
from edgetally.sources.piece_reader import SMALL_PIECE, PieceReader

Use = Callable[[PieceReader, asyncio.Transport, socket.socket], Awaitable[None]]


async def connected(use: Use) -> None:
    """Connect a client to a reader, and use both."""
    accepted: asyncio.Future[tuple[PieceReader, asyncio.Transport]] = asyncio.get_running_loop().create_future()

    async def accept(reader: PieceReader, transport: asyncio.Transport) -> None:
        accepted.set_result((reader, transport))

    server = await asyncio.get_running_loop().create_server(lambda: PieceReader(accept), "127.0.0.1", 0)
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
    while piece := await reader.read(READ_BYTES):
        found += piece
    return found


async def test_everything_comes_in_order_and_then_the_end() -> None:
    async def use(reader: PieceReader, _: asyncio.Transport, client: socket.socket) -> None:
        sent = b"".join(b"line %d\n" % number for number in range(500_000))
        sending = asyncio.create_task(send(client, sent))
        sending.add_done_callback(lambda _: client.shutdown(socket.SHUT_WR))
        assert await read_all(reader) == sent
        assert await reader.read(READ_BYTES) == b"", "and again"

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


async def test_small_pieces_are_read_together() -> None:
    async def use(reader: PieceReader, _: asyncio.Transport, __: socket.socket) -> None:
        reader.data_received(b"a\n")
        reader.data_received(b"b\n")
        reader.data_received(b"c" * SMALL_PIECE)
        reader.data_received(b"d")
        assert await reader.read(SMALL_PIECE) == b"a\nb\n"
        assert await reader.read(SMALL_PIECE) == b"c" * SMALL_PIECE
        assert await reader.read(SMALL_PIECE) == b"d"

    await connected(use)


async def test_what_came_before_a_connection_broke_is_read_first() -> None:
    async def use(reader: PieceReader, _: asyncio.Transport, __: socket.socket) -> None:
        reader.data_received(b"a\n")
        reader.connection_lost(ConnectionResetError("reset"))
        assert await reader.read(READ_BYTES) == b"a\n"
        with pytest.raises(ConnectionResetError):
            await reader.read(READ_BYTES)

    await connected(use)
