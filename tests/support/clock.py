"""A clock that stands still until a test turns it."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

START = 1_795_314_000
"""When a turned clock begins: some second in 2026, about which nothing is special."""

TURNS = 20
"""Turns of the event loop that settle it: more than any chain of callbacks here is long."""


PATIENCE = 20.0
"""Real seconds after which what has not happened never will."""


class TurnedTimer:
    """A call that will be made when the clock is turned that far."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class TurnedClock:
    """Time as the test says. An `edgetally.clock.Clock`."""

    def __init__(self, start: float = START) -> None:
        self._now = float(start)
        self._timers: list[tuple[float, int, TurnedTimer]] = []
        self._order = itertools.count()
        self.settled: Callable[[], bool] = lambda: True
        """What else has to be true before time goes on, when work is done in threads."""

    def now(self) -> float:
        return self._now

    def anchor(self, at_least: float = 0.0) -> None:
        """There is no other clock to catch up with."""
        self._now = max(self._now, at_least)

    def call_at(self, when: float, callback: Callable[[], object]) -> TurnedTimer:
        timer = TurnedTimer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Turn the clock on, making every call at its time; what a call sets off is over before time goes on."""
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
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await until(self.settled)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until `condition` holds: for what nobody announces, such as a reader who has parked."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for, and sleep(0) lets no time pass
            await asyncio.sleep(0)
