"""Explaining a log: what each of its lines is read as. Nothing is printed here."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from edgetally import _core
from edgetally.model import Defaults
from edgetally.offline.entry import Entry
from edgetally.offline.line_report import LineReport, Rejection
from edgetally.offline.parallel_fold import FOREVER
from edgetally.sources.compression import Identity, by_magic

COMPRESSED_BLOCK = 1 << 16
"""Bytes of a compressed log that are read at once."""


class Explanation(NamedTuple):
    """What a line is read as."""

    rejection: Rejection | None
    """Why it does not count, if it does not."""
    entry: Entry | None
    """What it adds, if it counts; without datasets if none shows it. A blank line has neither rejection nor entry."""
    unknown_cache_words: list[str]
    """Its words for what the cache did that are unknown."""


def lines_of(log: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a log, decompressed if it is compressed. Reads no further than it has to."""
    data = log.readline()
    decoder = by_magic(data)
    if isinstance(decoder, Identity):
        while data:
            yield data
            data = log.readline()
    unfinished = b""
    while data:
        for piece in decoder.feed(data):
            *lines, unfinished = (unfinished + piece).split(b"\n")
            yield from (line + b"\n" for line in lines)
        data = log.read(COMPRESSED_BLOCK)
    if unfinished:
        yield unfinished


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
