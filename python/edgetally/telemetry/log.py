"""
The log on stderr: one line per event, as text on a terminal and as JSON everywhere else.

Events are rate-limited, because a flood of them could fill the disk. What is suppressed is counted in one more event.
"""

import json
import logging
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Self, TextIO

from edgetally.escaping import escape
from edgetally.telemetry.events import Event, EventsSuppressed, LogLinesDropped, say
from edgetally.telemetry.log_writer import LogWriter
from edgetally.telemetry.systemd import is_systemd_journal

ALL_SOURCES = 10
"""An event may occur this many times as often from all sources together as from one."""

INDENT = "    "

PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)
"""Levels, and their priorities in syslog."""


class TextFormatter(logging.Formatter):
    """Lines for people. The lines of a traceback are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and those of the traceback."""
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%Y-%m-%dT%H:%M:%S%z")
        lines = [f"{moment} {record.levelname} {escape(record.getMessage())}"]
        if record.exc_info:
            lines += [f"{INDENT}{escape(line)}" for line in self.formatException(record.exc_info).split("\n")]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """Lines for machines: JSON objects in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": event_name(record),
            "message": escape(record.getMessage()),
        }
        if isinstance(record.msg, Event):
            fields |= record.msg.fields()
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class PriorityFormatter(logging.Formatter):
    """Lines for systemd's journal, which reads the priority from a prefix such as `<4>`."""

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines, each with the prefix."""
        priority = next(priority for level, priority in PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in self._lines.format(record).split("\n"))


def event_name(record: logging.LogRecord) -> str:
    """Return the name of an event; for a message of a library, the name of its logger."""
    return record.msg.name() if isinstance(record.msg, Event) else record.name


class Throttle(logging.Filter):
    """Limits how often each event of each source is logged within a second. CRITICAL is always logged."""

    def __init__(self, per_second: int) -> None:
        super().__init__()
        self._most = per_second
        self._second = 0
        self._logged: Counter[tuple[str, str]] = Counter()
        self._suppressed: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log `record`; if not, count it."""
        if (
            not self._most
            or record.levelno >= logging.CRITICAL
            or isinstance(record.msg, LogLinesDropped | EventsSuppressed)
        ):
            return True
        if int(record.created) != self._second:
            self._second = int(record.created)
            self._logged.clear()
        name, source = event_name(record), getattr(record.msg, "source", "")
        # A sender can appear as any number of sources, so all of them together have a limit too.
        if self._logged[name, source] >= self._most or self._logged[name, ""] >= self._most * ALL_SOURCES:
            self._suppressed[name] += 1
            return False
        self._logged.update({(name, source), (name, "")})
        return True

    def take_suppressed(self) -> list[EventsSuppressed]:
        """Return what was suppressed since the last call."""
        events = [EventsSuppressed(suppressed=name, count=count) for name, count in self._suppressed.items()]
        self._suppressed.clear()
        return events


class Log:
    """Logs everything to `stream` while it is used as a context manager."""

    def __init__(self, *, format: str, level: str, per_second: int, stream: TextIO | None = None) -> None:
        stream = stream or sys.stderr
        is_json = format == "json" or (format == "auto" and not stream.isatty())
        formatter = JsonFormatter() if is_json else TextFormatter()
        self._level = level.upper()
        self._level_before = logging.NOTSET
        self._throttle = Throttle(per_second)
        self._writer = LogWriter(stream.fileno())
        self._writer.setFormatter(PriorityFormatter(formatter) if is_systemd_journal(stream) else formatter)
        self._writer.addFilter(self._throttle)

    def __enter__(self) -> Self:
        """Start to log."""
        root = logging.getLogger()
        self._level_before = root.level
        root.setLevel(self._level)
        root.addHandler(self._writer)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, after the last lines are written."""
        self.sweep()
        root = logging.getLogger()
        root.removeHandler(self._writer)
        root.setLevel(self._level_before)
        self._writer.close()

    @property
    def dropped(self) -> int:
        """Lines dropped since `sweep` last reported them."""
        return self._writer.dropped

    def sweep(self) -> None:
        """Log what was suppressed or dropped; call this about once a second."""
        for event in self._throttle.take_suppressed():
            say(event)
        if self.dropped and not self._writer.is_full:
            lines, self._writer.dropped = self._writer.dropped, 0
            say(LogLinesDropped(lines=lines))
