"""Syslog: what was sent counts, and what goes wrong is said and bounded."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from edgetally.errors import ConfigError
from edgetally.ingest.fold_pool import RecordLimits
from edgetally.ingest.worker import COMMIT_SECONDS
from edgetally.journal.memory import MemoryJournal
from edgetally.model import Defaults
from edgetally.sources import syslog
from edgetally.sources.base import READ, Block
from edgetally.sources.syslog import (
    MAX_DATAGRAM,
    MAX_JUNK,
    MAX_OPEN,
    QUIET_SECONDS,
    STALL_SECONDS,
    Address,
    SyslogConnection,
    SyslogDatagrams,
    SyslogListener,
    address,
)
from tests.support.clock import PATIENCE, TurnedClock
from tests.support.ingest import Ingest
from tests.support.served import served

DEFAULTS = Defaults("svc", "lab")
LIMITS = RecordLimits(max_line=262_144, max_lateness=120, max_ahead=5)
RECORD = b'{"status":200}'
HEADERS = {
    "RFC 3164": b"<190>Nov 22 02:20:35 vm edge: ",
    "RFC 5424": b'<134>1 2026-11-22T02:28:47.9+00:00 vm edge - - [timeQuality tzKnown="1" isSynced="0"] ',
    "no header": b"",
}
ROADS = ("udp", "unix", "tcp")
assert QUIET_SECONDS < COMMIT_SECONDS, "what is committed here is committed because it is quiet"


def counted(message: bytes) -> bytes:
    """Put the number of its octets before a message."""
    return b"%d %b" % (len(message), message)


class Sender:
    """Sends syslog to where it is listened for."""

    def __init__(self, where: Address) -> None:
        family = socket.AF_UNIX if where.kind == "unix" else socket.AF_INET
        self.is_stream = where.kind == "tcp"
        self._socket = socket.socket(family, socket.SOCK_STREAM if self.is_stream else socket.SOCK_DGRAM)
        self._socket.connect(where.host if where.kind == "unix" else (where.host, where.port))
        self._socket.setblocking(False)  # noqa: FBT003 - the socket's own interface

    async def send(self, *messages: bytes) -> None:
        """Send messages, over a stream with a newline behind each."""
        for message in messages:
            await self.send_bytes(message + b"\n" if self.is_stream else message)

    async def send_bytes(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def is_over(self) -> bool:
        """Wait until the other side closes; say whether it did so without a word."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.get_running_loop().sock_recv(self._socket, 1) == b""
        except ConnectionError:
            return True

    def is_open(self) -> bool:
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


class Road:
    """A listening source, the worker behind it, and the clock of both."""

    def __init__(self, where: Address, ingest: Ingest, clock: TurnedClock) -> None:
        self.where = where
        """Where it really listens."""
        self.totals = ingest.totals
        self.clock = clock
        self._senders: list[Sender] = []

    def sender(self) -> Sender:
        self._senders.append(Sender(self.where))
        return self._senders[-1]

    def close(self) -> None:
        for sender in self._senders:
            sender.close()

    async def counts(self, accepted: int, rejected: int = 0) -> None:
        """Let it become quiet until so many lines were counted and refused, and assert that there are no more."""
        wanted = (accepted, rejected)
        async with asyncio.timeout(PATIENCE):
            while self.lines < wanted:
                await self.clock.advance(QUIET_SECONDS)
        assert self.lines == wanted

    @property
    def lines(self) -> tuple[int, int]:
        return self.totals.accepted, self.totals.rejected.total()


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def ingest(clock: TurnedClock) -> Iterator[Ingest]:
    ingest = Ingest(MemoryJournal(), clock, limits=LIMITS)
    yield ingest
    ingest.close()


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "edgetally")
    return caplog


def listened_on(said: pytest.LogCaptureFixture) -> Address:
    """Return the last address that the log says is listened on."""
    found = [match[1] for line in said.messages if (match := re.fullmatch("syslog:(.*): listening", line))]
    return address(found[-1])


def closings(said: pytest.LogCaptureFixture) -> list[str]:
    """Return why connections were closed."""
    return [line.partition(": connection closed: ")[2] for line in said.messages if ": connection closed: " in line]


def local(kind: str, directory: Path) -> Address:
    return Address("unix", f"{directory}/log.sock", 0) if kind == "unix" else Address(kind, "127.0.0.1", 0)


