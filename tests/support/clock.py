"""A clock that stands still until a test advances it."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

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


class Threads(ThreadPoolExecutor):
    """Threads that know how many calls they have not finished."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="test")
        self.calls = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        loop = asyncio.get_running_loop()
        self.calls += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._finished))
        return future

    def _finished(self) -> None:
        self.calls -= 1


class ManualClock:
    """An `edgetally.clock.Clock` that a test controls."""

    def __init__(self, start: float = START) -> None:
        self._now = float(start)
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._order = itertools.count()
        self.settled: Callable[[], bool] = lambda: True
        """What has to be true before the time goes on, when threads are at work."""
        self._threads: Threads | None = None

    def wait_for_threads(self) -> None:
        """From now on, let the time go on only when no call of `asyncio.to_thread` is under way."""
        self._threads = Threads()
        asyncio.get_running_loop().set_default_executor(self._threads)

    def now(self) -> float:
        return self._now

    def next_call(self) -> float:
        """Return the time of the next call; infinity if there is none."""
        return min((when for when, _, timer in self._timers if timer.callback), default=math.inf)

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
        while True:
            for _ in range(LOOP_TURNS):
                await asyncio.sleep(0)
            if self.settled() and self._is_idle():
                return
            await until(lambda: self.settled() and self._is_idle())

    def _is_idle(self) -> bool:
        return self._threads is None or self._threads.calls == 0


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until `condition` holds, where there is no event to wait for."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not condition():  # noqa: ASYNC110 - there is no event, and sleep(0) takes no time
            await asyncio.sleep(0)
