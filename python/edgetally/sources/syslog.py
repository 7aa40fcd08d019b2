"""
Syslog: datagrams over UDP or a unix socket, and streams over TCP, whose messages are records behind a header or none.

Datagrams are read many at once into one block; nothing looks into them here. Nobody can ask a sender of datagrams to
slow down, so the kernel is asked for a large buffer, and says how many it had to drop.
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
from typing import NamedTuple

from edgetally.clock import Clock, sleep_until
from edgetally.errors import ConfigError, reason
from edgetally.model import Defaults, Framing
from edgetally.sources.base import READ, Block
from edgetally.telemetry.events import (
    DatagramsDropped,
    Listening,
    ReceiveBufferTooSmall,
    SyslogConnectionClosed,
    SyslogConnectionLost,
    say,
)

MAX_DATAGRAM = 1 << 18
"""Bytes of a datagram that are read. UDP has no larger ones; over a unix socket, what is behind them is cut off."""

RECEIVE_BUFFER = 32 << 20
"""Bytes that the kernel is asked to hold for us: at 200 000 datagrams a second, some hundred milliseconds."""

QUIET_SECONDS = 0.05
"""Records are committed once nothing has come for this long."""

STALL_SECONDS = 60.0
"""How long a connection may be silent in the middle of a line."""

MAX_JUNK = 100
"""Lines that a connection may send before one of them is a record."""

MAX_OPEN = 4 << 20
"""Bytes that a connection may send without ending a line."""

SO_RXQ_OVFL = 40
"""Linux: tell with each datagram how many were dropped so far. Python has no name for it."""

SO_RCVBUFFORCE = 33
"""Linux: like SO_RCVBUF, for the privileged, beyond what the system allows."""


class Address(NamedTuple):
    """Where to listen."""

    kind: str
    """`udp`, `tcp` or `unix`."""
    host: str
    """For `unix`, the path."""
    port: int

    def __str__(self) -> str:
        """Return it as it was written."""
        if self.kind == "unix":
            return f"unix:{self.host}"
        return f"{self.kind}:[{self.host}]:{self.port}" if ":" in self.host else f"{self.kind}:{self.host}:{self.port}"


def address(text: str) -> Address:
    """Read `udp:HOST:PORT`, `tcp:HOST:PORT` or `unix:/PATH`; raise ConfigError when it is something else."""
    kind, _, where = text.partition(":")
    if kind == "unix" and where.startswith("/"):
        return Address(kind, where, 0)
    host, _, port = where.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if kind in ("udp", "tcp") and host and port.isdecimal() and int(port) < 1 << 16:
        return Address(kind, host, int(port))
    raise ConfigError("sources.syslog", f"{text!r} is none of udp:HOST:PORT, tcp:HOST:PORT, unix:/PATH")


class SyslogDatagrams:
    """Blocks of datagrams, one record each."""

    framing: Framing = "datagrams"

    def __init__(self, where: Address, defaults: Defaults, clock: Clock) -> None:
        self.name = f"syslog:{where}"
        self.defaults = defaults
        self.dropped = 0
        """Datagrams that the kernel dropped because we did not keep up."""
        self._where = where
        self._clock = clock
        self._socket = _bind(where)
        self._buffer = bytearray(READ + MAX_DATAGRAM + 1)
        port = self._socket.getsockname()[1] if where.kind == "udp" else 0
        say(Listening(source=f"syslog:{where._replace(port=port)}"))

    def note_progress(self, unfinished: int, accepted: int, rejected: int) -> None:
        """Nobody can be told: datagrams have no way back."""

    async def blocks(self, _checkpoint: str | None) -> AsyncIterator[Block]:
        """Yield what comes, without end."""
        is_quiet = True
        try:
            while True:
                is_quiet = not await self._arrives(None if is_quiet else QUIET_SECONDS)
                yield Block(b"") if is_quiet else Block(self._receive(), more=True)
        except asyncio.CancelledError:
            # The process stops, and what has come by now counts; what still comes does not keep us.
            for _ in range(1 + RECEIVE_BUFFER // READ):
                if data := self._receive():
                    yield Block(data, more=True)
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Listen no more. Harmless when that is so already."""
        is_ours = self._socket.fileno() >= 0
        self._socket.close()
        if is_ours and self._where.kind == "unix":
            Path(self._where.host).unlink(missing_ok=True)

    def _receive(self) -> bytes:
        """Return what is there, a newline behind each datagram; empty when nothing is."""
        filled = 0
        view = memoryview(self._buffer)
        receive = self._socket.recv_into
        try:
            filled = self._receive_one(view[:MAX_DATAGRAM])
            view[filled] = 10
            filled += 1
            while filled < READ:
                filled += receive(view[filled : filled + MAX_DATAGRAM])
                view[filled] = 10
                filled += 1
        except BlockingIOError:
            pass
        return bytes(view[:filled])

    def _receive_one(self, view: memoryview) -> int:
        """Receive one datagram, and with it the news of how many were dropped."""
        size, ancillary, _, _ = self._socket.recvmsg_into([view], socket.CMSG_SPACE(4))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
                (dropped,) = struct.unpack("I", data[:4])
                if dropped != self.dropped:
                    say(DatagramsDropped(source=self.name, datagrams=dropped))
                    self.dropped = dropped
        return size

    async def _arrives(self, seconds: float | None) -> bool:
        """Wait until there is something to receive, at most `seconds`; say whether."""
        loop = asyncio.get_running_loop()
        arrival: asyncio.Future[bool] = loop.create_future()

        def settle(*, arrived: bool) -> None:
            if not arrival.done():
                arrival.set_result(arrived)

        # Only while we wait: the loop would call without end while a block is folded.
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


