"""Brokers that stop, are killed, stand still, or are not there yet."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka.admin import NewPartitions

from edgetally.clock import SystemClock
from edgetally.errors import Unavailable
from edgetally.journal.kafka import watch
from edgetally.journal.kafka.address import parse
from edgetally.journal.kafka.journal import KafkaJournal
from tests.support.cluster import TERMS, create, open_journal
from tests.support.kafka import DETECTION, Broker, Brokers, brokers, needs_kafka
from tests.support.nodes import ReaderNode, becomes, partial_of, reading

pytestmark = needs_kafka()

LONG = pytest.mark.skipif("EDGETALLY_TORTURE" not in os.environ, reason="takes long: `make torture-kafka` runs it")

THREE = TERMS._replace(partitions=3, aggregate_delay=4)

SERVICES = [f"service-{number}" for number in range(6)]


class Traffic:
    """A sender that repeats what is refused, as a source does."""

    def __init__(self, journal: KafkaJournal) -> None:
        self.journal = journal
        self.sent = 0
        self.refused = 0
        self._goes_on = True
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        clock = SystemClock()
        while self._goes_on:
            partial = partial_of(clock.now(), SERVICES)
            while True:
                try:
                    await self.journal.append(partial)
                    break
                except Unavailable:
                    self.refused += 1
                    await asyncio.sleep(0.2)
            self.sent += 1
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Append no more, and wait for the last one."""
        self._goes_on = False
        await self._running


@asynccontextmanager
async def traffic(journal: KafkaJournal) -> AsyncIterator[Traffic]:
    """Append a partial of all services every 20 ms, and wait for the last one at the end."""
    found = Traffic(journal)
    try:
        yield found
    finally:
        await found.stop()


async def shows_all(sent: Traffic, *nodes: ReaderNode) -> None:
    """Check that each reader shows exactly what was sent, and the same as the others."""
    expected = dict.fromkeys(SERVICES, sent.sent)
    for node in nodes:
        await node.shows(lambda node=node: node.requests.total() >= sent.sent * len(SERVICES))  # type: ignore[misc]
        newest = node.newest
        await node.shows(lambda node=node, newest=newest: node.newest > newest)  # type: ignore[misc]
        assert node.requests == expected
    common = set.intersection(*(set(node.shelving.entries) for node in nodes))
    assert common
    for key in common:
        assert len({node.shelving.entries[key] for node in nodes}) == 1


@contextmanager
def standing_still(those: Sequence[Broker]) -> Iterator[None]:
    """Stop brokers as a machine does that swaps: their connections stay."""
    for broker in those:
        broker.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for broker in those:
            broker.signal(signal.SIGCONT)


