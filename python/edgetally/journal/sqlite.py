"""
A journal on disk: one SQLite file, written by one thread.

What arrives while a commit is under way is committed together by the next one, so that a hundred pushes need few more
fsyncs than one, and one push does not wait for others.
"""

import asyncio
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from edgetally.errors import Unavailable
from edgetally.journal.base import Fact, Marks, Partial, Seal
from edgetally.journal.memory import remember
from edgetally.journal.sqlite_file import FILE, damaged, open_file
from edgetally.telemetry.events import JournalFailing, JournalRecovered, say

T = TypeVar("T")

BATCH_BYTES = 64 << 20
"""What one commit takes at most, if it is more than one partial: it bounds the write-ahead log."""

CHECKPOINT_BYTES = 4 << 20
"""How much stands in the write-ahead log before it is carried over into the file."""

TAIL_BYTES = 16 << 20
"""The newest facts are kept in memory up to this size, so that who is up to date does not read the file."""

READ_BYTES = 8 << 20
"""How much is read from the file at once."""

FORGET_ROWS = 10_000
"""How many facts one commit removes at most."""

SPARE_BYTES = 32 << 20
"""Pages without content that the file may keep for what comes, unless half of it is such."""

VACUUM_PAGES = 2048
"""How many of them are given back at once."""

LOW_BYTES = 64 << 20
"""With less free space on the disk than this, whatever can be forgotten should be."""

READ = """
SELECT position, second, partial FROM facts WHERE position > ? ORDER BY position
"""


class Write(NamedTuple):
    """Something to commit, and who waits for it."""

    done: asyncio.Future[None]
    partial: bytes
    marks: Marks | None
    second: int | None


class Call(NamedTuple):
    """Something else to do between two commits."""

    call: Callable[[], None]


class Forget(NamedTuple):
    """What is no longer needed."""

    position: int
    gone: int


