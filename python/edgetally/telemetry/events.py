"""
Everything that the server logs, one class per event: its level, its sentence, and its typed fields.

The name of an event is that of its class (`LineRejected` is logged as `line_rejected`) and stays, because people search
for it. `docs/events.md` is generated from this list: the docstring of an event says what it means and what to do.
"""

import logging
import re
from typing import ClassVar

import msgspec

from edgetally.escaping import escape

log = logging.getLogger("edgetally")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""

    level: ClassVar[int] = logging.INFO
    sentence: ClassVar[str]
    """The message, with every field in braces."""

    @classmethod
    def name(cls) -> str:
        """Return the name in the log."""
        return re.sub("(?<=.)([A-Z])", r"_\1", cls.__name__).lower()

    def fields(self) -> dict[str, str | int | float]:
        """Return the fields, escaped."""
        return {name: escape(value) for name, value in msgspec.structs.asdict(self).items()}

    def __str__(self) -> str:
        """Return the sentence; nothing in it ends a line or controls a terminal."""
        return self.sentence.format_map(self.fields())


class SourceEvent(Event, frozen=True):
    """Something that happened to one source."""

    source: str


def say(event: Event, *, error: BaseException | None = None) -> None:
    """Log `event`, with the traceback of `error`."""
    log.log(event.level, event, exc_info=error)


# The process.


class Started(Event, frozen=True):
    """The server is ready: it answers readers and accepts pushes at this address."""

    sentence = "started: listening on {url}"
    url: str


class Stopping(Event, frozen=True):
    """SIGTERM or SIGINT. The server exits within five seconds."""

    sentence = "stopping"


class TokensWithoutTls(Event, frozen=True):
    """Set `api.tls_cert` and `api.tls_key`, or listen on 127.0.0.1 behind a reverse proxy with TLS."""

    level = logging.WARNING
    sentence = "listening on {host} without TLS: tokens are sent in clear text"
    host: str


class TokensReloaded(Event, frozen=True):
    """SIGHUP. From now on requests need one of the valid tokens."""

    sentence = "tokens reloaded: {valid} valid, {revoked} revoked"
    valid: int
    revoked: int


class NoTokens(Event, frozen=True):
    """SIGHUP. Everyone who can reach the server may now read and push everything."""

    level = logging.WARNING
    sentence = "tokens reloaded: none are set, so no request needs one"


class CertificateReloaded(Event, frozen=True):
    """SIGHUP. New connections get this certificate."""

    sentence = "certificate reloaded: {path}"
    path: str


class CertificateNotReloaded(Event, frozen=True):
    """SIGHUP. Fix the certificate before the old one expires, then reload again."""

    level = logging.ERROR
    sentence = "certificate not reloaded, the old one stays in use: {problem}"
    problem: str


class DescriptionsReloaded(Event, frozen=True):
    """SIGHUP. Clients of Fastly's API are told the new names and regions of services and POPs."""

    sentence = "descriptions reloaded: {services} services, {pops} POPs"
    services: int
    pops: int


class ReloadFailed(Event, frozen=True):
    """SIGHUP. The settings are wrong, so everything stays as it was, tokens included. Fix them, then reload again."""

    level = logging.ERROR
    sentence = "reload failed, nothing has changed: {problem}"
    problem: str


class RestartNeeded(Event, frozen=True):
    """SIGHUP. These settings have changed, and only a restart applies them."""

    level = logging.WARNING
    sentence = "restart needed to apply {settings}"
    settings: str


class TaskFailed(Event, frozen=True):
    """A bug: please report it with the traceback. The process exits with status 1; let a supervisor restart it."""

    level = logging.CRITICAL
    sentence = "internal error: a background task failed, stopping"


class RequestFailed(Event, frozen=True):
    """A bug: please report it with the traceback. The client got status 500."""

    level = logging.ERROR
    sentence = "internal error: cannot answer {method} {path}"
    method: str
    path: str


class EventsSuppressed(Event, frozen=True):
    """This event occurred more than `log.per_second` times within a second."""

    level = logging.WARNING
    sentence = "suppressed {count} more {suppressed} events"
    suppressed: str
    count: int


