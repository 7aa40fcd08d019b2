"""
Group commit: pushes that arrive during a commit share one fold, one partial and one fsync.

```text
push ──┐
push ──┼──▶ one fold ──▶ one partial, and their idempotency records ──▶ journal
push ──┘
```

Within a push most lines have a key of their own, so its rows cost as much as its lines. Different pushes have most keys
in common, so together they have far fewer rows to write, commit and merge. A push that arrives alone is committed at
once. A large push is folded alone while it arrives, so that all of it can be dropped until its end.

In a shared journal, the same push may come to several nodes. One with a key is appended alone, under an id that is the
same at every node. And a sender is answered in time, even if the brokers are away.
"""

import asyncio
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.errors import Busy, TooLarge, Unavailable, Unknown
from edgetally.ingest.committer import Committer
from edgetally.ingest.fold_pool import FoldPool
from edgetally.ingest.idempotency import IdempotencyKey, IdempotencyKeys
from edgetally.model import Defaults, Report
from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family

SOURCE = "push"
"""The name under which pushes are counted."""

OPEN_PUSH_BYTES = 16 * 1024
"""About what a push takes before it has sent anything."""

GROUP_BYTES = 16 << 20
"""Pushes are folded together up to about this size: enough lines that most have keys in common."""

MAX_PASSED_OVER = 64
"""How many waiting pushes that cannot be folded with the first one are passed over, in search of those that can."""

CONCURRENT_GROUPS = 2
"""One group is folded while the other is committed."""

MAX_WAIT = 2.0
"""Seconds after which a push is not handed to a shared journal any more: its sender may have tried another node."""

WAITED = "the push waited for {:.0f} seconds in this node"
UNANSWERED = "the brokers have not acknowledged the push for {:.0f} seconds"


class PushLimits(msgspec.Struct, frozen=True):
    """How much memory pushes may take. A push counts as a whole, so all of it is kept until its end."""

    tally_bytes: int = 128_000_000
    """The rows of one push."""
    pending_bytes: int = 512_000_000
    """All pushes that are not committed yet."""


class SharedPushes(msgspec.Struct, frozen=True):
    """What is different in a shared journal."""

    clock: Clock
    patience: float
    """Seconds until a sender is told that the outcome is unknown."""


