"""Several partitions: one clock, and the same entries as with one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from edgetally.journal.memory import MemoryJournal
from edgetally.journal.retention import Retention
from edgetally.model import KeyLimits
from edgetally.window.series import ExportedSeries
from edgetally.window.shelf import Shelf
from edgetally.window.shelving import Shelving
from edgetally.window.windows import MAX_LAG, Windows
from tests.support.clock import START, ManualClock, until
from tests.window.test_sealer import partial

DELAY = 2
LIMITS = KeyLimits(domains=100, origins=100, addresses=100, pops=100, services=100)


class Halting(MemoryJournal):
    """A partition that cannot be sealed until `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def seal(self, second: int) -> None:
        await self.go_on.wait()
        await super().seal(second)


class Divided(MemoryJournal):
    """A journal of several partitions."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.halting = tuple(Halting() for _ in range(count))

    @property
    def partitions(self) -> tuple[MemoryJournal]:
        return self.halting  # type: ignore[return-value]


class Setup:
    """The windows of a journal, and what they fill."""

    def __init__(self, journal: MemoryJournal, clock: ManualClock, *, keep: int) -> None:
        self.shelf = Shelf(keep=keep, cache_bytes=1 << 20)
        self.series = ExportedSeries(series=1000, domains=10, origins=10, split_by_pop=False)
        self.shelving = Shelving(self.shelf, self.series)
        self.windows = Windows(
            journal=journal,
            shelf=self.shelf,
            shelving=self.shelving,
            clock=clock,
            limits=LIMITS,
            aggregate_delay=DELAY,
            retention=lambda: Retention(keep=keep, max_bytes=1 << 20),
        )

    def entries(self, services: Sequence[str]) -> list[tuple[str, int, bytes]]:
        """Return service, second and JSON of every entry; seconds count from the start of the clock."""
        return [
            (service_id, entry.second - START, self.shelf.body(entry, "domains"))
            for service_id in services
            for entry in self.shelf.entries(service_id, "domains", after=0)
        ]


@asynccontextmanager
async def running(journal: MemoryJournal, clock: ManualClock, *, keep: int = 300) -> AsyncIterator[Setup]:
    setup = Setup(journal, clock, keep=keep)
    tasks = [asyncio.create_task(work) for work in setup.windows.tasks()]
    await until(lambda: setup.windows.started)
    try:
        yield setup
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        setup.windows.close()
        setup.shelving.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_a_second_is_shown_once_all_partitions_have_sealed_it(clock: ManualClock) -> None:
    journal = Divided(3)
    async with running(journal, clock) as setup:
        for number, one in enumerate(journal.halting):
            await one.append(partial(0, 1, service_id=f"s{number}"))
        last = journal.halting[1]
        last.go_on.clear()
        await clock.advance(3)
        assert setup.entries(["s0", "s1", "s2"]) == []
        assert setup.shelf.newest == START - DELAY

        last.go_on.set()
        await clock.advance(1)
        await until(lambda: setup.shelf.newest == START + 2)
        assert [entry[:2] for entry in setup.entries(["s0", "s1", "s2"])] == [
            (service_id, second) for service_id in ("s0", "s1", "s2") for second in (0, 1)
        ]
        assert setup.shelving.kept_pops(["s1"]) == ["lab"]
        await until(lambda: setup.series.newest == START + 2)
        assert setup.series.services() == ["_other", "s0", "s1", "s2"]


async def test_the_partition_that_the_others_wait_for_is_named(clock: ManualClock) -> None:
    journal = Divided(3)
    async with running(journal, clock) as setup:
        journal.halting[2].go_on.clear()
        await clock.advance(1)
        assert setup.windows.problem == ""

        await clock.advance(MAX_LAG + 1)
        # Sealing takes a thread, which the others have to finish.
        problem = "no second sealed for 7 seconds in partition 2: readers see nothing new"
        await until(lambda: setup.windows.problem == problem)


async def test_entries_are_the_same_bytes_in_one_partition_and_in_several(clock: ManualClock) -> None:
    services = [f"s{number}" for number in range(6)]
    divided, single, second = Divided(3), MemoryJournal(), ManualClock()
    async with running(divided, clock) as many, running(single, second) as one:
        for now in range(10):
            for number, service_id in enumerate(services):
                rows = partial(now, now - 1, now - 4, service_id=service_id, domains=number + 1)
                await divided.halting[number % 3].append(rows)
                await single.append(rows)
            await clock.advance(1)
            await second.advance(1)
            await until(lambda now=now: many.shelf.newest == one.shelf.newest == START + now + 1 - DELAY)  # type: ignore[misc]

        assert many.entries(services) == one.entries(services)
        assert len(one.entries(services)) > 40
        assert many.windows.totals.records == one.windows.totals.records
        assert many.windows.totals.late == one.windows.totals.late


async def test_what_waits_for_a_partition_is_bounded_and_never_shown_in_part(clock: ManualClock) -> None:
    journal = Divided(2)
    async with running(journal, clock, keep=5) as setup:
        slow = journal.halting[1]
        slow.go_on.clear()
        for now in range(20):
            await journal.halting[0].append(partial(now, service_id="fast"))
            await clock.advance(1)
        await slow.append(partial(17, service_id="slow"))
        slow.go_on.set()
        await clock.advance(1)
        await until(lambda: setup.shelf.newest == START + 19)

        assert [entry[:2] for entry in setup.entries(["fast", "slow"])] == [
            ("fast", second) for second in range(15, 20)
        ] + [("slow", 17)]
