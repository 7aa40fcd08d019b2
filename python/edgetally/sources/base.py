"""What a source is: blocks of bytes, many lines at once, and the defaults for what the lines do not say."""

from collections.abc import Callable
from typing import NamedTuple

READ = 1 << 20
"""Bytes that are read at once."""


class Block(NamedTuple):
    """Bytes from a source."""

    data: bytes
    end: bool = False
    """Nothing will continue the last line: the file was rotated, or the stream is over."""
    more: bool = False
    """More is at hand right now."""
    mark: Callable[[int], str] | None = None
    """What to remember once this is durable, given how many bytes of an unfinished line are not."""
