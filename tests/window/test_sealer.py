"""The sealer: seconds become final at their time, and stay as they are."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from edgetally import _core
from edgetally.journal.base import Seal
from edgetally.journal.memory import MemoryJournal
from edgetally.model import Limits
from edgetally.window.sealer import INLINE, Sealer
from edgetally.window.shelf import Shelf
from tests.journal.conformance import take
from tests.support.clock import START, TurnedClock, TurnedTimer, until

DELAY = 2
DATASETS = ("domains", "origins", "origin_insights")
LIMITS = Limits(domains=100, origins=100, addresses=100, pops=100, services=100)


class Diary(MemoryJournal):
    """A journal that forgets nothing: what a second reader, or the next process, would find."""

    def forget(self, position: int, gone: int | None = None) -> None:
        pass


class Room:
    """A sealer between a journal and a shelf."""

    def __init__(self, journal: MemoryJournal, clock: TurnedClock, *, delay: int = DELAY) -> None:
        self.shelf = Shelf(keep=300, cache_bytes=1 << 20)
        self.sealer = Sealer(journal=journal, shelf=self.shelf, clock=clock, limits=LIMITS, aggregate_delay=delay)

    def entries(self, service_id: str = "svc", dataset: str = "domains") -> list[tuple[int, bytes]]:
        """Return second and JSON of every entry."""
        found = self.shelf.entries(service_id, dataset, after=0)
        return [(entry.second - START, self.shelf.body(entry, dataset)) for entry in found]

    def requests(self) -> dict[int, int]:
        """Count the requests of every second from the start of the clock."""
        return {
            second: sum(counts["requests"] for counts in json.loads(body)["aggregated"].values())
            for second, body in self.entries()
        }


@asynccontextmanager
async def reading(
    journal: MemoryJournal, clock: TurnedClock, *, seals: bool = True, delay: int = DELAY
) -> AsyncIterator[Room]:
    """Run a sealer; `seals` unless it only reads what another one seals."""
    room = Room(journal, clock, delay=delay)
    tasks = [asyncio.create_task(room.sealer.read())]
    if seals:
        tasks.append(asyncio.create_task(room.sealer.seal_seconds()))
        await room.sealer.started.wait()
        clock.settled = lambda: room.shelf.newest >= int(clock.now()) - delay
    try:
        yield room
    finally:
        clock.settled = lambda: True
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        room.sealer.close()


def partial(*seconds: int, service_id: str = "svc", domains: int = 1) -> bytes:
    """Make a partial of one request in each of these seconds from the start of the clock."""
    fold = _core.Fold(service_id=service_id, pop="lab")
    for second in seconds:
        for number in range(domains):
            fold.feed(
                b'{"ts":%d,"domain":"%d.example","status":200,"origin":"app","origin_ip":"192.0.2.1",'
                b'"origin_status":200}\n' % (START + second, number),
                START,
            )
    return fold.drain()


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


async def test_a_second_is_sealed_aggregate_delay_after_it_began(clock: TurnedClock) -> None:
    for delay in (1, 2, 5):
        clock = TurnedClock(START + 0.25)
        async with reading(MemoryJournal(), clock, delay=delay) as room:
            seen = []
            for at in (0.25, 0.75, 0.99, 1.0, 1.5, 1.99, 2.0, 7.0):
                await clock.advance(START + at - clock.now())
                seen.append(room.shelf.newest - START + delay)

        assert seen == [0, 0, 0, 1, 1, 1, 2, 7]


async def test_every_second_gets_its_seal_even_without_traffic(clock: TurnedClock) -> None:
    journal = Diary()
    async with reading(journal, clock):
        await clock.advance(4)

    facts = await take(journal, 5)
    assert facts == [Seal(number + 1, START + number - DELAY) for number in range(5)]


async def test_entries_stand_on_the_shelf_when_their_second_is_sealed_and_not_before(clock: TurnedClock) -> None:
    journal = MemoryJournal()
    async with reading(journal, clock) as room:
        await journal.append(partial(0, 0, 1))
        await clock.advance(1.9)
        assert room.requests() == {}
        await clock.advance(0.1)
        assert room.requests() == {0: 2}
        await clock.advance(1)
        assert room.requests() == {0: 2, 1: 1}


async def test_partials_of_one_second_add_up(clock: TurnedClock) -> None:
    journal = MemoryJournal()
    async with reading(journal, clock) as room:
        for _ in range(3):
            await journal.append(partial(0))
            await clock.advance(0.5)
        await clock.advance(2)

        assert room.requests() == {0: 3}


async def test_what_comes_late_counts_in_the_oldest_second_that_is_open(clock: TurnedClock) -> None:
    journal = MemoryJournal()
    async with reading(journal, clock) as room:
        await journal.append(partial(0))
        await clock.advance(3)
        before = room.entries()
        await journal.append(partial(-5, 0, 1, 2))
        await clock.advance(1)

        # Seconds up to 1 are sealed, so 2 is the oldest open one.
        assert room.requests() == {0: 1, 2: 4}
        assert room.entries()[:1] == before
        assert room.sealer.late == {"svc": 3}


async def test_late_records_are_counted_by_service(clock: TurnedClock) -> None:
    journal = MemoryJournal()
    async with reading(journal, clock) as room:
        await journal.append(partial(-9, -9, service_id="a"))
        await journal.append(partial(-9, 0, service_id="b"))
        await journal.append(partial(0, service_id="c"))
        await clock.advance(3)

        assert room.sealer.late == {"a": 2, "b": 1}


async def test_a_large_partial_is_merged_in_its_turn(clock: TurnedClock) -> None:
    journal = MemoryJournal()
    large = partial(*range(-40, 1), domains=100)
    assert len(large) > INLINE
    async with reading(journal, clock) as room:
        await journal.append(large)
        await journal.append(partial(0))
        await clock.advance(3)

        # When it came, the second before the last was sealed.
        assert room.sealer.late == {"svc": 3_900}
        assert room.requests() == {-1: 4_000, 0: 101}


class Corrected(TurnedClock):
    """A clock that finds the wall clock ahead when it is told to look."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0
        self._corrected = 0.0

    def now(self) -> float:
        return super().now() + self._corrected

    def anchor(self, at_least: float = 0.0) -> None:
        super().anchor(at_least)
        self._corrected += self.ahead
        self.ahead = 0.0

    def call_at(self, when: float, callback: Callable[[], object]) -> TurnedTimer:
        return super().call_at(when - self._corrected, callback)


