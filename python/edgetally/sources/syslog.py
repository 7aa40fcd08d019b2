"""
Syslog: datagrams over UDP or a unix socket, and streams over TCP. A message is a record, after a header or without one.

Many datagrams are read into one block, which is parsed by the fold. There is no backpressure for senders of datagrams.
So the kernel is asked for a large buffer, and for the number of datagrams that it dropped.
"""

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path

from edgetally.clock import Clock, sleep_until
from edgetally.errors import ConfigError, reason
from edgetally.model import Defaults, Framing
from edgetally.sources.base import READ_BYTES, Block
from edgetally.sources.piece_reader import PieceReader
from edgetally.sources.syslog_address import ANY_USER, Address, SocketAccess
from edgetally.telemetry.events import (
    DatagramsDropped,
    Listening,
    ReceiveBufferTooSmall,
    SyslogConnectionClosed,
    SyslogConnectionLost,
    say,
)

MAX_DATAGRAM_BYTES = 1 << 18
"""Longer datagrams are cut off. Those of UDP are never longer; those of a unix socket may be."""

RECEIVE_BUFFER_BYTES = 32 << 20
"""The receive buffer that the kernel is asked for: some 100 ms at 200 000 datagrams per second."""

QUIET_SECONDS = 0.05
"""Records are committed once a source has been quiet for this long."""

STALL_SECONDS = 60.0
"""How long a connection may be quiet in the middle of a line."""

MAX_REJECTED_LINES = 100
"""A connection is closed after this many rejected lines, if it has not sent a record."""

MAX_UNFINISHED_BYTES = 4 << 20
"""A connection is closed when it sends this much without ending a line."""

SO_RXQ_OVFL = 40
"""Linux: every datagram comes with the number of those dropped so far. Python has no name for it."""

SO_RCVBUFFORCE = 33
"""Linux: like SO_RCVBUF without the limit of the system, for privileged processes."""


class SyslogDatagrams:
    """A source of datagrams, one record each."""

    framing: Framing = "datagrams"

    def __init__(
        self,
        where: Address,
        defaults: Defaults,
        clock: Clock,
        *,
        access: SocketAccess = ANY_USER,
        setting: str = "sources.syslog",
    ) -> None:
        """Listen; raise ConfigError, naming the setting, when that is not possible."""
        self.name = f"syslog:{where}"
        self.defaults = defaults
        self.dropped = 0
        """Datagrams that the kernel dropped because its buffer was full."""
        self._where = where
        self._clock = clock
        self._socket = _bind(where, access, setting)
        self._buffer = bytearray(READ_BYTES + MAX_DATAGRAM_BYTES + 1)
        port = self._socket.getsockname()[1] if where.kind == "udp" else 0
        say(Listening(source=f"syslog:{where._replace(port=port)}"))

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        """Nothing depends on it: senders of datagrams cannot be told."""

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield datagrams, without end."""
        is_quiet = True
        try:
            while True:
                is_quiet = not await self._wait(None if is_quiet else QUIET_SECONDS)
                yield Block(b"") if is_quiet else Block(self._receive(), more=True)
        except asyncio.CancelledError:
            # The process stops. What has arrived by now counts, up to a limit, because senders may go on.
            for _ in range(1 + RECEIVE_BUFFER_BYTES // READ_BYTES):
                if data := self._receive():
                    yield Block(data, more=True)
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening. Harmless if it has stopped."""
        is_open = self._socket.fileno() >= 0
        self._socket.close()
        if is_open and self._where.kind == "unix":
            Path(self._where.host).unlink(missing_ok=True)

    def _receive(self) -> bytes:
        """Return the datagrams that have arrived, each with a newline; empty if there are none."""
        filled = 0
        view = memoryview(self._buffer)
        receive = self._socket.recv_into
        try:
            filled = self._receive_one(view[:MAX_DATAGRAM_BYTES])
            view[filled] = 10
            filled += 1
            while filled < READ_BYTES:
                filled += receive(view[filled : filled + MAX_DATAGRAM_BYTES])
                view[filled] = 10
                filled += 1
        except BlockingIOError:
            pass
        return bytes(view[:filled])

    def _receive_one(self, view: memoryview) -> int:
        """Receive one datagram, and the number of those dropped; return its size."""
        size, ancillary, _, _ = self._socket.recvmsg_into([view], socket.CMSG_SPACE(4))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
                (dropped,) = struct.unpack("I", data[:4])
                if dropped != self.dropped:
                    say(DatagramsDropped(source=self.name, datagrams=dropped))
                    self.dropped = dropped
        return size

    async def _wait(self, seconds: float | None) -> bool:
        """Wait until there is a datagram, at most `seconds`; return whether there is."""
        loop = asyncio.get_running_loop()
        arrival: asyncio.Future[bool] = loop.create_future()

        def settle(*, arrived: bool) -> None:
            if not arrival.done():
                arrival.set_result(arrived)

        # Removed afterwards, because the loop would call it without end while a block is folded.
        loop.add_reader(self._socket, partial(settle, arrived=True))
        timer = None
        if seconds is not None:
            timer = self._clock.call_at(self._clock.now() + seconds, partial(settle, arrived=False))
        try:
            return await arrival
        finally:
            loop.remove_reader(self._socket)
            if timer:
                timer.cancel()


