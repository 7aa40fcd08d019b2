"""
Keeps hours and days, and removes what is too old.

An hour is read from its minutes, bounded as minutes are, and inserted with the number of parts that it was made of; a
day is made of hours. ClickHouse sums up, this node decides which names are kept. A view that sums up by itself would
count a repeated minute twice. Days outlive hours, and hours minutes, because each has a table of its own.
"""

from collections.abc import Iterator, Mapping

import msgspec

from edgetally import _core
from edgetally.history.clickhouse.client import ClickHouse, text
from edgetally.history.clickhouse.expiry import is_over
from edgetally.history.clickhouse.inserting import in_inserts, row_members
from edgetally.history.clickhouse.marks import Marks, PartitionAt, between, day_window, left_out, mark_row
from edgetally.history.clickhouse.sums import sums_of
from edgetally.history.clickhouse.tables import TABLE_OF
from edgetally.history.holes import joined
from edgetally.history.tiers import DAY, HOUR, MINUTE

DUE_SECONDS = 60
"""An hour or a day is made so long after its end, when late minutes are there."""

OTHERS_SECONDS = 900
"""One that is not made for so long is made by any node."""

LOOK_SECONDS = 300
"""How often hours are looked for that nobody has made, or that have got minutes."""

ALL = "1"
"""The condition for all partitions."""


class Keeper:
    """Adds up minutes and hours, one at a time."""

    def __init__(self, server: ClickHouse, days: Mapping[str, int], *, names: int, node: str) -> None:
        """`days` is how many days each tier is kept, and `names` how many names an hour or a day has."""
        self._server = server
        self._marks = Marks(server)
        self._days = days
        self._names = names
        self._node = node
        self._look_at = 0
        self._cleaned = 0
        """The newest day on which too old rows were removed."""
        self.size = 0
        """About how many bytes the tables have."""

    def step(self, now: int, *, owns: bool) -> bool:
        """
        Take one step of what is due at second `now`; return whether there may be another. Raises Unavailable.

        Args:
            now: The first second that is not over.
            owns: Whether it is for this node to do that at once.
        """
        if now < self._look_at:
            return False
        due = now - (DUE_SECONDS if owns else OTHERS_SECONDS)
        for tier in (HOUR, DAY):
            if self._make_next(tier, due):
                return True
        if owns and now - now % DAY > self._cleaned:
            self._clean(now)
            self._cleaned = now - now % DAY
        self._measure()
        # An hour is made as soon as it is due.
        self._look_at = min(now + LOOK_SECONDS, now - due % HOUR + HOUR)
        return False

    def _make_next(self, tier: int, due: int) -> bool:
        """Make the oldest hour, or day, that is over at second `due`; return whether there was one."""
        unmade = self._marks.unmade(ALL, 0, due, tier)
        if tier == DAY:
            hours = {day_window(one) for one in self._marks.unmade(ALL, 0, due, HOUR)}
            unmade = {at: found for at, found in unmade.items() if at not in hours}
        for at, (parts, made) in unmade.items():
            if at.time + tier <= due:
                self._make(tier, at, parts, is_made=made > 0)
                return True
        return False

    def _make(self, tier: int, at: PartitionAt, parts: int, *, is_made: bool) -> None:
        """Make an hour of minutes, or a day of hours."""
        finer = MINUTE if tier == HOUR else HOUR
        start, end = at.time, at.time + tier
        of = f"(journal = {at.journal} AND partition = {at.partition})"
        where = [of, between(start, end)]
        if tier == HOUR:
            where += left_out(self._marks.split(of, start, end))
        for rows in in_inserts(self._rows(tier, at, parts, where, is_made=is_made)):
            self._server.insert(TABLE_OF[tier], rows)
        known = joined(span for _, _, span in self._marks.known(of, start, end, {finer: "1"}))
        self._server.insert("marks", [mark_row(tier, at, part=0, parts=parts, known=known, node=self._node)])

    def _rows(self, tier: int, at: PartitionAt, parts: int, where: list[str], *, is_made: bool) -> Iterator[bytes]:
        """Yield the rows of each service and dataset."""
        finer = MINUTE if tier == HOUR else HOUR
        listed = f"SELECT DISTINCT dataset, service FROM {TABLE_OF[finer]} WHERE name = '' AND {' AND '.join(where)}"
        for line in self._server.ask(f"{listed} FORMAT JSONEachRow").splitlines():
            row = msgspec.json.decode(line)
            dataset, service_id = row["dataset"], row["service"]
            of = [f"dataset = {dataset}", f"service = {text(service_id)}"]
            chunks = _core.summed_chunks(self._server.ask(sums_of(finer, [*of, *where], step=tier)), step=tier)
            packed = _core.pack(chunks, step=tier, names=self._names)
            members = f'{row_members(dataset, service_id, at.journal, at.partition)},"parts":{parts}'
            yield _core.counter_rows(packed, members)
            if is_made:
                yield self._emptied(tier, at, of, members, kept={name for name, _ in packed})

    def _emptied(self, tier: int, at: PartitionAt, of: list[str], members: str, *, kept: set[str]) -> bytes:
        """Return rows without counters for names that were there and now are a part of `_other`."""
        where = [*of, f"journal = {at.journal}", f"partition = {at.partition}", between(at.time, at.time + tier)]
        query = f"SELECT DISTINCT name, pop FROM {TABLE_OF[tier]} WHERE {' AND '.join(where)} FORMAT JSONEachRow"
        rows = (msgspec.json.decode(line) for line in self._server.ask(query).splitlines())
        return b"".join(
            b"{%b,%b\n" % (members.encode(), msgspec.json.encode({**row, "time": at.time})[1:])
            for row in rows
            if row["name"] not in kept
        )

    def _clean(self, now: int) -> None:
        """Remove the months of which everything is too old."""
        database = text(self._server.database)
        query = f"SELECT DISTINCT table, partition FROM system.parts WHERE database = {database} AND active"
        for line in self._server.ask(query).decode().splitlines():
            table, partition = line.split("\t")
            if is_over(table, partition, self._days, now):
                self._server.ask(f"ALTER TABLE {table} DROP PARTITION {partition}")

    def _measure(self) -> None:
        database = text(self._server.database)
        found = self._server.ask(f"SELECT sum(bytes) FROM system.parts WHERE database = {database} AND active")
        self.size = int(found or 0)
