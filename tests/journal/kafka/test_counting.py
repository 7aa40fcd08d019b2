"""What is appended counts once, whatever its senders repeat, and every reader shows the same."""

import asyncio
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka import Producer, TopicPartition

from edgetally import _core
from edgetally.clock import SystemClock
from edgetally.errors import ConfigError, Unavailable, Unknown
from edgetally.journal.kafka import journal as journals
from edgetally.journal.kafka import naps
from edgetally.journal.kafka import topic as topics
from edgetally.journal.kafka.address import parse
from edgetally.journal.kafka.journal import INLINE_BYTES
from edgetally.journal.kafka.log import SEARCHES
from edgetally.model import Defaults, Framing
from edgetally.sources.base import Block
from tests.support.cluster import TERMS, create, open_journal
from tests.support.ingest import Ingest
from tests.support.kafka import DEADLINE, Brokers, needs_kafka
from tests.support.nodes import WrongClock, becomes, partial_of, reading

pytestmark = needs_kafka()

QUICK = TERMS._replace(aggregate_delay=1)

SERVICES = [f"service-{number}" for number in range(8)]


async def test_a_push_that_is_repeated_at_another_node_counts_once(one_broker: Brokers) -> None:
    url = create(one_broker.url(), partitions=3)
    terms = QUICK._replace(partitions=3)
    push_id = b"p" * 16
    first, second = open_journal(url, terms=terms), open_journal(url, terms=terms)
    async with reading(open_journal(url, terms=terms)) as node:
        partial = partial_of(SystemClock().now(), SERVICES, requests=5)
        # Its node is gone before it can say anything.
        sending = asyncio.create_task(first.append(partial, push_id=push_id))
        await first.partitions[0].opened()
        sending.cancel()
        await asyncio.gather(second.append(partial, push_id=push_id), second.append(partial, push_id=push_id))
        await node.shows(lambda: node.requests == dict.fromkeys(SERVICES, 5))

        copies = sum(partition.copies for partition in node.journal.partitions)
        assert copies >= len({_core.partition(one, 3) for one in SERVICES})
    await first.close()
    await second.close()


async def test_a_partial_above_a_megabyte_counts_once(one_broker: Brokers) -> None:
    url = create(one_broker.url(), partitions=2)
    terms = QUICK._replace(partitions=2, limits=TERMS.limits._replace(domains=100_000))
    async with reading(open_journal(url, terms=terms)) as node:
        now = SystemClock().now()
        partial = partial_of(now, ["one", "two"], domains=30_000)
        assert len(partial) > 1_500_000
        push_id = b"q" * 16
        await asyncio.gather(*(node.journal.append(partial, push_id=push_id) for _ in range(2)))
        # As from a node that was killed between two of its parts: the first one only.
        number, part = node.journal.log.envelopes(partial, b"k" * 16, int(now))[0]
        await node.journal.log.send(number, part)
        await node.shows(lambda: len(node.requests) == 2)
        newest = node.newest
        await node.shows(lambda: node.newest > newest)

        assert node.requests == {"one": 30_000, "two": 30_000}


async def test_a_push_that_is_larger_than_what_may_wait_is_taken(one_broker: Brokers) -> None:
    url = create(one_broker.url())
    terms = QUICK._replace(limits=TERMS.limits._replace(domains=100_000))
    (broker,) = one_broker.each
    async with reading(open_journal(url, terms=terms, max_pending=1_000_000)) as node:
        await node.shows(lambda: node.newest)
        partial = partial_of(SystemClock().now(), domains=60_000)
        assert len(partial) > 1_000_000
        broker.signal(signal.SIGSTOP)
        try:
            appending = asyncio.create_task(node.journal.append(partial, push_id=b"l" * 16))
            await becomes(lambda: node.journal.producer.waiting_bytes >= len(partial) or appending.done())
            with pytest.raises(Unavailable, match=r"^[1-9]\d+ bytes wait for the brokers \(journal\.max_pending\)"):
                await node.journal.append(partial_of(SystemClock().now()), push_id=b"m" * 16)
        finally:
            broker.signal(signal.SIGCONT)
        await appending
        await node.shows(lambda: node.requests == {"svc": 60_000})