class PendingPush(msgspec.Struct, frozen=True, eq=False):
    """A push that has arrived completely, and waits to be committed."""

    defaults: Defaults
    fold: _core.Fold | None
    """Has the first part of a large push."""
    blocks: Sequence[bytes]
    """The rest of it."""
    size: int
    """Bytes of these blocks."""
    key: IdempotencyKey | None
    done: asyncio.Future[Report]
    arrived: float
    """When it was complete, by the clock of a shared journal."""
    reserved: int
    """Bytes that are reserved for it until it is committed, or never will be, even if its sender leaves."""

    def succeed(self, report: Report) -> None:
        """Return the report to the sender, if it is still there."""
        if not self.done.done():
            self.done.set_result(report)

    def fail(self, error: Exception) -> None:
        """Raise an error in the sender, if it is still there and its push is not committed."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # not logged if the sender has left


class GroupCommit:
    """Folds and commits pushes in groups."""

    def __init__(
        self,
        pool: FoldPool,
        committer: Committer,
        keys: IdempotencyKeys,
        limits: PushLimits = PushLimits(),  # noqa: B008 - a tuple never changes
        shared: SharedPushes | None = None,
    ) -> None:
        self.pool = pool
        self.shared = shared
        """Set if the journal is."""
        self.keys = keys
        self.limits = limits
        self.pending_bytes = 0
        """About how much memory pushes take until they are committed."""
        self.refused = 0
        """Pushes that were refused because this is limited."""
        self._committer = committer
        self._waiting: deque[PendingPush] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._alone: set[asyncio.Task[None]] = set()

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"api.max_pending_bytes": self.refused}

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.PENDING.sample(self.pending_bytes)

    def open(self, defaults: Defaults) -> "Push":
        """Start a push, which has to be closed; raise Busy when there is no memory for it."""
        return Push(self, defaults)

    async def drain(self) -> None:
        """Wait until all pushes that have arrived are committed, or have failed."""
        while running := self._running | self._alone:
            await asyncio.wait(running)

    def reserve(self, size: int) -> None:
        """Reserve memory for a push; raise Busy when there is none. A negative size frees it."""
        if size > 0 and self.pending_bytes + size > self.limits.pending_bytes:
            self.refused += 1
            raise Busy(f"too many pushes are pending: {self.pending_bytes} bytes (api.max_pending_bytes)")
        self.pending_bytes += size

    async def feed(self, fold: _core.Fold, blocks: Sequence[bytes]) -> None:
        """Fold the first part of a large push."""
        for block in blocks:
            await self.pool.feed(fold, block)
            self._received(len(block))
        if fold.size > self.limits.tally_bytes:
            raise self._too_large()

    def submit(self, push: PendingPush) -> None:
        """Commit a push as soon as possible; `push.done` says when."""
        if self.shared and push.key:
            task = asyncio.create_task(self._commit_group([push]))
            self._alone.add(task)
            task.add_done_callback(self._alone.discard)
            return
        self._waiting.append(push)
        if len(self._running) < CONCURRENT_GROUPS:
            self._running.add(asyncio.create_task(self._run()))

    def withdraw(self, push: PendingPush) -> bool:
        """Return whether a push still waited, and now will not be committed."""
        is_waiting = push in self._waiting
        if is_waiting:
            self._waiting.remove(push)
            self.reserve(-push.reserved)
        return is_waiting

    async def _run(self) -> None:
        while group := self._next_group():
            await self._commit_group(group)
        # Not with a callback, which is called later: a push that is submitted until then would not be taken.
        task = asyncio.current_task()
        assert task
        self._running.remove(task)

    def _next_group(self) -> list[PendingPush]:
        """Take the first push that waits, and those that can be folded with it."""
        group: list[PendingPush] = []
        passed_over: list[PendingPush] = []
        size = 0
        while self._waiting and len(passed_over) < MAX_PASSED_OVER:
            push = self._waiting.popleft()
            if push.done.cancelled():
                self.reserve(-push.reserved)
                continue  # its sender has left, and nothing is folded yet
            first = group[0] if group else push
            is_alike = push.fold is first.fold is None and push.defaults == first.defaults
            if not group or (is_alike and size + push.size <= GROUP_BYTES):
                group.append(push)
                size += push.size
            else:
                passed_over.append(push)
        self._waiting.extendleft(reversed(passed_over))
        return group

    async def _commit_group(self, group: Sequence[PendingPush]) -> None:
        try:
            await self._commit(group)
        except Exception as error:  # noqa: BLE001 - raised in the senders
            for push in group:
                push.fail(error)
        finally:
            self.reserve(-sum(push.reserved for push in group))

    async def _commit(self, group: Sequence[PendingPush]) -> None:
        first = group[0]
        fold = first.fold or self.pool.take(first.defaults)
        inputs = [push.blocks for push in group]
        folded = await self.pool.fold_all(fold, first.defaults, inputs, self.limits.tally_bytes)
        if folded is None:
            if len(group) == 1:
                raise self._too_large()
            # Either one of them is too large, or only all of them together.
            for push in group:
                try:
                    await self._commit([push])
                except TooLarge as error:
                    push.fail(error)
            return
        self._received(sum(push.size for push in group))
        partial, reports = folded
        pairs = list(zip(group, reports, strict=True))
        checkpoints = self.keys.checkpoints([(push.key, report) for push, report in pairs if push.key])
        push_id = self._check(group) if self.shared else None
        await self._committer.commit(partial, checkpoints, reports, source=SOURCE, counted_as=SOURCE, push_id=push_id)
        self.keys.note_committed(checkpoints)
        for push, report in pairs:
            push.succeed(report)

    def _check(self, group: Sequence[PendingPush]) -> bytes:
        """Return the id of a group for a shared journal; raise Unavailable if a push of it has waited too long."""
        assert self.shared
        age = self.shared.clock.now() - min(push.arrived for push in group)
        if age > MAX_WAIT:
            raise Unavailable(WAITED.format(age))
        key = group[0].key
        # With an id, an append whose outcome is unknown raises Unknown, and nothing of it is dropped.
        return key.push_id if key else os.urandom(16)

    def _received(self, size: int) -> None:
        self._committer.totals.sources[SOURCE].size += size

    def _too_large(self) -> TooLarge:
        problem = f"the tallies of the push take more than {self.limits.tally_bytes} bytes"
        return TooLarge("api.max_push_tally_bytes", problem)


class Push:
    """
    One push, which counts as a whole or not at all, and takes limited memory. It has to be closed.

    The last blocks are not folded until others follow, because most pushes have no others.
    """

    def __init__(self, group_commit: GroupCommit, defaults: Defaults) -> None:
        self._group_commit = group_commit
        self._defaults = defaults
        self._fold: _core.Fold | None = None
        self._blocks: Sequence[bytes] = ()
        self._blocks_size = 0
        self._reserved = 0
        self._reserve(OPEN_PUSH_BYTES)

    async def feed(self, *blocks: bytes) -> None:
        """Add blocks; raise TooLarge or Busy when the push takes too much memory."""
        size = sum(map(len, blocks))
        self._reserve(OPEN_PUSH_BYTES + self._fold_size + self._blocks_size + size)
        if self._blocks:
            self._fold = self._fold or self._group_commit.pool.take(self._defaults)
            await self._group_commit.feed(self._fold, self._blocks)
        self._blocks, self._blocks_size = blocks, size
        self._reserve(OPEN_PUSH_BYTES + self._fold_size + size)

    async def commit(self, key: IdempotencyKey | None = None) -> Report:
        """
        Return the report once the push is durable. With a key that was used before, return the report of that time.

        Raises TooLarge, KeyReused, or Unavailable when it cannot be made durable now. A caller that is cancelled may
        have committed. With a key it has, because then the sender will send the push again.
        """
        group_commit = self._group_commit
        keys, shared = group_commit.keys, group_commit.shared
        while shared and key and (pending := keys.pending(key)):
            await answered(pending, shared)
        if key and (report := await keys.find(key)) is not None:
            return report
        done: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        if key:
            keys.start(key, done)
        arrived = shared.clock.now() if shared else 0.0
        reserved, self._reserved = self._reserved, 0
        push = PendingPush(self._defaults, self._fold, self._blocks, self._blocks_size, key, done, arrived, reserved)
        group_commit.submit(push)
        try:
            if shared:
                await answered(done, shared)
            return await (asyncio.shield(done) if key else done)
        except Unknown as error:
            if group_commit.withdraw(push):
                raise Unavailable(str(error)) from error
            raise
        except asyncio.CancelledError:
            if not key:
                group_commit.withdraw(push)
            raise

    def close(self) -> None:
        """Free the memory, unless the push has been handed over to be committed."""
        self._group_commit.reserve(-self._reserved)
        self._reserved = 0

    @property
    def _fold_size(self) -> int:
        return self._fold.size + self._fold.unfinished if self._fold else 0

    def _reserve(self, size: int) -> None:
        self._group_commit.reserve(size - self._reserved)
        self._reserved = size


async def answered(done: asyncio.Future[Report], shared: SharedPushes) -> None:
    """Return when a push is committed, or has failed; raise Unknown when the sender has waited long enough."""
    late = asyncio.ensure_future(sleep_until(shared.clock, shared.clock.now() + shared.patience))
    try:
        waiting: list[asyncio.Future[Any]] = [done, late]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        late.cancel()
    if not done.done():
        raise Unknown(UNANSWERED.format(shared.patience))
