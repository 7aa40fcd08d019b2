"""Cursors and long polls: which entries a query returns, when, and with which next cursor."""

import asyncio
import gzip
import threading
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgetally import _core
from edgetally.api.long_poll import INLINE_BYTES, WAKE_BATCH, LongPoll
from edgetally.api.query import Query, parse
from edgetally.api.waiting import Reader
from edgetally.http.messages import Response
from edgetally.window.shelf import Shelf
from tests.support.clock import START, ManualClock, until
from tests.support.served import PLAIN, Json, Served, ndjson, record, served

NO_DATA = "No data available, please retry"

PATHS = ["domains", "origins", "channel", "channel?kind=origin_insights"]


def path(dataset: str, suffix: str, service_id: str = "svc") -> str:
    name, mark, kind = dataset.partition("?")
    return f"/v1/{name}/{service_id}/ts/{suffix}{mark}{kind}"


def seconds(answer: Json) -> list[int]:
    """Return the seconds of the entries, from the start of the clock."""
    return [entry["recorded"] - START for entry in answer["Data"]]


class Case(NamedTuple):
    """Seconds count from the start of the clock; `{9}` in a query is the cursor 9 seconds after it."""

    name: str
    traffic: list[int]  # the seconds with a record
    now: float  # when the reader asks
    query: str  # what follows ts/
    recorded: list[int]  # the seconds of the entries
    timestamp: int  # the next cursor
    error: bool = False  # whether it says that there is no data


