"""Reading the file: the core adds up what is looked up, in one snapshot."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgetally.history.base import Running
from edgetally.history.file_ranking import ranked
from edgetally.history.lookup import Lookup, uncommitted, unknown
from edgetally.history.paging import page_of
from edgetally.history.question import NOTHING, HistoryAnswer, HistoryQuestion
from edgetally.history.sqlite_file import open_reader
from edgetally.history.tiers import HOUR, LAST_SECOND, TIERS
from edgetally.window.ranking import Question

OLDEST = "SELECT min(period) FROM chunks WHERE tier = ?"


class HistoryReaders:
    """Answers questions from the file, in any thread."""

    def __init__(self, path: Path, running: Running) -> None:
        self._path = path
        self._running = running
        self._own = threading.local()
        self._open: list[sqlite3.Connection] = []

    def services(self) -> list[str]:
        """Return the services of which anything is kept, in alphabetical order."""
        with self._snapshot() as database:
            # One by one: each is a look at the end of an index.
            found = [database.execute(OLDEST, (tier.seconds,)).fetchone()[0] for tier in TIERS.values()]
            (minute,) = database.execute("SELECT min(minute) FROM minutes").fetchone()
            oldest = min((one for one in (*found, minute) if one is not None), default=0)
            query = "SELECT service_id FROM services WHERE newest >= ?"
            kept = {one for (one,) in database.execute(query, (oldest - HOUR,))}
        running = {one.service_id for batch in self._running.batches(None) for one in batch.minutes}
        return sorted(kept | running)

    def answer(self, question: HistoryQuestion) -> HistoryAnswer:
        """Answer a question; raise TooManyValues when that would be too large."""
        if question.is_empty:
            return NOTHING
        # Before the snapshot: what is committed in between is found there, and left out here.
        batches = self._running.batches(question.services)
        with self._snapshot() as database:
            batches = uncommitted(database, batches)
            data, after = page_of(question, Lookup(database, question, batches))
            return HistoryAnswer(data, after, unknown(database, question, batches).holes)

    def ranking(self, asked: Question, aggregate_delay: int, *, newest: int = LAST_SECOND) -> bytes:
        """Rank the names of a minute, hour or day; return nothing if nothing is known of it."""
        batches = self._running.batches([asked.service_id])
        with self._snapshot() as database:
            return ranked(database, asked, uncommitted(database, batches), aggregate_delay, newest)

    def close(self) -> None:
        """Release the file. No thread may read any more."""
        for one in self._open:
            one.close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """Return the file as it is now, whatever is committed meanwhile."""
        database = getattr(self._own, "database", None)
        if database is None:
            database = self._own.database = open_reader(self._path)
            self._open.append(database)
        database.execute("BEGIN")
        try:
            yield database
        finally:
            database.execute("ROLLBACK")
