"""All that is between bytes and a journal, as a service puts it together."""

from edgetally.clock import Clock
from edgetally.ingest.committer import Committer
from edgetally.ingest.dead_letters import DeadLetters
from edgetally.ingest.fold_pool import FoldPool, RecordLimits
from edgetally.ingest.group_commit import GroupCommit, PushLimits, SharedPushes
from edgetally.ingest.idempotency import IdempotencyKeys
from edgetally.ingest.totals import Totals
from edgetally.ingest.worker import Worker
from edgetally.journal.base import Journal

LIMITS = RecordLimits(max_line=4096, max_lateness=120, max_ahead=5)


class Ingest:
    """A worker and a group commit for one journal."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        limits: RecordLimits = LIMITS,
        push_limits: PushLimits = PushLimits(),  # noqa: B008 - a tuple never changes
        max_keys: int = 100,
        shared: SharedPushes | None = None,
        fold_on_bytes: int = 0,
    ) -> None:
        self.clock = clock
        self.pool = FoldPool(clock, limits)
        self.totals = Totals()
        self.dead_letters = DeadLetters(clock=clock)
        committer = Committer(journal, self.totals, self.dead_letters, clock)
        self.worker = Worker(self.pool, committer, journal, clock, fold_on_bytes=fold_on_bytes)
        self.keys = IdempotencyKeys(journal.checkpoints(), clock, limit=max_keys)
        self.group_commit = GroupCommit(self.pool, committer, self.keys, push_limits, shared)

    def close(self) -> None:
        """Wait for the threads."""
        self.pool.close()