CASES = [
    Case("ts/0 is the last sealed second alone", [0, 1, 2, 3, 4], 6, "0", [4], 6),
    Case("ts/0 does not go back to an older second", [0, 1], 4, "0", [], 4, error=True),
    Case("ts/0 of an unknown service is not an error", [], 4, "0", [], 4, error=True),
    Case("ts/00 is ts/0", [0, 1, 2], 4, "00", [2], 4),
    Case("ts/0 with a limit is still one entry", [0, 1, 2], 4, "0/limit/3", [2], 4),
    Case("ts/0 with a limit and no entry answers at once", [0, 1], 4, "0/limit/3", [], 4, error=True),
    Case("a second is open until it is sealed", [0, 1, 2], 3.999, "0", [1], 3),
    Case("a second is sealed the delay after it began", [0, 1, 2], 4.0, "0", [2], 4),
    Case("a cursor gets what is newer than itself less the delay", [0, 1, 2, 3, 4], 6, "{4}", [3, 4], 6),
    Case("a cursor one second back gets one entry", [0, 1, 2, 3, 4], 6, "{5}", [4], 6),
    Case("entries are ascending and idle seconds are left out", [0, 3, 5, 9], 12, "{1}", [0, 3, 5, 9], 12),
    Case("the timestamp is the server's clock, not the newest entry's", [0, 3], 20, "{1}", [0, 3], 20),
    Case("a fraction of a second does not show", [0, 3], 20.75, "{1}", [0, 3], 20),
    Case(
        "a cursor older than the window gets all of the window", [0, 40, 200, 330, 340], 342, "1", [200, 330, 340], 342
    ),
    Case("a cursor may be smaller than the delay", [0, 1], 4, "2", [0, 1], 4),
    Case("the window has 300 seconds", [40, 41, 42], 342, "1", [41, 42], 342),
    Case("ts/h has 120 seconds", [0, 1, 2, 60, 121, 122], 123, "h", [2, 60, 121], 123),
    Case("ts/h answers at once when there is nothing", [0], 200, "h", [], 200),
    Case("ts/h of an unknown service is empty", [], 4, "h", [], 4),
    Case("ts/h with a limit has that many seconds, not entries", [0, 5, 8, 9], 11, "h/limit/3", [8, 9], 11),
    Case("ts/h with a limit of 1 is the last sealed second", [8, 9], 11, "h/limit/1", [9], 11),
    Case("ts/h with a limit of 1 may be empty", [8], 11, "h/limit/1", [], 11),
    Case("ts/h with a limit of 120 is ts/h", [1, 2, 121], 123, "h/limit/120", [2, 121], 123),
    Case("ts/h with a limit above 120 is ts/h", [1, 2, 121], 123, "h/limit/121", [2, 121], 123),
    Case("ts/h takes any number as a limit", [1, 2, 121], 123, f"h/limit/{10**17}", [2, 121], 123),
    Case("a limit gives the oldest entries, and the cursor of the last one", [0, 1, 2, 3], 9, "{1}/limit/2", [0, 1], 3),
    Case("a limit counts entries, not seconds", [0, 3, 7, 8], 20, "{1}/limit/3", [0, 3, 7], 9),
    Case("a limit that cuts nothing off gives the server's clock", [0, 1, 2, 3], 9, "{1}/limit/4", [0, 1, 2, 3], 9),
    Case("a limit above the number of entries changes nothing", [0, 1], 9, "{1}/limit/1000", [0, 1], 9),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_which_entries_a_query_returns(service: Served, case: Case) -> None:
    await service.traffic(case.traffic)
    await service.to(case.now)

    # Only the cursor is in braces.
    before, brace, after = case.query.partition("{")
    cursor, _, rest = after.partition("}")
    query = f"{before}{START + int(cursor)}{rest}" if brace else case.query
    answer = await service.get(path("domains", query))

    assert seconds(answer) == case.recorded
    assert answer["Timestamp"] == START + case.timestamp
    assert answer["AggregateDelay"] == 2
    assert answer.get("Error") == (NO_DATA if case.error else None)
    assert service.waiting == 0


@pytest.mark.parametrize("delay", [1, 2, 9, 60])
async def test_the_delay_is_in_every_answer_and_in_every_cursor(delay: int) -> None:
    async with served({"window": {"aggregate_delay": delay}}) as service:
        await service.traffic([0, 1])
        await service.to(delay)
        first = await service.get(path("domains", "0"))
        parked = await service.park(path("domains", str(first["Timestamp"])))
        await service.to(delay + 1)
        second = (await parked).json()

    assert (seconds(first), seconds(second)) == ([0], [1])
    assert (first["Timestamp"], second["Timestamp"]) == (START + delay, START + delay + 1)
    assert (first["AggregateDelay"], second["AggregateDelay"]) == (delay, delay)


@pytest.mark.parametrize("dataset", PATHS)
async def test_every_dataset_has_its_own_shape(service: Served, dataset: str) -> None:
    await service.push(record(0), record(0, pop="FRA"))
    await service.to(2)

    (entry,) = (await service.get(path(dataset, "0")))["Data"]

    assert list(entry) == ["recorded", "aggregated", "datacenter"]
    assert entry["recorded"] == START
    assert list(entry["datacenter"]) == ["AMS", "FRA"]
    keys: list[Any] = [entry["aggregated"], *entry["datacenter"].values()]
    if dataset == "domains":
        assert [key["a.example"]["requests"] for key in keys] == [2, 1, 1]
    elif dataset == "origins":
        assert [key["app"]["responses"] for key in keys] == [2, 1, 1]
    elif dataset == "channel":
        assert [key["requests"] for key in keys] == [2, 1, 1]
    else:
        assert [key["app"]["192.0.2.1"]["responses"] for key in keys] == [2, 1, 1]


async def test_a_second_without_traffic_has_no_entry(service: Served) -> None:
    await service.push(record(0), {"ts": START + 1, "service_id": "svc", "domain": "a.example", "status": 200})
    await service.to(3)

    assert [seconds(await service.get(path(dataset, "h"))) for dataset in PATHS] == [[0, 1], [0], [0, 1], [0]]


# Waiting


@pytest.mark.parametrize("dataset", PATHS)
async def test_a_reader_waits_until_the_next_second_is_sealed(service: Served, dataset: str) -> None:
    await service.push(record(0))
    parked = await service.park(path(dataset, str(START)))

    await service.to(1.999)
    assert not parked.done()
    await service.to(2)

    answer = (await parked).json()
    assert seconds(answer) == [0]
    assert answer["Timestamp"] == START + 2
    assert "Error" not in answer
    assert service.waiting == 0


@pytest.mark.parametrize("rest", ["", "/limit/1", "/limit/7"])
async def test_a_reader_that_times_out_gets_the_clock_as_its_cursor(service: Served, rest: str) -> None:
    await service.to(0.25)
    parked = await service.park(path("domains", f"{START}{rest}"))

    await service.to(40.249)
    assert not parked.done()
    await service.to(40.25)

    answer = await parked
    assert answer.status_code == 200
    assert answer.content == (
        b'{"Data":[],"Timestamp":%d,"AggregateDelay":2,"Error":"No data available, please retry"}' % (START + 40)
    )
    assert service.waiting == 0


async def test_the_timeout_is_a_setting() -> None:
    async with served({"api": {"poll_timeout": 2.5}}) as service:
        parked = await service.park(path("domains", str(START)))
        await service.to(2.499)
        assert not parked.done()
        await service.to(2.5)
        assert (await parked).json()["Timestamp"] == START + 2


async def test_a_reader_that_timed_out_may_wait_again(service: Served) -> None:
    for round_ in (1, 2):
        parked = await service.park(path("domains", str(START)))
        await service.to(40 * round_)
        assert (await parked).json()["Error"] == NO_DATA


async def test_a_cursor_from_the_future_waits_and_gets_the_clock_as_its_next(service: Served) -> None:
    await service.traffic([0])
    await service.to(0.5)
    parked = await service.park(path("domains", str(START + 1000)))

    await service.traffic([1, 2])
    await service.to(5)
    assert not parked.done()
    await service.to(40.5)

    answer = (await parked).json()
    assert (seconds(answer), answer["Timestamp"], answer["Error"]) == ([], START + 40, NO_DATA)


async def test_the_largest_cursor_waits_like_any_other(service: Served) -> None:
    await service.to(0.5)
    parked = await service.park(path("domains", "9" * 18))
    await service.to(40.5)
    assert (await parked).json()["Timestamp"] == START + 40


async def test_a_cursor_a_little_ahead_gets_the_first_entry_after_it(service: Served) -> None:
    await service.push(*(record(second) for second in range(5)))
    parked = await service.park(path("domains", str(START + 5)))  # so after second 3

    await service.to(5.5)
    assert not parked.done()
    await service.to(6)

    assert seconds((await parked).json()) == [4]


class Irrelevant(NamedTuple):
    name: str
    dataset: str
    record: Json


IRRELEVANT = [
    Irrelevant("another service", "domains", record(0, service_id="other")),
    Irrelevant("a service whose id only begins the same", "domains", record(0, service_id="svc-2")),
    Irrelevant("a client's part, to a reader of origins", "origins", {"ts": START, "service_id": "svc", "status": 200}),
    Irrelevant(
        "a client's part, to a reader of insights",
        "channel?kind=origin_insights",
        {"ts": START, "service_id": "svc", "status": 200},
    ),
]


@pytest.mark.parametrize("case", IRRELEVANT, ids=lambda case: case.name)
async def test_a_reader_is_not_answered_with_other_entries(service: Served, case: Irrelevant) -> None:
    parked = await service.park(path(case.dataset, str(START)))
    await service.push(case.record)

    await service.to(3)
    assert not parked.done()
    await service.push(record(2, domain="b.example"))
    await service.to(4)

    assert seconds((await parked).json()) == [2]


async def test_readers_may_wait_for_the_first_record_of_a_service(service: Served) -> None:
    parked = [await service.park(path(dataset, str(START), "newcomer")) for dataset in PATHS]

    await service.push(record(0, service_id="newcomer"))
    await service.to(2)

    assert [seconds((await one).json()) for one in parked] == [[0]] * 4


@pytest.mark.parametrize("dataset", ["domains", "channel"])
async def test_every_reader_gets_the_same_bytes_which_are_encoded_once(service: Served, dataset: str) -> None:
    await service.push(record(0), record(0, domain="b.example"))
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=service.url, verify=PLAIN, limits=limits, timeout=None) as many:  # noqa: S113
        parked = [asyncio.create_task(many.get(path(dataset, str(START)))) for _ in range(60)]
        await until(lambda: service.waiting == 60)
        await service.to(2)
        woken = [(await one).content for one in parked]
        asked = [(await many.get(path(dataset, str(START)))).content for _ in range(3)]

    assert len({*woken, *asked}) == 1
    assert service.service.shelf.encoded == 1


