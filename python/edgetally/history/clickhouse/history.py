"""The history of a cluster: a recorder for each partition, which ClickHouse is written and read by."""

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from edgetally.clock import Clock
from edgetally.config import clickhouse
from edgetally.config.sections import Config
from edgetally.history.base import RecordedBatch
from edgetally.history.clickhouse.client import ClickHouse
from edgetally.history.clickhouse.keeper import Keeper
from edgetally.history.clickhouse.reader import ClickHouseReader
from edgetally.history.clickhouse.tables import JournalKey, Tables
from edgetally.history.clickhouse.writer import PartitionWriter, Sharing
from edgetally.history.no_history import NoHistory
from edgetally.history.recorder import Recorder, tell
from edgetally.window.shelving import SealedSeconds

STOP_SECONDS = 3.0
"""How long ClickHouse is waited for when the process stops."""


class ClusterHistory(NoHistory):
    """Minutes, hours and days in ClickHouse."""

    def __init__(
        self, config: Config, journal: JournalKey, clock: Clock, *, node: str, owns: Callable[[int], bool]
    ) -> None:
        """
        Make it; nothing is asked yet. Raises ConfigError when there is no password where it should be.

        Args:
            config: The settings, which name the server.
            journal: What is recorded.
            clock: Of this node.
            node: The name of this process.
            owns: Whether this node wrote the newest seal of a partition.
        """
        settings = config.history
        assert settings.clickhouse
        password = clickhouse.password(settings.clickhouse_password_file, settings.clickhouse_password_env)
        self._server = ClickHouse(clickhouse.parse(settings.clickhouse), settings.clickhouse_user, password, clock)
        tables = Tables(self._server)
        days = {"minute": settings.minute_days, "hour": settings.hour_days, "day": settings.day_days}
        shared = Sharing(self._server, tables, journal, node)
        keeper = Keeper(self._server, days, names=settings.max_names, node=node)
        self._writers = [
            PartitionWriter(shared, number, clock, owns=partial(owns, number), keeper=None if number else keeper)
            for number in range(journal.partitions)
        ]
        self._journal = journal
        failing = Failing()
        self.recorders = [
            Recorder(writer, journal.id, clock, settings, partial(failing.tell, number), share=journal.partitions)
            for number, writer in enumerate(self._writers)
        ]
        self._next = [0] * journal.partitions
        """The first second of each partition that was not recorded."""
        self.reader: ClickHouseReader = ClickHouseReader(
            self._server, tables, self, journal=journal, days=days, clock=clock
        )

    def record_part(self, partition: int, seconds: SealedSeconds) -> None:
        """
        Take what a seal of a partition has made final.

        What this node has read only a part of is in no minute: another node has read all of it.
        """
        recorder = self.recorders[partition]
        if seconds.complete_after >= self._next[partition]:
            recorder.start_over(self._journal.id, seconds.complete_after + 1)
        self._next[partition] = max(self._next[partition], seconds.newest + 1)
        whole = [one for one in seconds.sealed if one.second > seconds.complete_after]
        recorder.record(seconds._replace(sealed=whole))

    def batches(self, services: Sequence[str] | None) -> Iterator[tuple[int, RecordedBatch]]:
        """Yield what these services, or all, did: the partition, and a batch."""
        for number, recorder in enumerate(self.recorders):
            for batch in recorder.batches(services):
                yield number, batch

    def close(self) -> None:
        """Insert what only this node has, if that is possible now, and release everything."""
        for writer in self._writers:
            writer.is_closing = True
        abort = threading.Timer(STOP_SECONDS, self._server.close)
        abort.start()
        for recorder in self.recorders:
            recorder.close()
        abort.cancel()
        self._server.close()


class Failing:
    """Which recorders cannot commit: told once for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._those: set[int] = set()

    def tell(self, number: int, problem: str | None) -> None:
        """Note why a recorder cannot commit any more, or that it can again."""
        with self._lock:
            was_failing = bool(self._those)
            if problem:
                self._those.add(number)
            else:
                self._those.discard(number)
            if was_failing != bool(self._those):
                tell(problem)
