"""The only module that reads the time. Everything else is handed a clock, so that tests can turn it."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that will be made."""

    def cancel(self) -> None:
        """Take it back. Harmless when it was made or taken back already."""


class Clock(Protocol):
    """Unix time in seconds that never goes backwards, and calls at times to come."""

    def now(self) -> float:
        """Seconds since 1970."""

    def anchor(self, at_least: float = 0.0) -> None:
        """Catch up with the wall clock, if that is ahead, and with `at_least`."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back once `now()` is `when` or later."""


class SystemClock:
    """
    The machine's monotonic clock, anchored to its wall clock.

    A wall clock that is set back neither stops seconds from being sealed nor seals one twice; one that is set
    forward is followed at the next `anchor()`.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return time.monotonic() + self._offset

    def anchor(self, at_least: float = 0.0) -> None:
        """Catch up with the wall clock, if that is ahead, and with `at_least`."""
        self._offset = max(self._offset, max(time.time(), at_least) - time.monotonic())

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back from the running event loop once `now()` is `when` or later."""
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)


async def sleep_until(clock: Clock, when: float) -> None:
    """Return once `clock` says `when` or later."""
    # Timers of event loops may fire a little early.
    while clock.now() < when:
        waiter = asyncio.get_running_loop().create_future()
        timer = clock.call_at(when, lambda waiter=waiter: waiter.done() or waiter.set_result(None))  # type: ignore[misc]
        try:
            await waiter
        finally:
            timer.cancel()
