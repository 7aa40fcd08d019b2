"""Limits on clients: each is enforced and counted, and the service works on meanwhile."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager

import msgspec
import pytest

from edgetally.http.messages import Body, ByteBudget
from edgetally.ingest.group_commit import OPEN_PUSH_BYTES
from edgetally.sources.piece_reader import READ_SECONDS
from tests.support.clock import START, TIMEOUT_SECONDS, until
from tests.support.served import Served, ndjson, record, served

LINES = ndjson([record(0)])
HOSTS = ndjson(record(0, domain=f"{number}.example") for number in range(4000))


@contextmanager
def busy(service: Served) -> Iterator[None]:
    """Block both fold threads."""
    go_on = threading.Event()
    threads = service.service.fold_pool._threads  # noqa: SLF001 - a fold is never this slow by itself
    blocked = [threads.submit(go_on.wait) for _ in range(2)]
    try:
        yield
    finally:
        go_on.set()
        assert all(thread.result() for thread in blocked)


async def still_works(service: Served) -> None:
    """Push one record of another service, seal it, and read it."""
    second = int(service.clock.now()) - START
    report = await service.push(record(second, service_id="other"))
    assert report["accepted"] == 1
    await service.to(second + 2)
    (entry,) = (await service.get("/v1/domains/other/ts/0"))["Data"]
    assert entry["aggregated"]["a.example"]["requests"] == 1


def times_reached(service: Served, setting: str) -> int:
    """Return how often the limit of this setting was reached."""
    by_server = {f"clients.{limit}": count for limit, count in service.service.server.limits_reached.items()}
    return service.service.ingest.limits_reached[setting] + by_server.get(setting, 0)


@pytest.fixture
async def small() -> AsyncIterator[Served]:
    """A service with small limits on pushes."""
    settings: dict[str, object] = {
        "max_push_bytes": 1_000_000,
        "max_push_decompressed_bytes": 2_000_000,
        "max_push_tally_bytes": 1_000_000,
        "max_pending_bytes": 4_000_000,
    }
    async with served({"api": settings}) as service:
        yield service


async def test_a_push_that_is_too_large_is_refused(small: Served) -> None:
    said = await small.client.post("/ingest", content=b" " * 1_000_001)

    async def unsaid() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100_000

    chunked = await small.client.post("/ingest", content=unsaid())
    assert (said.status_code, chunked.status_code) == (413, 413)
    assert times_reached(small, "api.max_push_bytes") == 2
    await still_works(small)


async def test_a_push_that_decompresses_without_end_is_refused(small: Served) -> None:
    bomb = gzip.compress(LINES + b"\n" * 50_000_000, 9)
    assert len(bomb) < 1_000_000
    answer = await small.client.post("/ingest", content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert times_reached(small, "api.max_push_decompressed_bytes") == 1
    assert small.service.group_commit.pending_bytes == 0
    await still_works(small)


async def test_a_push_of_too_many_keys_is_refused_as_a_whole(small: Served) -> None:
    answer = await small.client.post("/ingest", content=HOSTS)
    assert answer.status_code == 413
    assert "tallies" in answer.json()["Error"]
    assert times_reached(small, "api.max_push_tally_bytes") == 1
    half = HOSTS[: HOSTS.index(b"\n", 200_000) + 1]
    assert (await small.client.post("/ingest", content=half)).status_code == 200
    assert small.service.group_commit.pending_bytes == 0
    await still_works(small)


async def test_too_many_pending_pushes_are_answered_429(small: Served) -> None:
    pushes = small.service.group_commit
    async with small.connect() as slow:
        await slow.send(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2 * len(LINES)) + LINES)
        await until(lambda: pushes.pending_bytes >= OPEN_PUSH_BYTES)
        pushes.limits = msgspec.structs.replace(pushes.limits, pending_bytes=pushes.pending_bytes + 10_000)
        for body in (LINES, HOSTS):
            refused = await small.client.post("/ingest", content=body)
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 1
            assert "nothing of this push was counted" in refused.json()["Error"]
        assert pushes.refused == 2
        assert (await small.client.get("/v1/domains/svc/ts/h")).status_code == 200
        assert (await slow.ask(LINES)).json()["accepted"] == 2
    assert (await small.client.post("/ingest", content=LINES)).json()["accepted"] == 1
    assert pushes.pending_bytes == 0
    await small.to(2)
    (entry,) = (await small.get("/v1/domains/svc/ts/0"))["Data"]
    assert entry["aggregated"]["a.example"]["requests"] == 3


async def test_a_push_that_is_cut_off_frees_its_memory(small: Served) -> None:
    async with small.connect() as raw:
        await raw.send(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n" + LINES * 100)
        await until(lambda: small.service.group_commit.pending_bytes > len(LINES))
    await until(lambda: small.service.group_commit.pending_bytes == 0)
    assert small.service.server.buffered.used == 0
    await still_works(small)


async def test_senders_are_paused_while_too_much_is_buffered() -> None:
    """A thousand bytes may be buffered. Two senders send a million each, less than one alone may have buffered."""
    body = LINES * 3000
    push = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with served({"clients": {"max_waiting_bytes": 1000}}) as service:
        async with service.connect() as one, service.connect() as two:
            with busy(service):
                one.writer.write(push)
                two.writer.write(push)
                await until(lambda: service.service.server.buffered.used > 1000)
                await service.clock.advance(0)
                assert service.service.server.buffered.used < len(body)
            assert [(await raw.answer()).json()["accepted"] for raw in (one, two)] == [3000, 3000]
        assert service.service.server.buffered.used == 0


class Sender:
    """A client that is paused and resumed as a connection does it."""

    def __init__(self, budget: ByteBudget) -> None:
        self.body = Body(self, budget)
        self.is_lost = False
        self.is_paused = False

    def send(self, size: int) -> None:
        self.body.put(b"x" * size)
        self.is_paused = self.body.is_ahead

    def resume(self) -> None:
        self.is_paused = self.body.is_ahead

    def proceed(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def write_continue(self) -> None: ...


async def test_a_sender_is_resumed_when_another_has_freed_the_budget_in_the_same_turn() -> None:
    budget = ByteBudget(100)
    senders = Sender(budget), Sender(budget)
    taken: list[int] = []

    async def take(body: Body) -> None:
        taken.extend([sum(map(len, chunks)) async for chunks in body])

    takers = [asyncio.create_task(take(sender.body)) for sender in senders]
    await asyncio.sleep(0)
    for sender, size in zip(senders, (150, 60), strict=True):
        sender.send(size)
    assert [sender.is_paused for sender in senders] == [True, True]
    await until(lambda: not any(sender.is_paused for sender in senders))
    for sender in senders:
        sender.body.finish()
    await asyncio.gather(*takers)
    assert (sum(taken), budget.used) == (210, 0)


@pytest.mark.parametrize(
    ("setting", "sent"),
    [
        ("max_target_bytes", b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 300)),
        ("max_header_bytes", b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"a" * 2000)),
    ],
)
async def test_a_header_that_is_too_long_is_counted(setting: str, sent: bytes) -> None:
    async with served({"clients": {"max_target_bytes": 256, "max_header_bytes": 1024}}) as service:
        async with service.connect() as raw:
            assert (await raw.ask(sent)).status in (414, 431)
        assert times_reached(service, f"clients.{setting}") == 1
        await still_works(service)


async def test_timeouts_are_counted_and_other_clients_are_served_meanwhile() -> None:
    async with served({"clients": {"header_timeout": 5, "stall_timeout": 7, "max_connections": 30}}) as service:
        async with service.connect() as header, service.connect() as push:
            await header.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
            await push.send(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            await still_works(service)
            await service.clock.advance(10)
            assert (await header.answer()).status == 408
            assert await push.is_over()
        assert times_reached(service, "clients.header_timeout") == 1
        assert times_reached(service, "clients.stall_timeout") == 1
        await still_works(service)


async def test_open_connections_are_served_when_more_are_refused() -> None:
    async with served({"clients": {"max_connections": 2}}) as service:
        await service.get("/")
        async with service.connect() as second:
            assert (await second.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
            async with service.connect() as third:
                assert (await third.answer()).status == 503
            assert times_reached(service, "clients.max_connections") == 1
            await still_works(service)


async def test_endless_nesting_is_one_rejected_line(service: Served) -> None:
    deep = b'{"status":200,"x":' + b"[" * 100_000
    nested = deep + b"]" * 100_000 + b"}\n"
    answer = await service.client.post("/ingest", content=LINES + deep + b"\n" + nested + LINES)
    assert answer.json()["accepted"] == 3
    assert [error["line"] for error in answer.json()["errors"]] == [2]
    array = await service.client.post("/ingest", content=b"[" * 1_000_000)
    errors = [error["reason"].partition(":")[0] for error in json.loads(array.content)["errors"]]
    assert errors == ["too_long", "truncated"]
    await still_works(service)


async def test_an_endless_line_is_rejected_within_the_memory_of_one_line(service: Served) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield LINES
        for _ in range(50):
            yield b"x" * 1_000_000
            assert service.service.group_commit.pending_bytes < 3_000_000
        yield b"\n" + LINES

    answer = await service.client.post("/ingest", content=endless())
    assert answer.json()["accepted"] == 2
    assert [error["reason"].split(":")[0] for error in answer.json()["errors"]] == ["too_long"]
    await still_works(service)


async def test_limits_reached_are_in_the_metrics(small: Served) -> None:
    await small.client.post("/ingest", content=HOSTS)
    metrics = (await small.client.get("/metrics")).text
    assert 'edgetally_limit_reached_total{limit="api.max_push_tally_bytes"} 1.0\n' in metrics
    assert 'edgetally_limit_reached_total{limit="clients.max_connections"} 0.0\n' in metrics


async def test_open_syslog_connections_are_read_when_more_are_refused() -> None:
    syslog: dict[str, object] = {"syslog": [{"listen": "tcp:127.0.0.1:0"}], "max_syslog_connections": 1}
    async with served({"sources": syslog}) as service:
        (listener,) = service.service.sources.listeners
        assert listener._server  # noqa: SLF001 - the port is not known otherwise
        host, port = listener._server.sockets[0].getsockname()  # noqa: SLF001
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(LINES)
        await until(lambda: service.service.totals.sources != {})
        refused, its_writer = await asyncio.open_connection(host, port)
        assert await refused.read() == b""
        its_writer.close()
        assert listener.refused == 1
        writer.write(LINES)
        sources = service.service.totals.sources
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while sum(one.size for one in sources.values()) < 2 * len(LINES):
                await service.clock.advance(READ_SECONDS)
        writer.close()
        assert await reader.read() == b""
        await until(lambda: service.service.totals.accepted == 2)
        await still_works(service)


async def test_an_answer_that_is_too_large_is_truncated_and_its_cursor_continues() -> None:
    async with served({"api": {"max_answer_bytes": 1_000_000}}) as service:
        for second in range(4):
            await service.to(second)
            hosts = (f"{number}-{second}.example" for number in range(1000))
            await service.push(*(record(second, domain=host) for host in hosts))
        await service.to(5)
        (newest,) = (await service.get("/v1/domains/svc/ts/0"))["Data"]
        assert 300_000 < len(json.dumps(newest)) < 1_000_000
        history = await service.get("/v1/domains/svc/ts/h")
        assert history["Data"][-1] == newest
        assert len(history["Data"]) < 4
        assert service.service.long_poll.truncated == 1

        seen: list[int] = []
        cursor = START
        while len(seen) < 4:
            answer = await service.get(f"/v1/domains/svc/ts/{cursor}")
            cursor = answer["Timestamp"]
            seen += [entry["recorded"] - START for entry in answer["Data"]]
        assert seen == [0, 1, 2, 3]
        assert service.service.long_poll.truncated > 1


async def test_a_full_shelf_evicts_the_oldest_seconds_early() -> None:
    async with served({"shelf": {"max_bytes": 1_000_000}}) as service:
        for second in range(30):
            await service.to(second)
            hosts = (f"{number}-{second}.example" for number in range(1000))
            await service.push(*(record(second, domain=host) for host in hosts))
        await service.to(32)
        entries = await service.entries()
        shelf = service.service.shelf
        assert shelf.size <= 1_000_000
        assert shelf.evicted == 30 - len(entries) > 0
        assert [entry["recorded"] - START for entry in entries] == list(range(shelf.evicted, 30))
        await still_works(service)


async def test_clients_that_send_slowly_and_read_nothing_do_not_stop_others(service: Served) -> None:
    hosts = (f"{number}.{'x' * 60}.example" for number in range(3000))
    await service.push(*(record(0, domain=host) for host in hosts))
    async with AsyncExitStack() as crowd:
        connections = [await crowd.enter_async_context(service.connect()) for _ in range(300)]
        for number, raw in enumerate(connections):
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed has it for readers only
            match number % 3:
                case 0:
                    await raw.send(b"GET /v1/domains/svc/ts/h HTTP/1.1\r\nHost: x\r\nX: ")
                case 1:
                    await raw.send(b"POST /ingest/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
                case 2:
                    await raw.send(b"GET /v1/domains/svc/ts/h HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        for _ in range(5):
            for raw in connections:
                raw.writer.write(b"x")
            await still_works(service)
        assert service.service.shelf.newest == int(service.clock.now()) - 2
        assert service.service.group_commit.pending_bytes < 300 * 20_000
        assert service.service.server.buffered.used < 300 * 20_000
        await service.clock.advance(40)
        await until(lambda: len(service.service.server.connections) <= 101)
    await until(lambda: service.service.group_commit.pending_bytes == 0)
