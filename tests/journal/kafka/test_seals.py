"""Seals, which any reader may write: whoever wrote the newest one writes the next."""

import asyncio
from itertools import pairwise

import pytest

from edgetally.cli.main import main
from edgetally.clock import SystemClock
from edgetally.errors import ConfigError
from edgetally.journal.kafka.terms import FOREIGN_SECONDS
from tests.support.cluster import TERMS, create, open_journal
from tests.support.kafka import Brokers, needs_kafka
from tests.support.nodes import ReaderNode, WrongClock, becomes, partial_of, reading

pytestmark = needs_kafka()

QUICK = TERMS._replace(aggregate_delay=1)


def writer(*nodes: ReaderNode) -> ReaderNode:
    """Return the node that wrote the newest seal, as these know it."""
    names = {node.journal.partitions[0].newest_writer for node in nodes}
    return next(node for node in nodes if node.journal.node in names)


async def test_a_killed_writer_is_followed_by_another_within_half_a_second(one_broker: Brokers) -> None:
    url = create(one_broker.url())
    async with reading(open_journal(url, terms=QUICK)) as one, reading(open_journal(url, terms=QUICK)) as other:
        await one.shows(lambda: one.newest and other.newest)
        killed = writer(one, other)
        (survivor,) = {one, other} - {killed}
        before = survivor.newest
        await killed.stop()

        await survivor.shows(lambda: survivor.newest >= before + 3)

        sealed = [at for second, at in survivor.shelving.sealed if second >= before]
        pauses = [later - earlier for earlier, later in pairwise(sealed)]
        # A second, and what the takeover takes; the rest is for a busy machine.
        assert max(pauses) < 1 + 0.6 + 1
        assert survivor.journal.partitions[0].writer_changes <= 2


async def test_two_writers_at_once_and_one_that_wakes_up_change_nothing(one_broker: Brokers) -> None:
    url = create(one_broker.url())
    async with reading(open_journal(url, terms=QUICK)) as one, reading(open_journal(url, terms=QUICK)) as other:
        await one.shows(lambda: one.newest and other.newest)
        # As a node does that believes to be the writer: old seconds, and the same as others.
        for back in (1, 0, 5, 0):
            newest = one.newest
            await one.journal.partitions[0]._write(newest - back)  # noqa: SLF001 - against its rules
            await other.journal.partitions[0]._write(newest - back)  # noqa: SLF001
            await one.journal.append(partial_of(SystemClock().now()))
        await one.shows(lambda: one.requests == other.requests == {"svc": 4})

        assert one.late == other.late == 0
        common = one.shelving.entries.keys() & other.shelving.entries.keys()
        assert common
        assert all(one.shelving.entries[key] == other.shelving.entries[key] for key in common)


@pytest.mark.parametrize("wrong", [5.0, -3.0])
async def test_a_writer_with_a_wrong_clock_makes_nothing_late(one_broker: Brokers, wrong: float) -> None:
    url = create(one_broker.url())
    clock = WrongClock(wrong)
    right = SystemClock()
    async with reading(open_journal(url, clock=clock), clock=clock) as node:
        start = right.now()
        sent = 0
        while sent < 2:
            await node.journal.append(partial_of(right.now()))
            sent += 1
            newest = node.newest
            await node.shows(lambda newest=newest: node.newest > newest)  # type: ignore[misc]
        await node.shows(lambda: node.requests["svc"] == sent)

        assert node.late == 0
        # Time goes on, by the brokers' clock if the own one is ahead.
        assert abs(node.newest - right.now()) < abs(wrong) + 5
        assert right.now() - start < 15


async def test_a_node_with_other_terms_does_not_start(one_broker: Brokers) -> None:
    url = create(one_broker.url())
    other_terms = QUICK._replace(aggregate_delay=3)
    async with reading(open_journal(url, terms=QUICK)) as node:
        await node.shows(lambda: node.newest)
        before = node.newest
        async with reading(open_journal(url, terms=other_terms)) as wrong:
            await becomes(lambda: wrong.failure)
            assert isinstance(wrong.failure, ConfigError)
            assert f"expected the settings of node {node.journal.node}, which seals this journal" in str(wrong.failure)
        await node.shows(lambda: node.newest >= before + 2)
        assert node.journal.partitions[0].newest_writer == node.journal.node


async def test_settings_may_be_changed_while_all_nodes_are_stopped(one_broker: Brokers) -> None:
    url = create(one_broker.url())
    changed = open_journal(url, terms=QUICK._replace(aggregate_delay=3))
    assert not await changed.agrees()
    async with reading(open_journal(url, terms=QUICK)) as node:
        await node.shows(lambda: node.newest)
        with pytest.raises(ConfigError, match=f"expected the settings of node {node.journal.node}"):
            await changed.agrees()
    later = open_journal(url, terms=changed.terms, clock=WrongClock(FOREIGN_SECONDS + 1))
    assert not await later.agrees()
    async with reading(later) as node:
        await node.shows(lambda: later.partitions[0].newest_writer == later.node)
        assert await later.agrees()
        assert await changed.agrees()
    await changed.close()


async def test_a_message_of_a_newer_version_stops_its_partition(
    one_broker: Brokers, capsys: pytest.CaptureFixture[str]
) -> None:
    url = create(one_broker.url())
    async with reading(open_journal(url, terms=QUICK)) as node:
        await node.shows(lambda: node.newest)
        partition = node.journal.partitions[0]
        ((_, envelope),) = node.journal.log.envelopes(partial_of(1.0), bytes(16), 1)
        newer = bytearray(envelope)
        newer[2] += 1  # behind two bytes that every version has
        await node.journal.log.send(0, bytes(newer))
        await becomes(lambda: partition.problem)
        assert "upgrade readers before writers" in partition.problem
        assert await asyncio.to_thread(main, ["journal", "check", url, "--partitions", "1"]) == 2
        assert "upgrade readers before writers" in capsys.readouterr().err

        newest = node.newest
        async with reading(open_journal(url, terms=QUICK)) as other:
            # It stands, too, however often it is started, and neither shows what comes after.
            await becomes(lambda: other.journal.partitions[0].problem.endswith("before writers"))
            # A node that takes records goes on.
            assert await other.journal.agrees()
            await node.journal.log.send(0, envelope)
            assert node.newest == newest
            assert not node.failure
