"""
The tiers of history: minutes, hours and days, all in UTC.

A window is one minute, hour or day, and a period is what the windows of a chunk lie in. Both are named by the Unix
second at which they begin.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

MINUTE, HOUR, DAY = 60, 3_600, 86_400

FIRST_SECOND, LAST_SECOND = 0, 253_402_300_799
"""The seconds that a date can name: from 1970 to the end of 9999."""


class Tier(msgspec.Struct, frozen=True):
    """Windows of one length."""

    name: str
    seconds: int
    """The length of a window."""
    period_of: Callable[[int], int]
    """The period of a second."""
    next_period: Callable[[int], int]
    """The period after a period."""

    def window_of(self, second: int) -> int:
        """Return the window of a second."""
        return second - second % self.seconds

    def windows(self, start: int, end: int) -> range:
        """Return the windows that begin before `end`, from the one in which `start` lies."""
        return range(self.window_of(start), end, self.seconds)

    def periods(self, start: int, end: int) -> Iterator[int]:
        """Yield the periods in which there are seconds from `start` to before `end`."""
        period = self.period_of(start)
        while start < end and period < end:
            yield period
            period = self.next_period(period)


def hour_of(second: int) -> int:
    """Return the hour of a second."""
    return second - second % HOUR


def day_of(second: int) -> int:
    """Return the day of a second."""
    return second - second % DAY


def month_of(second: int) -> int:
    """Return the month of a second."""
    return int(datetime.fromtimestamp(second, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp())


def next_month(month: int) -> int:
    """Return the month after a month."""
    return month_of(month + 31 * DAY)


MINUTES = Tier("minute", MINUTE, hour_of, lambda hour: hour + HOUR)
HOURS = Tier("hour", HOUR, day_of, lambda day: day + DAY)
DAYS = Tier("day", DAY, month_of, next_month)

TIERS = {tier.name: tier for tier in (MINUTES, HOURS, DAYS)}
"""All tiers by name, the finest first."""
