"""
A listener for TLS.

A connection whose handshake is not finished is a connection like any other: it counts towards the limit, and it is
closed when it takes too long. The event loop's own listeners do neither.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING

from edgetally.clock import sleep_until
from edgetally.http.connection import Connection

if TYPE_CHECKING:
    import ssl

    from edgetally.http.server import Server

SHUTDOWN_SECONDS = 2.0
"""How long the client may take to confirm the end of TLS."""

RETRY_SECONDS = 1.0
"""How long to wait when the system has no resources for another connection."""


class TlsListener:
    """Accepts connections that speak TLS."""

    def __init__(self, server: Server, context: ssl.SSLContext) -> None:
        self.sockets: list[socket.socket] = []
        self._server = server
        self._context = context
        self._tasks: list[asyncio.Task[None]] = []

    async def listen(self, host: str, port: int, backlog: int) -> None:
        """Accept connections from now on; raise OSError when this is not possible."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, _, _, _, address in dict.fromkeys(found):
            listening = socket.create_server(address, family=family, backlog=backlog)
            listening.setblocking(False)  # noqa: FBT003 - the socket's own interface
            self.sockets.append(listening)
            self._tasks.append(asyncio.create_task(self._accept(listening)))

    def close(self) -> None:
        """Accept no more."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, listening: socket.socket) -> None:
        # Closed only when the loop no longer watches it.
        with listening:
            while True:
                await self._accept_one(listening)
                # Many may be waiting, and other tasks need their turn.
                await asyncio.sleep(0)

    async def _accept_one(self, listening: socket.socket) -> None:
        server = self._server
        try:
            accepted, _ = await asyncio.get_running_loop().sock_accept(listening)
        except OSError:
            await sleep_until(server.clock, server.clock.now() + RETRY_SECONDS)
            return
        if len(server.connections) < server.limits.max_connections:
            Handshake(server, self._context, accepted)
        else:
            # A response that says why would take a handshake.
            server.limits_reached["max_connections"] += 1
            accepted.close()


class Handshake:
    """One client whose TLS handshake is not finished."""

    def __init__(self, server: Server, context: ssl.SSLContext, accepted: socket.socket) -> None:
        self.server = server
        self._began = server.clock.now()
        server.connections.add(self)
        self._accepted: socket.socket | None = accepted
        self._task = asyncio.create_task(self._run(context, accepted))
        self._task.add_done_callback(self._end)

    async def _run(self, context: ssl.SSLContext, accepted: socket.socket) -> None:
        self._accepted = None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                partial(TlsConnection, self),
                accepted,
                ssl=context,
                # The last resort: `sweep` comes first, and counts.
                ssl_handshake_timeout=2 * self.server.limits.handshake_timeout,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except OSError:
            pass  # bytes that are not TLS are not worth an event: any client can send them

    def _end(self, _task: asyncio.Task[None]) -> None:
        # A task that is cancelled before it starts closes nothing.
        if self._accepted:
            self._accepted.close()
        self.server.remove(self)

    def sweep(self, now: float) -> None:
        """Close if the timeout has passed."""
        if now - self._began > self.server.limits.handshake_timeout:
            self.server.limits_reached["handshake_timeout"] += 1
            self.abort()

    def close_if_idle(self) -> None:
        """Close: there is no request yet."""
        self.abort()

    def abort(self) -> None:
        """Close now."""
        self._task.cancel()


class TlsConnection(Connection):
    """One client that speaks TLS."""

    __slots__ = ("_handshake",)

    def __init__(self, handshake: Handshake) -> None:
        super().__init__(handshake.server)
        self._handshake = handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start, and replace the handshake in the server's list."""
        self.server.connections.discard(self._handshake)
        super().connection_made(transport)

    def eof_received(self) -> bool:
        """Close: the transport cannot keep half of a TLS connection open."""
        return False