@asynccontextmanager
async def listening(
    kind: str, directory: Path, ingest: Ingest, clock: TurnedClock, said: pytest.LogCaptureFixture
) -> AsyncIterator[Road]:
    """Listen, and fold what comes."""
    where = local(kind, directory)
    if kind == "tcp":
        listener = SyslogListener(where, DEFAULTS, clock)
        await listener.listen(ingest.worker.follow)
        road = Road(listened_on(said), ingest, clock)
        try:
            yield road
        finally:
            await listener.close()
            road.close()
    else:
        following = asyncio.create_task(ingest.worker.follow(SyslogDatagrams(where, DEFAULTS, clock)))
        road = Road(listened_on(said), ingest, clock)
        try:
            yield road
        finally:
            following.cancel()
            await asyncio.wait([following])
            road.close()


@pytest.fixture
async def road(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    ingest: Ingest,
    clock: TurnedClock,
    said: pytest.LogCaptureFixture,
) -> AsyncIterator[Road]:
    """A road of the kind that the test names."""
    async with listening(request.param, tmp_path, ingest, clock, said) as road:
        yield road


every_road = pytest.mark.parametrize("road", ROADS, indirect=True)
over_tcp = pytest.mark.parametrize("road", ["tcp"], indirect=True)
over_udp = pytest.mark.parametrize("road", ["udp"], indirect=True)
over_unix = pytest.mark.parametrize("road", ["unix"], indirect=True)


@asynccontextmanager
async def received(source: SyslogDatagrams) -> AsyncIterator[AsyncGenerator[Block, None]]:
    """Read the blocks of `source`, without a worker."""
    async with aclosing(cast("AsyncGenerator[Block, None]", source.blocks(None))) as blocks:
        yield blocks


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("udp:127.0.0.1:5514", Address("udp", "127.0.0.1", 5514)),
        ("tcp:127.0.0.1:0", Address("tcp", "127.0.0.1", 0)),
        ("tcp:localhost:65535", Address("tcp", "localhost", 65535)),
        ("udp:[::1]:5514", Address("udp", "::1", 5514)),
        ("unix:/run/edgetally.sock", Address("unix", "/run/edgetally.sock", 0)),
        ("unix:/a:b", Address("unix", "/a:b", 0)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, want: Address) -> None:
    assert address(text) == want
    assert str(want) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "udp",
        "udp:",
        "udp:5514",
        "udp::5514",
        "udp:[]:5514",
        "udp:127.0.0.1",
        "udp:127.0.0.1:",
        "udp:127.0.0.1:syslog",
        "udp:127.0.0.1:-1",
        "udp:127.0.0.1:65536",
        "UDP:127.0.0.1:5514",
        "tls:127.0.0.1:6514",
        "unix:",
        "unix:log.sock",
        "/run/edgetally.sock",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="is none of udp:HOST:PORT, tcp:HOST:PORT, unix:/PATH") as raised:
        address(text)
    assert raised.value.where == "sources.syslog"
    assert repr(text) in raised.value.problem


# --- what was sent counts ------------------------------------------------------------------------------------------


@every_road
@pytest.mark.parametrize("header", HEADERS)
async def test_every_road_counts_what_was_sent_behind_every_header(road: Road, header: str) -> None:
    sender = road.sender()
    await sender.send(*[HEADERS[header] + RECORD] * 20)
    await road.counts(20)


@every_road
async def test_headers_may_be_mixed_and_what_is_no_record_is_refused(road: Road) -> None:
    sender = road.sender()
    await sender.send(*[header + RECORD for header in HEADERS.values()], b"<190>Nov 22 02:20:35 vm edge: hello")
    await road.counts(3, 1)


@every_road
async def test_there_may_be_many_senders(road: Road) -> None:
    for _ in range(3):
        await road.sender().send(RECORD)
    await road.counts(3)


@every_road
async def test_records_are_committed_once_it_is_quiet_and_not_before(road: Road) -> None:
    sender = road.sender()
    for times in (1, 2):
        await sender.send(RECORD, RECORD)
        await road.clock.advance(0.9 * QUIET_SECONDS)
        assert road.lines == (2 * times - 2, 0)
        await road.clock.advance(0.1 * QUIET_SECONDS)
        assert road.lines == (2 * times, 0)
        await road.clock.advance(10.0)


