"""Lines in wrappers, and records that share a line or are spread over several.

Damaged lines are wrapped as they are, and wrappers are not damaged: a broken one has just some reason. Text behind a
prefix does not occur either: it has tests of its own.
"""

import json
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.support import records, records_formats
from tests.support.oracle_wrappers import DOCKER_PART
from tests.support.records import NOW, Choice, DrawnChoice, SeededChoice

TIME = b"2026-11-22T02:20:3%d.123456789Z"

SYSLOG = b"<190>Nov 22 02:20:35 edge1 nginx: "

PREFIXES = (
    *(b"<190>Nov 22 02:20:35 edge1 nginx: ", b"<190>Nov  2 02:20:35 nginx[12]: ", b"Nov 22 02:20:35 edge1 nginx[12]: "),
    *(b"<134>1 2026-11-22T02:20:34Z edge1 haproxy 12 - - ", b"<134>1 - - - - - - ", b"<190>nginx: ", b"<190>"),
    b'<134>1 2026-11-22T03:20:34+01:00 edge1 haproxy 12 - [ex@32473 route="/a/{id}" b="\\"]{\\]"][c] ',
    b"<134>1 2026-11-22T02:20:34Z {edge} h{a}proxy 12 - - \xef\xbb\xbf",
    *(b"83 <134>1 2026-11-22T02:20:34Z edge1 haproxy 12 - - ", b"71 <190>Nov 22 02:20:35 edge1 nginx: "),
    *(b"2026-11-22T02:20:33.907+00:00 edge1 nginx[12]: ", b"2026-11-22T02:20:33.907Z "),
    *(b"Nov 22 02:20:35.123456 edge1 nginx[12]: ", b"Sun 2026-11-22 02:20:34 UTC edge1 nginx.service[12]: "),
    *(
        b"Sun 2026-11-22 03:20:34 CET edge1 nginx: ",
        b"1795314034.123456 edge1 nginx[12]: ",
        b"[ 1234.567890] edge1 nginx: ",
    ),
    *(
        b"2026-11-22 02:20:34 ",
        b"2026-11-22 02:20:34,907\t",
        b"2026-11-22T02:20:34Z\t",
        b"data: ",
        b"\x1e",
        b"\x1b[36m",
    ),
    *(b"\x1b[36mnginx-1  | \x1b[0m", b"nginx-1  |"),
    *(b"nginx: ", b"edge1 nginx[12]: ", b"default/edge-7d9[nginx]: ", b"access.log:", b"/l/access.log-1:12:", b"12:"),
    *(
        b"[2026-11-22T02:20:34Z] ",
        b"[22/Nov/2026:02:20:34 +0000] ",
        b"2026/11/22 02:20:34.907 ",
        b"2026-11-22T02:20:34 ",
    ),
    *(b"3f2a1b9c0d1e ", b"02:20:34 web.1  | ", b"[  4.5 <  0.1 >] edge1 nginx: ", b"MESSAGE=", b"\x1b[K"),
    b"2026/11/22 02:20:34.907\tINFO\thttp.log.access.log0\thandled request\t",
    *(b"nginx-1  | ", b"web.1.x7k@node-2    | ", b"[pod/edge-7d9/nginx] ", b"edge-1 | 2026-11-22T02:20:33.907Z "),
)
"""What may stand before a record that starts with its brace."""


def one_line(choice: Choice, format: str) -> bytes:
    return records.one_line(choice) if format == "canonical" else records_formats.one_line(choice, format)


def prefixed(choice: Choice, format: str) -> list[bytes]:
    """Put a prefix before a record."""
    line = one_line(choice, format).lstrip(b" \t\r\0")
    # Behind a prefix that ends with its brace, a damaged line has to keep its own.
    return [choice.of(PREFIXES) + line] if line.startswith(b'{"') else [line]


def cri(choice: Choice, format: str) -> list[bytes]:
    """Write a line as a container runtime does, in parts if it is long."""
    line, time = one_line(choice, format), TIME % choice.number(3, 5)
    stream = choice.of([b"stdout", b"stdout", b"stderr"])
    parts = [line] if choice.number(0, 1) else cut(choice, line)
    # The last line of a container may have no newline.
    tag = choice.of([b"F", b"F", b"F:x"]) if choice.number(0, 6) else b"P"
    tags = [b"P"] * (len(parts) - 1) + [tag]
    return [b"%b %b %b %b" % (time, stream, tag, part) for tag, part in zip(tags, parts, strict=True)]


def docker(choice: Choice, format: str) -> list[bytes]:
    """Write a line as Docker's json-file does, in parts if it is long."""
    line, time = one_line(choice, format), (TIME % choice.number(3, 5)).decode()
    stream = choice.of(["stdout", "stdout", "stderr"])
    if choice.number(0, 999) == 999:
        line = line.replace(b'{"', b'{"x":"' + b"x" * (DOCKER_PART - choice.number(1, 100)) + b'","', 1)
    parts = [line[at : at + DOCKER_PART] for at in range(0, len(line) or 1, DOCKER_PART)]
    newline = b"\n" if choice.number(0, 6) else b""
    return [
        envelope(choice, {"log": part, "stream": stream, "time": time}) for part in [*parts[:-1], parts[-1] + newline]
    ]


