"""
Times as clients of history write them.

    1699286400             Unix seconds
    2023-11-06             a date: its first second
    2023-11-06T16:00:00Z   ISO 8601; without a zone it is UTC
    2023-11-06 16:00       the same
    two weeks ago          for `/stats` only; also `now`, `today`, `yesterday`
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from edgetally.history.tiers import DAY, FIRST_SECOND, HOUR, LAST_SECOND, MINUTE, Tier, day_of

MAX_DIGITS = 12

UNITS = {"second": 1, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}

NUMBERS = {
    **dict.fromkeys(("a", "an", "one"), 1),
    **{word: number for number, word in enumerate(("two", "three", "four", "five", "six", "seven", "eight"), 2)},
    **{word: number for number, word in enumerate(("nine", "ten", "eleven", "twelve"), 9)},
}

AGO = rf"([0-9]{{1,6}}|{'|'.join(NUMBERS)}) ({'|'.join(UNITS)})s? ago"

LOST_PLUS = r"(T[0-9:.]+) ([0-9]{2}:?[0-9]{2})"
"""A `+` that was not escaped in a query is read as a blank."""

DEFAULT_SECONDS = {"minute": 30 * MINUTE, "hour": DAY, "day": 30 * DAY}
"""How long before its end a question starts if it does not say so, by tier."""


class Interval(NamedTuple):
    """From a second to before another."""

    start: int
    end: int


def parse_time(text: str) -> int | None:
    """Return a Unix second; None if the text is no time."""
    if text.isascii() and text.isdecimal():
        return _within(int(text)) if len(text) <= MAX_DIGITS else None
    text = re.sub(LOST_PLUS, r"\1+\2", text.removesuffix(" UTC"))
    try:
        time = datetime.fromisoformat(text)
        return _within(int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        return None


def parse_moment(text: str, now: int) -> int | None:
    """Return a Unix second, which may be described from `now`; None if the text is no time."""
    words = " ".join(text.lower().split())
    if match := re.fullmatch(AGO, words):
        number = NUMBERS.get(match[1]) or int(match[1])
        return _within(now - number * UNITS[match[2]])
    named = {"now": now, "today": day_of(now), "yesterday": day_of(now) - DAY}
    return named[words] if words in named else parse_time(text)


def default_interval(start: int | None, end: int | None, tier: Tier, now: int) -> Interval:
    """Return the interval of a question that may leave out either end."""
    end = now if end is None else end
    return Interval(max(end - DEFAULT_SECONDS[tier.name], FIRST_SECOND) if start is None else start, end)


def iso(second: int) -> str:
    """Write a second as an ISO 8601 date."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _within(second: int) -> int | None:
    """Return a second, or None if a date cannot name it."""
    return second if FIRST_SECOND <= second <= LAST_SECOND else None