@every_road
async def test_what_goes_on_and_on_does_not_wait_for_quiet(road: Road) -> None:
    sender = road.sender()
    for _ in range(4):
        await sender.send(RECORD)
        await road.clock.advance(0.6 * QUIET_SECONDS)
    assert road.lines == (0, 0)
    await sender.send(RECORD)
    await road.clock.advance(0.0)
    assert road.lines == (5, 0)


@pytest.mark.parametrize("kind", ROADS)
async def test_what_came_before_the_stop_counts(
    kind: str, tmp_path: Path, ingest: Ingest, clock: TurnedClock, said: pytest.LogCaptureFixture
) -> None:
    async with listening(kind, tmp_path, ingest, clock, said) as road:
        await road.sender().send(RECORD, RECORD)
        await clock.advance(0.0)
        assert road.lines == (0, 0)
    assert road.lines == (2, 0)


# --- datagrams -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["udp", "unix"])
async def test_datagrams_are_read_many_at_once(
    kind: str, tmp_path: Path, clock: TurnedClock, said: pytest.LogCaptureFixture
) -> None:
    # The kernel lets fewer wait at a unix socket (net.unix.max_dgram_qlen).
    messages = [b'{"status":%d}' % (200 + number) for number in range(200 if kind == "udp" else 10)]
    async with received(SyslogDatagrams(local(kind, tmp_path), DEFAULTS, clock)) as blocks:
        sender = Sender(listened_on(said))
        await sender.send(*messages)
        block = await anext(blocks)
        sender.close()
    assert block == Block(b"".join(message + b"\n" for message in messages), more=True)


@pytest.mark.parametrize("kind", ["udp", "unix"])
async def test_when_nothing_comes_nothing_is_done(
    kind: str, tmp_path: Path, clock: TurnedClock, said: pytest.LogCaptureFixture
) -> None:
    async with received(SyslogDatagrams(local(kind, tmp_path), DEFAULTS, clock)) as blocks:
        sender = Sender(listened_on(said))
        await sender.send(RECORD)
        assert (await anext(blocks)).more
        quiet = asyncio.ensure_future(anext(blocks))
        await clock.advance(QUIET_SECONDS)
        assert await quiet == Block(b"")

        waiting = asyncio.ensure_future(anext(blocks))
        await clock.advance(10 * QUIET_SECONDS)
        assert not waiting.done()
        await sender.send(RECORD)
        assert (await waiting).data == RECORD + b"\n"
        sender.close()


async def test_a_block_ends_where_the_next_datagram_might_not_fit(
    clock: TurnedClock, said: pytest.LogCaptureFixture
) -> None:
    message = b"x" * 60_000
    many = READ // len(message) + 10
    async with received(SyslogDatagrams(local("udp", Path()), DEFAULTS, clock)) as blocks:
        sender = Sender(listened_on(said))
        data = b""
        sent = 0
        while sent < many:
            # As many as a small receive buffer holds.
            await sender.send(*[message] * 10)
            sent += 10
            block = await anext(blocks)
            assert len(block.data) < READ + MAX_DATAGRAM + 1
            data += block.data
        sender.close()
    assert data == (message + b"\n") * sent


@over_udp
async def test_the_largest_datagram_counts(road: Road) -> None:
    padding = b"x" * (65_507 - len(b'{"status":200,"url":""}'))
    await road.sender().send(b'{"status":200,"url":"%b"}' % padding)
    await road.counts(1)


@over_unix
async def test_a_datagram_larger_than_a_line_may_be_is_refused_and_no_others(road: Road) -> None:
    sender = road.sender()
    sender._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)  # noqa: SLF001 - a sender of its own kind
    # They fill more than the block.
    await sender.send(*[b'{"status":200,"url":"%b"}' % (b"x" * (MAX_DATAGRAM + 1000))] * 5, RECORD)
    await road.counts(1, 5)


@over_udp
async def test_empty_datagrams_and_newlines_in_and_behind_datagrams_are_no_harm(road: Road) -> None:
    sender = road.sender()
    await sender.send(b"", RECORD + b"\n", b"", RECORD + b"\0", RECORD + b"\n" + RECORD, b"\n")
    await road.counts(4)