def _bind(where: Address, access: SocketAccess, setting: str) -> socket.socket:
    family = socket.AF_UNIX if where.kind == "unix" else socket.AF_INET6 if ":" in where.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if where.kind == "unix":
            if _is_stale(where.host):
                Path(where.host).unlink()
            bound.bind(where.host)
            _permit(where.host, access, setting)
        else:
            bound.bind((where.host, where.port))
    except OSError as error:
        bound.close()
        raise ConfigError(setting, f"cannot listen on {where}: {error.strerror or error}") from error
    except ConfigError:
        bound.close()
        raise
    bound.setblocking(False)  # noqa: FBT003 - the socket's own interface
    bound.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    _enlarge(bound, where)
    return bound


def _permit(path: str, access: SocketAccess, setting: str) -> None:
    """Give a new socket its owner, group and mode; remove it when that is not possible."""
    changes = {
        "owner": partial(os.chown, path, access.owner, -1),
        "group": partial(os.chown, path, -1, access.group),
        "mode": partial(os.chmod, path, access.mode),
    }
    for name, change in changes.items():
        try:
            change()
        except OSError as error:
            Path(path).unlink(missing_ok=True)
            raise ConfigError(f"{setting}.{name}", f"cannot set the {name} of {path}: {reason(error)}") from error


