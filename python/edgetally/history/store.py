"""The history in one SQLite file: what is written, by one thread at a time."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgetally import _core
from edgetally.errors import Unavailable
from edgetally.history.base import RecordedBatch, ServiceMinute
from edgetally.history.chunks import DATASETS
from edgetally.history.compaction import Kept, compact
from edgetally.history.present import is_noted, note_present
from edgetally.history.retention import KeepLimits, is_kept, remove_expired, remove_oldest, used_bytes
from edgetally.history.sqlite_file import FILE, open_history
from edgetally.history.tiers import MINUTE, hour_of

RESERVED_BYTES, RESERVED_PART = 128 << 20, 0.1
"""Bytes of the disk that history leaves to the journal, and the most of a small disk."""

MAX_MARKS = 1_000
"""Marks of journals that are kept: one that is moved back later is still known."""


class HistoryFile:
    """Writes minutes, and keeps the file in order."""

    def __init__(self, directory: Path, limits: KeepLimits, *, names: int) -> None:
        self.path = directory / FILE
        """The file. SQLite keeps its write-ahead log beside it."""
        self._limits = limits
        self._kept = Kept(
            minutes=limits.days["minute"] > 0, hours=limits.days["hour"] > 0, days=limits.days["day"] > 0, names=names
        )
        self._database = open_history(self.path)
        self._inode = self.path.stat().st_ino
        self.size = used_bytes(self._database)
        """Bytes of the file that are in use."""
        self.removed_early = 0
        """How often something was removed early because of the limit on bytes."""
        self._services: dict[str, tuple[int, int]] = {}
        """Number and newest hour of services."""

    def mark(self, journal: str) -> int:
        """Return the first second of a journal that is not here; 0 if none is."""
        row = self._database.execute("SELECT until FROM marks WHERE journal = ?", (journal,)).fetchone()
        return row[0] if row else 0

    @property
    def newest_mark(self) -> int:
        """The newest second that is the first of a journal that is not here; 0 if there is none."""
        row = self._database.execute("SELECT max(until) FROM marks").fetchone()
        return row[0] or 0

    def commit(self, batch: RecordedBatch) -> None:
        """Add a batch and the mark of its journal, in one commit; raise Unavailable when that is not possible now."""
        with self._transaction():
            # An earlier attempt may have succeeded although an error was reported.
            if batch.until > self.mark(batch.journal):
                self._add(batch)

    def add(self, minutes: Sequence[ServiceMinute], *, to_present: bool = True) -> int:
        """
        Add minutes that no journal has, in one commit, and return how many.

        Without `to_present`, those of which there is anything stay as they are. Raises Unavailable when it is not
        possible now.
        """
        with self._transaction():
            added = [one for one in minutes if to_present or not self._is_present(one)]
            for one in added:
                service = self._add_minute(one)
                self._add_known(service, one.minute, one.minute + MINUTE)
                note_present(self._database, service, [one.minute])
        return len(added)

    def keeps(self, second: int, now: int) -> bool:
        """Whether something of this second is kept at second `now`."""
        return is_kept(self._limits, second, now)

    def maintain(self, now: int) -> bool:
        """Take one step of compaction or retention; return whether there may be another. Raises Unavailable."""
        with self._transaction():
            if compact(self._database, self._kept, now) or remove_expired(self._database, self._limits, now):
                return True
            is_removed = remove_oldest(self._database, self._limits)
        self.removed_early += is_removed
        return is_removed

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what is written within, or nothing of it."""
        try:
            self._check_disk()
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
        except (sqlite3.Error, OSError, MemoryError) as error:
            raise Unavailable(f"the history cannot be written: {error}") from error
        finally:
            if self._database.in_transaction:
                self._roll_back()
        self.size = used_bytes(self._database)

    def _roll_back(self) -> None:
        self._services.clear()
        try:
            self._database.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the next BEGIN fails, and its caller is told

    def _check_disk(self) -> None:
        """Raise OSError when the disk is nearly full: what is left is the journal's. Raise it also without the file."""
        try:
            is_there = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise OSError("its file was moved or deleted: put it back, or restart to start over")
        disk = os.statvfs(self.path)
        reserved = min(RESERVED_BYTES, int(disk.f_blocks * RESERVED_PART) * disk.f_frsize)
        if disk.f_bavail * disk.f_frsize < reserved:
            raise OSError(f"the disk has less than {reserved >> 20} MiB left, which are reserved for the journal")

    def _add(self, batch: RecordedBatch) -> None:
        for one in batch.minutes:
            self._add_minute(one)
        for first, behind in batch.known:
            self._add_known(None, first, behind)
        self._database.execute("REPLACE INTO marks VALUES (?, ?)", (batch.journal, batch.until))
        self._database.execute(
            "DELETE FROM marks WHERE journal NOT IN (SELECT journal FROM marks ORDER BY until DESC LIMIT ?)",
            (MAX_MARKS,),
        )

    def _is_present(self, one: ServiceMinute) -> bool:
        """Whether there is anything of a minute."""
        query = "SELECT id FROM services WHERE service_id = ?"
        service = self._database.execute(query, (one.service_id,)).fetchone()
        query = "SELECT 1 FROM minutes WHERE minute = ? AND service = ?"
        return bool(service) and (
            is_noted(self._database, service[0], one.minute)
            or self._database.execute(query, (one.minute, service[0])).fetchone() is not None
        )

    def _add_minute(self, one: ServiceMinute) -> int:
        """Add a minute, and return the number of its service."""
        service = self._service(one.service_id, hour_of(one.minute))
        for dataset, rows in one.rows.items():
            self._add_rows(one.minute, service, DATASETS.index(dataset), rows)
        return service

    def _service(self, service_id: str, hour: int) -> int:
        """Return the number of a service, and note that there is something of it in this hour."""
        number, newest = self._services.get(service_id, (0, -1))
        if newest < hour:
            note = (
                "INSERT INTO services (service_id, newest) VALUES (?, ?) "
                "ON CONFLICT (service_id) DO UPDATE SET newest = max(newest, excluded.newest) RETURNING id"
            )
            ((number,),) = self._database.execute(note, (service_id, hour)).fetchall()
            self._services[service_id] = number, hour
        return number

    def _add_rows(self, minute: int, service: int, dataset: int, rows: bytes) -> None:
        where = (minute, service, dataset)
        there = self._database.execute(
            "SELECT rows FROM minutes WHERE minute = ? AND service = ? AND dataset = ?", where
        ).fetchone()
        if there:
            rows = _core.merge_minutes([there[0], rows], names=self._kept.names)
            self._database.execute(
                "UPDATE minutes SET rows = ? WHERE minute = ? AND service = ? AND dataset = ?", (rows, *where)
            )
        else:
            insert = "INSERT INTO minutes (minute, service, dataset, rows) VALUES (?, ?, ?, ?)"
            self._database.execute(insert, (*where, rows))

    def _add_known(self, service: int | None, first: int, behind: int) -> None:
        """Note that everything is known of these seconds: of a service, or of all."""
        extend = "UPDATE known SET behind = ? WHERE service IS ? AND behind = ?"
        if self._database.execute(extend, (behind, service, first)).rowcount == 0:
            self._database.execute("INSERT INTO known VALUES (?, ?, ?)", (service, first, behind))
