"""A clock that stands still until a test advances it."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

START = 1_795_314_000
"""The time at which the clock starts: any second in 2026."""

LOOP_TURNS = 20
"""Turns of the event loop until it is idle: more than any chain of callbacks here is long."""


TIMEOUT_SECONDS = 20.0
"""Real seconds after which a wait fails."""


class ManualTimer:
    """A scheduled call."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """An `edgetally.clock.Clock` that a test controls."""

    def __init__(self, start: float = START) -> None:
        self._now = float(start)
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._order = itertools.count()
        self.settled: Callable[[], bool] = lambda: True
        """What has to be true before the time goes on, when threads are at work."""

    def now(self) -> float:
        return self._now

    def anchor(self, at_least: float = 0.0) -> None:
        """There is no wall clock here."""
        self._now = max(self._now, at_least)

    def call_at(self, when: float, callback: Callable[[], object]) -> ManualTimer:
        timer = ManualTimer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Advance the time, and make every call at its time. All that a call starts is finished before time goes on."""
        end = self._now + seconds
        await self._settle()
        while self._timers and self._timers[0][0] <= end:
            self._now = max(self._now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now:
                callback = heapq.heappop(self._timers)[2].callback
                if callback:
                    callback()
            await self._settle()
        self._now = end
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(LOOP_TURNS):
            await asyncio.sleep(0)
        await until(self.settled)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until `condition` holds, where there is no event to wait for."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not condition():  # noqa: ASYNC110 - there is no event, and sleep(0) takes no time
            await asyncio.sleep(0)
