"""
Several partitions, one clock: a second is shown once all partitions have sealed it.

```text
partition 0 ──▶ 17 18 19 ──┐
partition 1 ──▶ 17 18 ─────┼──▶ 17 ──▶ shelf
partition 2 ──▶ 17 ────────┘
```

So a cursor means the same for all services, wherever they are.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial

from edgetally import _core
from edgetally.window.shelving import Put, SealedSeconds


class Joined:
    """Holds the sealed seconds of each partition until all others have sealed them, too."""

    def __init__(self, put: Put, partitions: int, *, keep: int) -> None:
        """Of seconds that wait, the last `keep` are held: no older ones would be on the shelf."""
        self._put = put
        self._keep = keep
        self._lock = asyncio.Lock()
        self._held: Sequence[deque[_core.Sealed]] = [deque() for _ in range(partitions)]
        self.newest = [0] * partitions
        """The newest sealed second of each partition; 0 before the first."""
        self._joined = 0
        self._complete_after = 0
        self._counted = 0
        """The newest second of which a process before has counted something."""

    def part(self, number: int) -> Put:
        """Return what takes the sealed seconds of a partition."""
        return partial(self._add, number)

    async def _add(self, number: int, seconds: SealedSeconds) -> None:
        self.newest[number] = max(self.newest[number], seconds.newest)
        self._complete_after = max(self._complete_after, seconds.complete_after)
        if not seconds.is_new:
            self._counted = max(self._counted, seconds.newest)
        held = self._held[number]
        # A partition that starts over seals seconds again that were shown.
        held.extend(one for one in seconds.sealed if one.second > self._joined)
        while held and held[0].second <= seconds.newest - self._keep:
            self._complete_after = max(self._complete_after, held.popleft().second)
        async with self._lock:
            newest = min(self.newest)
            if newest <= self._joined:
                return
            self._joined = newest
            await self._put(
                SealedSeconds(newest, self._take(newest), self._complete_after, is_new=newest > self._counted)
            )

    def _take(self, newest: int) -> Sequence[_core.Sealed]:
        """Return what is held up to second `newest`, and hold it no longer."""
        found: list[_core.Sealed] = []
        for held in self._held:
            while held and held[0].second <= newest:
                found.append(held.popleft())
        # The same order at every reader, whichever partition comes last.
        return sorted(found, key=lambda one: (one.second, one.service_id))
