"""What a source is: blocks of bytes, many lines at once, and the defaults for what the lines do not say."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

READ = 1 << 20
"""Bytes that are read at once."""


Framing = Literal["lines", "arrays", "datagrams", "stream"]
"""How records are told apart; see `edgetally._core.Fold`."""


class Defaults(NamedTuple):
    """What holds for records that do not say otherwise, and what they may say."""

    service_id: str
    pop: str
    layout: str = "canonical"
    """How lines are written; see `edgetally._core.Fold`."""
    weight: int = 1
    """How many requests a line stands for."""
    services: Sequence[str] | None = None
    """The services that records may count for; None: any."""


class Block(NamedTuple):
    """Bytes from a source."""

    data: bytes
    end: bool = False
    """Nothing will continue the last line: the file was rotated, or the stream is over."""
    more: bool = False
    """More is at hand right now."""
    mark: Callable[[int], str] | None = None
    """What to remember once this is durable, given how many bytes of an unfinished line are not."""
