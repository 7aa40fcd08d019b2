"""What stands around records, slow and obvious: byte order marks, prefixes, envelopes, several records in a line.

An input is read line by line. Each line comes to nothing, to records and to reasons why there is none.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support import oracle_values as values
from tests.support.oracle_formats import CLOUDFLARE, TRAEFIK
from tests.support.oracle_json import BLANKS, Rejected, Scanner, Text

Decode = Callable[[bytes, int | None], object]
"""Makes a record of a text, for which its wrapper may say a second. Raises Rejected."""

DOCKER_PART = 16_384
"""Bytes at which Docker splits a line."""

DEPTH = 6
"""How many wrappers may be around each other."""

# --- prefixes ------------------------------------------------------------------------------------------------------

ISO = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
FRACTION = rb"(?:[.,][0-9]*)?"
RFC3164 = MONTH + rb" [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}" + FRACTION
BLANK_DATE = rb"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[ T_][0-9]{2}:[0-9]{2}:[0-9]{2}"
STRUCTURED = rb'(?:-|(?:\[(?:[^\]"]|"(?:\\.|[^"\\])*")*\])+)'
RECORD = rb'(?=\{[ \t\r]*["}])'
HOST_AND_TAG = rb"(?:%b|[^ ]+ %b|(?:[^ ]+ )?[^ ]+: %b|(?:[^ ]+ )?(?:[^ ]+: )?(?=\{))" % (RECORD, RECORD, RECORD)
"""The host, and the tag with its colon. A sender may leave out either."""

NAMES = rb"(?=[A-Za-z./])[A-Za-z0-9._/@\[\]:-]+(?: [A-Za-z0-9._/@\[\]:-]+)?"

CRI = re.compile(rb"(?P<time>" + ISO + rb") (?P<stream>stdout|stderr) (?:(?=\{)|(?P<tag>[PF])(?::[^ ]*)?(?: |$))")
PREFIXES = [
    re.compile(rb"(?:[0-9]{1,7} )?<[0-9]{1,3}>[1-9] (?P<time>[^ ]+) [^ ]+ [^ ]+ [^ ]+ [^ ]+ " + STRUCTURED + rb" "),
    re.compile(rb"(?:(?:[0-9]{1,7} )?<[0-9]{1,3}>)?(?:" + RFC3164 + rb"|(?P<time>" + ISO + rb")) " + HOST_AND_TAG),
    re.compile(rb"(?:[0-9]{1,7} )?<[0-9]{1,3}>" + HOST_AND_TAG),
    re.compile(rb"[A-Z][a-z]{2} " + BLANK_DATE + FRACTION + rb" (?!UTC)[^ ]+ " + HOST_AND_TAG),
    re.compile(rb"[A-Z][a-z]{2} (?P<time>" + BLANK_DATE + FRACTION + rb" )UTC " + HOST_AND_TAG),
    re.compile(rb"(?P<time>[0-9.]{10,}) " + HOST_AND_TAG),
    re.compile(rb"\[(?=[^\]]*\.)[ 0-9.<>]*\] " + HOST_AND_TAG),
    re.compile(rb"\[(?P<time>[0-9][^\]]{,46})\] (?=\{)"),
    re.compile(rb"MESSAGE="),
    re.compile(BLANK_DATE + FRACTION + rb"\t[^\t]*\thttp\.log\.access[^\t]*\t[^\t]*\t(?=\{)"),
    re.compile(BLANK_DATE + FRACTION + rb"[ \t\r]+(?=\{)"),
    re.compile(rb"(?P<time>" + ISO + rb")[ \t\r]+(?=\{)"),
    re.compile(rb"data: (?=\{)"),
    re.compile(rb"(?:[0-2][0-9]:[0-9]{2}:[0-9]{2} )?[A-Za-z0-9][A-Za-z0-9._@ /-]*\| ?"),
    re.compile(NAMES + rb": ?" + RECORD),
    re.compile(rb'[0-9]{1,8}:(?=\{")'),
    re.compile(rb"(?:[0-9A-Fa-f]{12}|[0-9A-Fa-f]{64}) (?=\{|[0-9]{4}-)"),
    re.compile(rb"\[(?=[^\]]*/)[A-Za-z0-9._/:-]+\] "),
    re.compile(rb"\[(?=[^\]]*-)[a-z0-9.-]+(?: [a-z0-9.-]+){1,2}\] (?=\{|[0-9]{4}-)"),
    re.compile(rb"(?=[a-z])(?=[^{]*-[^{]* (?:\{|[0-9]{4}-))[a-z0-9.-]+(?: [a-z0-9.-]+){1,2}? (?=\{|[0-9]{4}-)"),
]

OTHER_LOG = re.compile(
    rb"[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}(?: \[|\.[0-9]{3})|nginx: \[|AH[0-9]{5}: "  # nginx, Caddy, Apache
    rb"|\[(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} [0-9]{2} [0-9:]{8}"  # Apache, Traffic Server
    rb"|\[[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.[0-9]{3}\]\["  # Envoy
    rb"|[0-9-]{10}T[0-9:]{8}(?:Z|[+-][0-9:]{5}) [A-Z]{3} |time=\"[0-9-]{10}T[0-9:]{8}"  # Traefik
    rb"|(?:Proxy|Server|Backend|Stopping|Pausing|Health check for) "  # HAProxy
    rb"|/docker-entrypoint\.|[0-9]{2}-(?:listen-on-ipv[0-9]|envsubst|tune-worker)"
    rb"|#(?:Version|Fields):"
    rb"|Connect from |\[(?:NOTICE\]  |WARNING\] |ALERT\]   )"  # HAProxy
    rb"|[^ ]* \[[0-9]{2}/[A-Za-z]{3}/[0-9:]{13}\.[0-9]{3}\] [^ ]*/[^ ]*: "
    rb"|Child \("  # Varnish
    rb"|(?:Started|Starting|Stopped|Reloading|Reloaded) |-- (?:(?:Logs|Journal) begin|Boot|No entries|Reboot)|==> "
    rb"|_[A-Z_]+=|(?:PRIORITY|MESSAGE_ID|TID|UNIT|INVOCATION_ID)=|SYSLOG_|CODE_|JOB_"  # journalctl
    rb"|.{3} [0-9]{4}-.* \[s="
)


class Wrapped(NamedTuple):
    """A text out of its wrapper."""

    text: bytes
    second: int | None
    is_part: bool = False
    stream: str = ""
    """Parts of one stream belong together; empty if there are no parts."""
    is_unescaped: bool = False
    """Whether the text does not stand in the line as it is."""


def behind_prefix(line: bytes) -> Wrapped | None:
    """Find what stands behind a prefix."""
    if cri := CRI.match(line):
        return Wrapped(line[cri.end() :], second(cri["time"]), cri["tag"] == b"P", cri["stream"].decode())
    for prefix in PREFIXES:
        if found := prefix.match(line):
            time = found.groupdict().get("time")
            return Wrapped(line[found.end() :], second(time + b"Z" if time and time.endswith(b" ") else time))
    return None


def second(text: bytes | None) -> int | None:
    """Read the second of a wrapper, if it says one."""
    return values.end(Text(text or b"", quoted=True))


# --- envelopes -----------------------------------------------------------------------------------------------------

PARTS = ("status", "origin_ip", "origin_addr", "origin_status", "origins")
"""An object with one of these fields is a record, whatever else is in it."""


def of_record(format: str) -> dict[str, str]:
    """Return the fields that make a record, by how a format calls them."""
    own = {"traefik": TRAEFIK, "cloudflare": CLOUDFLARE}.get(format)
    named = {name: name for name in PARTS} if own is None else {path[0]: name for path, name in own.items()}
    return {called: name for called, name in named.items() if name in PARTS}


def is_present(field: str, value: object) -> bool:
    """Whether a field that makes a record has a value: a status is a number, as log shippers have their own."""
    if field == "origins" or isinstance(value, (list, dict)):
        return field == "origins" and isinstance(value, (list, dict))
    text = "" if value is None else str(value)
    return values.number(text.encode("utf-8", "replace")) is not None if field == "status" else text not in ("", "-")


def is_record(members: dict[str, object], format: str) -> bool:
    """Whether an object has a field that makes a record."""
    return any(is_present(field, members[name]) for name, field in of_record(format).items() if name in members)


def in_envelope(line: bytes, format: str) -> Wrapped | None:
    """Find what an object has in a string, or in a list of bytes."""
    try:
        members = json.loads(line.rstrip(BLANKS + b",[]").decode("utf-8", "surrogateescape"), strict=False)
    except ValueError:
        return None
    if not isinstance(members, dict) or is_record(members, format):
        return None
    times = [name for name in members if name in TIMES]
    at = second(str(members[times[-1]]).encode()) if times else None
    log, stream, entry = (members.get(name) for name in ("log", "stream", "MESSAGE"))
    is_part = marked_part(members)
    if is_part is not None and (text := marked_text(members)) is not None:
        return Wrapped(encoded(text), at, is_part, "stderr" if stream == "stderr" else "stdout")
    if isinstance(log, str) and isinstance(stream, str):
        is_part = len(encoded(log)) >= DOCKER_PART and not (log.endswith("\n") or is_object(encoded(log)))
        return Wrapped(encoded(log), at, is_part, "stderr" if stream == "stderr" else "stdout")
    if isinstance(entry, list):
        is_bytes = all(isinstance(byte, int) and 0 <= byte < 256 for byte in entry)
        return Wrapped(bytes(entry), at) if is_bytes else None
    if isinstance(entry, str):
        return Wrapped(encoded(entry), at)
    if "MESSAGE" in members:
        return None
    return shipped({name: value for name, value in members.items() if name in HOLDERS}, at)


TIMES = (
    "time",
    "__REALTIME_TIMESTAMP",
    "@timestamp",
    "timestamp",
    "date",
    "timereported",
    "ISODATE",
    "TimeGenerated",
    "timeUnixNano",
)

HOLDERS = (
    *("log", "message", "msg", "line", "event", "original", "body", "json", "log_processed"),
    *("short_message", "full_message", "textPayload", "jsonPayload", "properties"),
    *("LogEntry", "LogMessage", "@message", "stringValue"),
    *("payload", "Log_s", "rawmsg", "_source", "hits", "_raw", "result"),
)
"""Where shippers put a line, or the object that they made of it."""


def marked_part(members: dict[str, object]) -> bool | None:
    """Whether a line goes on in another envelope, as the last of the marks says; None without one."""
    lasts = [str(members[name]).lower() for name in members if name in ("partial_last", "CONTAINER_PARTIAL_LAST")]
    if lasts:
        return lasts[-1] != "true"
    found = None
    for name, value in members.items():
        if name in ("logtag", "_p"):
            found = str(value).startswith("P")
        elif name in ("partial_message", "CONTAINER_PARTIAL_MESSAGE", "_partial"):
            found = str(value).lower() == "true"
    return found


def marked_text(members: dict[str, object]) -> str | None:
    """Find the text of a line that may be a part."""
    texts = [members[name] for name in (*(n for n in members if n in HOLDERS and n != "log"), "log") if name in members]
    held = [text for text in texts if isinstance(text, str) and '"' in text.partition("{")[2]]
    entry = members.get("MESSAGE")
    plain = [text for text in (members.get("log"), entry) if isinstance(text, str)]
    return next(iter([*held, *plain]), None)


def shipped(held: dict[str, object], at: int | None) -> Wrapped | None:
    """Find what a shipper holds: a text that may have a record, preferably not the `log`; or else an object."""
    texts = {name: text for name, text in held.items() if isinstance(text, str) and '"' in text.partition("{")[2]}
    log = texts.pop("log", None)
    if texts or log:
        return Wrapped(encoded([*filter(None, [log]), *texts.values()][-1]), at)
    objects = {name: value for name, value in held.items() if isinstance(value, dict)}
    # Shippers describe the file and the event in objects of these names, too.
    found = [value for name, value in objects.items() if name not in ("log", "event")] or list(objects.values())
    return Wrapped(encoded(json.dumps(found[-1])), at) if found else None


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def begins_line(text: bytes, before: bytes) -> bool:
    """Whether a part has a key where none can be behind the parts before it, so that it is from another line."""
    return bool(re.match(rb'\{"[0-9A-Za-z_@]', text)) and not takes_object(before)


def takes_object(before: bytes) -> bool:
    """Whether an object with members may follow the start of a line."""
    bare = re.sub(rb'"(?:[^"\\]|\\.)*"', b"0", before, flags=re.DOTALL)
    if b'"' in bare:
        return False
    while (reduced := re.sub(rb"[{\[][^{}\[\]]*[}\]]", b"0", bare)) != bare:
        bare = reduced
    last = before.rstrip(BLANKS)[-1:]
    if max(bare.rfind(b"{"), bare.rfind(b"[")) < 0:
        return last in (b"", b"}", b"]", b",")
    return last == b":" if bare.rfind(b"{") > bare.rfind(b"[") else last in (b"[", b",")


def object_end(text: bytes, at: int) -> int | None:
    """Return where the object that opens at a position has closed."""
    scanner = Scanner(text)
    scanner.at = at
    try:
        scanner.nested()
    except Rejected:
        return None
    return scanner.at


def is_object(text: bytes) -> bool:
    return text.startswith(b"{") and object_end(text, 0) == len(text)


# --- several records in a line -------------------------------------------------------------------------------------


def several(line: bytes) -> list[bytes] | None:
    """Split a line of records with nothing, blanks or the punctuation of an array between them; None for any other."""
    found: list[bytes] = []
    at, has_punctuation = 0, False
    while at < len(line):
        if line[at : at + 1] == b"{":
            end = object_end(line, at)
            if end is None and not found:
                return None
            found.append(line[at:end])
            at = len(line) if end is None else end
        elif line[at] in b"[,]":
            has_punctuation = True
            at += 1
        elif line[at] in BLANKS:
            at += 1
        elif line[at:].startswith(b"\xef\xbb\xbf"):
            at += 3
        else:
            return None
    return found if has_punctuation or len(found) > 1 else None


def messages(line: bytes) -> list[bytes]:
    """Split a line at zero bytes; empty if another message starts with neither a priority nor a brace."""
    found = [message for message in map(stripped, line.split(b"\0")) if message]
    return found if len(found) > 1 and all(message[:1] in b"{<" for message in found[1:]) else []


def run_together(line: bytes) -> list[bytes]:
    """Split a line after records that a message of syslog follows; empty if anything else follows one."""
    found: list[bytes] = []
    while line:
        record = re.search(rb'\{[ \t\r]*["}]', line)
        if not record or (found and not re.match(rb"(?:[0-9]+ )?<[0-9]{1,3}>", line)):
            return []
        end = object_end(line, record.start()) or len(line)
        found.append(line[:end])
        line = re.sub(rb"\A(?:\xef\xbb\xbf|\x1b\[[0-9;]*[mK]|[ \t\r\0\x1e])*", b"", line[end:])
    return found if len(found) > 1 else []


COMPRESSED = re.compile(
    rb"\x1f\x8b|\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18|\xfd7zXZ|BZh[1-9]1AY&SY|\x04\x22\x4d\x18|x[\x9c\xda]",
)
"""Starts of data of gzip, zstd, xz, bzip2, lz4 and zlib."""

UNREADABLE = ("too_long", "not_json", "truncated", "bad_columns")
"""Reasons for which compressed data would be rejected."""


OPENED = ("no_part", "other_log", "bad_service_id", "foreign_service", "bad_weight", "bad_status")
"""Reasons for which an object may be an envelope."""


def spread_start(text: bytes) -> bytes | None:
    """Return the first line of a record that is spread over several: it ends behind a comma, or before a value."""
    first = text.lstrip(BLANKS + b",[").rstrip(BLANKS)
    has_end = not first.startswith(b"{") or object_end(first, 0) is not None
    is_in_string = b'"' in re.sub(rb'"(?:[^"\\]|\\.)*"', b"", first, flags=re.DOTALL)
    return None if has_end or is_in_string or first[-1:] not in b"{,[:" else first


# --- an input ------------------------------------------------------------------------------------------------------


@dataclass
class Input:
    """What became of the lines of an input."""

    limit: int
    format: str
    decode: Decode
    results: list[tuple[int, object]] = field(default_factory=list)
    """Records and reasons, each with its line."""
    lines: int = 0
    parts: dict[str, bytes] = field(default_factory=dict)
    """The parts of lines that go on, by stream."""
    spread: list[bytes] = field(default_factory=list)
    """The lines so far of a record that is spread over several."""
    is_wrapped: bool = False
    """Whether its lines are in wrappers."""
    spread_second: int | None = None
    """What the wrapper of its first line says."""
    started_at: int = 0
    """The line in which that starts."""
    has_compressed: bool = False
    """Whether a line was compressed."""
    is_put_together: bool = False
    """Whether the text that is read is not as it stands in the line."""
    whole: str = ""
    """Why the line as it stands does not count."""

    def line(self, number: int, line: bytes) -> None:
        """Read a line."""
        self.whole, self.is_put_together = "", False
        self.plain_line(number, line)
        if self.whole in UNREADABLE and (COMPRESSED.match(line) or (self.has_compressed and not is_plain_text(line))):
            self.has_compressed = True
            self.results[-1] = (number, "compressed")

    def plain_line(self, number: int, line: bytes) -> None:
        """Read a line that is not compressed."""
        self.lines += 1
        if len(line) > self.limit:
            self.reject(number, "too_long")
            return
        if not line.strip(BLANKS):
            return
        if self.format.startswith("cloudfront"):
            text = stripped(line)
            self.one(number, text, None) if not text.startswith(b"#") else self.results.append((number, "other_log"))
            self.whole = str(self.results[-1][1])
            return
        if self.spread and not self.is_wrapped and self.goes_on(line):
            self.join(number, stripped(line))
            return
        text = stripped(line)
        if not self.is_wrapped or not text or not self.unwrap(text, line):
            self.end_spread()
        self.text(number, line, None, 0)

    def end(self, number: int) -> None:
        """End the input."""
        for _ in filter(None, self.parts.values()):
            self.lines += 1
            self.results.append((number, "truncated"))
        self.end_spread()

    def reject(self, number: int, reason: str) -> None:
        """Reject a line, or the text that was put together in it."""
        self.results.append((number, reason))
        self.whole = "" if self.is_put_together else reason

    def one(self, number: int, text: bytes, second: int | None) -> None:
        """Read a text that is one record, or else rejected."""
        try:
            self.results.append((number, self.decode(text, second)))
        except Rejected as why:
            self.results.append((number, why.reason))

    def text(self, number: int, text: bytes, second: int | None, depth: int) -> None:
        """Read a text, perhaps out of a wrapper."""
        unstripped, text = text, stripped(text)
        if not text:
            return
        if self.spread and depth > 0 and (text.startswith(b"{") or not self.unwrap(text, unstripped)):
            if self.goes_on(unstripped):
                self.join(number, text)
                return
            self.end_spread()
        try:
            self.results.append((number, self.decode(text, second)))
        except Rejected as why:
            if why.reason in ("bad_ts", "too_old", "too_new"):
                self.results.append((number, why.reason))
            else:
                self.no_record(number, text, unstripped, second, depth, why.reason)

    def no_record(
        self, number: int, text: bytes, unstripped: bytes, second: int | None, depth: int, reason: str
    ) -> None:
        """Read a text that is rejected as a record, if it is something else."""
        before = len(self.results)
        if depth < DEPTH and (wrapped := self.unwrap(text, unstripped)):
            self.wrapped(number, wrapped, second, depth)
            if OTHER_LOG.match(text):
                self.results[before:] = [
                    (number, "other_log") if result == "not_json" else (at, result)
                    for at, result in self.results[before:]
                ]
        elif reason in ("not_json", "truncated") and (first := spread_start(text)):
            self.start_spread(number, first, second, depth)
        elif reason in ("not_json", "truncated") and (records := several(text)) is not None:
            self.lines += len(records) - 1
            for record in records:
                self.element(number, record, second, depth)
        elif reason in ("not_json", "truncated") and (found := messages(text) or run_together(text)):
            self.lines += len(found) - 1
            for message in found:
                self.text(number, message, second, max(depth, 1))
            self.whole = ""
        else:
            is_other = reason in ("not_json", "truncated") and OTHER_LOG.match(text)
            self.reject(number, "other_log" if is_other else reason)

    def element(self, number: int, text: bytes, second: int | None, depth: int) -> None:
        """Read one of several records in a line."""
        if first := spread_start(text):
            self.start_spread(number, first, second, depth)
            return
        before = len(self.results)
        self.one(number, text, second)
        if self.results[before][1] in OPENED and depth < DEPTH and (wrapped := self.unwrap(text, text)):
            del self.results[before:]
            self.wrapped(number, wrapped, second, depth)

    def start_spread(self, number: int, first: bytes, second: int | None, depth: int) -> None:
        """Keep the first line of a record that is spread over several."""
        self.lines -= 1
        self.spread, self.started_at, self.is_wrapped, self.spread_second = [first], number, depth > 0, second

    def unwrap(self, text: bytes, unstripped: bytes) -> Wrapped | None:
        """Take a text out of its wrapper. A part keeps the blanks at its end."""
        if text.startswith(b"{"):
            found = in_envelope(text, self.format)
            return found and found._replace(is_unescaped=True)
        return behind_prefix(unstripped[unstripped.index(text) :])

    def wrapped(self, number: int, wrapped: Wrapped, second: int | None, depth: int) -> None:
        """Read what was in a wrapper, once all parts of it are there."""
        text, stream = wrapped.text, wrapped.stream
        if stream:
            before = self.parts.pop(stream, b"")
            if len(before) <= self.limit and begins_line(text, before):
                self.lines += 1
                self.results.append((number, "truncated"))
                before = b""
            is_part = wrapped.is_part and (before != b"" or not is_object(text))
            text = before + text
            if is_part:
                self.lines -= 1
                self.parts[stream] = text
                return
            if len(text.rstrip(b"\r\n")) > self.limit:
                self.reject(number, "too_long")
                return
            self.is_put_together |= bool(before)
        self.is_put_together |= wrapped.is_unescaped
        self.text(number, text.rstrip(b"\r\n"), second if wrapped.second is None else wrapped.second, depth + 1)

    def goes_on(self, line: bytes) -> bool:
        """Whether a line may belong to the record that is spread over the lines before it."""
        text, is_indented = stripped(line), line[0] in BLANKS
        if text.startswith((b'"', b"}")):
            return True
        if self.spread == [b"{"]:
            return False
        if text.startswith(b"{"):
            # Another record starts in the first column, or where no object may follow.
            return (is_indented or not re.match(rb'\{[ \t\r]*"', text)) and takes_object(b" ".join(self.spread))
        return is_indented or text.startswith((b"]", b","))

    def join(self, number: int, text: bytes) -> None:
        """Add a line to the record that is spread over several."""
        if len(b" ".join(self.spread)) + len(text) > self.limit:
            self.spread = []
            self.reject(number, "too_long")
            return
        self.spread.append(text)
        joined = b" ".join(self.spread)
        end = object_end(joined, 0)
        if end is None:
            self.lines -= 1
            return
        self.spread, self.is_put_together = [], True
        rest, depth, second = joined[end:].lstrip(BLANKS + b",[]"), int(self.is_wrapped), self.spread_second
        if rest and not rest.startswith(b"{"):
            self.results.append((self.started_at, "not_json"))
            return
        self.text(self.started_at, joined[:end], second, depth)
        if rest:
            self.lines += 1
            self.text(number, rest, second, depth)

    def end_spread(self) -> None:
        """Reject a record that is spread over several lines and has no end."""
        if self.spread:
            self.lines += 1
            self.results.append((self.started_at, "truncated"))
            self.spread = []


def is_plain_text(line: bytes) -> bool:
    """Return whether a line is UTF-8 without control characters."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return False
    return not re.search(r"[\x00-\x08\x0a-\x0c\x0e-\x1f\x7f]", text)


def stripped(line: bytes) -> bytes:
    """Remove blanks, zero bytes and byte order marks around a line."""
    line = re.sub(rb"(?:[ \t\r\0]|\x1b\[[0-9;]*[mK])*\Z", b"", line)
    return re.sub(rb"\A(?:\xef\xbb\xbf|\x1b\[[0-9;]*[mK]|[ \t\r\0\x1e])*", b"", line)


def read(data: bytes, limit: int, format: str, decode: Decode) -> Input:
    """Read an input."""
    found = Input(limit, format, decode)
    lines = data.split(b"\n")
    if not lines[-1]:
        # Nothing follows the last newline.
        lines.pop()
    for number, line in enumerate(lines, start=1):
        found.line(number, line)
    found.end(len(lines))
    return found
