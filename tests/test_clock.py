"""The clock of the machine, on days when somebody corrects it."""

import asyncio
from collections.abc import Callable

import pytest

from edgetally import clock
from edgetally.clock import SystemClock, Timer, sleep_until
from tests.support.clock import TurnedClock

WALL = 1_763_769_600.0


class Machine:
    """Stands in for the module `time`: a wall clock that anybody may set, and a monotonic one that nobody can."""

    def __init__(self) -> None:
        self.wall = WALL
        self.uptime = 1_000.0

    def passes(self, seconds: float) -> None:
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


def test_it_begins_with_the_wall_clock(machine: Machine) -> None:
    ours = SystemClock()
    assert ours.now() == WALL

    machine.passes(1.5)
    assert ours.now() == WALL + 1.5


def test_the_wall_clock_is_set_back(machine: Machine) -> None:
    ours = SystemClock()
    machine.passes(10)
    machine.wall -= 3600
    assert ours.now() == WALL + 10

    # Neither now nor later: it goes on as if nothing had happened.
    ours.anchor()
    assert ours.now() == WALL + 10
    machine.passes(5)
    ours.anchor()
    assert ours.now() == WALL + 15


def test_the_wall_clock_is_set_forward(machine: Machine) -> None:
    ours = SystemClock()
    machine.wall += 3600
    assert ours.now() == WALL

    ours.anchor()
    assert ours.now() == WALL + 3600
    machine.passes(5)
    assert ours.now() == WALL + 3605


def test_the_wall_clock_is_set_back_and_then_right_again(machine: Machine) -> None:
    ours = SystemClock()
    for correction in (-3600, 3600, -1, 1):
        machine.wall += correction
        machine.passes(1)
        ours.anchor()

    assert ours.now() == WALL + 4


def test_the_wall_clock_creeps(machine: Machine) -> None:
    ours = SystemClock()
    seen = []
    for drift in (0.0, 0.001, -0.002, 0.0015, 0.003):
        machine.passes(1)
        machine.wall += drift
        ours.anchor()
        seen.append(ours.now() - WALL)

    # Never behind the monotonic clock, never backwards, and as late as the wall clock was at its latest.
    assert seen == pytest.approx([1, 2.001, 3.001, 4.001, 5.0035])


def test_the_machine_sleeps(machine: Machine) -> None:
    ours = SystemClock()
    machine.wall += 8 * 3600  # the monotonic clock stands still while a machine is suspended

    ours.anchor()

    assert ours.now() == machine.wall


async def test_a_call_is_made_once_its_time_has_come() -> None:
    ours = SystemClock()
    made = asyncio.Event()
    when = ours.now() + 0.005

    ours.call_at(when, made.set)
    await made.wait()

    # Event loops round to their own resolution.
    assert ours.now() >= when - 0.002


async def test_a_call_in_the_past_is_made_at_once() -> None:
    made = asyncio.Event()
    SystemClock().call_at(0, made.set)
    await made.wait()


async def test_a_call_that_was_taken_back_is_not_made() -> None:
    ours = SystemClock()
    made: list[str] = []
    second = asyncio.Event()
    timer = ours.call_at(0, lambda: made.append("first"))
    ours.call_at(ours.now() + 0.001, second.set)

    timer.cancel()
    timer.cancel()
    await second.wait()

    assert made == []


async def test_nobody_sleeps_for_a_time_that_has_passed() -> None:
    turned = TurnedClock()
    await sleep_until(turned, turned.now())
    await sleep_until(turned, 0)


async def test_a_timer_that_rings_early_is_set_again() -> None:
    class Hasty(TurnedClock):
        def call_at(self, when: float, callback: Callable[[], object]) -> Timer:  # type: ignore[override]
            return super().call_at(when - (when - self.now()) / 2, callback)

    hasty = Hasty()
    start = hasty.now()
    woken: list[float] = []

    async def sleep() -> None:
        await sleep_until(hasty, start + 1)
        woken.append(hasty.now())

    sleeper = asyncio.create_task(sleep())
    await hasty.advance(0.99)
    assert woken == []
    await hasty.advance(0.02)
    await sleeper

    assert woken == [start + 1]


async def test_a_sleeper_who_is_cancelled_leaves_no_timer() -> None:
    class Counting(TurnedClock):
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