async def test_what_the_kernel_drops_is_seen(
    clock: TurnedClock, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "RECEIVE_BUFFER", 8192)
    source = SyslogDatagrams(local("udp", Path()), DEFAULTS, clock)
    got = 0
    async with received(source) as blocks:
        sender = Sender(listened_on(said))
        for times in (1, 2):
            await sender.send(*[RECORD] * 1000)
            got += (await anext(blocks)).data.count(b"\n")
            # The news comes with what comes next.
            await sender.send(RECORD)
            got += (await anext(blocks)).data.count(b"\n")
            assert source.dropped == times * 1001 - got > 0
            assert said.messages[-1] == f"{source.name}: the kernel has dropped {source.dropped} datagrams so far"
            assert said.records[-1].levelname == "WARNING"
        sender.close()


@pytest.mark.parametrize("granted", [True, False])
async def test_a_small_receive_buffer_is_told(
    clock: TurnedClock, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, granted: bool
) -> None:
    monkeypatch.setattr(syslog, "RECEIVE_BUFFER", 65536)
    really = socket.socket.setsockopt

    def refuse(self: socket.socket, level: int, option: int, value: int) -> None:
        if option == syslog.SO_RCVBUFFORCE:
            raise PermissionError(1, "Operation not permitted")
        if option == socket.SO_RCVBUF and not granted:
            value = 16384
        really(self, level, option, value)

    monkeypatch.setattr(socket.socket, "setsockopt", refuse)
    async with received(SyslogDatagrams(local("udp", Path()), DEFAULTS, clock)) as blocks:
        sender = Sender(listened_on(said))
        await sender.send(RECORD)
        await anext(blocks)
        sender.close()
    warnings = [line.getMessage() for line in said.records if line.levelname == "WARNING"]
    told = "syslog:udp:127.0.0.1:0: receive buffer is 16384 bytes, not 65536: sysctl -w net.core.rmem_max=65536"
    assert warnings == ([] if granted else [told])


# --- the path of a unix socket -------------------------------------------------------------------------------------


async def test_a_socket_left_behind_is_replaced_and_ours_is_removed_at_stop(
    tmp_path: Path, ingest: Ingest, clock: TurnedClock, said: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as old:
        old.bind(str(path))
    assert path.is_socket()

    async with listening("unix", tmp_path, ingest, clock, said) as road:
        await road.sender().send(RECORD)
        await road.counts(1)
        assert path.is_socket()
    assert not path.exists()


async def test_it_is_no_harm_when_the_socket_was_removed_already(
    tmp_path: Path, ingest: Ingest, clock: TurnedClock, said: pytest.LogCaptureFixture
) -> None:
    async with listening("unix", tmp_path, ingest, clock, said) as road:
        await road.sender().send(RECORD)
        await road.counts(1)
        (tmp_path / "log.sock").unlink()


@pytest.mark.parametrize("what", ["file", "directory", "link to a file", "live socket", "live stream socket"])
def test_what_is_not_ours_stays(what: str, tmp_path: Path, clock: TurnedClock) -> None:
    path = tmp_path / "log.sock"
    kind = socket.SOCK_STREAM if "stream" in what else socket.SOCK_DGRAM
    with socket.socket(socket.AF_UNIX, kind) as live:
        if what == "file":
            path.write_bytes(b"precious")
        elif what == "directory":
            path.mkdir()
        elif what == "link to a file":
            (tmp_path / "precious").write_bytes(b"precious")
            path.symlink_to(tmp_path / "precious")
        else:
            live.bind(str(path))
        before = path.lstat()

        with pytest.raises(ConfigError, match=f"cannot listen on unix:{path}: [A-Z]") as raised:
            SyslogDatagrams(Address("unix", str(path), 0), DEFAULTS, clock)
        assert raised.value.where == "sources.syslog"
        assert path.lstat() == before
        if what == "file":
            assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/nowhere/log.sock", "No such file or directory"),
        ("/" + "x" * 200, "AF_UNIX path too long"),
    ],
)
def test_a_path_that_cannot_be_is_an_error(path: str, problem: str, clock: TurnedClock) -> None:
    with pytest.raises(ConfigError) as raised:
        SyslogDatagrams(Address("unix", path, 0), DEFAULTS, clock)
    assert raised.value.problem == f"cannot listen on unix:{path}: {problem}"


# --- streams -------------------------------------------------------------------------------------------------------

MESSAGE = HEADERS["RFC 5424"] + RECORD


