"""The sealer: seconds become final at their time, and never change afterwards."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from edgetally import _core
from edgetally.errors import Unavailable
from edgetally.journal.base import Checkpoints, Partial, Seal
from edgetally.journal.memory import MemoryJournal
from edgetally.model import KeyLimits
from edgetally.window.sealer import INLINE_PARTIAL_BYTES, Sealer
from edgetally.window.shelf import Shelf
from edgetally.window.shelving import Shelving
from tests.journal.conformance import take
from tests.support.clock import START, TIMEOUT_SECONDS, ManualClock, ManualTimer, until
from tests.support.ledger import counted

DELAY = 2
DATASETS = ("channel", "domains", "origins", "origin_insights")
LIMITS = KeyLimits(domains=100, origins=100, addresses=100, pops=100, services=100)


class KeepingJournal(MemoryJournal):
    """A journal that removes nothing: a second reader, or the next process, finds every fact."""

    def forget(self, position: int, gone: int | None = None) -> None:
        pass


class Setup:
    """A sealer between a journal and a shelf."""

    def __init__(self, journal: MemoryJournal, clock: ManualClock, *, delay: int = DELAY) -> None:
        self.shelf = Shelf(keep=300, cache_bytes=1 << 20)
        self.shelving = Shelving(self.shelf)
        self.sealer = Sealer(
            partition=journal, put=self.shelving.put, clock=clock, limits=LIMITS, aggregate_delay=delay
        )

    def entries(self, service_id: str = "svc", dataset: str = "domains") -> list[tuple[int, bytes]]:
        """Return the second and the JSON of every entry; seconds count from the start of the clock."""
        found = self.shelf.entries(service_id, dataset, after=0)
        return [(entry.second - START, self.shelf.body(entry, dataset)) for entry in found]

    def requests(self) -> dict[int, int]:
        """Return the requests of every second."""
        return {
            second: sum(counts["requests"] for counts in json.loads(body)["aggregated"].values())
            for second, body in self.entries()
        }


@asynccontextmanager
async def running(
    journal: MemoryJournal, clock: ManualClock, *, seals: bool = True, delay: int = DELAY
) -> AsyncIterator[Setup]:
    """Run a sealer; not `seals` if it only reads what another one seals."""
    setup = Setup(journal, clock, delay=delay)
    tasks = [asyncio.create_task(setup.sealer.read())]
    if seals:
        tasks.append(asyncio.create_task(setup.sealer.seal_seconds()))
        await setup.sealer.started.wait()
        clock.settled = lambda: setup.shelf.newest >= int(clock.now()) - delay
    try:
        yield setup
    finally:
        clock.settled = lambda: True
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        setup.sealer.close()
        setup.shelving.close()


def partial(*seconds: int, service_id: str = "svc", domains: int = 1, pop: str = "lab") -> bytes:
    """Make a partial of one request per domain in each of these seconds."""
    fold = _core.Fold(service_id=service_id, pop=pop)
    for second in seconds:
        for number in range(domains):
            fold.feed(
                b'{"ts":%d,"domain":"%d.example","status":200,"origin":"app","origin_ip":"192.0.2.1",'
                b'"origin_status":200}\n' % (START + second, number),
                START,
            )
    return fold.drain()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_a_second_is_sealed_aggregate_delay_seconds_after_it_began(clock: ManualClock) -> None:
    for delay in (1, 2, 5):
        clock = ManualClock(START + 0.25)
        async with running(MemoryJournal(), clock, delay=delay) as setup:
            seen = []
            for at in (0.25, 0.75, 0.99, 1.0, 1.5, 1.99, 2.0, 7.0):
                await clock.advance(START + at - clock.now())
                seen.append(setup.shelf.newest - START + delay)

        assert seen == [0, 0, 0, 1, 1, 1, 2, 7]


async def test_every_second_gets_its_seal_even_without_traffic(clock: ManualClock) -> None:
    journal = KeepingJournal()
    async with running(journal, clock):
        await clock.advance(4)

    facts = await take(journal, 5)
    assert facts == [Seal(number + 1, START + number - DELAY) for number in range(5)]


async def test_entries_are_on_the_shelf_once_their_second_is_sealed_and_not_before(clock: ManualClock) -> None:
    journal = MemoryJournal()
    async with running(journal, clock) as setup:
        await journal.append(partial(0, 0, 1))
        await clock.advance(1.9)
        assert setup.requests() == {}
        await clock.advance(0.1)
        assert setup.requests() == {0: 2}
        await clock.advance(1)
        assert setup.requests() == {0: 2, 1: 1}


async def test_partials_of_one_second_add_up(clock: ManualClock) -> None:
    journal = MemoryJournal()
    async with running(journal, clock) as setup:
        for _ in range(3):
            await journal.append(partial(0))
            await clock.advance(0.5)
        await clock.advance(2)

        assert setup.requests() == {0: 3}


async def test_late_records_count_in_the_oldest_open_second(clock: ManualClock) -> None:
    journal = MemoryJournal()
    async with running(journal, clock) as setup:
        await journal.append(partial(0))
        await clock.advance(3)
        before = setup.entries()
        await journal.append(partial(-5, 0, 1, 2))
        await clock.advance(1)

        # Seconds up to 1 are sealed, so 2 is the oldest open one.
        assert setup.requests() == {0: 1, 2: 4}
        assert setup.entries()[:1] == before
        assert setup.sealer.totals.late == {"svc": 3}


async def test_pops_are_kept_as_long_as_entries_with_them(clock: ManualClock) -> None:
    journal = MemoryJournal()
    async with running(journal, clock) as setup:
        await journal.append(partial(0, 1))
        await journal.append(partial(0, pop="AMS"))
        await journal.append(partial(1, pop="FRA", service_id="other"))
        found = []
        for second in (1, 2, 3, 301, 302, 303):
            await clock.advance(START + second - clock.now())
            found.append(
                [setup.shelving.kept_pops(services) for services in (["svc"], ["other"], ["svc", "other", "x"])]
            )

    assert found == [
        [[], [], []],
        [["AMS", "lab"], [], ["AMS", "lab"]],
        [["AMS", "lab"], ["FRA"], ["AMS", "FRA", "lab"]],
        [["AMS", "lab"], ["FRA"], ["AMS", "FRA", "lab"]],
        [["lab"], ["FRA"], ["FRA", "lab"]],
        [[], [], []],
    ]


async def test_late_records_are_counted_by_service(clock: ManualClock) -> None:
    journal = MemoryJournal()
    async with running(journal, clock) as setup:
        await journal.append(partial(-9, -9, service_id="a"))
        await journal.append(partial(-9, 0, service_id="b"))
        await journal.append(partial(0, service_id="c"))
        await clock.advance(3)

        assert setup.sealer.totals.late == {"a": 2, "b": 1}


async def test_a_large_partial_is_merged_in_order(clock: ManualClock) -> None:
    journal = MemoryJournal()
    large = partial(*range(-40, 1), domains=100)
    assert len(large) > INLINE_PARTIAL_BYTES
    async with running(journal, clock) as setup:
        await journal.append(large)
        await journal.append(partial(0))
        await clock.advance(3)

        # When it was merged, only the last second and the one before were open.
        assert setup.sealer.totals.late == {"svc": 3_900}
        assert setup.requests() == {-1: 4_000, 0: 101}


async def shown_in_a_flood(journal: MemoryJournal, clock: ManualClock) -> dict[int, int | None]:
    """Return the requests of a new domain in each second, where made-up names take all rows but reserved ones."""
    flood = iter(range(10**6))
    seconds = 10
    async with running(journal, clock) as setup:
        for second in range(seconds):
            if second:
                fold = _core.Fold(service_id="svc", pop="lab")
                line = b'{"ts":%d,"domain":"%s","status":200}\n'
                # From the third second on, made-up names come before it and take every row.
                names = [b"%d.made-up" % next(flood) for _ in range(LIMITS.domains + 1)] if second > 2 else []
                for name in [*names, b"new.example"]:
                    fold.feed(line % (START + second, name), START + second)
                await journal.append(fold.drain())
            await clock.advance(1)
        await clock.advance(DELAY)
        return {
            second: json.loads(body)["aggregated"].get("new.example", {}).get("requests")
            for second, body in setup.entries()
        }


async def test_a_new_domain_is_known_five_seconds_after_its_first_request(clock: ManualClock) -> None:
    shown = await shown_in_a_flood(MemoryJournal(), clock)

    assert shown == {1: 1, 2: 1, 3: None, 4: None, 5: None, 6: 1, 7: 1, 8: 1, 9: 1}


class Refusing(MemoryJournal):
    """A journal that cannot be written when rows are reserved for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        if not self.refused and counted(partial) == 0:
            self.refused += 1
            raise Unavailable("no space")
        await super().append(partial, checkpoints, push_id=push_id)


