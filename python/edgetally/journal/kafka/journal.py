"""
The journal in Kafka, which many nodes share.

    append ──▶ [outbox] ──▶ producer ──▶ topic ──▶ consumer ──▶ partitions ──▶ read

The partial and the checkpoint of a followed file wait in the outbox until the brokers have them. All else goes straight
to the producer: its senders repeat what was not acknowledged, under the same id, and readers count each id once.
"""

import asyncio
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgetally.clock import Clock
from edgetally.errors import Unavailable, Unknown
from edgetally.journal.base import Checkpoints
from edgetally.journal.kafka.consumer import ConsumerThread
from edgetally.journal.kafka.handover import tell
from edgetally.journal.kafka.log import KafkaLog
from edgetally.journal.kafka.naps import Naps
from edgetally.journal.kafka.outbox import Outbox, say_expired
from edgetally.journal.kafka.partition import KafkaPartition, SealWriter
from edgetally.journal.kafka.producer import ProducerThread
from edgetally.journal.kafka.properties import ClientProperties
from edgetally.journal.kafka.settlement import AppendAttempt, new_id, settle
from edgetally.journal.kafka.tail import has_same_terms
from edgetally.journal.kafka.terms import Terms
from edgetally.journal.kafka.watch import TopicWatch
from edgetally.journal.memory import store
from edgetally.telemetry.events import JournalFailing, JournalRecovered, say

INLINE_BYTES = 16 * 1024
"""A partial up to this size is split faster than it is handed to a thread."""

SILENT_SECONDS = 2.0
"""Without an acknowledgement for so long, nothing more is taken."""

STOP_SECONDS = 3.0
"""How long acknowledgements and searches are waited for when the process stops."""