@over_tcp
@pytest.mark.parametrize(
    ("accepted", "data"),
    [
        pytest.param(3, (MESSAGE + b"\n") * 3, id="newlines"),
        pytest.param(3, (MESSAGE + b"\r\n") * 3, id="newlines behind carriage returns"),
        pytest.param(3, counted(MESSAGE) * 3, id="octets counted"),
        pytest.param(3, counted(MESSAGE + b"\n") * 3, id="octets counted, the newline among them"),
        pytest.param(3, (counted(MESSAGE) + b"\n") * 3, id="octets counted, a newline behind them"),
        pytest.param(5, counted(MESSAGE) * 2 + MESSAGE + b"\n" + counted(RECORD) + RECORD + b"\n", id="a mix"),
        pytest.param(1, MESSAGE, id="a last line without its newline"),
    ],
)
async def test_framings_are_told_apart_wherever_the_stream_is_cut(road: Road, accepted: int, data: bytes) -> None:
    for piece in (1, 7, len(data)):
        sender = road.sender()
        before = road.totals.accepted
        for start in range(0, len(data), piece):
            await sender.send_bytes(data[start : start + piece])
            await road.clock.advance(0.0)
        sender.close()
        await road.counts(before + accepted)


@over_tcp
@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(MESSAGE[:40], id="a line"),
        pytest.param(b"1", id="the first byte of a count"),
        pytest.param(counted(MESSAGE)[:3], id="a count"),
        pytest.param(counted(MESSAGE)[:4], id="a count and its blank"),
        pytest.param(counted(MESSAGE)[:40], id="a counted message"),
    ],
)
async def test_a_connection_that_stalls_in_the_middle_is_closed(
    road: Road, begun: bytes, said: pytest.LogCaptureFixture
) -> None:
    sender = road.sender()
    await sender.send(RECORD)
    await sender.send_bytes(begun)
    await road.counts(1)
    await road.clock.advance(STALL_SECONDS - 1)
    assert sender.is_open()
    await road.clock.advance(1 + QUIET_SECONDS)
    assert closings(said) == [f"silent for {STALL_SECONDS:.0f} s in the middle of a line"]
    assert await sender.is_over()


@over_tcp
async def test_a_connection_that_is_slow_but_goes_on_stays(road: Road, said: pytest.LogCaptureFixture) -> None:
    sender = road.sender()
    for byte in MESSAGE + b"\n":
        await sender.send_bytes(bytes([byte]))
        await road.clock.advance(0.9 * STALL_SECONDS)
    await road.counts(1)
    assert closings(said) == []
    assert sender.is_open()


@over_tcp
@pytest.mark.parametrize("first", [b"", RECORD + b"\n", counted(RECORD)])
async def test_a_connection_that_is_idle_between_lines_stays(
    road: Road, first: bytes, said: pytest.LogCaptureFixture
) -> None:
    sender = road.sender()
    await sender.send_bytes(first)
    await road.clock.advance(10 * STALL_SECONDS)
    assert closings(said) == []
    await sender.send(RECORD)
    await road.counts(2 if first else 1)


@over_tcp
async def test_a_connection_that_sends_garbage_is_closed(road: Road, said: pytest.LogCaptureFixture) -> None:
    sender = road.sender()
    await sender.send(*[b"GET / HTTP/1.1"] * (MAX_JUNK - 1))
    await road.counts(0, MAX_JUNK - 1)
    assert sender.is_open()
    await sender.send(b"Host: x")
    await road.counts(0, MAX_JUNK)
    assert await sender.is_over()
    assert closings(said) == [f"{MAX_JUNK} lines, and not one is a record"]


@over_tcp
async def test_a_connection_that_ever_sent_a_record_may_send_garbage(
    road: Road, said: pytest.LogCaptureFixture
) -> None:
    sender = road.sender()
    await sender.send(RECORD, *[b"nonsense"] * (2 * MAX_JUNK))
    await road.counts(1, 2 * MAX_JUNK)
    await sender.send(RECORD)
    await road.counts(2, 2 * MAX_JUNK)
    assert closings(said) == []