async def test_reservations_that_could_not_be_appended_are_appended_a_second_later(clock: ManualClock) -> None:
    journal = Refusing()
    shown = await shown_in_a_flood(journal, clock)

    assert journal.refused == 1
    assert shown == {1: 1, 2: 1, 3: None, 4: None, 5: None, 6: None, 7: 1, 8: 1, 9: 1}


class SlowWindow:
    """A window whose reservations take until `go_on` is set, with the lock that the compiled one has."""

    def __init__(self, **limits: int) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.reserving = threading.Event()
        self.blocked_loop = False
        """Whether the event loop had to wait for the lock."""
        self._lock = threading.Lock()
        self._window = _core.Window(**limits)

    def reservations(self, soon: int, first: int, last: int) -> bytes:
        with self._lock:
            self.reserving.set()
            assert self.go_on.wait(TIMEOUT_SECONDS)
            return self._window.reservations(soon, first, last)

    def merge(self, partial: bytes) -> list[tuple[str, int, int]]:
        if threading.current_thread() is threading.main_thread() and self._lock.locked():
            self.blocked_loop = True
            self.go_on.set()
        with self._lock:
            return self._window.merge(partial)

    def seal(self, second: int) -> list[_core.Sealed]:
        with self._lock:
            return self._window.seal(second)

    @property
    def newest(self) -> int | None:
        return self._window.newest


