"""
The recorder: sealed seconds ──▶ minutes ──▶ the file.

It works in a thread of its own, and nothing waits for it. A minute that cannot be committed is kept in memory, and
committed later. Meanwhile the journal keeps the facts from which the next process would make it again.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol

from edgetally import _core
from edgetally.clock import Clock
from edgetally.errors import Unavailable
from edgetally.history.base import HistoryWriter, Later, RecordedBatch, ServiceMinute
from edgetally.history.open_minute import OpenMinute
from edgetally.history.tiers import MINUTES
from edgetally.telemetry.events import HistoryFailing, HistoryRecovered, MinutesLeftOut, TaskFailed, say
from edgetally.telemetry.histogram import Histogram

PENDING_BYTES = 128 << 20
"""Bytes of minutes that wait for the file. Beyond it, the oldest are left out."""

STEPS = 100
"""Steps of compaction and retention between two seals, when there is much to do."""

MAX_GAP = 60
"""Seconds that one seal may cover. Of more, nothing is known: no server was running."""


class SecondsToRecord(Protocol):
    """The seconds that one seal has made final; see `edgetally.window.shelving.SealedSeconds`."""

    @property
    def newest(self) -> int:
        """Every second up to this one is sealed."""

    @property
    def sealed(self) -> Sequence[_core.Sealed]:
        """Those that were not before, oldest first."""

    @property
    def complete_after(self) -> int:
        """Seconds up to this one are incomplete."""


class NameLimits(Protocol):
    """How many names are kept apart."""

    @property
    def max_open_names(self) -> int:
        """In the minute that is not over."""

    @property
    def max_names(self) -> int:
        """In a minute that is over."""


def tell(problem: str | None) -> None:
    """Log why the history cannot be written any more, or that it can be again."""
    say(HistoryFailing(problem=problem) if problem else HistoryRecovered())


class Recorder:
    """Adds up the sealed seconds of one journal."""

    def __init__(
        self,
        writer: HistoryWriter,
        journal: str,
        clock: Clock,
        limits: NameLimits,
        tell: Callable[[str | None], None] = tell,
        share: int = 1,
    ) -> None:
        """
        Record a journal, by its id.

        `tell` is called when commits fail, and when they succeed again. `share` recorders have the memory for what
        waits.
        """
        self._tell = tell
        self._share = share
        self._writer = writer
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._mark = writer.mark(journal)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        self._given = self._taken = 0
        self._is_closed = False
        self.failing: str | None = None
        """Why nothing can be committed at the moment."""
        self.commits = self.failures = 0
        """Minutes that were committed, and attempts that failed."""
        self.left_out = 0
        """Minutes that were left out."""
        self.overflowed = 0
        """Rows that were added under `_other` in minutes that were not over."""
        self.commit_time = Histogram()
        """How long commits took."""
        self._is_maintained = False
        # What follows changes in the thread, under the lock.
        self._lock = threading.Lock()
        self._open = OpenMinute(self._mark, self._mark)
        self._pending: deque[RecordedBatch] = deque()
        self._pending_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether all that was given is recorded."""
        return self._taken == self._given

    @property
    def needed_from(self) -> int:
        """The first second whose facts another process would need, because it is not committed."""
        return self._mark

    @property
    def problem(self) -> str:
        """Why history waits; empty if it does not."""
        return f"{self.failing}; {len(self._pending)} minutes wait, and records are counted" if self.failing else ""

    @property
    def size(self) -> int:
        """About how many bytes are kept."""
        return self._writer.size

    @property
    def removed_early(self) -> int:
        """How often something was removed early because of the limit on bytes."""
        return self._writer.removed_early

    def record(self, seconds: SecondsToRecord) -> None:
        """Take what a seal has made final. Seals have to come in their order."""
        self._submit(partial(self._take, seconds))

    async def finish(self) -> None:
        """Commit what there is, also of the open minute, if that is possible now."""
        await asyncio.wrap_future(self._submit(self._close_minute))

    def start_over(self, journal: str, first: int = 0) -> None:
        """Take what comes from second `first` on as that of a journal that begins anew there, with this id."""
        self._submit(partial(self._begin, journal, first))

    def batches(self, services: Sequence[str] | None) -> list[RecordedBatch]:
        """Return what these services, or all, did since the last commit, oldest first."""
        with self._lock:
            pending, minute = list(self._pending), self._open
            running = RecordedBatch(self._journal, minute.first, minute.next, [], list(minute.known))
            rollups = dict(minute.rollups)
        chosen = [
            batch._replace(minutes=[one for one in batch.minutes if services is None or one.service_id in services])
            for batch in pending
        ]
        wanted = rollups.keys() if services is None else [one for one in services if one in rollups]
        return [*chosen, running._replace(minutes=[self._made(minute, one) for one in wanted])]

    def close(self) -> None:
        """Commit what there is, also of the open minute, and wait for that. May be called again."""
        if not self._is_closed:
            self._is_closed = True
            self._submit(self._close_minute)
            self._thread.shutdown()

    def _submit(self, work: Callable[[], None]) -> Future[None]:
        self._given += 1
        return self._thread.submit(self._work, work)

    # What follows runs in the thread.

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._commit()
        except Exception as error:  # noqa: BLE001 - a bug here must not stop what is now
            self.failing = f"the history failed: {error}"
            say(TaskFailed(), error=error)
        finally:
            self._taken += 1

    def _take(self, seconds: SecondsToRecord) -> None:
        """Add sealed seconds to their minutes."""
        newest, before = seconds.newest, self._open.next
        if newest < before:
            return
        is_gap = before == 0 or newest - before >= MAX_GAP
        known_from = max(newest if is_gap else before, seconds.complete_after + 1)
        for one in seconds.sealed:
            if one.second >= before:
                self._turn(one.second, known_from)
                self._add(one)
        self._turn(newest, known_from)  # behind a gap, its minute is this one, also if the second is the last of it
        self._turn(newest + 1, known_from)

    def _turn(self, second: int, known_from: int) -> None:
        """Go on to a second: close the open minute if it is over. Everything from `known_from` on is known."""
        minute = self._open
        if second >= minute.end:
            with self._lock:
                minute.reach(minute.end, known_from)
            self._close_minute()
            minute = self._open
            if second >= minute.end:
                with self._lock:
                    minute.skip(MINUTES.window_of(second), known_from)
        with self._lock:
            minute.reach(second, known_from)

    def _add(self, sealed: _core.Sealed) -> None:
        minute = self._open
        rollup = minute.rollups.get(sealed.service_id)
        if rollup is None:
            rollup = _core.Rollup(minute.minute, names=self._limits.max_open_names)
            with self._lock:
                minute.rollups[sealed.service_id] = rollup
        before = rollup.overflowed
        rollup.add(sealed)
        self.overflowed += rollup.overflowed - before
        minute.seconds[sealed.service_id] = minute.seconds.get(sealed.service_id, 0) + 1

    def _made(self, minute: OpenMinute, service_id: str) -> ServiceMinute:
        """Return what a service did in the open minute. Readers call this, too."""
        seconds = minute.seconds.get(service_id, 0)
        of, rows = minute.made.get(service_id, (0, {}))
        if of != seconds:
            rows = minute.rollups[service_id].minute(self._limits.max_names)
            minute.made[service_id] = seconds, rows
        return ServiceMinute(service_id, minute.minute, rows)

    def _close_minute(self) -> None:
        """Queue what is in the open minute, and go on with what is left of it, or with the next one."""
        minute = self._open
        if minute.rollups or minute.known:
            minutes = [
                ServiceMinute(one, minute.minute, rollup.minute(self._limits.max_names))
                for one, rollup in minute.rollups.items()
            ]
            batch = RecordedBatch(self._journal, minute.first, minute.next, minutes, minute.known)
            with self._lock:
                self._pending.append(batch)
                self._pending_bytes += batch.size
                self._open = OpenMinute(minute.next, minute.next)
            self._leave_out()

    def _leave_out(self) -> None:
        """Drop the oldest minutes that wait, if all together are too large."""
        left_out = 0
        with self._lock:
            while self._pending_bytes > PENDING_BYTES // self._share and len(self._pending) > 1:
                self._pending_bytes -= self._pending.popleft().size
                left_out += 1
        if left_out:
            self.left_out += left_out
            say(MinutesLeftOut(minutes=left_out))

    def _begin(self, journal: str, first: int) -> None:
        self._close_minute()
        with self._lock:
            self._journal = journal
            self._open = OpenMinute(first, first)
        self._mark = first

    def _commit(self) -> None:
        """Commit the minutes that wait; then take steps of compaction and retention until all is done."""
        try:
            while self._pending:
                start = self._clock.now()
                batch = self._pending[0]
                try:
                    self._writer.commit(batch)
                except Later:
                    break
                self.commit_time.observe(self._clock.now() - start)
                self.commits += 1
                with self._lock:
                    self._pending.popleft()
                    self._pending_bytes -= batch.size
                if batch.journal == self._journal:
                    self._mark = batch.until
                self._is_maintained = False
            for _ in range(STEPS):
                if self._is_maintained:
                    break
                self._is_maintained = not self._writer.maintain(self._open.next)
        except Unavailable as error:
            self.failures += 1
            if not self.failing:
                self._tell(str(error))
            self.failing = str(error)
        else:
            if self.failing:
                self._tell(None)
            self.failing = None
