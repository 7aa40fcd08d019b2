"""
Which rows of ClickHouse a question needs.

```text
 hours     what they are made of is all that there is          days  the same
 minutes   of hours that are running, or have got minutes since they were made
 memory    of this node: minutes that are not there yet
```

Marks decide: they are read before the rows, and inserted after them. A minute of memory is not read from ClickHouse, so
it counts once whenever it is inserted.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from edgetally import _core
from edgetally.history.base import RecordedBatch
from edgetally.history.chunks import DATASETS, Part, stored_dataset
from edgetally.history.clickhouse.client import ClickHouse, text
from edgetally.history.clickhouse.expiry import gone_before
from edgetally.history.clickhouse.marks import (
    Marks,
    MinuteMark,
    PartitionAt,
    best_of,
    between,
    day_window,
    left_out,
    windows_in,
)
from edgetally.history.clickhouse.sums import sums_of
from edgetally.history.clickhouse.tables import TABLE_OF, JournalKey
from edgetally.history.holes import Span, holes, joined
from edgetally.history.paging import NAMES_AT_ONCE, names_of
from edgetally.history.question import DATACENTER, NAME, REGION, HistoryQuestion
from edgetally.history.tiers import DAY, DAYS, HOUR, MINUTE, MINUTES, day_of, hour_of

VALUES_AT_ONCE = 1 << 19
"""Names times windows whose rows are read together."""

Pair = tuple[int, int]
"""The number of a journal, and a partition of it."""

Table = tuple[int, list[str]]
"""The length of the windows of a table, and conditions for its rows."""


class ClickHouseLookup:
    """Looks up what one question needs."""

    def __init__(
        self,
        server: ClickHouse,
        question: HistoryQuestion,
        *,
        journals: Sequence[JournalKey],
        memory: Iterable[tuple[Pair, RecordedBatch]],
        days: Mapping[str, int],
        now: int,
    ) -> None:
        """`memory` is what this node has not seen in ClickHouse; `days` is how many days each tier is kept."""
        self._server = server
        self._marks = Marks(server)
        self._question = question
        self._dataset = stored_dataset(question.dataset)
        tier = question.tier
        self._start = tier.window_of(question.start)
        self._gone = gone_before(days, tier, now)
        self._from = max(self._start, self._gone)
        self._end_of_windows = max(tier.window_of(question.end - 1) + tier.seconds, self._from)
        self._pairs_of = {
            one: frozenset((of.number, _core.partition(one, of.partitions)) for of in journals)
            for one in question.services
        }
        pairs = sorted({pair for some in self._pairs_of.values() for pair in some})
        self._of = (
            f"(journal, partition) IN ({', '.join(f'({one}, {other})' for one, other in pairs)})" if pairs else "0"
        )
        # Whole days, because of an hour or a day all parts are counted.
        self._wide = (day_of(self._from), day_of(self._end_of_windows - 1) + DAY)
        in_memory = [(pair, batch) for pair, batch in memory if pair in pairs]
        self._newest = self._marks.newest(self._of, self._wide[0])
        for pair, batch in in_memory:
            self._newest[pair] = max([self._newest[pair], *(behind for _, behind in batch.known)])
        self._memory = self._minutes_of(in_memory)
        self._find_unmade()
        self._find_minutes()
        self._known = self._find_known()
        found = self._marks.range(self._of, *self._wide)
        spans = [found] if found else []
        spans += [(at.time, at.time + MINUTE) for at in self._memory]
        # The core has room for every window between these.
        self.first = max(self._start, tier.window_of(min((first for first, _ in spans), default=0)))
        """The first window that may have something."""
        self.behind = max(self.first, min(question.end, max((behind for _, behind in spans), default=0)))
        """Windows that begin from here on have nothing."""

    def names(self) -> Iterator[list[str]]:
        """Yield the names that count, sorted, some at a time."""
        return names_of(self._question, self._names_after)

    def parts(self, names: Sequence[str], columns: Sequence[int]) -> Iterator[list[Part]]:
        """Yield the rows of some names, with these counters, some windows at a time."""
        question, step = self._question, self._question.tier.seconds
        by_pop = bool(question.pops or question.regions or question.group_by & {DATACENTER, REGION})
        where = [f"name IN ({', '.join(map(text, names))})"]
        if NAME in question.group_by and not question.names and len(names) > 1:
            where = [f"name >= {text(names[0])} AND name <= {text(names[-1])}"]
        if question.pops:
            where.append(f"pop IN ({', '.join(map(text, sorted(question.pops)))})")
        windows = max(VALUES_AT_ONCE // len(names), 1) * step
        for start in range(self.first, self.behind, windows):
            end = min(start + windows, self.behind)
            for tier, conditions in self._tables(start, end):
                query = sums_of(tier, [*conditions, *where], step=step, columns=columns, by_pop=by_pop)
                yield [*_core.summed_chunks(self._server.ask(query), step=step)]
        yield self._memory_parts

    def all_parts(self) -> list[Part]:
        """Return the rows of the names of the question, or of all if it has none."""
        question, step = self._question, self._question.tier.seconds
        names = [f"name IN ({', '.join(map(text, sorted(question.names)))})"] if question.names else []
        found: list[Part] = [*self._memory_parts]
        for tier, conditions in self._tables(self.first, self.behind):
            query = sums_of(tier, [*conditions, *names], step=step)
            found += _core.summed_chunks(self._server.ask(query), step=step)
        return found

    def holes(self) -> list[Span]:
        """Return where nothing is known of some service, up to the newest second of which anything is."""
        found: list[Span] = []
        for pairs in set(self._pairs_of.values()):
            known = [span for pair in pairs for span in self._known[pair]]
            newest = max((self._newest[pair] for pair in pairs), default=0)
            found += holes(known, self._from, min(self._question.end, newest))
        gone = min(self._gone, self._question.end)
        if self._start < gone:
            found.append((self._start, gone))
        return joined(found)

    @property
    def until(self) -> int:
        """The second behind the newest of which anything is known."""
        return max(self._newest.values(), default=0)

    def _minutes_of(
        self, memory: Iterable[tuple[Pair, RecordedBatch]]
    ) -> dict[PartitionAt, dict[int, tuple[MinuteMark, RecordedBatch]]]:
        """Return the parts of minutes that are in memory."""
        found: dict[PartitionAt, dict[int, tuple[MinuteMark, RecordedBatch]]] = defaultdict(dict)
        for pair, batch in memory:
            if batch.minutes or batch.known:
                mark = MinuteMark.of(batch)
                if self._from <= mark.minute < self._end_of_windows:
                    found[PartitionAt(*pair, mark.minute)][mark.part] = mark, batch
        return found

    def _find_unmade(self) -> None:
        """Find out of which hours and days there is more than they are made of."""
        hours = set(self._marks.unmade(self._of, *self._wide, HOUR))
        hours |= {one._replace(time=hour_of(one.time)) for one in self._memory}
        days = {day_window(one) for one in hours}
        if self._question.tier is DAYS:
            days |= set(self._marks.unmade(self._of, *self._wide, DAY))
        self._of_unmade_hours = windows_in(sorted(hours), HOUR)
        self._of_unmade_days = windows_in(sorted(days), DAY)

    def _find_minutes(self) -> None:
        """Decide which parts of minutes count: those of memory, or those that are there."""
        is_needed = "1" if self._question.tier is MINUTES else self._of_unmade_hours
        split = self._marks.split(f"{self._of} AND {is_needed}", self._from, self._end_of_windows)
        there = self._marks.parts_of(self._memory)
        used: list[RecordedBatch] = []
        allowed = []
        for at, parts in self._memory.items():
            best = best_of([*parts, *there[at]])
            used += [batch for part, (_, batch) in parts.items() if part in best - there[at]]
            allowed += [f"({at.journal}, {at.partition}, {at.time}, {part})" for part in sorted(best & there[at])]
        dataset = DATASETS[self._dataset]
        self._memory_parts: list[Part] = [
            (None, one.rows[dataset]) for batch in used for one in batch.minutes if dataset in one.rows
        ]
        self._of_minutes = left_out({at: parts for at, parts in split.items() if at not in self._memory})
        if self._memory:
            is_allowed = f"(journal, partition, toUInt32(time), part) IN ({', '.join(allowed)})" if allowed else "0"
            self._of_minutes.append(f"(NOT {windows_in(sorted(self._memory))} OR {is_allowed})")

    def _find_known(self) -> Mapping[Pair, list[Span]]:
        """Return of which seconds of a partition everything is known."""
        tiers = {HOUR: f"NOT {self._of_unmade_hours}", MINUTE: self._of_unmade_hours}
        if self._question.tier is DAYS:
            tiers[HOUR] += f" AND {self._of_unmade_days}"
            tiers[DAY] = f"NOT {self._of_unmade_days}"
        found: dict[Pair, list[Span]] = defaultdict(list)
        for journal, partition, span in self._marks.known(self._of, *self._wide, tiers):
            found[journal, partition].append(span)
        for at, parts in self._memory.items():
            found[at.journal, at.partition] += [span for mark, _ in parts.values() for span in mark.known]
        return found

    def _tables(self, start: int, end: int) -> Iterator[Table]:
        """Yield the tables that have windows from `start` to before `end`, and the conditions for their rows."""
        tier, step = self._question.tier, self._question.tier.seconds
        services = ", ".join(map(text, self._question.services))
        usual = [f"dataset = {self._dataset}", f"service IN ({services})", self._of]
        # Of windows that are made of shorter ones, the last counts whole.
        until = tier.window_of(end - 1) + step
        within = between(max(start, self._from), until)
        minutes = [*usual, within, *self._of_minutes]
        if tier is MINUTES:
            yield MINUTE, minutes
            return
        hours = [*usual, within, f"NOT {self._of_unmade_hours}"]
        if tier is DAYS:
            yield DAY, [*usual, within, f"NOT {self._of_unmade_days}"]
            hours.append(self._of_unmade_days)
        if self._of_unmade_days != "0" or tier is not DAYS:
            yield HOUR, hours
        if self._of_unmade_hours != "0":
            yield MINUTE, [*minutes, self._of_unmade_hours]

    def _names_after(self, after: str) -> list[str]:
        """Return the next names after one, in order."""
        found = set(_core.names_in(self._memory_parts, after, NAMES_AT_ONCE))
        for tier, conditions in self._tables(self.first, self.behind):
            where = " AND ".join([*conditions, f"name > {text(after)}"])
            query = f"SELECT DISTINCT name FROM {TABLE_OF[tier]} WHERE {where} ORDER BY name LIMIT {NAMES_AT_ONCE}"
            found.update(texts(self._server.ask(f"{query} FORMAT JSONEachRow")))
        return sorted(found)[:NAMES_AT_ONCE]


def texts(answer: bytes) -> Iterator[str]:
    """Yield the only column of an answer in `JSONEachRow`."""
    for line in answer.splitlines():
        (value,) = msgspec.json.decode(line).values()
        yield value
