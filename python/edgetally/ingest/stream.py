"""An input stream: one followed file, or one connection, on its way into the journal."""

from edgetally import _core
from edgetally.ingest.committer import Committer
from edgetally.ingest.fold_pool import FoldPool
from edgetally.journal.base import Checkpoints
from edgetally.model import Report

COMMIT_BYTES = 32 << 20
"""The rows of a stream are committed early when they take more than this."""


class InputStream:
    """The input of one source. What is not committed does not count."""

    def __init__(self, fold: _core.Fold, pool: FoldPool, committer: Committer, *, source: str, counted_as: str) -> None:
        self._fold = fold
        self._pool = pool
        self._committer = committer
        self._source = source
        self._counted_as = counted_as
        self._totals = committer.totals.sources[counted_as]
        self._drained: tuple[bytes, Report] | None = None

    @property
    def size(self) -> int:
        """Memory that the rows take which are not drained, in bytes; 0 if there are none."""
        return self._fold.size

    @property
    def is_large(self) -> bool:
        """Whether the rows take so much memory that they should be committed."""
        return self._fold.size > COMMIT_BYTES

    @property
    def line(self) -> int:
        """The number of the last line that has ended; 0 before the first."""
        return self._fold.line

    @property
    def unfinished(self) -> int:
        """Bytes of the last line, which has not ended yet."""
        return self._fold.unfinished

    @property
    def pending(self) -> bytes:
        """Parts of records whose end has not come."""
        return self._fold.pending

    def resume(self, pending: bytes) -> None:
        """Go on with these parts of records, instead of those that the fold holds."""
        self._fold.resume(pending)

    async def feed(self, block: bytes) -> None:
        """Fold the lines that end in `block`."""
        await self._pool.feed(self._fold, block)
        self._totals.size += len(block)

    def finish(self) -> None:
        """Fold the last line, even if no newline ended it."""
        self._pool.finish(self._fold)

    async def drain(self) -> Report:
        """Return the report of what the next `commit` commits."""
        if self._drained is None:
            self._drained = await self._pool.drain(self._fold)
        return self._drained[1]

    async def commit(self, checkpoints: Checkpoints) -> Report:
        """
        Make what was fed durable, together with the checkpoints, and return its report.

        Raises Unavailable when that is not possible now. Then it can be tried again.
        """
        await self.drain()
        assert self._drained
        partial, report = self._drained
        await self._committer.commit(partial, checkpoints, [report], source=self._source, counted_as=self._counted_as)
        self._drained = None
        return report
