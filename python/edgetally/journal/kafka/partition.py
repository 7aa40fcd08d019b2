"""One partition of the topic: the facts that were read and are not merged yet, and the seals that this node writes."""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from edgetally import _core
from edgetally.clock import Clock, sleep_until
from edgetally.errors import EdgetallyError
from edgetally.journal.base import Fact, Gap, Partial, Seal
from edgetally.journal.kafka.cursor import MessageBatch, SealRead
from edgetally.journal.kafka.terms import FOREIGN_SECONDS, Terms, other_terms
from edgetally.telemetry.events import PartitionReadAnew, say

OUTAGE_SECONDS = 1.8
"""Without a seal for so long, the brokers were away, and records wait at many nodes. A takeover takes less."""

DRAIN_SECONDS = 1.0
"""In which these are appended after an outage, before their seconds are sealed."""

TAKEOVER_SECONDS = 0.3
TAKEOVER_SPREAD = 0.2
"""A seal that is missing for so long is written by another node; the spread is each node's own."""


class SealWriter(NamedTuple):
    """How this node writes seals."""

    node: str
    """Its name in the log, which no other process has."""
    terms: Terms
    clock: Clock
    send: Callable[[int, bytes], Awaitable[int]]
    """Appends an envelope to a partition, however long it takes; the result is its append time in milliseconds."""


