"""The process: start, refusal to start, and stop."""

import asyncio
import json
import re
import resource
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from edgetally.clock import SystemClock
from edgetally.config.sections import REACHED, SETTINGS
from edgetally.config.validation import check
from edgetally.errors import ConfigError
from edgetally.journal.base import Fact, Partial
from edgetally.journal.memory import MemoryJournal
from edgetally.service.service import Service
from edgetally.telemetry.metrics import METRICS
from tests.support.clock import START, ManualClock, until
from tests.support.process import COMMAND, Process, serving
from tests.support.served import Served, ndjson, served


def connect(server: Process) -> socket.socket:
    return socket.create_connection(server.address, timeout=30)


def until_blank(connection: socket.socket) -> bytes:
    """Read a header and its blank line."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, read
        read += byte
    return read


def until_closed(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_after_every_request_is_answered(number: signal.Signals) -> None:
    line = ndjson([{"status": 200}])
    with serving() as server, connect(server) as reader, connect(server) as sender, connect(server) as idle:
        # Requests in one piece are handled together: once the first is answered, the second waits.
        reader.sendall(
            b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/domains/svc/ts/9999999999 HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        until_blank(reader)
        sender.sendall(
            b"POST /ingest HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (2 * len(line))
        )
        assert until_blank(sender).startswith(b"HTTP/1.1 100")
        sender.sendall(line)

        server.signal(number)
        server.wait_for("stopping")
        answer = until_closed(reader)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nConnection: close\r\n" in answer
        assert b'"Data":[]' in answer
        assert until_closed(idle) == b""
        sender.sendall(line)
        pushed = until_closed(sender)

        assert pushed.startswith(b"HTTP/1.1 200 OK\r\n")
        assert json.loads(pushed.partition(b"\r\n\r\n")[2]) == {"accepted": 2, "rejected": 0, "errors": []}
        assert server.ended() == 0
        assert "Traceback" not in "".join(server.lines)


STOP_SECONDS = 5.0
"""What docs/promises.md promises."""

READERS = 1000


@pytest.fixture
def few_files() -> Iterator[None]:
    """Start processes with a low soft limit on open files, as most systems do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * READERS:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (READERS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_it_stops_in_time_with_a_thousand_waiting_readers_and_a_sender_that_never_ends() -> None:
    with serving() as server, ExitStack() as opened:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        sender = opened.enter_context(connect(server))
        sender.sendall(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        readers = [opened.enter_context(connect(server)) for _ in range(READERS)]
        for number, reader in enumerate(readers):
            # Requests in one piece are handled together: once the first is answered, the second waits.
            reader.sendall(
                b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
                b"GET /v1/domains/svc-%d/ts/9999999999 HTTP/1.1\r\nHost: x\r\n\r\n" % (number % 100)
            )
        for reader in readers:
            until_blank(reader)
        waiting = f"edgetally_waiting_readers {READERS}.0\n"
        assert waiting in httpx.get(f"{server.url}/metrics", timeout=30).text

        began = SystemClock().now()
        server.signal(signal.SIGTERM)
        answers = [until_closed(reader) for reader in readers]
        assert server.ended() == 0
        took = SystemClock().now() - began

    assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") and b'"Data":[]' in answer for answer in answers)
    assert took < STOP_SECONDS


async def test_a_reader_that_comes_during_the_stop_does_not_wait() -> None:
    async with served() as service, service.connect() as raw:
        # Once the first request is answered, the second is being received.
        first = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        assert (await raw.ask(first + b"GET /v1/domains/svc/ts/%d HTTP/1.1\r\n" % START)).status == 200
        stopping = asyncio.create_task(service.service.__aexit__(None, None, None))
        await until(lambda: service.service.server.closing)
        answer = await raw.ask(b"Host: x\r\n\r\n")
        assert answer.json()["Data"] == []
        assert answer.headers["connection"] == "close"
        await stopping


def test_sigabrt_logs_where_every_thread_was() -> None:
    with serving() as server:
        server.signal(signal.SIGABRT)
        assert server.ended() == -signal.SIGABRT

    said = "".join(server.lines)
    assert "Fatal Python error: Aborted" in said
    assert "/process.py" in said


async def test_each_source_has_its_own_format_and_weight(tmp_path: Path) -> None:
    lines = {
        "caddy": b'{"ts":%d,"request":{"host":"caddy.example"},"status":200}' % START,
        "nginx": b'{"ts":%d,"domain":"nginx.example","status":200}' % START,
    }
    follow = [{"path": str(tmp_path / name), "format": name} for name in lines]
    follow[0]["weight"] = 3  # type: ignore[assignment]
    settings: dict[str, dict[str, object]] = {"sources": {"follow": follow}, "records": {"weight": 2}}
    async with served(settings) as service:
        # The files are created later, so they are read from the beginning.
        await service.clock.advance(1)
        for name, line in lines.items():
            (tmp_path / name).write_bytes(line + b"\n")
        while service.service.totals.accepted < len(lines):
            await service.clock.advance(0.2)
        await service.clock.advance(5)
        entries = await service.entries(service_id="default")

    requests = {name: shown["requests"] for entry in entries for name, shown in entry["aggregated"].items()}
    assert requests == {"caddy.example": 3, "nginx.example": 2}


async def test_waiting_readers_are_answered_at_the_stop() -> None:
    async with served() as service:
        parked = [await service.park(f"/v1/domains/{name}/ts/{START}") for name in ("svc", "other")]
        await service.service.__aexit__(None, None, None)
        answers = [(await one).json() for one in parked]

    assert [answer["Data"] for answer in answers] == [[], []]
    assert {answer["Timestamp"] for answer in answers} == {START}


class Refused(NamedTuple):
    name: str
    flags: list[str]
    says: str


REFUSED = [
    Refused("every address", ["--listen", "0.0.0.0:0"], "--listen: 0.0.0.0 can be reached by others"),
    Refused("every address of IPv6", ["--listen", "[::]:0"], "--listen: :: can be reached by others"),
    Refused("a name", ["--listen", "edge.example:0"], "--listen: edge.example can be reached by others"),
    Refused("an invalid address", ["--listen", "8480"], "--listen: expected HOST:PORT or [IPv6]:PORT, got '8480'"),
    Refused("no delay", ["--aggregate-delay", "0"], "--aggregate-delay: expected an integer from 1 to 60, got '0'"),
    Refused("no timeout", ["--poll-timeout", "0"], "--poll-timeout: expected a number above 0"),
    Refused(
        "an invalid service id", ["--service-id", "a.b"], "--service-id: expected 1 to 64 letters, digits, - and _"
    ),
    Refused("an unknown format", ["--format", "nginks"], "--format: unknown format 'nginks' (expected one of: "),
    Refused(
        "columns without a status", ["--format", "cloudfront:asn"], "--format: cloudfront needs the column sc-status"
    ),
    Refused("a missing settings file", ["--config", "/nowhere/settings.toml"], "/nowhere/settings.toml: "),
    Refused("an unknown flag", ["--listen-on", "x"], "--listen-on"),
]


def refusal(*flags: str) -> str:
    """Run a server that must refuse to start; return its stderr."""
    ended = subprocess.run([*COMMAND, "serve", *flags], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_it_refuses_to_start_and_names_the_reason(case: Refused) -> None:
    assert case.says in refusal(*case.flags)


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal("--listen", f"127.0.0.1:{port}")
    assert said == f"edgetally: --listen: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_file_that_is_followed_twice_is_an_error(tmp_path: Path) -> None:
    log, link = tmp_path / "edge.log", tmp_path / "link.log"
    link.symlink_to(log)
    said = refusal("--listen", "127.0.0.1:0", "--journal", "memory", "--follow", str(log), "--follow", str(link))
    assert f"--follow: {link} is followed twice" in said


def test_a_directory_in_use_is_an_error(tmp_path: Path) -> None:
    with serving("--data-dir", str(tmp_path)):
        said = refusal("--listen", "127.0.0.1:0", "--data-dir", str(tmp_path))
    assert said.startswith(f"edgetally: --data-dir: {tmp_path}/journal.sqlite is in use by another process")


TYPOS = [
    Refused(
        "in a setting", ["[api]\nlissten = '127.0.0.1:0'"], "api.lissten: unknown setting (expected one of: listen, "
    ),
    Refused("in a section", ["[windows]\naggregate_delay = 3"], "windows: unknown setting (expected one of: api, "),
    Refused("in a list", ["[[sources.follow]]\npaht = 'x'"], "sources.follow[0].paht: unknown setting"),
    Refused(
        "in a value",
        ["[window]\naggregate_delay = 'two'"],
        "window.aggregate_delay: expected an integer from 1 to 60, got the string 'two'\n",
    ),
    Refused("in the TOML", ["[api\n"], "line 1"),
]


@pytest.mark.parametrize("case", TYPOS, ids=lambda case: case.name)
def test_a_typo_in_the_settings_is_an_error_that_names_it(case: Refused, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(case.flags[0])
    said = refusal("--config", str(settings))
    assert said.startswith(f"edgetally: {settings}: ")
    assert case.says in said


def test_flags_win_over_the_settings_file(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[window]\naggregate_delay = 7\n[records]\nservice_id = 'mine'\n[api]\nlisten = '0.0.0.0:1'\n")
    with serving("--config", str(settings), "--aggregate-delay", "3") as server:
        assert httpx.get(f"{server.url}/v1/domains/mine/ts/h", timeout=30).json()["AggregateDelay"] == 3


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", "127.0.0.2:0"])
async def test_it_listens_on_this_machine(listen: str) -> None:
    async with served({"api": {"listen": listen}}) as service:
        assert (await service.client.get("/")).status_code == 200


async def test_it_listens_elsewhere_only_when_told() -> None:
    with pytest.raises(ConfigError, match=r"^api\.listen: 0\.0\.0\.0 can be reached"):
        async with served({"api": {"listen": "0.0.0.0:0"}}):
            pass
    async with served({"api": {"listen": "0.0.0.0:0", "allow_anonymous": True}}) as service:
        assert service.service.url.startswith("http://0.0.0.0:")


async def test_a_stop_does_not_wait_until_the_journal_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(_: MemoryJournal, position: int = 0) -> AsyncIterator[Fact]:
        await asyncio.Event().wait()
        yield Partial(position, b"")

    monkeypatch.setattr(MemoryJournal, "read", read)
    stopping, clock = asyncio.Event(), ManualClock()
    config = check({"api": {"listen": "127.0.0.1:0"}, "journal": {"kind": "memory"}})
    service = Service(config, clock, stopping=stopping)
    starting = asyncio.create_task(service.__aenter__())
    await clock.advance(2)
    assert not starting.done()

    stopping.set()
    await starting
    await service.__aexit__(None, None, None)
    assert not service.url


async def test_a_failed_task_is_logged_and_stops_the_process(
    service: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.service.shelf, "put", fail)
    service.clock.settled = lambda: True
    await service.to(1)
    await service.service.failed.wait()

    assert [one.message for one in caplog.records] == ["internal error: a background task failed, stopping"]


async def test_a_task_that_ends_with_an_error_of_the_user_is_no_bug(
    service: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = ConfigError("journal.data_dir", "it is damaged")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(service.service.shelf, "put", fail)
    service.clock.settled = lambda: True
    await service.to(1)
    await service.service.failed.wait()

    assert service.service.failure is error
    assert not caplog.records


async def test_every_limit_that_is_set_is_counted_where_its_page_says(service: Served) -> None:
    shown = (await service.client.get("/metrics")).text
    counted = re.findall(rf'^{REACHED}{{limit="(.*?)"}} ', shown, re.MULTILINE)

    limits = {path: one.limit.counted for path, one in SETTINGS.items() if one.limit}
    assert sorted(counted) == sorted(path for path, metric in limits.items() if metric == REACHED)
    assert set(limits.values()) <= {metric.name for metric in METRICS}
