"""The windows of all partitions of a journal: a sealer for each, and what is true of them together."""

from collections.abc import Callable, Coroutine, Iterator, Sequence

from edgetally.clock import Clock
from edgetally.journal.base import Journal
from edgetally.journal.retention import Retention
from edgetally.model import KeyLimits
from edgetally.telemetry import metrics
from edgetally.telemetry.label_limit import LabelLimit
from edgetally.telemetry.prometheus import Family
from edgetally.window.joined import Joined
from edgetally.window.sealer import Sealer, SealerTotals
from edgetally.window.shelf import Shelf
from edgetally.window.shelving import Put, SealedSeconds, Shelving

MAX_LAG = 5.0
"""Seconds after which a second that was due and is not sealed means that something is wrong."""


class Windows:
    """Reads the journal, seals its seconds, and shows them."""

    def __init__(
        self,
        *,
        journal: Journal,
        shelf: Shelf,
        shelving: Shelving,
        clock: Clock,
        limits: KeyLimits,
        aggregate_delay: int,
        retention: Callable[[], Retention],
        labels: LabelLimit | None = None,
    ) -> None:
        """Every partition has a retention of its own."""
        self._shelf = shelf
        self._clock = clock
        self._delay = aggregate_delay
        self.totals = SealerTotals(labels or LabelLimit(limits.services))
        """What was merged and sealed."""
        self._partitions = partitions = journal.partitions
        self._joined = Joined(shelving.put, len(partitions), keep=shelf.keep) if len(partitions) > 1 else None
        self._shelving = shelving
        self.sealers: Sequence[Sealer] = [
            Sealer(
                partition=partition,
                put=self._put(number),
                clock=clock,
                limits=limits,
                aggregate_delay=aggregate_delay,
                totals=self.totals,
                retention=retention(),
            )
            for number, partition in enumerate(partitions)
        ]
        """One for each partition."""

    @property
    def started(self) -> bool:
        """Whether everything that was there at the start is sealed. Before that, no answer has a `Timestamp`."""
        return all(sealer.started.is_set() for sealer in self.sealers)

    @property
    def lag(self) -> float:
        """Seconds since the newest sealed second was due; 0 before the first seal."""
        return self._clock.now() - self._delay - self._shelf.newest if self._shelf.newest else 0.0

    @property
    def problem(self) -> str:
        """Why readers see nothing new; empty if they do."""
        if problem := next((one.problem for one in self._partitions if one.problem), ""):
            return problem
        if not self._shelf.newest:
            return "starting: no second sealed yet"
        if self.lag <= MAX_LAG:
            return ""
        return f"no second sealed for {self.lag:.0f} seconds{self._slowest}: readers see nothing new"

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        totals = self.totals
        yield metrics.MERGE_DURATION.sample(totals.merge_time)
        yield metrics.SEAL_DURATION.sample(totals.seal_time)
        yield metrics.LAST_SEALED.sample(self._shelf.newest)
        yield metrics.SEAL_LAG.sample(self.lag)
        for metric, counts in (
            (metrics.SERVICE_RECORDS, totals.records),
            (metrics.SERVICE_LATE, totals.late),
            (metrics.SERVICE_OVERFLOWED, totals.overflowed),
        ):
            yield metric.samples({(service_id,): counts[service_id] for service_id in totals.records})

    def resume(self) -> None:
        """Continue the time where the journal left it. Call this before anything else."""
        for sealer in self.sealers:
            sealer.resume()

    def tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Yield what has to run without end."""
        for sealer in self.sealers:
            yield sealer.read()
            yield sealer.seal_seconds()

    def close(self) -> None:
        """Wait for what is being merged."""
        for sealer in self.sealers:
            sealer.close()

    def _put(self, number: int) -> Put:
        """Return where the sealed seconds of a partition go."""
        shown = self._joined.part(number) if self._joined else self._shelving.put

        async def put(seconds: SealedSeconds) -> None:
            # It does not wait for other partitions.
            self._shelving.record_part(number, seconds)
            await shown(seconds)

        return put

    @property
    def _slowest(self) -> str:
        """Which partition the others wait for, in words; empty if there is only one."""
        if not self._joined:
            return ""
        newest = self._joined.newest
        return f" in partition {newest.index(min(newest))}"
