"""
HTTP/1.1, as far as this API needs it, on asyncio.

Parsing is llhttp's. What is ours is what a framework cannot give at this price: an answer that exists already is one
write, a reader who waits is one future instead of a task, and the body of a push goes from the socket to the fold
with the sender slowed down to the speed of the fold.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast
from urllib.parse import parse_qsl, unquote

import httptools

from edgetally.telemetry.events import RequestFailed, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from edgetally.clock import Clock

    Handler = Callable[["Request"], "Response | Awaitable[Response]"]

BODY_AT_ONCE = 1 << 14
"""Bytes of a body that are worth waking the handler for before its end: who sends a byte at a time costs little."""

PIECES_AT_ONCE = 256
"""The same for the pieces in which they came, because each piece has a price of its own."""

BODY_AHEAD = 1 << 20
"""Bytes of a body that may wait for the handler; then the sender waits."""

WRITE_AHEAD = 1 << 16
"""Bytes of answers that may wait for the reader before that reader's next request is looked at."""

PIECE = 1 << 18
"""Bytes of a large body that are sent before others have their turn."""

FRESH_REQUESTS = 1024
"""How many different requests have their answer at hand."""

LINGER_SECONDS = 1.0
"""How long a client that was refused may go on sending, so that it sees why."""

FRESH_BYTES = 2048
"""A request longer than this is not remembered."""


class Limits(NamedTuple):
    """What clients may do. These are settings, and are counted by their names."""

    max_connections: int = 20_000
    max_target_bytes: int = 8 * 1024
    max_header_bytes: int = 64 * 1024
    handshake_timeout: float = 10.0
    """How long TLS may take to begin."""
    header_timeout: float = 20.0
    """How long the header of a request may take, from its first byte."""
    stall_timeout: float = 30.0
    """How long the next bytes of a body, or the reading of an answer, may take."""
    idle_timeout: float = 75.0
    """How long a connection may be silent between requests."""
    max_waiting_bytes: int = 256_000_000
    """Bytes of bodies that may wait for their handlers, before every sender waits who has something waiting there."""
    max_unread_bytes: int = 512_000_000
    """Bytes of large answers that may wait for their readers. One that many readers are given counts once."""


class Disconnect(Exception):
    """The client has left before its request was complete."""


class Response:
    """An answer. It is bytes from the beginning, so that it can be sent to many."""

    __slots__ = ("body", "fresh", "head", "status")

    def __init__(
        self,
        status: HTTPStatus,
        body: bytes = b"",
        *fields: bytes,
        content_type: bytes = b"application/json",
        fresh: bool = False,
    ) -> None:
        lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode()), b"Date: " + formatdate(usegmt=True).encode()]
        if status is not HTTPStatus.NO_CONTENT:
            lines += [b"Content-Type: " + content_type, b"Content-Length: %d" % len(body)]
        self.status = status
        self.head = b"\r\n".join([*lines, *fields, b""])
        self.body = body
        self.fresh = fresh
        """Whether it answers every such request until the next second is sealed."""


