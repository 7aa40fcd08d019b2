"""A client that counts the bytes that come over the wire, with their framing."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

LIMIT = 1 << 22


@dataclass(frozen=True)
class Answer:
    """The response to one request."""

    status: int | None = None
    """None without a status: the connection ended, or it was HTTP/0.9."""
    header_bytes: int = 0
    body_bytes: int = 0
    """With chunked framing."""
    interim_bytes: int = 0
    """Of interim responses, such as 100 Continue."""
    headers: dict[str, str] = field(default_factory=dict)
    is_whole: bool = True
    """Whether all of it came."""
    framing_bytes: int = 0
    """How much of the body is chunked framing."""


class Connection:
    """One connection with an edge."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ask(self, data: bytes) -> Answer:
        """Send a request, and read the response."""
        await self.send(data)
        return await self.answer(is_head=data.startswith(b"HEAD "))

    async def answer(self, *, is_head: bool = False) -> Answer:
        """Read one response."""
        interim = 0
        while True:
            try:
                top = await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                return Answer(body_bytes=len(error.partial), interim_bytes=interim)
            first, *lines = top.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
            status = int(first.split(" ")[1])
            if status >= 200 or status == 101:
                break
            interim += len(top)
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        answer = Answer(status, len(top), 0, interim, headers)
        if is_head or status in (101, 204, 304):
            return answer
        body, framing, is_whole = await self._read_body(headers)
        return replace(answer, body_bytes=body, framing_bytes=framing, is_whole=is_whole)

    async def _read_body(self, headers: dict[str, str]) -> tuple[int, int, bool]:
        total = framing = 0
        try:
            if headers.get("transfer-encoding") == "chunked":
                size = -1
                while size != 0:
                    line = await self._reader.readuntil(b"\r\n")
                    total += len(line)
                    size = int(line, 16)
                    total += len(await self.read(size + 2))
                    framing += len(line) + 2
            elif "content-length" in headers:
                total += len(await self.read(int(headers["content-length"])))
            else:
                total += len(await self._reader.read())
        except asyncio.IncompleteReadError as error:
            return total + len(error.partial), framing, False
        return total, framing, True

    async def read(self, size: int) -> bytes:
        """Read exactly so many bytes."""
        return await self._reader.readexactly(size)

    def end(self) -> None:
        """Close the sending side of the connection."""
        self._writer.write_eof()

    def abort(self) -> None:
        """Reset the connection, so that the edge cannot send another byte."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def connected(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
    """Connect to an edge on this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, limit=LIMIT)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def tls(version: ssl.TLSVersion, *protocols: str) -> ssl.SSLContext:
    """Make a client of this version of TLS that trusts any certificate and offers these protocols."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


# --- HTTP/2, as much of it as these requests need -------------------------------------------------------------------

DATA, HEADERS, RESET, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1
STREAM = 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATUS_IN_TABLE = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
STATUS_AS_TEXT = 0x48


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


async def ask_http2(connection: Connection, headers: dict[str, str], body: bytes = b"") -> Answer:
    """
    Make the only HTTP/2 request of a connection; of the response's header, only the status is read.

    The framing counts as header.
    """
    block = b"".join(
        b"\x00%c%b%c%b" % (len(name), name.encode(), len(value), value.encode()) for name, value in headers.items()
    )
    request = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), STREAM, block)
    await connection.send(request + (frame(DATA, END_STREAM, STREAM, body) if body else b""))
    status, header_bytes, body_bytes = None, 0, 0
    while True:
        top = await connection.read(9)
        size, kind, flags, stream = int.from_bytes(top[:3], "big"), top[3], top[4], int.from_bytes(top[5:], "big")
        payload = await connection.read(size)
        if kind == SETTINGS and not flags & ACK:
            await connection.send(frame(SETTINGS, ACK, 0))
        if stream != STREAM:
            continue
        if kind == HEADERS:
            header_bytes += len(top) + size
            status = _status(payload)
        if kind == DATA:
            header_bytes += len(top)
            body_bytes += size
        if kind == RESET or (kind in (HEADERS, DATA) and flags & END_STREAM):
            return Answer(status, header_bytes, body_bytes)


def _status(block: bytes) -> int:
    """Read `:status`, which comes first, unless the size of the table changes before it."""
    at = 1 if block[0] >> 5 == 1 else 0
    return int(block[at + 2 : at + 5]) if block[at] == STATUS_AS_TEXT else STATUS_IN_TABLE[block[at]]
