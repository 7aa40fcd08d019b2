"""Streams: what a long poll would have been answered, event by event, through every break."""

import asyncio
import json
import socket
import threading
import zlib
from collections.abc import AsyncIterator
from itertools import permutations
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from edgetally.api import broadcasts, long_poll, streams, top
from edgetally.api.events import GZIP_HEADER, event
from edgetally.api.events import start as start_part
from tests.support.clock import START, until
from tests.support.served import Json, RawConnection, Served, record, served
from tests.support.sse import Event, EventParser, EventStream, start, streaming
from tests.support.tokens import access, bearer

DOMAINS = "/v1/domains/svc/stream"
RANKING = ("/top/svc", "Accept: text/event-stream")
GZIP = "Accept-Encoding: gzip"
PATHS = ["domains", "origins", "channel", "channel?kind=origin_insights"]


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Transports differ, so this module runs on uvloop, which serves, and on asyncio, as the other tests do."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


def target(path: str, then: str = "stream") -> str:
    """Return the target of a stream of `path`, or of a long poll."""
    path, mark, query = path.partition("?")
    return f"/v1/{path}/svc/{then}{mark}{query}"


def recorded(*events: Event) -> list[int]:
    """Return the seconds of the entries, from the start of the clock."""
    return [entry["recorded"] - START for one in events for entry in one.json()["Data"]]


async def polled(service: Served, cursor: object, path: str = "domains") -> str:
    return (await service.client.get(target(path, f"ts/{cursor}"))).text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fields", [(), (GZIP,)], ids=["plain", "gzip"])
async def test_an_event_is_what_a_long_poll_gets(service: Served, path: str, fields: tuple[str, ...]) -> None:
    await service.to(3)
    async with streaming(service, target(path), *fields) as stream:
        cursor = START + 3
        for second in (4, 5, 9):
            await service.push(record(second - 2))
            await service.to(second)
            got = await stream.event()
            assert got == Event("message", str(START + second), await polled(service, cursor, path))
            cursor = got.json()["Timestamp"]
        assert 1000 <= stream.parser.retry <= 3000


async def test_the_header_is_one_that_proxies_and_browsers_leave_alone(service: Served) -> None:
    async with streaming(service, DOMAINS) as stream:
        headers = stream.answer.headers
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert headers["connection"] == "close"
    assert headers["access-control-allow-origin"] == "*"
    assert "content-length" not in headers
    assert "transfer-encoding" not in headers


BEGIN = {
    "?from=h": [0, 1, 2],
    f"?from={START + 3}": [2],
    "?from=0": [4],
    "": [],
}


@pytest.mark.parametrize("query", BEGIN)
async def test_where_a_stream_begins(service: Served, query: str) -> None:
    await service.traffic([0, 1, 2] if query != "?from=0" else [3, 4])
    await service.to(6)
    async with streaming(service, DOMAINS + query) as stream:
        first = [await stream.event()] if query else []
        await service.push(record(6))
        await service.to(8)
        following = await stream.event()
    assert (recorded(*first), recorded(following)) == (BEGIN[query], [6])


async def test_the_last_event_id_wins_over_from(service: Served) -> None:
    await service.traffic([0, 1, 2])
    await service.to(6)
    async with streaming(service, DOMAINS + "?from=h", f"Last-Event-ID: {START + 3}") as stream:
        assert recorded(await stream.event()) == [2]


async def test_a_stream_that_is_cut_at_any_byte_resumes_without_loss(service: Served) -> None:
    async with streaming(service, DOMAINS) as stream:
        begin = START
        for second in range(6):
            await service.push(record(second, domain=f"{second}.example"))
            await service.to(second + 2)
            await stream.event()
        whole = stream.received
    resumed: dict[str, str] = {}
    for cut in range(len(whole) + 1):
        parser = EventParser()
        before = parser.feed(whole[:cut])
        if parser.last_id not in resumed:
            where = (f"?from={begin}",) if not parser.last_id else ("", f"Last-Event-ID: {parser.last_id}")
            want = await polled(service, parser.last_id or begin) if parser.last_id != str(START + 7) else ""
            if want:
                async with streaming(service, DOMAINS + where[0], *where[1:]) as stream:
                    assert (await stream.event()).data == want
            resumed[parser.last_id] = want
        after = json.loads(resumed[parser.last_id] or '{"Data":[]}')["Data"]
        assert recorded(*before) + [one["recorded"] - START for one in after] == [0, 1, 2, 3, 4, 5]
    assert len(resumed) == 7