class Body:
    """The body of a request, as it comes."""

    __slots__ = ("_chunks", "_connection", "_news", "_size", "complete", "expects_continue", "unwanted")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._news: asyncio.Future[None] | None = None
        self.complete = False
        self.expects_continue = False
        self.unwanted = False
        """Set when nobody will read it; then none of it is kept."""

    @property
    def is_ahead(self) -> bool:
        """Whether more has come than should wait."""
        server = self._connection.server
        return self._size > (BODY_AHEAD if server.waiting_bytes <= server.limits.max_waiting_bytes else 0)

    def unwant(self) -> None:
        """Keep none of it: the request is refused, and its answer may be held back."""
        self.unwanted = True
        self.drop()

    def put(self, chunk: bytes) -> None:
        """Add what came."""
        if self.unwanted:
            return
        self._chunks.append(chunk)
        self._grow(len(chunk))
        if self._size >= BODY_AT_ONCE or len(self._chunks) >= PIECES_AT_ONCE or self.is_ahead:
            self.news()

    def drop(self) -> None:
        """Keep nothing of what waits."""
        self._chunks.clear()
        self._grow(-self._size)

    def abandon(self) -> None:
        """Nothing more will come, and what waits is worth nothing without it."""
        self.drop()
        self.complete = False
        self.news()

    def _grow(self, size: int) -> None:
        self._size += size
        self._connection.server.waiting_bytes += size

    def news(self) -> None:
        """Wake the reader, if there is one."""
        if self._news and not self._news.done():
            self._news.set_result(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what comes; raise Disconnect when it does not come to its end."""
        while True:
            if self._chunks:
                data = b"".join(self._chunks) if len(self._chunks) > 1 else self._chunks[0]
                self.drop()
                self._connection.flow()
                yield data
            elif self.complete:
                return
            elif self._connection.is_lost:
                raise Disconnect
            else:
                if self.expects_continue:
                    self.expects_continue = False
                    self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._news = asyncio.get_running_loop().create_future()
                await self._news


class Request(NamedTuple):
    """A request, from the moment when its header is complete."""

    method: str
    path: str
    """The decoded path."""
    query: dict[str, str]
    headers: dict[bytes, bytes]
    """By lower-case name; of fields that are repeated, the last."""
    body: Body
    keep_alive: bool
    http10: bool

    def header(self, name: bytes) -> str:
        """Return the field `name` as text; empty when it is absent."""
        return self.headers.get(name, b"").decode("latin-1").strip()


class Client(Protocol):
    """Somebody who is connected."""

    def sweep(self, now: float) -> None:
        """Close if it takes too long."""

    def close_if_idle(self) -> None:
        """Close unless it waits for an answer."""

    def abort(self) -> None:
        """Close now."""


class Server:
    """What the connections of one listener share."""

    def __init__(
        self,
        handler: Handler,
        *,
        refuse: Callable[[HTTPStatus, str], Response],
        epoch: Callable[[], int],
        room: Callable[[str], str],
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008 - a tuple never changes
    ) -> None:
        self.handler = handler
        self.refuse = refuse
        """Makes the answer to what is no request that a handler could be asked."""
        self.room = room
        """Names what a path belongs to, for the count of responses."""
        self.clock = clock
        self.responses: Counter[tuple[str, int]] = Counter()
        """Responses, by room and status."""
        self.repeated = 0
        """Responses that were at hand already. They are not among the others: counting them there takes too long."""
        self.limits = limits
        self.waiting_bytes = 0
        """Bytes of bodies that wait for their handlers."""
        self.refused: Counter[str] = Counter()
        """Connections that were ended for a limit, by its setting."""
        self.unread_bytes = 0
        """Bytes of large answers that wait for their readers."""
        self._unread: Counter[Response] = Counter()
        self.connections: set[Client] = set()
        self.closing = False
        self._drained = asyncio.Event()
        self._epoch = epoch
        self._fresh_epoch = 0
        self._fresh: dict[bytes, Response] = {}

    def fresh(self, request: bytes) -> Response | None:
        """Return the answer that was given to these very bytes, if it still stands."""
        if self._fresh_epoch != self._epoch():
            self._fresh_epoch = self._epoch()
            self._fresh.clear()
        return self._fresh.get(request)

    def remember(self, request: bytes, response: Response) -> None:
        """Give `response` to these very bytes, the token in them included, until the next second is sealed."""
        if self._fresh_epoch == self._epoch() and len(self._fresh) < FRESH_REQUESTS:
            self._fresh[request] = response

    def forget(self) -> None:
        """Give no answer again that was given before: who may see it has changed."""
        self._fresh.clear()

    def hold(self, response: Response) -> bool:
        """Say whether there is room for `response` until it is read; then `let_go` of it."""
        if not self._unread[response]:
            if self.unread_bytes + len(response.body) > self.limits.max_unread_bytes:
                del self._unread[response]
                return False
            self.unread_bytes += len(response.body)
        self._unread[response] += 1
        return True

    def let_go(self, response: Response) -> None:
        """One reader has read it, or has left."""
        self._unread[response] -= 1
        if not self._unread[response]:
            del self._unread[response]
            self.unread_bytes -= len(response.body)

    def sweep(self) -> None:
        """Close connections that have been silent for too long; to be called about once a second."""
        now = self.clock.now()
        for connection in list(self.connections):
            connection.sweep(now)

    def close(self) -> None:
        """Close idle connections now, and the others after their answer."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

    async def drained(self) -> None:
        """Wait until the last connection has ended, after `close()`."""
        while self.connections:
            self._drained.clear()
            await self._drained.wait()

    def left(self, connection: Client) -> None:
        """Forget a connection that has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self._drained.set()

    def abort(self) -> None:
        """Close every connection, whatever it is doing."""
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client: requests one after the other, pipelined or not."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._current: Request | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_size = 0
        self._unparsed = 0
        self._incoming: Body | None = None
        self._began: float | None = None
        self._progress = 0.0
        self._paused = False
        self._unsent = memoryview(b"")
        """What is left of a large body."""
        self._ending = False
        self._whole: bytes | None = None
        self._unread: Response | None = None

    @property
    def _writable(self) -> bool:
        """Whether the answers so far are on their way."""
        return not self._paused and not self._unsent

    @property
    def is_lost(self) -> bool:
        """Whether the client has left."""
        return self._transport is None

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are transports in all but their ancestry.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_AHEAD)
        self._progress = self.server.clock.now()
        self.server.connections.add(self)
        if len(self.server.connections) > self.server.limits.max_connections:
            self._refuse(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many connections: try again later", "clients.max_connections"
            )

    def connection_lost(self, _error: Exception | None) -> None:
        """End; whoever works for this client is told."""
        self.server.left(self)
        self._transport = None
        self._let_go()
        self._unsent = memoryview(b"")
        if self._answer:
            self._answer.cancel()
        for request in [self._current, *self._queue]:
            if request:
                request.body.abandon()

    def data_received(self, data: bytes) -> None:
        """Take apart what was sent, and answer it."""
        idle = self._current is None and self._began is None and not self._queue and not self._ending
        if idle and self._writable and (known := self.server.fresh(data)):
            self._progress = self.server.clock.now()
            self.server.repeated += 1
            self._send(known, b"\r\n")
            return
        if not self._ending:
            self._progress = self.server.clock.now()
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"not an HTTP request: {error}")
        if self._ending:
            return
        alone = idle and len(self._queue) == 1 and self._queue[0].body.complete and len(data) <= FRESH_BYTES
        self._whole = data if alone and self._began is None else None
        self._next()
        self.flow()

    def pause_writing(self) -> None:
        """Look at no further request until the answers so far are read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._progress = self.server.clock.now()
        self._send_piece()
        self._next()
        self.flow()

    def _parse(self, data: bytes) -> None:
        self._unparsed += len(data)
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._headers.get(b"content-length", b"0").strip(b"0") or b"transfer-encoding" in self._headers:
                    # The parser takes the body for the other protocol.
                    self._refuse(HTTPStatus.BAD_REQUEST, "this server speaks HTTP/1.1: send a body without Upgrade")
                    return
                # Clients that would rather speak HTTP/2 say so; that may be passed over. More requests can follow.
                data = data[offer.args[0] :]
            else:
                break
        # The parser keeps a field until it ends, and says nothing until then.
        if self._unparsed > self.server.limits.max_target_bytes + self.server.limits.max_header_bytes:
            self._header_too_large()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._began = self.server.clock.now()
        self._incoming = None
        self._target = b""
        self._headers = {}
        self._header_size = 0

    def on_url(self, part: bytes) -> None:
        """Part of the target."""
        if not self._ending:
            self._target += part
        if len(self._target) > self.server.limits.max_target_bytes:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long", "clients.max_target_bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field, of the header or behind a chunked body."""
        self._unparsed = 0
        self._header_size += len(name) + len(value) + 4
        if self._header_size > self.server.limits.max_header_bytes:
            self._header_too_large()
        elif self._incoming is None:  # behind the body it comes too late to mean anything
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The header is complete; the body, if there is one, follows."""
        target = httptools.parse_url(self._target)
        self._incoming = Body(self)
        self._incoming.expects_continue = self._headers.get(b"expect", b"").lower() == b"100-continue"
        http10 = self._parser.get_http_version() == "1.0"
        self._queue.append(
            Request(
                method=self._parser.get_method().decode("ascii"),
                path=unquote((target.path or b"/").decode("ascii", "replace")),
                query=dict(parse_qsl((target.query or b"").decode("ascii", "replace"), keep_blank_values=True)),
                headers=self._headers,
                body=self._incoming,
                keep_alive=self._parser.should_keep_alive(),
                http10=http10,
            )
        )

    def on_body(self, chunk: bytes) -> None:
        """Part of the body."""
        self._unparsed = 0
        if self._incoming and not self._ending:
            self._incoming.put(chunk)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._unparsed = 0
        self._began = None
        if self._incoming:
            self._incoming.complete = True
            self._incoming.news()
        if self._ending and self._transport:
            self._transport.close()

    # Answering.

    def _next(self) -> None:
        """Hand the next request over, if the one before is answered and read."""
        while self._queue and self._current is None and self._writable and self._transport and not self._ending:
            request = self._current = self._queue.popleft()
            try:
                answer = self.server.handler(request)
            except Exception as error:  # noqa: BLE001 - whatever it was, the client is answered and the log says it
                say(RequestFailed(method=request.method, path=request.path), error=error)
                answer = self.server.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "this is our fault; the log says more")
            if isinstance(answer, Response):
                self._respond(request, answer)
            else:
                self._answer = asyncio.ensure_future(answer)
                self._answer.add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[Response]) -> None:
        request, self._answer = self._current, None
        if self._transport is None or request is None:
            if not answer.cancelled():
                answer.exception()  # marks it as seen: there is nobody to tell
            return
        if answer.cancelled() or isinstance(error := answer.exception(), Disconnect):
            self._transport.close()
        elif error:
            say(RequestFailed(method=request.method, path=request.path), error=error)
            message = "this is our fault; the log says more"
            self._respond(request, self.server.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, message))
        else:
            self._respond(request, answer.result())
        self._next()
        self.flow()

    def _respond(self, request: Request, response: Response) -> None:
        if response.fresh and self._whole and request.method == "GET" and request.keep_alive and not request.http10:
            self.server.remember(self._whole, response)
        self._current = None
        self._whole = None
        request.body.drop()
        stays = request.keep_alive and request.body.complete and not self.server.closing
        field = (
            b""
            if stays and not request.http10
            else b"Connection: keep-alive\r\n"
            if stays
            else b"Connection: close\r\n"
        )
        status = response.status
        if request.method == "HEAD":
            self.write(response.head + field + b"\r\n")
        else:
            status = self._send(response, field + b"\r\n")
        self.server.responses[self.server.room(request.path), status] += 1
        if not stays:
            self._end(unread=not request.body.complete)

    def _send(self, response: Response, fields: bytes) -> HTTPStatus:
        """Send `response` with `fields` more in its head, or that too many have not read theirs; return the status."""
        if len(response.body) <= WRITE_AHEAD:
            self.write(response.head + fields + response.body)
        elif self.server.hold(response):
            self._unread = response
            self.write(response.head + fields)
            # As it is: many may be given the same bytes.
            self._unsent = memoryview(response.body)
            self._send_piece()
        else:
            self.server.refused["clients.max_unread_bytes"] += 1
            busy = self.server.refuse(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many answers wait to be read: try again later"
            )
            self.write(busy.head + b"Retry-After: 1\r\n" + fields + busy.body)
            return busy.status
        return response.status

    def _let_go(self) -> None:
        """What was sent is read, or never will be."""
        if self._unread:
            self.server.let_go(self._unread)
            self._unread = None

    def _header_too_large(self) -> None:
        problem = "the header fields are too long"
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, problem, "clients.max_header_bytes")

    def _refuse(self, status: HTTPStatus, problem: str, limit: str = "") -> None:
        """Answer what is no request, once, and end; for what `limit`, if for one."""
        if self._ending:
            return
        if limit:
            self.server.refused[limit] += 1
        self.server.responses[self.server.room(""), status] += 1
        response = self.server.refuse(status, problem)
        self.write(response.head + b"Connection: close\r\n\r\n" + response.body)
        self._end(unread=self._began is not None)

    def _end(self, *, unread: bool) -> None:
        """Close; if the client is still sending, let it finish for a while, or it would never see the answer."""
        self._ending = True
        for request in self._queue:
            request.body.drop()
        self._queue.clear()
        if not self._transport:
            return
        self._send_rest()
        if unread:
            self._progress = self.server.clock.now()
            self._transport.resume_reading()
        else:
            self._transport.close()

    def write(self, data: bytes) -> None:
        """Send `data`, if the client is still there."""
        if self._transport:
            self._send_rest()
            self._transport.write(data)

    def _send_piece(self) -> None:
        """Send some more of a large body."""
        if self._transport and self._unsent and not self._paused:
            self._progress = self.server.clock.now()
            piece, self._unsent = self._unsent[:PIECE], self._unsent[PIECE:]
            self._transport.write(piece)
        self._sent()

    def _sent(self) -> None:
        """Let go of what was sent, or go on with the rest once others have had their turn."""
        if self._writable:
            self._let_go()
        elif not self._paused:
            asyncio.get_running_loop().call_soon(self._send_on)

    def _send_on(self) -> None:
        self._send_piece()
        self._next()
        self.flow()

    def _send_rest(self) -> None:
        """Send all that is left of a large body, because something else has to follow."""
        if self._transport and self._unsent:
            self._transport.write(self._unsent)
            self._unsent = memoryview(b"")

    def flow(self) -> None:
        """Slow the client down while more has come than should wait."""
        if self._transport is None or self._ending:
            return
        ahead = bool(self._queue) or (self._incoming is not None and self._incoming.is_ahead)
        if ahead and self._transport.is_reading():
            self._transport.pause_reading()
        elif not ahead and not self._transport.is_reading():
            self._transport.resume_reading()

    # Patience.

    def sweep(self, now: float) -> None:
        """Close if the other side has been silent for too long."""
        if self._transport is None:
            return
        limits = self.server.limits
        silent = now - self._progress
        in_header = self._began is not None and self._incoming is None and not self._ending
        if self._ending:
            patience, limit = LINGER_SECONDS, ""
        elif not self._writable or (self._began is not None and self._transport.is_reading()):
            patience, limit = limits.stall_timeout, "clients.stall_timeout"
        elif self._current is None and not self._queue:
            patience, limit = limits.idle_timeout, ""
        else:
            return
        if in_header and self._began is not None and now - self._began > limits.header_timeout:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to come", "clients.header_timeout")
        elif silent > patience:
            if limit:
                self.server.refused[limit] += 1
            self._transport.abort()

    def abort(self) -> None:
        """Close now."""
        if self._transport:
            self._transport.abort()

    def close_if_idle(self) -> None:
        """Close unless a request is being answered or received."""
        if self._current is None and not self._queue and self._began is None and self._transport:
            self._send_rest()
            self._transport.close()