class KafkaPartition:
    """One ordered sequence of partials and seals, shared by all nodes."""

    is_persistent = False
    """The log keeps everything: `forget` only frees memory, so a reader forgets each fact that it has merged."""
    is_nearly_full = False

    def __init__(
        self, number: int, writer: SealWriter, *, start: Callable[[], None], release: Callable[[int], None]
    ) -> None:
        """`start` begins to read; `release` takes the size of facts that are forgotten."""
        self.number = number
        self.end = 0
        """Position of the newest message that is known of."""
        self.newest_seal: Seal | None = None
        """The newest effective seal."""
        self.complete_after = 0
        """Seconds after this have all of their rows."""
        self.copies = 0
        """Copies of partials that were dropped."""
        self.refused = 0
        """Partials that were refused, because they were appended too late."""
        self.foreign = 0
        """Messages that are not of Edgetally."""
        self.seals_written = 0
        self.writer_changes = 0
        """How often another node than before wrote the newest seal."""
        self.position = 0
        """Of the last message that was read."""
        self.appended = 0.0
        """Append time of that message, in seconds."""
        self.newest_writer = ""
        """The node that wrote the newest effective seal."""
        self._writer = writer
        self._terms = writer.terms.digest
        self._start = start
        self._release = release
        self._facts: deque[Fact] = deque()
        self._first = 0
        """How many facts were dropped before those."""
        self._read = 0
        """How many facts some reader has had."""
        self._gap: Gap | None = None
        """To be read before the facts that follow it."""
        self._news = asyncio.Event()
        self._opened = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._catch_up_to = 0
        self._last_seal = 0.0
        """When the last seal was read, by the own clock."""
        self._resumed = 0.0
        """When the first one after an outage was."""
        self._foreign_until = 0.0
        self._failure: EdgetallyError | None = None
        self._stopped = ""
        self._takeover = TAKEOVER_SECONDS + random.random() * TAKEOVER_SPREAD  # noqa: S311 - only to differ

    @property
    def problem(self) -> str:
        """Why its newest seconds are not shown; empty if they are."""
        if self._stopped:
            return f"partition {self.number}: {self._stopped}"
        if not self._caught_up.is_set():
            return f"partition {self.number}: reading the log, {self.position} of {self._catch_up_to}"
        return ""

    async def opened(self) -> None:
        """Return once it is known where the log ends."""
        self._start()
        await self._opened.wait()

    async def caught_up(self) -> None:
        """Return once everything is read that was there when reading began."""
        self._start()
        await self._caught_up.wait()

    @property
    def is_writer(self) -> bool:
        """Whether this node writes the next seal at once: it wrote the newest one, or there is none."""
        return self.newest_writer in ("", self._writer.node)

    async def append(self, partial: bytes) -> None:
        """Append reservations."""
        writer = self._writer
        envelopes = _core.envelopes(
            [(secrets.token_bytes(16), partial)],
            born=int(writer.clock.now()),
            attempt=secrets.randbits(64),
            partitions=writer.terms.partitions,
        )
        await asyncio.gather(*(writer.send(number, envelope) for number, envelope in envelopes))

    async def seal(self, second: int) -> None:
        """
        Have every second up to `second` sealed, by whichever node: the writer of the newest seal writes the next one.

        Never raises Unavailable. After an outage the newest seal is written once more, and the next one a second later:
        records that waited at other nodes are appended within that second, and are in time.
        """
        self._start()
        await self._caught_up.wait()
        while self._stopped:
            # It does not know what it would seal.
            await self._news.wait()
        clock = self._writer.clock
        if self._covers(second):
            return
        if not self.is_writer:
            await self._others(second)
        while self._foreign_until > clock.now():
            await sleep_until(clock, self._foreign_until)
        if self._covers(second):
            return
        if self.newest_seal and clock.now() - self._last_seal > OUTAGE_SECONDS:
            await self._write(self.newest_seal.second)
            self._resumed = clock.now()
        if self._resumed + DRAIN_SECONDS > clock.now():
            await sleep_until(clock, self._resumed + DRAIN_SECONDS)
            second = max(second, int(clock.now()) - self._writer.terms.aggregate_delay)
        if not self._covers(second):
            await self._write(second)

    async def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield the facts after `position`, and wait for more; raise ConfigError when other nodes have other terms."""
        self._start()
        at = self._first + sum(fact.position <= position for fact in self._facts)
        while True:
            if self._failure:
                raise self._failure
            news = self._news
            at = max(at, self._first)
            while at < self._first + len(self._facts):
                fact = self._facts[at - self._first]
                self._read = max(self._read, at + 1)
                if isinstance(fact, Gap):
                    position = 0
                if isinstance(fact, Gap) or fact.position > position:
                    yield fact
                at = max(at + 1, self._first)
            # Returns at once if a fact was read meanwhile.
            await news.wait()

    def forget(self, position: int, complete_after: int | None = None) -> None:  # noqa: ARG002 - as a journal does
        """Drop the facts up to `position` from memory. The log keeps them."""
        # Positions begin anew behind a gap, so a gap stays until it was read.
        self._drop(lambda at, fact: fact.position <= position and (at < self._read or not isinstance(fact, Gap)))

    def start_over(self, position: int) -> None:
        """Drop the facts up to `position` from memory. Time is that of the brokers, which no clock here sets back."""
        self.forget(position)

    # The consumer calls what follows, on the event loop.

    def begin(self, position: int, end: int, lost: str | None) -> None:
        """Note where reading begins and where the log ends; forget all that was `lost`, if reading begins anew."""
        if lost is not None:
            say(PartitionReadAnew(partition=self.number, problem=lost, position=position))
            self._drop(lambda *_: True)
            self.newest_seal, self.newest_writer = None, ""
            self._gap = Gap(position)
        self.position = position
        self.end = max(self.end, end)
        self._catch_up_to = end
        self._caught_up.clear()
        self._opened.set()
        self._check_caught_up()
        self._wake()

    def take(self, batch: MessageBatch) -> None:
        """Take what was read."""
        self.position, self.appended = batch.position, batch.appended
        self.end = max(self.end, batch.position)
        self.copies += batch.copies
        self.refused += batch.refused
        self.foreign += batch.foreign
        if batch.complete_after is not None:
            self.complete_after = batch.complete_after
        for seal in batch.seals:
            self._note(seal)
        if batch.facts and self._gap:
            # Not before `complete_after` is known.
            self._facts.append(self._gap)
            self._gap = None
        self._facts += batch.facts
        self._check_caught_up()
        self._wake()

    def stop(self, problem: str) -> None:
        """Note that nothing more can be read."""
        self._stopped = problem
        self._wake()

    def fail(self, error: EdgetallyError) -> None:
        """Raise an error where this is read."""
        self._failure = error
        self._wake()

    # What follows decides on seals.

    def _covers(self, second: int) -> bool:
        return self.newest_seal is not None and self.newest_seal.second >= second

    async def _others(self, second: int) -> None:
        """Wait until another node has sealed this second, or has not in time."""
        try:
            async with asyncio.timeout(self._takeover):
                while not self._covers(second):
                    await self._news.wait()
        except TimeoutError:
            pass

    async def _write(self, second: int) -> None:
        writer = self._writer
        await writer.send(self.number, _core.seal_envelope(second, writer=writer.node, terms=self._terms))
        self.seals_written += 1

    def _note(self, seal: SealRead) -> None:
        now = self._writer.clock.now()
        read = now if self._caught_up.is_set() else min(now, seal.appended)
        if self._last_seal and read - self._last_seal > OUTAGE_SECONDS:
            self._resumed = read
        self._last_seal = max(self._last_seal, read)
        if not seal.is_news:
            return
        self.newest_seal = Seal(seal.position, seal.effective)
        self.writer_changes += seal.writer != self.newest_writer
        self.newest_writer = seal.writer
        if seal.terms == self._terms:
            self._foreign_until = 0.0
            return
        self._foreign_until = read + FOREIGN_SECONDS
        if not self._caught_up.is_set() and self._foreign_until > now:
            self._failure = other_terms(seal.writer)

    def _drop(self, condition: Callable[[int, Fact], bool]) -> None:
        """Drop the first facts while a condition holds, given how many there were before."""
        released = 0
        while self._facts and condition(self._first, self._facts[0]):
            fact = self._facts.popleft()
            self._first += 1
            released += len(fact.partial) if isinstance(fact, Partial) else 0
        if released:
            self._release(released)

    def _check_caught_up(self) -> None:
        if self.position >= self._catch_up_to:
            self._caught_up.set()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
