"""
Looking up the rows that a question needs, and where nothing is known.

Everything is read in one snapshot of the file. What is not in the file yet comes from the recorder: its batches begin
where the journal's mark in the snapshot ends.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from edgetally import _core
from edgetally.history.base import RecordedBatch
from edgetally.history.chunks import DATASETS, Part, Shelfmark, chunk_of, chunks_at, stored_dataset, tier_of
from edgetally.history.holes import Span, holes, joined
from edgetally.history.paging import NAMES_AT_ONCE, names_of, some_of
from edgetally.history.question import NAME, HistoryQuestion
from edgetally.history.tiers import DAYS, HOURS, MINUTE, Tier

# Two queries: SQLite looks at the ends of an index for one of them, and at all of it for both.
FIRST_AND_LAST = "SELECT (SELECT min(minute) FROM minutes), (SELECT max(minute) FROM minutes)"
LIMITS_OF_TIER = (
    "SELECT (SELECT min(period) FROM chunks WHERE tier = ?1), (SELECT max(period) FROM chunks WHERE tier = ?1)"
)

PARTS_AT_ONCE = 256
"""Parts that are in memory at the same time."""


def uncommitted(database: sqlite3.Connection, batches: Sequence[RecordedBatch]) -> list[RecordedBatch]:
    """Return those batches that are not in the file."""

    def mark(journal: str) -> int:
        row = database.execute("SELECT until FROM marks WHERE journal = ?", (journal,)).fetchone()
        return row[0] if row else 0

    return [one for one in batches if one.first >= mark(one.journal)]


def service_numbers(database: sqlite3.Connection, services: Sequence[str]) -> list[int]:
    """Return the numbers of these services, as far as anything of them is there."""
    query = "SELECT id FROM services WHERE service_id = ?"
    found = (database.execute(query, (one,)).fetchone() for one in services)
    return [row[0] for row in found if row]


class UnknownTimes(NamedTuple):
    """Where nothing is known."""

    holes: list[Span]
    until: int
    """The second behind the newest of which anything is known: holes end before it."""


def unknown(database: sqlite3.Connection, question: HistoryQuestion, batches: Sequence[RecordedBatch]) -> UnknownTimes:
    """Return where nothing is known; `batches` as for Lookup."""
    start = question.tier.window_of(question.start)
    services = service_numbers(database, question.services)
    service = services[0] if len(services) == 1 else None
    query = "SELECT service, first, behind FROM known WHERE service IS NULL OR service = ?"
    known = [(first, behind) for _, first, behind in database.execute(query, (service,))]
    known += [span for batch in batches for span in batch.known]
    newest = max((behind for _, behind in known), default=0)
    (gone,) = database.execute(
        "SELECT coalesce(max(before), 0) FROM gone WHERE tier = ?", (question.tier.seconds,)
    ).fetchone()
    found = holes(known, max(start, gone), min(question.end, newest))
    if start < min(gone, question.end):
        found = joined([(start, min(gone, question.end)), *found])
    return UnknownTimes(found, newest)


class Lookup:
    """Looks up the rows that one question needs."""

    def __init__(
        self, database: sqlite3.Connection, question: HistoryQuestion, batches: Sequence[RecordedBatch]
    ) -> None:
        """`batches` are those of `uncommitted`."""
        self._database = database
        self._question = question
        self._dataset = stored_dataset(question.dataset)
        tier = question.tier
        self._start = tier.window_of(question.start)
        self._end = question.end
        self._services = service_numbers(database, question.services)
        self._batches = batches
        self._minutes_found: list[int] = []
        """In no order, some more than once."""
        self._minutes = [*self._stored_minutes(), *self._running_minutes()]
        self._periods = [*self._periods_of(tier)]
        spans = [(at.period, tier_of(at.tier).next_period(at.period)) for at in self._periods]
        spans += [(minute, minute + MINUTE) for minute in self._minutes_found]
        # The core has room for every window between these.
        self.first = max(self._start, tier.window_of(min((first for first, _ in spans), default=0)))
        """The first window that may have something."""
        self.behind = max(self.first, min(self._end, max((behind for _, behind in spans), default=0)))
        """Windows that begin from here on have nothing."""

    def names(self) -> Iterator[list[str]]:
        """Yield the names that count, sorted, some at a time."""
        return names_of(self._question, self._names_after)

    def parts(self, names: Sequence[str], _columns: Sequence[int]) -> Iterator[list[Part]]:
        """Yield the rows of some names, which are sorted, with all counters, some at a time."""
        return some_of(self._parts_of(names), PARTS_AT_ONCE)

    def _parts_of(self, names: Sequence[str]) -> Iterator[Part]:
        is_range = NAME in self._question.group_by and not self._question.names
        for at in self._periods:
            if is_range and len(names) > 1:
                query = (
                    "SELECT name, rows FROM chunks WHERE tier = ? AND period = ? AND service = ? AND dataset = ? "
                    "AND name BETWEEN ? AND ?"
                )
                yield from self._database.execute(query, (*at, names[0], names[-1]))
            else:
                yield from chain.from_iterable(chunk_of(self._database, at, name) for name in names)
        yield from self._minutes

    def all_parts(self) -> list[Part]:
        """Return the rows of the names of the question, or of all if it has none."""
        if self._question.names:
            return [*self._parts_of(sorted(self._question.names))]
        chunks = [part for at in self._periods for part in chunks_at(self._database, at)]
        return [*chunks, *self._minutes]

    def _names_after(self, after: str) -> list[str]:
        """Return the next names after one, in order."""
        found = set(_core.names_in(self._minutes, after, NAMES_AT_ONCE))
        query = (
            "SELECT name FROM chunks WHERE tier = ? AND period = ? AND service = ? AND dataset = ? AND name > ? "
            "ORDER BY name LIMIT ?"
        )
        for at in self._periods:
            found.update(name for (name,) in self._database.execute(query, (*at, after, NAMES_AT_ONCE)))
        return sorted(found)[:NAMES_AT_ONCE]

    def _periods_of(self, tier: Tier) -> Iterator[Shelfmark]:
        """Yield where chunks may be: those of the tier, and for days also the hours of days that are not in it yet."""
        first, last = self._database.execute(LIMITS_OF_TIER, (tier.seconds,)).fetchone()
        if first is not None:
            for period in tier.periods(max(self._start, first), min(self._end, tier.next_period(last))):
                for service in self._services:
                    yield Shelfmark(tier.seconds, period, service, self._dataset)
        if tier is DAYS:
            query = "SELECT day FROM open_days WHERE service = ? AND dataset = ? AND day >= ? AND day < ?"
            for service in self._services:
                for (day,) in self._database.execute(query, (service, self._dataset, self._start, self._end)):
                    yield Shelfmark(HOURS.seconds, day, service, self._dataset)

    def _stored_minutes(self) -> Iterator[Part]:
        """Yield the minutes that are not compacted yet."""
        first, last = self._database.execute(FIRST_AND_LAST).fetchone()
        if first is None:
            return
        query = "SELECT NULL, rows FROM minutes WHERE minute = ? AND service = ? AND dataset = ?"
        for minute in range(max(self._start, first), min(self._end_of_windows, last + 1), MINUTE):
            for service in self._services:
                for part in self._database.execute(query, (minute, service, self._dataset)):
                    self._minutes_found.append(minute)
                    yield part

    def _running_minutes(self) -> Iterator[Part]:
        """Yield the minutes that are not in the file yet."""
        dataset = DATASETS[self._dataset]
        for batch in self._batches:
            for one in batch.minutes:
                if self._start <= one.minute < self._end_of_windows and dataset in one.rows:
                    self._minutes_found.append(one.minute)
                    yield None, one.rows[dataset]

    @property
    def _end_of_windows(self) -> int:
        """The second behind the last window: minutes up to there count in it."""
        step = self._question.tier.seconds
        return self._question.tier.window_of(self._end - 1) + step