async def test_a_small_merge_never_waits_on_the_event_loop_for_a_large_one(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = SlowWindow(**LIMITS._asdict())
    monkeypatch.setattr(_core, "Window", lambda **_: window)

    class Busy(KeepingJournal):
        """Partials arrive just before a seal, so that they are read while rows are reserved for the seconds after."""

        async def seal(self, second: int) -> None:
            for number in (1, 1, 0):
                await self.append(partial(second + DELAY - number - START))
            await super().seal(second)

    journal = Busy()
    async with running(journal, clock) as setup:
        before = setup.sealer.totals.records["svc"]
        window.reserving.clear()
        window.go_on.clear()
        clock.settled = lambda: True
        await clock.advance(1)
        await until(window.reserving.is_set)
        await clock.advance(0)
        assert not window.blocked_loop
        assert setup.sealer.totals.records["svc"] == before

        window.go_on.set()
        clock.settled = lambda: setup.sealer.position == journal.end
        await clock.advance(3)
        assert setup.requests() == {-1: 2, 0: 3, 1: 3, 2: 3}
        assert not window.blocked_loop


class JumpingClock(ManualClock):
    """A clock whose wall clock was set forward by `ahead` seconds; it follows at the next `anchor()`."""

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

    def call_at(self, when: float, callback: Callable[[], object]) -> ManualTimer:
        return super().call_at(when - self._corrected, callback)


async def test_every_second_is_sealed_once_when_the_wall_clock_is_set_forward() -> None:
    clock = JumpingClock()
    journal = KeepingJournal()
    async with running(journal, clock) as setup:
        await journal.append(partial(0, 1, 2))
        await clock.advance(1)
        clock.ahead = 3600.5
        await clock.advance(3)

        assert clock.now() == START + 3604.5
        assert setup.requests() == {}
        assert setup.shelf.newest == START + 3604 - DELAY
    sealed = [fact.second - START + DELAY for fact in await take(journal, 7) if isinstance(fact, Seal)]
    assert sealed == [0, 1, 3602, 3603, 3604]


async def test_sealing_a_second_again_changes_nothing(clock: ManualClock) -> None:
    journal = MemoryJournal()
    async with running(journal, clock) as setup:
        await journal.append(partial(0))
        await clock.advance(3)
        before = setup.entries()
        # A process that takes over does not know how far the one before came.
        for second in (START + 1, START, START - 5, START + 1):
            await journal.seal(second)
        await journal.append(partial(0))
        await clock.advance(1)

        assert setup.entries()[:1] == before
        assert setup.requests() == {0: 1, 2: 1}


async def test_readers_wake_when_the_second_is_sealed(clock: ManualClock) -> None:
    journal = MemoryJournal()
    async with running(journal, clock) as setup:
        woken: list[float] = []
        leave = setup.shelf.wait("svc", "domains", after=START - 1, wake=lambda: woken.append(clock.now() - START))
        await journal.append(partial(0))
        await clock.advance(5)
        leave()

    assert woken == [2]


async def test_a_journal_in_memory_forgets_merged_facts(clock: ManualClock) -> None:
    journal = MemoryJournal()
    async with running(journal, clock):
        await journal.append(partial(0))
        await clock.advance(1)
        await journal.append(partial(1))
        await clock.advance(1)
    await journal.append(b"new")

    (fact,) = await take(journal, 1)
    assert isinstance(fact, Partial)
    assert fact.partial == b"new"


async def eventful_minute(journal: KeepingJournal, clock: ManualClock) -> Setup:
    """Run a sealer for a minute in which records arrive late, early and in any order."""
    chance = random.Random(2)  # noqa: S311 - traffic, not secrets
    async with running(journal, clock) as setup:
        for _ in range(120):
            now = int(clock.now()) - START
            seconds = [now - int(chance.expovariate(0.5)) + chance.choice((0, 0, 0, 5)) for _ in range(5)]
            await journal.append(
                partial(*seconds, service_id=chance.choice(("a", "b")), domains=chance.choice((1, 3, 50)))
            )
            await clock.advance(chance.choice((0.1, 0.5, 0.9)))
        await clock.advance(10)
    assert setup.sealer.totals.late.total() > 50
    return setup


def everything(setup: Setup) -> dict[tuple[str, str], list[tuple[int, bytes]]]:
    return {
        (service_id, dataset): setup.entries(service_id, dataset)
        for service_id in setup.shelf.services
        for dataset in DATASETS
    }


async def replayed(journal: KeepingJournal, clock: ManualClock, newest: int) -> Setup:
    async with running(journal, clock, seals=False) as setup:
        await until(lambda: setup.shelf.newest == newest)
    return setup


async def test_a_restart_on_the_same_journal_makes_the_same_entries_byte_for_byte(clock: ManualClock) -> None:
    journal = KeepingJournal()
    before = await eventful_minute(journal, clock)

    after = await replayed(journal, clock, before.shelf.newest)

    assert everything(after) == everything(before)
    assert after.sealer.totals.late == {}, "late records are counted once, though they stay late"
    assert len(everything(before)["a", "domains"]) > 30


async def test_two_windows_that_read_one_journal_make_the_same_entries(clock: ManualClock) -> None:
    journal = KeepingJournal()
    async with running(journal, clock, seals=False) as reader:
        owner = await eventful_minute(journal, clock)
        await until(lambda: reader.shelf.newest == owner.shelf.newest)

        assert everything(reader) == everything(owner)
        assert reader.sealer.totals.late == owner.sealer.totals.late


async def test_a_restart_continues_where_the_last_process_stopped(clock: ManualClock) -> None:
    journal = KeepingJournal()
    async with running(journal, clock):
        await journal.append(partial(0, 1))
        await clock.advance(2)
    # No seal is written while no process runs.
    await clock.advance(10)
    await journal.append(partial(1, 5))
    async with running(journal, clock) as setup:
        await until(lambda: setup.shelf.newest == START + 10)

        assert setup.requests() == {0: 1, 1: 2, 5: 1}
        assert setup.sealer.totals.late == {}
