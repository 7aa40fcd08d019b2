"""
What a journal is: one ordered sequence of partials and seals.

    append(partial)  ──▶  │ partial │ partial │ seal 17 │ partial │ ...  ──▶  read(position)

Everything that a window shows comes out of here, so every reader of the same journal builds the same entries.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NamedTuple, Protocol

from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family


class Partial(NamedTuple):
    """A batch of tallies that was appended."""

    position: int
    """Where to read on after this."""
    partial: bytes


class Seal(NamedTuple):
    """Every second up to `second` is final."""

    position: int
    """Where to read on after this."""
    second: int


Fact = Partial | Seal

Marks = Mapping[str, str | None]
"""What to find again after a restart, by name; None: no longer."""


class Journal(Protocol):
    """Append partials and seals; read on from a position."""

    async def append(self, partial: bytes, marks: Marks | None = None) -> None:
        """
        Append a partial. It is durable when this returns.

        `marks` are what sources want to find again after a restart (how far a file was read), by name of the source.
        They become durable together with the partial, or not at all. An empty partial may come with marks.

        Raises Unavailable when it cannot be made durable now. Who is cancelled while waiting has appended all the same.
        """

    async def seal(self, second: int) -> None:
        """Append the fact that every second up to `second` is final, as `append` does."""

    def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield what stands after `position`, oldest first, and wait for more without end."""

    def forget(self, position: int, gone: int | None = None) -> None:
        """
        Nobody will read what stands up to `position` again: it may be removed.

        After that, entries of seconds up to `gone` can no longer be made whole.
        """

    def marks(self) -> Mapping[str, str]:
        """Return the last marks of every source."""

    @property
    def end(self) -> int:
        """Position of the newest fact that ever was; 0 if there never was one."""

    @property
    def sealed(self) -> Seal | None:
        """The newest seal, if there is one."""

    @property
    def gone(self) -> int:
        """Seconds up to this have entries that are not whole: facts of theirs were forgotten."""

    @property
    def outlives(self) -> bool:
        """Whether a restart finds again what is not forgotten."""

    @property
    def crowded(self) -> bool:
        """Whether room is running out, so that whatever can be forgotten should be."""

    @property
    def failing(self) -> str | None:
        """Why nothing can be appended at the moment; None when all is well."""

    @property
    def commits(self) -> int:
        """How often something was made durable on a disk."""

    @property
    def failures(self) -> int:
        """How often a commit failed."""

    @property
    def size(self) -> int:
        """Bytes of its file, about."""

    async def close(self) -> None:
        """Release what it holds. Appending after this is an error."""


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
