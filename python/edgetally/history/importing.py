"""
Import: the seconds of old logs become minutes of the history.

A minute of a service of which the history has anything stays as it is, unless it is to be added to. So an import that
was interrupted can be repeated, and counts nothing twice.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from edgetally import _core
from edgetally.history.base import RecordedBatch, ServiceMinute
from edgetally.history.question import HistoryQuestion
from edgetally.history.reading import HistoryReaders
from edgetally.history.store import HistoryFile
from edgetally.history.tiers import HOUR, MINUTE, TIERS, hour_of

PRESENCE = ("requests", "compute_requests", "origin_fetches")
"""Measurements of the channel: whatever a service does, one of these is not 0."""


class Imported(NamedTuple):
    """What became of the minutes of logs."""

    minutes: int
    """Minutes that were added, of all services."""
    present: int
    """Minutes that were left as they are."""
    expired: int
    """Minutes that are older than anything that is kept, and were left out."""


class NothingRunning:
    """There is no recorder in this process."""

    def batches(self, services: Sequence[str] | None) -> list[RecordedBatch]:  # noqa: ARG002 - there are none
        """Return nothing."""
        return []


class Importer:
    """Adds sealed seconds to the history."""

    def __init__(self, file: HistoryFile, *, open_names: int, names: int, add: bool) -> None:
        """`add` to minutes that are there."""
        self._file = file
        self._readers = HistoryReaders(file.path, NothingRunning())
        self._open_names = open_names
        self._names = names
        self._add = add

    def add(self, sealed: Sequence[_core.Sealed], now: int) -> Imported:
        """Add the seconds of whole logs. Each hour of a service is one commit. Raises Unavailable."""
        minutes = present = 0
        kept = [one for one in sealed if self._file.keeps(one.second, now)]
        expired = _minutes_in(sealed) - _minutes_in(kept)
        in_order = sorted(kept, key=lambda one: (one.service_id, one.second))
        for (service_id, hour), seconds in groupby(in_order, key=lambda one: (one.service_id, hour_of(one.second))):
            there = set() if self._add else self._there(service_id, hour)
            made = list(self._minutes(service_id, list(seconds)))
            new = [one for one in made if one.minute not in there]
            if new:
                self._file.add(new)
            minutes += len(new)
            present += len(made) - len(new)
        while self._file.maintain(now):
            pass
        return Imported(minutes, present, expired)

    def close(self) -> None:
        """Release the file for reading."""
        self._readers.close()

    def _minutes(self, service_id: str, seconds: Sequence[_core.Sealed]) -> Iterator[ServiceMinute]:
        """Yield the minutes of some seconds of a service, in their order."""
        for minute, of_minute in groupby(seconds, key=lambda one: one.second - one.second % MINUTE):
            rollup = _core.Rollup(minute, names=self._open_names)
            for one in of_minute:
                rollup.add(one)
            yield ServiceMinute(service_id, minute, rollup.close(self._names))

    def _there(self, service_id: str, hour: int) -> set[int]:
        """Return the minutes of an hour that are there: where minutes are not kept any more, all of an hour or day."""
        there: set[int] = set()
        for tier in TIERS.values():
            question = HistoryQuestion(
                services=(service_id,),
                dataset="channel",
                tier=tier,
                start=hour,
                end=hour + HOUR,
                metrics=PRESENCE,
            )
            answer = self._readers.answer(question)
            for series in msgspec.json.decode(answer.data):
                for values in series["values"]:
                    window = values["timestamp"]
                    there.update(range(max(window, hour), min(window + tier.seconds, hour + HOUR), MINUTE))
            if not self._file.is_gone(tier, hour):
                break
        return there


def _minutes_in(sealed: Sequence[_core.Sealed]) -> int:
    """Return how many minutes these seconds lie in, of all services."""
    return len({(one.service_id, one.second // MINUTE) for one in sealed})