async def test_the_wall_clock_is_set_forward_and_every_second_is_sealed_once() -> None:
    clock = Corrected()
    journal = Diary()
    async with reading(journal, clock) as room:
        await journal.append(partial(0, 1, 2))
        await clock.advance(1)
        clock.ahead = 3600.5
        await clock.advance(3)

        assert clock.now() == START + 3604.5
        assert room.requests() == {}
        assert room.shelf.newest == START + 3604 - DELAY
    sealed = [fact.second - START + DELAY for fact in await take(journal, 7) if isinstance(fact, Seal)]
    assert sealed == [0, 1, 3602, 3603, 3604]


async def test_a_second_that_is_sealed_again_changes_nothing(clock: TurnedClock) -> None:
    journal = MemoryJournal()
    async with reading(journal, clock) as room:
        await journal.append(partial(0))
        await clock.advance(3)
        before = room.entries()
        # As an owner does who takes a partition over and does not know how far the last one came.
        for second in (START + 1, START, START - 5, START + 1):
            await journal.seal(second)
        await journal.append(partial(0))
        await clock.advance(1)

        assert room.entries()[:1] == before
        assert room.requests() == {0: 1, 2: 1}


async def test_readers_wake_when_the_second_is_sealed(clock: TurnedClock) -> None:
    journal = MemoryJournal()
    async with reading(journal, clock) as room:
        woken: list[float] = []
        leave = room.shelf.wait("svc", "domains", after=START - 1, wake=lambda: woken.append(clock.now() - START))
        await journal.append(partial(0))
        await clock.advance(5)
        leave()

    assert woken == [2]


async def test_what_was_merged_is_forgotten_by_the_journal(clock: TurnedClock) -> None:
    journal = MemoryJournal()
    async with reading(journal, clock):
        await journal.append(partial(0))
        await clock.advance(1)
        await journal.append(partial(1))
        await clock.advance(1)
    await journal.append(b"new")

    (fact,) = await take(journal, 1)
    assert fact[1] == b"new"


async def lived_through(journal: Diary, clock: TurnedClock) -> Room:
    """Let a sealer live through a minute in which much comes late, early, and in any order."""
    chance = random.Random(2)  # noqa: S311 - traffic, not secrets
    async with reading(journal, clock) as room:
        for _ in range(120):
            now = int(clock.now()) - START
            seconds = [now - int(chance.expovariate(0.5)) + chance.choice((0, 0, 0, 5)) for _ in range(5)]
            await journal.append(
                partial(*seconds, service_id=chance.choice(("a", "b")), domains=chance.choice((1, 3, 50)))
            )
            await clock.advance(chance.choice((0.1, 0.5, 0.9)))
        await clock.advance(10)
    assert room.sealer.late.total() > 50
    return room


def everything(room: Room) -> dict[tuple[str, str], list[tuple[int, bytes]]]:
    return {
        (service_id, dataset): room.entries(service_id, dataset)
        for service_id in room.shelf.services
        for dataset in DATASETS
    }


async def replayed(journal: Diary, clock: TurnedClock, newest: int) -> Room:
    async with reading(journal, clock, seals=False) as room:
        await until(lambda: room.shelf.newest == newest)
    return room


async def test_a_restart_on_the_same_journal_makes_the_same_entries_byte_for_byte(clock: TurnedClock) -> None:
    journal = Diary()
    before = await lived_through(journal, clock)

    after = await replayed(journal, clock, before.shelf.newest)

    assert everything(after) == everything(before)
    assert after.sealer.late == {}, "what was late is counted once, though it stays late"
    assert len(everything(before)["a", "domains"]) > 30


async def test_two_windows_that_read_one_journal_make_the_same_entries(clock: TurnedClock) -> None:
    journal = Diary()
    async with reading(journal, clock, seals=False) as reader:
        owner = await lived_through(journal, clock)
        await until(lambda: reader.shelf.newest == owner.shelf.newest)

        assert everything(reader) == everything(owner)
        assert reader.sealer.late == owner.sealer.late


async def test_a_restart_goes_on_where_the_last_process_stopped(clock: TurnedClock) -> None:
    journal = Diary()
    async with reading(journal, clock):
        await journal.append(partial(0, 1))
        await clock.advance(2)
    # Nobody seals while nobody runs.
    await clock.advance(10)
    await journal.append(partial(1, 5))
    async with reading(journal, clock) as room:
        await until(lambda: room.shelf.newest == START + 10)

        assert room.requests() == {0: 1, 1: 2, 5: 1}
        assert room.sealer.late == {}
