"""
The sealer: a partition of the journal ──▶ its window ──sealed seconds──▶ shelving.

It has two tasks, which share nothing but the journal. `seal_seconds` appends a seal whenever a second is over. `read`
reads the partition, merges partials and seals seconds. A process that reads another's journal needs only `read`.

After a restart, `read` starts with the facts that the journal still has, so the shelf is as before. `seal_seconds`
starts with one seal for all the seconds of the downtime.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.base import Gap, Partial, Partition, Seal
from edgetally.journal.retention import Retention
from edgetally.model import KeyLimits
from edgetally.telemetry.events import ClockSetBack, say
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.label_limit import LabelLimit
from edgetally.window.shelving import Put, SealedSeconds

P = ParamSpec("P")
T = TypeVar("T")

RESERVE_AHEAD = 6
"""Seconds in advance for which rows are reserved: records may lie a few seconds in the future."""

INLINE_PARTIAL_BYTES = 16 * 1024
"""A partial up to this size is merged faster than it is handed to a thread."""

MAX_AHEAD = 60.0
"""Seconds that the journal may be ahead of the clock. Up to this, time continues where the journal ends. If the clock
was set back further, it was wrong before, and records with the right time would be rejected as too old."""


class SealerTotals:
    """What the sealers of all partitions count. Counts by service share the label `_other` beyond its limit."""

    def __init__(self, labels: LabelLimit) -> None:
        self._labels = labels
        self.records: Counter[str] = Counter()
        """Records of sealed seconds, by service."""
        self.late: Counter[str] = Counter()
        """Records that came after their second was sealed, by service."""
        self.overflowed: Counter[str] = Counter()
        """Rows that were added under `_other` because of a limit on keys, by service."""
        self.merge_time = Histogram()
        """How long partials took to merge."""
        self.seal_time = Histogram()
        """How long seconds took to seal."""

    def count_sealed(self, sealed: list[_core.Sealed]) -> None:
        """Count the records of each service, how many of them were late, and the rows that have overflowed."""
        for one in sealed:
            label = self._labels.label(one.service_id)
            self.records[label] += one.records
            if one.late:
                self.late[label] += one.late
            if one.overflowed:
                self.overflowed[label] += one.overflowed


class Sealer:
    """Makes the seconds of one partition final `aggregate_delay` seconds after they began."""

    def __init__(
        self,
        *,
        partition: Partition,
        put: Put,
        clock: Clock,
        limits: KeyLimits,
        aggregate_delay: int,
        totals: SealerTotals | None = None,
        retention: Retention | None = None,
    ) -> None:
        """`put` takes the sealed seconds."""
        self._partition = partition
        self._put = put
        self._limits = limits
        self._window = WindowThread(_core.Window(**limits._asdict()))
        self._clock = clock
        self._delay = aggregate_delay
        self.totals = totals or SealerTotals(LabelLimit(limits.services))
        """What it counts, perhaps together with the sealers of other partitions."""
        self.retention = retention or Retention(keep=0, max_bytes=0)
        """Which facts of the partition a restart still needs."""
        self.position = 0
        """Of the last fact that was read."""
        self._start_at: int | None = None
        self._before = 0
        """A previous process has counted the facts up to here."""
        self._sealed = 0
        """The newest sealed second of the window; 0 before the first."""
        self._shown = 0
        """The newest that was shown. A window that starts over seals seconds again."""
        self._reserved = 0
        """The newest second with reservations of this process; 0 if all have to be appended, whoever else has."""
        self.started = asyncio.Event()
        """Set once everything that was there at the start is sealed."""

    @property
    def is_set_back(self) -> bool:
        """Whether the clock was set back so far that the journal has to begin anew."""
        last = self._partition.newest_seal
        return last is not None and last.second + self._delay - self._clock.now() > MAX_AHEAD

    def resume(self) -> None:
        """Continue the time where the journal left it. Call this before anything else."""
        last = self._partition.newest_seal
        if last is None:
            return
        due = last.second + self._delay
        if self.is_set_back:
            say(ClockSetBack(seconds=int(due - self._clock.now())))
            self.position = last.position
            self._partition.start_over(last.position)
        else:
            self._clock.anchor(due)

    async def seal_seconds(self) -> None:
        """Append a seal at every full second, without end."""
        repeat: Seal | None = None
        while True:
            self._clock.anchor()
            now = int(self._clock.now())
            try:
                # After an outage the last seal is appended once more, and time continues a second later: sources that
                # waited for the journal retry within that second, and their records are in time.
                await self._partition.seal(repeat.second if repeat else now - self._delay)
                repeat = None
            except Unavailable:
                # A seal that is not durable is not final. Readers see that time stands still, and the next seal covers
                # all that could not be appended.
                repeat = self._partition.newest_seal
                if repeat is None:
                    raise
            await self._reserve(now)
            if self._start_at is None:
                self._start_at = self._partition.end
                self._check_started()
            await sleep_until(self._clock, now + 1)

    async def read(self) -> None:
        """Merge the partials and follow the seals of the partition, without end."""
        await self._partition.opened()
        self._before = self._partition.end
        async for fact in self._partition.read(self.position):
            if isinstance(fact, Partial):
                await self._merge(fact)
            elif isinstance(fact, Seal):
                await self._seal(fact)
            else:
                self._start_over(fact)
            if not self._partition.is_persistent:
                self._partition.forget(fact.position)
            self.position = fact.position
            self._check_started()

    def close(self) -> None:
        """Wait for what is being merged."""
        self._window.close()

    async def _reserve(self, now: int) -> None:
        """Reserve rows for known domains before other records of these seconds can arrive."""
        if not self._partition.is_writer:
            # Also in the second in which it takes over, until its first seal is read. What the writer before has not
            # reserved is due later.
            self._reserved = 0
            return
        soon, last = now + 1, now + RESERVE_AHEAD
        first = max(self._reserved + 1, soon)
        reservations = await self._window.call(self._window.window.reservations, soon, first, last)
        try:
            if reservations:
                await self._partition.append(reservations)
            self._reserved = last
        except Unavailable:
            # These seconds are reserved with the next ones, also for domains that are not new any more by then.
            self._reserved = 0

    def _check_started(self) -> None:
        if self._start_at is not None and self.position >= self._start_at:
            self.started.set()

    async def _merge(self, fact: Partial) -> None:
        start = self._clock.now()
        try:
            await self._window.merge(fact.partial)
        except ValueError as error:
            problem = f"cannot read fact {fact.position}: {error}; to start over, move the journal away"
            raise ConfigError("journal.data_dir", problem) from error
        self.retention.partial(len(fact.partial))
        self.totals.merge_time.observe(self._clock.now() - start)

    async def _seal(self, fact: Seal) -> None:
        if fact.second <= self._sealed:
            return
        self._sealed = fact.second
        start = self._clock.now()
        sealed, newest = await self._window.seal(fact.second)
        self.totals.seal_time.observe(self._clock.now() - start)
        is_new = fact.position > self._before
        if is_new:
            self.totals.count_sealed(sealed)
        if fact.second > self._shown:
            shown = [one for one in sealed if one.second > self._shown]
            self._shown = fact.second
            await self._put(SealedSeconds(fact.second, shown, self._partition.complete_after, is_new))
        if self._partition.is_persistent:
            self._forget(fact, newest)

    def _start_over(self, _: Gap) -> None:
        """Merge into an empty window from here on, and be started again when all that is known of is sealed."""
        self._window.close()
        self._window = WindowThread(_core.Window(**self._limits._asdict()))
        self._sealed = 0
        self._before = max(self._before, self.position)
        self._start_at = self._partition.end
        self.started.clear()

    def _forget(self, seal: Seal, newest: int) -> None:
        """Let the facts be removed that no restart needs; `newest` is the newest second of the window."""
        partition = self._partition
        removable = self.retention.seal(
            seal.position, second=seal.second, reach=newest, is_nearly_full=partition.is_nearly_full
        )
        if removable:
            partition.forget(removable.position, complete_after=max(removable.reach, partition.complete_after))


class WindowThread:
    """
    A window, and the thread in which it works.

    The window has a lock, which a large merge, a seal and reservations hold for long. So the event loop calls it only
    while the thread has nothing to do. One thread, so that calls are made in their order.
    """

    def __init__(self, window: _core.Window) -> None:
        self.window = window
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="window")
        self._last: Future[Any] = Future()
        """The newest call of the thread: when it is done, so are those before it."""
        self._last.set_result(None)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in the thread, after the calls before. It is made even if the caller is cancelled."""
        future = self._thread.submit(function, *args, **kwargs)
        self._last = future
        return await asyncio.shield(asyncio.wrap_future(future))

    async def merge(self, partial: bytes) -> None:
        """Merge a partial: a small one at once, if the thread is idle."""
        if len(partial) <= INLINE_PARTIAL_BYTES and self._last.done():
            self.window.merge(partial)
        else:
            await self.call(self.window.merge, partial)

    async def seal(self, second: int) -> tuple[list[_core.Sealed], int]:
        """Seal every second up to `second`; also return the newest second that holds anything."""

        def seal() -> tuple[list[_core.Sealed], int]:
            return self.window.seal(second), self.window.newest or second

        return await self.call(seal)

    def close(self) -> None:
        """Wait for what is being called."""
        self._thread.shutdown()