async def test_a_sealed_second_never_changes(service: Served) -> None:
    await service.push(record(0))
    await service.to(2)
    before = (await service.client.get(path("domains", "h/limit/1"))).json()["Data"]

    await service.push(record(0, domain="late.example"))
    await service.to(4)

    after = (await service.get(path("domains", "h")))["Data"]
    assert after[:1] == before


# Disconnecting


async def test_a_waiting_reader_that_disconnects_leaves_nothing_behind(service: Served) -> None:
    query = path("domains", str(START)).encode()
    async with service.connect() as raw:
        await raw.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % query)
        await until(lambda: service.waiting == 1)

    await until(lambda: service.waiting == 0)
    await until(lambda: not service.service.server.connections)
    await service.push(record(0))
    await service.to(60)
    assert service.waiting == 0


async def test_a_reader_that_disconnects_does_not_affect_others(service: Served) -> None:
    query = path("domains", str(START)).encode()
    async with service.connect() as leaves:
        await leaves.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % query)
        await until(lambda: service.waiting == 1)
        stays = await service.park(query.decode())
    await until(lambda: service.waiting == 1)

    await service.push(record(0))
    await service.to(2)

    assert seconds((await stays).json()) == [0]


# Late records


async def test_a_late_record_counts_in_the_oldest_open_second(service: Served) -> None:
    await service.traffic([0])
    await service.to(10)  # second 8 is sealed

    assert (await service.push(record(0)))["accepted"] == 1
    await service.to(20)

    assert seconds(await service.get(path("domains", "h"))) == [0, 9]
    assert service.service.windows.totals.late == {"svc": 1}


