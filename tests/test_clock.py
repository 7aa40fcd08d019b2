"""The system clock, when the wall clock is corrected."""

import asyncio
from collections.abc import Callable

import pytest

from edgetally import clock
from edgetally.clock import SystemClock, Timer, sleep_until
from tests.support.clock import ManualClock

WALL = 1_763_769_600.0


class Machine:
    """Replaces the module `time`: a wall clock that can be set, and a monotonic clock that cannot."""

    def __init__(self) -> None:
        self.wall = WALL
        self.uptime = 1_000.0

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.uptime


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(clock, "time", machine)
    return machine


def test_it_starts_with_the_wall_clock(machine: Machine) -> None:
    system = SystemClock()
    assert system.now() == WALL

    machine.advance(1.5)
    assert system.now() == WALL + 1.5


def test_the_wall_clock_is_set_back(machine: Machine) -> None:
    system = SystemClock()
    machine.advance(10)
    machine.wall -= 3600
    assert system.now() == WALL + 10

    # It is not set back by an anchor either.
    system.anchor()
    assert system.now() == WALL + 10
    machine.advance(5)
    system.anchor()
    assert system.now() == WALL + 15


def test_the_wall_clock_is_set_forward(machine: Machine) -> None:
    system = SystemClock()
    machine.wall += 3600
    assert system.now() == WALL

    system.anchor()
    assert system.now() == WALL + 3600
    machine.advance(5)
    assert system.now() == WALL + 3605


def test_the_wall_clock_is_set_back_and_then_right_again(machine: Machine) -> None:
    system = SystemClock()
    for correction in (-3600, 3600, -1, 1):
        machine.wall += correction
        machine.advance(1)
        system.anchor()

    assert system.now() == WALL + 4


def test_the_wall_clock_drifts(machine: Machine) -> None:
    system = SystemClock()
    seen = []
    for drift in (0.0, 0.001, -0.002, 0.0015, 0.003):
        machine.advance(1)
        machine.wall += drift
        system.anchor()
        seen.append(system.now() - WALL)

    # Never behind the monotonic clock, never backwards, and never behind the wall clock.
    assert seen == pytest.approx([1, 2.001, 3.001, 4.001, 5.0035])


def test_the_machine_is_suspended(machine: Machine) -> None:
    system = SystemClock()
    machine.wall += 8 * 3600  # the monotonic clock stands still while a machine is suspended

    system.anchor()

    assert system.now() == machine.wall


async def test_a_call_is_made_at_its_time() -> None:
    system = SystemClock()
    made = asyncio.Event()
    when = system.now() + 0.005

    system.call_at(when, made.set)
    await made.wait()

    # Event loops round to their own resolution.
    assert system.now() >= when - 0.002


async def test_a_call_in_the_past_is_made_at_once() -> None:
    made = asyncio.Event()
    SystemClock().call_at(0, made.set)
    await made.wait()


async def test_a_cancelled_call_is_not_made() -> None:
    system = SystemClock()
    made: list[str] = []
    second = asyncio.Event()
    timer = system.call_at(0, lambda: made.append("first"))
    system.call_at(system.now() + 0.001, second.set)

    timer.cancel()
    timer.cancel()
    await second.wait()

    assert made == []


async def test_sleeping_until_a_time_in_the_past_returns_at_once() -> None:
    clock = ManualClock()
    await sleep_until(clock, clock.now())
    await sleep_until(clock, 0)


async def test_a_timer_that_fires_early_is_set_again() -> None:
    class Early(ManualClock):
        def call_at(self, when: float, callback: Callable[[], object]) -> Timer:  # type: ignore[override]
            return super().call_at(when - (when - self.now()) / 2, callback)

    early = Early()
    start = early.now()
    woken: list[float] = []

    async def sleep() -> None:
        await sleep_until(early, start + 1)
        woken.append(early.now())

    sleeper = asyncio.create_task(sleep())
    await early.advance(0.99)
    assert woken == []
    await early.advance(0.02)
    await sleeper

    assert woken == [start + 1]


async def test_a_cancelled_sleep_leaves_no_timer() -> None:
    class Counting(ManualClock):
        set = 0

        def call_at(self, when: float, callback: Callable[[], object]) -> Timer:  # type: ignore[override]
            timer = super().call_at(when, callback)
            counting = self
            counting.set += 1

            class Counted:
                def cancel(self) -> None:
                    counting.set -= 1
                    timer.cancel()

            return Counted()

    clock = Counting()
    sleeper = asyncio.create_task(sleep_until(clock, clock.now() + 1))
    await clock.advance(0.5)
    assert clock.set == 1

    sleeper.cancel()
    await asyncio.wait([sleeper])

    assert clock.set == 0
