"""The end of the log, as `edgetally journal check` shows it: which seals there are, and who wrote them."""

import time
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.kafka.clients import new_consumer
from edgetally.journal.kafka.cursor import new_reader
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.terms import FOREIGN_SECONDS, Terms, other_terms

MESSAGES = 300
"""How many messages of each partition are read: a second of a busy journal has fewer."""

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


def read_tails(properties: ClientProperties, terms: Terms, seconds: float) -> list[PartitionTail]:
    """
    Read the end of each partition.

    Raises Unavailable when brokers do not answer in time, and ConfigError when they do not allow it.
    """
    deadline = time.monotonic() + seconds
    consumer = new_consumer(properties)
    try:
        return _read(consumer, properties.address.topic, terms, deadline)
    except KafkaException as error:
        raise Unavailable(f"the log cannot be read: {properties.redact(error.args[0].str())}") from error
    finally:
        consumer.close()


def _read(consumer: Consumer, topic: str, terms: Terms, deadline: float) -> list[PartitionTail]:
    found = {}
    begins = []
    for number in range(terms.partitions):
        low, high = _watermarks(consumer, TopicPartition(topic, number), deadline)
        found[number] = PartitionTail(number, high)
        if high > low:
            begins.append(TopicPartition(topic, number, max(low, high - MESSAGES)))
    readers = {one.partition: new_reader(terms, is_beginning=False) for one in begins}
    left = set(readers)
    consumer.assign(begins)
    while left:
        message = consumer.poll(0.1)
        if time.monotonic() > deadline:
            raise Unavailable("the brokers have not answered in time")
        if message is None:
            continue
        if error := message.error():
            if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise ConfigError("journal.kind", f"this user may not read topic {topic}: allow Read")
            continue
        number, offset = message.partition() or 0, message.offset() or 0
        appended = message.timestamp()[1]
        seal = readers[number].read(message.value() or b"", appended).seal
        end = found[number].end
        if seal and seal.is_news:
            has_same_terms = seal.terms == terms.digest
            found[number] = PartitionTail(number, end, seal.effective, seal.writer, appended / 1000, has_same_terms)
        if offset + 1 >= end:
            left.discard(number)
    return list(found.values())


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
