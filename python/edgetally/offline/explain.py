"""Explaining a log: what each of its lines is read as. Nothing is printed here."""

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple

from edgetally import _core
from edgetally.errors import InputError, reason
from edgetally.model import Defaults
from edgetally.offline.decompression import decompressed, is_plain
from edgetally.offline.entry import Entry
from edgetally.offline.line_report import LineReport, Rejection
from edgetally.offline.parallel_fold import FOREVER

COMPRESSED_BLOCK = 1 << 16
"""Bytes of a compressed log that are read at once."""

MAX_LINE_BYTES = 1 << 20
"""More than any line that counts has."""


class Explanation(NamedTuple):
    """What a line is read as."""

    rejection: Rejection | None
    """Why it does not count, if it does not."""
    entry: Entry | None
    """What it adds, if it counts; without datasets if none shows it. A blank line has neither rejection nor entry."""
    unknown_cache_words: list[str]
    """Its words for what the cache did that are unknown."""


def lines_of(log: BinaryIO, name: str) -> Iterator[bytes]:
    """
    Yield the lines of a log, decompressed if it is compressed. Reads no further than it has to.

    Raises:
        InputError: It is damaged, cannot be read, or is not made of lines. The lines before the damage were yielded.
    """
    try:
        data = _line(log)
        if is_plain(data, name):
            while data:
                yield data
                data = _line(log)
            return
        blocks = chain([data], iter(lambda: log.read(COMPRESSED_BLOCK), b""))
        unfinished, problem = b"", None
        try:
            for piece in decompressed(blocks, name):
                *lines, unfinished = (unfinished + piece).split(b"\n")
                yield from (line + b"\n" for line in lines)
        except InputError as error:
            problem = error
        if unfinished:
            yield unfinished
        if problem:
            raise InputError(f"{name}: {problem}") from problem
    except OSError as error:
        raise InputError(f"{name}: {reason(error)}") from error


def _line(log: BinaryIO) -> bytes:
    """Read a line. Of one that is too long to count, only the start is returned."""
    line = rest = log.readline(MAX_LINE_BYTES)
    while rest and not rest.endswith(b"\n"):
        rest = log.readline(MAX_LINE_BYTES)
    return line


def explain(line: bytes, *, defaults: Defaults, now: int) -> Explanation:
    """
    Fold one line on its own, so that what it adds is what the core makes of it.

    Args:
        line: The line, with or without its newline; a syslog header may precede the record.
        defaults: What holds for records that do not say otherwise.
        now: Unix time of a record that has none.
    """
    fold = _core.Fold(**defaults._asdict(), framing="datagrams")
    fold.feed(line, now)
    fold.finish(now)
    report = LineReport()
    report.add(fold.report(), "<line>")
    window = _core.Window(domains=1, origins=1_000, addresses=1_000, pops=1, services=1)
    if partial := fold.drain():
        window.merge(partial)
    entries = [Entry(sealed) for sealed in window.seal(FOREVER)]
    return Explanation(
        report.rejections[0] if report.rejections else None,
        entries[0] if entries else None,
        list(report.unknown_cache_words),
    )


def detect(lines: list[bytes]) -> str | None:
    """Return the format that finds the most fields in these lines; None if none finds any."""
    return _core.detect_format(b"".join(lines))