async def test_a_late_record_is_added_to_the_records_of_that_second(service: Served) -> None:
    await service.to(10)
    await service.push(record(9), record(3), record(-100))
    await service.to(11)

    (entry,) = (await service.get(path("domains", "0")))["Data"]

    assert entry["recorded"] == START + 9
    assert entry["aggregated"]["a.example"]["requests"] == 3


# Headers


async def test_answers_have_the_headers_that_clients_expect(service: Served) -> None:
    await service.push(record(0))
    await service.to(2)

    for rest in ("0", "h", "h/limit/1", str(START), f"{START}/limit/1"):
        headers = (await service.client.get(path("domains", rest))).headers
        assert headers["Content-Type"] == "application/json"
        assert headers["Cache-Control"] == "max-age=1"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Access-Control-Allow-Headers"] == (
            "Fastly-Key, Authorization, Content-Type, Content-Encoding, Idempotency-Key, Last-Event-ID"
        )
        assert headers["Vary"] == "Accept-Encoding, Fastly-Key, Authorization, Cookie"
        assert "Date" in headers


ACCEPTS = [
    ("gzip", True),
    ("GZIP", True),
    ("deflate, gzip;q=0.5, br", True),
    ("gzip;q=1.0", True),
    ("*", True),
    ("br, *;q=0.1", True),
    ("", False),
    ("identity", False),
    ("br", False),
    ("gzip;q=0", False),
    ("gzip; q=0.000, br", False),
    ("*;q=0", False),
    ("gzip;q=0, *", False),
    ("not-gzip-at-all", False),
]


@pytest.mark.parametrize(("accepts", "is_packed"), ACCEPTS, ids=[accepts or "nothing" for accepts, _ in ACCEPTS])
async def test_answers_are_compressed_for_clients_that_accept_it(
    service: Served, accepts: str, *, is_packed: bool
) -> None:
    await service.push(*(record(0, domain=f"{number}.example") for number in range(50)))
    await service.to(2)
    query = path("domains", "0").encode()

    async with service.connect() as raw:
        plain = await raw.ask(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % query)
        answer = await raw.ask(b"GET %b HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %b\r\n\r\n" % (query, accepts.encode()))

    assert "content-encoding" not in plain.headers
    assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None)
    assert (gzip.decompress(answer.body) if is_packed else answer.body) == plain.body


