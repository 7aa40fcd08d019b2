"""Nodes of a cluster in the process of a test, on the real clock: the brokers have no other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from edgetally import _core
from edgetally.clock import Clock, SystemClock, Timer
from edgetally.journal.kafka.journal import KafkaJournal
from edgetally.journal.retention import Retention
from edgetally.window.shelf import Shelf
from edgetally.window.shelving import SealedSeconds, Shelving
from edgetally.window.windows import Windows
from tests.support.kafka import DEADLINE


class WrongClock:
    """A clock that is wrong by some seconds."""

    def __init__(self, wrong: float) -> None:
        self._right = SystemClock()
        self._wrong = wrong

    def now(self) -> float:
        return self._right.now() + self._wrong

    def anchor(self, at_least: float = 0.0) -> None:
        self._right.anchor(at_least - self._wrong)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        return self._right.call_at(when - self._wrong, callback)


class RecordedShelving(Shelving):
    """Records what is shown."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self.entries: dict[tuple[int, str], bytes] = {}
        """The entry of every second and service."""
        self.sealed: list[tuple[int, float]] = []
        """Every seal: its second, and when it came by the loop's clock."""
        self.complete_after = 0

    async def put(self, seconds: SealedSeconds) -> None:
        self.complete_after = max(self.complete_after, seconds.complete_after)
        for one in seconds.sealed:
            if one.second > seconds.complete_after:
                self.entries[one.second, one.service_id] = one.entry("domains")
        self.sealed.append((seconds.newest, asyncio.get_running_loop().time()))
        await super().put(seconds)


class ReaderNode:
    """A node that reads a journal and writes seals."""

    def __init__(self, journal: KafkaJournal, clock: Clock) -> None:
        self.journal = journal
        self.clock = clock
        shelf = Shelf(keep=300, cache_bytes=1 << 20, max_bytes=1 << 28)
        self.shelving = RecordedShelving(shelf)
        terms = journal.terms
        self.windows = Windows(
            journal=journal,
            shelf=shelf,
            shelving=self.shelving,
            clock=clock,
            limits=terms.limits,
            aggregate_delay=terms.aggregate_delay,
            retention=lambda: Retention(keep=0, max_bytes=0),
        )
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, *, seals: bool = True) -> None:
        """Begin to read, and to write seals."""
        for sealer in self.windows.sealers:
            self._tasks.append(asyncio.create_task(sealer.read()))
            if seals:
                self._tasks.append(asyncio.create_task(sealer.seal_seconds()))

    async def stop(self) -> None:
        """Stop as if killed: nothing is said to anyone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.journal.close()
        self.windows.close()
        self.shelving.close()

    @property
    def failure(self) -> BaseException | None:
        """Why one of its tasks has ended."""
        ended = (task for task in self._tasks if task.done() and not task.cancelled())
        return next((task.exception() for task in ended), None)

    @property
    def newest(self) -> int:
        """The newest second that is shown."""
        return self.shelving.sealed[-1][0] if self.shelving.sealed else 0

    @property
    def requests(self) -> Counter[str]:
        """What its entries add up to, by service."""
        found: Counter[str] = Counter()
        for (_, service_id), entry in self.shelving.entries.items():
            found[service_id] += requests(entry)
        return found

    @property
    def late(self) -> int:
        """Records that came after their second was sealed."""
        return self.windows.totals.late.total()

    async def shows(self, condition: Callable[[], object], seconds: float = DEADLINE) -> None:
        """Wait until something is true of it."""
        await becomes(lambda: condition() or self.failure, seconds)
        if self.failure:
            raise self.failure


def requests(entry: bytes) -> int:
    """Add up the requests of an entry."""
    aggregated: dict[str, dict[str, int]] = msgspec.json.decode(entry)["aggregated"]
    return sum(one.get("edge_requests", 0) for one in aggregated.values())


async def becomes(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Wait until a condition holds that other processes bring about: they set no event of this one."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


@asynccontextmanager
async def reading(
    journal: KafkaJournal, *, clock: Clock | None = None, seals: bool = True
) -> AsyncIterator[ReaderNode]:
    """Run a reader."""
    node = ReaderNode(journal, clock or SystemClock())
    node.start(seals=seals)
    try:
        yield node
    finally:
        await node.stop()


def partial_of(second: float, services: Iterable[str] = ("svc",), *, requests: int = 1, domains: int = 1) -> bytes:
    """Return a partial: in each service this many requests, spread over this many domains."""
    fold = _core.Fold()
    for service_id in services:
        for number in range(max(requests, domains)):
            line = (
                f'{{"ts":{second:.3f},"status":200,"service_id":"{service_id}",'
                f'"domain":"{number % domains}.example","pop":"AMS"}}\n'
            )
            fold.feed(line.encode(), int(second) + 1)
    return fold.drain()
