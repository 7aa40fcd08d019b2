"""Explaining a log: what each of its lines is read as. Nothing is printed here."""

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Literal, NamedTuple

from edgetally import _core
from edgetally.errors import InputError, reason
from edgetally.model import OTHER_LOG, Defaults, Framing
from edgetally.offline.decompression import decompressed, is_plain
from edgetally.offline.entry import Entry
from edgetally.offline.line_report import LineReport, Rejection
from edgetally.offline.parallel_fold import FOREVER
from edgetally.snippets.detection import split

COMPRESSED_BLOCK = 1 << 16
"""Bytes of a compressed log that are read at once."""

UNTIMELY = ("too_old", "too_new")
"""The reasons of lines that would count at another time."""

MAX_LINE_BYTES = 1 << 20
"""More than any line that counts has."""

Transport = Literal["fold", "follow", "stdin", "push", "syslog"]

FRAMINGS: dict[Transport, Framing] = {
    "fold": "lines",
    "follow": "lines",
    "stdin": "lines",
    "push": "arrays",
    "syslog": "stream",
}
"""How records are separated, by transport."""


class TimeLimits(NamedTuple):
    """How many seconds a record may lie before and after now. None: any number."""

    max_lateness: int | None
    max_ahead: int | None


NO_LIMITS = TimeLimits(None, None)


class Explanation(NamedTuple):
    """What a line is read as. A blank line is read as nothing."""

    rejections: list[Rejection]
    """Why it does not count, if it does not; also of a record that has ended without its rest."""
    entries: list[Entry]
    """What it adds, if it counts; without datasets if none shows it."""
    is_other_log: bool
    """Whether it belongs to another log of the same server."""
    is_pending: bool
    """Whether it is a part of a record, which waits for the rest."""
    wrapper: str | None
    """What it is wrapped in."""
    time_field: str | None
    """The field that has its time."""
    has_wrapper_time: bool
    """Whether its time is that of the wrapper."""
    unknown_cache_words: list[str]
    """Its words for what the cache did that are unknown."""
    untimely: list[Rejection]
    """Why a server would reject it now, or records of it, though it counts: too old or too new."""
    records: "list[tuple[bytes, Explanation]]"
    """If it has several records: the text of each, and what it is read as."""


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


class Explainer:
    """Folds lines one by one as a transport would, so that what each adds is what the core makes of it."""

    def __init__(
        self,
        *,
        defaults: Defaults,
        now: int,
        transport: Transport = "follow",
        limits: TimeLimits = NO_LIMITS,
    ) -> None:
        """
        Begin with the first line of a log.

        Args:
            defaults: What holds for records that do not say otherwise.
            now: Unix time at which the lines would arrive.
            transport: How the lines would arrive.
            limits: How far from `now` a server lets records lie.
        """
        self._defaults = defaults
        self._now = now
        self._transport = transport
        self._limits = limits
        self._fold = self._new_fold()
        self._limited = self._new_fold(self._limits)
        fields = _core.format_fields(defaults.format)
        self._time_fields = [where for where, field in fields if field == "ts"] + ["ts"]
        # The end of a request, from which its start is computed.
        self._time_fields += [where for where, field in fields if not field and "time" in where.lower()]

    def explain(self, line: bytes, *, is_last: bool = False) -> Explanation:
        """
        Return what the next line is read as.

        Args:
            line: The line, with its newline if it has one.
            is_last: The log ends with it. A followed file never ends: more may be written to it.
        """
        fold, limited = self._fold, self._limited
        for one in (fold, limited):
            one.feed(line, self._now)
            if is_last and self._transport != "follow":
                one.finish(self._now)
        (partial, core_report), (limited_partial, limited_report) = (
            fold.drain_with_report(),
            limited.drain_with_report(),
        )
        untimely = [one for one in _rejections(limited_report) if one.reason in UNTIMELY]
        if not untimely:
            # It may count elsewhere: syslog's time is not believed outside the limits.
            partial, core_report = limited_partial, limited_report
        report = LineReport()
        report.add(core_report, "<line>")
        return Explanation(
            rejections=report.rejections,
            entries=_entries(partial),
            is_other_log=bool(report.rejected[OTHER_LOG]),
            is_pending=bool(fold.pending or fold.unfinished),
            wrapper=self._wrapper(line),
            time_field=None if core_report.without_time or core_report.with_wrapper_time else self._time_field(line),
            has_wrapper_time=bool(core_report.with_wrapper_time),
            unknown_cache_words=list(report.unknown_cache_words),
            untimely=untimely,
            records=self._records(line, report.accepted + report.rejected.total()),
        )

    def _new_fold(self, limits: TimeLimits = NO_LIMITS) -> _core.Fold:
        return _core.Fold(**self._defaults._asdict(), framing=FRAMINGS[self._transport], **limits._asdict())

    def _wrapper(self, line: bytes) -> str | None:
        """Return what this line by itself is wrapped in."""
        fold = self._new_fold()
        fold.feed(line, self._now)
        fold.finish(self._now)
        return fold.wrapper

    def _time_field(self, line: bytes) -> str:
        """Return the first field for the time that the line has."""
        present = (field for field in self._time_fields if b'"%b' % field.encode() in line.replace(b"\\", b""))
        return next(present, self._time_fields[0])

    def _records(self, line: bytes, count: int) -> list[tuple[bytes, Explanation]]:
        """Explain every record of a line that has `count` of them apart, if that is more than one."""
        records = split(line) if count > 1 else []
        if len(records) != count:
            return []  # some began in lines before, or are inside a string
        apart = Explainer(defaults=self._defaults, now=self._now, transport="fold", limits=self._limits)
        return [(record, apart.explain(record + b"\n")) for record in records]


def _rejections(report: _core.Report) -> list[Rejection]:
    found = LineReport()
    found.add(report, "<line>")
    return found.rejections


def _entries(partial: bytes) -> list[Entry]:
    window = _core.Window(domains=1_000, origins=1_000, addresses=1_000, pops=1_000, services=1_000)
    if partial:
        window.merge(partial)
    return [Entry(sealed) for sealed in window.seal(FOREVER)]
