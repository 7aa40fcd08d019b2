"""
The consumer: one thread reads all partitions, and hands over what they mean to the event loop.

No group is joined. Every reader assigns itself all partitions, and finds its beginning by time.
"""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from edgetally.journal.kafka.clients import new_consumer
from edgetally.journal.kafka.cursor import LogCursor, MessageBatch, Span, TooLate, new_reader
from edgetally.journal.kafka.handover import tell
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.terms import Terms
from edgetally.journal.kafka.watch import TopicWatch

POLL_SECONDS = 0.1
MESSAGES = 500
"""Most messages that are taken at once."""

ANSWER_SECONDS = 2.0
"""How long brokers may take to say which offsets there are."""

RETRY_SECONDS = 0.5

HELD_BYTES = 64 << 20
"""Partials that are read and not merged yet. Beyond this, reading pauses."""

LOST = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION)  # noqa: SLF001 - their names
"""Errors of a consumer whose next message was deleted or truncated."""


class Taker(Protocol):
    """Takes what one partition says, on the event loop."""

    def begin(self, position: int, end: int, lost: str | None) -> None:
        """
        Reading begins after `position`; `end` is that of the newest message.

        `lost` says why what was read before does not count any more; None if nothing was read.
        """

    def take(self, batch: MessageBatch) -> None:
        """Some messages were read."""

    def stop(self, problem: str) -> None:
        """Nothing more can be read."""


class ConsumerThread:
    """Reads all partitions."""

    def __init__(
        self, properties: ClientProperties, terms: Terms, takers: Sequence[Taker], watch: TopicWatch, *, keep: int
    ) -> None:
        """Raise ConfigError when a property is invalid. Nothing is read before `start`."""
        self._properties = properties
        self._topic = properties.address.topic
        self._terms = terms
        self._takers = takers
        self._watch = watch
        self._span = Span.of(terms, keep=keep, reader=new_reader(terms, is_beginning=True))
        self._cursors: dict[int, LogCursor] = {}
        self._next: dict[int, int] = {}
        """Offsets to read next, by partition."""
        self._followed: dict[int, int] = {}
        """How many seconds before `merged` each began."""
        self._held = 0
        self._room = threading.Event()
        self._room.set()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="kafka-consumer", daemon=True)
        self._consumer = new_consumer(properties)

    def start(self) -> None:
        """Begin to read, unless it has begun."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread.start()

    def release(self, size: int) -> None:
        """Note that partials of this size were merged."""
        self._held -= size
        if self._held <= HELD_BYTES:
            self._room.set()

    async def close(self) -> None:
        """Stop the thread."""
        self._closing = True
        self._room.set()
        if self._loop is not None:
            await asyncio.to_thread(self._thread.join)
        self._consumer.close()

    # What follows runs in the thread.

    def _run(self) -> None:
        self._watch.usable.wait()
        pending: dict[int, str | None] = dict.fromkeys(range(len(self._takers)))
        while not self._closing:
            if pending and not self._begin(pending):
                time.sleep(RETRY_SECONDS)
                continue
            pending = {}
            if not self._room.wait(POLL_SECONDS):
                continue
            first = self._consumer.poll(POLL_SECONDS)
            if first is not None:
                pending = self._take([first, *self._consumer.consume(MESSAGES, 0)])

    def _begin(self, pending: Mapping[int, str | None]) -> bool:
        """Find where to begin in these partitions; return whether it was found."""
        now = time.time()
        try:
            asked = []
            for number in pending:
                followed = self._followed.setdefault(number, self._span.followed)
                start = int((now - self._span.merged - followed) * 1000)
                asked.append(TopicPartition(self._topic, number, start))
            found = self._consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS)
            begins = [(one.partition, one.offset, *self._watermarks(one.partition)) for one in found]
        except KafkaException:
            return False
        for number, offset, low, high in begins:
            # There is nothing since then.
            first = high if offset < 0 else max(offset, low)
            if first == high > low:
                first = low
            self._cursors[number] = LogCursor(
                self._terms,
                is_beginning=first == 0,
                is_oldest=first == low,
                merge_from=now - self._span.merged,
                is_cut=self._watch.limits_bytes and 0 < first == low < high,
            )
            self._next[number] = first
            self._tell(partial(self._takers[number].begin, first, high, pending[number]))
        self._assign()
        return True

    def _watermarks(self, number: int) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, number), timeout=ANSWER_SECONDS)
        return low, high

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, number, offset) for number, offset in self._next.items()])

    def _take(self, messages: Sequence[Message]) -> dict[int, str | None]:
        """Take what was read; return the partitions that have to begin anew, and why."""
        by_partition: defaultdict[int, list[Message]] = defaultdict(list)
        pending: dict[int, str | None] = {}
        for message in messages:
            number = message.partition()
            assert number is not None
            error = message.error()
            if error is None:
                by_partition[number].append(message)
            elif error.code() in LOST:
                pending[number] = f"what follows offset {self._next[number]} is not there any more: {error.str()}"
                self._followed.pop(number, None)
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                self._stop(number, f"this user may not read topic {self._topic}: allow Read")
            # All other errors pass: librdkafka goes on by itself.
        for number, those in by_partition.items():
            if number not in pending and number in self._next and not self._read(number, those):
                pending[number] = None
        return pending

    def _read(self, number: int, messages: list[Message]) -> bool:
        """Read messages of one partition; return False if it has to begin earlier."""
        # Messages that were fetched before a new assignment are out of place.
        expected = self._next[number]
        messages = [one for one in messages if (one.offset() or 0) >= expected]
        if not messages:
            return True
        try:
            batch = self._cursors[number].read(messages)
        except TooLate as late:
            self._followed[number] += max(late.seconds, self._followed[number])
            return False
        self._next[number] = max(batch.position, expected)
        self._tell(partial(self._hand_over, number, batch))
        if batch.problem:
            self._stop(number, batch.problem)
        return True

    def _stop(self, number: int, problem: str) -> None:
        """Read this partition no more."""
        if self._next.pop(number, None) is not None:
            self._assign()
            self._tell(partial(self._takers[number].stop, problem))

    def _tell(self, call: Callable[[], object]) -> None:
        assert self._loop
        tell(self._loop, call)

    # What follows runs on the event loop.

    def _hand_over(self, number: int, batch: MessageBatch) -> None:
        self._held += batch.size
        if self._held > HELD_BYTES:
            self._room.clear()
        self._takers[number].take(batch)
