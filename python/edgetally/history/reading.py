"""
Reading the file: which rows a question needs.

The core adds them up; here they are looked up, in one snapshot of the file. What is not in the file yet comes from the
recorder: its batches begin where the journal's mark in the snapshot ends.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from edgetally import _core
from edgetally.history.base import RecordedBatch, Running
from edgetally.history.chunks import EVERYTHING, Part, Shelfmark, chunk_of, chunks_at, stored_dataset, tier_of
from edgetally.history.holes import Span, holes, joined
from edgetally.history.question import MAX_VALUES, NAME, HistoryAnswer, HistoryQuestion, TooManyValues
from edgetally.history.ranked import PastQuestion
from edgetally.history.sqlite_file import open_reader
from edgetally.history.tiers import DAYS, HOUR, HOURS, MINUTE, TIERS, Tier
from edgetally.window.ranking import Question

T = TypeVar("T")

NAMES_AT_ONCE = 200
"""Names whose rows are looked up together."""

PARTS_AT_ONCE = 256
"""Parts that are in memory at the same time."""


class HistoryReaders:
    """Answers questions from the file, in any thread."""

    def __init__(self, path: Path, running: Running) -> None:
        self._path = path
        self._running = running
        self._own = threading.local()
        self._open: list[sqlite3.Connection] = []

    def services(self) -> list[str]:
        """Return the services of which anything is kept, in alphabetical order."""
        with self._snapshot() as database:
            (oldest,) = database.execute(
                "SELECT min(oldest) FROM (SELECT min(period) AS oldest FROM chunks GROUP BY tier "
                "UNION ALL SELECT min(minute) - ? FROM minutes)",
                (HOUR,),
            ).fetchone()
            query = "SELECT service_id FROM services WHERE newest >= ?"
            kept = {one for (one,) in database.execute(query, (oldest or 0,))}
        running = {one.service_id for batch in self._running.batches(None) for one in batch.minutes}
        return sorted(kept | running)

    def answer(self, question: HistoryQuestion) -> HistoryAnswer:
        """Answer a question; raise TooManyValues when that would be too large."""
        # Before the snapshot: what is committed in between is found there, and left out here.
        batches = self._running.batches(question.services)
        with self._snapshot() as database:
            lookup = _Lookup(database, question, batches)
            query = _core.HistoryQuery(
                dataset=question.dataset,
                metrics=question.metrics,
                start=lookup.first,
                end=lookup.behind,
                step=question.tier.seconds,
                group_by=question.group_by,
                name_key=question.name_key,
                pops=question.pops,
                regions=dict(question.region_of),
                default_region=question.default_region,
                only_regions=question.regions,
                after=question.after,
                most=MAX_VALUES,
            )
            try:
                for names in lookup.names():
                    for parts in some_of(lookup.parts(names), PARTS_AT_ONCE):
                        query.add(parts, names)
                    if query.series > question.limit:
                        break
                data, after = query.page(question.limit)
            except OverflowError as error:
                raise TooManyValues from error
            return HistoryAnswer(data, tuple(after) if after else None, lookup.holes())

    def ranking(self, asked: Question, aggregate_delay: int) -> bytes:
        """Rank the names of a minute, hour or day; return nothing if nothing is known of it."""
        batches = self._running.batches([asked.service_id])
        with self._snapshot() as database:
            past = PastQuestion(asked, tier_of(asked.unit) if asked.unit else _finest(database, asked.second))
            lookup = _Lookup(database, past.needed, batches)
            unknown = lookup.holes()
            if past.is_unknown(unknown):
                return b""
            parts = lookup.all_parts()
        return past.ranking(parts, unknown, aggregate_delay)

    def close(self) -> None:
        """Release the file. No thread may read any more."""
        for one in self._open:
            one.close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """Return the file as it is now, whatever is committed meanwhile."""
        database = getattr(self._own, "database", None)
        if database is None:
            database = self._own.database = open_reader(self._path)
            self._open.append(database)
        database.execute("BEGIN")
        try:
            yield database
        finally:
            database.execute("ROLLBACK")


class _Lookup:
    """Looks up the rows that one question needs."""

    def __init__(
        self, database: sqlite3.Connection, question: HistoryQuestion, batches: Sequence[RecordedBatch]
    ) -> None:
        self._database = database
        self._question = question
        self._dataset = stored_dataset(question.dataset)
        tier = question.tier
        self._start = tier.window_of(question.start)
        self._end = question.end
        found = (
            database.execute("SELECT id FROM services WHERE service_id = ?", (one,)).fetchone()
            for one in question.services
        )
        self._services = [row[0] for row in found if row]
        self._batches = [one for one in batches if one.first >= self._mark(one.journal)]
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
        question = self._question
        if question.names:
            yield from some_of(sorted(question.names), NAMES_AT_ONCE)
        elif NAME not in question.group_by:
            yield [EVERYTHING]
        else:
            after = question.after[0] if question.after else EVERYTHING
            if question.after and len(question.after) > 1:
                # The name may have more series than those of the page before.
                yield [after]
            while names := self._names_after(after):
                yield names
                after = names[-1]

    def parts(self, names: Sequence[str]) -> Iterator[Part]:
        """Yield the rows of some names, which are sorted."""
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
        """Return the rows of all names."""
        chunks = [part for at in self._periods for part in chunks_at(self._database, at)]
        return [*chunks, *self._minutes]

    def holes(self) -> list[Span]:
        """Return where nothing is known, up to the newest second of which anything is."""
        query = "SELECT service, first, behind FROM known WHERE service IS NULL OR service = ?"
        service = self._services[0] if len(self._services) == 1 else None
        known = [(first, behind) for _, first, behind in self._database.execute(query, (service,))]
        known += [span for batch in self._batches for span in batch.known]
        newest = max((behind for _, behind in known), default=0)
        (gone,) = self._database.execute(
            "SELECT coalesce(max(before), 0) FROM gone WHERE tier = ?", (self._question.tier.seconds,)
        ).fetchone()
        found = holes(known, max(self._start, gone), min(self._end, newest))
        if self._start < min(gone, self._end):
            found = joined([(self._start, min(gone, self._end)), *found])
        return found

    def _mark(self, journal: str) -> int:
        row = self._database.execute("SELECT until FROM marks WHERE journal = ?", (journal,)).fetchone()
        return row[0] if row else 0

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
        first, last = self._database.execute(
            "SELECT min(period), max(period) FROM chunks WHERE tier = ?", (tier.seconds,)
        ).fetchone()
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
        first, last = self._database.execute("SELECT min(minute), max(minute) FROM minutes").fetchone()
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
        dataset = ("domains", "origins")[self._dataset]
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


def _finest(database: sqlite3.Connection, second: int) -> Tier:
    """Return the tier with the shortest windows that still has a second."""
    gone = dict(database.execute("SELECT tier, before FROM gone").fetchall())
    return next((tier for tier in TIERS.values() if second >= gone.get(tier.seconds, 0)), DAYS)


def some_of(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Yield `items` in lists of at most `most`."""
    rest = iter(items)
    while some := list(islice(rest, most)):
        yield some
