"""Pipelined pushes: several are handled at a time, and answered in order."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from edgetally.errors import Unavailable
from edgetally.http.connection import Connection
from edgetally.http.pipeline import PIPELINE_DEPTH
from edgetally.http.reader import BYPASS_PARSER
from edgetally.ingest.group_commit import CONCURRENT_GROUPS, OPEN_PUSH_BYTES
from tests.support.clock import until
from tests.support.gate import Gate, gate_before
from tests.support.served import Served, ndjson, record, served

GET = b"GET /v1/domains/svc/ts/h HTTP/1.1\r\nHost: x\r\n\r\n"


def push(count: int, *fields: bytes) -> bytes:
    """Return a push of this many records."""
    body = ndjson([record(0)] * count)
    head = b"".join(field + b"\r\n" for field in fields)
    return b"POST /ingest HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@pytest.fixture
def commits(service: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    commits = gate_before(service.service.journal, monkeypatch)
    yield commits
    # The server does not stop before they are done.
    commits.let_all()
    monkeypatch.undo()


async def test_several_pushes_are_handled_at_a_time_and_answered_in_order(service: Served, commits: Gate) -> None:
    counts = range(1, PIPELINE_DEPTH + 3)
    async with service.connect() as raw:
        for count in range(1, CONCURRENT_GROUPS + 1):
            await raw.send(push(count))
            await commits.come(count)
        await raw.send(b"".join(push(count) for count in counts[CONCURRENT_GROUPS:]) + GET)
        commits.waiting[1].set_result(None)
        # The others waited for it, and share a group commit.
        await commits.come(CONCURRENT_GROUPS + 1)
        commits.waiting[2].set_result(None)
        await until(lambda: service.service.totals.accepted == sum(counts[1:PIPELINE_DEPTH]))
        assert not service.service.server.responses
        assert len(commits.waiting) == CONCURRENT_GROUPS + 1

        commits.let_all()
        answers = [await raw.answer() for _ in counts]
        assert [answer.json()["accepted"] for answer in answers] == list(counts)
        assert "Data" in (await raw.answer()).json()


async def test_a_failed_push_is_answered_in_order(service: Served, commits: Gate) -> None:
    async with service.connect() as raw:
        for count in range(1, CONCURRENT_GROUPS + 1):
            await raw.send(push(count))
            await commits.come(count)
        await raw.send(push(3))
        commits.waiting[1].set_exception(Unavailable("the disk is full"))
        await commits.come(3)
        commits.let_all()
        answers = [await raw.answer() for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 503, 200]
    assert [answer.json().get("accepted") for answer in answers] == [1, None, 3]


async def test_the_same_key_twice_counts_once(service: Served, commits: Gate) -> None:
    async with service.connect() as raw:
        await raw.send(push(3, b"Idempotency-Key: again") * 2)
        await commits.come(1)
        commits.waiting[0].set_result(None)
        answers = [await raw.answer() for _ in range(2)]
    assert [answer.json()["accepted"] for answer in answers] == [3, 3]
    assert service.service.totals.accepted == 3


async def test_100_continue_is_sent_after_earlier_pushes_are_answered(service: Served, commits: Gate) -> None:
    head, _, body = push(2, b"Expect: 100-continue").partition(b"\r\n\r\n")
    async with service.connect() as raw:
        await raw.send(push(1) + head + b"\r\n\r\n")
        await commits.come(1)
        commits.waiting[0].set_result(None)
        assert (await raw.answer()).json()["accepted"] == 1
        assert (await raw.answer()).status == 100
        await raw.send(body)
        await commits.come(2)
        commits.waiting[1].set_result(None)
        assert (await raw.answer()).json()["accepted"] == 2


async def test_http_1_0_is_never_sent_100_continue(service: Served, commits: Gate) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1: the client would take it for the answer."""
    head, _, body = push(2, b"Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0").partition(b"\r\n\r\n")
    async with service.connect() as raw:
        await raw.send(head + b"\r\n\r\n")
        await until(lambda: service.service.group_commit.pending_bytes > 0)
        await raw.send(body)
        await commits.come(1)
        commits.waiting[0].set_result(None)
        assert (await raw.answer()).json()["accepted"] == 2


