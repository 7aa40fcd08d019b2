"""
The worker: source ──bytes──▶ fold ──partial──▶ journal.

Every followed file and every connection is an input stream of its own, so several are folded at the same time. Pushes
do not pass here, but through group commit.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import suppress
from typing import TypeVar

from edgetally.clock import Clock, sleep_until
from edgetally.errors import Unavailable
from edgetally.ingest.committer import Committer
from edgetally.ingest.fold_pool import FoldPool
from edgetally.ingest.format_check import FormatCheck
from edgetally.ingest.stream import InputStream
from edgetally.journal.base import Journal
from edgetally.model import Defaults, Framing, Report
from edgetally.sources.base import Block, Source
from edgetally.telemetry.events import LineRejected, LinesRejected, RecordsNotCommitted, say

T = TypeVar("T")

COMMIT_SECONDS = 0.2
"""How long records of a source that never pauses wait to be committed together. Twice as long makes nearly half as many
rows of them, which are written, committed and merged; much longer, and records miss the seal of their second."""

RETRY_SECONDS = 1.0
"""How long a source waits before a failed commit is tried again."""


class Worker:
    """Folds what sources yield, and commits it."""

    def __init__(
        self, pool: FoldPool, committer: Committer, journal: Journal, clock: Clock, *, fold_on_bytes: int = 0
    ) -> None:
        """While a commit is under way, sources that cannot go back are folded on, up to `fold_on_bytes` of rows."""
        self._pool = pool
        self._fold_on_bytes = fold_on_bytes
        self._committer = committer
        self._journal = journal
        self._clock = clock
        self._format_checks: dict[str, FormatCheck] = {}
        """Of sources of which there may be any number."""

    def open(
        self, defaults: Defaults, framing: Framing = "lines", *, source: str, counted_as: str | None = None
    ) -> InputStream:
        """Start an input stream."""
        fold = self._pool.new(defaults, framing)
        return InputStream(fold, self._pool, self._committer, source=source, counted_as=counted_as or source)

    async def follow(self, source: Source, *, counted_as: str | None = None, goes_back: bool = False) -> None:
        """
        Fold what `source` yields until it ends, and commit it about every 200 ms.

        In totals it is `counted_as` its own name, unless there may be any number of its kind. One that `goes_back` has
        checkpoints, and can wait.
        """
        stream = self.open(source.defaults, source.framing, source=source.name, counted_as=counted_as)
        batch = Batch(source, stream, self._clock)
        format_check = self._format_check(source, counted_as)
        task = asyncio.current_task()
        assert task
        background: asyncio.Task[None] | None = None
        blocks, is_waiting = source.blocks(), True
        try:
            async for block in blocks:
                is_waiting = False
                await complete(batch.add(block))
                format_check.look(block.data)
                # When the process stops, what the source still has is committed below, and tried once.
                if batch.is_due and not task.cancelling():
                    if self._fold_on_bytes and not goes_back:
                        background = await self._commit_meanwhile(batch, background)
                    else:
                        # Backpressure: until it is durable, no more is taken from the source.
                        await self._commit(batch)
                source.note_progress(stream.line, stream.unfinished, *batch.take_counts())
                is_waiting = True
        except asyncio.CancelledError:
            if not goes_back:
                if not is_waiting:
                    await _take_rest(blocks, batch)
                stream.finish()
            raise
        finally:
            if background:
                background.cancel()
                await asyncio.wait([background])
            # Also when this is cancelled, because the process stops: what was folded counts.
            while (committed := await batch.commit()) and batch.size:
                pass  # there are rows that were folded during the last commit
            if committed is None:
                lost = (await stream.drain()).accepted
                problem = self._journal.failing or "stopping"
                say(RecordsNotCommitted(source=source.name, records=lost, problem=problem))

    def _format_check(self, source: Source, counted_as: str | None) -> FormatCheck:
        """Return the check of a source, or the one that it shares with others of its kind: thousands may connect."""
        check = FormatCheck(counted_as or source.name, source.defaults.format)
        return self._format_checks.setdefault(counted_as, check) if counted_as else check

    async def _commit(self, batch: "Batch") -> None:
        """Commit a batch, and try again until that is possible."""
        while await complete(batch.commit()) is None:
            await sleep_until(self._clock, self._clock.now() + RETRY_SECONDS)

    async def _commit_meanwhile(self, batch: "Batch", running: asyncio.Task[None] | None) -> asyncio.Task[None]:
        """Commit in a task, one at a time. Returns at once, unless the rows that wait for it take too much memory."""
        if running and not running.done():
            if batch.size <= self._fold_on_bytes:
                return running
            await asyncio.wait([running])

        async def commit_all() -> None:
            is_first = True
            while is_first or batch.size:
                is_first, start = False, self._clock.now()
                await self._commit(batch)
                await sleep_until(self._clock, start + COMMIT_SECONDS)

        return asyncio.create_task(commit_all())


class Batch:
    """The blocks of a source that are committed together."""

    def __init__(self, source: Source, stream: InputStream, clock: Clock) -> None:
        self.is_due = False
        """Whether it should be committed."""
        self._source = source
        self._stream = stream
        self._clock = clock
        self._start: float | None = None
        self._checkpoints: dict[str, str | None] = {}
        self._recognised = 0
        self._rejected = 0

    @property
    def size(self) -> int:
        """Memory that the rows take which are not being committed yet, in bytes."""
        return self._stream.size

    async def add(self, block: Block) -> None:
        """Fold a block."""
        if block.resume is not None:
            self._stream.resume(block.resume)
        await self._stream.feed(block.data)
        if block.end:
            self._stream.finish()
        changes = block.checkpoints(self._stream.pending) if callable(block.checkpoints) else block.checkpoints
        self._checkpoints |= changes or {}
        now = self._clock.now()
        self._start = now if self._start is None else self._start
        self.is_due = not block.more or now - self._start >= COMMIT_SECONDS or self._stream.is_large

    async def commit(self) -> Report | None:
        """Commit, log rejected lines, and return the report; None if that is not possible now."""
        try:
            report = await self._stream.commit(self._checkpoints)
        except Unavailable:
            return None
        self._checkpoints = {}
        log_rejections(self._source.name, report)
        self._start = None
        self._recognised += report.accepted + report.other_log
        self._rejected += report.errors.total()
        return report

    def take_counts(self) -> tuple[int, int]:
        """Return how many lines were committed since the last call: those of records, and those that are wrong."""
        counts = self._recognised, self._rejected
        self._recognised = self._rejected = 0
        return counts


async def _take_rest(blocks: AsyncIterator[Block], batch: Batch) -> None:
    """Tell a source that the process stops, which came while a block was folded, and fold what it has by now."""
    if isinstance(blocks, AsyncGenerator):
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            block = await blocks.athrow(asyncio.CancelledError())
            while True:
                await batch.add(block)
                block = await anext(blocks)


def log_rejections(source: str, report: Report) -> None:
    """Log the first rejected lines one by one, and how many there are."""
    for line in report.rejections:
        say(
            LineRejected(
                source=source,
                line=line.line,
                problem=line.sentence,
                reason=line.reason,
                at=line.at,
                sample=line.sample[:200],
            )
        )
    if (rejected := report.errors.total()) > len(report.rejections):
        reasons = ", ".join(f"{reason} {count}" for reason, count in report.errors.items())
        say(LinesRejected(source=source, count=rejected, reasons=reasons))


async def complete(work: Coroutine[None, None, T]) -> T:
    """Await `work` to its end, even if this is cancelled meanwhile: a block and its checkpoint belong together."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
