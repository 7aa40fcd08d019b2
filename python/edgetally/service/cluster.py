"""What a node of a cluster has that a process alone has not."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from edgetally.clock import Clock, sleep_until
from edgetally.config.sections import Config
from edgetally.journal.base import Journal
from edgetally.journal.kafka.address import parse
from edgetally.journal.kafka.terms import Terms
from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family, Metric

if TYPE_CHECKING:
    from edgetally.history.clickhouse.history import ClusterHistory
    from edgetally.journal.kafka.journal import KafkaJournal

LOOK_SECONDS = 5.0
"""How often a node looks for a seal, until there is one."""

MAX_CLOCK_ERROR = 30.0
"""Seconds by which the clock of a node that takes records may be wrong."""


def terms_of(config: Config) -> Terms:
    """Return the settings that all nodes of a journal have to share."""
    return Terms(
        aggregate_delay=config.window.aggregate_delay,
        max_ahead=config.records.max_ahead,
        horizon=config.journal.horizon,
        partitions=config.journal.partitions,
        limits=config.window.limits,
    )


def open_topic(config: Config, clock: Clock) -> "KafkaJournal":
    """Open a journal in Kafka; raise ConfigError when it cannot be used."""
    # Imported here, because other journals do not need the extra.
    from edgetally.journal.kafka.extra import require  # noqa: PLC0415

    require()
    from edgetally.journal.kafka.journal import KafkaJournal  # noqa: PLC0415
    from edgetally.journal.kafka.properties import ClientProperties  # noqa: PLC0415

    settings = config.journal
    # Only what was read from files can be read again, so only that has to wait on the disk.
    has_outbox = config.node.ingests and config.sources.follow
    return KafkaJournal(
        ClientProperties(parse(settings.kind), settings.kafka),
        terms_of(config),
        clock,
        keep=config.shelf.keep,
        needed=config.log_seconds,
        max_pending=settings.max_pending,
        directory=settings.directory if has_outbox else None,
    )


def join_history(config: Config, journal: Journal, clock: Clock) -> "ClusterHistory":
    """Keep the history of a journal in Kafka together with its other readers; raise ConfigError when that is wrong."""
    # Imported here, because a history in a file needs no client.
    from edgetally.history.clickhouse.history import ClusterHistory  # noqa: PLC0415
    from edgetally.history.clickhouse.tables import JournalKey  # noqa: PLC0415

    shared = cast("KafkaJournal", journal)

    def owns(partition: int) -> bool:
        return shared.partitions[partition].newest_writer == shared.node

    key = JournalKey(shared.id, len(shared.partitions))
    return ClusterHistory(config, key, clock, node=shared.node, owns=owns)


class ClusterMonitor:
    """The metrics of a journal in Kafka, and what is wrong with the clock. Another journal has no values."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = cast("KafkaJournal", journal) if journal.is_shared else None
        self._clock = clock

    @property
    def problem(self) -> str:
        """What is wrong with the clock; empty if nothing is."""
        ahead = self._journal.log.clock_ahead if self._journal else 0.0
        if abs(ahead) <= MAX_CLOCK_ERROR:
            return ""
        return f"the clock is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} that of the brokers"

    def start(self) -> None:
        """Look after the brokers, also before there is anything to append or to read."""
        if self._journal:
            self._journal.start()

    async def check_settings(self, *, once: bool = False) -> None:
        """Look until other nodes are known to have the same settings, or once; raise ConfigError if they have not."""
        while self._journal and not await self._journal.agrees() and not once:
            await sleep_until(self._clock, self._clock.now() + LOOK_SECONDS)

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        values = self._values(self._journal) if self._journal else {}
        for metric in metrics.CLUSTER:
            yield metric.samples(values.get(metric, {}))

    def _values(self, journal: "KafkaJournal") -> dict[Metric, dict[tuple[str, ...], float]]:
        """Return the values of each metric by its labels."""
        producer, outbox, partitions = journal.producer, journal.outbox, journal.partitions
        # A node that only takes records reads no partition.
        read = {(str(one.number),): one for one in partitions if one.appended}
        now = self._clock.now()
        return {
            metrics.CLUSTER_ACKNOWLEDGED: {(): producer.acknowledged},
            metrics.CLUSTER_WAITING: {(): producer.waiting},
            metrics.CLUSTER_WAITING_BYTES: {(): producer.waiting_bytes},
            metrics.CLUSTER_WAITING_SECONDS: {(): producer.oldest},
            metrics.CLUSTER_OUTBOX: {(): outbox.waiting} if outbox else {},
            metrics.CLUSTER_OUTBOX_EXPIRED: {(): journal.expired},
            metrics.CLUSTER_CLOCK_AHEAD: {(): journal.log.clock_ahead},
            metrics.CLUSTER_BEHIND: {label: max(0.0, now - one.appended) for label, one in read.items()},
            metrics.CLUSTER_POSITION: {label: one.position for label, one in read.items()},
            metrics.CLUSTER_END: {label: one.end for label, one in read.items()},
            metrics.CLUSTER_COPIES: {(): sum(one.copies for one in partitions)},
            metrics.CLUSTER_REFUSED: {(): sum(one.refused for one in partitions)},
            metrics.CLUSTER_SEALS: {(): sum(one.seals_written for one in partitions)},
            metrics.CLUSTER_WRITERS: {(): sum(one.writer_changes for one in partitions)},
        }
