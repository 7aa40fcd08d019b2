"""Answers questions about the history of a cluster, from ClickHouse and what this node has in memory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from edgetally.clock import Clock
from edgetally.history.base import RecordedBatch
from edgetally.history.chunks import Part, tier_of
from edgetally.history.clickhouse.client import ClickHouse
from edgetally.history.clickhouse.expiry import gone_before
from edgetally.history.clickhouse.lookup import ClickHouseLookup, texts
from edgetally.history.clickhouse.tables import JournalKey, Tables
from edgetally.history.paging import page_of
from edgetally.history.question import NOTHING, HistoryAnswer, HistoryQuestion
from edgetally.history.ranked import PastQuestion
from edgetally.history.tiers import DAYS, LAST_SECOND, TIERS
from edgetally.window.ranking import Question


class RunningPartitions(Protocol):
    """What this node has of each partition that it has not seen in ClickHouse."""

    def batches(self, services: Sequence[str] | None) -> Iterable[tuple[int, RecordedBatch]]:
        """Return what these services, or all, did: the partition, and a batch."""


class ClickHouseReader:
    """Answers in any thread."""

    def __init__(
        self,
        server: ClickHouse,
        tables: Tables,
        running: RunningPartitions,
        *,
        journal: JournalKey,
        days: Mapping[str, int],
        clock: Clock,
    ) -> None:
        self._server = server
        self._tables = tables
        self._running = running
        self._journal = journal
        self._days = days
        self._clock = clock

    def services(self) -> list[str]:
        """Return the services of which anything is kept, in alphabetical order; raise Unavailable without an answer."""
        self._tables.prepare()
        oldest = min(gone_before(self._days, tier, self._now) for tier in TIERS.values())
        query = f"SELECT DISTINCT service FROM services WHERE newest >= toDateTime({oldest}, 'UTC') FORMAT JSONEachRow"
        kept = set(texts(self._server.ask(query)))
        running = {one.service_id for _, batch in self._running.batches(None) for one in batch.minutes}
        return sorted(kept | running)

    def answer(self, question: HistoryQuestion) -> HistoryAnswer:
        """Answer a question; raise TooManyValues when that would be too large, Unavailable without an answer."""
        if question.is_empty:
            return NOTHING
        lookup = self._lookup(question, [*self._running.batches(question.services)])
        data, after = page_of(question, lookup)
        return HistoryAnswer(data, after, lookup.holes())

    def ranking(self, asked: Question, aggregate_delay: int, *, newest: int = LAST_SECOND) -> bytes:
        """Rank the names of a minute, hour or day; return nothing if nothing is known of it. Raises Unavailable."""
        there = (tier for tier in TIERS.values() if asked.second >= gone_before(self._days, tier, self._now))
        past = PastQuestion(asked, tier_of(asked.unit) if asked.unit else next(there, DAYS))
        batches = [*self._running.batches([asked.service_id])]
        shown = self._lookup(past.shown, batches)

        def rows(question: HistoryQuestion) -> Sequence[Part]:
            return self._lookup(question, batches).all_parts()

        return past.ranking(rows, shown.holes(), min(shown.until, newest + 1), aggregate_delay)

    def close(self) -> None:
        """Nothing of its own is open."""

    @property
    def _now(self) -> int:
        return int(self._clock.now())

    def _lookup(self, question: HistoryQuestion, batches: Iterable[tuple[int, RecordedBatch]]) -> ClickHouseLookup:
        """Look up; the batches have to be older than the marks: what is inserted in between is found there."""
        self._tables.prepare()
        return ClickHouseLookup(
            self._server,
            question,
            journals=self._journals(),
            memory=[((self._journal.number, partition), batch) for partition, batch in batches],
            days=self._days,
            now=self._now,
        )

    def _journals(self) -> list[JournalKey]:
        """Return all journals: one that has more partitions follows another."""
        lines = self._server.ask("SELECT DISTINCT id, partitions FROM journals FORMAT JSONEachRow").splitlines()
        rows = map(msgspec.json.decode, lines)
        return [*{JournalKey(row["id"], row["partitions"]) for row in rows} | {self._journal}]
