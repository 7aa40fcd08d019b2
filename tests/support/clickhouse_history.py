"""A history in ClickHouse, of a journal that a test makes up."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from edgetally._core import Sealed, partition
from edgetally.config.validation import check
from edgetally.history.clickhouse.history import ClusterHistory
from edgetally.history.clickhouse.tables import JournalKey
from edgetally.window.shelving import SealedSeconds
from tests.support.clickhouse import ClickHouseServer
from tests.support.clock import ManualClock
from tests.support.history import Series, asked_of, holes_of

PARTITIONS = 2

numbers = count()


class KeepingThere:
    """What one node writes and reads."""

    def __init__(self, url: str, *, now: int, node: str, owns: bool, journal: JournalKey, **settings: object) -> None:
        self.clock = ManualClock(now)
        config = check({"journal": {"kind": "kafka://b:9092/t"}, "history": {"clickhouse": url, **settings}})
        self.owns = owns
        self.history = ClusterHistory(config, journal, self.clock, node=node, owns=lambda _: self.owns)
        self._partitions = journal.partitions

    def seal(self, newest: int, sealed: Sequence[Sealed] = (), complete_after: int = 0) -> None:
        """Seal in all partitions."""
        for number in range(self._partitions):
            those = [one for one in sealed if partition(one.service_id, self._partitions) == number]
            self.history.record_part(number, SealedSeconds(newest, those, complete_after, is_new=True))

    def settle(self) -> None:
        """Wait until all that was given is recorded."""
        while not all(one.is_idle for one in self.history.recorders):
            pass

    def ask(self, **question: Any) -> Series:  # noqa: ANN401 - of any type
        return asked_of(self.history.reader, **question)

    def holes(self, start: int, end: int, tier: str = "minute") -> list[tuple[int, int]]:
        return holes_of(self.history.reader, start, end, tier)

    def close(self) -> None:
        self.history.close()


@contextmanager
def keeping_in(
    server: ClickHouseServer,
    *,
    now: int,
    database: str | None = None,
    node: str = "node",
    owns: bool = True,
    journal: JournalKey | None = None,
    **settings: object,
) -> Iterator[KeepingThere]:
    """Keep a history in a database, or in a new one, and close it at the end."""
    url = server.url(database or f"test_{next(numbers)}")
    journal = journal or JournalKey("kafka/test", PARTITIONS)
    kept = KeepingThere(url, now=now, node=node, owns=owns, journal=journal, **settings)
    try:
        yield kept
    finally:
        kept.close()