async def test_answers_to_waiting_readers_are_compressed_too(service: Served) -> None:
    await service.push(*(record(0, domain=f"{number}.example") for number in range(50)))
    parked = await service.park(path("domains", str(START)))  # httpx accepts gzip
    await service.to(2)

    assert (await parked).headers["Content-Encoding"] == "gzip"
    assert seconds((await parked).json()) == [0]


async def test_small_answers_are_not_compressed(service: Served) -> None:
    answer = await service.client.get(path("domains", "h"), headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


async def test_compressed_answers_are_complete(service: Served) -> None:
    await service.push(*(record(0, domain=f"{number}.example") for number in range(2000)))
    await service.to(2)

    async with service.connect() as raw:
        answer = await raw.ask(b"GET /v1/domains/svc/ts/h HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")

    unpacker = zlib.decompressobj(wbits=31)
    unpacker.decompress(answer.body)
    assert unpacker.eof
    assert unpacker.unused_data == b""


# Chaining

STEP = st.fixed_dictionaries(
    {
        "pass": st.sampled_from([0, 0, 0.3, 1, 1, 1, 2.5, 7]),
        "records": st.lists(
            st.tuples(
                st.sampled_from([0, 0, 0, -1, -3, -30, 4]),  # seconds from now: some are late, some early
                st.sampled_from(["a.example", "b.example"]),
                st.integers(1, 5),
            ),
            max_size=4,
        ),
    }
)


@given(
    steps=st.lists(STEP, min_size=1, max_size=12),
    limits=st.lists(st.sampled_from(["", "/limit/1", "/limit/2", "/limit/5"]), min_size=1, max_size=4),
    delay=st.sampled_from([1, 2, 5]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
async def test_chaining_skips_nothing_repeats_nothing_and_adds_up(
    steps: list[Json], limits: list[str], delay: int
) -> None:
    sent: Counter[str] = Counter()
    read: list[Json] = []

    async def chain(service: Served) -> None:
        cursor, asked = START, 0
        while True:
            answer = await service.get(path("domains", f"{cursor}{limits[asked % len(limits)]}"))
            read.extend(answer["Data"])
            cursor, asked = answer["Timestamp"], asked + 1

    async with served({"window": {"aggregate_delay": delay}}) as service:
        chaining = asyncio.create_task(chain(service))
        for step in steps:
            await service.clock.advance(step["pass"])
            now = int(service.clock.now()) - START
            records = [record(now + ago, domain=domain, weight=weight) for ago, domain, weight in step["records"]]
            if records:
                await service.push(*records)
            for _, domain, weight in step["records"]:
                sent[domain] += weight
        await service.clock.advance(10)
        # A reader that waits has read everything.
        await until(lambda: service.waiting == 1 or chaining.done())
        chaining.cancel()
        await asyncio.gather(chaining, return_exceptions=True)
        everything = (await service.get(path("domains", "h")))["Data"]

    recorded = [entry["recorded"] for entry in read]
    assert recorded == sorted(set(recorded))
    assert read == everything
    summed: Counter[str] = Counter()
    for entry in read:
        for domain, measured in entry["aggregated"].items():
            summed[domain] += measured["requests"]
        assert {domain: measured["requests"] for domain, measured in entry["datacenter"]["AMS"].items()} == {
            domain: measured["requests"] for domain, measured in entry["aggregated"].items()
        }
    assert summed == sent


async def test_readers_are_woken_in_batches() -> None:
    shelf, clock = Shelf(keep=300, cache_bytes=1000), ManualClock()
    poll = LongPoll(shelf=shelf, clock=clock, aggregate_delay=2, poll_timeout=40)
    asked = parse("svc", "domains", [str(START + 2)], gzip=False)
    answers = [poll.answer(asked) for _ in range(2 * WAKE_BATCH + 1)]
    futures = [answer.future() for answer in answers if isinstance(answer, Reader)]
    fold = _core.Fold(service_id="svc", pop="AMS")
    fold.feed(ndjson([record(1)]), START)
    window = _core.Window(domains=1, origins=1, addresses=1, pops=1, services=1)
    window.merge(fold.drain())

    shelf.put(START + 1, window.seal(START + 1))
    answered = []
    while not all(future.done() for future in futures):
        await asyncio.sleep(0)
        answered.append(sum(future.done() for future in futures))

    assert answered == [WAKE_BATCH, 2 * WAKE_BATCH, 2 * WAKE_BATCH + 1]
    assert len({id(future.result()) for future in futures}) == 1


async def test_a_reader_who_is_woken_at_the_timeout_gets_the_entry() -> None:
    shelf, clock = Shelf(keep=300, cache_bytes=1000), ManualClock()
    clock.call_at(START + 40, lambda: shelf.put(START + 1, [Large(START + 1, size=1)]))
    poll = LongPoll(shelf=shelf, clock=clock, aggregate_delay=2, poll_timeout=40)
    waiting = asyncio.ensure_future(_answer(poll, parse("svc", "domains", [str(START + 2)], gzip=False)))

    await clock.advance(40)

    assert b"recorded" in (await waiting).body


async def test_readers_wait_together_and_leave_alone() -> None:
    shelf = Shelf(keep=300, cache_bytes=1000)
    poll = LongPoll(shelf=shelf, clock=ManualClock(), aggregate_delay=2, poll_timeout=40)
    asked = parse("svc", "domains", [str(START + 2)], gzip=False)
    readers = [poll.answer(asked) for _ in range(3)]
    futures = [reader.future() for reader in readers if isinstance(reader, Reader)]
    assert (poll.waiting, shelf.waiting) == (3, 1)

    futures[0].cancel()
    await asyncio.sleep(0)
    assert (poll.waiting, shelf.waiting) == (2, 1)
    shelf.put(START + 1, [Large(START + 1, size=1)])
    futures[1].cancel()
    last = await futures[2]

    assert b"recorded" in last.body
    assert (poll.waiting, shelf.waiting) == (0, 0)


async def test_the_last_reader_who_leaves_is_not_waited_for() -> None:
    shelf = Shelf(keep=300, cache_bytes=1000)
    poll = LongPoll(shelf=shelf, clock=ManualClock(), aggregate_delay=2, poll_timeout=40)
    asked = parse("svc", "domains", [str(START + 2)], gzip=False)
    (reader, again) = (poll.answer(asked) for _ in range(2))
    assert isinstance(reader, Reader)
    assert isinstance(again, Reader)

    reader.cancel()
    again.cancel()
    again.cancel()
    assert shelf.waiting == 0
    waiting = asyncio.ensure_future(_answer(poll, asked))
    await asyncio.sleep(0)
    shelf.put(START + 1, [Large(START + 1, size=1)])

    assert b"recorded" in (await waiting).body


async def test_an_answer_that_cannot_be_made_does_not_hold_up_others() -> None:
    shelf = Shelf(keep=300, cache_bytes=1000)
    poll = LongPoll(shelf=shelf, clock=ManualClock(), aggregate_delay=2, poll_timeout=40)
    services = ("good", "bad", "well")
    asked = [parse(service, "domains", [str(START + 2)], gzip=False) for service in services for _ in range(2)]
    waiting = [asyncio.ensure_future(_answer(poll, one)) for one in asked]
    await asyncio.sleep(0)

    problems = {"bad": MemoryError()}
    shelf.put(
        START + 1,
        [Large(START + 1, problems.get(service), service_id=service, size=1) for service in services],
    )
    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert [isinstance(answer, MemoryError) for answer in answers] == [False, False, True, True, False, False]
    assert poll.waiting == 0


class Failing:
    """A recipient with an error in it."""

    def take(self, _response: Response) -> None:
        raise RuntimeError

    def fail(self, _error: BaseException) -> None:
        raise RuntimeError


async def test_a_connection_that_fails_does_not_hold_up_others() -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    shelf = Shelf(keep=300, cache_bytes=1000)
    poll = LongPoll(shelf=shelf, clock=ManualClock(), aggregate_delay=2, poll_timeout=40)
    asked = parse("svc", "domains", [str(START + 2)], gzip=False)
    failing, waiting = poll.answer(asked), poll.answer(asked)
    assert isinstance(failing, Reader)
    assert isinstance(waiting, Reader)
    failing.wait(Failing())
    answer = waiting.future()

    shelf.put(START + 1, [Large(START + 1, size=1)])

    assert b"recorded" in (await answer).body
    assert [type(error) for error in errors] == [RuntimeError]


async def test_each_reader_has_its_own_timeout() -> None:
    shelf, clock = Shelf(keep=300, cache_bytes=1000), ManualClock()
    poll = LongPoll(shelf=shelf, clock=clock, aggregate_delay=2, poll_timeout=40)
    asked = parse("svc", "domains", [str(START + 2)], gzip=False)
    waiting = []
    for _ in range(3):
        waiting.append(asyncio.ensure_future(_answer(poll, asked)))
        await clock.advance(10)

    timed_out = []
    for _ in range(4):
        timed_out.append([one.done() for one in waiting])
        await clock.advance(10)

    assert timed_out == [[False] * 3, [True, False, False], [True, True, False], [True] * 3]


@dataclass(eq=False)
class Large:
    """A sealed second that takes long to encode, and notes in which thread it is encoded."""

    second: int
    problem: Exception | None = None
    threads: list[str] = field(default_factory=list)
    service_id: str = "svc"
    size: int = INLINE_BYTES + 1

    def has(self, _dataset: str, /) -> bool:
        return True

    def entry(self, _dataset: str, /) -> bytes:
        self.threads.append(threading.current_thread().name)
        if self.problem:
            raise self.problem
        return b'{"recorded":%d}' % self.second


async def test_a_large_entry_is_encoded_once_in_a_thread() -> None:
    shelf = Shelf(keep=300, cache_bytes=1000)
    poll = LongPoll(shelf=shelf, clock=ManualClock(), aggregate_delay=2, poll_timeout=40)
    waits, asks = (parse("svc", "domains", [cursor], gzip=False) for cursor in (str(START + 2), "h"))
    waiting = [asyncio.ensure_future(_answer(poll, waits)) for _ in range(3)]
    await asyncio.sleep(0)
    large = Large(START + 1)

    shelf.put(START + 1, [large])
    woken = await asyncio.gather(*waiting)
    known = poll.answer(waits)
    history = poll.answer(asks)

    assert {id(answer) for answer in woken} == {id(known)}
    assert woken[0].body == b'{"Data":[{"recorded":%d}],"Timestamp":%d,"AggregateDelay":2}' % (START + 1, START + 3)
    assert isinstance(history, Response), "an encoded entry needs no thread"
    assert len(large.threads) == 1
    assert large.threads[0] != threading.current_thread().name


async def test_an_answer_made_in_a_thread_has_the_cursor_of_its_entries() -> None:
    shelf = Shelf(keep=300, cache_bytes=1000)
    poll = LongPoll(shelf=shelf, clock=ManualClock(), aggregate_delay=2, poll_timeout=40)
    asked = parse("svc", "domains", [str(START + 2)], gzip=False)
    shelf.put(START + 1, [Large(START + 1)])

    making = poll.answer(asked)
    shelf.put(START + 2, [Large(START + 2)])  # before the thread is done
    assert isinstance(making, Reader)

    assert (await making.future()).body.endswith(b'"Timestamp":%d,"AggregateDelay":2}' % (START + 3))
    assert (await _answer(poll, asked)).body.count(b"recorded") == 2


async def test_an_encoding_error_reaches_all_readers() -> None:
    shelf = Shelf(keep=300, cache_bytes=1000)
    poll = LongPoll(shelf=shelf, clock=ManualClock(), aggregate_delay=2, poll_timeout=40)
    shelf.put(START, [Large(START, problem=MemoryError())])

    asked = [_answer(poll, parse("svc", "domains", ["h"], gzip=False)) for _ in range(2)]

    assert [type(error) for error in await asyncio.gather(*asked, return_exceptions=True)] == [MemoryError] * 2


async def _answer(poll: LongPoll, query: Query) -> Response:
    answer = poll.answer(query)
    return answer if isinstance(answer, Response) else await answer.future()
