"""Which format lines are in, going by the fields that are found in them."""

import re
from collections.abc import Iterator
from typing import Any

from edgetally import _core
from edgetally.snippets import CANONICAL

LOOKED_AT = 1 << 14
"""Bytes of a log in which its format is looked for."""

FIELDS = (b'"domain', b'"origin')
"""How fields begin that canonical records have and lines of other formats have not, with or without a wrapper."""

MAX_DEPTH = 6
"""Wrappers around each other that are looked into for a format."""

TOKENS = rb'"(?:[^"\\]|\\.)*"|[{}]'
"""Strings, and the braces outside of them."""


def other_format(log: bytes, format: str, *, in_wrappers: bool = True) -> str | None:
    """
    Return the format that lines are in, if it is known, is not `format`, and would tell more of them.

    Such lines may count all the same, because formats share `status`: without their domains, under `_invalid`.

    Args:
        log: A log from its beginning. Only the first 16 KiB are looked at.
        format: What it is read as, as the core names it.
        in_wrappers: Look into wrappers, too. That takes some milliseconds, a hundred times as long.
    """
    found = found_format(log, format, in_wrappers=in_wrappers)
    return None if found in (CANONICAL, name_of(format)) else found


def found_format(log: bytes, format: str, *, in_wrappers: bool = True) -> str | None:
    """Return the format that lines are in; `format` itself if they have fields that count in every format."""
    start = log[:LOOKED_AT]
    if any(field in start for field in FIELDS):
        return name_of(format)
    found = _core.detect_format(start)
    return detect(start.splitlines()) if in_wrappers and found != name_of(format) else found


def name_of(format: str) -> str:
    """Return the name of a format without its fields."""
    return format.partition(":")[0]


def detect(lines: list[bytes]) -> str | None:
    """Return the format that finds the most fields in these lines; None if none finds any."""
    one_line = [line.rstrip(b"\r\n") for line in lines]
    # A record may be spread over all of them.
    records = [record for text in (*one_line, b" ".join(one_line)) for record in _records(text)]
    return _core.detect_format(b"\n".join([*one_line, *records]))


def _records(text: bytes, depth: int = 0) -> Iterator[bytes]:
    """Yield the objects in a text, and those in their strings and lists: a record may be in wrappers."""
    import msgspec  # noqa: PLC0415 - where all records are canonical, none comes here

    for found in split(text) if depth < MAX_DEPTH else []:
        yield found
        try:
            members = msgspec.json.decode(found, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        for value in members.values():
            if isinstance(value, str):
                yield from _records(value.replace("\n", " ").encode("utf-8", "surrogatepass"), depth + 1)
            elif isinstance(value, dict | list):
                yield from _records(msgspec.json.encode(value), depth + 1)


def split(line: bytes) -> list[bytes]:
    """Return the outermost objects in a line of JSON."""
    records = []
    start = depth = 0
    for found in re.finditer(TOKENS, line):
        match found.group():
            case b"{":
                start = start if depth else found.start()
                depth += 1
            case b"}" if depth:
                depth -= 1
                if not depth:
                    records.append(line[start : found.end()])
    return records