async def test_nothing_is_handled_behind_a_request_that_closes_or_is_not_a_push(service: Served, commits: Gate) -> None:
    async with service.connect() as raw:
        await raw.send(push(1) + push(2, b"Connection: close") + push(3))
        await commits.come(1)
        commits.let_all()
        answers = [await raw.answer() for _ in range(2)]
        assert [answer.headers.get("connection") for answer in answers] == [None, "close"]
        assert await raw.is_over()
    assert service.service.totals.accepted == 3

    async with service.connect() as raw:
        await raw.send(
            b"GET /v1/domains/svc/ts/%d HTTP/1.1\r\nHost: x\r\n\r\n" % int(service.clock.now() + 2) + push(4)
        )
        await until(lambda: service.waiting == 1)
    assert len(commits.waiting) == 1


BROKEN_CHUNK = b"POST /ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"


BROKEN = {
    "not a request": (b"nonsense\r\n\r\n", 400),
    "a broken body": (BROKEN_CHUNK, 400),
    "an endless address": (b"POST /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 100_000), 414),
    "an endless header": (b"POST /ingest HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"x" * 100_000), 431),
    "a body for another protocol": (push(9, b"Upgrade: h2c", b"Connection: Upgrade"), 400),
}


@pytest.mark.parametrize(("broken", "status"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_request_is_refused_after_the_pushes_before_it_are_answered(
    service: Served, commits: Gate, broken: bytes, status: int
) -> None:
    async with service.connect() as raw:
        await raw.send(push(1) + push(2) + broken + push(3))
        await commits.come(1)
        commits.let_all()
        answers = [await raw.answer() for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, status]
    assert service.service.totals.accepted == 3


async def test_a_push_that_breaks_in_the_iteration_in_which_it_began_leaves_nothing_behind(service: Served) -> None:
    """uvloop may read twice in an iteration. A coroutine that is never awaited is a warning, which fails this test."""
    head, _, body = BROKEN_CHUNK.partition(b"\r\n\r\n")
    async with service.connect() as raw:
        await until(lambda: bool(service.service.server.connections))
        (connection,) = service.service.server.connections
        assert isinstance(connection, Connection)
        connection.data_received(head + b"\r\n\r\n")
        connection.data_received(body)
        assert (await raw.answer()).status == 400


async def test_requests_in_progress_are_answered_when_the_server_stops(service: Served, commits: Gate) -> None:
    async with service.connect() as raw:
        await raw.send(b"".join(push(count) for count in range(1, PIPELINE_DEPTH + 2)))
        await commits.come(1)
        service.service.server.close()
        commits.let_all()
        answers = [await raw.answer() for _ in range(PIPELINE_DEPTH)]
        assert [answer.headers.get("connection") for answer in answers] == [None] * (PIPELINE_DEPTH - 1) + ["close"]
        assert await raw.is_over()


async def test_pushes_in_a_commit_count_when_the_client_disconnects(service: Served, commits: Gate) -> None:
    async with service.connect() as raw:
        await raw.send(push(1) + push(2) + push(3)[:-1])
        await commits.come(1)
    await until(lambda: not service.service.server.connections)
    assert service.service.server.buffered.used == 0
    pushes = service.service.group_commit
    await until(lambda: pushes.pending_bytes <= 2 * OPEN_PUSH_BYTES + 1_000)  # not the one that was cut off
    assert service.service.totals.accepted == 0
    assert pushes.pending_bytes > 2 * OPEN_PUSH_BYTES

    commits.let_all()
    await until(lambda: service.service.totals.accepted == 3)
    assert pushes.pending_bytes == 0


@pytest.mark.parametrize("size", [BYPASS_PARSER - 500, BYPASS_PARSER + 500, BYPASS_PARSER * 5])
async def test_large_bodies_end_where_they_say_and_requests_follow(service: Served, size: int) -> None:
    many = size // len(ndjson([record(0)]))
    large = push(many)
    requests = large + push(1) + large + GET
    head = len(push(0))
    for cuts in (
        [head],
        [len(large) - 1],
        [len(large)],
        [len(large) + 1, 2 * len(large)],
        range(0, len(requests), 1_000),
    ):
        async with service.connect() as raw:
            for begin, end in zip([0, *cuts], [*cuts, len(requests)], strict=True):
                await raw.send(requests[begin:end])
                await asyncio.sleep(0)  # so that it is read alone
            answers = [await raw.answer() for _ in range(4)]
        assert [answer.json().get("accepted") for answer in answers] == [many, 1, many, None]
