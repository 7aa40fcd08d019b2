"""
Import: the seconds of old logs become minutes of the history.

A minute of a service of which the history has anything stays as it is, unless it is to be added to. So an import that
was interrupted can be repeated, and counts nothing twice.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from edgetally import _core
from edgetally.history.base import ServiceMinute
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import MINUTE, MINUTES, hour_of
from edgetally.history.unrecorded import IsUnrecorded


class Imported(NamedTuple):
    """What became of the minutes of logs."""

    minutes: int
    """Minutes that were added, of all services."""
    present: int
    """Minutes that were left as they are."""
    expired: int
    """Minutes that are older than anything that is kept, and were left out."""
    early: int
    """Minutes that were not over, and were left out: the rest of them could not be added later."""
    unrecorded: int
    """Minutes that were left to a server."""


class Importer:
    """Adds sealed seconds to the history."""

    def __init__(
        self,
        file: HistoryFile,
        *,
        open_names: int,
        names: int,
        add: bool,
        is_unrecorded: IsUnrecorded = lambda _service_id, _minute: False,
    ) -> None:
        """`add` to minutes that are there, and to those of which a server may add more, which `is_unrecorded`."""
        self._file = file
        self._open_names = open_names
        self._names = names
        self._add = add
        self._is_unrecorded = is_unrecorded

    def add(self, sealed: Sequence[_core.Sealed], now: int) -> Imported:
        """Add the seconds of whole logs. Each hour of a service is one commit. Raises Unavailable."""
        minutes = present = unrecorded = 0
        over = [one for one in sealed if MINUTES.window_of(one.second) + MINUTE <= now]
        kept = [one for one in over if self._file.keeps(one.second, now)]
        early, expired = _minutes_in(sealed) - _minutes_in(over), _minutes_in(over) - _minutes_in(kept)
        in_order = sorted(kept, key=lambda one: (one.service_id, one.second))
        for (service_id, _), seconds in groupby(in_order, key=lambda one: (one.service_id, hour_of(one.second))):
            made = list(self._minutes(service_id, list(seconds)))
            free = [one for one in made if self._add or not self._is_unrecorded(service_id, one.minute)]
            added = self._file.add(free, to_present=self._add)
            minutes += added
            present += len(free) - added
            unrecorded += len(made) - len(free)
        while self._file.maintain(now):
            pass
        return Imported(minutes, present, expired, early, unrecorded)

    def _minutes(self, service_id: str, seconds: Sequence[_core.Sealed]) -> Iterator[ServiceMinute]:
        """Yield the minutes of some seconds of a service, in their order."""
        for minute, of_minute in groupby(seconds, key=lambda one: one.second - one.second % MINUTE):
            rollup = _core.Rollup(minute, names=self._open_names)
            for one in of_minute:
                rollup.add(one)
            yield ServiceMinute(service_id, minute, rollup.close(self._names))


def _minutes_in(sealed: Sequence[_core.Sealed]) -> int:
    """Return how many minutes these seconds lie in, of all services."""
    return len({(one.service_id, one.second // MINUTE) for one in sealed})