def _is_stale(path: str) -> bool:
    """Tell whether `path` is a socket that no process listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe, contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                return True
    return False


def _enlarge(bound: socket.socket, where: Address) -> None:
    """Ask for a large receive buffer, and log if the kernel gives a smaller one."""
    try:
        bound.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    # Linux doubles the size it is asked for, to have space for its bookkeeping.
    given = bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    if given < RECEIVE_BUFFER_BYTES:
        say(ReceiveBufferTooSmall(source=f"syslog:{where}", given=given, wanted=RECEIVE_BUFFER_BYTES))


class SyslogConnection:
    """A source of one TCP connection. It is closed when what it sends cannot be records, or when it stalls."""

    framing: Framing = "stream"

    def __init__(self, name: str, reader: PieceReader, defaults: Defaults, clock: Clock) -> None:
        self.name = name
        self.defaults = defaults
        self._reader = reader
        self._clock = clock
        self._recognised = 0
        self._rejected = 0
        self._line = 0
        self._unfinished_bytes = 0
        """Sent since a line has ended."""
        self._problem = ""

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield what arrives, until the sender closes the connection."""
        reading = asyncio.create_task(self._reader.read())
        is_quiet = False
        try:
            while not self._problem:
                timeout = STALL_SECONDS if self._unfinished_bytes else None
                if await self._wait(reading, timeout if is_quiet else QUIET_SECONDS):
                    if not (data := reading.result()):
                        break
                    reading = asyncio.create_task(self._reader.read())
                    self._unfinished_bytes += len(data)
                    is_quiet = False
                    yield Block(data, more=True)
                elif is_quiet:
                    self._problem = f"quiet for {STALL_SECONDS:.0f} s in the middle of a line"
                else:
                    is_quiet = True
                    yield Block(b"")
            if self._problem:
                say(SyslogConnectionClosed(source=self.name, problem=self._problem))
        except OSError as error:
            say(SyslogConnectionLost(source=self.name, problem=error.strerror or str(error)))
        except asyncio.CancelledError:
            # The process stops. What has come by now counts.
            has_read = reading.done() and not reading.cancelled() and not reading.exception()
            come = [reading.result()] if has_read else []
            while piece := self._reader.take():
                come.append(piece)
            # The last line ends here, too, as if the sender had closed the connection.
            yield Block(b"".join(come), end=True, more=True)
            raise
        finally:
            reading.cancel()
        yield Block(b"", end=True)

    def note_progress(self, line: int, unfinished: int, recognised: int, rejected: int) -> None:
        """Look for a reason to close the connection."""
        self._recognised += recognised
        self._rejected += rejected
        # Only the fold knows where lines end. It keeps little of a line that is too long.
        if line != self._line or not unfinished:
            self._line = line
            self._unfinished_bytes = unfinished
        if not self._recognised and self._rejected >= MAX_REJECTED_LINES:
            self._problem = f"none of {self._rejected} lines is a record"
        elif self._unfinished_bytes > MAX_UNFINISHED_BYTES:
            self._problem = f"a line is longer than {MAX_UNFINISHED_BYTES} bytes"

    async def _wait(self, reading: asyncio.Task[bytes], seconds: float | None) -> bool:
        """Wait until something is read, at most `seconds`; return whether it is."""
        if not reading.done():
            await asyncio.sleep(0)  # what has come already needs no timer
        if reading.done():
            return True
        if seconds is None:
            await asyncio.wait([reading])
            return True
        timeout = asyncio.create_task(sleep_until(self._clock, self._clock.now() + seconds))
        try:
            await asyncio.wait([reading, timeout], return_when=asyncio.FIRST_COMPLETED)
        finally:
            timeout.cancel()
        return reading.done()


Follow = Callable[[SyslogConnection], Coroutine[None, None, None]]
"""Folds and commits what a connection sends, until it ends."""


class SyslogListener:
    """A TCP port. Every connection to it is a source of its own."""

    def __init__(
        self,
        where: Address,
        defaults: Defaults,
        clock: Clock,
        max_connections: int = 1_000,
        *,
        setting: str = "sources.syslog",
    ) -> None:
        self.refused = 0
        """Connections that were closed because there were too many."""
        self.name = f"syslog:{where}"
        self._where = where
        self._defaults = defaults
        self._clock = clock
        self._max_connections = max_connections
        self._setting = setting
        self._server: asyncio.Server | None = None
        self._is_closed = False
        self.connections: set[asyncio.Task[None]] = set()
        """The tasks that follow the open connections."""

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"sources.max_syslog_connections": self.refused}

    async def listen(self, follow: Follow) -> None:
        """Accept connections from now on, and follow each."""
        accept = partial(self._accept, follow)
        try:
            loop = asyncio.get_running_loop()
            make_reader = partial(PieceReader, self._clock, accept)
            self._server = await loop.create_server(make_reader, self._where.host, self._where.port)
        except OSError as error:
            raise ConfigError(self._setting, f"cannot listen on {self._where}: {reason(error)}") from error
        port = self._server.sockets[0].getsockname()[1]
        say(Listening(source=f"syslog:{self._where._replace(port=port)}"))

    async def close(self) -> None:
        """Stop listening, and close all connections. What has arrived counts."""
        self._is_closed = True
        if self._server:
            self._server.close()
        for task in list(self.connections):
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    async def _accept(self, follow: Follow, reader: PieceReader, transport: asyncio.Transport) -> None:
        if self._is_closed:
            # It was made while the listener was closed, and nothing would end it.
            transport.close()
            return
        if len(self.connections) >= self._max_connections:
            self.refused += 1
            transport.close()
            return
        # If it is lost already, it has no address.
        host, port, *_ = transport.get_extra_info("peername") or ("unknown", 0)
        name = f"syslog:{self._where} from {host}:{port}"
        task = asyncio.create_task(follow(SyslogConnection(name, reader, self._defaults, self._clock)))
        self.connections.add(task)
        try:
            await asyncio.wait([task])
        finally:
            self.connections.discard(task)
            transport.close()
