"""
The cursor: where in the log of one partition a reader is, and what it makes of the next message.

A reader that begins in the middle of a log first only follows ids and seals, so that it knows copies. From `merge_from`
on it merges, as every other reader does.
"""

from typing import NamedTuple

from confluent_kafka import Message

from edgetally import _core
from edgetally.journal.base import Fact, Partial, Seal
from edgetally.journal.kafka.terms import Terms

MARGIN_SECONDS = 10
"""For clocks of nodes and brokers that differ."""


class Span(NamedTuple):
    """How far back a reader begins, in seconds."""

    merged: int
    followed: int
    """Before that."""

    @classmethod
    def of(cls, terms: Terms, *, keep: int, reader: _core.LogReader) -> "Span":
        """What it takes to show the last `keep` seconds."""
        merged = keep + terms.aggregate_delay + terms.ahead + MARGIN_SECONDS
        return cls(merged, reader.needed + MARGIN_SECONDS)


class SealRead(NamedTuple):
    """A seal that was read from the log, whether it changed anything or not."""

    position: int
    effective: int
    is_news: bool
    writer: str
    terms: bytes
    appended: float
    """In seconds."""


class MessageBatch(NamedTuple):
    """What some messages of one partition mean."""

    facts: list[Fact]
    seals: list[SealRead]
    position: int
    """Of the last message."""
    appended: float
    """Its append time in seconds."""
    complete_after: int | None
    """If merging begins in it."""
    copies: int
    refused: int
    foreign: int
    size: int
    """Bytes of its partials."""
    problem: str | None
    """Why nothing more can be read."""


class TooLate(Exception):
    """The reader began too late to know every copy: it has to begin this many seconds earlier."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class LogCursor:
    """Reads one partition from some place on."""

    def __init__(
        self, terms: Terms, *, is_beginning: bool, is_oldest: bool, merge_from: float, is_cut: bool = False
    ) -> None:
        """
        Start before the first message.

        Args:
            terms: Of the journal.
            is_beginning: Nothing was ever appended before the first message.
            is_oldest: The log has nothing older any more.
            merge_from: Append time from which on partials are merged, in seconds.
            is_cut: Just before the first message there may have been others: it only tells where they end.
        """
        self._terms = terms
        self._is_oldest = is_oldest
        self._merge_from = merge_from * 1000
        self._is_cut = is_cut
        self._reader = new_reader(terms, is_beginning=is_beginning)

    def read(self, messages: list[Message]) -> MessageBatch:
        """
        Read some messages.

        Raises TooLate when it has to begin earlier.
        """
        reader = self._reader
        facts: list[Fact] = []
        seals: list[SealRead] = []
        complete_after: int | None = None
        problem: str | None = None
        position = appended = copies = refused = foreign = size = 0
        for message in messages:
            offset = message.offset()
            assert offset is not None
            position, appended = offset + 1, message.timestamp()[1]
            if not reader.is_merging and appended >= self._merge_from and not self._is_cut:
                complete_after = self._start_merging()
                if reader.effective is not None:
                    # What was sealed before: rows of these seconds are late.
                    facts.append(Seal(offset, reader.effective))
            self._is_cut = False
            try:
                reading = reader.read(message.value() or b"", appended)
            except ValueError as error:
                problem = f"cannot read offset {offset}: {error}"
                break
            copies += reading.copies
            refused += reading.refused
            foreign += reading.is_foreign
            if reading.partial:
                facts.append(Partial(position, reading.partial))
                size += len(reading.partial)
            elif seal := reading.seal:
                seals.append(SealRead(position, seal.effective, seal.is_news, seal.writer, seal.terms, appended / 1000))
                if seal.is_news and reader.is_merging:
                    facts.append(Seal(position, seal.effective))
        return MessageBatch(
            facts, seals, position, appended / 1000, complete_after, copies, refused, foreign, size, problem
        )

    def _start_merging(self) -> int:
        if (missing := self._reader.missing) and not self._is_oldest:
            raise TooLate(missing + MARGIN_SECONDS)
        return self._reader.start_merging(self._terms.ahead)


def new_reader(terms: Terms, *, is_beginning: bool) -> _core.LogReader:
    """Return what decides in the core."""
    return _core.LogReader(horizon=terms.horizon, aggregate_delay=terms.aggregate_delay, is_beginning=is_beginning)