class SqliteJournal:
    """Durable when the disk is."""

    outlives = True

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        """The file, beside which SQLite keeps its write-ahead log."""
        self.failing: str | None = None
        """Why nothing can be appended at the moment."""
        self.crowded = False
        """Whether the disk is nearly full."""
        self.commits = 0
        """How often something was made durable: an fsync each."""
        self.failures = 0
        """How often that failed."""
        self.size = 0
        """Bytes of the file, its write-ahead log not included."""
        self._database = open_file(self.path)
        self._inode = self.path.stat().st_ino
        try:
            self._marks: dict[str, str] = dict(self._database.execute("SELECT name, mark FROM marks"))
            ((self.gone, self._begin),) = self._database.execute("SELECT second, position FROM gone")
            self.end: int = self._first("SELECT seq FROM sqlite_sequence WHERE name = 'facts'", 0)
            newest = self._database.execute(
                "SELECT position, second FROM facts WHERE second IS NOT NULL ORDER BY position DESC LIMIT 1"
            ).fetchone()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise damaged(self.path, error) from error
        self.sealed = Seal(*newest) if newest else None
        self._tail: deque[Fact] = deque()
        self._tail_bytes = 0
        # Everything after this position is in the tail.
        self._tail_after = self.end
        self._news = asyncio.Event()
        self._forget: Forget | None = None
        self._unchecked = 0
        self._jobs: queue.SimpleQueue[Write | Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def append(self, partial: bytes, marks: Marks | None = None) -> None:
        """Append a partial, together with the marks."""
        if partial or marks:
            await self._write(partial, marks, None)

    async def seal(self, second: int) -> None:
        """Append a seal."""
        await self._write(b"", None, second)

    async def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield what stands after `position`, and wait for more."""
        position = max(position, self._begin)
        while True:
            news, tail_after = self._news, self._tail_after
            facts: Sequence[Fact]
            if position < tail_after:
                facts = await self._between(lambda position=position: self._stored(position))  # type: ignore[misc]
                # What stood there before the tail was forgotten.
                position = position if facts else tail_after
            else:
                unread = min(self.end - position, len(self._tail))
                facts = [self._tail[at] for at in range(-unread, 0)]
                if not facts:
                    # Over already if something came in the meantime.
                    await news.wait()
            for fact in facts:
                yield fact
                position = fact.position

    def forget(self, position: int, gone: int | None = None) -> None:
        """Remove what stands up to `position`, together with whatever is appended next."""
        self.gone = self.gone if gone is None else gone
        self._forget = Forget(position, self.gone)

    def marks(self) -> Mapping[str, str]:
        """Return the last marks of every source."""
        return self._marks

    async def close(self) -> None:
        """Write what was appended, and give the file free."""
        if self._thread.ident:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
        self._database.close()

    # The event loop's side.

    async def _write(self, partial: bytes, marks: Marks | None, second: int | None) -> None:
        done = self._start().create_future()
        self._jobs.put(Write(done, partial, marks, second))
        await done

    async def _between(self, call: Callable[[], T]) -> T:
        """Return what `call` returns, made between two commits."""
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
            except Exception as error:  # noqa: BLE001 - handed to whoever asked
                problem = error
            _tell(loop, lambda: settle(result, problem))

        self._jobs.put(Call(work))
        return await done

    def _start(self) -> asyncio.AbstractEventLoop:
        """Begin to work, for the loop that is running."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread.start()
        return self._loop

    def _settle(self, batch: Sequence[Write], positions: Sequence[int | None], error: Exception | None) -> None:
        """Tell everybody what became of a commit."""
        problem = str(error) if isinstance(error, Unavailable) else None
        if problem and not self.failing:
            say(JournalFailing(path=str(self.path), problem=problem))
        elif self.failing and not error:
            say(JournalRecovered(path=str(self.path)))
        self.failing = problem
        for write, position in zip(batch, positions, strict=True):
            if error is None:
                remember(self._marks, write.marks)
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
            self.sealed = Seal(position, write.second)
            self._tail.append(self.sealed)
        self.end = position
        self._tail_bytes += len(write.partial)
        while self._tail_bytes > TAIL_BYTES:
            oldest = self._tail.popleft()
            self._tail_after = oldest.position
            self._tail_bytes -= len(oldest.partial) if isinstance(oldest, Partial) else 0

    # The thread's side: everything from here on.

    def _work(self) -> None:
        """Do what there is to do, until told to stop."""
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
        forget = self._forget
        try:
            self._look_for_file()
            self._database.execute("BEGIN IMMEDIATE")
            positions = [self._insert(write) for write in batch]
            removed = self._remove(forget) if forget else False
            self._database.execute("COMMIT")
            self.commits += 1
            if removed and self._forget is forget:
                self._forget = None
        except (sqlite3.Error, OSError, MemoryError) as error:
            problem = Unavailable(f"the journal cannot be written: {error}")
            problem.__cause__ = error
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            problem = error
        if problem:
            self.failures += 1
            self._roll_back()
        assert self._loop
        _tell(self._loop, lambda: self._settle(batch, positions, problem))
        if not problem:
            # Nobody waits for this.
            self._tidy(size + len(batch) * 4096, seal=any(write.second is not None for write in batch))

    def _look_for_file(self) -> None:
        """Raise an error when somebody has taken the file away: SQLite would go on writing to what nobody finds."""
        try:
            there = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            there = False
        if not there:
            raise sqlite3.OperationalError("its file was taken away: put it back, or restart the server to begin anew")

    def _insert(self, write: Write) -> int | None:
        for name, mark in (write.marks or {}).items():
            if mark is None:
                self._database.execute("DELETE FROM marks WHERE name = ?", (name,))
            else:
                self._database.execute("REPLACE INTO marks VALUES (?, ?)", (name, mark))
        if write.second is None and not write.partial:
            return None
        fact = (write.second, write.partial or None)
        return self._database.execute("INSERT INTO facts (second, partial) VALUES (?, ?)", fact).lastrowid

    def _remove(self, forget: Forget) -> bool:
        """Remove what is to be forgotten, the oldest first; say whether that was all of it."""
        oldest = self._first("SELECT position FROM facts ORDER BY position LIMIT 1", forget.position)
        last = min(forget.position, oldest + FORGET_ROWS)
        self._database.execute("DELETE FROM facts WHERE position <= ?", (last,))
        self._database.execute("UPDATE gone SET second = ?, position = ?", (forget.gone, forget.position))
        return last == forget.position

    def _roll_back(self) -> None:
        try:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the next BEGIN says so, to those who wait for it

    def _tidy(self, written: int, *, seal: bool) -> None:
        """Carry over what was written, give back what is not needed, and look at the disk."""
        self._unchecked += written
        try:
            if self._unchecked >= CHECKPOINT_BYTES:
                self._database.execute("PRAGMA wal_checkpoint").fetchall()
                self._unchecked = 0
            if seal:
                self._shrink()
                disk = os.statvfs(self.path.parent)
                self.crowded = disk.f_bavail * disk.f_frsize < LOW_BYTES
        except (sqlite3.Error, OSError):
            pass  # a disk that fails is noticed by the next commit, and somebody is told

    def _shrink(self) -> None:
        pages, spare, page = (
            self._first(f"PRAGMA {name}", 0) for name in ("page_count", "freelist_count", "page_size")
        )
        self.size = pages * page
        if spare * page > SPARE_BYTES and spare * 2 > pages:
            # As a script, because it has to be stepped to its end, and has rows without columns.
            self._database.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")

    def _stored(self, position: int) -> list[Fact]:
        """Read what stands after `position` from the file: some of it, or nothing when there is nothing."""
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
    """Let the event loop make a call, if there still is one."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        pass  # it is closed: nobody waits any more
