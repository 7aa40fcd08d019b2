"""
The sealer: journal ──▶ window ──entry──▶ shelf.

It does two things that know nothing of each other but the journal: it writes a seal into it whenever a second is
over, and it reads on in it, merging partials and sealing seconds. A reader of somebody else's journal would do only
the second.
"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.journal.base import Journal, Partial
from edgetally.shelf import Shelf
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.labels import Labels

INLINE = 16 * 1024
"""A partial up to this size is merged faster than it is handed to a thread."""


class Limits(NamedTuple):
    """How many keys one service may have in one second, and how many services there may be."""

    domains: int
    origins: int
    addresses: int
    pops: int
    services: int


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
        labels: Labels | None = None,
    ) -> None:
        self._journal = journal
        self._window = _core.Window(**limits._asdict())
        self._shelf = shelf
        self._clock = clock
        self._delay = aggregate_delay
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="window")
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
        """Set once a second is sealed: before that, no answer could say what time it is."""

    async def seal_seconds(self) -> None:
        """Write a seal at every full second, without end."""
        while True:
            self._clock.anchor()
            now = int(self._clock.now())
            await self._journal.seal(now - self._delay)
            await sleep_until(self._clock, now + 1)

    async def read(self) -> None:
        """Merge and seal what the journal says, without end."""
        async for fact in self._journal.read():
            if isinstance(fact, Partial):
                await self._merge(fact.partial)
            else:
                await self._seal(fact.second)
            self._journal.forget(fact.position)

    def close(self) -> None:
        """Wait for what is being merged."""
        self._thread.shutdown()

    async def _merge(self, partial: bytes) -> None:
        began = self._clock.now()
        if len(partial) <= INLINE:
            merged = self._window.merge(partial)
        else:
            merged = await asyncio.get_running_loop().run_in_executor(self._thread, self._window.merge, partial)
        self.merge_time.observe(self._clock.now() - began)
        for service_id, records, late in merged:
            label = self._labels.of(service_id)
            self.records[label] += records
            if late:
                self.late[label] += late

    async def _seal(self, second: int) -> None:
        if second > self._shelf.newest:
            began = self._clock.now()
            sealed = await asyncio.get_running_loop().run_in_executor(self._thread, self._window.seal, second)
            self.seal_time.observe(self._clock.now() - began)
            for one in sealed:
                if one.overflowed:
                    self.overflowed[self._labels.of(one.service_id)] += one.overflowed
            self._shelf.put(second, sealed)
            self.started.set()
