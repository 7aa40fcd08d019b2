"""
A journal on disk: one SQLite file, written by one thread.

Facts that are appended during a commit are committed together by the next one. So a hundred pushes need few more fsyncs
than one, and a single push does not wait for others.
"""

import asyncio
import json
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from edgetally.errors import Unavailable
from edgetally.journal.base import Checkpoints, Fact, Partial, Seal
from edgetally.journal.memory import new_id, store
from edgetally.journal.sqlite_file import FILE, damaged, open_file
from edgetally.telemetry.events import JournalFailing, JournalRecovered, say

T = TypeVar("T")

BATCH_BYTES = 64 << 20
"""Largest commit of more than one partial. It bounds the write-ahead log."""

WAL_CHECKPOINT_BYTES = 4 << 20
"""Size of the write-ahead log at which SQLite copies it into the file."""

TAIL_BYTES = 16 << 20
"""The newest facts are kept in memory up to this size, so that a reader that keeps up does not read the file."""

READ_BYTES = 8 << 20
"""About how many bytes are read from the file at once."""

REMOVE_ROWS = 10_000
"""Most facts that one commit removes."""

FREE_BYTES = 32 << 20
"""Free pages are returned to the file system when they exceed this and half of the file."""

VACUUM_PAGES = 2048
"""Most pages that are returned at once."""

NEARLY_FULL_BYTES = 64 << 20
"""The disk is nearly full when it has less free space than this."""

READ = """
SELECT position, second, partial FROM facts WHERE position > ? ORDER BY position
"""

KEEP = "REPLACE INTO marks SELECT key, value FROM json_each(?)"
REMOVE = "DELETE FROM marks WHERE name IN (SELECT value FROM json_each(?))"


class Write(msgspec.Struct, frozen=True):
    """A partial or a seal to commit."""

    done: asyncio.Future[None]
    partial: bytes
    checkpoints: Checkpoints | None
    second: int | None


class Call(msgspec.Struct, frozen=True):
    """A call to make between two commits."""

    call: Callable[[], None]


class Forgotten(msgspec.Struct, frozen=True):
    """The facts up to a position, which are to be removed."""

    position: int
    complete_after: int
    id: str
    """Of the journal from then on."""


