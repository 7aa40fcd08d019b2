"""Syslog: messages count over every transport, and failures are logged and bounded."""

import asyncio
import errno
import gzip
import logging
import math
import os
import pwd
import re
import socket
import stat
import subprocess
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
import uvloop

from edgetally.errors import ConfigError
from edgetally.ingest.fold_pool import RecordLimits
from edgetally.ingest.worker import COMMIT_SECONDS
from edgetally.journal.memory import MemoryJournal
from edgetally.model import Defaults
from edgetally.sources import syslog
from edgetally.sources.base import READ_BYTES, Block
from edgetally.sources.piece_reader import READ_SECONDS, PieceReader
from edgetally.sources.syslog import (
    MAX_DATAGRAM_BYTES,
    MAX_REJECTED_LINES,
    MAX_UNFINISHED_BYTES,
    QUIET_SECONDS,
    STALL_SECONDS,
    SyslogConnection,
    SyslogDatagrams,
    SyslogListener,
)
from edgetally.sources.syslog_address import Address, SocketAccess, parse
from tests.support.clock import TIMEOUT_SECONDS, ManualClock
from tests.support.ingest import Ingest
from tests.support.programs import program
from tests.support.served import served

DEFAULTS = Defaults("svc", "lab")
LIMITS = RecordLimits(max_line=262_144, max_lateness=120, max_ahead=5)
RECORD = b'{"status":200}'
HEADERS = {
    "RFC 3164": b"<190>Nov 22 02:20:35 vm edge: ",
    "RFC 5424": b'<134>1 2026-11-22T02:28:47.9+00:00 vm edge - - [timeQuality tzKnown="1" isSynced="0"] ',
    "no header": b"",
}
TRANSPORTS = ("udp", "unix", "tcp")
NOBODY = 65_534
"""A user and a group that are not those of the tests."""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not program("logger"), reason="only root can write as another user, with `logger`"
)

assert READ_SECONDS < QUIET_SECONDS, "a connection that is read a little later does not look quiet"
assert QUIET_SECONDS < COMMIT_SECONDS, "commits in these tests happen because the source is quiet"


def octet_counted(message: bytes) -> bytes:
    """Return a message after the number of its octets."""
    return b"%d %b" % (len(message), message)


