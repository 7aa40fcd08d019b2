"""
Writes the minutes of one partition.

The node that wrote the newest seal of the partition inserts a minute at once. Another looks for it in the marks a while
later, and inserts it if it is still missing. A repeat replaces itself, so it does no harm that two may do it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence

import msgspec

from edgetally import _core
from edgetally.clock import Clock
from edgetally.history.base import Later, RecordedBatch, ServiceMinute
from edgetally.history.chunks import DATASETS
from edgetally.history.clickhouse.client import ClickHouse
from edgetally.history.clickhouse.inserting import in_inserts, row_members
from edgetally.history.clickhouse.keeper import Keeper
from edgetally.history.clickhouse.marks import Marks, MinuteMark, PartitionAt, best_of, mark_row
from edgetally.history.clickhouse.tables import WHOLE, JournalKey, Tables
from edgetally.history.tiers import DAY, MINUTE, day_of

LOOK_SECONDS = 5
"""How long after its end a minute of another node is looked for, and how long until that is repeated."""

MISSING_SECONDS = 30
"""A minute that is missing for so long is inserted by any node that has it."""


class Sharing:
    """What the writers of all partitions of a node have in common."""

    def __init__(self, server: ClickHouse, tables: Tables, journal: JournalKey, node: str) -> None:
        self.server = server
        self.tables = tables
        self.marks = Marks(server)
        self.journal = journal
        self.node = node
        """The name of this process."""
        self._lock = threading.Lock()
        self._services: dict[str, int] = {}
        """The newest day of services that were noted, for two days."""
        self._is_noted = False

    def prepare(self) -> None:
        """Make sure that the tables are there, and know the journal; raise Unavailable when that is not possible."""
        self.tables.prepare()
        if not self._is_noted:
            number, (journal, partitions) = self.journal.number, self.journal
            row = {"journal": number, "id": journal, "partitions": partitions}
            self.server.insert("journals", [msgspec.json.encode(row)])
            self._is_noted = True

    def note_services(self, minutes: Sequence[ServiceMinute]) -> None:
        """Note which services there are, once a day; raise Unavailable when that is not possible."""
        days = {one.service_id: day_of(one.minute) for one in minutes}
        with self._lock:
            news = {one: day for one, day in days.items() if self._services.get(one, -1) < day}
        self.server.insert(
            "services", [msgspec.json.encode({"service": one, "newest": day}) + b"\n" for one, day in news.items()]
        )
        with self._lock:
            self._services.update(news)
            newest = max(self._services.values(), default=0)
            self._services = {one: day for one, day in self._services.items() if day >= newest - DAY}


class PartitionWriter:
    """Writes the minutes of one partition; one of them keeps hours and days for all."""

    removed_early = 0

    def __init__(
        self, shared: Sharing, partition: int, clock: Clock, *, owns: Callable[[], bool], keeper: Keeper | None
    ) -> None:
        """`owns` tells whether this node wrote the newest seal of the partition."""
        self._shared = shared
        self._partition = partition
        self._clock = clock
        self._owns = owns
        self._keeper = keeper
        self._missing: tuple[MinuteMark, float] | None = None
        """A minute that was looked for, and since when it is missing."""
        self._look_at = 0.0
        self.is_closing = False
        """Whether what is left is now or never."""

    def mark(self, journal: str) -> int:  # noqa: ARG002 - there is one
        """Return 0: only the log knows where a node begins to read."""
        return 0

    def commit(self, batch: RecordedBatch) -> None:
        """Insert a batch; raise Later while another node should do it, Unavailable when that is not possible now."""
        self._shared.prepare()
        mark = MinuteMark.of(batch)
        if self._is_mine(mark) or not self._is_there(mark):
            self._insert(batch.minutes, mark)

    def maintain(self, now: int) -> bool:
        """Take one step of what is due at second `now`; return whether there may be another. Raises Unavailable."""
        if self._keeper is None:
            return False
        self._shared.prepare()
        return self._keeper.step(now, owns=self._owns())

    @property
    def size(self) -> int:
        """About how many bytes the tables have."""
        return self._keeper.size if self._keeper else 0

    def close(self) -> None:
        """Nothing of its own is open."""

    def _is_mine(self, mark: MinuteMark) -> bool:
        """Whether to insert it unseen. A part of a minute may be all of it at another node."""
        return mark.part == WHOLE and self._owns()

    def _is_there(self, mark: MinuteMark) -> bool:
        """Return whether it is there, or False if it is missing for too long; raise Later before that."""
        now = self._clock.now()
        if not self.is_closing and now < max(self._look_at, mark.minute + MINUTE + LOOK_SECONDS):
            raise Later
        at = PartitionAt(self._shared.journal.number, self._partition, mark.minute)
        there = self._shared.marks.parts_of([at])[at]
        if mark.part in there or mark.part not in best_of([*there, mark.part]):
            self._missing = None
            return True
        self._look_at = now + LOOK_SECONDS
        if self._missing is None or self._missing[0] != mark:
            self._missing = mark, now
        if self._owns() if self.is_closing else now - self._missing[1] >= MISSING_SECONDS:
            self._missing = None
            return False
        raise Later

    def _insert(self, minutes: Sequence[ServiceMinute], mark: MinuteMark) -> None:
        shared = self._shared
        for rows in in_inserts(self._rows(minutes, mark.part)):
            shared.server.insert("minutes", rows)
        shared.note_services(minutes)
        at = PartitionAt(shared.journal.number, self._partition, mark.minute)
        row = mark_row(MINUTE, at, part=mark.part, parts=1, known=mark.known, node=shared.node)
        shared.server.insert("marks", [row])

    def _rows(self, minutes: Sequence[ServiceMinute], part: int) -> Iterator[bytes]:
        journal = self._shared.journal.number
        for one in minutes:
            for dataset, rows in one.rows.items():
                members = row_members(DATASETS.index(dataset), one.service_id, journal, self._partition)
                yield _core.counter_rows([(None, rows)], f'{members},"part":{part}')
