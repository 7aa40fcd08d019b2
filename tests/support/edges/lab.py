"""A client in front of an edge, origins behind it, and the observations of both."""

import contextlib
import ssl
from itertools import count
from typing import Any, Protocol, Self

import msgspec

from tests.support.edges.client import Answer, Connection, connected
from tests.support.edges.observed import Logged, Observations, unchanged
from tests.support.edges.origin import ORDERS, REQUEST_ID, Orders, Origin

BUSY = Orders(status=503, body=20)

SMALL, LARGE = 64_000, 8_000_000
"""How much of a download a client reads before it leaves, and how much there is."""


class Edge(Protocol):
    """The server under test."""

    port: int
    tls_port: int


class Lab:
    """A client of an edge, which notes what it observes. Its requests are for the domain of the current scenario."""

    def __init__(self, edge: Edge, observed: Observations, origins: dict[str, Origin]) -> None:
        self.edge = edge
        self.observed = observed
        self.origins = origins
        self.domain = ""
        self.latest = ""
        """The id of the request that was written last."""
        self._ids = count(1)
        self._connection: Connection | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    def request(  # noqa: PLR0913 - a request has as many parts
        self,
        path: str,
        *,
        method: str = "GET",
        version: str = "1.1",
        host: str | bytes | None = None,
        domain: str = "",
        headers: dict[str, str] | None = None,
        upload: int = 0,
        chunked: bool = False,
        logged: Logged = unchanged,
        **orders: Any,  # noqa: ANN401 - they are checked as Orders
    ) -> bytes:
        """Write a request that will be sent; `domain` is the one that it counts under, if not that of the scenario."""
        fields = {**self.identify(logged, domain=domain, **orders), **(headers or {})}
        body = b"u" * upload
        if chunked:
            fields["Transfer-Encoding"] = "chunked"
            parts = [part for part in (body[:7], body[7:]) if part]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif upload:
            fields["Content-Length"] = str(upload)
        host = self.domain if host is None else host
        lines = [
            f"{method} {path} HTTP/{version}".encode("latin-1"),
            b"Host: " + (host if isinstance(host, bytes) else host.encode()),
            *(f"{name}: {value}".encode() for name, value in fields.items()),
        ]
        return b"\r\n".join([*lines, b"", b""]) + body

    def identify(self, logged: Logged = unchanged, *, domain: str = "", **orders: object) -> dict[str, str]:
        """Make the header fields that tell origins which request this is and what to do with it."""
        self.latest = request_id = f"{next(self._ids)}"
        self.observed.request(request_id, domain or self.domain, logged)
        fields = {REQUEST_ID: request_id}
        if orders:
            fields[ORDERS] = msgspec.json.encode(msgspec.convert(orders, Orders)).decode()
        return fields

    async def send(self, request: bytes) -> Answer:
        """Send a request over the open connection, or a new one, and return the response."""
        if self._connection is None:
            self._connection = await self._stack.enter_async_context(self.connect())
        answer = await self._connection.ask(request)
        if answer.headers.get("connection") != "keep-alive" or not answer.is_whole:
            await self.hang_up()
        return answer

    async def hang_up(self) -> None:
        """Close the open connection."""
        await self._stack.aclose()
        self._connection = None

    def connect(self, tls: ssl.SSLContext | None = None) -> contextlib.AbstractAsyncContextManager[Connection]:
        """Open one more connection."""
        return connected(self.edge.tls_port if tls else self.edge.port, tls)

    async def leave_before_response(self, request: bytes, origin: str, *, responds: bool = False) -> None:
        """Send the request that was written last, and leave once `origin` has received it, which then may respond."""
        progress = self.origins[origin].progress[self.latest]
        async with self.connect() as connection:
            await connection.send(request)
            await progress.received.wait()
            connection.abort()
        if responds:
            progress.released.set()

    async def leave_download(self, **request: Any) -> Answer:  # noqa: ANN401 - see `request`
        """Request LARGE bytes from the origin `far`, leave after SMALL; return what was received."""
        async with self.connect() as connection:
            await connection.send(self.request("/far/", body=LARGE, **request))
            received = await connection.read(SMALL)
            connection.abort()
        header = received.index(b"\r\n\r\n") + 4
        return Answer(200, header, len(received) - header)