class Sender:
    """Sends syslog to an address."""

    def __init__(self, where: Address) -> None:
        family = socket.AF_UNIX if where.kind == "unix" else socket.AF_INET
        self.is_stream = where.kind == "tcp"
        self._socket = socket.socket(family, socket.SOCK_STREAM if self.is_stream else socket.SOCK_DGRAM)
        self._socket.connect(where.host if where.kind == "unix" else (where.host, where.port))
        self._socket.setblocking(False)  # noqa: FBT003 - the socket's own interface

    async def send(self, *messages: bytes) -> None:
        """Send messages, over a stream with a newline after each."""
        for message in messages:
            await self.send_bytes(message + b"\n" if self.is_stream else message)

    async def send_bytes(self, data: bytes) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def is_over(self) -> bool:
        """Wait until the other side closes; return whether it sent nothing before."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
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


class Listener:
    """A source that listens, its worker, and the clock of both."""

    def __init__(self, where: Address, ingest: Ingest, clock: ManualClock) -> None:
        self.where = where
        """Its address, with the port."""
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
        """Let it be quiet until so many lines are accepted and rejected, and assert that there are no more."""
        wanted = (accepted, rejected)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while self.lines < wanted:
                await self.clock.advance(QUIET_SECONDS)
        assert self.lines == wanted

    @property
    def lines(self) -> tuple[int, int]:
        return self.totals.accepted, self.totals.rejected.total()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ingest(clock: ManualClock) -> Iterator[Ingest]:
    ingest = Ingest(MemoryJournal(), clock, limits=LIMITS)
    yield ingest
    ingest.close()


@pytest.fixture(autouse=True)
def events(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "edgetally")
    return caplog


def listened_on(events: pytest.LogCaptureFixture) -> Address:
    """Return the last address that a source logged."""
    found = [match[1] for line in events.messages if (match := re.fullmatch("syslog:(.*): listening", line))]
    return parse(found[-1])


def closings(events: pytest.LogCaptureFixture) -> list[str]:
    """Return the reasons for which connections were closed."""
    return [line.partition(": connection closed: ")[2] for line in events.messages if ": connection closed: " in line]


def local(kind: str, directory: Path) -> Address:
    return Address("unix", f"{directory}/log.sock", 0) if kind == "unix" else Address(kind, "127.0.0.1", 0)


@asynccontextmanager
async def listening(
    kind: str, directory: Path, ingest: Ingest, clock: ManualClock, events: pytest.LogCaptureFixture
) -> AsyncIterator[Listener]:
    """Listen, and fold what arrives."""
    where = local(kind, directory)
    if kind == "tcp":
        source = SyslogListener(where, DEFAULTS, clock)
        await source.listen(ingest.worker.follow)
        listener = Listener(listened_on(events), ingest, clock)
        try:
            yield listener
        finally:
            await source.close()
            listener.close()
    else:
        following = asyncio.create_task(ingest.worker.follow(SyslogDatagrams(where, DEFAULTS, clock)))
        listener = Listener(listened_on(events), ingest, clock)
        try:
            yield listener
        finally:
            following.cancel()
            await asyncio.wait([following])
            listener.close()


@pytest.fixture
async def listener(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    ingest: Ingest,
    clock: ManualClock,
    events: pytest.LogCaptureFixture,
) -> AsyncIterator[Listener]:
    """A listener for the transport that the test names."""
    async with listening(request.param, tmp_path, ingest, clock, events) as listener:
        yield listener


every_transport = pytest.mark.parametrize("listener", TRANSPORTS, indirect=True)
over_tcp = pytest.mark.parametrize("listener", ["tcp"], indirect=True)
over_udp = pytest.mark.parametrize("listener", ["udp"], indirect=True)
over_datagrams = pytest.mark.parametrize("listener", ["udp", "unix"], indirect=True)
over_unix = pytest.mark.parametrize("listener", ["unix"], indirect=True)


@asynccontextmanager
async def received(source: SyslogDatagrams) -> AsyncIterator[AsyncGenerator[Block, None]]:
    """Read the blocks of `source`, without a worker."""
    async with aclosing(cast("AsyncGenerator[Block, None]", source.blocks())) as blocks:
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
def test_an_address_is_written_as_it_is_read(text: str, want: Address) -> None:
    assert parse(text) == want
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
        "udp://127.0.0.1:5514",
        "tls:127.0.0.1:6514",
        "unix:",
        "unix:log.sock",
        "/run/edgetally.sock",
    ],
)
def test_anything_else_is_not_an_address(text: str) -> None:
    with pytest.raises(ConfigError, match="must be udp:HOST:PORT, tcp:HOST:PORT or unix:/PATH") as raised:
        parse(text)
    assert raised.value.where == "sources.syslog"
    assert repr(text) in raised.value.problem


# --- every transport -----------------------------------------------------------------------------------------------


@every_transport
@pytest.mark.parametrize("header", HEADERS)
async def test_records_count_after_every_header(listener: Listener, header: str) -> None:
    sender = listener.sender()
    await sender.send(*[HEADERS[header] + RECORD] * 20)
    await listener.counts(20)


@every_transport
async def test_headers_may_be_mixed_and_other_messages_are_rejected(listener: Listener) -> None:
    sender = listener.sender()
    await sender.send(*[header + RECORD for header in HEADERS.values()], b"<190>Nov 22 02:20:35 vm edge: hello")
    await listener.counts(3, 1)


@every_transport
async def test_there_may_be_several_senders(listener: Listener) -> None:
    for _ in range(3):
        await listener.sender().send(RECORD)
    await listener.counts(3)


@every_transport
async def test_records_are_committed_once_the_source_is_quiet(listener: Listener) -> None:
    sender = listener.sender()
    for times in (1, 2):
        await sender.send(RECORD, RECORD)
        await listener.clock.advance(0.9 * QUIET_SECONDS)
        assert listener.lines == (2 * times - 2, 0)
        await listener.clock.advance(0.1 * QUIET_SECONDS)
        assert listener.lines == (2 * times, 0)
        await listener.clock.advance(10.0)


@every_transport
async def test_records_of_a_source_that_is_never_quiet_are_committed_too(listener: Listener) -> None:
    sender = listener.sender()
    pause = 0.6 * QUIET_SECONDS
    number = math.ceil(COMMIT_SECONDS / pause)
    for _ in range(number):
        await sender.send(RECORD)
        await listener.clock.advance(pause)
    assert listener.lines == (0, 0)
    await sender.send(RECORD)
    await listener.clock.advance(READ_SECONDS)
    assert listener.lines == (number + 1, 0)


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_records_that_arrive_before_the_stop_count(
    kind: str, tmp_path: Path, ingest: Ingest, clock: ManualClock, events: pytest.LogCaptureFixture
) -> None:
    async with listening(kind, tmp_path, ingest, clock, events) as listener:
        sender = listener.sender()
        await sender.send(RECORD, RECORD)
        await clock.advance(0.0)
        await sender.send(RECORD)  # which waits a little until it is read
        await clock.advance(0.0)
        assert listener.lines == (0, 0)
    assert listener.lines == (3, 0)


@pytest.mark.parametrize(
    ("last", "lines"), [(RECORD, (2, 0)), (RECORD[:7], (1, 1)), (octet_counted(RECORD)[:9], (1, 1))]
)
async def test_a_connection_that_is_in_the_middle_of_a_line_at_the_stop_ends_there(
    last: bytes,
    lines: tuple[int, int],
    tmp_path: Path,
    ingest: Ingest,
    clock: ManualClock,
    events: pytest.LogCaptureFixture,
) -> None:
    """What was read is acknowledged by TCP, so its sender takes it for counted."""
    async with listening("tcp", tmp_path, ingest, clock, events) as listener:
        sender = listener.sender()
        await sender.send(RECORD)
        await sender.send_bytes(last)
        await listener.counts(1)
    assert listener.lines == lines


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_is_made_during_the_stop_is_closed(
    turns: int, clock: ManualClock, events: pytest.LogCaptureFixture
) -> None:
    """Wherever between the kernel and its task it is; otherwise it would be folded for a journal that is closed."""
    followed: list[SyslogConnection] = []

    async def follow(connection: SyslogConnection) -> None:
        followed.append(connection)
        await asyncio.Event().wait()

    async def connect_and_close() -> None:
        listener = SyslogListener(local("tcp", Path()), DEFAULTS, clock)
        await listener.listen(follow)
        where = listened_on(events)
        with socket.socket() as sender:
            sender.setblocking(False)  # noqa: FBT003 - the socket's own interface
            assert sender.connect_ex((where.host, where.port)) == errno.EINPROGRESS
            for _ in range(turns):
                await asyncio.sleep(0)
            await listener.close()
            known = len(followed)
            await clock.advance(0.0)
            assert len(followed) == known
            assert not listener.connections

    # The loop of the server: asyncio's own leaves sockets open that are accepted meanwhile.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(connect_and_close())


# --- datagrams -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["udp", "unix"])
async def test_many_datagrams_are_read_into_one_block(
    kind: str, tmp_path: Path, clock: ManualClock, events: pytest.LogCaptureFixture
) -> None:
    # The queue of a unix socket is shorter (net.unix.max_dgram_qlen).
    messages = [b'{"status":%d}' % (200 + number) for number in range(200 if kind == "udp" else 10)]
    async with received(SyslogDatagrams(local(kind, tmp_path), DEFAULTS, clock)) as blocks:
        sender = Sender(listened_on(events))
        await sender.send(*messages)
        block = await anext(blocks)
        sender.close()
    assert block == Block(b"".join(message + b"\n" for message in messages), more=True)


@pytest.mark.parametrize("kind", ["udp", "unix"])
async def test_a_quiet_source_yields_one_empty_block(
    kind: str, tmp_path: Path, clock: ManualClock, events: pytest.LogCaptureFixture
) -> None:
    async with received(SyslogDatagrams(local(kind, tmp_path), DEFAULTS, clock)) as blocks:
        sender = Sender(listened_on(events))
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


async def test_a_block_is_yielded_before_the_next_datagram_might_not_fit(
    clock: ManualClock, events: pytest.LogCaptureFixture
) -> None:
    message = b"x" * 60_000
    many = READ_BYTES // len(message) + 10
    async with received(SyslogDatagrams(local("udp", Path()), DEFAULTS, clock)) as blocks:
        sender = Sender(listened_on(events))
        data = b""
        sent = 0
        while sent < many:
            # As many as fit into a small receive buffer.
            await sender.send(*[message] * 10)
            sent += 10
            block = await anext(blocks)
            assert len(block.data) < READ_BYTES + MAX_DATAGRAM_BYTES + 1
            data += block.data
        sender.close()
    assert data == (message + b"\n") * sent


@over_udp
async def test_the_largest_datagram_counts(listener: Listener) -> None:
    padding = b"x" * (65_507 - len(b'{"status":200,"url":""}'))
    await listener.sender().send(b'{"status":200,"url":"%b"}' % padding)
    await listener.counts(1)


@over_datagrams
@pytest.mark.parametrize("name", ["gzip", "zlib"])
async def test_compressed_datagrams_are_named(name: str, listener: Listener, events: pytest.LogCaptureFixture) -> None:
    packed = (gzip if name == "gzip" else zlib).compress(RECORD)
    await listener.sender().send(packed.replace(b"\n", b""), RECORD)

    await listener.counts(1, rejected=1)
    assert f"line rejected: {name}-compressed data: expected lines of text (compressed) at byte 0" in events.text


@over_unix
async def test_a_datagram_longer_than_a_line_may_be_is_rejected_and_the_others_count(listener: Listener) -> None:
    sender = listener.sender()
    sender._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)  # noqa: SLF001 - other senders do not need this
    # Together they do not fit into a block.
    await sender.send(*[b'{"status":200,"url":"%b"}' % (b"x" * (MAX_DATAGRAM_BYTES + 1000))] * 5, RECORD)
    await listener.counts(1, 5)


@over_udp
async def test_empty_datagrams_and_newlines_in_datagrams_are_harmless(listener: Listener) -> None:
    sender = listener.sender()
    await sender.send(b"", RECORD + b"\n", b"", RECORD + b"\0", RECORD + b"\n" + RECORD, b"\n")
    await listener.counts(4)


async def test_datagrams_that_the_kernel_drops_are_counted_and_logged(
    clock: ManualClock, events: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "RECEIVE_BUFFER_BYTES", 8192)
    source = SyslogDatagrams(local("udp", Path()), DEFAULTS, clock)
    got = 0
    async with received(source) as blocks:
        sender = Sender(listened_on(events))
        for times in (1, 2):
            await sender.send(*[RECORD] * 1000)
            got += (await anext(blocks)).data.count(b"\n")
            # The count comes with the next datagram.
            await sender.send(RECORD)
            got += (await anext(blocks)).data.count(b"\n")
            assert source.dropped == times * 1001 - got > 0
            assert events.messages[-1] == f"{source.name}: the kernel has dropped {source.dropped} datagrams so far"
            assert events.records[-1].levelname == "WARNING"
        sender.close()


@pytest.mark.parametrize("granted", [True, False])
async def test_a_small_receive_buffer_is_logged(
    clock: ManualClock, events: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, granted: bool
) -> None:
    monkeypatch.setattr(syslog, "RECEIVE_BUFFER_BYTES", 65536)
    setsockopt = socket.socket.setsockopt

    def refuse(self: socket.socket, level: int, option: int, value: int) -> None:
        if option == syslog.SO_RCVBUFFORCE:
            raise PermissionError(1, "Operation not permitted")
        if option == socket.SO_RCVBUF and not granted:
            value = 16384
        setsockopt(self, level, option, value)

    monkeypatch.setattr(socket.socket, "setsockopt", refuse)
    async with received(SyslogDatagrams(local("udp", Path()), DEFAULTS, clock)) as blocks:
        sender = Sender(listened_on(events))
        await sender.send(RECORD)
        await anext(blocks)
        sender.close()
    warnings = [line.getMessage() for line in events.records if line.levelname == "WARNING"]
    warning = "syslog:udp:127.0.0.1:0: receive buffer is 16384 bytes, not 65536: sysctl -w net.core.rmem_max=65536"
    assert warnings == ([] if granted else [warning])


# --- the path of a unix socket -------------------------------------------------------------------------------------


async def test_a_stale_socket_is_replaced_and_removed_at_the_stop(
    tmp_path: Path, ingest: Ingest, clock: ManualClock, events: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as old:
        old.bind(str(path))
    assert path.is_socket()

    async with listening("unix", tmp_path, ingest, clock, events) as listener:
        await listener.sender().send(RECORD)
        await listener.counts(1)
        assert path.is_socket()
    assert not path.exists()


async def test_a_socket_that_was_removed_is_harmless_at_the_stop(
    tmp_path: Path, ingest: Ingest, clock: ManualClock, events: pytest.LogCaptureFixture
) -> None:
    async with listening("unix", tmp_path, ingest, clock, events) as listener:
        await listener.sender().send(RECORD)
        await listener.counts(1)
        (tmp_path / "log.sock").unlink()


def _identity(path: Path) -> tuple[int, int, int, int]:
    """What a file is, without its times: connecting to a socket to see whether it is live updates its access time."""
    found = path.lstat()
    return found.st_dev, found.st_ino, found.st_mode, found.st_size


@pytest.mark.parametrize("what", ["file", "directory", "link to a file", "live socket", "live stream socket"])
def test_anything_but_a_stale_socket_is_not_replaced(what: str, tmp_path: Path, clock: ManualClock) -> None:
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
        before = _identity(path)

        with pytest.raises(ConfigError, match=f"cannot listen on unix:{path}: [A-Z]") as raised:
            SyslogDatagrams(Address("unix", str(path), 0), DEFAULTS, clock)
        assert raised.value.where == "sources.syslog"
        assert _identity(path) == before
        if what == "file":
            assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/nowhere/log.sock", "No such file or directory"),
        ("/" + "x" * 200, "AF_UNIX path too long"),
    ],
)
def test_a_path_that_cannot_be_a_socket_is_an_error(path: str, problem: str, clock: ManualClock) -> None:
    with pytest.raises(ConfigError) as raised:
        SyslogDatagrams(Address("unix", path, 0), DEFAULTS, clock)
    assert raised.value.problem == f"cannot listen on unix:{path}: {problem}"


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user may enter. Those of pytest belong to one user."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(params=[0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("access", "mode"), [(SocketAccess(), 0o666), (SocketAccess(0o600), 0o600), (SocketAccess(0o620), 0o620)]
)
def test_the_mode_of_a_socket_does_not_depend_on_the_umask(
    access: SocketAccess, mode: int, tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "log.sock"
    syslog = SyslogDatagrams(Address("unix", str(path), 0), DEFAULTS, clock, access=access)

    assert mode_of(path) == mode
    syslog.close()


@needs_root
@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("access", "may_write"),
    [
        (SocketAccess(), True),
        (SocketAccess(0o600), False),
        (SocketAccess(0o660), False),
        (SocketAccess(0o660, group=NOBODY), True),
        (SocketAccess(0o600, owner=NOBODY), True),
    ],
    ids=["default", "0600", "0660", "0660 of its group", "0600 of its own"],
)
def test_another_user_may_write_if_the_mode_says_so(
    access: SocketAccess, *, may_write: bool, public: Path, clock: ManualClock
) -> None:
    path = public / "log.sock"
    syslog = SyslogDatagrams(Address("unix", str(path), 0), DEFAULTS, clock, access=access)

    sent = subprocess.run(
        ["logger", "--socket-errors=on", "--socket", path, "--", RECORD.decode()],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )

    assert (sent.returncode == 0) == may_write
    assert (b"Permission denied" in sent.stderr) != may_write
    syslog.close()


@needs_root
async def test_the_settings_of_a_socket_reach_it(public: Path) -> None:
    path = public / "log.sock"
    syslog = {"listen": f"unix:{path}", "mode": "0620", "owner": "nobody", "group": str(NOBODY)}
    async with served({"sources": {"syslog": [syslog]}}):
        found = path.stat()
        assert (mode_of(path), found.st_uid, found.st_gid) == (0o620, pwd.getpwnam("nobody").pw_uid, NOBODY)


@pytest.mark.parametrize("name", ["owner", "group", "mode"])
def test_what_cannot_be_set_is_named_and_leaves_no_socket(
    name: str, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.sock"

    def refuse(_: object, *values: int) -> None:
        if values != (-1, -1):
            raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "chmod" if name == "mode" else "chown", refuse)
    access = SocketAccess(**{name: NOBODY})

    with pytest.raises(ConfigError) as raised:
        SyslogDatagrams(Address("unix", str(path), 0), DEFAULTS, clock, access=access, setting="sources.syslog[3]")

    assert raised.value.where == f"sources.syslog[3].{name}"
    assert raised.value.problem == f"cannot set the {name} of {path}: Operation not permitted"
    assert not path.exists()


# --- streams -------------------------------------------------------------------------------------------------------

MESSAGE = HEADERS["RFC 5424"] + RECORD


@over_tcp
@pytest.mark.parametrize(
    ("accepted", "data"),
    [
        pytest.param(3, (MESSAGE + b"\n") * 3, id="newlines"),
        pytest.param(3, (MESSAGE + b"\r\n") * 3, id="carriage returns and newlines"),
        pytest.param(3, octet_counted(MESSAGE) * 3, id="octets counted"),
        pytest.param(3, octet_counted(MESSAGE + b"\n") * 3, id="octets counted, with the newline"),
        pytest.param(3, (octet_counted(MESSAGE) + b"\n") * 3, id="octets counted, then a newline"),
        pytest.param(
            5, octet_counted(MESSAGE) * 2 + MESSAGE + b"\n" + octet_counted(RECORD) + RECORD + b"\n", id="a mix"
        ),
        pytest.param(1, MESSAGE, id="a last line without its newline"),
    ],
)
async def test_framings_are_detected_however_the_stream_is_cut(listener: Listener, accepted: int, data: bytes) -> None:
    for piece in (1, 7, len(data)):
        sender = listener.sender()
        before = listener.totals.accepted
        for start in range(0, len(data), piece):
            await sender.send_bytes(data[start : start + piece])
            await listener.clock.advance(0.0)
        sender.close()
        await listener.counts(before + accepted)


@over_tcp
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(MESSAGE[:40], id="a line"),
        pytest.param(b"1", id="the first byte of a count"),
        pytest.param(octet_counted(MESSAGE)[:3], id="a count"),
        pytest.param(octet_counted(MESSAGE)[:4], id="a count and its space"),
        pytest.param(octet_counted(MESSAGE)[:40], id="a counted message"),
    ],
)
async def test_a_connection_that_stalls_in_the_middle_of_a_line_is_closed(
    listener: Listener, start: bytes, events: pytest.LogCaptureFixture
) -> None:
    sender = listener.sender()
    await sender.send(RECORD)
    await sender.send_bytes(start)
    await listener.counts(1)
    await listener.clock.advance(STALL_SECONDS - 1)
    assert sender.is_open()
    await listener.clock.advance(1 + QUIET_SECONDS)
    assert closings(events) == [f"quiet for {STALL_SECONDS:.0f} s in the middle of a line"]
    assert await sender.is_over()


@over_tcp
async def test_a_slow_connection_stays_open(listener: Listener, events: pytest.LogCaptureFixture) -> None:
    sender = listener.sender()
    for byte in MESSAGE + b"\n":
        await sender.send_bytes(bytes([byte]))
        await listener.clock.advance(0.9 * STALL_SECONDS)
    await listener.counts(1)
    assert closings(events) == []
    assert sender.is_open()


@over_tcp
@pytest.mark.parametrize("first", [b"", RECORD + b"\n", octet_counted(RECORD)])
async def test_a_connection_that_is_idle_between_lines_stays_open(
    listener: Listener, first: bytes, events: pytest.LogCaptureFixture
) -> None:
    sender = listener.sender()
    await sender.send_bytes(first)
    await listener.clock.advance(10 * STALL_SECONDS)
    assert closings(events) == []
    await sender.send(RECORD)
    await listener.counts(2 if first else 1)


@over_tcp
async def test_a_connection_that_sends_garbage_is_closed(listener: Listener, events: pytest.LogCaptureFixture) -> None:
    sender = listener.sender()
    await sender.send(*[b"GET / HTTP/1.1"] * (MAX_REJECTED_LINES - 1))
    await listener.counts(0, MAX_REJECTED_LINES - 1)
    assert sender.is_open()
    await sender.send(b"Host: x")
    await listener.counts(0, MAX_REJECTED_LINES)
    assert await sender.is_over()
    assert closings(events) == [f"none of {MAX_REJECTED_LINES} lines is a record"]


@over_tcp
async def test_a_connection_that_has_sent_a_record_may_send_garbage(
    listener: Listener, events: pytest.LogCaptureFixture
) -> None:
    sender = listener.sender()
    await sender.send(RECORD, *[b"nonsense"] * (2 * MAX_REJECTED_LINES))
    await listener.counts(1, 2 * MAX_REJECTED_LINES)
    await sender.send(RECORD)
    await listener.counts(2, 2 * MAX_REJECTED_LINES)
    assert closings(events) == []


@over_tcp
async def test_a_connection_may_begin_with_many_lines_of_another_log(
    listener: Listener, events: pytest.LogCaptureFixture
) -> None:
    sender = listener.sender()
    await sender.send(*[b"2026/11/22 04:41:06 [error] 7#7: *1 connect() failed"] * (2 * MAX_REJECTED_LINES))
    await listener.counts(0, 2 * MAX_REJECTED_LINES)
    await sender.send(RECORD)
    await listener.counts(1, 2 * MAX_REJECTED_LINES)
    assert closings(events) == []


@over_tcp
async def test_a_connection_with_an_endless_line_is_closed(
    listener: Listener, events: pytest.LogCaptureFixture
) -> None:
    sender = listener.sender()
    await sender.send(RECORD)
    await sender.send_bytes(b'{"url":"')
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not closings(events):
                await sender.send_bytes(b"x" * (MAX_UNFINISHED_BYTES // 16))
    except ConnectionError:
        pass
    assert await sender.is_over()
    assert closings(events) == [f"a line is longer than {MAX_UNFINISHED_BYTES} bytes"]
    # The endless line is rejected.
    await listener.counts(1, 1)


def piece_reader(clock: ManualClock) -> PieceReader:
    """Return a reader that is told what comes, instead of having a connection."""

    async def accept(_: PieceReader, __: asyncio.Transport) -> None:
        """Is never called."""

    return PieceReader(clock, accept)


@pytest.mark.parametrize("frame", [octet_counted, lambda message: message + b"\n"], ids=["counted", "newlines"])
@pytest.mark.parametrize("at", [1, 40])
async def test_a_connection_stays_open_though_every_read_ends_in_the_middle_of_a_line(
    at: int, frame: "type[bytes]", ingest: Ingest, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "MAX_UNFINISHED_BYTES", 1000)
    reader = piece_reader(clock)
    following = asyncio.create_task(ingest.worker.follow(SyslogConnection("stream", reader, DEFAULTS, clock)))
    line = frame(MESSAGE)
    reader.data_received(line[:at])
    for _ in range(100):
        reader.data_received(line[at:] + line[:at])
        await clock.advance(0.0)
    reader.data_received(line[at:])
    reader.eof_received()
    await following
    assert (ingest.totals.accepted, ingest.totals.rejected.total()) == (101, 0)


async def test_a_lost_connection_is_logged_and_its_records_count(
    ingest: Ingest, clock: ManualClock, events: pytest.LogCaptureFixture
) -> None:
    reader = piece_reader(clock)
    following = asyncio.create_task(ingest.worker.follow(SyslogConnection("stream", reader, DEFAULTS, clock)))
    reader.data_received(RECORD + b"\n" + RECORD)
    await clock.advance(0.0)
    reader.connection_lost(TimeoutError(110, "Connection timed out"))
    await following
    assert (ingest.totals.accepted, ingest.totals.rejected.total()) == (2, 0)
    assert events.messages == ["stream: connection lost: Connection timed out"]


@over_tcp
async def test_other_connections_stay_open_when_one_is_closed(listener: Listener) -> None:
    good, bad = listener.sender(), listener.sender()
    await good.send(RECORD)
    await bad.send(*[b"nonsense"] * MAX_REJECTED_LINES)
    await listener.counts(1, MAX_REJECTED_LINES)
    assert await bad.is_over()
    await good.send(RECORD)
    await listener.counts(2, MAX_REJECTED_LINES)


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
        with pytest.raises(ConfigError, match=rf"sources.syslog\[0\]: cannot listen on {where}: .*ddress already"):
            async with served(listen(where)):
                pass


@pytest.mark.parametrize("kind", ["udp", "tcp"])
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "example.net"])
async def test_listening_for_other_machines_is_refused(kind: str, host: str) -> None:
    with pytest.raises(ConfigError, match=r"sources.syslog\[0\]: .* can be reached by others"):
        async with served(listen(f"{kind}:{host}:0")):
            pass


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_listening_for_other_machines_can_be_allowed(kind: str, events: pytest.LogCaptureFixture) -> None:
    async with served(listen(f"{kind}:0.0.0.0:0", allow_anonymous=True)) as service:
        sender = Sender(listened_on(events)._replace(host="127.0.0.1"))
        await sender.send(RECORD)
        await service.clock.advance(QUIET_SECONDS)
        assert service.service.totals.accepted == 1
        sender.close()


async def test_a_failed_start_leaves_no_socket(tmp_path: Path) -> None:
    path = tmp_path / "log.sock"
    with pytest.raises(ConfigError):
        async with served(listen(f"unix:{path}", "udp:0.0.0.0:0")):
            pass
    assert not path.exists()


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_records_that_arrive_before_the_service_stops_count(
    kind: str, tmp_path: Path, events: pytest.LogCaptureFixture
) -> None:
    async with served(listen(local(kind, tmp_path))) as running:
        sender = Sender(listened_on(events))
        # Until the service listens, and the connection is accepted.
        await running.clock.advance(0.0)
        await sender.send(RECORD, RECORD)
        if kind == "tcp":
            # Of a stream, only what was read counts.
            await running.clock.advance(0.0)
    assert running.service.totals.accepted == 2
    sender.close()
