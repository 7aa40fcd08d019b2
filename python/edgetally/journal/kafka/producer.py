"""
The producer: one thread polls it, and tells the event loop what was acknowledged.

It never gives up on a record. Whether the sender goes on waiting is decided elsewhere.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from edgetally.errors import ConfigError, EdgetallyError, Unavailable, Unknown
from edgetally.journal.kafka.clients import connection_problem, new_producer
from edgetally.journal.kafka.handover import tell
from edgetally.journal.kafka.properties import ClientProperties

POLL_SECONDS = 0.1
REPLACE_SECONDS = 1.0

GONE_BEFORE_SENT = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)  # noqa: SLF001 - librdkafka calls them so
"""What becomes of records in a producer that is replaced."""


class Sent(NamedTuple):
    """A record that is not acknowledged yet."""

    partition: int
    value: bytes
    acknowledged: asyncio.Future[int]
    since: float
    """By the monotonic clock."""


class DeliveryReport(NamedTuple):
    """What librdkafka says of a record."""

    number: int
    appended: int
    """Append time in milliseconds."""
    error: KafkaError | None


class ProducerThread:
    """Appends records to partitions of the topic."""

    def __init__(self, properties: ClientProperties) -> None:
        """Raise ConfigError when a property is invalid."""
        self._properties = properties
        self._topic = properties.address.topic
        self._waiting: dict[int, Sent] = {}
        self.waiting_bytes = 0
        """Of records that are not acknowledged."""
        self.acknowledged = 0
        """Records so far."""
        self.problem: str | None = None
        """Why a producer had to be replaced, until something is acknowledged again."""
        self.is_abandoned = False
        """Whether nothing is waited for any more."""
        self.replaced = 0
        """How often a producer had to be replaced."""
        self._next = 0
        self._reports: list[DeliveryReport] = []
        self._fatal: KafkaError | None = None
        self._closing = False
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._producer = self._new()
        self._thread = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)

    @property
    def waiting(self) -> int:
        """Records that are not acknowledged."""
        return len(self._waiting)

    @property
    def oldest(self) -> float:
        """For how many seconds the oldest of them has waited; 0 if there is none."""
        first = next(iter(self._waiting.values()), None)
        return time.monotonic() - first.since if first else 0.0

    def send(self, partition: int, value: bytes) -> asyncio.Future[int]:
        """
        Append a record; the result is its append time in milliseconds.

        There is no result before it is acknowledged, however long that takes. Raises Unavailable when the process
        stops: then nothing was appended. Raises ConfigError when the brokers refuse it.
        """
        if self.is_abandoned:
            raise Unavailable("the process stops")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread.start()
        sent = Sent(partition, value, self._loop.create_future(), time.monotonic())
        number = self._next
        self._produce(number, sent)
        self._next += 1
        self._waiting[number] = sent
        self.waiting_bytes += len(value)
        return sent.acknowledged

    def abandon(self) -> None:
        """Give up on what is not acknowledged, because the process stops: it may have been appended."""
        self.is_abandoned = True
        waiting, self._waiting = self._waiting, {}
        for sent in waiting.values():
            if not sent.acknowledged.done():
                sent.acknowledged.set_exception(
                    Unknown("the brokers had not acknowledged it when the node stopped: it may count")
                )
                # Its caller may have gone.
                sent.acknowledged.exception()
        self.waiting_bytes = 0

    async def close(self) -> None:
        """Stop the thread. What is not acknowledged is lost."""
        self.abandon()
        self._closing = True
        self._stop.set()
        if self._loop is not None:
            await asyncio.to_thread(self._thread.join)
        self._producer.purge()

    # What follows runs on the event loop.

    def _produce(self, number: int, sent: Sent) -> None:
        producer = self._producer

        def report(error: KafkaError | None, message: Message) -> None:
            # In the thread. Of a producer that was replaced, only what it did append counts.
            if producer is self._producer or error is None:
                self._reports.append(DeliveryReport(number, message.timestamp()[1], error))

        try:
            producer.produce(self._topic, sent.value, partition=sent.partition, on_delivery=report)
        except KafkaException as error:
            raise self._refused(error.args[0]) from error

    def _settle(self, reports: list[DeliveryReport]) -> None:
        for report in reports:
            error = report.error
            if error and (error.code() in GONE_BEFORE_SENT or error.fatal()):
                continue  # it stays among those that wait, and goes out again
            sent = self._waiting.pop(report.number, None)
            if sent is None:
                continue  # two producers have appended it
            self.waiting_bytes -= len(sent.value)
            if sent.acknowledged.done():
                continue
            if error:
                sent.acknowledged.set_exception(self._refused(error))
                sent.acknowledged.exception()
            else:
                self.acknowledged += 1
                self.problem = None
                sent.acknowledged.set_result(report.appended)

    def _replace(self, fatal: KafkaError) -> None:
        """Begin anew after a fatal error. Copies have the same id, so readers count them once."""
        if self._closing:
            return
        self.replaced += 1
        self.problem = str(self._refused(fatal))
        before, self._producer = self._producer, self._new()
        before.purge()
        for number, sent in self._waiting.items():
            self._produce(number, sent)

    def _refused(self, error: KafkaError) -> EdgetallyError:
        if error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            return ConfigError("journal.kind", f"this user may not append to topic {self._topic}: allow Write")
        return connection_problem(error, self._properties) or Unavailable(
            f"the brokers refuse a record: {self._properties.redact(error.str())}"
        )

    def _new(self) -> Producer:
        return new_producer(self._properties, self._failed)

    # What follows runs in the thread.

    def _failed(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error

    def _poll(self) -> None:
        assert self._loop
        while not self._closing:
            try:
                self._producer.poll(POLL_SECONDS)
            except KafkaException as error:
                # The binding raises fatal errors here, too.
                self._failed(error.args[0])
            if self._reports:
                reports, self._reports = self._reports, []
                self._tell(partial(self._settle, reports))
            if fatal := self._fatal:
                self._fatal = None
                self._tell(partial(self._replace, fatal))
                # A user that may not append would otherwise make one producer after the other.
                self._stop.wait(REPLACE_SECONDS)

    def _tell(self, call: Callable[[], object]) -> None:
        assert self._loop
        tell(self._loop, call)