@over_tcp
async def test_a_line_that_never_ends_is_closed(road: Road, said: pytest.LogCaptureFixture) -> None:
    sender = road.sender()
    await sender.send(RECORD)
    await sender.send_bytes(b'{"url":"')
    try:
        async with asyncio.timeout(PATIENCE):
            while not closings(said):
                await sender.send_bytes(b"x" * (MAX_OPEN // 16))
    except ConnectionError:
        pass
    assert await sender.is_over()
    assert closings(said) == [f"a line of more than {MAX_OPEN} bytes does not end"]
    # The line that had no end is a line, too.
    await road.counts(1, 1)


@pytest.mark.parametrize("frame", [counted, lambda message: message + b"\n"], ids=["counted", "newlines"])
@pytest.mark.parametrize("at", [1, 40])
async def test_a_connection_whose_reads_all_end_in_the_middle_of_a_line_stays(
    at: int, frame: "type[bytes]", ingest: Ingest, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "MAX_OPEN", 1000)
    reader = asyncio.StreamReader()
    following = asyncio.create_task(ingest.worker.follow(SyslogConnection("stream", reader, DEFAULTS, clock)))
    line = frame(MESSAGE)
    reader.feed_data(line[:at])
    for _ in range(100):
        reader.feed_data(line[at:] + line[:at])
        await clock.advance(0.0)
    reader.feed_data(line[at:])
    reader.feed_eof()
    await following
    assert (ingest.totals.accepted, ingest.totals.rejected.total()) == (101, 0)


async def test_a_broken_connection_is_said_and_what_came_counts(
    ingest: Ingest, clock: TurnedClock, said: pytest.LogCaptureFixture
) -> None:
    reader = asyncio.StreamReader()
    following = asyncio.create_task(ingest.worker.follow(SyslogConnection("stream", reader, DEFAULTS, clock)))
    reader.feed_data(RECORD + b"\n" + RECORD)
    await clock.advance(0.0)
    reader.set_exception(TimeoutError(110, "Connection timed out"))
    await following
    assert (ingest.totals.accepted, ingest.totals.rejected.total()) == (2, 0)
    assert said.messages == ["stream: connection lost: Connection timed out"]


@over_tcp
async def test_other_connections_go_on_when_one_is_closed(road: Road) -> None:
    good, bad = road.sender(), road.sender()
    await good.send(RECORD)
    await bad.send(*[b"nonsense"] * MAX_JUNK)
    await road.counts(1, MAX_JUNK)
    assert await bad.is_over()
    await good.send(RECORD)
    await road.counts(2, MAX_JUNK)


# --- in the service ------------------------------------------------------------------------------------------------


def listen(*addresses: object, **api: object) -> dict[str, dict[str, object]]:
    return {"api": api, "sources": {"syslog": [{"listen": str(where)} for where in addresses]}}


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_a_port_in_use_is_an_error(kind: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == "tcp":
            taken.listen()
        where = Address(kind, *taken.getsockname())
        with pytest.raises(ConfigError, match=f"sources.syslog: cannot listen on {where}: .*ddress already in use"):
            async with served(listen(where)):
                pass


@pytest.mark.parametrize("kind", ["udp", "tcp"])
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "example.net"])
async def test_strangers_may_not_send(kind: str, host: str) -> None:
    with pytest.raises(ConfigError, match=r"sources.syslog\[0\]: .* can be reached by others"):
        async with served(listen(f"{kind}:{host}:0")):
            pass


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_strangers_may_send_if_the_operator_says_so(kind: str, said: pytest.LogCaptureFixture) -> None:
    async with served(listen(f"{kind}:0.0.0.0:0", allow_anonymous=True)) as service:
        sender = Sender(listened_on(said)._replace(host="127.0.0.1"))
        await sender.send(RECORD)
        await service.clock.advance(QUIET_SECONDS)
        assert service.service.totals.accepted == 1
        sender.close()


async def test_a_start_that_fails_leaves_no_socket_behind(tmp_path: Path) -> None:
    path = tmp_path / "log.sock"
    with pytest.raises(ConfigError):
        async with served(listen(f"unix:{path}", "udp:0.0.0.0:0")):
            pass
    assert not path.exists()


@pytest.mark.parametrize("kind", ROADS)
async def test_what_came_before_the_service_stops_counts(
    kind: str, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    async with served(listen(local(kind, tmp_path))) as running:
        sender = Sender(listened_on(said))
        # Until it is listened for, and the connection is accepted.
        await running.clock.advance(0.0)
        await sender.send(RECORD, RECORD)
        if kind == "tcp":
            # Of a stream, what was read counts.
            await running.clock.advance(0.0)
    assert running.service.totals.accepted == 2
    sender.close()