async def test_seconds_that_are_not_kept_are_a_gap() -> None:
    async with served({"shelf": {"keep": 150}}) as service:
        await service.traffic([0, 60, 199])
        await service.to(201)
        async with streaming(service, DOMAINS + f"?from={START + 2}") as stream:
            gap, message = await stream.event(), await stream.event()
        async with streaming(service, DOMAINS, f"Last-Event-ID: {START + 52}") as stream:
            kept = await stream.event()

    assert (gap.name, gap.json()) == ("gap", {"from": START + 1, "to": START + 49})
    assert recorded(message) == [60, 199]
    assert (kept.name, recorded(kept)) == ("message", [60, 199])


@pytest.mark.parametrize("fields", [(), (GZIP,)], ids=["plain", "gzip"])
async def test_a_clock_says_that_nothing_came(service: Served, fields: tuple[str, ...]) -> None:
    await service.to(3)
    async with streaming(service, DOMAINS, *fields) as stream:
        await service.to(18)
        first = await stream.event()
        await service.to(33)
        second = await stream.event()
        await service.push(record(33))
        await service.to(35)
        message = await stream.event()

    body = {"Data": [], "Timestamp": START + 17, "AggregateDelay": 2, "Error": "No data available, please retry"}
    # The time of a clock comes before the seal of that second.
    assert (first.name, first.id, first.json()) == ("clock", str(START + 17), body)
    assert (second.name, second.id) == ("clock", str(START + 32))
    assert (message.name, recorded(message)) == ("message", [33])


async def test_a_clock_is_due_from_the_last_event_of_its_own_stream(service: Served) -> None:
    await service.to(3)
    async with streaming(service, DOMAINS) as busy, streaming(service, "/v1/domains/idle/stream") as idle:
        await service.push(record(8))
        await service.to(10)
        assert (await busy.event()).name == "message"
        await service.to(18)
        assert (await idle.event()).id == str(START + 17)
        await service.to(25)
        assert (await busy.event()).id == str(START + 24)
        await service.to(33)
        assert (await idle.event()).id == str(START + 32)


