"""Untrusted input stays data: it ends no line, controls no terminal, is not taken for HTML, and names no file."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from unicodedata import category
from urllib.parse import quote_from_bytes

import pytest

from edgetally.telemetry.events import Event, LineRejected, Listening
from edgetally.telemetry.log import JsonFormatter, TextFormatter
from tests.support.served import Answer, Served, served

EVIL = [
    pytest.param(b"\x1b[2J\x1b]0;title\x07", id="terminal control sequences"),
    pytest.param(b"\xc2\x9b2J\x9b2J", id="terminal control sequences above ASCII"),
    pytest.param(b"\r\nSet-Cookie: a=b\r\n\r\n<b>", id="line endings, as of a header"),
    pytest.param(b"\n2026-11-25T00:00:00 CRITICAL all is lost", id="a line of the log"),
    pytest.param(b'<script>alert(1)</script>"><img src=x onerror=alert(1)>', id="HTML"),
    pytest.param(b"../../../etc/cron.d/x\x00/tmp/x", id="a path"),
    pytest.param(b"\xe2\x80\xae\xe2\x80\xa8\xef\xbb\xbf", id="text that runs backwards"),
    pytest.param(b"%s%n{0}{self}{problem}${jndi:ldap://x}", id="formats"),
    pytest.param(b'\\","level":"info","\\', id="JSON"),
    pytest.param(bytes(range(256)), id="every byte"),
]

FIELDS = (b"ts", b"service_id", b"pop", b"domain", b"status", b"origin", b"origin_ip", b"origin_status", b"weight")
KEYS = (b"pop", b"domain", b"origin", b"origin_ip", b"cache", b"proto", b"tls")

Request = Callable[[bytes], bytes]


def header(name: bytes, before: bytes = b"GET /v1/domains/svc/ts/0", body: bytes = b"") -> Request:
    return lambda evil: (
        b"%b HTTP/1.1\r\nHost: x\r\n%b: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (
            *(before, name, evil.translate(None, b"\r\n\x00"), len(body)),
            body,
        )
    )


def target(before: bytes, after: bytes = b"", *, method: bytes = b"GET") -> Request:
    return lambda evil: (
        b"%b %b%b%b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        % (
            *(method, before),
            quote_from_bytes(evil, safe="").encode(),
            after,
        )
    )


def push(body: Callable[[bytes], bytes]) -> Request:
    def request(evil: bytes) -> bytes:
        return b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body(evil)), body(evil))

    return request


INPUTS = {
    "the path": target(b"/"),
    "a service that is read": target(b"/v1/domains/", b"/ts/h"),
    "a cursor": target(b"/v1/domains/svc/ts/"),
    "a limit": target(b"/v1/domains/svc/ts/h/limit/"),
    "a kind": target(b"/v1/channel/svc/ts/h?kind="),
    "a service that is pushed to": target(b"/ingest/", method=b"POST"),
    "a pop": target(b"/ingest?pop=", method=b"POST"),
    "a format": target(b"/ingest?format=", method=b"POST"),
    "the name of a parameter of a push": target(b"/ingest?", b"=1", method=b"POST"),
    "a weight": target(b"/ingest?weight=", method=b"POST"),
    "the name of a parameter": target(b"/?", b"=1"),
    "the path, not quoted": lambda evil: b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % evil,
    "the host": lambda evil: b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % evil.translate(None, b"\r\n\x00"),
    "a token": header(b"Fastly-Key"),
    "credentials": header(b"Authorization"),
    "accepted codings": header(b"Accept-Encoding"),
    "the coding of a body": header(b"Content-Encoding", b"POST /ingest", b"{}\n"),
    "a key of a push": header(b"Idempotency-Key", b"POST /ingest", b"{}\n"),
    "a method": lambda evil: evil + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "the path of another method": lambda evil: (
        b"DELETE /%b HTTP/1.1\r\nHost: x\r\n\r\n" % quote_from_bytes(evil).encode()
    ),
    "not HTTP at all": lambda evil: evil + b"\r\n\r\n",
    "a version": lambda evil: b"GET / HTTP/%b\r\n\r\n" % evil,
    "a line that is not a record": push(lambda evil: evil),
    "a body that is not gzip": lambda evil: (
        b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
        % (len(evil), evil)
    ),
    "every field": push(
        lambda evil: b"{%b}" % b",".join(b'"%b":"%b"' % (name, evil.replace(b"\n", b" ")) for name in FIELDS)
    ),
    "every key": push(
        lambda evil: (
            b'{"status":200,"origin_status":200,%b}'
            % b",".join(b'"%b":"%b"' % (name, evil.replace(b"\n", b" ")) for name in KEYS)
        )
    ),
}
SAFE_FIELDS = {
    *("date", "content-type", "content-length", "connection", "cache-control", "vary", "allow", "accept-encoding"),
    *("access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods"),
    "x-content-type-options",
}


def is_harmless(answer: Answer) -> bool:
    """Check that an answer is JSON and cannot be taken for anything else; return whether it is free of controls."""
    assert answer.headers.keys() <= SAFE_FIELDS
    assert all(value.isascii() and value.isprintable() for value in answer.headers.values())
    assert answer.headers["content-type"] == "application/json"
    # An answer with a part of the request forbids browsers to guess its type.
    assert answer.status == 200 or answer.headers["x-content-type-options"] == "nosniff"
    answer.json()
    # Keys may contain text that runs backwards, but no control characters.
    return not any(category(char) == "Cc" for char in answer.body.decode().replace("\n", ""))


class LoggedEvents(logging.Handler):
    """Everything that is logged, in both formats."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.events: list[Event] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert isinstance(record.msg, Event), record
        assert record.exc_info is None, record
        self.events.append(record.msg)
        self.lines += [TextFormatter().format(record), JsonFormatter().format(record)]


