"""A journal in Kafka, as tests open it."""

from collections.abc import Mapping
from pathlib import Path

from edgetally.clock import Clock, SystemClock
from edgetally.journal.kafka.address import parse
from edgetally.journal.kafka.journal import KafkaJournal
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.terms import Terms
from edgetally.journal.kafka.topic import TopicAdmin
from edgetally.model import KeyLimits
from tests.support.kafka import DEADLINE

TERMS = Terms(
    aggregate_delay=2,
    max_ahead=5,
    horizon=600,
    partitions=1,
    limits=KeyLimits(domains=100, origins=100, addresses=100, pops=100, services=100),
)


def create(
    url: str,
    partitions: int = 1,
    replicas: int = 1,
    extra: Mapping[str, str] | None = None,
    *,
    given: Mapping[str, str] | None = None,
) -> str:
    """Create the topic of a journal, and return its address; `given` are properties of the client."""
    TopicAdmin(ClientProperties(parse(url), given or {})).create(
        partitions=partitions, replicas=replicas, seconds=DEADLINE, extra=extra
    )
    return url


def open_journal(
    url: str,
    directory: Path | None = None,
    *,
    terms: Terms = TERMS,
    clock: Clock | None = None,
    keep: int = 120,
    max_pending: int = 64_000_000,
    given: Mapping[str, str] | None = None,
) -> KafkaJournal:
    """Open a journal; the topic is there already."""
    return KafkaJournal(
        ClientProperties(parse(url), given or {}),
        terms,
        clock or SystemClock(),
        keep=keep,
        needed=0,
        max_pending=max_pending,
        directory=directory,
    )