class LogLinesDropped(Event, frozen=True):
    """The reader of the log did not keep up. Nothing else was held up by it."""

    level = logging.WARNING
    sentence = "dropped {lines} log lines: stderr was blocked"
    lines: int


# The journal.


class JournalOpened(Event, frozen=True):
    """The journal in use, and how many sealed seconds with entries were restored from it."""

    sentence = "opened journal {path}: {seconds} seconds restored"
    path: str
    seconds: int


class JournalInMemory(Event, frozen=True):
    """The server runs with `--journal memory`."""

    sentence = "journal in memory: nothing survives a restart"


class JournalJoined(Event, frozen=True):
    """This node shares its journal with others."""

    sentence = "journal: {address}, role: {role}"
    address: str
    role: str


class PartitionReadAnew(Event, frozen=True):
    """What this reader had to read next is not in the log any more. Its entries may lack records; check the topic."""

    level = logging.ERROR
    sentence = "partition {partition} of the journal is read anew from {position}: {problem}"
    partition: int
    position: int
    problem: str


class JournalFailing(Event, frozen=True):
    """Nothing can be made durable. The journal is retried every second, until `journal_recovered`."""

    level = logging.ERROR
    sentence = "{problem} ({path}); pushes get 503, other sources wait"
    path: str
    problem: str


class JournalRecovered(Event, frozen=True):
    """Pushes are accepted again, and the other sources continue."""

    sentence = "journal {path} can be written again"
    path: str


class ClockSetBack(Event, frozen=True):
    """The clock was wrong when the journal was written. Open seconds count; sealed ones are not shown any more."""

    level = logging.WARNING
    sentence = "journal is {seconds} seconds ahead of the clock: discarded its sealed seconds"
    seconds: int


class OutboxResumed(Event, frozen=True):
    """The process before ended before the cluster had acknowledged everything. Copies are recognised by their ids."""

    sentence = "outbox {path}: sending {appends} appends of the process before"
    path: str
    appends: int


class OutboxExpired(Event, frozen=True):
    """The log no longer tells whether these records count, so they were not sent again. Raise the topic's retention."""

    level = logging.ERROR
    sentence = "{path}: dropped {records} records for partition {partition}, {seconds} seconds old"
    path: str
    partition: int
    records: int
    seconds: int


# The history.


class HistoryFailing(Event, frozen=True):
    """Minutes wait until the history can be written again. Pushes and readers of recent entries do not wait for it."""

    level = logging.ERROR
    sentence = "history waits: {problem}"
    problem: str


class HistoryRecovered(Event, frozen=True):
    """The minutes that waited are in the history."""

    sentence = "history is written again"


class HistoryNotRead(Event, frozen=True):
    """A question about minutes, hours or days got no answer. Clients are told to try again."""

    level = logging.ERROR
    sentence = "history is not read: {problem}"
    problem: str


class MinutesLeftOut(Event, frozen=True):
    """The history could not be written for too long. These minutes are shown as holes, not as 0."""

    level = logging.ERROR
    sentence = "history: {minutes} minutes left out, because too many wait"
    minutes: int


# Sources.


class RecordsNotCommitted(SourceEvent, frozen=True):
    """A followed file will be read again from its checkpoint. Records of syslog and standard input are lost."""

    level = logging.ERROR
    sentence = "{source}: {records} records not committed before the stop: {problem}"
    records: int
    problem: str


class Listening(SourceEvent, frozen=True):
    """A syslog source accepts records."""

    sentence = "{source}: listening"


class Following(SourceEvent, frozen=True):
    """A followed file is read from its `checkpoint`, its `beginning` or its `end` on."""

    sentence = "{source}: following from byte {offset} ({start})"
    offset: int
    start: str


class StdinOpened(SourceEvent, frozen=True):
    """Records are read from standard input."""

    sentence = "{source}: reading"


class StdinEnded(SourceEvent, frozen=True):
    """The writer has closed standard input. The server continues."""

    sentence = "{source}: ended"


class StdinFailed(SourceEvent, frozen=True):
    """Standard input cannot be read any more. What was read counts, and the server continues without it."""

    level = logging.ERROR
    sentence = "{source}: cannot be read: {problem}"
    problem: str