@pytest.fixture
def logged() -> Iterator[LoggedEvents]:
    handler = LoggedEvents()
    log = logging.getLogger("edgetally")
    log.addHandler(handler)
    before = log.level
    log.setLevel(logging.DEBUG)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)
    assert [line for line in handler.lines if not line.isprintable()] == []


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.usefixtures("logged")
async def test_requests_are_answered_with_harmless_json(evil: bytes, empty_directory: Path) -> None:
    async with served() as service:
        for name, request in INPUTS.items():
            async with service.connect() as raw:
                answer = await raw.ask(request(evil))
                assert is_harmless(answer), name
        await service.to(3)
        async with service.connect() as raw:
            for path in (
                b"/",
                b"/rejected",
                *(b"/v1/%b/default/ts/h" % dataset for dataset in (b"domains", b"origins")),
            ):
                assert is_harmless(await raw.ask(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)), path
        await check_metrics(service)
    assert os.listdir(empty_directory) == []  # noqa: PTH208 - a list of names


async def check_metrics(service: Served) -> None:
    shown = (await service.client.get("/metrics")).text
    assert [line for line in shown.split("\n") if not line.isprintable()] == []
    assert {line.split("{")[0].split(" ")[0] for line in shown.splitlines()} <= {
        "#",
        *(word for line in shown.splitlines() if line.startswith("# TYPE ") for word in names(line.split()[2])),
    }


def names(metric: str) -> list[str]:
    return [metric, f"{metric}_bucket", f"{metric}_sum", f"{metric}_count"]


@pytest.mark.parametrize("evil", EVIL)
async def test_rejected_lines_are_logged_as_data(evil: bytes, logged: LoggedEvents, tmp_path: Path) -> None:
    followed = tmp_path / "edge.log"
    sources: dict[str, object] = {
        "follow": [{"path": str(followed)}],
        "syslog": [{"listen": "udp:127.0.0.1:0"}, {"listen": "tcp:127.0.0.1:0"}],
    }
    async with served({"sources": sources}) as service:
        udp, tcp = (int(one.source.rpartition(":")[2]) for one in logged.events if isinstance(one, Listening))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<134>1 " + evil, ("127.0.0.1", udp))
        with socket.create_connection(("127.0.0.1", tcp)) as connection:
            connection.sendall(evil + b"\n")
        followed.write_bytes(evil + b"\n")
        for source in ("file:", "syslog:udp:", "syslog:tcp:"):
            while not rejected(logged, source):
                await service.clock.advance(0.1)


def rejected(logged: LoggedEvents, source: str) -> bool:
    return any(isinstance(one, LineRejected) and one.source.startswith(source) for one in logged.events)
