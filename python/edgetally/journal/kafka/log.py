"""The log as a node appends to it: envelopes, their way into the partitions, and the look at what is there already."""

import asyncio
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from confluent_kafka import Consumer, KafkaException, TopicPartition

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.errors import ConfigError, Unavailable
from edgetally.journal.kafka.clients import new_consumer
from edgetally.journal.kafka.consumer import LOST
from edgetally.journal.kafka.producer import ProducerThread
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.search import AFTER_SECONDS, LogSearch
from edgetally.journal.kafka.terms import Terms

MESSAGES = 500
ANSWER_SECONDS = 5.0
RETRY_SECONDS = 0.5

SEARCHES = 4
"""Searches at a time. After a long outage each file needs one in each partition, and it may wait for half a minute."""

STOPS = "the node stops"


class KafkaLog:
    """Appends to the partitions, and looks for what was appended."""

    def __init__(self, properties: ClientProperties, terms: Terms, producer: ProducerThread, clock: Clock) -> None:
        self.problem: str | None = None
        """Why the brokers refuse what is appended."""
        self.clock_ahead = 0.0
        """Own clock minus that of the brokers, in seconds, at the newest acknowledgement."""
        self._clock = clock
        self._properties = properties
        self._topic = properties.address.topic
        self._terms = terms
        self._producer = producer
        self._is_closed = False
        # Of their own, because the other threads split what is appended.
        self._threads = ThreadPoolExecutor(SEARCHES, thread_name_prefix="kafka-search")

    def envelopes(self, partial: bytes, append_id: bytes, born: int) -> list[tuple[int, bytes]]:
        """Return what has to be appended, and to which partitions, for a partial to count."""
        return _core.envelopes(
            [(append_id, partial)], born=born, attempt=secrets.randbits(64), partitions=self._terms.partitions
        )

    async def send(self, partition: int, value: bytes) -> int:
        """
        Append an envelope, however long it takes; return its append time in milliseconds.

        Raises Unavailable only when the process stops before it is acknowledged.
        """
        while True:
            try:
                appended = await self._producer.send(partition, value)
            except ConfigError as error:
                self.problem = error.problem
            except Unavailable as error:
                if self._producer.is_abandoned:
                    raise
                self.problem = str(error)
            else:
                self.problem = None
                self.clock_ahead = self._clock.now() - appended / 1000
                return appended
            await sleep_until(self._clock, self._clock.now() + RETRY_SECONDS)

    def refusal(self, born: int, appended: int) -> str | None:
        """Return `early` or `expired` if every reader refuses an envelope with this append time."""
        return _core.refusal(born, appended, horizon=self._terms.horizon)

    async def find(self, partition: int, append_id: bytes, born: int) -> bool | None:
        """
        Look whether readers count an append in a partition. No copy that counts can be appended any more.

        Returns None when the log does not reach back that far: then it is not known. Raises Unavailable when this node
        stops meanwhile.
        """
        if self._is_closed:
            raise Unavailable(STOPS)
        search = asyncio.get_running_loop().run_in_executor
        return await search(self._threads, self._find, partition, append_id, born)

    def records(self, partial: bytes, partition: int) -> int:
        """Count the records of a partial that are for a partition."""
        merged = _core.Window(domains=1, origins=1, addresses=1, pops=1, services=1).merge(partial)
        count = self._terms.partitions
        return sum(records for service_id, records, _ in merged if _core.partition(service_id, count) == partition)

    def close(self) -> None:
        """End what is looked for. May be called again."""
        self._is_closed = True
        self._threads.shutdown(wait=False)

    # What follows runs in a thread.

    def _find(self, partition: int, append_id: bytes, born: int) -> bool | None:
        if self._is_closed:
            raise Unavailable(STOPS)  # it waited for its turn
        search = LogSearch(self._terms, append_id, born)
        consumer = new_consumer(self._properties)
        try:
            offset = self._offset(consumer, partition, search.since)
            if offset is None:
                return None
            consumer.assign([TopicPartition(self._topic, partition, offset)])
            return self._read(consumer, partition, offset, search)
        finally:
            consumer.close()

    def _offset(self, consumer: Consumer, partition: int, since: int) -> int | None:
        """Return the offset of the first message since then; None if the log has lost its first ones."""
        while not self._is_closed:
            try:
                (found,) = consumer.offsets_for_times(
                    [TopicPartition(self._topic, partition, since)], timeout=ANSWER_SECONDS
                )
                low, high = self._ends(consumer, partition)
            except KafkaException:
                time.sleep(RETRY_SECONDS)
                continue
            offset = high if found.offset < 0 else found.offset
            # The oldest message that there is may not be the oldest since then.
            return None if 0 < low == offset else offset
        raise Unavailable(STOPS)

    def _read(self, consumer: Consumer, partition: int, offset: int, search: LogSearch) -> bool | None:
        """Read from `offset` on until the search has an answer, or the log an end and its time has passed."""
        while not self._is_closed:
            messages = consumer.consume(MESSAGES, RETRY_SECONDS)
            errors = [error for message in messages if (error := message.error())]
            if any(error.code() in LOST for error in errors):
                return None
            read = [message for message in messages if not message.error()]
            is_there = search.read((message.value() or b"", message.timestamp()[1]) for message in read)
            if is_there is not None:
                return is_there
            if read:
                offset = (read[-1].offset() or 0) + 1
            elif time.time() * 1000 > search.until + AFTER_SECONDS * 1000:
                # Only now the end of the log means something, and only if all of it was read.
                with suppress(KafkaException):
                    if self._ends(consumer, partition)[1] <= offset:
                        return False
        raise Unavailable(STOPS)

    def _ends(self, consumer: Consumer, partition: int) -> tuple[int, int]:
        """Return the offsets of the oldest message and of the next one."""
        low, high = consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=ANSWER_SECONDS)
        return low, high