class SqliteJournal:
    """As durable as the disk."""

    is_shared = False
    is_writer = True
    problem = ""
    is_persistent = True

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        """The file. SQLite keeps its write-ahead log beside it."""
        self.failing: str | None = None
        """Why nothing can be appended at the moment."""
        self.is_nearly_full = False
        """Whether the disk is."""
        self.commits = 0
        """How many commits were made durable, with an fsync each."""
        self.failures = 0
        """How many commits failed."""
        self.size = 0
        """Bytes of the file, without its write-ahead log."""
        self._database = open_file(self.path)
        self._inode = self.path.stat().st_ino
        try:
            self._checkpoints: dict[str, str] = dict(self._database.execute("SELECT name, mark FROM marks"))
            gone = self._database.execute("SELECT second, position FROM gone")
            ((self.complete_after, self._forgotten_position),) = gone
            self._incomplete_until = self.complete_after
            """What the next process finds as `complete_after`."""
            ((self.id,),) = self._database.execute("SELECT id FROM identity")
            self.end: int = self._first("SELECT seq FROM sqlite_sequence WHERE name = 'facts'", 0)
            newest = self._database.execute(
                "SELECT position, second FROM facts WHERE second IS NOT NULL ORDER BY position DESC LIMIT 1"
            ).fetchone()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise damaged(self.path, error) from error
        self.newest_seal = Seal(*newest) if newest else None
        self._tail: deque[Fact] = deque()
        self._tail_bytes = 0
        # All facts after this position are in the tail.
        self._tail_after = self.end
        self._news = asyncio.Event()
        self._forgotten: Forgotten | None = None
        self._unchecked = 0
        self._jobs: queue.SimpleQueue[Write | Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def partitions(self) -> "tuple[SqliteJournal]":
        """Itself."""
        return (self,)

    async def opened(self) -> None:
        """Nothing to wait for: the file was opened."""

    async def append(
        self,
        partial: bytes,
        checkpoints: Checkpoints | None = None,
        *,
        push_id: bytes | None = None,  # noqa: ARG002 - idempotency records suffice
    ) -> None:
        """Append a partial, together with the checkpoints."""
        if partial or checkpoints:
            await self._write(partial, checkpoints, None)

    async def seal(self, second: int) -> None:
        """Append a seal."""
        await self._write(b"", None, second)

    async def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield the facts after `position`, and wait for more."""
        position = max(position, self._forgotten_position)
        while True:
            news, tail_after = self._news, self._tail_after
            facts: Sequence[Fact]
            if position < tail_after:
                facts = await self._call(lambda position=position: self._stored(position))  # type: ignore[misc]
                # Otherwise the facts before the tail were removed.
                position = position if facts else tail_after
            else:
                unread = min(self.end - position, len(self._tail))
                facts = [self._tail[at] for at in range(-unread, 0)]
                if not facts:
                    # Returns at once if a fact was appended meanwhile.
                    await news.wait()
            for fact in facts:
                yield fact
                position = fact.position

    def forget(self, position: int, complete_after: int | None = None) -> None:
        """Remove the facts up to `position` with the next commits."""
        self._incomplete_until = self._incomplete_until if complete_after is None else complete_after
        self._forgotten = Forgotten(position, self._incomplete_until, self.id)

    def start_over(self, position: int) -> None:
        """Begin anew behind `position` with the next commit."""
        self.id = new_id()
        self.complete_after = 0
        self.forget(position, complete_after=0)

    def checkpoints(self) -> Mapping[str, str]:
        """Return the last checkpoint of every name."""
        return self._checkpoints

    def release(self) -> None:
        """There is nothing to wait for."""

    async def close(self) -> None:
        """Commit what was appended, and release the file."""
        if self._thread.ident:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
        self._database.close()

    # What follows runs on the event loop.

    async def _write(self, partial: bytes, checkpoints: Checkpoints | None, second: int | None) -> None:
        done = self._start().create_future()
        self._jobs.put(Write(done, partial, checkpoints, second))
        await done

    async def _call(self, call: Callable[[], T]) -> T:
        """Make a call in the thread, between two commits, and return its result."""
        loop = self._start()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if done.cancelled():
                return
            if error:
                done.set_exception(error)
            else:
                done.set_result(cast("T", result))

        def work() -> None:
            result = problem = None
            try:
                result = call()
            except Exception as error:  # noqa: BLE001 - raised in the caller
                problem = error
            _tell(loop, lambda: settle(result, problem))

        self._jobs.put(Call(work))
        return await done

    def _start(self) -> asyncio.AbstractEventLoop:
        """Start the thread, unless it runs, and return the loop to which it reports."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread.start()
        return self._loop

    def _settle(self, batch: Sequence[Write], positions: Sequence[int | None], error: Exception | None) -> None:
        """Wake the callers whose writes were in a commit, and publish its facts to the readers."""
        problem = str(error) if isinstance(error, Unavailable) else None
        if problem and not self.failing:
            say(JournalFailing(path=str(self.path), problem=problem))
        elif self.failing and not error:
            say(JournalRecovered(path=str(self.path)))
        self.failing = problem
        for write, position in zip(batch, positions, strict=True):
            if error is None:
                store(self._checkpoints, write.checkpoints)
                if position is not None:
                    self._publish(write, position)
            if write.done.cancelled():
                continue
            if error is None:
                write.done.set_result(None)
            else:
                write.done.set_exception(error)
        if error is None:
            self._news.set()
            self._news = asyncio.Event()

    def _publish(self, write: Write, position: int) -> None:
        if write.second is None:
            self._tail.append(Partial(position, write.partial))
        else:
            self.newest_seal = Seal(position, write.second)
            self._tail.append(self.newest_seal)
        self.end = position
        self._tail_bytes += len(write.partial)
        while self._tail_bytes > TAIL_BYTES:
            oldest = self._tail.popleft()
            self._tail_after = oldest.position
            self._tail_bytes -= len(oldest.partial) if isinstance(oldest, Partial) else 0

    # What follows runs in the thread.

    def _work(self) -> None:
        """Commit writes and make calls in their order, until there is a None."""
        job: Write | Call | None
        while job := self._jobs.get():
            batch: list[Write] = []
            size = 0
            while isinstance(job, Write):
                batch.append(job)
                size += len(job.partial)
                if size >= BATCH_BYTES or self._jobs.empty():
                    break
                job = self._jobs.get()
            if batch:
                self._commit(batch, size)
            if isinstance(job, Call):
                job.call()
            elif job is None:
                return

    def _commit(self, batch: Sequence[Write], size: int) -> None:
        positions: Sequence[int | None] = [None] * len(batch)
        problem: Exception | None = None
        forgotten = self._forgotten
        try:
            self._check_file()
            self._database.execute("BEGIN IMMEDIATE")
            self._keep_checkpoints(batch)
            positions = [self._insert(write) for write in batch]
            is_removed = self._remove(forgotten) if forgotten else False
            self._database.execute("COMMIT")
            self.commits += 1
            if is_removed and self._forgotten is forgotten:
                self._forgotten = None
        except (sqlite3.Error, OSError, MemoryError) as error:
            problem = Unavailable(f"the journal cannot be written: {error}")
            problem.__cause__ = error
        except Exception as error:  # noqa: BLE001 - raised in the callers
            problem = error
        if problem:
            self.failures += 1
            self._roll_back()
        assert self._loop
        _tell(self._loop, lambda: self._settle(batch, positions, problem))
        if not problem:
            # After the callers are woken, because they need not wait for this.
            self._maintain(size + len(batch) * 4096, seal=any(write.second is not None for write in batch))

    def _check_file(self) -> None:
        """Raise an error when the file was moved or deleted. SQLite would go on writing to what has no name."""
        try:
            is_there = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise sqlite3.OperationalError("its file was moved or deleted: put it back, or restart to start over")

    def _keep_checkpoints(self, batch: Sequence[Write]) -> None:
        # With one statement for all: each waits for Python's lock afterwards, up to 5 ms while the event loop works.
        changes = {name: text for write in batch for name, text in (write.checkpoints or {}).items()}
        kept = {name: text for name, text in changes.items() if text is not None}
        if kept:
            self._database.execute(KEEP, (json.dumps(kept),))
        if removed := changes.keys() - kept.keys():
            self._database.execute(REMOVE, (json.dumps([*removed]),))

    def _insert(self, write: Write) -> int | None:
        if write.second is None and not write.partial:
            return None
        fact = (write.second, write.partial or None)
        return self._database.execute("INSERT INTO facts (second, partial) VALUES (?, ?)", fact).lastrowid

    def _remove(self, forgotten: Forgotten) -> bool:
        """Remove forgotten facts, the oldest first; return whether these were all."""
        oldest = self._first("SELECT position FROM facts ORDER BY position LIMIT 1", forgotten.position)
        last = min(forgotten.position, oldest + REMOVE_ROWS)
        self._database.execute("DELETE FROM facts WHERE position <= ?", (last,))
        row = (forgotten.complete_after, forgotten.position)
        self._database.execute("UPDATE gone SET second = ?, position = ?", row)
        self._database.execute("UPDATE identity SET id = ? WHERE id <> ?", (forgotten.id, forgotten.id))
        return last == forgotten.position

    def _roll_back(self) -> None:
        try:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the next BEGIN fails, and its callers are told

    def _maintain(self, written: int, *, seal: bool) -> None:
        """Copy the write-ahead log into the file, return free pages, and check the disk, each if it is time."""
        self._unchecked += written
        try:
            if self._unchecked >= WAL_CHECKPOINT_BYTES:
                self._database.execute("PRAGMA wal_checkpoint").fetchall()
                self._unchecked = 0
            if seal:
                self._shrink()
                disk = os.statvfs(self.path.parent)
                self.is_nearly_full = disk.f_bavail * disk.f_frsize < NEARLY_FULL_BYTES
        except (sqlite3.Error, OSError):
            pass  # if the disk fails, so does the next commit, and its callers are told

    def _shrink(self) -> None:
        pages, free, page = (self._first(f"PRAGMA {name}", 0) for name in ("page_count", "freelist_count", "page_size"))
        self.size = pages * page
        if free * page > FREE_BYTES and free * 2 > pages:
            # As a script, because the statement has to be stepped to its end, and its rows have no columns.
            self._database.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")

    def _stored(self, position: int) -> list[Fact]:
        """Read facts after `position` from the file, up to READ_BYTES; none if there are none."""
        facts: list[Fact] = []
        size = 0
        try:
            with closing(self._database.execute(READ, (position,))) as rows:
                for at, second, partial in rows:
                    facts.append(Partial(at, partial) if second is None else Seal(at, second))
                    size += len(partial or b"") + 100
                    if size >= READ_BYTES:
                        break
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from error
        return facts

    def _first(self, query: str, otherwise: int) -> int:
        row = self._database.execute(query).fetchone()
        return int(row[0]) if row else otherwise


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Make a call on the event loop, unless it is closed."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        pass  # it is closed, and so are the callers
