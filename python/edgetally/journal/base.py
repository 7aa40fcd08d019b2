"""
A journal has partitions, and a partition is one ordered sequence of partials and seals.

    append(partial)  ──▶  │ partial │ partial │ seal 17 │ partial │ ...  ──▶  read(position)

Everything that a window shows is read from here, so every reader of the same journal builds the same entries. A journal
of one process is its own only partition.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family


class Partial(msgspec.Struct, frozen=True):
    """A batch of rows that was appended."""

    position: int
    """Reading continues after this."""
    partial: bytes


class Seal(msgspec.Struct, frozen=True):
    """Every second up to `second` is final."""

    position: int
    """Reading continues after this."""
    second: int


class Gap(msgspec.Struct, frozen=True):
    """Facts before it may be missing. What was merged does not count any more: reading begins anew."""

    position: int
    """Reading continues after this."""


Fact = Partial | Seal | Gap

Checkpoints = Mapping[str, str | None]
"""Checkpoints and idempotency records by name, in any text form. None removes one."""


class Partition(Protocol):
    """One ordered sequence of partials and seals, which has all facts of the services in it."""

    async def opened(self) -> None:
        """Return once it is known which facts there are already: then `end` is the position of the newest."""

    async def append(self, partial: bytes) -> None:
        """
        Append rows that the window itself has made: reservations.

        Raises Unavailable when they cannot be made durable now.
        """

    async def seal(self, second: int) -> None:
        """Append the fact that every second up to `second` is final, as `append` does."""

    def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield the facts after `position`, oldest first, and wait for more without end."""

    def forget(self, position: int, complete_after: int | None = None) -> None:
        """
        Allow the removal of the facts up to `position`.

        Seconds up to `complete_after` have lost a part of their rows by that, for the next process; None: as before.
        """

    def start_over(self, position: int) -> None:
        """Let a new journal, with an id of its own, begin behind `position`: the clock was set back."""

    @property
    def is_writer(self) -> bool:
        """Whether this process appends the reservations: of those that share a partition, one is enough."""

    @property
    def end(self) -> int:
        """Position of the newest fact ever appended; 0 before the first."""

    @property
    def newest_seal(self) -> Seal | None:
        """The newest seal, if there is one."""

    @property
    def complete_after(self) -> int:
        """Seconds after this had all of their rows when this process began to read."""

    @property
    def problem(self) -> str:
        """Why its newest facts cannot be read; empty if they can."""

    @property
    def is_persistent(self) -> bool:
        """Whether the next process finds the facts that are not forgotten."""

    @property
    def is_nearly_full(self) -> bool:
        """Whether space is running out, so that every fact that can be forgotten should be."""


class Journal(Protocol):
    """Append partials and checkpoints; read on in each of its partitions."""

    async def append(
        self, partial: bytes, checkpoints: Checkpoints | None = None, *, push_id: bytes | None = None
    ) -> None:
        """
        Append a partial. It is durable when this returns.

        The checkpoints become durable together with the partial, or not at all. The partial may be empty if there are
        any: then it is no fact. In a shared journal, partials with the same `push_id` count once.

        Raises Unavailable when it cannot be made durable now; with a `push_id`, Unknown when it may count nevertheless.
        A caller that is cancelled has appended all the same.
        """

    def checkpoints(self) -> Mapping[str, str]:
        """Return the last checkpoint, or idempotency record, of every name. It is kept up to date."""

    @property
    def id(self) -> str:
        """Which sequence of facts this is. One that begins anew has another id."""

    @property
    def partitions(self) -> Sequence[Partition]:
        """Where the facts are: those of a service always in the same partition."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes append to it, too."""

    @property
    def failing(self) -> str | None:
        """Why nothing can be appended at the moment; None if it can."""

    @property
    def commits(self) -> int:
        """How many commits were made durable on a disk."""

    @property
    def failures(self) -> int:
        """How many commits failed."""

    @property
    def size(self) -> int:
        """About how many bytes its file has."""

    def release(self) -> None:
        """The process stops: from now on, wait for other processes a few seconds at most."""

    async def close(self) -> None:
        """Release the file. Appending after this is an error."""


class JournalCollector:
    """The metrics of any journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.JOURNAL_FAILING.sample(int(self._journal.failing is not None))
        yield metrics.COMMIT_FAILURES.sample(self._journal.failures)
        yield metrics.COMMITS.sample(self._journal.commits)
        yield metrics.JOURNAL_SIZE.sample(self._journal.size)
