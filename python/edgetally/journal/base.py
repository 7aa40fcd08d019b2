"""
What a journal is: one ordered sequence of partials and seals.

    append(partial)  ──▶  │ partial │ partial │ seal 17 │ partial │ ...  ──▶  read(position)

Everything that a window shows comes out of here, so every reader of the same journal builds the same entries.
"""

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol


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


class Journal(Protocol):
    """Append partials and seals; read on from a position."""

    async def append(self, partial: bytes, marks: Mapping[str, str] | None = None) -> None:
        """
        Append a partial. It is durable when this returns.

        `marks` are what sources want to find again after a restart (how far a file was read), by name of the source.
        They become durable together with the partial, or not at all. An empty partial may come with marks.
        """

    async def seal(self, second: int) -> None:
        """Append the fact that every second up to `second` is final. It is durable when this returns."""

    def read(self, position: int = 0) -> AsyncIterator[Fact]:
        """Yield what stands after `position`, oldest first, and wait for more without end."""

    def forget(self, position: int) -> None:
        """Nobody will read what stands up to `position` again: it may be removed."""

    def marks(self) -> Mapping[str, str]:
        """Return the last marks of every source."""

    async def close(self) -> None:
        """Release what it holds. Appending after this is an error."""