def _bind(where: Address) -> socket.socket:
    family = socket.AF_UNIX if where.kind == "unix" else socket.AF_INET6 if ":" in where.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if where.kind == "unix":
            if _is_left_behind(where.host):
                Path(where.host).unlink()
            bound.bind(where.host)
        else:
            bound.bind((where.host, where.port))
    except OSError as error:
        bound.close()
        raise ConfigError("sources.syslog", f"cannot listen on {where}: {error.strerror or error}") from error
    bound.setblocking(False)  # noqa: FBT003 - the socket's own interface
    bound.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    _enlarge(bound, where)
    return bound


def _is_left_behind(path: str) -> bool:
    """Say whether `path` is a socket that nobody listens on any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe, contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                return True
    return False


def _enlarge(bound: socket.socket, where: Address) -> None:
    """Ask for a large receive buffer, and say when the kernel gives a smaller one."""
    try:
        bound.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    # Linux counts its own bookkeeping too, and therefore doubles what it was asked for.
    given = bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    if given < RECEIVE_BUFFER:
        say(ReceiveBufferTooSmall(source=f"syslog:{where}", given=given, wanted=RECEIVE_BUFFER))


class SyslogConnection:
    """Blocks of one TCP connection, until it ends, or is ended because nothing good can come of it."""

    framing: Framing = "stream"

    def __init__(self, name: str, reader: asyncio.StreamReader, defaults: Defaults, clock: Clock) -> None:
        self.name = name
        self.defaults = defaults
        self._reader = reader
        self._clock = clock
        self._records = 0
        self._junk = 0
        self._open_bytes = 0
        self._problem = ""

    async def blocks(self, _checkpoint: str | None) -> AsyncIterator[Block]:
        """Yield what comes, until the sender is done."""
        reading = asyncio.create_task(self._reader.read(READ))
        quiet = False
        try:
            while not self._problem:
                patience = STALL_SECONDS if self._open_bytes else None
                if await self._within(reading, patience if quiet else QUIET_SECONDS):
                    if not (data := reading.result()):
                        break
                    reading = asyncio.create_task(self._reader.read(READ))
                    self._open_bytes += len(data)
                    quiet = False
                    # We do not look for the end of a line ourselves. Once there should have been one, `note_progress`
                    # has to be up to date, and a block after which nothing comes is committed.
                    yield Block(data, more=self._open_bytes <= MAX_OPEN)
                elif quiet:
                    self._problem = f"silent for {STALL_SECONDS:.0f} s in the middle of a line"
                else:
                    quiet = True
                    yield Block(b"")
            if self._problem:
                say(SyslogConnectionClosed(source=self.name, problem=self._problem))
        except OSError as error:
            say(SyslogConnectionLost(source=self.name, problem=error.strerror or str(error)))
        except asyncio.CancelledError:
            # The process stops, and what was read by now counts.
            if reading.done() and not reading.cancelled() and not reading.exception():
                yield Block(reading.result(), end=True)
            raise
        finally:
            reading.cancel()
        yield Block(b"", end=True)

    def note_progress(self, unfinished: int, accepted: int, rejected: int) -> None:
        """Take note of what became of the blocks so far."""
        self._records += accepted
        self._junk += rejected
        if accepted or rejected or not unfinished:
            self._open_bytes = unfinished
        if not self._records and self._junk >= MAX_JUNK:
            self._problem = f"{self._junk} lines, and not one is a record"
        elif self._open_bytes > MAX_OPEN:
            self._problem = f"a line of more than {MAX_OPEN} bytes does not end"

    async def _within(self, reading: asyncio.Task[bytes], seconds: float | None) -> bool:
        """Wait until something was read, at most `seconds`; say whether."""
        if seconds is None:
            await asyncio.wait([reading])
            return True
        late = asyncio.create_task(sleep_until(self._clock, self._clock.now() + seconds))
        try:
            await asyncio.wait([reading, late], return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
        return reading.done()


class SyslogListener:
    """A TCP port whose every connection is a source of its own."""

    def __init__(self, where: Address, defaults: Defaults, clock: Clock, max_connections: int = 1_000) -> None:
        self.refused = 0
        """Connections that were closed because there were too many."""
        self.name = f"syslog:{where}"
        self._where = where
        self._defaults = defaults
        self._clock = clock
        self._max_connections = max_connections
        self._server: asyncio.Server | None = None
        self.connections: set[asyncio.Task[None]] = set()
        """What follows those that are open."""

    @property
    def limits_reached(self) -> Mapping[str, int]:
        """How often, by setting."""
        return {"sources.max_syslog_connections": self.refused}

    async def listen(self, follow: Callable[[SyslogConnection], Coroutine[None, None, None]]) -> None:
        """Accept connections from now on, and follow each."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self.connections) >= self._max_connections:
                self.refused += 1
                writer.close()
                return
            # Who is gone already has no address.
            host, port, *_ = writer.get_extra_info("peername") or ("nobody", 0)
            name = f"syslog:{self._where} from {host}:{port}"
            following = asyncio.create_task(follow(SyslogConnection(name, reader, self._defaults, self._clock)))
            self.connections.add(following)
            try:
                await asyncio.wait([following])
            finally:
                self.connections.discard(following)
                writer.close()

        try:
            self._server = await asyncio.start_server(connected, self._where.host, self._where.port, limit=READ)
        except OSError as error:
            raise ConfigError("sources.syslog", f"cannot listen on {self._where}: {reason(error)}") from error
        port = self._server.sockets[0].getsockname()[1]
        say(Listening(source=f"syslog:{self._where._replace(port=port)}"))

    async def close(self) -> None:
        """Accept nothing more, and end what is there; what came counts."""
        if self._server:
            self._server.close()
        for following in list(self.connections):
            following.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)
