"""An intake: one stretch of input (one followed file, one connection) on its way into the journal."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, ParamSpec, Protocol, Self, TypeVar

from edgetally import _core
from edgetally.clock import Clock
from edgetally.journal.base import Checkpoints
from edgetally.model import Rejection
from edgetally.telemetry.histogram import Histogram

P = ParamSpec("P")
T = TypeVar("T")

INLINE = 16 * 1024
"""A block up to this size is folded faster than it is handed to a thread."""

INLINE_TALLIES = 2 << 20
"""Tallies up to this size are drained in about a millisecond, on the spot."""

COMMIT_BYTES = 32 << 20
"""Tallies of one stretch are committed when they take more than this, however long it is."""


class Report(NamedTuple):
    """What became of the lines of one stretch since its last commit."""

    accepted: int
    rejected: Counter[str]
    """Count by reason."""
    rejections: list[Rejection]
    """The first of them, at most 10."""
    unknown_cache_words: Counter[str]
    """Words for what the cache did that no table knows, in lines that count."""

    @classmethod
    def of(cls, raw: _core.Report) -> Self:
        """Make it of what a fold says."""
        return cls(
            raw.accepted,
            Counter(dict(raw.rejected)),
            raw.rejections,
            Counter(dict(raw.unknown_cache_words)),
        )


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
    brought: defaultdict[str, Brought]
    fold_time: Histogram

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` where it does not keep the event loop from serving."""

    async def feed(self, fold: _core.Fold, block: bytes, brought: Brought) -> None:
        """Fold the finished lines of what a source has brought."""

    async def append(self, tallies: bytes, marks: Checkpoints | None) -> None:
        """Make them durable; raise Unavailable when that is not possible now."""

    def count(self, report: Report, source: str, brought: Brought) -> None:
        """Add a report to the totals and to what its source has brought, and keep the lines that it refused."""


class Intake:
    """One stretch of input on its way into the journal. What is not committed is as if it had never come."""

    def __init__(self, fold: _core.Fold, worker: Shared, source: str, brought: Brought) -> None:
        self._fold = fold
        self._worker = worker
        self._source = source
        self._brought = brought
        self._drained: tuple[bytes, Report] | None = None

    @property
    def is_large(self) -> bool:
        """Whether the tallies take so much memory that they should be committed."""
        return self._fold.size > COMMIT_BYTES

    @property
    def unfinished(self) -> int:
        """Bytes of the line whose end has not come yet."""
        return self._fold.unfinished

    async def feed(self, block: bytes) -> None:
        """Fold the finished lines of what came."""
        await self._worker.feed(self._fold, block, self._brought)

    def finish(self) -> None:
        """Fold the last line, if no newline ended it."""
        self._fold.finish(int(self._worker.clock.now()))

    async def drain(self) -> Report:
        """Say what became of the lines since the last commit; `commit` makes these durable."""
        if self._drained is None:
            is_small = self._fold.size <= INLINE_TALLIES
            batch = self._fold.drain() if is_small else await self._worker.in_thread(self._fold.drain)
            self._drained = batch, Report.of(self._fold.report())
        return self._drained[1]

    async def commit(self, marks: Checkpoints | None = None) -> Report:
        """
        Make what was fed durable, together with `marks`; say what became of the lines.

        Raises Unavailable when that is not possible now: then it can be tried again.
        """
        await self.drain()
        assert self._drained
        batch, report = self._drained
        await self._worker.append(batch, marks)
        self._drained = None
        self._worker.count(report, self._source, self._brought)
        return report
