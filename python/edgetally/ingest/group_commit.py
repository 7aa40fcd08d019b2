"""
Pushes: stretches of input that count as a whole or not at all.

```text
push ──┐
push ──┼──▶ one fold ──▶ one partial, and the marks of them all ──▶ journal
push ──┘
```

Most lines of a push have a key of their own, and rows cost more than lines do. So pushes that came whole while others
were on their way are folded together, and their rows written, committed and merged once. A push that comes alone does
not wait. One that is large is folded by itself, while it comes, so that it can be taken back until its end.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from edgetally import _core
from edgetally.errors import Busy, TooLarge
from edgetally.ingest.stream import INLINE, Report, Shared
from edgetally.journal.base import Checkpoints
from edgetally.model import Defaults
from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family

SOURCE = "push"
"""Where they come from, as far as it is counted."""

SPARES = 8
"""How many folds are kept for the next pushes."""

SPARE_BYTES = 1 << 18
"""A fold whose tallies were more than this, as a partial, has too much memory to be kept for the next push. Its rows
take some five times as much."""

OPEN_BYTES = 16 * 1024
"""What a push takes before it has brought anything, about."""

TOGETHER_BYTES = 4 << 20
"""Pushes are folded together up to about this size."""

LOOKED_AT = 64
"""So many that cannot be folded together with the first are passed over, in search of those that can."""

AT_ONCE = 2
"""So many threads fold what waits: the one while the other's tallies are on their way into the journal."""


class Bounds(NamedTuple):
    """What pushes may take of the memory until they count: they count as a whole, so all of it waits for their end."""

    tally_bytes: int = 128_000_000
    """One push."""
    pending_bytes: int = 512_000_000
    """All of them."""


class Spare(NamedTuple):
    """A fold that a push is done with: the next one with these defaults finds its memory, and how lines look."""

    defaults: Defaults
    fold: _core.Fold


class Whole(NamedTuple):
    """A push of which all has come."""

    defaults: Defaults
    fold: _core.Fold | None
    """What has its beginning, if that had to be folded already."""
    rest: Sequence[bytes]
    size: int
    """Bytes of the rest."""
    marks: Callable[[Report], Checkpoints] | None
    """Makes of what becomes of it what is to be remembered with it."""
    done: asyncio.Future[Report]

    def counts(self, report: Report) -> None:
        """Tell whoever waits, unless nobody does any more."""
        if not self.done.done():
            self.done.set_result(report)

    def fails(self, error: Exception) -> None:
        """Tell whoever waits, unless nobody does any more, or it counts already."""
        if not self.done.done():
            self.done.set_exception(error)