def journal(choice: Choice, format: str) -> list[bytes]:
    """Write a line as the journal does: bytes that are not text as numbers."""
    line = one_line(choice, format)
    entry = {"__REALTIME_TIMESTAMP": f"{NOW - 1}123456", "PRIORITY": "6", "_PID": "12"}
    if choice.number(0, 1):
        return [json.dumps({**entry, "MESSAGE": list(line)}).encode()]
    return [envelope(choice, {**entry, "MESSAGE": line})]


def shipped(choice: Choice, format: str) -> list[bytes]:
    """Write a line as shippers do."""
    key, line = choice.of(["message", "message", "log", "msg"]), one_line(choice, format)
    if line.startswith(b'{"'):
        line = choice.of([b"", b"", b" ", SYSLOG]) + line
    status: dict[str, object] = (
        {"status": choice.of(["info", "error", None, "200"])} if choice.number(0, 2) == 2 else {}
    )
    return [envelope(choice, {"@timestamp": (TIME % 4).decode(), **status, "host": {"name": "edge1"}, key: line})]


def joined(choice: Choice, format: str) -> list[bytes]:
    """Write several records into a line, with or without anything between."""
    lines = [line for line in (one_line(choice, format) for _ in range(3)) if line.startswith(b"{")]
    if choice.number(0, 3) == 3:
        lines = [docker(choice, format)[0] for _ in range(2)]
    separator = choice.of([b"", b" ", b",", b", ", b"][", b"\xef\xbb\xbf", b"\0", b"\0" + SYSLOG])
    return [choice.of([b"", b"[", b" "]) + separator.join(lines) + choice.of([b"", b",", b"]", b"\r"])]


def spread(choice: Choice, format: str) -> list[bytes]:
    """Write a record over several lines, mostly all of them."""
    try:
        value = json.loads(one_line(choice, format))
    except ValueError:
        return [b"{"]
    if not isinstance(value, dict) or not value:
        return [b"{"]
    indent = choice.of(["  ", " ", "", "\t"])
    lines = json.dumps(value, indent=indent).encode().split(b"\n")
    if choice.number(0, 9) == 9:
        del lines[choice.number(1, len(lines) - 1) :]
    else:
        lines[-1] += choice.of([b"", b"", b",", b" ", b"x"])
    if choice.number(0, 3) == 3 and len(lines) > 2:
        # The first member beside the brace.
        lines[:2] = [lines[0] + choice.of([b"", b" "]) + lines[1].strip()]
    if choice.number(0, 2) == 2:
        return lines
    if choice.number(0, 2) == 2:
        return [*lines[:-1], lines[-1] + choice.of([b"", b", "]) + lines[0], *lines[1:]]
    time, stream = TIME % choice.number(3, 5), choice.of(["stdout", "stderr"])
    kind = choice.of(["cri", "pod", "docker", "journal"])
    return [wrapped(choice, kind, line, time, stream) for line in lines]


def wrapped(choice: Choice, kind: str, line: bytes, time: bytes, stream: str) -> bytes:
    """Write one of several lines of a record in a wrapper."""
    if kind == "cri":
        return b"%b %b F %b" % (time, stream.encode(), line)
    if kind == "pod":
        return b"[pod/edge-7d9/nginx] " + line
    if kind == "docker":
        return envelope(choice, {"log": line + b"\n", "stream": stream, "time": time.decode()})
    return envelope(choice, {"MESSAGE": line, "_PID": "12"})


def envelope(choice: Choice, members: dict[str, object]) -> bytes:
    """Write an object; a text of it may be bytes."""
    ascii_only = choice.number(0, 1) == 1
    blanks = choice.of([(",", ":"), (", ", ": ")])
    shown = {
        name: text.decode("utf-8", "replace") if isinstance(text, bytes) else text for name, text in members.items()
    }
    return json.dumps(shown, ensure_ascii=ascii_only, separators=blanks).encode()


def cut(choice: Choice, line: bytes) -> list[bytes]:
    """Cut a line into up to three parts."""
    ends = sorted(choice.number(0, len(line)) for _ in range(2))
    return [part for part in (line[: ends[0]], line[ends[0] : ends[1]]) if part] + [line[ends[1] :]]


def plain(choice: Choice, format: str) -> list[bytes]:
    return [choice.of([b"", b"", b"\xef\xbb\xbf", b"\0\0"]) + one_line(choice, format) + choice.of([b"", b"", b"\0"])]


WRAPPERS: Sequence[Callable[[Choice, str], list[bytes]]] = (
    *(plain, prefixed, cri, docker, journal, shipped, joined, spread),
)


def lines(choice: Choice, format: str, count: int) -> bytes:
    """Write this many records, or what is left of them, wrapped in runs of the same kind."""
    found: list[bytes] = []
    wrap = WRAPPERS[0]
    for _ in range(count):
        if choice.number(0, 4) == 4:
            wrap = choice.of(WRAPPERS)
        found += wrap(choice, format)
    return b"".join(line.replace(b"\n", b" ") + b"\n" for line in found)


@st.composite
def log(draw: st.DrawFn, format: str) -> bytes:
    """Draw a few lines."""
    choice = DrawnChoice(draw)
    return lines(choice, format, choice.number(1, 8))


def sample(format: str, seed: int, count: int) -> bytes:
    """Write this many records; the same for the same seed."""
    return lines(SeededChoice(seed), format, count)
