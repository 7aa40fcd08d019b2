"""
The outbox: what was read from files stays here until the cluster has it.

```text
partial, checkpoint ──▶ one local commit ──▶ cluster ──▶ acknowledged in time ──▶ removed
```

A partial and the checkpoint of its file share a commit. After a restart, what is still here goes out again under its
id, which readers count once, and the file is read on from its checkpoint.

The tables are in the file of the embedded journal, beside its checkpoints. So a node that changes to a cluster goes on
where it stopped.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol

from edgetally.clock import Clock
from edgetally.errors import Unavailable
from edgetally.journal.base import Checkpoints
from edgetally.journal.kafka.settlement import AppendAttempt, SearchedLog, new_id, settle
from edgetally.journal.memory import store
from edgetally.journal.sqlite_file import FILE, damaged, open_file
from edgetally.telemetry.events import OutboxExpired, OutboxResumed, say

TABLE = """
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL, born INTEGER NOT NULL, partial BLOB NOT NULL, partitions TEXT NOT NULL
)
"""
"""Appends that the cluster may not have. Those with `partitions`, separated by commas, are for these only."""

WAL_CHECKPOINT_PAGES = 1000
"""Size of the write-ahead log at which a commit copies it into the file."""

NO_PARTITION = "-"
"""All partitions of an append are settled."""


class ClusterLog(SearchedLog, Protocol):
    """What the outbox needs of the cluster."""

    def envelopes(self, partial: bytes, append_id: bytes, born: int) -> Sequence[tuple[int, bytes]]:
        """Split a partial: the partition and the bytes of each envelope. May run in a thread."""

    def send(self, partition: int, envelope: bytes) -> Awaitable[int]:
        """Append an envelope, however long it takes; return its append time in milliseconds."""

    def records(self, partial: bytes, partition: int) -> int:
        """Return how many records of a partial are for a partition."""


def say_expired(log: ClusterLog, partial: bytes, partition: int, *, path: str, age: int) -> int:
    """Say that a part of a partial is dropped, whose outcome is unknown after `age` seconds; return its records."""
    records = log.records(partial, partition)
    say(OutboxExpired(path=path, partition=partition, records=records, seconds=age))
    return records


class UnsentAppend(NamedTuple):
    """A partial that the cluster may not have."""

    number: int
    append_id: bytes
    born: int
    """The second in which it was made."""
    partial: bytes
    partitions: str = ""
    """Numbers of those that it is for, separated by commas; empty: all."""


class OutboxWrite(NamedTuple):
    """A change of the file."""

    checkpoints: Checkpoints
    added: UnsentAppend | None
    changed: UnsentAppend | None
    """Is for these partitions from now on."""
    removed: int | None
    """The number of an append."""
    done: asyncio.Future[int]
    """The number of what was added."""


class Outbox:
    """Appends that survive this process. One process uses a directory at a time."""

    def __init__(self, directory: Path, log: ClusterLog, clock: Clock) -> None:
        """Open the file; raise ConfigError if it cannot be used, or another process uses it."""
        self.path = directory / FILE
        """The file."""
        self.failing: str | None = None
        """Why nothing can be written; None if it can."""
        self.failures = 0
        """How many commits failed."""
        self.commits = 0
        """How many commits were made durable, with an fsync each."""
        self.waiting = 0
        """Appends that the cluster has not acknowledged yet."""
        self.expired = 0
        """Records that were dropped because it can no longer be known whether they count."""
        self._log = log
        self._clock = clock
        self._database = open_file(self.path)
        try:
            self._database.execute(f"PRAGMA wal_autocheckpoint = {WAL_CHECKPOINT_PAGES}")
            self._database.execute(TABLE)
            self._checkpoints: dict[str, str] = dict(self._database.execute("SELECT name, mark FROM marks"))
            rows = self._database.execute("SELECT number, id, born, partial, partitions FROM outbox ORDER BY number")
            self._unsent = [UnsentAppend(*row) for row in rows]
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise damaged(self.path, error) from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._writes: list[OutboxWrite] = []
        self._writer: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()

    def resume(self) -> None:
        """Send what a process before has left."""
        if self._unsent:
            say(OutboxResumed(path=str(self.path), appends=len(self._unsent)))
        for append in self._unsent:
            self._start(self._deliver(append))
        self._unsent = []

    def checkpoints(self) -> Mapping[str, str]:
        """Return the last checkpoint of every name."""
        return self._checkpoints

    async def append(self, partial: bytes, checkpoints: Checkpoints) -> None:
        """
        Store a partial with its checkpoints, and return when the cluster has it, or as soon as this is released.

        Raises Unavailable when it cannot be stored.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        delivery = self._start(self._append(partial, checkpoints, stored))
        await asyncio.shield(stored)
        released = asyncio.ensure_future(self._released.wait())
        await asyncio.wait([delivery, released], return_when=asyncio.FIRST_COMPLETED)
        released.cancel()

    def release(self) -> None:
        """Wait for the cluster no longer: what it does not have is sent by the next process."""
        self._released.set()

    async def close(self) -> None:
        """Write what is acknowledged, and release the file."""
        self.release()
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        if self._writer:
            await self._writer
        self._thread.shutdown()
        self._database.close()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        return task

    async def _append(self, partial: bytes, checkpoints: Checkpoints, stored: asyncio.Future[None]) -> None:
        """Store and send a partial. It goes on when the caller is cancelled."""
        append_id, born = new_id(), int(self._clock.now())
        added = UnsentAppend(0, append_id, born, partial) if partial else None
        try:
            number = await self._write(checkpoints, added=added)
        except Unavailable as error:
            stored.set_exception(error)
            return
        stored.set_result(None)
        if added:
            await self._deliver(added._replace(number=number))

    async def _deliver(self, append: UnsentAppend) -> None:
        """Send an append until readers have counted it, in each partition."""
        self.waiting += 1
        try:
            envelopes: dict[int, list[bytes]] = {}
            split = self._log.envelopes
            only = append.partitions.split(",") if append.partitions else None
            for partition, envelope in await asyncio.to_thread(split, append.partial, append.append_id, append.born):
                if only is None or str(partition) in only:
                    envelopes.setdefault(partition, []).append(envelope)
            left = set(envelopes)
            await asyncio.gather(*(self._settle(append, left, *one) for one in envelopes.items()))
            await self._write({}, removed=append.number)
        except Unavailable:
            pass  # this process stops, or the disk fails: the next process sends it again
        finally:
            self.waiting -= 1

    async def _settle(self, append: UnsentAppend, left: set[int], partition: int, envelopes: Sequence[bytes]) -> None:
        """Send what one partition gets of an append, and do what its append time demands. `left` are its partitions."""
        times = await asyncio.gather(*(self._log.send(partition, envelope) for envelope in envelopes))
        found = await settle(self._log, partition, AppendAttempt(append.append_id, append.born), times)
        if found == "counts":
            return
        if found == "unknown":
            self.expired += say_expired(
                self._log, append.partial, partition, path=str(self.path), age=int(self._clock.now()) - append.born
            )
            return
        again = UnsentAppend(0, *found, append.partial, str(partition))
        # In one commit: after a restart, the partition gets one of them.
        left.discard(partition)
        changed = append._replace(partitions=",".join(map(str, left)) or NO_PARTITION)
        await self._deliver(again._replace(number=await self._write({}, added=again, changed=changed)))

    async def _write(
        self,
        checkpoints: Checkpoints,
        *,
        added: UnsentAppend | None = None,
        changed: UnsentAppend | None = None,
        removed: int | None = None,
    ) -> int:
        """Commit a change, together with those that wait; return the number of what was added."""
        write = OutboxWrite(checkpoints, added, changed, removed, asyncio.get_running_loop().create_future())
        self._writes.append(write)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await asyncio.shield(write.done)

    async def _write_all(self) -> None:
        while self._writes:
            batch, self._writes = self._writes, []
            try:
                numbers = await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, batch)
            except (sqlite3.Error, OSError, MemoryError) as error:
                self.failures += 1
                self.failing = f"the outbox cannot be written: {error}"
                for write in batch:
                    self._fail(write)
                continue
            self.failing = None
            for write, number in zip(batch, numbers, strict=True):
                store(self._checkpoints, write.checkpoints)
                write.done.set_result(number)
        self._writer = None

    def _fail(self, write: OutboxWrite) -> None:
        if write.removed is None or write.added:
            write.done.set_exception(Unavailable(self.failing or ""))
        else:
            # It stays in the file. The next process sends it again, and readers drop the copy.
            write.done.set_result(0)

    def _commit(self, batch: Sequence[OutboxWrite]) -> list[int]:
        """Commit changes, in the thread."""
        database = self._database
        # What was acknowledged may come back after a power cut, so its removal needs no fsync.
        is_durable = any(write.added or write.checkpoints for write in batch)
        database.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
        database.execute("BEGIN IMMEDIATE")
        try:
            numbers = [self._apply(write) for write in batch]
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        self.commits += is_durable
        return numbers

    def _apply(self, write: OutboxWrite) -> int:
        database = self._database
        for name, checkpoint in write.checkpoints.items():
            if checkpoint is None:
                database.execute("DELETE FROM marks WHERE name = ?", (name,))
            else:
                database.execute("REPLACE INTO marks VALUES (?, ?)", (name, checkpoint))
        if write.changed:
            row = (write.changed.partitions, write.changed.number)
            database.execute("UPDATE outbox SET partitions = ? WHERE number = ?", row)
        if write.removed is not None:
            database.execute("DELETE FROM outbox WHERE number = ?", (write.removed,))
        if not write.added:
            return 0
        insert = "INSERT INTO outbox (id, born, partial, partitions) VALUES (?, ?, ?, ?)"
        return database.execute(insert, write.added[1:]).lastrowid or 0
