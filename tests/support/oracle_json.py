"""Lenient reading of one line as a JSON object: strict in structure, not in values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

BLANKS = b" \t\r"


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


def parse_object(line: bytes) -> Members:
    """Read a trimmed line as one object; if a key is repeated, the last value counts.

    Only `origins` of the line itself is looked into: its value is the list of the objects in it. Raises Rejected
    with `not_json` at the first byte that cannot be, with `truncated` if the line ends before the object does.
    """
    if not line.startswith(b"{"):
        raise Rejected("not_json")
    scanner = Scanner(line)
    members = scanner.object(top=True)
    scanner.skip_blanks()
    if scanner.at < len(line):
        raise Rejected("not_json")
    return members


class Scanner:
    """A position in a line that moves forwards by one token."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.at = 0

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
            self.skip_blanks()
            key = self.string()
            self.skip_blanks()
            self.expect(b":")
            self.skip_blanks()
            looked_into = top and key == b"origins" and self.peek() == b"["
            members[key] = self.objects() if looked_into else self.value()
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
