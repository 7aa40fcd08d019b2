"""An origin that counts every byte it receives and sends, and misbehaves on demand."""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Self

import msgspec

ORDERS = "X-Orders"
"""The header field in which a client tells the origin what to do, as JSON."""
REQUEST_ID = "X-Rid"
"""The header field that says which of the client's requests a fetch is for."""

HELD_BACK = 5
"""Bytes of a body that an origin promises, but never sends, when it breaks off."""


class Orders(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an origin does with one request."""

    at: str = ""
    """The name of the only origin that does it; empty: every one that is asked."""
    status: int = 200
    body: int = 10
    framing: Literal["length", "chunked", "close"] = "length"
    fields: dict[str, str] = {}
    """Added to its header."""
    etag: str = ""
    """Its ETag: requests that already have it are answered with 304."""
    hold: bool = False
    """Respond only when the test releases the request."""
    fault: Literal[
        "", "closes", "half a header", "half a header, then silence", "half a body", "garbage", "silence"
    ] = ""
    upgrade: bool = False
    """Switch protocols, then echo."""


@dataclass
class Fetch:
    """One request, as an origin saw it."""

    request_id: str
    origin: str
    address: str
    bereq_header: int = 0
    bereq_body: int = 0
    bereq_framing: int = 0
    """Chunked framing, part of the body."""
    status: int | None = None
    """The status that it sent; None without a whole header."""
    beresp_header: int = 0
    beresp_body: int = 0
    beresp_framing: int = 0
    """Chunked framing, part of the body."""


@dataclass
class Progress:
    """How far an origin is with a request."""

    header_received: asyncio.Event = field(default_factory=asyncio.Event)
    received: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the test, for a request that is held."""


class Origin:
    """A server on `ip`, or on the socket `path`, called `name` in the configuration of the edge."""

    def __init__(self, name: str, ip: str = "127.0.0.1", *, path: str = "", always: Orders | None = None) -> None:
        self.name = name
        self.progress: dict[str, Progress] = defaultdict(Progress)
        """By request id."""
        self.address = ""
        """Where it listens, as written in the configuration of the edge."""
        self.fetches: list[Fetch] = []
        """The requests that it received."""
        self._ip = ip
        self._path = path
        self._always = always
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if self._path:
            self._server = await asyncio.start_unix_server(self._connected, self._path, limit=1 << 20)
            self.address = f"unix:{self._path}"
        else:
            self._server = await asyncio.start_server(self._connected, self._ip, 0, limit=1 << 20)
            self.address = f"{self._ip}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the edge gave up, or the test ends: what was exchanged before counts
        finally:
            writer.close()
            self._connections.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection can have another."""
        top = await reader.readuntil(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        fetch = Fetch(headers.get(REQUEST_ID.lower(), ""), self.name, self.address if self._path else self._ip)
        fetch.bereq_header = len(top)
        if fetch.request_id:  # others only find out whether the edge is ready
            self.fetches.append(fetch)
        progress = self.progress[fetch.request_id]
        progress.header_received.set()
        # Counted as it comes, since an edge may give up in the middle of it.
        if headers.get("transfer-encoding") == "chunked":
            await self._read_chunks(reader, fetch)
        length = int(headers.get("content-length", "0"))
        while fetch.bereq_body < length:
            if not (part := await reader.read(length - fetch.bereq_body)):
                return False
            fetch.bereq_body += len(part)
        orders = self._always or msgspec.convert(json.loads(headers.get(ORDERS.lower(), "{}")), Orders)
        if orders.at not in ("", self.name):
            orders = Orders()
        progress.received.set()
        if orders.hold:
            await progress.released.wait()
        if orders.fault or orders.upgrade:
            await self._misbehave(reader, writer, fetch, orders)
            return False
        is_known = bool(orders.etag) and headers.get("if-none-match") == orders.etag
        header, body = _response(orders, is_head=first.startswith("HEAD "), is_known=is_known)
        fetch.status = 304 if is_known else orders.status
        fetch.beresp_header, fetch.beresp_body = len(header), len(body)
        fetch.beresp_framing = max(0, len(body) - orders.body)
        writer.write(header + body)
        await writer.drain()
        return orders.framing != "close" and headers.get("connection") != "close"

    @staticmethod
    async def _read_chunks(reader: asyncio.StreamReader, fetch: Fetch) -> None:
        while True:
            line = await reader.readuntil(b"\r\n")
            fetch.bereq_body += len(line)
            rest = await reader.readexactly(int(line, 16) + 2)
            fetch.bereq_body += len(rest)
            fetch.bereq_framing += len(line) + 2
            if int(line, 16) == 0:
                return

    @staticmethod
    async def _misbehave(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fetch: Fetch, orders: Orders
    ) -> None:
        header, body = _response(orders, is_head=False, is_known=False)
        match orders.fault:
            case "half a header" | "half a header, then silence":
                header, body = header[: len(header) // 2], b""
            case "half a body":
                fetch.status, body = orders.status, body[:-HELD_BACK]
            case "garbage":
                header, body = b"", b"\x00\xff no HTTP"
            case "closes" | "silence":
                header, body = b"", b""
            case _:
                fetch.status, body = orders.status, b""
        fetch.beresp_header, fetch.beresp_body = len(header), len(body)
        writer.write(header + body)
        await writer.drain()
        if orders.fault.endswith("silence"):
            await reader.read()
        while orders.upgrade and (data := await reader.read(1 << 16)):
            fetch.bereq_body += len(data)
            fetch.beresp_body += len(data)
            writer.write(data)


@contextlib.asynccontextmanager
async def listening(fetches: list[Fetch], *origins: Origin) -> AsyncIterator[dict[str, Origin]]:
    """Start origins that append what they receive to `fetches`; return them by name."""
    async with contextlib.AsyncExitStack() as stack:
        for origin in origins:
            origin.fetches = fetches
            await stack.enter_async_context(origin)
        yield {origin.name: origin for origin in origins}


def _response(orders: Orders, *, is_head: bool, is_known: bool) -> tuple[bytes, bytes]:
    status = 304 if is_known else orders.status
    content = b"x" * orders.body
    fields = dict(orders.fields)
    if orders.etag:
        fields["ETag"] = orders.etag
    has_body = not is_head and status not in (204, 304) and status >= 200
    if orders.framing == "chunked" and status not in (204, 304):
        fields["Transfer-Encoding"] = "chunked"
        half = len(content) // 2
        content = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (content[:half], content[half:]) if part)
        content += b"0\r\n\r\n"
    elif orders.framing == "length" and status not in (204, 304) and status >= 200:
        fields["Content-Length"] = str(len(content))
    if orders.upgrade:
        fields |= {"Upgrade": "echo", "Connection": "Upgrade"}
    if orders.framing == "close":
        fields["Connection"] = "close"
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode(), content if has_body else b""
