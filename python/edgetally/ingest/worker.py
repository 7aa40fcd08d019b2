"""
The worker: source ──bytes──▶ fold ──partial──▶ journal.

Every followed file and every connection is an intake of its own, so several can be folded at once; pushes that come
together share a fold. Nothing is parsed in Python, and the interpreter is free while blocks are folded.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.errors import Unavailable
from edgetally.ingest.dead_letters import Rejects
from edgetally.ingest.group_commit import Bounds, Pushes
from edgetally.ingest.stream import INLINE, Brought, Intake, Report
from edgetally.journal.base import Checkpoints, Journal
from edgetally.model import OTHER, Defaults, Framing, reasons
from edgetally.sources.base import Block
from edgetally.telemetry import metrics
from edgetally.telemetry.events import LineRejected, LinesRejected, RecordsNotCommitted, say
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.prometheus import Family

P = ParamSpec("P")
T = TypeVar("T")

COMMIT_SECONDS = 0.1
"""How long records of a source that goes on and on wait to be committed together."""

RETRY_SECONDS = 1.0
"""How long a source waits before what could not be made durable is tried again."""

MAX_WORDS = 100
"""How many unknown words are told apart. The rest are OTHER."""


class Limits(NamedTuple):
    """What a record may be."""

    max_line: int
    max_lateness: int
    max_ahead: int


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
        self.pushes = Pushes(self, bounds, partial(self._fold, framing="arrays"))
        """What comes over HTTP."""

    def intake(
        self, defaults: Defaults, framing: Framing = "lines", source: str = "push", counted_as: str | None = None
    ) -> Intake:
        """Begin a stretch of input from `source`, in which `framing` tells records apart."""
        return Intake(self._fold(defaults, framing), self, source, self.brought[counted_as or source])

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
            async for block in source.blocks(self.journal.checkpoints().get(source.name)):
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
                say(RecordsNotCommitted(source=source.name, records=unkept, problem=self.journal.failing or "stopping"))

    @staticmethod
    def _warn(source: Source, report: Report) -> None:
        for line in report.rejections:
            say(
                LineRejected(
                    source=source.name,
                    line=line.line,
                    problem=line.sentence,
                    reason=line.reason,
                    at=line.at,
                    sample=line.sample[:200],
                )
            )
        if (rejected := report.rejected.total()) > len(report.rejections):
            reasons = ", ".join(f"{reason} {count}" for reason, count in report.rejected.items())
            say(LinesRejected(source=source.name, count=rejected, reasons=reasons))

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` where it does not keep the event loop from serving."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *args, **kwargs))

    async def feed(self, fold: _core.Fold, block: bytes, brought: Brought) -> None:
        """Fold the finished lines of what a source has brought."""
        now = self.clock.now()
        if len(block) <= INLINE:
            fold.feed(block, int(now))
        else:
            await self.in_thread(fold.feed, block, int(now))
        brought.size += len(block)
        self.fold_time.observe(self.clock.now() - now)

    async def append(self, tallies: bytes, marks: Checkpoints | None) -> None:
        """Make them durable; raise Unavailable when that is not possible now."""
        if tallies or marks:
            began = self.clock.now()
            await self.journal.append(tallies, marks)
            self.commit_time.observe(self.clock.now() - began)

    def count(self, report: Report, source: str, brought: Brought) -> None:
        """Add a report to the totals and to what its source has brought, and keep the lines that it refused."""
        self.accepted += report.accepted
        self.rejected.update(report.rejected)
        for word, count in report.unknown_cache_words.items():
            known = word in self.unknown_cache_words or len(self.unknown_cache_words) < MAX_WORDS
            self.unknown_cache_words[word if known else OTHER] += count
        brought.accepted += report.accepted
        brought.rejected += report.rejected.total()
        self.rejects.keep(source, report.rejections)

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        brought = self.brought.items()
        yield metrics.SOURCE_BYTES.samples({(source,): one.size for source, one in brought})
        yield metrics.SOURCE_ACCEPTED.samples({(source,): one.accepted for source, one in brought})
        yield metrics.SOURCE_REJECTED.samples({(source,): one.rejected for source, one in brought})
        yield metrics.ACCEPTED.sample(self.accepted)
        yield metrics.REJECTED.samples({(reason,): self.rejected[reason] for reason, _ in reasons()})
        yield metrics.UNKNOWN_CACHE_WORDS.samples({(word,): count for word, count in self.unknown_cache_words.items()})
        yield metrics.FOLD_DURATION.sample(self.fold_time)
        yield metrics.COMMIT_DURATION.sample(self.commit_time)

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