async def test_an_append_with_a_clock_that_is_ahead_counts_once(one_broker: Brokers) -> None:
    url = create(one_broker.url())
    async with reading(open_journal(url, terms=QUICK)) as node:
        ahead = open_journal(url, terms=QUICK, clock=WrongClock(3600.0))
        await ahead.append(partial_of(SystemClock().now()))
        await node.shows(lambda: node.requests == {"svc": 1})
        assert node.journal.partitions[0].refused == 1
        await ahead.close()


async def test_an_append_that_was_refused_as_expired_goes_out_under_a_new_id(one_broker: Brokers) -> None:
    url = create(one_broker.url())
    terms = QUICK._replace(horizon=5)
    async with reading(open_journal(url, terms=terms)) as node:
        behind = open_journal(url, terms=terms, clock=WrongClock(-600.0))
        await behind.append(partial_of(SystemClock().now()))
        await node.shows(lambda: node.requests == {"svc": 1})
        assert node.journal.partitions[0].refused == 1
        await behind.close()


async def test_a_push_of_which_nobody_knows_whether_it_counts_is_not_a_success(one_broker: Brokers) -> None:
    url = create(one_broker.url())
    behind = open_journal(url, terms=QUICK._replace(horizon=5), clock=WrongClock(-600.0))

    with pytest.raises(Unknown, match="it may count"):
        await behind.append(partial_of(SystemClock().now()), push_id=b"u" * 16)

    assert behind.expired == 0
    await behind.close()


@pytest.mark.parametrize("others", [("counts",), ("unknown", "counts"), ("unknown",), ()])
async def test_a_push_that_may_count_in_one_partition_is_not_said_to_count_nowhere(
    one_broker: Brokers, monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...]
) -> None:
    """The process stops while one partition is to get it again, or the brokers refuse what one gets."""
    terms = QUICK._replace(partitions=3)
    journal = open_journal(create(one_broker.url(), partitions=3), terms=terms)
    outcomes = ["unavailable", *others]

    async def send(partition: int, _: bytes) -> int:
        outcome = outcomes[min(partition, len(outcomes) - 1)]
        if outcome == "counts":
            return int(SystemClock().now() * 1000)
        raise Unknown("it may count") if outcome == "unknown" else Unavailable("the process stops")

    monkeypatch.setattr(journal.log, "send", send)
    with pytest.raises(Unavailable) as raised:
        await journal.append(partial_of(SystemClock().now(), SERVICES), push_id=b"p" * 16)
    assert isinstance(raised.value, Unknown) == bool(others)
    await journal.close()


class Lines:
    """A source that cannot go back: it yields a line for each service."""

    name = "syslog"
    defaults = Defaults("svc", "lab")
    framing: Framing = "lines"

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        pass

    async def blocks(self) -> AsyncIterator[Block]:
        yield Block(b"".join(b'{"status":200,"service_id":"%s","domain":"a"}\n' % one.encode() for one in SERVICES))


