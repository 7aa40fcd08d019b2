"""
The log: a line per event on stderr, for people on a terminal and as JSON everywhere else.

Whatever comes in a flood is logged so many times in a second, and then summed up: a log that fills the disk is one
more thing that goes wrong. CRITICAL is always said.
"""

import json
import logging
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Self, TextIO

from edgetally.telemetry.events import Event, EventsSuppressed, LogLinesDropped, escaped, say
from edgetally.telemetry.log_writer import Lines

OVERALL = 10
"""All sources together may say so many times as much as one."""

INDENT = "    "

PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)
"""Those of syslog."""


class Text(logging.Formatter):
    """A line for people. Lines that begin with blanks belong to the one above: where an error came from."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%Y-%m-%dT%H:%M:%S%z")
        lines = [f"{moment} {record.levelname} {escaped(record.getMessage())}"]
        if record.exc_info:
            lines += [f"{INDENT}{escaped(line)}" for line in self.formatException(record.exc_info).split("\n")]
        return "\n".join(lines)


class Prioritised(logging.Formatter):
    """Lines of another form for systemd's journal, which takes `<4>` from their begin and finds them by it."""

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        priority = next(priority for level, priority in PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in self._form.format(record).split("\n"))


class Json(logging.Formatter):
    """A line for machines: one JSON object, of ASCII alone."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": name_of(record),
            "message": escaped(record.getMessage()),
        }
        if isinstance(record.msg, Event):
            said |= record.msg.fields()
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


def name_of(record: logging.LogRecord) -> str:
    """Return the name of an event; what libraries say is called by the name of their logger."""
    return record.msg.name() if isinstance(record.msg, Event) else record.name


class Throttle(logging.Filter):
    """Lets so many of each event and source through in a second, and counts the others."""

    def __init__(self, per_second: int) -> None:
        super().__init__()
        self._most = per_second
        self._second = 0
        self._seen: Counter[tuple[str, str]] = Counter()
        self._unsaid: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether `record` is to be logged."""
        if (
            not self._most
            or record.levelno >= logging.CRITICAL
            or isinstance(record.msg, LogLinesDropped | EventsSuppressed)
        ):
            return True
        if int(record.created) != self._second:
            self._second = int(record.created)
            self._seen.clear()
        name, source = name_of(record), getattr(record.msg, "source", "")
        # Sources can be made up, so all of them together have a limit too.
        if self._seen[name, source] >= self._most or self._seen[name, ""] >= self._most * OVERALL:
            self._unsaid[name] += 1
            return False
        self._seen.update({(name, source), (name, "")})
        return True

    def unsaid(self) -> list[EventsSuppressed]:
        """Take the counts of what was not let through."""
        found = [EventsSuppressed(suppressed=name, count=count) for name, count in self._unsaid.items()]
        self._unsaid.clear()
        return found


class Log:
    """Where everything goes that is logged. Use it as a context manager."""

    def __init__(self, *, form: str, level: str, per_second: int, stream: TextIO | None = None) -> None:
        stream = stream or sys.stderr
        is_json = form == "json" or (form == "auto" and not stream.isatty())
        formatter = Json() if is_json else Text()
        self._level = level.upper()
        self._throttle = Throttle(per_second)
        self._handler = Lines(stream.fileno())
        self._handler.setFormatter(Prioritised(formatter) if is_journal(stream) else formatter)
        self._handler.addFilter(self._throttle)

    def __enter__(self) -> Self:
        """Log what is said from now on."""
        root = logging.getLogger()
        root.addHandler(self._handler)
        root.setLevel(self._level)
        return self

    def __exit__(self, *_: object) -> None:
        """Log no more."""
        self.sweep()
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()

    @property
    def lost(self) -> int:
        """How many lines were not taken, and that is not said yet."""
        return self._handler.lost

    def sweep(self) -> None:
        """Sum up what came too often; to be called about once a second."""
        for unsaid in self._throttle.unsaid():
            say(unsaid)
        if self.lost and self._handler.has_room:
            unread, self._handler.lost = self._handler.lost, 0
            say(LogLinesDropped(lines=unread))


def is_journal(stream: TextIO) -> bool:
    """Tell whether `stream` goes to systemd's journal: systemd.exec(5), JOURNAL_STREAM."""
    status = os.fstat(stream.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
