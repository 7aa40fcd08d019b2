"""The end of every input: its partial is made durable, then its lines are counted."""

from collections.abc import Iterator, Sequence

from edgetally.clock import Clock
from edgetally.ingest.dead_letters import DeadLetters
from edgetally.ingest.totals import Totals
from edgetally.journal.base import Checkpoints, Journal
from edgetally.model import Report
from edgetally.telemetry import metrics
from edgetally.telemetry.histogram import Histogram
from edgetally.telemetry.prometheus import Family


class Committer:
    """Appends partials to the journal. Once they are durable, it counts their lines and keeps the rejected ones."""

    def __init__(self, journal: Journal, totals: Totals, dead_letters: DeadLetters, clock: Clock) -> None:
        self.totals = totals
        self.commit_time = Histogram()
        """How long appends to the journal took."""
        self._journal = journal
        self._dead_letters = dead_letters
        self._clock = clock

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.COMMIT_DURATION.sample(self.commit_time)

    async def commit(
        self,
        partial: bytes,
        checkpoints: Checkpoints,
        reports: Sequence[Report],
        *,
        source: str,
        counted_as: str,
        push_id: bytes | None = None,
    ) -> None:
        """Commit what a source has sent; raise Unavailable when it cannot be made durable now."""
        if partial or checkpoints:
            start = self._clock.now()
            await self._journal.append(partial, checkpoints, push_id=push_id)
            self.commit_time.observe(self._clock.now() - start)
        for report in reports:
            self.totals.count(report, counted_as)
            self._dead_letters.keep(source, report.rejections)