class FileUnavailable(SourceEvent, frozen=True):
    """A followed file is missing, unreadable or not a regular file. It is retried five times a second."""

    level = logging.WARNING
    sentence = "{source}: {problem}; waiting for the file"
    problem: str


class FileReadFailed(SourceEvent, frozen=True):
    """A followed file is open, but cannot be read. It is retried after 1 s, then less often, up to once a minute."""

    level = logging.WARNING
    sentence = "{source}: cannot read: {problem}; retrying"
    problem: str


class FileReadRecovered(SourceEvent, frozen=True):
    """A followed file can be read again."""

    sentence = "{source}: readable again"


class FileRotated(SourceEvent, frozen=True):
    """A followed file was renamed. It is read beside the new one until it has been quiet for a while."""

    sentence = "{source}: rotated, reading the new file too"


class RotatedFileLost(SourceEvent, frozen=True):
    """While the server was down, a file was compressed, moved or removed before it was read to its end."""

    level = logging.WARNING
    sentence = "{source}: cannot find the rotated file; data after byte {offset} was not read"
    offset: int


class RotatedFileUnreadable(SourceEvent, frozen=True):
    """A file was rotated before it was read, and what is left of it cannot be read. None of it counts."""

    level = logging.WARNING
    sentence = "{source}: cannot read {path}: {problem}; its {size} bytes do not count"
    path: str
    problem: str
    size: int


class FileTruncated(SourceEvent, frozen=True):
    """A followed file no longer has what was read of it. Lines that no copy has are lost: better rotate by renaming."""

    sentence = (
        "{source}: truncated, reading from the beginning; read before: {offset} bytes; copy with the rest: {copy}"
    )
    offset: int
    copy: str


class ReceiveBufferTooSmall(SourceEvent, frozen=True):
    """The kernel will drop datagrams in a burst. Raise its limit as shown, and in `/etc/sysctl.d` for good."""

    level = logging.WARNING
    sentence = "{source}: receive buffer is {given} bytes, not {wanted}: sysctl -w net.core.rmem_max={wanted}"
    given: int
    wanted: int


class DatagramsDropped(SourceEvent, frozen=True):
    """Datagrams arrived faster than they were read. Send over TCP, or take load off this machine."""

    level = logging.WARNING
    sentence = "{source}: the kernel has dropped {datagrams} datagrams so far"
    datagrams: int


class SyslogConnectionClosed(SourceEvent, frozen=True):
    """The sender at this address does not send records, or stalled in the middle of a line."""

    level = logging.WARNING
    sentence = "{source}: connection closed: {problem}"
    problem: str


class SyslogConnectionLost(SourceEvent, frozen=True):
    """A syslog connection broke. Everything received before counts."""

    sentence = "{source}: connection lost: {problem}"
    problem: str


class FormatDiffers(SourceEvent, frozen=True):
    """They count under `_invalid`, or not at all: correct the source's `format`."""

    level = logging.WARNING
    sentence = "{source}: lines look like format {found}, and are read as {format}"
    found: str
    format: str


class LineRejected(SourceEvent, frozen=True):
    """A line does not count: [the record](record.md) explains its reason. At most ten per batch are logged."""

    level = logging.WARNING
    sentence = "{source}: line rejected: {problem} ({reason}) at byte {at} of '{sample}'"
    line: int
    problem: str
    reason: str
    at: int
    sample: bytes


class LinesRejected(SourceEvent, frozen=True):
    """All rejected lines of a batch by reason; only the first were logged one by one."""

    level = logging.WARNING
    sentence = "{source}: {count} lines of this batch rejected: {reasons}"
    count: int
    reasons: str


class DeadLettersFailing(Event, frozen=True):
    """Rejected lines are missing from this file. `edgetally_rejected_lines_dropped_total` counts them."""

    level = logging.WARNING
    sentence = "cannot write rejected lines to {path}: {problem}"
    path: str
    problem: str


class DeadLettersRecovered(Event, frozen=True):
    """New rejected lines are in this file again."""

    sentence = "rejected lines are written to {path} again"
    path: str


EVENTS: tuple[type[Event], ...] = tuple(
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, Event) and hasattr(one, "sentence")
)
"""All events, in the order of this file."""
