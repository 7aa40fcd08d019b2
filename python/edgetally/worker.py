"""
The worker: source ──bytes──▶ fold ──partial──▶ journal.

Every stretch of input (one push, one followed file) is folded on its own, so that it can be taken back as a whole
until it is committed, and several can be folded at once. Nothing is parsed in Python, and the interpreter is free
while blocks are folded.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.errors import Busy, TooLarge, Unavailable
from edgetally.journal.base import Journal, Marks
from edgetally.rejects import Rejects
from edgetally.sources.base import Block, Defaults, Framing
from edgetally.telemetry.events import LineRefused, LinesRefused, Unkept, say
from edgetally.telemetry.histogram import Histogram

P = ParamSpec("P")
T = TypeVar("T")

INLINE = 16 * 1024
"""A block up to this size is folded faster than it is handed to a thread."""

INLINE_TALLIES = 2 << 20
"""Tallies up to this size are drained in about a millisecond, on the spot."""

COMMIT_SECONDS = 0.1
"""How long records of a source that goes on and on wait to be committed together."""

RETRY_SECONDS = 1.0
"""How long a source waits before what could not be made durable is tried again."""

COMMIT_BYTES = 32 << 20
"""Tallies of one stretch are committed when they take more than this, however long it is."""

OPEN_BYTES = 16 * 1024
"""What a push takes before it has brought anything, about."""


MAX_WORDS = 100
"""How many unknown words are told apart. The rest are OTHER."""

OTHER = "_other"


class Limits(NamedTuple):
    """What a record may be."""

    max_line: int
    max_lateness: int
    max_ahead: int


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


class Source(Protocol):
    """Where lines come from."""

    @property
    def name(self) -> str:
        """Its name in logs and marks."""

    @property
    def framing(self) -> Framing:
        """How records are told apart."""

    @property
    def defaults(self) -> Defaults:
        """What holds for records that do not say otherwise."""

    def blocks(self, mark: str | None) -> AsyncIterator[Block]:
        """Yield what comes, from where `mark` says on."""

    def told(self, unfinished: int, accepted: int, rejected: int) -> None:
        """Hear what became of the blocks so far: bytes of a line whose end has not come, and lines since last told."""


@dataclass
class Brought:
    """What one source has brought so far."""

    size: int = 0
    """Bytes, decompressed."""
    accepted: int = 0
    rejected: int = 0


class Intake:
    """One stretch of input on its way into the journal. What is not committed is as if it had never come."""

    def __init__(self, fold: _core.Fold, worker: "Worker", source: str, brought: Brought) -> None:
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

    async def feed(self, data: bytes) -> None:
        """Fold the finished lines of `data`."""
        now = self._worker.clock.now()
        if len(data) <= INLINE:
            self._fold.feed(data, int(now))
        else:
            await self._worker.in_thread(self._fold.feed, data, int(now))
        self._brought.size += len(data)
        self._worker.fold_time.observe(self._worker.clock.now() - now)

    def finish(self) -> None:
        """Fold the last line, if no newline ended it."""
        self._fold.finish(int(self._worker.clock.now()))

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return self._fold.size + self._fold.unfinished

    async def drain(self) -> Report:
        """Say what became of the lines since the last commit; `commit` makes these durable."""
        if self._drained is None:
            is_small = self._fold.size <= INLINE_TALLIES
            batch = self._fold.drain() if is_small else await self._worker.in_thread(self._fold.drain)
            raw = self._fold.report()
            report = Report(
                raw.accepted,
                Counter(dict(raw.rejected)),
                [Refused(*line) for line in raw.refused],
                Counter(dict(raw.unknown_cache_words)),
            )
            self._drained = batch, report
        return self._drained[1]

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


class Push(Intake):
    """A stretch that counts as a whole or not at all, and takes no more memory than there is for it. To be closed."""

    def __init__(self, fold: _core.Fold, worker: "Worker", source: str, brought: Brought) -> None:
        super().__init__(fold, worker, source, brought)
        self._pending = 0
        self._hold(OPEN_BYTES)

    async def feed(self, data: bytes) -> None:
        """Fold the finished lines of `data`; raise TooLarge or Busy when they take too much memory."""
        self._hold(OPEN_BYTES + self.size + len(data))
        await super().feed(data)
        if self.size > self._worker.bounds.tally_bytes:
            problem = f"the tallies of a push take at most {self._worker.bounds.tally_bytes} bytes"
            raise TooLarge("api.max_push_tally_bytes", problem)
        self._hold(OPEN_BYTES + self.size)

    def close(self) -> None:
        """Free what it takes: it counts, or never will."""
        self._worker.pending -= self._pending
        self._pending = 0

    def _hold(self, size: int) -> None:
        self._worker.admit(size - self._pending)
        self._pending = size


class Worker:
    """Folds what sources bring, and sees to it that it becomes durable."""

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        limits: Limits,
        bounds: Bounds = Bounds(),  # noqa: B008 - a tuple never changes
        rejects: Rejects | None = None,
        threads: int = 2,
    ) -> None:
        self.journal = journal
        self.clock = clock
        self.rejects = rejects or Rejects(clock=clock)
        self.bounds = bounds
        self.pending = 0
        """Bytes that pushes take until they count, about."""
        self.busy = 0
        """Pushes that were sent away for it."""
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.unknown_cache_words: Counter[str] = Counter()
        """Words for what the cache did that count as neither hit nor miss because no table knows them."""
        self.brought: defaultdict[str, Brought] = defaultdict(Brought)
        """What came, by what it is counted as: `push`, or the name of a source."""
        self.fold_time = Histogram()
        """How long blocks took to fold, waiting for a thread included."""
        self.commit_time = Histogram()
        """How long appending to the journal took."""
        self._limits = limits
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="fold")

    def intake(
        self, defaults: Defaults, framing: Framing = "lines", source: str = "push", counted_as: str | None = None
    ) -> Intake:
        """Begin a stretch of input from `source`, in which `framing` tells records apart."""
        return Intake(self._fold(defaults, framing), self, source, self.brought[counted_as or source])

    def push(self, defaults: Defaults) -> Push:
        """Begin a push; raise Busy when there is no room for one."""
        return Push(self._fold(defaults, "arrays"), self, "push", self.brought["push"])

    def admit(self, size: int) -> None:
        """Let a push take so many bytes more; raise Busy when there is no room for them."""
        if size > 0 and self.pending + size > self.bounds.pending_bytes:
            self.busy += 1
            raise Busy(f"{self.pending} bytes of pushes wait to be counted")
        self.pending += size

    def _fold(self, defaults: Defaults, framing: Framing) -> _core.Fold:
        return _core.Fold(**defaults._asdict(), framing=framing, **self._limits._asdict())

    async def follow(self, source: Source, *, counted_as: str | None = None) -> None:
        """
        Fold what `source` yields until it ends, and commit it about every 100 ms.

        It is `counted_as` its own name, unless there may be any number of its kind.
        """
        intake = self.intake(source.defaults, source.framing, source.name, counted_as)
        uncommitted_since: float | None = None
        mark: dict[str, str] = {}

        async def take(block: Block) -> bool:
            """Fold `block`; say whether it is time to commit."""
            nonlocal uncommitted_since, mark
            await intake.feed(block.data)
            if block.end:
                intake.finish()
            mark = {source.name: block.mark(intake.unfinished)} if block.mark else mark
            now = self.clock.now()
            uncommitted_since = now if uncommitted_since is None else uncommitted_since
            return not block.more or now - uncommitted_since >= COMMIT_SECONDS or intake.is_large

        async def commit() -> Report | None:
            """Commit and tell everybody; None if that is not possible now."""
            nonlocal uncommitted_since
            try:
                report = await intake.commit(mark)
            except Unavailable:
                return None
            self._warn(source, report)
            uncommitted_since = None
            return report

        try:
            async for block in source.blocks(self.journal.marks().get(source.name)):
                accepted = rejected = 0
                if await _whole(take(block)):
                    # Until it is durable nothing more is taken, so that what has to wait does so at the sender.
                    while (report := await _whole(commit())) is None:
                        await sleep_until(self.clock, self.clock.now() + RETRY_SECONDS)
                    accepted, rejected = report.accepted, report.rejected.total()
                source.told(intake.unfinished, accepted, rejected)
        finally:
            # Also when this is cancelled, because the process stops: what was fed counts.
            if await commit() is None:
                unkept = (await intake.drain()).accepted
                say(Unkept(source=source.name, records=unkept, problem=self.journal.failing or "it is stopping"))

    @staticmethod
    def _warn(source: Source, report: Report) -> None:
        for line in report.refused:
            say(
                LineRefused(
                    source=source.name,
                    line=line.line,
                    problem=line.sentence,
                    reason=line.reason,
                    at=line.at,
                    sample=line.sample[:200],
                )
            )
        if (rejected := report.rejected.total()) > len(report.refused):
            reasons = ", ".join(f"{reason} {count}" for reason, count in report.rejected.items())
            say(LinesRefused(source=source.name, count=rejected, reasons=reasons))

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` where it does not keep the event loop from serving."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *args, **kwargs))

    def count(self, report: Report, brought: Brought) -> None:
        """Add a report to the totals, and to what its source has brought."""
        self.accepted += report.accepted
        self.rejected.update(report.rejected)
        for word, count in report.unknown_cache_words.items():
            known = word in self.unknown_cache_words or len(self.unknown_cache_words) < MAX_WORDS
            self.unknown_cache_words[word if known else OTHER] += count
        brought.accepted += report.accepted
        brought.rejected += report.rejected.total()

    def close(self) -> None:
        """Wait for what is being folded."""
        self._threads.shutdown()


async def _whole(work: Coroutine[None, None, T]) -> T:
    """Await `work` to its end, even if this is cancelled meanwhile: a block counts with its mark or not at all."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
