"""What a source is: blocks of bytes, many lines at once, and the defaults for what the lines do not say."""

import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from edgetally.model import Defaults, Framing

READ_BYTES = 1 << 20
"""Most bytes that are read at once."""

ESCAPED_BYTE = rb"\\x([89a-f][0-9a-f])"
"""A byte of a path that is no UTF-8, as text."""


Changes = Mapping[str, str | None]
"""Checkpoints by name; None removes one."""


class Block(NamedTuple):
    """Bytes from a source, usually many lines."""

    data: bytes
    end: bool = False
    """The last line ends here, with a newline or not: the file was rotated, or the stream has ended."""
    more: bool = False
    """The next block is there already."""
    checkpoints: Changes | Callable[[bytes], Changes] | None = None
    """
    What the journal keeps once the block is durable. Such a block ends with a line.

    May be a function of the parts of records whose end has not come, which only the fold holds once this block is read.
    """
    resume: bytes | None = None
    """Parts of records that come before this block, instead of those that the fold holds."""


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

    def blocks(self) -> AsyncIterator[Block]:
        """Yield blocks, until the source ends."""

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        """
        Take note of what became of the blocks so far. Called after each of them.

        The last line that has ended is number `line`. Of the next one, `unfinished` bytes are kept. The others are
        lines committed since the last call: those that count or belong to other logs, and those that do not count
        because something is wrong with them.
        """


def path_text(path: Path) -> str:
    """Return a path as text that the log, the metrics and the journal can have, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def path_from(text: str) -> Path:
    """Return the path of a text that `path_text` returned."""
    return Path(os.fsdecode(re.sub(ESCAPED_BYTE, lambda byte: bytes.fromhex(byte[1].decode()), text.encode())))
