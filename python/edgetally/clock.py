"""
The only module that reads the time. Everything else is given a clock, which tests control.

Commands that only read the time import no event loop.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancel the call. Harmless when it was made or cancelled already."""


class Clock(Protocol):
    """Unix time in seconds, which never goes backwards, and calls at later times."""

    def now(self) -> float:
        """Return the seconds since 1970."""

    def anchor(self, at_least: float = 0.0) -> None:
        """Set the time to that of the wall clock, or to `at_least`, if either is later."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Make a call once `now()` is `when` or later."""


class SystemClock:
    """
    The machine's monotonic clock, anchored to its wall clock.

    When the wall clock is set back, time goes on, so that no second is sealed twice. When it is set forward, the time
    follows at the next `anchor()`.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.monotonic() + self._offset

    def anchor(self, at_least: float = 0.0) -> None:
        """Set the time to that of the wall clock, or to `at_least`, if either is later."""
        self._offset = max(self._offset, max(time.time(), at_least) - time.monotonic())

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Make a call on the running event loop once `now()` is `when` or later."""
        import asyncio  # noqa: PLC0415 - see above

        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)


def http_date() -> bytes:
    """Return the wall clock's time as HTTP writes it: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7."""
    return date_of(int(time.time()))


@lru_cache(maxsize=1)
def date_of(second: int) -> bytes:
    """Return a Unix second as HTTP writes it."""
    # A seal makes thousands of responses in one second, and this takes longer than all else of a response.
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(second)
    # Not by `strftime`, whose names depend on the locale.
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (DAYS[weekday], day, MONTHS[month - 1], year, hour, minute, second)


async def sleep_until(clock: Clock, when: float) -> None:
    """Return once the time is `when` or later."""
    import asyncio  # noqa: PLC0415 - see above

    # Timers of event loops may fire a little early.
    while clock.now() < when:
        waiter = asyncio.get_running_loop().create_future()
        timer = clock.call_at(when, lambda waiter=waiter: waiter.done() or waiter.set_result(None))  # type: ignore[misc]
        try:
            await waiter
        finally:
            timer.cancel()
