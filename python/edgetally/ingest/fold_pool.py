"""
The threads and the folds that all inputs share.

Lines are folded without the GIL. So blocks of several inputs are folded at the same time, and the event loop goes on.
While readers are answered, large blocks wait: a reader has its entry sooner, and the lines are counted as soon.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, ParamSpec, TypeVar

import msgspec

from edgetally import _core
from edgetally.background import background_threads
from edgetally.clock import Clock
from edgetally.model import Defaults, Framing, Report
from edgetally.snippets import lateness
from edgetally.telemetry import metrics
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.prometheus import Family

P = ParamSpec("P")
T = TypeVar("T")

INLINE_BLOCK_BYTES = 16 * 1024
"""A block up to this size is folded faster than it is handed to a thread."""

INLINE_DRAIN_BYTES = 2 << 20
"""A fold up to this size is drained on the event loop, in about a millisecond."""

MAX_POOLED_FOLDS = 8
"""How many used folds are kept for the next pushes."""

MAX_POOLED_PARTIAL_BYTES = 1 << 20
"""A fold is not kept if its partial was larger than this, because then it has too much memory: about five times as
much as the partial."""


class RecordLimits(NamedTuple):
    """Which lines a fold accepts; see `edgetally._core.Fold`."""

    max_line: int
    max_lateness: int | None
    """None: what is usual for the format."""
    max_ahead: int


class PooledFold(msgspec.Struct, frozen=True):
    """An empty fold that was used before. It has memory, and knows what lines with these defaults look like."""

    defaults: Defaults
    fold: _core.Fold


class FoldPool:
    """Makes folds, and feeds them: small blocks on the event loop, large ones in threads."""

    def __init__(
        self,
        clock: Clock,
        limits: RecordLimits,
        *,
        pause: Callable[[], Awaitable[object]] | None = None,
        threads: int = 2,
    ) -> None:
        """`pause` is awaited before anything is done in a thread."""
        self.fold_time = Histogram()
        """How long blocks took to fold, with the wait for readers and for a thread."""
        self._clock = clock
        self._limits = limits
        self._pause = pause
        self._threads = background_threads(threads, "fold")
        self._pooled: deque[PooledFold] = deque(maxlen=MAX_POOLED_FOLDS)

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.FOLD_DURATION.sample(self.fold_time)

    def new(self, defaults: Defaults, framing: Framing) -> _core.Fold:
        """Make a fold."""
        limits = self._limits._replace(max_lateness=lateness(self._limits.max_lateness, defaults.format))
        return _core.Fold(**defaults._asdict(), framing=framing, **limits._asdict())

    def take(self, defaults: Defaults) -> _core.Fold:
        """Return an empty fold for pushes: a used one, if there is one with these defaults."""
        pooled = next((one for one in self._pooled if one.defaults == defaults), None)
        if pooled is None:
            return self.new(defaults, "arrays")
        self._pooled.remove(pooled)
        return pooled.fold

    async def feed(self, fold: _core.Fold, block: bytes) -> None:
        """Fold the lines that end in `block`."""
        start = self._clock.now()
        if len(block) <= INLINE_BLOCK_BYTES:
            fold.feed(block, int(start))
        else:
            await self._in_thread(fold.feed, block, int(start))
        self.fold_time.observe(self._clock.now() - start)

    def finish(self, fold: _core.Fold) -> None:
        """Fold the last line, even if no newline ended it."""
        fold.finish(int(self._clock.now()))

    async def drain(self, fold: _core.Fold) -> tuple[bytes, Report]:
        """Return what was folded since the last drain, as a partial and the report on the same lines."""
        is_small = fold.size <= INLINE_DRAIN_BYTES
        drained, report = fold.drain_with_report() if is_small else await self._in_thread(fold.drain_with_report)
        return drained, Report.of(report)

    async def fold_all(
        self, fold: _core.Fold, defaults: Defaults, inputs: Sequence[Sequence[bytes]], max_bytes: int
    ) -> tuple[bytes, list[Report]] | None:
        """
        Fold each of several inputs to its end, and put the fold, which `take` gave, back into the pool.

        Returns one partial of all inputs, and the report of each. None if their rows take more than `max_bytes`.
        """
        start = self._clock.now()
        call = partial(fold.fold_all, inputs, int(start), max_bytes)
        size = fold.size + fold.unfinished + sum(len(block) for blocks in inputs for block in blocks)
        folded = call() if size <= INLINE_BLOCK_BYTES else await self._in_thread(call)
        self.fold_time.observe(self._clock.now() - start)
        if folded is None:
            return None
        drained, reports = folded
        if len(drained) <= MAX_POOLED_PARTIAL_BYTES:
            self._pooled.append(PooledFold(defaults, fold))
        return drained, [Report.of(report) for report in reports]

    def close(self) -> None:
        """Wait for what is being folded."""
        self._threads.shutdown()

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._pause:
            await self._pause()
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *args, **kwargs))
