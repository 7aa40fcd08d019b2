"""The end of the log, as `edgetally journal check` shows it: which seals there are, and who wrote them."""

import time
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from edgetally.errors import Unavailable
from edgetally.journal.kafka.clients import new_consumer
from edgetally.journal.kafka.cursor import new_reader
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.terms import Terms

MESSAGES = 300
"""How many messages of each partition are read: a second of a busy journal has fewer."""


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


def read_tails(properties: ClientProperties, terms: Terms, seconds: float) -> list[PartitionTail]:
    """Read the end of each partition; raise Unavailable when brokers do not answer in time."""
    topic = properties.address.topic
    consumer = new_consumer(properties)
    try:
        ends = {}
        begins = []
        for number in range(terms.partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=seconds)
            ends[number] = high
            if high > low:
                begins.append(TopicPartition(topic, number, max(low, high - MESSAGES)))
        found = {number: PartitionTail(number, end) for number, end in ends.items()}
        readers = {one.partition: new_reader(terms, is_beginning=False) for one in begins}
        left = set(readers)
        consumer.assign(begins)
        deadline = time.monotonic() + seconds
        while left:
            message = consumer.poll(0.1)
            if time.monotonic() > deadline:
                raise Unavailable("the brokers have not answered in time")
            if message is None or message.error() is not None:
                continue
            number, offset = message.partition() or 0, message.offset() or 0
            appended = message.timestamp()[1]
            seal = readers[number].read(message.value() or b"", appended).seal
            if seal and seal.is_news:
                found[number] = PartitionTail(
                    number, ends[number], seal.effective, seal.writer, appended / 1000, seal.terms == terms.digest
                )
            if offset + 1 >= ends[number]:
                left.discard(number)
    except KafkaException as error:
        raise Unavailable(f"the log cannot be read: {properties.redact(error.args[0].str())}") from error
    finally:
        consumer.close()
    return list(found.values())