@pytest.mark.parametrize("stop", [pytest.param(Broker.stop, marks=LONG), Broker.kill])
async def test_a_broker_that_restarts_or_is_killed_costs_nothing(
    three_brokers: Brokers, stop: Callable[[Broker], None]
) -> None:
    url = create(three_brokers.url(), partitions=3, replicas=3)
    topic = parse(url).topic
    async with (
        reading(open_journal(url, terms=THREE)) as one,
        reading(open_journal(url, terms=THREE)) as other,
        traffic(one.journal) as sent,
    ):
        await one.shows(lambda: sent.sent > 20)
        broker = three_brokers.leader(topic)
        before, newest = sent.sent, one.newest
        await asyncio.to_thread(stop, broker)
        await one.shows(lambda: sent.sent > before + 20 and one.newest > newest + 1)
        broker.start()
        await asyncio.to_thread(three_brokers.wait)
        await sent.stop()
        await shows_all(sent, one, other)
        assert one.late == other.late == 0
        await becomes(lambda: not one.journal.failing)


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """Lay the files of `directory` on a file system of 220 MB."""
    files = directory.with_name("files")
    directory.rename(files)
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=220m", "tmpfs", directory], check=True)
    try:
        shutil.copytree(files, directory, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def fill(path: Path) -> None:
    """Write a file until its disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


@LONG
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
async def test_a_broker_whose_disk_is_full_costs_nothing(tmp_path: Path) -> None:
    with brokers(tmp_path / "nodes", 3, extra=DETECTION) as cluster:
        url = create(cluster.url(), partitions=3, replicas=3)
        full = cluster.leader(parse(url).topic)
        await asyncio.to_thread(full.stop)
        with small_disk(full.data):
            full.start()
            await asyncio.to_thread(cluster.wait)
            async with (
                reading(open_journal(url, terms=THREE)) as one,
                reading(open_journal(url, terms=THREE)) as other,
                traffic(one.journal) as sent,
            ):
                await one.shows(lambda: sent.sent > 20)
                await asyncio.to_thread(fill, full.data / "filler")
                # It exits at the next segment or index that it cannot write.
                await becomes(lambda: not full.is_running)
                before, newest = sent.sent, one.newest
                await one.shows(lambda: sent.sent > before + 20 and one.newest > newest + 1)
                (full.data / "filler").unlink()
                full.start()
                await asyncio.to_thread(cluster.wait)
                await sent.stop()
                await shows_all(sent, one, other)
                assert one.late == other.late == 0
            full.kill()


async def test_without_two_of_three_brokers_nothing_is_taken_and_nothing_lost(three_brokers: Brokers) -> None:
    url = create(three_brokers.url(), partitions=3, replicas=3)
    async with (
        reading(open_journal(url, terms=THREE)) as one,
        reading(open_journal(url, terms=THREE)) as other,
        traffic(one.journal) as sent,
    ):
        await one.shows(lambda: sent.sent > 20 and other.newest)
        with standing_still(three_brokers.each[1:]):
            # First it waits, then it refuses.
            await becomes(lambda: one.journal.failing)
            assert "have acknowledged nothing for" in (one.journal.failing or "")
            with pytest.raises(Unavailable, match="have acknowledged nothing for"):
                await one.journal.append(partial_of(SystemClock().now()))
            newest = one.newest
            await becomes(lambda: one.journal.producer.oldest > 4)
            assert one.newest <= newest + 1
            # Seals wait, one in each partition.
            assert other.journal.producer.waiting <= 3
        await becomes(lambda: not one.journal.failing)
        before = sent.sent
        await one.shows(lambda: sent.sent > before + 20)
        await sent.stop()
        await shows_all(sent, one, other)
        assert one.late == other.late == 0


@LONG
async def test_a_push_of_several_partitions_counts_once_though_one_stood_still(three_brokers: Brokers) -> None:
    url = create(three_brokers.url(), partitions=3, replicas=3)
    push_id = b"s" * 16
    async with reading(open_journal(url, terms=THREE)) as node:
        first = open_journal(url, terms=THREE)
        await first.append(partial_of(SystemClock().now(), SERVICES))
        await node.shows(lambda: node.newest)
        push = partial_of(SystemClock().now(), SERVICES)
        with standing_still([three_brokers.leader(parse(url).topic)]):
            waiting = asyncio.create_task(first.append(push, push_id=push_id))
            await becomes(lambda: first.producer.oldest > 1)
            # Its sender loses patience, and the node goes.
            waiting.cancel()
            await first.close()
            # Until the partition has another leader.
            await node.journal.append(push, push_id=push_id)
        await node.journal.append(push, push_id=push_id)
        await node.shows(lambda: node.requests == dict.fromkeys(SERVICES, 2))
        newest = node.newest
        await node.shows(lambda: node.newest > newest)
        assert node.requests == dict.fromkeys(SERVICES, 2)
        assert sum(partition.copies for partition in node.journal.partitions) > 0


async def test_nodes_start_without_brokers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "START_SECONDS", 0.5)
    with brokers(tmp_path / "nodes", extra=DETECTION) as cluster:
        url = create(cluster.url())
        (broker,) = cluster.each
        broker.kill()
        async with reading(open_journal(url)) as node:
            assert "no broker of 127.0.0.1" in (node.journal.failing or "")
            with pytest.raises(Unavailable, match="no broker of"):
                await node.journal.append(partial_of(SystemClock().now()))
            assert node.journal.partitions[0].problem
            broker.start()
            await becomes(lambda: not node.journal.failing)
            await node.journal.append(partial_of(SystemClock().now()))
            await node.shows(lambda: node.requests == {"svc": 1})
            assert not node.journal.partitions[0].problem


async def test_more_partitions_than_before_are_noticed(one_broker: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY_SECONDS", 0.1)
    url = create(one_broker.url(), partitions=2)
    async with reading(open_journal(url, terms=TERMS._replace(partitions=2))) as node:
        await node.journal.append(partial_of(SystemClock().now(), SERVICES))
        (future,) = one_broker.admin.create_partitions([NewPartitions(parse(url).topic, 5)]).values()
        await asyncio.to_thread(future.result)
        await becomes(lambda: node.journal.failing)

        with pytest.raises(Unavailable, match=r"expected 2 partitions \(journal\.partitions\), got 5"):
            await node.journal.append(partial_of(SystemClock().now(), SERVICES))
        await node.shows(lambda: node.requests == dict.fromkeys(SERVICES, 1))


async def test_a_log_that_was_truncated_is_read_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with brokers(tmp_path / "nodes", extra=DETECTION) as cluster:
        url = create(cluster.url())
        (broker,) = cluster.each
        async with reading(open_journal(url)) as node:
            for _ in range(5):
                await node.journal.append(partial_of(SystemClock().now()))
            await node.shows(lambda: node.requests == {"svc": 5})
            before = dict(node.shelving.entries)
            # As after the election of a leader that lacks what others had acknowledged.
            broker.kill()
            for file in (broker.data / f"{parse(url).topic}-0").iterdir():
                if file.name != "partition.metadata":
                    file.unlink()
            broker.start()
            await becomes(lambda: "of the journal is read anew from 0" in caplog.text and not node.journal.failing)
            for _ in range(5):
                await node.journal.append(partial_of(SystemClock().now()))
            await node.shows(lambda: node.requests == {"svc": 10})

            assert node.shelving.entries.items() >= before.items()
            assert not node.journal.failing
