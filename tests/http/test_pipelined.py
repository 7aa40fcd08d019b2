"""Any requests over one connection, in any pieces: answers come in order, and every record counts once."""

import asyncio
import itertools
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, note, settings

from edgetally.errors import Unavailable
from edgetally.ingest import group_commit
from edgetally.journal.base import Checkpoints
from tests.support.clock import TIMEOUT_SECONDS
from tests.support.pipelines import FULL, SETTINGS, Pipeline, Request, pipelines
from tests.support.served import Answer, Served, answer_of, served

EXAMPLES = int(os.environ.get("EDGETALLY_EXAMPLES", "200"))
"""Pipelines that are tried on each kind of transport."""


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Transports differ, so this module runs on uvloop, which serves, and on asyncio, as the other tests do."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


class Client:
    """
    A client that goes on reading when it can no longer send.

    A stream of asyncio drops what it has received once sending fails.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self.received = asyncio.StreamReader(limit=1 << 24)

    async def send(self, pipeline: Pipeline) -> None:
        try:
            for piece in pipeline.pieces:
                await self._loop.sock_sendall(self._socket, piece)
                await iterations(pipeline.iterations)
        except ConnectionError:
            pass  # the server has ended the connection; whether it may is seen from its answers

    async def receive(self) -> None:
        try:
            while data := await self._loop.sock_recv(self._socket, 1 << 16):
                self.received.feed_data(data)
        except ConnectionError:
            pass  # the end, too: the server has closed before it has read everything
        self.received.feed_eof()

    def end(self) -> None:
        """Send nothing more."""
        self._socket.shutdown(socket.SHUT_WR)


@asynccontextmanager
async def client_of(service: Served) -> AsyncIterator[Client]:
    address = urlsplit(service.url)
    with socket.socket() as sock:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address.hostname, address.port))
        client = Client(sock)
        receiving = asyncio.create_task(client.receive())
        try:
            yield client
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)


async def iterations(count: int) -> None:
    """Let the event loop run this many iterations."""
    for _ in range(count):
        await asyncio.sleep(0)


@contextmanager
def slow_journal(service: Served, pipeline: Pipeline) -> Iterator[None]:
    """Let commits take as many iterations as the pipeline says, and fail for records of `FULL` only."""
    journal = service.service.journal
    append, waits = journal.append, itertools.cycle(pipeline.commits)

    async def wait(partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None) -> None:
        await iterations(next(waits))
        if FULL.encode() in partial:
            raise Unavailable("the disk is full")
        await append(partial, checkpoints, push_id=push_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "append", wait)
        if any(request.spec.domain == FULL for request in pipeline.requests):
            patch.setattr(group_commit, "GROUP_BYTES", 0)
        yield


class Model:
    """A server that handles one request after the other."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        """Records, by domain."""
        self._keys: dict[str, str] = {}
        """The domain that was pushed with each key."""

    def check(self, request: Request, answer: Answer) -> bool:
        """Check one answer; say whether there may be another."""
        spec = request.spec
        known = self._keys.get(spec.key, spec.domain) if spec.key else spec.domain
        expected = request.statuses if known == spec.domain or not request.is_whole else (422,)
        assert answer.status in expected
        if answer.status == 200 and spec.domain:
            assert answer.json() | {"errors": []} == {
                "accepted": spec.accepted,
                "rejected": spec.rejected,
                "errors": [],
            }
            if spec.key not in self._keys:
                self.counted[spec.domain] += spec.accepted
            if spec.key:
                self._keys[spec.key] = spec.domain
        ended = answer.headers.get("connection") == "close"
        assert ended or (not request.ends and answer.headers.get("connection") == request.stays)
        assert not ended or request.ends or request.may_end
        return not ended


class AnswerTimeout:
    """Real seconds to wait for an answer; fewer after the first failure, because hypothesis then tries many more."""

    seconds = TIMEOUT_SECONDS


async def next_answer(client: Client, *, head: bool = False) -> Answer:
    try:
        async with asyncio.timeout(AnswerTimeout.seconds):
            return await answer_of(client.received, head=head)
    except TimeoutError:
        AnswerTimeout.seconds = 0.2
        raise


async def answered(client: Client, requests: list[Request], model: Model) -> bool:
    """Read and check the answers; return whether the connection stays open behind the last."""
    for request in requests:
        if not request.statuses:
            break
        answer = await next_answer(client, head=request.spec.start.startswith("HEAD"))
        if answer.status == 100 and request.continues:
            answer = await next_answer(client)
        if not model.check(request, answer):
            return False
    return True


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def remainder(client: Client, *, stays: bool) -> bytes:
    """Return the bytes between the last answer and the end of the connection."""
    if stays:
        assert not client.received.at_eof()
        client.end()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return await client.received.read()


async def counted(service: Served) -> Counter[str]:
    """Return the number of counted records by domain."""
    await service.to(6)
    counts: Counter[str] = Counter()
    for entry in await service.entries():
        counts.update({domain: measured["requests"] for domain, measured in entry["aggregated"].items()})
    return counts


@pytest.mark.timeout(600)  # shrinking a failure takes long
@given(pipeline=pipelines())
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
async def test_answers_come_in_order_and_records_count_once(pipeline: Pipeline) -> None:
    note(repr(pipeline))
    model = Model()
    async with served(SETTINGS) as service, client_of(service) as client:
        with slow_journal(service, pipeline):
            sending = asyncio.create_task(client.send(pipeline))
            stays = await answered(client, pipeline.requests, model)
            await sending
            # A refused client may go on sending for a second.
            await service.to(3)
            more = await remainder(client, stays=stays)
        assert more in ([b"", CONTINUE] if pipeline.requests[-1].continues and stays else [b""])
        assert await counted(service) == model.counted
        assert service.service.group_commit.pending_bytes == service.service.server.buffered.used == 0