class KafkaJournal:
    """As durable as the replicas of its topic."""

    is_shared = True

    def __init__(
        self,
        properties: ClientProperties,
        terms: Terms,
        clock: Clock,
        *,
        keep: int,
        needed: int,
        max_pending: int,
        directory: Path | None,
    ) -> None:
        """
        Look at the topic; raise ConfigError when it is wrong. Without a broker, it goes on looking.

        Args:
            properties: Of the clients.
            terms: Have to be the same at all nodes.
            clock: Of this node.
            keep: How many sealed seconds readers show.
            needed: How many seconds of log they need for that.
            max_pending: Bytes that may wait for acknowledgement.
            directory: Of the outbox; None if no files are followed.
        """
        self.address = str(properties.address)
        """Of the topic."""
        self.node = f"{socket.gethostname()[:100]}-{secrets.token_hex(4)}"
        """The name of this process in seals."""
        self.terms = terms
        """The same at all nodes."""
        self.id = f"kafka/{properties.address.topic}"
        """Names this sequence of facts."""
        self._clock = clock
        self._properties = properties
        self._has_agreed = False
        self._max_pending = max_pending
        self._watch = TopicWatch(properties, partitions=terms.partitions, needed=needed)
        self.producer = ProducerThread(properties)
        """Knows what waits for acknowledgement."""
        self.log = KafkaLog(properties, terms, self.producer, clock)
        """What is appended."""
        self.outbox = Outbox(directory, self.log, clock) if directory else None
        """Of followed files."""
        self.naps = Naps()
        """Notices when this process stood still."""
        self._expired = 0
        self._records: dict[str, str] = {}
        self._is_said = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_released = False
        self._running: set[asyncio.Task[None]] = set()
        writer = SealWriter(self.node, terms, clock, self.log.send)
        self.partitions: Sequence[KafkaPartition] = tuple(
            KafkaPartition(number, writer, start=self._read, release=self._release)
            for number in range(terms.partitions)
        )
        """All of the topic."""
        self._consumer = ConsumerThread(properties, terms, self.partitions, self._watch, keep=keep)

    def start(self) -> None:
        """Look after the brokers from now on, and send what the outbox has: it needs the event loop."""
        if self._loop is None:
            self._loop = loop = asyncio.get_running_loop()
            if self.outbox:
                self.outbox.resume()
            self._watch.start(lambda: tell(loop, self._say))
            self.naps.start()

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        """
        Append a partial; with the checkpoint of a file, as soon as the outbox has it.

        Idempotency records are kept in memory only: other nodes know a repeated push by its id. Raises Unavailable
        before anything is appended, and when the process stops before it is acknowledged. Raises Unknown if a push may
        count. What has no `push_id` would be appended again under another id: the part of it that may count is dropped.
        """
        self.start()
        if checkpoints and push_id is None and self.outbox:
            await self.outbox.append(partial, checkpoints)
            return
        if partial:
            if push_id and self.naps.is_waking:
                raise Unavailable("this node stood still: a push that waited here may count at another node")
            if problem := self.failing or self._full():
                raise Unavailable(problem)
            task = asyncio.create_task(self._append(partial, push_id))
            self._running.add(task)
            task.add_done_callback(self._ended)
            # A caller that is cancelled has appended all the same.
            await asyncio.shield(task)
        store(self._records, checkpoints)

    async def agrees(self) -> bool:
        """
        Whether the newest seal has these terms, or none can be read here. False: it is not known yet.

        Raises ConfigError when other nodes have other terms.
        """
        if not self._has_agreed and self._watch.usable.is_set() and not self._watch.closed:
            self._has_agreed = await asyncio.to_thread(has_same_terms, self._properties, self.terms, self._clock.now())
        return self._has_agreed

    def checkpoints(self) -> Mapping[str, str]:
        """Return the checkpoints of files."""
        return self.outbox.checkpoints() if self.outbox else self._records

    @property
    def failing(self) -> str | None:
        """Why nothing can be appended at the moment."""
        if self.outbox and self.outbox.failing:
            return self.outbox.failing
        if problem := self.producer.problem or self.log.problem:
            return problem
        if (oldest := self.producer.oldest) > SILENT_SECONDS:
            return f"the brokers have acknowledged nothing for {oldest:.0f} seconds"
        return self._watch.problem

    @property
    def commits(self) -> int:
        """Commits of the outbox."""
        return self.outbox.commits if self.outbox else 0

    @property
    def failures(self) -> int:
        """Commits of the outbox that failed."""
        return self.outbox.failures if self.outbox else 0

    @property
    def expired(self) -> int:
        """Records that were dropped because it can no longer be known whether they count."""
        return self._expired + (self.outbox.expired if self.outbox else 0)

    @property
    def size(self) -> int:
        """There is no file of its own."""
        return 0

    def release(self) -> None:
        """Wait for nothing without end any more: the process stops."""
        self._is_released = True
        if self.outbox:
            self.outbox.release()
        if self._loop:
            self._loop.call_later(STOP_SECONDS, self._abandon)

    async def close(self) -> None:
        """Stop the clients. What is not acknowledged by now may have been appended."""
        self._watch.close()
        self.naps.close()
        self.log.close()
        if self.outbox:
            await self.outbox.close()
        await asyncio.gather(self.producer.close(), self._consumer.close())
        await asyncio.gather(*self._running, return_exceptions=True)

    def _abandon(self) -> None:
        self.producer.abandon()
        self.log.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # A caller that was cancelled does not retrieve it.
            task.exception()

    def _read(self) -> None:
        self.start()
        self._consumer.start()

    def _release(self, size: int) -> None:
        self._consumer.release(size)

    def _full(self) -> str | None:
        # Without the size of what comes: a push that is larger than the limit would never be taken.
        waiting = self.producer.waiting_bytes
        return f"{waiting} bytes wait for the brokers (journal.max_pending)" if waiting > self._max_pending else None

    async def _append(self, partial: bytes, push_id: bytes | None) -> None:
        await self._deliver(partial, AppendAttempt(push_id or new_id(), int(self._clock.now())), push_id)

    async def _deliver(
        self, partial: bytes, attempt: AppendAttempt, push_id: bytes | None, only: int | None = None
    ) -> None:
        """
        Send an append until readers have counted it, in each partition or only one.

        Where it may count, a push raises Unknown, and all else is dropped.
        """
        if len(partial) <= INLINE_BYTES:
            envelopes = self.log.envelopes(partial, *attempt)
        else:
            envelopes = await asyncio.to_thread(self.log.envelopes, partial, *attempt)
        parts: dict[int, list[bytes]] = {}
        for number, envelope in envelopes:
            if only in (None, number):
                parts.setdefault(number, []).append(envelope)
        settling = (self._settle(partial, attempt, push_id, *one) for one in parts.items())
        # Each partition is settled, whatever becomes of the others.
        errors = [one for one in await asyncio.gather(*settling, return_exceptions=True) if one]
        if push_id and 0 < len(errors) < len(parts):
            raise Unknown("only a part of it was acknowledged: it may count") from errors[0]
        if errors:
            # A push that may count in one partition is not said to count in none.
            raise next((one for one in errors if isinstance(one, Unknown)), errors[0])

    async def _settle(
        self, partial: bytes, attempt: AppendAttempt, push_id: bytes | None, partition: int, envelopes: Sequence[bytes]
    ) -> None:
        """Send what one partition gets of an append, and do what its append time demands."""
        times = await asyncio.gather(*(self.log.send(partition, envelope) for envelope in envelopes))
        # Senders repeat a push at any node, under the same id: what is in the log by now does not end that.
        found = await settle(self.log, partition, attempt, times, searches=push_id is None)
        if found == "counts":
            return
        if found != "unknown":
            await self._deliver(partial, found, push_id, partition)
        elif push_id is None:
            age = int(self._clock.now()) - attempt.born
            self._expired += say_expired(self.log, partial, partition, path=self.address, age=age)
        else:
            raise Unknown("the brokers were away for too long: it may count if it was sent before; send it again")

    def _say(self) -> None:
        """Log it when appending becomes impossible, or possible again."""
        problem = self.failing
        if problem and not self._is_said:
            say(JournalFailing(path=self.address, problem=problem))
        elif self._is_said and not problem:
            say(JournalRecovered(path=self.address))
        self._is_said = problem is not None
