"""
What the demo's services did before it was started: a day and a half of made-up minutes in its history.

Each minute has a few lines that stand for many, so that all are counted in two or three seconds. They are added beside
the running server, hour by hour, the newest first, as `edgetally history import` adds old logs.
"""

import math
import random
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import msgspec

from edgetally.config.sections import Config
from edgetally.demo.traffic import SITES, Site, one_record
from edgetally.history.history import open_file
from edgetally.history.importing import Importer
from edgetally.history.tiers import DAY, HOUR, MINUTE
from edgetally.offline.fold import fold, sealed_of

HOURS = 36
"""How far back it goes."""

LINES = 40
"""Lines of a site in a minute."""

KINDS = 2_000
"""Different lines of a site: enough that every name has a few."""

OUTAGE = (19 * HOUR + 20 * MINUTE, 20 * HOUR + 5 * MINUTE)
"""When the origin fails, every day in UTC: 45 minutes, which the strip of minutes and that of hours show."""

CALM, FAILING = 0, 120
"""Seconds without and with an incident."""


class _Lines(NamedTuple):
    """The lines of a site to choose from, without time and weight."""

    site: Site
    calm: list[bytes]
    failing: list[bytes]


class Yesterday:
    """Makes hours of the past."""

    def __init__(self) -> None:
        self._chance = random.Random(2)  # noqa: S311 - traffic, not secrets
        self._lines = [_Lines(site, self._made(site, CALM), self._made(site, FAILING)) for site in SITES]

    def add(self, config: Config, hour: int, now: int) -> int:
        """Add the hour that begins at this second, as far as it is over; return how many minutes that are."""
        log = b"".join(self._log(hour, min(hour + HOUR, now - now % MINUTE)))
        kept = config.history
        with closing(open_file(config)) as file:
            importer = Importer(file, open_names=kept.max_open_names, names=kept.max_names, add=False)
            return importer.add(sealed_of(fold(log)), now).minutes

    def _made(self, site: Site, ts: int) -> list[bytes]:
        made = []
        for _ in range(KINDS):
            fields = one_record(site, ts, self._chance)
            del fields["ts"]
            made.append(msgspec.json.encode(fields))
        return made

    def _log(self, start: int, end: int) -> Iterator[bytes]:
        for minute in range(start, end, MINUTE):
            busy = busyness(minute)
            is_failing = OUTAGE[0] <= minute % DAY < OUTAGE[1]
            for lines in self._lines:
                weight = max(1, round(lines.site.requests_per_second * MINUTE * busy / LINES))
                head = b'{"ts":%d,"weight":%d,' % (minute, weight)
                for line in self._chance.choices(lines.failing if is_failing else lines.calm, k=LINES):
                    yield b"%b%b\n" % (head, line[1:])


def busyness(second: int) -> float:
    """Return the share of the usual requests: most in the evening, fewest before dawn."""
    return 0.7 + 0.3 * math.sin(math.tau * (second % DAY - 12 * HOUR) / DAY)


def last_outage(now: int) -> int:
    """Return a minute near the end of the last outage."""
    return now - (now - OUTAGE[1]) % DAY - 5 * MINUTE


def hours(now: int) -> Iterator[int]:
    """Yield the hours to add, by their first second, the newest first."""
    newest = now - now % HOUR
    yield from range(newest, newest - HOURS * HOUR, -HOUR)
