"""
An intake: one stretch of input (one push, one followed file) on its way into the journal.

It is folded on its own, so that it can be taken back as a whole until it is committed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from edgetally import _core
from edgetally.clock import Clock
from edgetally.errors import TooLarge
from edgetally.journal.base import Journal, Marks
from edgetally.rejects import Rejects
from edgetally.telemetry.histogram import Histogram

P = ParamSpec("P")
T = TypeVar("T")

INLINE = 16 * 1024
"""A block up to this size is folded faster than it is handed to a thread."""

INLINE_TALLIES = 2 << 20
"""Tallies up to this size are drained in about a millisecond, on the spot."""

COMMIT_BYTES = 32 << 20
"""Tallies of one stretch are committed when they take more than this, however long it is."""

SPARE_BYTES = 1 << 18
"""A fold whose tallies were more than this, as a partial, has too much memory to be kept for the next push. Its rows
take some five times as much."""

OPEN_BYTES = 16 * 1024
"""What a push takes before it has brought anything, about."""


class Bounds(NamedTuple):
    """What pushes may take of the memory until they count: they count as a whole, so all of it waits for their end."""

    tally_bytes: int = 128_000_000
    """One push."""
    pending_bytes: int = 512_000_000
    """All of them."""


class Refused(NamedTuple):
    """A line that does not count: where, why, and how it begins."""

    line: int
    reason: str
    sentence: str
    at: int
    sample: bytes


class Report(NamedTuple):
    """What became of the lines of one stretch since its last commit."""

    accepted: int
    rejected: Counter[str]
    """Count by reason."""
    refused: list[Refused]
    """The first of them, at most 10."""
    unknown_cache_words: Counter[str]
    """Words for what the cache did that no table knows, in lines that count."""


@dataclass
class Brought:
    """What one source has brought so far."""

    size: int = 0
    """Bytes, decompressed."""
    accepted: int = 0
    rejected: int = 0


class Shared(Protocol):
    """What stretches share: the worker, as they see it."""

    clock: Clock
    journal: Journal
    rejects: Rejects
    bounds: Bounds
    pending: int
    fold_time: Histogram
    commit_time: Histogram

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` where it does not keep the event loop from serving."""

    def admit(self, size: int) -> None:
        """Let a push take so many bytes more; raise Busy when there is no room for them."""

    def count(self, report: Report, brought: Brought) -> None:
        """Add a report to the totals, and to what its source has brought."""


class Intake:
    """One stretch of input on its way into the journal. What is not committed is as if it had never come."""

    def __init__(self, fold: _core.Fold, worker: Shared, source: str, brought: Brought) -> None:
        self._fold = fold
        self._worker = worker
        self._source = source
        self._brought = brought
        self._drained: tuple[bytes, Report] | None = None

    async def feed(self, *blocks: bytes) -> None:
        """Fold the finished lines of what came."""
        for block in blocks:
            now = self._worker.clock.now()
            if len(block) <= INLINE:
                self._fold.feed(block, int(now))
            else:
                await self._worker.in_thread(self._fold.feed, block, int(now))
            self._brought.size += len(block)
            self._worker.fold_time.observe(self._worker.clock.now() - now)

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return self._fold.size + self._fold.unfinished

    async def drain(self) -> Report:
        """Say what became of the lines since the last commit; `commit` makes these durable."""
        if self._drained is None:
            batch, raw = await self._take()
            report = Report(
                raw.accepted,
                Counter(dict(raw.rejected)),
                [Refused(*line) for line in raw.refused],
                Counter(dict(raw.unknown_cache_words)),
            )
            self._drained = batch, report
        return self._drained[1]

    async def _take(self) -> tuple[bytes, _core.Report]:
        """Return the tallies and the report of what was fed."""
        is_small = self._fold.size <= INLINE_TALLIES
        batch = self._fold.drain() if is_small else await self._worker.in_thread(self._fold.drain)
        return batch, self._fold.report()

    async def commit(self, marks: Marks | None = None) -> Report:
        """
        Make what was fed durable, together with `marks`; say what became of the lines.

        Raises Unavailable when that is not possible now: then it can be tried again.
        """
        await self.drain()
        assert self._drained
        batch, report = self._drained
        if batch or marks:
            began = self._worker.clock.now()
            await self._worker.journal.append(batch, marks)
            self._worker.commit_time.observe(self._worker.clock.now() - began)
        self._drained = None
        self._worker.count(report, self._brought)
        self._worker.rejects.keep(self._source, report.refused)
        return report


class Stream(Intake):
    """A stretch that goes on and on, and is committed now and then."""

    @property
    def is_large(self) -> bool:
        """Whether the tallies take so much memory that they should be committed."""
        return self._fold.size > COMMIT_BYTES

    @property
    def unfinished(self) -> int:
        """Bytes of the line whose end has not come yet."""
        return self._fold.unfinished

    def finish(self) -> None:
        """Fold the last line, if no newline ended it."""
        self._fold.finish(int(self._worker.clock.now()))


class Push(Intake):
    """
    A stretch that counts as a whole or not at all, and takes no more memory than there is for it. To be closed.

    What came last waits for what follows it: the end of a push, and most are not longer, is folded and drained in one
    turn.
    """

    def __init__(
        self, fold: _core.Fold, worker: Shared, source: str, brought: Brought, *, done: Callable[[], object]
    ) -> None:
        """Call `done` as soon as the fold is as good as new."""
        super().__init__(fold, worker, source, brought)
        self._done = done
        self._last: Sequence[bytes] = ()
        self._last_size = 0
        self._pending = 0
        self._hold(OPEN_BYTES)

    async def feed(self, *blocks: bytes) -> None:
        """Take more of it; raise TooLarge or Busy when it takes too much memory."""
        size = sum(map(len, blocks))
        self._hold(OPEN_BYTES + self.size + self._last_size + size)
        await super().feed(*self._last)
        self._last, self._last_size = blocks, size
        if self.size > self._worker.bounds.tally_bytes:
            raise self._too_large()
        self._hold(OPEN_BYTES + self.size + size)

    async def _take(self) -> tuple[bytes, _core.Report]:
        now = self._worker.clock.now()
        conclude = partial(self._fold.conclude, self._last, int(now), self._worker.bounds.tally_bytes)
        is_small = self._last_size <= INLINE and self._fold.size <= INLINE_TALLIES
        concluded = conclude() if is_small else await self._worker.in_thread(conclude)
        self._brought.size += self._last_size
        self._last = ()
        self._worker.fold_time.observe(self._worker.clock.now() - now)
        if concluded is None:
            raise self._too_large()
        if len(concluded[0]) <= SPARE_BYTES:
            self._done()
        return concluded

    def close(self) -> None:
        """Free what it takes: it counts, or never will."""
        self._worker.pending -= self._pending
        self._pending = 0

    def _too_large(self) -> TooLarge:
        problem = f"the tallies of a push take at most {self._worker.bounds.tally_bytes} bytes"
        return TooLarge("api.max_push_tally_bytes", problem)

    def _hold(self, size: int) -> None:
        self._worker.admit(size - self._pending)
        self._pending = size
