"""What a source is: blocks of bytes, many lines at once, and the defaults for what the lines do not say."""

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol

from edgetally.model import Defaults, Framing

READ = 1 << 20
"""Bytes that are read at once."""


class Block(NamedTuple):
    """Bytes from a source."""

    data: bytes
    end: bool = False
    """Nothing will continue the last line: the file was rotated, or the stream is over."""
    more: bool = False
    """More is at hand right now."""
    checkpoint: Callable[[int], str] | None = None
    """Returns the checkpoint after this block, given the bytes of its last line, which has not ended yet."""


class Source(Protocol):
    """Where records come from."""

    @property
    def name(self) -> str:
        """Its name in logs and checkpoints."""

    @property
    def framing(self) -> Framing:
        """How records are separated."""

    @property
    def defaults(self) -> Defaults:
        """What holds for records that do not say otherwise."""

    def blocks(self, checkpoint: str | None) -> AsyncIterator[Block]:
        """Yield blocks, from the checkpoint on."""

    def note_progress(self, unfinished: int, accepted: int, rejected: int) -> None:
        """
        Take note of what became of the blocks so far. Called after each of them.

        The last line has `unfinished` bytes, and does not end yet. The others are lines committed since the last call.
        """
