"""A node takes over from the writer of seals: the clock stands still until the test says so, and so does the log."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from edgetally import _core
from edgetally.journal.kafka.cursor import LogCursor
from edgetally.journal.kafka.partition import KafkaPartition, SealWriter
from edgetally.window.sealer import RESERVE_AHEAD, Sealer
from edgetally.window.shelf import Shelf
from edgetally.window.shelving import Shelving
from tests.support.clock import START, ManualClock
from tests.support.cluster import TERMS
from tests.support.kafka import DEADLINE

KNOWN_AFTER = 8
"""Seconds after which a domain surely has reservations."""

READ_SECONDS = 0.02
"""What is appended is read so much later than it is acknowledged."""


class Appended:
    """A message, as a consumer returns it."""

    def __init__(self, offset: int, value: bytes, milliseconds: int) -> None:
        self._offset = offset
        self._value = value
        self._milliseconds = milliseconds

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return 2, self._milliseconds


class Log:
    """One partition of a topic, which acknowledges at once."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.nodes: list[Node] = []
        self._end = 0

    async def send(self, _: int, value: bytes) -> int:
        now = int(self.clock.now() * 1000)
        message = Appended(self._end, value, now)
        self._end += 1
        for node in self.nodes:
            self.clock.call_at(self.clock.now() + READ_SECONDS, partial(node.take, message))
        return now

    async def append(self, rows: bytes) -> None:
        """Append as a node does that takes records."""
        now = int(self.clock.now())
        ((number, envelope),) = _core.envelopes([(self._end.to_bytes(16), rows)], born=now, attempt=1, partitions=1)
        await self.send(number, envelope)


class Node:
    """A node that reads the log, and seals."""

    def __init__(self, name: str, log: Log) -> None:
        clock = log.clock
        self.partition = KafkaPartition(
            0, SealWriter(name, TERMS, clock, log.send), start=lambda: None, release=lambda _: None
        )
        self.partition.begin(0, 0, None)
        self.wait_for_others(DEADLINE)
        self._cursor = LogCursor(TERMS, is_beginning=True, is_oldest=True, merge_from=0)
        self.shelf = Shelf(keep=300, cache_bytes=1 << 20)
        self._shelving = Shelving(self.shelf)
        self.sealer = Sealer(
            partition=self.partition,
            put=self._shelving.put,
            clock=clock,
            limits=TERMS.limits,
            aggregate_delay=TERMS.aggregate_delay,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._newest = 0
        """Position of the newest fact that it was given."""
        log.nodes.append(self)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self.sealer.read()), asyncio.create_task(self.sealer.seal_seconds())]

    def wait_for_others(self, seconds: float) -> None:
        """Say how long it waits until it takes over: in real seconds, which the clock of the test does not know."""
        self.partition._takeover = seconds  # noqa: SLF001

    def take(self, message: Appended) -> None:
        batch = self._cursor.read([message])  # type: ignore[list-item]
        self._newest = batch.facts[-1].position if batch.facts else self._newest
        self.partition.take(batch)

    @property
    def is_idle(self) -> bool:
        """Whether all that it was given is merged and sealed, unless it does not run."""
        is_working = not self.sealer._window._last.done()  # noqa: SLF001 - a thread, which the clock does not know
        return not self._tasks or (self.sealer.position == self._newest and not is_working)

    def shown(self, domain: str) -> list[int]:
        """Return the seconds in which a domain has a row of its own."""
        entries = self.shelf.entries("svc", "domains", after=0)
        found = {entry.second: json.loads(self.shelf.body(entry, "domains"))["aggregated"] for entry in entries}
        return [second - START for second, domains in found.items() if domain in domains]

    def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def close(self) -> None:
        self.kill()
        self.sealer.close()
        self._shelving.close()


@contextmanager
def two_nodes(log: Log) -> Iterator[tuple[Node, Node]]:
    nodes = Node("one", log), Node("other", log)
    try:
        yield nodes
    finally:
        for node in nodes:
            node.close()


async def test_known_domains_keep_their_rows_when_another_node_takes_over() -> None:
    clock = ManualClock()
    log = Log(clock)
    with two_nodes(log) as (one, other):
        clock.settled = lambda: one.is_idle and other.is_idle

        async def flooded_seconds(count: int) -> None:
            """In each, made-up names come before the known domain, and take every row that is not reserved."""
            for _ in range(count):
                second = int(clock.now())
                fold = _core.Fold(service_id="svc", pop="lab")
                flood = range(TERMS.limits.domains + 1) if second >= START + KNOWN_AFTER else ()
                for name in [*(f"{number}.{second}.made-up" for number in flood), "known.example"]:
                    fold.feed(b'{"ts":%d,"domain":"%s","status":200}\n' % (second, name.encode()), second)
                await log.append(fold.drain())
                await clock.advance(1)

        one.start()
        await clock.advance(0.5)
        other.start()
        await flooded_seconds(12)
        writers = {one.partition.newest_writer, other.partition.newest_writer}
        assert writers == {"one"}

        one.kill()
        other.wait_for_others(0)
        await flooded_seconds(2 * RESERVE_AHEAD)
        assert other.partition.newest_writer == "other"
        await clock.advance(TERMS.aggregate_delay)

        shown = other.shown("known.example")
        assert shown == list(range(12 + 2 * RESERVE_AHEAD))
