"""What a node of a cluster has that a process alone has not."""

from edgetally.clock import Clock
from edgetally.config.sections import Config
from edgetally.journal.base import Journal
from edgetally.journal.kafka.address import parse
from edgetally.journal.kafka.extra import require
from edgetally.journal.kafka.terms import Terms


def terms_of(config: Config) -> Terms:
    """Return the settings that all nodes of a journal have to share."""
    return Terms(
        aggregate_delay=config.window.aggregate_delay,
        max_ahead=config.records.max_ahead,
        horizon=config.journal.horizon,
        partitions=config.journal.partitions,
        limits=config.window.limits,
    )


def open_topic(config: Config, clock: Clock) -> Journal:
    """Open a journal in Kafka; raise ConfigError when it cannot be used."""
    require()
    # Imported here, because other journals do not need the extra.
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
