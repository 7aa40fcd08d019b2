"""
Everything that the server logs, one class per event: its level, its sentence, and its fields with their types.

`docs/events.md` is made of this list. The name of an event is that of its class, as `line_refused`, and stays what it
is, because people search for it. Its docstring is for whoever finds it in the log.
"""

import logging
import re
from typing import ClassVar

import msgspec

log = logging.getLogger("edgetally")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""

    level: ClassVar[int] = logging.INFO
    sentence: ClassVar[str]
    """Names every field in braces."""

    @classmethod
    def name(cls) -> str:
        """Return the name that the log shows."""
        return re.sub("(?<=.)([A-Z])", r"_\1", cls.__name__).lower()

    def fields(self) -> dict[str, str | int | float]:
        """Return what it was about, escaped."""
        return {name: escaped(value) for name, value in msgspec.structs.asdict(self).items()}

    def __str__(self) -> str:
        """Return the sentence; nothing in it ends a line or talks to a terminal."""
        return self.sentence.format_map(self.fields())


class SourceEvent(Event, frozen=True):
    """Something that happened to one source."""

    source: str


def escaped(value: str | float | bytes) -> str | int | float:
    """Return `value` so that it can be shown: what is no printable letter stands there by its number."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str) and not value.isprintable():
        return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in value)
    return value


def say(event: Event, *, error: BaseException | None = None) -> None:
    """Log `event`, and where `error` came from."""
    log.log(event.level, event, exc_info=error)


# The process.


class Answering(Event, frozen=True):
    """The server has started."""

    sentence = "edgetally answers on {url}"
    url: str


class Stopping(Event, frozen=True):
    """The server was told to stop, and ends within five seconds."""

    sentence = "stopping"


class TokensInClear(Event, frozen=True):
    """Set `api.tls_cert` and `api.tls_key`, or let a proxy on this machine speak TLS and listen on 127.0.0.1."""

    level = logging.WARNING
    sentence = "others can reach {host}, and without TLS whoever is on the way sees their tokens"
    host: str


class TokensReloaded(Event, frozen=True):
    """SIGHUP: these tokens count from now on. Readers and pushes whose token is not among them any more are refused."""

    sentence = "reloaded: valid tokens: {valid}, revoked ones: {revoked}"
    valid: int
    revoked: int


class NoTokens(Event, frozen=True):
    """The settings name no token any more, so whoever reaches the server may read and push everything."""

    level = logging.WARNING
    sentence = "reloaded: there are no tokens, so nobody needs one"


class CertificateReloaded(Event, frozen=True):
    """SIGHUP: those who connect from now on are shown this certificate."""

    sentence = "reloaded: the certificate in {path}"
    path: str


class CertificateKept(Event, frozen=True):
    """SIGHUP, but the new certificate cannot be used. Put it right before the old one expires, and reload again."""

    level = logging.ERROR
    sentence = "not reloaded, the old certificate stays: {problem}"
    problem: str


class NotReloaded(Event, frozen=True):
    """SIGHUP, but the settings are wrong. Everything is as it was, tokens too. Put them right, and reload again."""

    level = logging.ERROR
    sentence = "nothing is reloaded: {problem}"
    problem: str


class RestartNeeded(Event, frozen=True):
    """SIGHUP, and these settings have changed that a server that runs keeps."""

    level = logging.WARNING
    sentence = "not reloaded, only a restart changes {settings}"
    settings: str


class RoomFailed(Event, frozen=True):
    """This is our fault: please report it with the traceback. The process ends with status 1; let it be restarted."""

    level = logging.CRITICAL
    sentence = "a room has failed, so the process stops"


class RequestFailed(Event, frozen=True):
    """This is our fault: please report it with the traceback. The client was answered with status 500."""

    level = logging.ERROR
    sentence = "a request could not be answered: {method} {path}"
    method: str
    path: str


class Unsaid(Event, frozen=True):
    """One event came so often that only the first were logged: `log.per_second` says how many."""

    level = logging.WARNING
    sentence = "{count} more of {of} in one second are not shown"
    of: str
    count: int


class Unread(Event, frozen=True):
    """Whoever reads the log did not take it, and what came then is lost. Nothing else waited for it."""

    level = logging.WARNING
    sentence = "{lines} lines of this log are lost, because those before them were not taken"
    lines: int


# The journal.


class JournalOpened(Event, frozen=True):
    """The server has started with this journal, and shows again what is final in it: so many seconds with entries."""

    sentence = "the journal is {path}, and {seconds} seconds of before are shown again"
    path: str
    seconds: int


class JournalInMemory(Event, frozen=True):
    """The server has started with `--journal memory`: what it counts is gone when it ends."""

    sentence = "the journal is in memory, and nothing survives a restart"


class JournalFailing(Event, frozen=True):
    """Nothing can be made durable: pushes are answered with 503, and other sources wait. It is tried every second."""

    level = logging.ERROR
    sentence = "{path}: {problem}; pushes are refused and other sources wait until that is over"
    path: str
    problem: str


class JournalRecovered(Event, frozen=True):
    """The journal is written again, and all goes on."""

    sentence = "{path}: the journal can be written again"
    path: str


class ClockSetBack(Event, frozen=True):
    """The clock was wrong when the journal was written. What was shown of that time is gone; what was not counts."""

    level = logging.WARNING
    sentence = "the journal is {seconds} seconds ahead of the clock: what it shows is forgotten"
    seconds: int


# Sources.


class Unkept(SourceEvent, frozen=True):
    """A followed file is read again from where it was left; what came by syslog or standard input is lost."""

    level = logging.ERROR
    sentence = "{source}: {records} records could not be made durable before the end: {problem}"
    records: int
    problem: str


class Listening(SourceEvent, frozen=True):
    """A source takes records from now on."""

    sentence = "{source} is listened on"


class Following(SourceEvent, frozen=True):
    """A followed file is read from this byte on: when the server starts, and when it no longer waits for the file."""

    sentence = "{source} is followed from byte {offset}, {place}"
    offset: int
    place: str


class Reading(SourceEvent, frozen=True):
    """Standard input is read."""

    sentence = "{source} is read"


class Ended(SourceEvent, frozen=True):
    """Standard input has ended, because whoever wrote to it is done. The server goes on serving."""

    sentence = "{source} has ended, and the server goes on"


class Waiting(SourceEvent, frozen=True):
    """A followed file is not there, may not be read, or is none. It is looked for ten times a second in silence."""

    level = logging.WARNING
    sentence = "{source}: {problem}; waiting for it"
    problem: str


class Rotated(SourceEvent, frozen=True):
    """A followed file was renamed, and read to its end."""

    sentence = "{source}: rotated, reading the new file"


class Missed(SourceEvent, frozen=True):
    """Rotation has compressed, moved or removed a file before it was read to its end, while the server was down."""

    level = logging.WARNING
    sentence = "{source}: what was written behind byte {offset} of the file that had this name before cannot be found"
    offset: int


class Truncated(SourceEvent, frozen=True):
    """A followed file is shorter than what was read of it. Lines may have been lost: rename it instead."""

    sentence = "{source}: truncated, reading it from its beginning"


class SmallBuffer(SourceEvent, frozen=True):
    """The system allows no larger buffer. Raise its limit, or datagrams are lost when many come at once."""

    level = logging.WARNING
    sentence = (
        "{source}: the kernel gives a receive buffer of {given} bytes instead of {wanted}. "
        "It will drop datagrams in a burst: sysctl -w net.core.rmem_max={wanted}"
    )
    given: int
    wanted: int


class Dropped(SourceEvent, frozen=True):
    """Datagrams are lost, because they came faster than they were taken. Give the sender TCP, or this machine less."""

    level = logging.WARNING
    sentence = "{source}: the kernel dropped {datagrams} datagrams so far"
    datagrams: int


class Closed(SourceEvent, frozen=True):
    """What a syslog connection sent is no stream of records, so it was closed. Its address is that of the sender."""

    level = logging.WARNING
    sentence = "{source}: closed: {problem}"
    problem: str


class Broken(SourceEvent, frozen=True):
    """A syslog connection broke. What came before counts."""

    sentence = "{source}: {problem}"
    problem: str


class LineRefused(SourceEvent, frozen=True):
    """A line does not count. The record's page says what to do about its reason; ten are shown of every batch."""

    level = logging.WARNING
    sentence = "{source}: a line does not count: {problem} ({reason}), at byte {at} of '{sample}'"
    line: int
    problem: str
    reason: str
    at: int
    sample: bytes


class LinesRefused(SourceEvent, frozen=True):
    """So many lines of one batch do not count, and only the first were shown one by one."""

    level = logging.WARNING
    sentence = "{source}: {count} lines of this batch do not count: {reasons}"
    count: int
    reasons: str


class RejectsUnkept(Event, frozen=True):
    """Lines that did not count could not be written where you can look at them. They are counted all the same."""

    level = logging.WARNING
    sentence = "{path}: rejected lines cannot be kept there: {problem}"
    path: str
    problem: str


class RejectsKept(Event, frozen=True):
    """Rejected lines are written again."""

    sentence = "{path}: rejected lines are kept again"
    path: str


EVENTS: tuple[type[Event], ...] = tuple(
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, Event) and hasattr(one, "sentence")
)
"""All of them."""
