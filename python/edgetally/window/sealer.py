"""
The sealer: journal ──▶ window ──entry──▶ shelf.

It does two things that know nothing of each other but the journal: it writes a seal into it whenever a second is
over, and it reads on in it, merging partials and sealing seconds. A reader of somebody else's journal would do only
the second.

After a restart the reader begins with what the journal still has, so that the shelf is as it was, and the writer with
one seal for all the seconds that nobody sealed.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.base import Journal, Partial, Seal
from edgetally.journal.retention import Horizon
from edgetally.model import Limits
from edgetally.telemetry import metrics
from edgetally.telemetry.events import ClockSetBack, say
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.label_limit import Labels
from edgetally.telemetry.prometheus import Family
from edgetally.window.shelf import Shelf

RESERVE_AHEAD = 6
"""Seconds in advance for which places are reserved: records may lie a few in the future."""

INLINE = 16 * 1024
"""A partial up to this size is merged faster than it is handed to a thread."""

MAX_AHEAD = 60.0
"""Seconds that the journal may be ahead of the clock: up to this, time goes on where the journal ends. A clock that was
set back further was wrong before, and records with the right time would be refused as too old."""

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
        limits: Limits,
        aggregate_delay: int,
        horizon: Horizon | None = None,
        labels: Labels | None = None,
    ) -> None:
        self._journal = journal
        self._window = _core.Window(**limits._asdict())
        self._shelf = shelf
        self._clock = clock
        self._delay = aggregate_delay
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="window")
        self.horizon = horizon or Horizon(keep=0, most=0)
        """What of the journal is needed."""
        self.position = 0
        """Of the last fact that was read."""
        self._start_at: int | None = None
        self._before = journal.end
        """What stands up to here another process has counted."""
        self._reserved = 0
        self._labels = labels or Labels(limits.services)
        self.records: Counter[str] = Counter()
        """Records that were merged, by service or `_other`, like all that is counted by service here."""
        self.late: Counter[str] = Counter()
        """Records that came after their second was sealed, by service."""
        self.overflowed: Counter[str] = Counter()
        """Rows that were added under `_other` because of a limit, by service."""
        self.merge_time = Histogram()
        """How long partials took to merge."""
        self.seal_time = Histogram()
        """How long seconds took to seal."""
        self.started = asyncio.Event()
        """Set once the shelf is up to date: before that, no answer could say what time it is."""

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
        """Take up the time where the journal left it. Call this before anything else."""
        last = self._journal.sealed
        if last is None:
            return
        due = last.second + self._delay
        if due - self._clock.now() <= MAX_AHEAD:
            self._clock.anchor(due)
        else:
            say(ClockSetBack(seconds=int(due - self._clock.now())))
            self.position = last.position
            self._journal.forget(last.position, gone=0)

    async def seal_seconds(self) -> None:
        """Write a seal at every full second, without end."""
        again: Seal | None = None
        while True:
            self._clock.anchor()
            now = int(self._clock.now())
            try:
                # After an outage the last seal is written once more, and time goes on a second later: sources that
                # waited for the journal try again within that second, and their records are in time.
                await self._journal.seal(again.second if again else now - self._delay)
                again = None
            except Unavailable:
                # Nothing is final that is not written. Readers see that the time stands still, and one seal makes up
                # for all that could not be written.
                again = self._journal.sealed
                if again is None:
                    raise
            await self._reserve(now)
            if self._start_at is None:
                self._start_at = self._journal.end
                self._look_whether_started()
            await sleep_until(self._clock, now + 1)

    async def read(self) -> None:
        """Merge and seal what the journal says, without end."""
        async for fact in self._journal.read(self.position):
            if isinstance(fact, Partial):
                await self._merge(fact)
            else:
                await self._seal(fact)
            if not self._journal.outlives:
                self._journal.forget(fact.position)
            self.position = fact.position
            self._look_whether_started()

    async def _reserve(self, now: int) -> None:
        """Reserve places for those who come back, before strangers can come who are as early as records may be."""
        first, last = max(self._reserved, now) + 1, now + RESERVE_AHEAD
        reservations = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._window.reservations, first, last
        )
        try:
            if reservations:
                await self._journal.append(reservations)
            self._reserved = last
        except Unavailable:
            pass  # they are reserved with the next ones

    def close(self) -> None:
        """Wait for what is being merged."""
        self._thread.shutdown()

    def _look_whether_started(self) -> None:
        if self._start_at is not None and self.position >= self._start_at:
            self.started.set()

    async def _merge(self, fact: Partial) -> None:
        began = self._clock.now()
        try:
            if len(fact.partial) <= INLINE:
                merged = self._window.merge(fact.partial)
            else:
                merge = self._window.merge
                merged = await asyncio.get_running_loop().run_in_executor(self._thread, merge, fact.partial)
        except ValueError as error:
            problem = f"fact {fact.position} cannot be read ({error}): move the journal away to begin anew"
            raise ConfigError("journal.data_dir", problem) from error
        self.horizon.partial(len(fact.partial))
        self.merge_time.observe(self._clock.now() - began)
        if fact.position > self._before:
            self._count(merged)

    async def _seal(self, fact: Seal) -> None:
        if fact.second <= self._shelf.newest:
            return
        began = self._clock.now()
        sealed = await asyncio.get_running_loop().run_in_executor(self._thread, self._window.seal, fact.second)
        self.seal_time.observe(self._clock.now() - began)
        if fact.position > self._before:
            for one in sealed:
                if one.overflowed:
                    self.overflowed[self._labels.of(one.service_id)] += one.overflowed
        # A restart finds the rest of seconds of which the beginning is forgotten.
        self._shelf.put(fact.second, [one for one in sealed if one.second > self._journal.gone])
        if self._journal.outlives:
            self._forget(fact)

    def _count(self, merged: list[tuple[str, int, int]]) -> None:
        """Count records and how many were late."""
        for service_id, records, late in merged:
            label = self._labels.of(service_id)
            self.records[label] += records
            if late:
                self.late[label] += late

    def _forget(self, fact: Seal) -> None:
        """Let go of what no restart will need."""
        reach = self._window.newest or fact.second
        step = self.horizon.seal(fact.position, second=fact.second, reach=reach, crowded=self._journal.crowded)
        if step:
            self._journal.forget(step.position, gone=max(step.reach, self._journal.gone))
