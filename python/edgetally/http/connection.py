"""
HTTP/1.1, as far as this API needs it, on asyncio.

Parsing is llhttp's. What is ours is what a framework cannot give at this price: an answer that exists already is one
write, a reader who waits is one future instead of a task, and the body of a push goes from the socket to the fold
with the sender slowed down to the speed of the fold.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, unquote

import httptools

from edgetally.http.exchange import PUSHES_AT_ONCE, PUSHING, Exchange
from edgetally.http.messages import Body, Disconnect, Request, Response
from edgetally.telemetry.events import RequestFailed, say

if TYPE_CHECKING:
    from edgetally.http.server import Server

WRITE_AHEAD = 1 << 16
"""Bytes of answers that may wait for the reader before that reader's next request is looked at."""

PIECE = 1 << 18
"""Bytes of a large body that are sent before others have their turn."""

LINGER_SECONDS = 1.0
"""How long a client that was refused may go on sending, so that it sees why."""

FRESH_BYTES = 2048
"""A request longer than this is not remembered."""


AROUND_PARSER = 1 << 16
"""A body of known length that is longer than this does not go through the parser, which would copy it."""


class Connection(asyncio.Protocol):
    """One client: requests one after the other, pipelined or not. They are answered in their order."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._exchanges: deque[Exchange] = deque()
        """What was handed over and is not answered."""
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_size = 0
        self._unparsed = 0
        self._incoming: Body | None = None
        self._around = 0
        """Bytes of a body that are still to come and go around the parser."""
        self._began: float | None = None
        self._progress = 0.0
        self._paused = False
        self._unsent = memoryview(b"")
        """What is left of a large body."""
        self._flaw: tuple[HTTPStatus, str, str] | None = None
        """What is wrong behind the requests so far, which are answered first."""
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
        for exchange in self._exchanges:
            if exchange.work:
                exchange.work.cancel()
        for request in [*(exchange.request for exchange in self._exchanges), *self._queue]:
            request.body.abandon()

    def data_received(self, data: bytes) -> None:
        """Take apart what was sent, and answer it."""
        idle = not self._exchanges and self._began is None and not self._queue and not self._ending
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
            self._break_off(HTTPStatus.BAD_REQUEST, f"not an HTTP request: {error}")
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
        if self._flaw:
            return
        if self._around:
            data = self._pass_around(data)
        self._unparsed += len(data)
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._headers.get(b"content-length", b"0").strip(b"0") or b"transfer-encoding" in self._headers:
                    # The parser takes the body for the other protocol.
                    if self._incoming:
                        self._incoming.complete = False
                    problem = "this server speaks HTTP/1.1: send a body without Upgrade"
                    self._break_off(HTTPStatus.BAD_REQUEST, problem)
                    return
                # Clients that would rather speak HTTP/2 say so; that may be passed over. More requests can follow.
                data = data[offer.args[0] :]
            else:
                break
        # The parser keeps a field until it ends, and says nothing until then.
        if self._unparsed > self.server.limits.max_target_bytes + self.server.limits.max_header_bytes:
            self._header_too_large()

    def _pass_around(self, data: bytes) -> bytes:
        """Take what belongs to a body whose length is known; return what follows it."""
        body, rest = (data, b"") if len(data) <= self._around else (data[: self._around], data[self._around :])
        self.on_body(body)
        if not self._around:
            # The one before still waits for the body.
            self._parser = httptools.HttpRequestParser(self)
            self.on_message_complete()
        return rest

    def _break_off(self, status: HTTPStatus, problem: str, limit: str = "") -> None:
        """Take nothing more, and refuse what came last once the requests before it are answered; for what `limit`."""
        if self._flaw:
            return
        self._flaw = status, problem, limit
        if self._incoming and not self._incoming.complete:
            # It is in a body, of which nothing will come.
            if self._queue:
                self._queue.pop().body.drop()
            elif self._exchanges:
                exchange = self._exchanges.pop()
                exchange.request.body.drop()
                if exchange.work:
                    exchange.work.cancel()
        self._refuse_flaw()

    def _refuse_flaw(self) -> None:
        if self._flaw and not self._exchanges and not self._queue:
            self._refuse(*self._flaw)

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
        if not self._ending and not self._flaw:
            self._target += part
        if len(self._target) > self.server.limits.max_target_bytes:
            self._break_off(HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long", "clients.max_target_bytes")

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
        if self._flaw:
            return
        target = httptools.parse_url(self._target)
        self._incoming = Body(self)
        http10 = self._parser.get_http_version() == "1.0"
        # HTTP/1.0 knows no answer before the answer: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1.
        self._incoming.expects_continue = not http10 and self._headers.get(b"expect", b"").lower() == b"100-continue"
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
        length = self._headers.get(b"content-length", b"")
        self._around = int(length) if length.isdigit() and int(length) > AROUND_PARSER else 0

    def on_body(self, chunk: bytes) -> None:
        """Part of the body."""
        self._unparsed = 0
        self._around -= min(self._around, len(chunk))
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
        """Hand the next requests over, as far as they may be worked on already."""
        while self._queue and self._may_begin(self._queue[0]) and self._writable and self._transport:
            request = self._queue.popleft()
            exchange = Exchange(request)
            self._exchanges.append(exchange)
            try:
                answer = self.server.handler(request)
            except Exception as error:  # noqa: BLE001 - whatever it was, the client is answered and the log says it
                exchange.response = self._failed(request, error)
            else:
                if isinstance(answer, Response):
                    exchange.response = answer
                else:
                    exchange.work = asyncio.ensure_future(answer)
                    exchange.work.add_done_callback(partial(self._worked, exchange))
            self._answer()
        self._refuse_flaw()

    def _may_begin(self, request: Request) -> bool:
        """Whether `request` may be worked on: alone, or as one of some pushes, each of which has come as a whole."""
        if self._ending or not self._exchanges:
            return not self._ending
        if request.method not in PUSHING or len(self._exchanges) >= PUSHES_AT_ONCE or self.server.closing:
            return False
        # A sender that waits to be told `100 Continue` would take that for the beginning of the answer before.
        return self._exchanges[-1].admits_another and not request.body.expects_continue

    def _worked(self, exchange: Exchange, work: asyncio.Future[Response]) -> None:
        """Answer with what the work on a request has brought, once the requests before are answered."""
        if self._transport is None or exchange not in self._exchanges:
            if not work.cancelled():
                work.exception()  # marks it as seen: there is nobody to tell
            return
        if work.cancelled() or isinstance(error := work.exception(), Disconnect):
            self._transport.close()
            return
        exchange.response = self._failed(exchange.request, error) if error else work.result()
        self._answer()
        self._next()
        self.flow()

    def _failed(self, request: Request, error: BaseException) -> Response:
        say(RequestFailed(method=request.method, path=request.path), error=error)
        return self.server.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "this is our fault; the log says more")

    def _answer(self) -> None:
        """Send the answers that there are, in the order of the requests."""
        while self._exchanges and (response := self._exchanges[0].response):
            self._respond(self._exchanges.popleft().request, response)

    def _respond(self, request: Request, response: Response) -> None:
        if response.fresh and self._whole and request.method == "GET" and request.keep_alive and not request.http10:
            self.server.remember(self._whole, response)
        self._whole = None
        request.body.drop()
        # What is worked on already is answered, also when the server stops.
        is_last = self.server.closing and not self._exchanges
        stays = request.keep_alive and request.body.complete and not is_last
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
        self._break_off(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, problem, "clients.max_header_bytes")

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
        elif not self._exchanges and not self._queue:
            patience, limit = limits.idle_timeout, ""
        else:
            return
        if in_header and self._began is not None and now - self._began > limits.header_timeout:
            self._break_off(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to come", "clients.header_timeout")
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
        if not self._exchanges and not self._queue and self._began is None and self._transport:
            self._send_rest()
            self._transport.close()