async def test_what_nobody_knows_of_one_partition_is_dropped_and_all_else_counts_once(
    one_broker: Brokers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its log has lost its first messages meanwhile. A source without an outbox repeats what is refused."""
    url = create(one_broker.url(), partitions=3)
    terms = QUICK._replace(partitions=3, horizon=5)
    lost = _core.partition(SERVICES[0], 3)
    searched: set[int] = set()

    def find(partition: int, *_: object) -> bool | None:
        is_known = partition != lost or partition in searched
        searched.add(partition)
        return False if is_known else None

    async with reading(open_journal(url, terms=terms)) as node:
        behind = open_journal(url, terms=terms, clock=WrongClock(-600.0))
        monkeypatch.setattr(behind.log, "_find", find)
        ingest = Ingest(behind, SystemClock())
        await ingest.worker.follow(Lines())
        ingest.close()
        counted = [one for one in SERVICES if _core.partition(one, 3) != lost]
        await node.shows(lambda: len(node.requests) >= len(counted))
        newest = node.newest
        await node.shows(lambda: node.newest > newest)

        assert node.requests == dict.fromkeys(counted, 1)
        dropped = len(SERVICES) - len(counted)
        assert behind.expired == dropped
        assert f"dropped {dropped} records for partition {lost}," in caplog.text
        await behind.close()


async def test_readers_of_any_beginning_show_the_same(one_broker: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of many minutes is written at once: the test says what time it is in each message."""
    monkeypatch.setattr(topics.Topic, "problems", lambda *_, **__: iter(()))
    url = create(one_broker.url(), extra={"message.timestamp.type": "CreateTime"})
    terms = QUICK._replace(horizon=60)
    now = int(SystemClock().now())
    first = now - 600
    write_log(one_broker, parse(url).topic, terms.digest, first, now - 5)

    async with reading(open_journal(url, terms=terms, keep=900), seals=False) as whole:
        await whole.shows(lambda: whole.newest >= now - 10)
        async with reading(open_journal(url, terms=terms, keep=120), seals=False) as middle:
            await middle.shows(lambda: middle.newest >= now - 10)

    assert whole.shelving.complete_after == 0
    assert whole.requests["svc"] == now - 6 - first  # the last one is not sealed
    begins = middle.shelving.complete_after
    assert first + 300 < begins <= now - 120
    expected = {key: entry for key, entry in whole.shelving.entries.items() if key[0] > begins}
    assert len(expected) > 100
    assert middle.shelving.entries == expected
    assert middle.journal.partitions[0].copies > 0


def write_log(brokers: Brokers, topic: str, terms: bytes, first: int, last: int) -> None:
    """In each second: a partial, a copy of the one of 40 seconds before, and a seal."""
    producer = Producer({"bootstrap.servers": brokers.addresses})

    def append(value: bytes, at: float) -> None:
        producer.produce(topic, value, partition=0, timestamp=int(at * 1000))

    for second in range(first, last):
        for made in (second, second - 40):
            if made >= first:
                append_id = made.to_bytes(16, "big")
                ((_, envelope),) = _core.envelopes(
                    [(append_id, partial_of(made + 0.5))], born=made, attempt=second, partitions=1
                )
                append(envelope, second + 0.6)
        append(_core.seal_envelope(second - 1, writer="writer", terms=terms), second + 0.9)
    assert producer.flush(DEADLINE) == 0


async def test_a_node_that_stood_still_refuses_what_waited_at_its_door(
    one_broker: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(one_broker.url())
    async with reading(open_journal(url, terms=QUICK)) as node:
        push, push_id = partial_of(SystemClock().now()), b"n" * 16
        await node.journal.append(push, push_id=push_id)
        # As SIGSTOP does, or a hypervisor: a request is the first that is read.
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 60, time=time.time)
        monkeypatch.setattr(naps, "time", clock)
        with pytest.raises(Unavailable, match="this node stood still"):
            await node.journal.append(push, push_id=b"o" * 16)
        with pytest.raises(Unavailable, match="this node stood still"):
            await node.journal.append(push, push_id=b"o" * 16)
        assert node.journal.naps.count == 1
        # What cannot be repeated is taken.
        await node.journal.append(push)
        await node.shows(lambda: node.requests == {"svc": 2})
        await becomes(lambda: not node.journal.naps.is_waking)
        await node.journal.append(push, push_id=b"o" * 16)
        await node.shows(lambda: node.requests == {"svc": 3})


async def test_an_outbox_from_a_backup_counts_nothing_again(one_broker: Brokers, tmp_path: Path) -> None:
    url = create(one_broker.url())
    (broker,) = one_broker.each
    async with reading(open_journal(url, terms=QUICK)) as node:
        await node.shows(lambda: node.newest)
        first = open_journal(url, tmp_path / "first", terms=QUICK)
        broker.signal(signal.SIGSTOP)
        appending = asyncio.create_task(first.append(partial_of(SystemClock().now()), {"access.log": "1"}))
        assert first.outbox
        await becomes(lambda: first.outbox and first.outbox.waiting)
        shutil.copytree(tmp_path / "first", tmp_path / "backup")
        broker.signal(signal.SIGCONT)
        await appending
        await first.close()

        again = open_journal(url, tmp_path / "backup", terms=QUICK)
        assert again.checkpoints() == {"access.log": "1"}
        await again.append(partial_of(SystemClock().now()), {"access.log": "2"})
        await node.shows(lambda: node.requests == {"svc": 2})
        await becomes(lambda: again.outbox and not again.outbox.waiting)
        await becomes(lambda: node.journal.partitions[0].copies == 1)
        with pytest.raises(ConfigError, match="in use by another process"):
            open_journal(url, tmp_path / "backup", terms=QUICK)
        await again.close()
        assert node.requests == {"svc": 2}


async def test_a_log_is_searched_to_its_end(one_broker: Brokers) -> None:
    journal = open_journal(create(one_broker.url()), terms=QUICK._replace(horizon=20))
    now = int(SystemClock().now())
    partial = partial_of(now, ["a"])
    # No copy of it can count any more, so the end of the log is an answer.
    assert await journal.log.find(0, b"i" * 16, now - 100) is False
    sent = [journal.log.send(*one) for _ in range(2000) for one in journal.log.envelopes(partial, b"o" * 16, now)]
    await asyncio.gather(*sent, *(journal.log.send(*one) for one in journal.log.envelopes(partial, b"i" * 16, now)))

    assert await journal.log.find(0, b"i" * 16, now) is True
    # It was made too long ago for what was appended now.
    assert await journal.log.find(0, b"i" * 16, now - 100) is False
    await journal.close()


async def test_searches_end_when_the_process_stops(one_broker: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that waits for one would otherwise keep the process until the log has an answer."""
    monkeypatch.setattr(journals, "STOP_SECONDS", 0.0)
    journal = open_journal(create(one_broker.url()), terms=QUICK._replace(horizon=600))
    now = int(SystemClock().now())
    await journal.append(partial_of(now))
    searches = [asyncio.create_task(journal.log.find(0, bytes([one]) * 16, now)) for one in range(SEARCHES + 1)]
    await asyncio.sleep(0)
    journal.release()
    await becomes(lambda: all(one.done() for one in searches))
    searches.append(asyncio.create_task(journal.log.find(0, b"l" * 16, now)))
    for one in searches:
        with pytest.raises(Unavailable, match="the node stops"):
            await one
    await journal.close()


async def test_searches_keep_no_append_waiting(one_broker: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage, each file needs one in each partition."""
    journal = open_journal(create(one_broker.url()), terms=QUICK)
    found = threading.Event()
    monkeypatch.setattr(journal.log, "_find", lambda *_: found.wait(DEADLINE))
    searches = [asyncio.create_task(journal.log.find(0, bytes(16), 0)) for _ in range(40)]
    try:
        large = partial_of(SystemClock().now(), domains=1000)
        assert len(large) > INLINE_BYTES
        async with asyncio.timeout(DEADLINE / 4):
            await journal.append(large, push_id=b"l" * 16)
    finally:
        found.set()
    assert all(await asyncio.gather(*searches))
    await journal.close()


async def test_a_reader_of_a_log_that_lost_its_newest_seconds_shows_no_part_of_a_second(one_broker: Brokers) -> None:
    """With a limit on bytes, brokers remove messages of the seconds with which it begins."""
    url = create(one_broker.url(), extra={"retention.bytes": "1000000"})
    async with reading(open_journal(url, terms=QUICK)) as whole:
        await whole.shows(lambda: whole.newest)
        second = int(SystemClock().now()) + 1
        for _ in range(5):
            await whole.journal.append(partial_of(second))
        await whole.shows(lambda: whole.requests == {"svc": 5})
        # As brokers do, which look every five minutes.
        kept = TopicPartition(parse(url).topic, 0, 4)
        (removed,) = one_broker.admin.delete_records([kept]).values()
        assert (await asyncio.to_thread(removed.result)).low_watermark == 4
        async with reading(open_journal(url, terms=QUICK)) as cut:
            await cut.shows(lambda: cut.newest >= whole.newest)
            assert cut.shelving.complete_after > second
            assert not cut.shelving.entries
