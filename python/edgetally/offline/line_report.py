"""What became of the lines that were folded."""

from collections import Counter
from typing import NamedTuple

from edgetally import _core
from edgetally.escaping import escape

MAX_REJECTIONS = 10
"""Rejected lines that are described. All are counted."""

SHOWN_BYTES = 120
"""Bytes of a rejected line in its text."""


class Rejection(NamedTuple):
    """
    A line that does not count. As text, it is one line for a terminal.

    Example:
        >>> import edgetally
        >>> (rejection,) = edgetally.fold(b'{"status":"never"}').rejections
        >>> rejection.line, rejection.reason, rejection.at
        (1, 'bad_status', 11)
    """

    input: str
    """The path of the file, or what the input is, for example `<bytes>`."""
    line: int
    """Number of the line in its input, from 1."""
    reason: str
    """Code of the reason; docs/record.md lists them."""
    sentence: str
    """The reason as a sentence."""
    at: int
    """The byte in the line, from 0, at which reading stopped."""
    sample: bytes
    """The start of the line, at most 1024 bytes."""

    def __str__(self) -> str:
        where = f"{escape(self.input)}:{self.line}"
        return f"{where}: {self.reason}: {self.sentence} (byte {self.at}): {escape(self.sample[:SHOWN_BYTES])}"


class LineReport:
    """What became of the lines so far. Blank lines are neither accepted nor rejected."""

    def __init__(self) -> None:
        self.accepted = 0
        """Lines that count."""
        self.rejected: Counter[str] = Counter()
        """Lines that do not count, by the code of their reason; `other_log` is not an error."""
        self.rejections: list[Rejection] = []
        """The first 10 lines that do not count because something is wrong with them."""
        self.without_time = 0
        """Accepted lines that say no time: they count in the second `now`."""
        self.unknown_cache_words: Counter[str] = Counter()
        """Accepted lines by their word for what the cache did, where that word is unknown: neither hit nor miss."""

    def add(self, report: _core.Report, name: str, lines_before: int = 0) -> None:
        """Add the report of some lines of an input, of which so many lines came before."""
        self.accepted += report.accepted
        self.rejected.update(dict(report.rejected))
        self.without_time += report.without_time
        self.unknown_cache_words.update(dict(report.unknown_cache_words))
        for one in report.rejections[: MAX_REJECTIONS - len(self.rejections)]:
            self.rejections.append(
                Rejection(name, lines_before + one.line, one.reason, one.sentence, one.at, one.sample)
            )