async def test_a_clock_skips_no_entry_that_was_not_sent_yet(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    await service.to(3)
    async with streaming(service, DOMAINS) as stream:
        await service.to(13)
        await service.push(record(15))
        monkeypatch.setattr(streams, "WAKE_BATCH", 0)  # as behind thousands of other readers
        await service.to(18)
        monkeypatch.undo()
        assert recorded(await stream.event()) == [15]


async def test_a_clock_does_not_overtake_an_event_that_is_being_made(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = threading.Event()

    def slow(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        made.wait()
        return event(*given, **named)

    monkeypatch.setattr(broadcasts, "INLINE_BYTES", 0)
    monkeypatch.setattr(broadcasts, "event", slow)
    async with streaming(service, DOMAINS, GZIP) as stream:
        await service.push(record(0))
        await service.to(20)
        made.set()
        first = await stream.event()
        await service.to(36)
        second = await stream.event()
    assert (first.name, recorded(first)) == ("message", [0])
    assert (second.name, second.id) == ("clock", str(START + 34))


async def test_a_clock_leaves_a_cursor_that_is_a_little_ahead(service: Served) -> None:
    await service.to(3)
    async with streaming(service, DOMAINS, f"Last-Event-ID: {START + 25}") as stream:
        await service.to(18)
        clock = await stream.event()
        await service.to(20)
        await service.push(record(20), record(24))
        await service.to(26)
        assert (clock.name, clock.id) == ("clock", str(START + 25))
        assert recorded(await stream.event()) == [24]


async def test_an_error_in_one_stream_holds_up_no_other(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with streaming(service, *RANKING) as ranking, streaming(service, DOMAINS) as stream:
        await ranking.event()
        monkeypatch.setattr(broadcasts.RankingBroadcast, "make", fail)
        await service.push(record(0))
        await service.to(2)
        assert recorded(await stream.event()) == [0]
        assert await ranking.is_over()
        await service.to(18)
        assert (await stream.event()).name == "clock"


async def test_rankings_come_at_every_seal(service: Served) -> None:
    await service.traffic([0])
    await service.to(3)
    async with streaming(service, *RANKING) as stream, streaming(service, *RANKING, GZIP) as packed:
        for second in (3, 4, 5):
            await service.to(second)
            for got in (await stream.event(), await packed.event()):
                assert (got.name, got.id) == ("ranking", str(START + second))
                assert got.data == (await service.client.get("/top/svc")).text


async def test_a_ranking_that_was_the_last_event_is_not_sent_again(service: Served) -> None:
    await service.to(3)
    async with streaming(service, *RANKING, f"Last-Event-ID: {START + 3}") as stream:
        await service.to(4)
        assert (await stream.event()).id == str(START + 4)


async def test_a_ranking_has_rejected_only_for_a_token_for_every_service() -> None:
    every, mine = bearer("read", "*"), bearer("read", "svc")
    async with served({"access": access(every, mine)}) as service:
        for one, shown in ((every, 0), (mine, None)):
            async with streaming(service, *RANKING, f"Fastly-Key: {one.token}") as stream:
                assert (await stream.event()).json().get("rejected") == shown


async def test_different_rankings_are_limited() -> None:
    async with (
        served({"api": {"max_rankings": 2}}) as service,
        streaming(service, "/top/svc?rows=1", RANKING[1]) as one,
        streaming(service, "/top/svc?rows=2", RANKING[1]),
        streaming(service, "/top/svc?rows=2", RANKING[1]) as same,
    ):
        refused = await service.client.get("/top/svc?rows=3", headers={"Accept": "text/event-stream"})
        await service.to(1)
        other = await service.client.get("/top/svc?rows=3")
        assert [(await stream.event()).id for stream in (one, one, same, same)] == [str(START), str(START + 1)] * 2
    assert (refused.status_code, other.status_code) == (503, 503)


REFUSED = {
    (DOMAINS + "?from=x", ""): (400, "from must be an integer of at least 0 (got 'x')"),
    (DOMAINS + "?from=-1", ""): (400, "from must be an integer of at least 0 (got '-1')"),
    (DOMAINS, "abc"): (400, "Last-Event-ID must be an integer of at least 0 (got 'abc')"),
    ("/v1/channel/svc/stream?kind=x", ""): (400, "unknown kind 'x' (expected origin_insights, or no kind)"),
    (DOMAINS + "?datacenter=x", ""): (400, "datacenter must be 0 or 1 (got 'x')"),
    (DOMAINS + "?field=hits", ""): (400, "domains have no field 'hits'"),
    (DOMAINS + "?origin=a", ""): (
        400,
        "unknown parameter 'origin' (expected one of: from, kind, datacenter, domain, field)",
    ),
    ("/v1/domains/no%20id/stream", ""): (400, "a service id has"),
    ("/v1/domains/svc/stream/1", ""): (404, "no such endpoint"),
    ("/top/svc?at=1", ""): (404, "no such second: 1"),
    (f"/top/svc?at={START - 2}", ""): (400, "a stream of rankings shows the newest second: leave out `at`"),
    ("/top/svc?from=1", ""): (400, "unknown parameter 'from'"),
}


@pytest.mark.parametrize(("path", "last"), REFUSED)
async def test_what_is_wrong_is_refused_and_explained(client: httpx.AsyncClient, path: str, last: str) -> None:
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    status, problem = REFUSED[path, last]

    answer = await client.get(path, headers=headers)

    assert answer.status_code == status
    assert problem in answer.json()["Error"]


async def test_a_stream_needs_a_token_for_its_service_and_ends_with_it() -> None:
    mine, theirs = bearer("read", "svc"), bearer("read", "theirs")
    settings = access(mine, theirs)
    async with served({"access": settings}) as service:
        assert (await service.client.get(DOMAINS)).status_code == 403
        assert (await service.client.get(DOMAINS, headers=theirs.header)).status_code == 403
        async with (
            streaming(service, DOMAINS, f"Fastly-Key: {mine.token}") as stream,
            streaming(service, *RANKING, f"Fastly-Key: {mine.token}") as ranking,
        ):
            await ranking.event()
            service.service.policy.keys.replace({})
            assert await stream.is_over()
            assert await ranking.is_over()


async def test_a_server_that_stops_ends_streams() -> None:
    async with served() as service:
        raw = service.connect()
        stream = await start(await raw.__aenter__(), DOMAINS)
        assert service.service.streams.open == 1
    assert await stream.is_over()
    await raw.__aexit__(None, None, None)
    assert service.service.streams.open == 0


async def test_a_stopping_server_starts_no_stream(service: Served) -> None:
    service.service.streams.release()
    async with streaming(service, DOMAINS) as stream:
        assert await stream.is_over()


async def test_a_reader_that_leaves_is_forgotten(service: Served) -> None:
    async with streaming(service, DOMAINS), streaming(service, *RANKING):
        assert service.service.streams.open == 2
        assert "edgetally_streams 2.0" in (await service.client.get("/metrics")).text
    await until(lambda: service.service.streams.open == 0)
    await service.traffic([0])
    await service.to(20)


async def test_what_a_reader_still_sends_is_ignored(service: Served) -> None:
    async with streaming(service, DOMAINS) as stream:
        await stream.raw.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nnonsense")
        await service.traffic([0])
        await service.to(2)
        assert recorded(await stream.event()) == [0]


async def test_head_has_no_body(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(f"HEAD {DOMAINS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await raw.answer(head=True)).headers["content-type"] == "text/event-stream"
        assert await raw.is_over()


async def test_http_1_0_streams_too(service: Served) -> None:
    async with service.connect() as raw:
        await raw.send(f"GET {DOMAINS} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
        stream = EventStream(raw, await raw.answer())
        await service.traffic([0])
        await service.to(2)
        assert recorded(await stream.event()) == [0]


async def test_streams_count_among_connections() -> None:
    async with (
        served({"clients": {"max_connections": 2}}) as service,
        streaming(service, DOMAINS),
        streaming(service, DOMAINS),
        service.connect() as raw,
    ):
        assert (await raw.answer()).status == 503


# --- filters --------------------------------------------------------------------------------------------------------

FILTERS = [
    "datacenter=0",
    "field=requests,status_2xx",
    "domain=a.example,none",
    "domain=b.example&field=requests&datacenter=0",
]


def filtered(entry: Json, names: set[str], fields: set[str], *, by_pop: bool) -> Json:
    """Leave of an entry what is asked for."""

    def shown(keyed: Json) -> Json:
        return {
            name: {field: value for field, value in sums.items() if not fields or field in fields}
            for name, sums in keyed.items()
            if not names or name in names
        }

    pops = {pop: shown(keyed) for pop, keyed in entry["datacenter"].items()}
    split = {"datacenter": {pop: keyed for pop, keyed in pops.items() if keyed}} if by_pop else {}
    return {"recorded": entry["recorded"], "aggregated": shown(entry["aggregated"]), **split}


@pytest.mark.parametrize("query", FILTERS)
async def test_a_filter_shows_a_part_of_every_entry(service: Served, query: str) -> None:
    given = {name: set(value.split(",")) for name, _, value in (one.partition("=") for one in query.split("&"))}
    async with streaming(service, f"{DOMAINS}?{query}") as stream, streaming(service, DOMAINS) as other:
        await service.push(record(0), record(0, domain="b.example", pop="FRA", status=500), record(0, pop="LHR"))
        await service.to(2)
        (got,), (whole,) = [(await one.event()).json()["Data"] for one in (stream, other)]
    names, fields = given.get("domain", set()), given.get("field", set())
    assert got == filtered(whole, names, fields, by_pop="datacenter" not in given)


async def test_the_other_datasets_have_filters_too(service: Served) -> None:
    async with (
        streaming(service, "/v1/origins/svc/stream?origin=other&field=responses") as origins,
        streaming(service, "/v1/channel/svc/stream?field=requests&datacenter=0") as channel,
        streaming(
            service, "/v1/channel/svc/stream?kind=origin_insights&origin=app&field=responses&datacenter=0"
        ) as insights,
    ):
        await service.push(record(0), record(0, origin="other"), record(0))
        await service.to(2)
        shown = [(await one.event()).json()["Data"][0] for one in (origins, channel, insights)]
    assert [one["aggregated"] for one in shown] == [
        {"other": {"responses": 1}},
        {"requests": 3},
        {"app": {"192.0.2.1": {"responses": 2}}},
    ]
    assert [one.get("datacenter") for one in shown] == [{"AMS": {"other": {"responses": 1}}}, None, None]


async def test_a_large_part_of_an_entry_is_made_in_a_thread(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_poll, "INLINE_BYTES", 0)
    async with streaming(service, f"{DOMAINS}?datacenter=0") as stream:
        await service.push(record(0))
        await service.to(2)
        assert "datacenter" not in (await stream.event()).json()["Data"][0]
        assert "datacenter" in json.loads(await polled(service, START))["Data"][0]


# --- readers that do not read ---------------------------------------------------------------------------------------


def many(second: int) -> list[Json]:
    """Make records whose entry has about a megabyte."""
    return [record(second, domain=f"{one:04}.example", pop=f"P{one % 2}") for one in range(1500)]


@pytest.fixture
async def stuck(service: Served) -> AsyncIterator[socket.socket]:
    """A connection with a small buffer, from which nothing is read."""
    address = urlsplit(service.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        client.setblocking(False)  # noqa: FBT003 - the socket's own interface
        await asyncio.get_running_loop().sock_connect(client, (address.hostname, address.port))
        yield client


async def fill(service: Served, client: socket.socket) -> int:
    """Start a stream that nothing is read from, and let 12 seconds pass; return the bytes of an entry."""
    await asyncio.get_running_loop().sock_sendall(client, f"GET {DOMAINS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: service.service.streams.open == 1)
    for second in range(12):
        await service.push(*many(second))
        await service.to(second + 2)
    return len(await polled(service, START + 12))


async def test_a_reader_that_takes_nothing_costs_one_cursor(service: Served, stuck: socket.socket) -> None:
    size = await fill(service, stuck)
    # The bytes of one event, which would be shared with others who are sent the same.
    assert 0 < service.service.server.unread.size <= size + 100

    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    raw = RawConnection(*await asyncio.open_connection(sock=stuck, limit=1 << 20))
    stream = EventStream(raw, await raw.answer())
    got: list[Event] = []
    while len(recorded(*got)) < 12:
        got.append(await stream.event())

    assert recorded(*got) == list(range(12))
    assert max(len(recorded(one)) for one in got) > 5, "what was missed comes in one event"
    await until(lambda: service.service.server.unread.size == 0)
    raw.writer.close()


async def test_a_reader_that_takes_nothing_for_too_long_is_ended(service: Served, stuck: socket.socket) -> None:
    await fill(service, stuck)
    server = service.service.server

    await service.to(30)
    assert service.service.streams.open == 1
    await service.to(45)
    await until(lambda: service.service.streams.open == 0)

    assert server.limits_reached["stall_timeout"] == 1


async def test_an_event_that_exceeds_what_may_be_unread_ends_the_stream() -> None:
    async with served({"clients": {"max_unread_bytes": 1_000_000}}) as service:
        await service.push(*many(0), *many(1), *many(2))
        await service.to(4)
        async with streaming(service, DOMAINS + f"?from={START}") as stream:
            assert await stream.is_over()
        assert service.service.server.limits_reached["max_unread_bytes"] == 1


async def test_large_events_are_made_in_threads_once(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcasts, "INLINE_BYTES", 0)
    monkeypatch.setattr(top, "INLINE_BYTES", -1)
    made = []

    def counted(data: bytes, cursor: int | None, *, name: bytes = b"", gzip: bool) -> Any:  # noqa: ANN401
        made.append(name)
        return event(data, cursor, name=name, gzip=gzip)

    monkeypatch.setattr(broadcasts, "event", counted)
    async with (
        streaming(service, DOMAINS, GZIP) as one,
        streaming(service, DOMAINS, GZIP) as other,
        streaming(service, *RANKING, GZIP) as ranking,
    ):
        first = await ranking.event()
        await service.push(record(0))
        await service.to(2)
        assert await one.event() == await other.event()
        assert first.name == "ranking"
        assert made.count(b"") == 1


async def test_an_error_while_an_event_is_made_ends_the_stream(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(broadcasts, "INLINE_BYTES", 0)
    async with streaming(service, DOMAINS, GZIP) as stream:
        monkeypatch.setattr(broadcasts, "event", fail)
        await service.push(record(0))
        await service.to(2)
        assert await stream.is_over()


# --- pieces ---------------------------------------------------------------------------------------------------------


def test_compressed_pieces_decompress_in_any_order() -> None:
    bodies = [b"x" * 1000, b'{"Data":[]}', bytes(range(11, 256)) * 40]
    pieces = [event(body, 7, gzip=True).part.body for body in bodies]
    plain = [event(body, 7, gzip=False).part.body for body in bodies]
    begin = start_part(1000, gzip=True).body
    assert begin.startswith(GZIP_HEADER)
    for order in permutations(range(3)):
        decoder = zlib.decompressobj(31)
        texts = [decoder.decompress(piece) for piece in [begin, *(pieces[one] for one in order)]]
        # Each is whole at once, without the next.
        assert texts == [b"retry: 1000\n\n", *(plain[one] for one in order)]


def test_readers_do_not_come_back_at_once() -> None:
    retries = [start_part(ms, gzip=False).body for ms in streams.RETRIES_MS]
    assert (retries[0], retries[-1], len(set(retries))) == (b"retry: 1000\n\n", b"retry: 3000\n\n", 21)
