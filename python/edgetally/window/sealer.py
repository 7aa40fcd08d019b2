"""
The sealer: journal ──▶ window ──entry──▶ shelf.

It has two tasks, which share nothing but the journal. `seal_seconds` appends a seal whenever a second is over. `read`
reads the journal, merges partials and seals seconds. A process that reads another's journal needs only `read`.

After a restart, `read` starts with the facts that the journal still has, so the shelf is as before. `seal_seconds`
starts with one seal for all the seconds of the downtime.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.base import Journal, Partial, Seal
from edgetally.journal.retention import Retention
from edgetally.model import KeyLimits
from edgetally.telemetry import metrics
from edgetally.telemetry.events import ClockSetBack, say
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.label_limit import LabelLimit
from edgetally.telemetry.prometheus import Family
from edgetally.window.series import ExportedSeries
from edgetally.window.shelf import Shelf

P = ParamSpec("P")
T = TypeVar("T")

RESERVE_AHEAD = 6
"""Seconds in advance for which rows are reserved: records may lie a few seconds in the future."""

INLINE_PARTIAL_BYTES = 16 * 1024
"""A partial up to this size is merged faster than it is handed to a thread."""

MAX_AHEAD = 60.0
"""Seconds that the journal may be ahead of the clock. Up to this, time continues where the journal ends. If the clock
was set back further, it was wrong before, and records with the right time would be rejected as too old."""

MAX_LAG = 5.0
"""Seconds after which a second that was due and is not sealed means that something is wrong."""


class Sealer:
    """Makes seconds final `aggregate_delay` seconds after they began."""

    def __init__(
        self,
        *,
        journal: Journal,
        shelf: Shelf,
        clock: Clock,
        limits: KeyLimits,
        aggregate_delay: int,
        retention: Retention | None = None,
        labels: LabelLimit | None = None,
        series: ExportedSeries | None = None,
    ) -> None:
        self._journal = journal
        self._window = WindowThread(_core.Window(**limits._asdict()))
        self._shelf = shelf
        self._clock = clock
        self._delay = aggregate_delay
        self.retention = retention or Retention(keep=0, max_bytes=0)
        """Which facts of the journal a restart still needs."""
        self.position = 0
        """Of the last fact that was read."""
        self._start_at: int | None = None
        self._before = journal.end
        """A previous process has counted the facts up to here."""
        self._reserved = 0
        self._labels = labels or LabelLimit(limits.services)
        self._series = series
        self.records: Counter[str] = Counter()
        """Merged records by service. All counts by service here share the label `_other` beyond the limit."""
        self.late: Counter[str] = Counter()
        """Records that came after their second was sealed, by service."""
        self.overflowed: Counter[str] = Counter()
        """Rows that were added under `_other` because of a limit on keys, by service."""
        self.merge_time = Histogram()
        """How long partials took to merge."""
        self.seal_time = Histogram()
        """How long seconds took to seal."""
        self.started = asyncio.Event()
        """Set once the shelf is up to date. Before that, no answer has a `Timestamp` to show."""

    @property
    def lag(self) -> float:
        """Seconds since the newest sealed second was due; 0 before the first seal."""
        return self._clock.now() - self._delay - self._shelf.newest if self._shelf.newest else 0.0

    @property
    def problem(self) -> str:
        """Why readers see nothing new; empty if they do."""
        if not self._shelf.newest:
            return "starting: no second sealed yet"
        return f"no second sealed for {self.lag:.0f} seconds: readers see nothing new" if self.lag > MAX_LAG else ""

    def kept_pops(self, services: Sequence[str]) -> list[str]:
        """Return the POPs that the entries of these services have, in alphabetical order, each once."""
        return self._window.kept_pops.of(services, self._gone)

    @property
    def _gone(self) -> int:
        """The newest second of which nothing is kept any more; 0 if there is none."""
        return max(self._shelf.oldest - 1, 0)

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.MERGE_DURATION.sample(self.merge_time)
        yield metrics.SEAL_DURATION.sample(self.seal_time)
        yield metrics.LAST_SEALED.sample(self._shelf.newest)
        yield metrics.SEAL_LAG.sample(self.lag)
        for metric, counts in (
            (metrics.SERVICE_RECORDS, self.records),
            (metrics.SERVICE_LATE, self.late),
            (metrics.SERVICE_OVERFLOWED, self.overflowed),
        ):
            yield metric.samples({(service_id,): counts[service_id] for service_id in self.records})

    def resume(self) -> None:
        """Continue the time where the journal left it. Call this before anything else."""
        last = self._journal.newest_seal
        if last is None:
            return
        due = last.second + self._delay
        if due - self._clock.now() <= MAX_AHEAD:
            self._clock.anchor(due)
        else:
            say(ClockSetBack(seconds=int(due - self._clock.now())))
            self.position = last.position
            self._journal.forget(last.position, complete_after=0)

    async def seal_seconds(self) -> None:
        """Append a seal at every full second, without end."""
        repeat: Seal | None = None
        while True:
            self._clock.anchor()
            now = int(self._clock.now())
            try:
                # After an outage the last seal is appended once more, and time continues a second later: sources that
                # waited for the journal retry within that second, and their records are in time.
                await self._journal.seal(repeat.second if repeat else now - self._delay)
                repeat = None
            except Unavailable:
                # A seal that is not durable is not final. Readers see that time stands still, and the next seal covers
                # all that could not be appended.
                repeat = self._journal.newest_seal
                if repeat is None:
                    raise
            await self._reserve(now)
            if self._start_at is None:
                self._start_at = self._journal.end
                self._check_started()
            await sleep_until(self._clock, now + 1)

    async def read(self) -> None:
        """Merge the partials and follow the seals of the journal, without end."""
        async for fact in self._journal.read(self.position):
            if isinstance(fact, Partial):
                await self._merge(fact)
            else:
                await self._seal(fact)
            if not self._journal.is_persistent:
                self._journal.forget(fact.position)
            self.position = fact.position
            self._check_started()

    def close(self) -> None:
        """Wait for what is being merged."""
        self._window.close()

    async def _reserve(self, now: int) -> None:
        """Reserve rows for known domains before other records of these seconds can arrive."""
        first, last = max(self._reserved, now) + 1, now + RESERVE_AHEAD
        reservations = await self._window.call(self._window.window.reservations, first, last)
        try:
            if reservations:
                await self._journal.append(reservations)
            self._reserved = last
        except Unavailable:
            pass  # these seconds are reserved with the next ones

    def _check_started(self) -> None:
        if self._start_at is not None and self.position >= self._start_at:
            self.started.set()

    async def _merge(self, fact: Partial) -> None:
        start = self._clock.now()
        try:
            merged = await self._window.merge(fact.partial)
        except ValueError as error:
            problem = f"cannot read fact {fact.position}: {error}; to start over, move the journal away"
            raise ConfigError("journal.data_dir", problem) from error
        self.retention.partial(len(fact.partial))
        self.merge_time.observe(self._clock.now() - start)
        if fact.position > self._before:
            self._count(merged)

    async def _seal(self, fact: Seal) -> None:
        if fact.second <= self._shelf.newest:
            return
        start = self._clock.now()
        sealed, newest = await self._window.seal(fact.second, forget=self._gone)
        self.seal_time.observe(self._clock.now() - start)
        if fact.position > self._before:
            for one in sealed:
                if one.overflowed:
                    self.overflowed[self._labels.label(one.service_id)] += one.overflowed
        after = self._journal.complete_after
        shown = [one for one in sealed if one.second > after]
        self._shelf.put(fact.second, shown, complete_after=after)
        if self._series and fact.position > self._before:
            await self._window.call(self._series.add, fact.second, shown)
        if self._journal.is_persistent:
            self._forget(fact, newest)

    def _count(self, merged: list[tuple[str, int, int]]) -> None:
        """Count records, and how many of them were late."""
        for service_id, records, late in merged:
            label = self._labels.label(service_id)
            self.records[label] += records
            if late:
                self.late[label] += late

    def _forget(self, seal: Seal, newest: int) -> None:
        """Let the journal remove the facts that no restart needs; `newest` is the newest second of the window."""
        journal = self._journal
        removable = self.retention.seal(
            seal.position, second=seal.second, reach=newest, is_nearly_full=journal.is_nearly_full
        )
        if removable:
            journal.forget(removable.position, complete_after=max(removable.reach, journal.complete_after))


class WindowThread:
    """
    A window, and the thread in which it works.

    The window has a lock, which a large merge, a seal and reservations hold for long. So the event loop calls it only
    while the thread has nothing to do. One thread, so that calls are made in their order.
    """

    def __init__(self, window: _core.Window) -> None:
        self.window = window
        self.kept_pops = _core.KeptPops()
        """Which POPs the sealed seconds have."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="window")
        self._last: Future[Any] = Future()
        """The newest call of the thread: when it is done, so are those before it."""
        self._last.set_result(None)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in the thread, after the calls before. It is made even if the caller is cancelled."""
        future = self._thread.submit(function, *args, **kwargs)
        self._last = future
        return await asyncio.shield(asyncio.wrap_future(future))

    async def merge(self, partial: bytes) -> list[tuple[str, int, int]]:
        """Merge a partial: a small one at once, if the thread is idle."""
        if len(partial) <= INLINE_PARTIAL_BYTES and self._last.done():
            return self.window.merge(partial)
        return await self.call(self.window.merge, partial)

    async def seal(self, second: int, *, forget: int) -> tuple[list[_core.Sealed], int]:
        """
        Seal every second up to `second`; also return the newest second that holds anything.

        Seconds up to `forget` are kept no longer.
        """

        def seal() -> tuple[list[_core.Sealed], int]:
            sealed = self.window.seal(second)
            self.kept_pops.add(sealed, forget)
            return sealed, self.window.newest or second

        return await self.call(seal)

    def close(self) -> None:
        """Wait for what is being called."""
        self._thread.shutdown()
