"""Lenient reading of one line as a JSON object: strict in structure, not in values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

BLANKS = b" \t\r"


REST = re.compile(rb"(?:[^,}\"{\[]|,(?=[ \t\r]*[^,}\" \t\r]))*+(?=[,}])")
"""What may follow up to the next member: anything without quotes and brackets."""


class Rejected(Exception):
    """A line that does not count."""

    def __init__(self, reason: str) -> None:
        """Keep the reason code."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Text:
    """A string (between its quotes, with its escapes) or a bare scalar."""

    raw: bytes
    quoted: bool


class Nested(Enum):
    """An object or array that was skipped."""

    SKIPPED = "skipped"


Members = Mapping[bytes, "Value"]
Value = Text | Nested | list[Members]


T = TypeVar("T")

FIELDS = frozenset(
    b"ts service_id pop domain weight status edge cache req_header_bytes req_body_bytes req_bytes resp_header_bytes "
    b"resp_body_bytes resp_bytes proto tls compute compute_execution_time_ms compute_request_time_ms origin origin_ip "
    b"origin_addr origin_status bereq_header_bytes bereq_body_bytes bereq_bytes beresp_header_bytes beresp_body_bytes "
    b"beresp_bytes origin_ttfb_ms origin_ttfb_s origin_is_shield origins duration_ms edge_time_ms edge_time_s ipv6 "
    b"restarts collapsed".split()
)
"""The fields of a canonical record."""


def parse_object(line: bytes) -> Members:
    """Read a trimmed line as one object; if a key is repeated, the last value counts.

    Only `origins` of the line itself is looked into: its value is the list of the objects in it. Raises Rejected
    with `not_json` at the first byte that cannot be, with `truncated` if the line ends before the object does.
    """
    return strictly_or_leniently(line, lambda scanner: scanner.object(top=True))


def strictly_or_leniently(line: bytes, read: Callable[["Scanner"], T]) -> T:
    """Read a line as one object; if that is not JSON, skip broken members without a field. Raises Rejected."""
    if not line.startswith(b"{"):
        raise Rejected("not_json")
    try:
        return read_all(Scanner(line), read)
    except Rejected as why:
        if why.reason != "not_json":
            raise
        try:
            return read_all(Scanner(line, lenient=True), read)
        except Rejected:
            raise why from None


def read_all(scanner: "Scanner", read: Callable[["Scanner"], T]) -> T:
    """Read the object that a line is. Raises Rejected, also if something follows."""
    found = read(scanner)
    scanner.skip_blanks()
    if scanner.at < len(scanner.line):
        raise Rejected("not_json")
    return found


class Scanner:
    """A position in a line that moves forwards by one token."""

    def __init__(self, line: bytes, *, lenient: bool = False) -> None:
        self.line = line
        self.at = 0
        self.lenient = lenient

    def peek(self) -> bytes:
        """Return the byte here. Raises Rejected at the end of the line."""
        if self.at >= len(self.line):
            raise Rejected("truncated")
        return self.line[self.at : self.at + 1]

    def take(self) -> bytes:
        byte = self.peek()
        self.at += 1
        return byte

    def expect(self, wanted: bytes) -> None:
        if self.take() != wanted:
            raise Rejected("not_json")

    def skip_blanks(self) -> None:
        while self.at < len(self.line) and self.line[self.at] in BLANKS:
            self.at += 1

    def another(self, closing: bytes) -> bool:
        """Skip what follows a member: a comma (then another must follow) or the closing bracket."""
        self.skip_blanks()
        byte = self.take()
        if byte not in (b",", closing):
            raise Rejected("not_json")
        return byte == b","

    def object(self, *, top: bool) -> Members:
        members: dict[bytes, Value] = {}
        self.expect(b"{")
        self.skip_blanks()
        if self.peek() == b"}":
            self.take()
            return members
        while True:
            if self.skip_commas(top=top):
                return members
            key = self.string()
            self.skip_blanks()
            self.expect(b":")
            self.skip_blanks()
            looked_into = top and key == b"origins" and self.peek() == b"["
            if looked_into:
                members[key] = self.objects()
            else:
                members[key] = self.value_or_rest(is_asked_for=key in FIELDS) if top else self.value()
            if not self.another(b"}"):
                return members

    def objects(self) -> list[Members]:
        """Read an array and keep the objects of it."""
        found: list[Members] = []
        self.expect(b"[")
        self.skip_blanks()
        if self.peek() == b"]":
            self.take()
            return found
        while True:
            self.skip_blanks()
            if self.peek() == b"{":
                found.append(self.object(top=False))
            else:
                self.value()
            if not self.another(b"]"):
                return found

    def value(self) -> Value:
        byte = self.peek()
        if byte == b'"':
            return Text(self.string(), quoted=True)
        if byte in b"{[":
            self.nested()
            return Nested.SKIPPED
        return Text(self.scalar(), quoted=False)

    def value_or_rest(self, *, is_asked_for: bool) -> Value:
        """Read a value; leniently, one that no field asks for with all up to the next member."""
        if is_asked_for or not self.lenient:
            return self.value()
        value = self.value() if self.peek() in b'"{[' else None
        rest = REST.match(self.line, self.at)
        if not rest:
            raise Rejected("not_json")
        self.at = rest.end()
        return value or Text(rest[0].strip(BLANKS), quoted=False)

    def skip_commas(self, *, top: bool) -> bool:
        """Skip blanks and, leniently, commas too many; return whether the object ends behind them."""
        self.skip_blanks()
        while top and self.lenient and self.peek() == b",":
            self.take()
            self.skip_blanks()
        is_end = top and self.lenient and self.peek() == b"}"
        self.at += is_end
        return is_end

    def string(self) -> bytes:
        self.expect(b'"')
        start = self.at
        while True:
            byte = self.take()
            if byte == b"\\":
                self.take()
            elif byte == b'"':
                return self.line[start : self.at - 1]

    def scalar(self) -> bytes:
        start = self.at
        while self.at < len(self.line) and self.line[self.at] not in b",}]" + BLANKS:
            # Wrong whatever follows, even if the line is cut off here.
            if self.line[self.at] in b'"{[:':
                raise Rejected("not_json")
            self.at += 1
        self.peek()
        if self.at == start:
            raise Rejected("not_json")
        return self.line[start : self.at]

    def nested(self) -> None:
        """Skip an object or array: only brackets of its own kind count."""
        opening = self.peek()
        closing = b"}" if opening == b"{" else b"]"
        depth = 0
        while True:
            byte = self.peek()
            if byte == b'"':
                self.string()
                continue
            self.take()
            depth += (byte == opening) - (byte == closing)
            if depth == 0:
                return
