"""Bodies that are made while they are sent: in chunks, and no faster than the client reads."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import pytest

from edgetally.http.connection import Connection
from edgetally.http.messages import Disconnect, Request, Response
from edgetally.http.server import Limits, Server
from tests.support.clock import ManualClock, until
from tests.support.served import RawConnection

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Pieces = AsyncGenerator[bytes, None]


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Transports differ, so this module runs on uvloop, which serves, and on asyncio, as the other tests do."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


class Streaming:
    """A server whose every response is a stream."""

    def __init__(self) -> None:
        self.make: Callable[[], Pieces] = self.three
        self.made = 0
        """Pieces that were asked for."""
        self.ended = 0
        """Generators that have ended, whatever the reason."""
        self.clock = ManualClock()
        self.server = Server(
            self._answer,
            error_response=lambda status, problem, _: Response(status, problem.encode()),
            endpoint=lambda _: "",
            cache_version=lambda: 0,
            clock=self.clock,
            limits=Limits(stall_timeout=30),
        )

    def _answer(self, _request: Request) -> Response:
        return Response(HTTPStatus.OK, content_type=b"text/plain", pieces=self._counted(self.make()))

    async def _counted(self, pieces: Pieces) -> Pieces:
        try:
            async for piece in pieces:
                self.made += 1
                yield piece
        finally:
            self.ended += 1

    async def three(self) -> Pieces:
        for piece in (b"one", b"", b"two"):
            await asyncio.sleep(0)
            yield piece

    async def endless(self) -> Pieces:
        while True:
            yield b"x" * 100_000

    async def broken(self) -> Pieces:
        yield b"one"
        raise Disconnect


@pytest.fixture
async def streaming() -> AsyncIterator[Streaming]:
    running = Streaming()
    yield running
    running.server.abort()
    await running.server.drained()


@pytest.fixture
async def raw(streaming: Streaming) -> AsyncIterator[RawConnection]:
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(partial(Connection, streaming.server), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()
        listener.close()


async def test_pieces_are_chunks_and_the_connection_is_kept(raw: RawConnection) -> None:
    for _ in range(2):
        answer = await raw.ask(GET)
        assert answer.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in answer.headers
        assert await raw.reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


async def test_pipelined_requests_are_answered_in_their_order(raw: RawConnection) -> None:
    await raw.send(GET * 3)

    for _ in range(3):
        assert (await raw.answer()).status == 200
        await raw.reader.readuntil(b"0\r\n\r\n")


async def test_http_1_0_has_no_chunks_and_closes(raw: RawConnection) -> None:
    answer = await raw.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert await raw.reader.read() == b"onetwo"


async def test_a_client_that_wants_no_more_is_sent_all_of_it(raw: RawConnection) -> None:
    answer = await raw.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.headers["connection"] == "close"
    assert await raw.reader.read() == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


async def test_head_has_no_body_and_makes_none(streaming: Streaming, raw: RawConnection) -> None:
    await raw.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await raw.answer(head=True)).status == 200
    await raw.ask(GET)
    await raw.reader.readuntil(b"0\r\n\r\n")

    assert streaming.made == 3


async def test_what_breaks_is_not_ended(streaming: Streaming, raw: RawConnection) -> None:
    streaming.make = streaming.broken
    await raw.send(GET)

    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)) as caught:
        await raw.reader.readuntil(b"0\r\n\r\n")
    if isinstance(caught.value, asyncio.IncompleteReadError):
        assert caught.value.partial.endswith(b"3\r\none\r\n")
    assert streaming.ended == 1


async def test_a_request_that_cannot_be_read_is_refused_behind_the_stream(raw: RawConnection) -> None:
    await raw.send(GET + b"nonsense\r\n\r\n")

    assert (await raw.answer()).status == 200
    assert await raw.reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert (await raw.answer()).status == 400


async def made_at_rest(streaming: Streaming) -> int:
    """Wait until no more pieces are made; return how many there are."""
    made = -1
    while made != streaming.made:
        made = streaming.made
        for _ in range(100):
            await asyncio.sleep(0)
    return made


async def test_no_more_is_made_than_the_client_reads(streaming: Streaming, raw: RawConnection) -> None:
    streaming.make = streaming.endless
    await raw.send(GET)
    made = await made_at_rest(streaming)

    assert 0 < made * 100_000 < 20_000_000
    await raw.reader.readexactly(30_000_000)
    assert streaming.made > made


async def test_it_ends_when_the_client_disconnects(streaming: Streaming, raw: RawConnection) -> None:
    streaming.make = streaming.endless
    await raw.ask(GET)

    raw.writer.transport.abort()

    await until(lambda: streaming.ended == 1 and not streaming.server.connections)


async def test_a_client_that_stops_reading_is_disconnected(streaming: Streaming, raw: RawConnection) -> None:
    streaming.make = streaming.endless
    await raw.ask(GET)
    await made_at_rest(streaming)

    await streaming.clock.advance(31)
    streaming.server.sweep()

    await until(lambda: streaming.ended == 1 and not streaming.server.connections)
    assert streaming.server.limits_reached["stall_timeout"] == 1


async def test_a_body_may_take_long_to_make(streaming: Streaming, raw: RawConnection) -> None:
    go_on = asyncio.Event()

    async def slow() -> Pieces:
        yield b"one"
        await go_on.wait()
        yield b"two"

    streaming.make = slow
    await raw.ask(GET)
    await streaming.clock.advance(3600)
    streaming.server.sweep()
    streaming.server.close()
    go_on.set()

    assert await raw.reader.read() == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    await until(lambda: not streaming.server.connections)
