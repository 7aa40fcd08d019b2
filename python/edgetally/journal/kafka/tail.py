"""The end of the log: which seals there are, and who wrote them. `edgetally journal check` shows it."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.kafka.clients import new_consumer
from edgetally.journal.kafka.cursor import new_reader
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.terms import FOREIGN_SECONDS, Terms, other_terms

MESSAGES = (300, 30_000)
"""How many messages of each partition are read: first few, and more if there is no seal among them. A second of a
journal with a thousand nodes has some thousands."""

LOOK_SECONDS = 2.0
"""How long a node waits for brokers when it looks for a seal."""

RETRY_SECONDS = 0.1


class PartitionTail(NamedTuple):
    """What stands at the end of a partition."""

    number: int
    end: int
    """How many messages were ever appended."""
    second: int | None = None
    """Everything up to it is sealed, by the newest seal among the last messages."""
    writer: str = ""
    """The node that wrote that seal."""
    appended: float = 0.0
    """Its append time, in seconds."""
    has_same_terms: bool = True
    """Whether that node has the same settings where they have to be the same."""

    def refusal(self, now: float) -> ConfigError | None:
        """Return why a node with these settings may not start; None if it may, or if the seal is too old to tell."""
        return None if self.has_same_terms or now > self.appended + FOREIGN_SECONDS else other_terms(self.writer)


def has_same_terms(properties: ClientProperties, terms: Terms, now: float) -> bool:
    """
    Look once for a seal with these terms; also return True if nothing here can be read by this user or version.

    Raises ConfigError when the node that seals has other terms.
    """
    try:
        # Every partition is sealed, by nodes with the same terms.
        (tail,) = read_tails(properties, terms, LOOK_SECONDS, [0])
    except ConfigError:
        return True
    except Unavailable:
        return False
    if refusal := tail.refusal(now):
        raise refusal
    return tail.second is not None and tail.has_same_terms


def read_tails(
    properties: ClientProperties, terms: Terms, seconds: float, numbers: Sequence[int] | None = None
) -> list[PartitionTail]:
    """
    Read the end of these partitions, or of each.

    Raises Unavailable when brokers do not answer in time, and ConfigError when it cannot be read.
    """
    deadline = time.monotonic() + seconds
    consumer = new_consumer(properties)
    try:
        return _read(consumer, properties.address.topic, terms, numbers or range(terms.partitions), deadline)
    except KafkaException as error:
        raise Unavailable(f"the log cannot be read: {properties.redact(error.args[0].str())}") from error
    finally:
        consumer.close()


def _read(consumer: Consumer, topic: str, terms: Terms, numbers: Sequence[int], deadline: float) -> list[PartitionTail]:
    ends = {number: _watermarks(consumer, TopicPartition(topic, number), deadline) for number in numbers}
    found = {number: PartitionTail(number, high) for number, (_, high) in ends.items()}
    asked = [number for number, (low, high) in ends.items() if high > low]
    for most in MESSAGES:
        begins = {number: max(ends[number][0], ends[number][1] - most) for number in asked}
        _read_from(consumer, topic, terms, begins, found, deadline)
        asked = [number for number in asked if found[number].second is None and begins[number] > ends[number][0]]
    return list(found.values())


def _read_from(
    consumer: Consumer,
    topic: str,
    terms: Terms,
    begins: Mapping[int, int],
    found: dict[int, PartitionTail],
    deadline: float,
) -> None:
    """Read these partitions from these offsets on to the end that was `found`, and note their newest seals there."""
    readers = {number: new_reader(terms, is_beginning=False) for number in begins}
    left = set(readers)
    consumer.assign([TopicPartition(topic, number, offset) for number, offset in begins.items()])
    while left:
        message = _next(consumer, topic, deadline)
        number, offset = message.partition() or 0, message.offset() or 0
        appended = message.timestamp()[1]
        try:
            seal = readers[number].read(message.value() or b"", appended).seal
        except ValueError as error:
            raise ConfigError("journal.kind", f"partition {number}: cannot read offset {offset}: {error}") from error
        end = found[number].end
        if seal and seal.is_news:
            has_same_terms = seal.terms == terms.digest
            found[number] = PartitionTail(number, end, seal.effective, seal.writer, appended / 1000, has_same_terms)
        if offset + 1 >= end:
            left.discard(number)


def _next(consumer: Consumer, topic: str, deadline: float) -> Message:
    while True:
        message = consumer.poll(0.1)
        if time.monotonic() > deadline:
            raise Unavailable("the brokers have not answered in time")
        if message is None:
            continue
        problem = message.error()
        if problem is None:
            return message
        if problem.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise ConfigError("journal.kind", f"this user may not read topic {topic}: allow Read")


def _watermarks(consumer: Consumer, partition: TopicPartition, deadline: float) -> tuple[int, int]:
    """Return the offsets of the oldest message and of the next one."""
    while True:
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=max(deadline - time.monotonic(), 0.1))
        except KafkaException:
            # A broker may not know yet that it leads a new partition.
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return low, high