class Pushes:
    """Takes pushes, and sees to it that they become durable."""

    def __init__(self, worker: Shared, bounds: Bounds, new_fold: Callable[[Defaults], _core.Fold]) -> None:
        self.bounds = bounds
        self.pending = 0
        """Bytes that they take until they count, about."""
        self.busy = 0
        """How many were sent away for it."""
        self._worker = worker
        self._new_fold = new_fold
        self._spares: deque[Spare] = deque(maxlen=SPARES)
        self._waiting: deque[Whole] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"api.max_pending_bytes": self.busy}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.PENDING.sample(self.pending)

    def open(self, defaults: Defaults) -> "Push":
        """Begin a push, which has to be closed; raise Busy when there is no room for one."""
        return Push(self, defaults)

    async def drained(self) -> None:
        """Wait until all that came whole counts, or cannot."""
        while self._running:
            await asyncio.wait(self._running)

    def admit(self, size: int) -> None:
        """Let a push take so many bytes more; raise Busy when there is no room for them."""
        if size > 0 and self.pending + size > self.bounds.pending_bytes:
            self.busy += 1
            raise Busy(f"{self.pending} bytes of pushes wait to be counted")
        self.pending += size

    def fold(self, defaults: Defaults) -> _core.Fold:
        """Return a fold in which there is nothing."""
        spare = next((spare for spare in self._spares if spare.defaults == defaults), None)
        if spare is None:
            return self._new_fold(defaults)
        self._spares.remove(spare)
        return spare.fold

    async def feed(self, fold: _core.Fold, blocks: Sequence[bytes]) -> None:
        """Fold the beginning of a push."""
        for block in blocks:
            await self._worker.feed(fold, block, self._worker.brought[SOURCE])
        if fold.size > self.bounds.tally_bytes:
            raise self._too_large()

    def take(self, whole: Whole) -> None:
        """Count it as soon as possible."""
        self._waiting.append(whole)
        if len(self._running) < AT_ONCE:
            self._running.add(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        while together := self._next():
            try:
                await self._count(together)
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                for one in together:
                    one.fails(error)
        # At once, and not when the event loop says so: whoever comes until then would wait for somebody who has left.
        myself = asyncio.current_task()
        assert myself
        self._running.remove(myself)

    def _next(self) -> list[Whole]:
        """Take from those who wait the first, and all who can be folded together with it."""
        together: list[Whole] = []
        others: list[Whole] = []
        size = 0
        while self._waiting and len(others) < LOOKED_AT:
            one = self._waiting.popleft()
            if one.done.cancelled():
                continue  # its sender has gone before anything was done
            first = together[0] if together else one
            is_alike = one.fold is first.fold is None and one.defaults == first.defaults
            if not together or (is_alike and size + one.size <= TOGETHER_BYTES):
                together.append(one)
                size += one.size
            else:
                others.append(one)
        self._waiting.extendleft(reversed(others))
        return together

    async def _count(self, together: Sequence[Whole]) -> None:
        """Fold them, commit them, and tell everybody."""
        folded = await self._fold_all(together)
        if folded is None:
            if len(together) == 1:
                raise self._too_large()
            # One of them is, or all of them are only together.
            for one in together:
                try:
                    await self._count([one])
                except TooLarge as error:
                    one.fails(error)
            return
        tallies, raw = folded
        reports = list(map(Report.of, raw))
        marks: dict[str, str | None] = {}
        for one, report in zip(together, reports, strict=True):
            if one.marks:
                marks |= one.marks(report)
        await self._worker.append(tallies, marks)
        for one, report in zip(together, reports, strict=True):
            self._worker.count(report, SOURCE, self._worker.brought[SOURCE])
            one.counts(report)

    async def _fold_all(self, together: Sequence[Whole]) -> tuple[bytes, list[_core.Report]] | None:
        """Return their tallies and reports; None when the tallies take too much memory."""
        now = self._worker.clock.now()
        first = together[0]
        fold = first.fold or self.fold(first.defaults)
        size = sum(one.size for one in together)
        fold_all = partial(fold.fold_all, [one.rest for one in together], int(now), self.bounds.tally_bytes)
        is_small = size <= INLINE and first.fold is None
        folded = fold_all() if is_small else await self._worker.in_thread(fold_all)
        self._worker.fold_time.observe(self._worker.clock.now() - now)
        if folded:
            self._worker.brought[SOURCE].size += size
            if len(folded[0]) <= SPARE_BYTES:
                self._spares.append(Spare(first.defaults, fold))
        return folded

    def _too_large(self) -> TooLarge:
        problem = f"the tallies of a push take at most {self.bounds.tally_bytes} bytes"
        return TooLarge("api.max_push_tally_bytes", problem)


class Push:
    """
    A stretch that counts as a whole or not at all, and takes no more memory than there is for it. To be closed.

    What came last waits for what follows it: most pushes are not longer.
    """

    def __init__(self, pushes: Pushes, defaults: Defaults) -> None:
        self._pushes = pushes
        self._defaults = defaults
        self._fold: _core.Fold | None = None
        self._last: Sequence[bytes] = ()
        self._last_size = 0
        self._held = 0
        self._hold(OPEN_BYTES)

    async def feed(self, *blocks: bytes) -> None:
        """Take more of it; raise TooLarge or Busy when it takes too much memory."""
        size = sum(map(len, blocks))
        self._hold(OPEN_BYTES + self._tally_size + self._last_size + size)
        if self._last:
            self._fold = self._fold or self._pushes.fold(self._defaults)
            await self._pushes.feed(self._fold, self._last)
        self._last, self._last_size = blocks, size
        self._hold(OPEN_BYTES + self._tally_size + size)

    async def commit(self, marks: Callable[[Report], Checkpoints] | None = None) -> Report:
        """
        Make it durable, together with the marks that `marks` makes of what becomes of its lines; return that.

        Raises TooLarge, or Unavailable when it is not possible now. Who is cancelled while waiting may have counted.
        """
        done: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._pushes.take(Whole(self._defaults, self._fold, self._last, self._last_size, marks, done))
        return await done

    def close(self) -> None:
        """Free what it takes: it counts, or never will."""
        self._pushes.pending -= self._held
        self._held = 0

    @property
    def _tally_size(self) -> int:
        return self._fold.size + self._fold.unfinished if self._fold else 0

    def _hold(self, size: int) -> None:
        self._pushes.admit(size - self._held)
        self._held = size
