"""
One client: an asyncio protocol that joins reading, handling and writing.

A cached response costs one look-up and one write; a waiting client is one object, not a task; and a client that sends
faster than its handler takes is paused (backpressure).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from edgetally.http.pending import PendingResponse
from edgetally.http.pipeline import Pipeline
from edgetally.http.reader import BODY, HEADER, IDLE, Failure, RequestReader
from edgetally.http.writer import BLOCKED, READY, ResponseWriter

if TYPE_CHECKING:
    from edgetally.http.server import Limit, Server

LINGER_SECONDS = 1.0
"""How long a refused client may go on sending, so that it sees the refusal."""

CACHEABLE_REQUEST = 2048
"""Bytes of the longest request whose response is cached."""


class Connection(asyncio.Protocol):
    """One client: its requests are read, handled, and answered in their order."""

    __slots__ = (
        *("_ending", "_half_closed", "_held", "_pipeline", "_progress", "_reader", "_round", "_transport", "_writer"),
        "server",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader(self, server)
        self._pipeline = Pipeline(self, server)
        self._writer = ResponseWriter(self, server)
        self._progress = 0.0
        """When the client last sent something."""
        self._ending = False
        """Whether the last response is written; what the client still sends is discarded."""
        self._half_closed = False
        """Whether the client sends nothing more, and still waits for answers."""
        self._round = 0
        """In which round the client was last answered; 0 if in none."""
        self._held = b""
        """What it sent since, if that round is not over."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start, or refuse when there are too many connections."""
        # uvloop's transports are transports in all but their ancestry.
        self._transport = cast("asyncio.Transport", transport)
        self._writer.open(self._transport)
        self._progress = self.server.clock.now()
        self.server.connections.add(self)
        if len(self.server.connections) > self.server.limits.max_connections:
            problem = "too many connections: try again later"
            self._refuse(Failure(HTTPStatus.SERVICE_UNAVAILABLE, problem, "max_connections"))

    def connection_lost(self, _error: Exception | None) -> None:
        """Stop, and cancel what is done for this client."""
        self.server.remove(self)
        self._transport = None
        self._held = b""
        self._writer.close()
        self._pipeline.abort()
        self._reader.abort()

    @property
    def _is_answering(self) -> bool:
        """Whether a request that has come whole is not answered to the end."""
        return bool(self._pipeline.exchanges or self._reader.requests) or self._writer.is_busy

    def eof_received(self) -> bool:
        """Close once all is answered; at once if a request is cut off, or waits: its client has probably left."""
        self.handle_held()
        is_waiting = any(isinstance(exchange.work, PendingResponse) for exchange in self._pipeline.exchanges)
        self._half_closed = self._is_answering and not (is_waiting or self.is_receiving or self._ending)
        return self._half_closed

    def data_received(self, data: bytes) -> None:
        """Answer what was sent, or hold it: others are still waiting for the answer that this client just had."""
        if self._round and self._round == self.server.rounds.current and len(data) <= CACHEABLE_REQUEST:
            self._round = 0
            self._held = data
            self.server.rounds.hold(self)
        else:
            held, self._held = self._held, b""
            self._receive(held + data)

    def handle_held(self) -> None:
        """Answer what was held."""
        if self._held:
            held, self._held = self._held, b""
            self._receive(held)

    def _receive(self, data: bytes) -> None:
        """Answer what was sent: from the cache, or after parsing it."""
        reader = self._reader
        server = self.server
        is_idle = reader.state is IDLE and not (reader.requests or self._pipeline.exchanges or self._ending)
        # What is longer than any key is not looked up: that would hash all of a body.
        may_be_cached = is_idle and self._writer.state is READY and len(data) <= CACHEABLE_REQUEST
        if may_be_cached and (cached := server.cache.get(data)):
            self._progress = server.clock.now()
            server.cache.hits += 1
            self._writer.send(cached, b"\r\n")
            return
        reader.feed(data)
        if self._ending:
            is_bound = self._writer.is_streaming or self._writer.feed
            if not self.is_receiving and self._transport and not is_bound:
                self._transport.close()
            return
        self._progress = server.clock.now()
        if reader.failure:
            self._pipeline.cancel_incomplete()
        self._start_requests(self._cache_key(data) if is_idle else None)
        self._apply_backpressure()

    def pause_writing(self) -> None:
        """Handle no further request until the client has read the responses so far."""
        self._writer.pause()

    def resume_writing(self) -> None:
        """Go on."""
        self._writer.resume()
        self.proceed()

    # What reader, pipeline, writer and bodies call.

    @property
    def is_lost(self) -> bool:
        """Whether the client has disconnected."""
        return self._transport is None

    def proceed(self) -> None:
        """Do what has become possible: send responses, handle the next requests, receive more."""
        self._send_responses()
        if self._reader.requests or self._reader.failure:
            self._start_requests()
        self._apply_backpressure()
        if self._half_closed and not self._is_answering:
            self.close()

    def resume(self) -> None:
        """Receive more, if the client was paused and no longer has to be."""
        self._apply_backpressure()

    def write_continue(self) -> None:
        """Send `100 Continue`."""
        self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def close(self) -> None:
        """Close once everything is written."""
        if self._transport:
            self._transport.close()

    # One step each.

    def _start_requests(self, cache_key: bytes | None = None) -> None:
        """Hand over the requests that may be handled now; `cache_key` is that of the first."""
        requests = self._reader.requests
        while requests and self._pipeline.admits(requests[0]) and self._writer.state is READY:
            self._pipeline.start(requests.pop(0), cache_key)
            self._send_responses()
            cache_key = None
        if self._reader.failure:
            self._refuse_failed()

    def _cache_key(self, data: bytes) -> bytes | None:
        """Return `data` if it is one complete GET request, whose response may be cached for these bytes."""
        requests = self._reader.requests
        if len(requests) != 1 or self._reader.began is not None or len(data) > CACHEABLE_REQUEST:
            return None
        is_plain = requests[0].method == "GET" and requests[0].keep_alive and not requests[0].http10
        return data if is_plain else None

    def _send_responses(self) -> None:
        """Send the responses that are next, and end behind the last."""
        exchanges = self._pipeline.exchanges
        while exchanges and (response := exchanges[0].response):
            exchange = exchanges.pop(0)
            request = exchange.request
            if response.cacheable and exchange.cache_key:
                self.server.cache.put(exchange.cache_key, response)
            request.body.clear()
            # A closing server still answers what its handlers have.
            is_last = self.server.closing and not exchanges
            is_last = is_last or response.feed is not None or (request.http10 and response.pieces is not None)
            stays = request.keep_alive and request.body.complete and not is_last
            self._writer.answer(request, response, stays=stays)
            if isinstance(exchange.work, PendingResponse):
                self._round = self.server.rounds.join()
            if self._writer.feed:
                self._stream()
            elif not stays:
                self._end(is_receiving=not request.body.complete)

    def _apply_backpressure(self) -> None:
        """Pause the client while more has come than should be buffered."""
        if self._transport is None or self._ending or self._half_closed:
            return
        is_ahead = self._reader.is_ahead
        if is_ahead and self._transport.is_reading():
            self._transport.pause_reading()
        elif not is_ahead and not self._transport.is_reading():
            self._transport.resume_reading()

    def _refuse_failed(self) -> None:
        """Refuse what could not be read, once everything before it is answered."""
        is_next = not self._pipeline.exchanges and not self._reader.requests and not self._writer.is_streaming
        if self._reader.failure and is_next:
            self._refuse(self._reader.failure)

    def _refuse(self, failure: Failure) -> None:
        """Answer what is not a request, once, and end."""
        if self._ending:
            return
        if failure.limit:
            self.server.limits_reached[failure.limit] += 1
        self.server.responses[self.server.endpoint(""), failure.status] += 1
        response = self.server.error_response(failure.status, failure.problem, self._reader.path)
        self._writer.write(response.head + b"Connection: close\r\n\r\n" + response.body)
        self._end(is_receiving=self.is_receiving)

    def _stream(self) -> None:
        """Leave the connection to a feed; what the client still sends is discarded."""
        self._ending = True
        self._reader.discard()

    def _end(self, *, is_receiving: bool) -> None:
        """Close. A client that is still sending may finish for a while, or it would never see the response."""
        self._ending = True
        self._reader.discard()
        if not self._transport:
            return
        if self._writer.is_streaming:
            self._writer.closes = True
            return
        self._writer.flush()
        if is_receiving:
            self._progress = self.server.clock.now()
            self._transport.resume_reading()
        else:
            self._transport.close()

    # What the server calls.

    @property
    def is_receiving(self) -> bool:
        """Whether a request has arrived in part."""
        return self._reader.began is not None

    @property
    def _is_handled(self) -> bool:
        """Whether a handler has a request, and nothing else is under way."""
        return self._reader.state is IDLE and self._writer.state is READY and bool(self._pipeline.exchanges)

    def sweep(self, now: float) -> None:
        """Close if a timeout has passed."""
        # Thousands wait for a handler, which may take any time.
        if self._is_handled or self._transport is None or self._sweep_feed(now):
            return
        reader, limits = self._reader, self.server.limits
        is_waiting = reader.state in (HEADER, BODY) and self._transport.is_reading()
        limit: Limit | None = None
        if self._writer.is_streaming:
            # It may take any time to make a body, but not to read it.
            if self._writer.state is not BLOCKED:
                return
            timeout, limit = limits.stall_timeout, "stall_timeout"
        elif self._ending:
            timeout = LINGER_SECONDS
        elif self._writer.state is not READY or is_waiting:
            timeout, limit = limits.stall_timeout, "stall_timeout"
        elif not self._pipeline.exchanges and not reader.requests:
            timeout = limits.idle_timeout
        else:
            return
        if reader.state is HEADER and reader.began is not None and now - reader.began > limits.header_timeout:
            reader.fail(Failure(HTTPStatus.REQUEST_TIMEOUT, "the request header took too long", "header_timeout"))
            self._refuse_failed()
        elif now - max(self._progress, self._writer.progress) > timeout:
            if limit:
                self.server.limits_reached[limit] += 1
            self._transport.abort()

    def _sweep_feed(self, now: float) -> bool:
        """Close if the client of a feed takes nothing; return whether there is a feed."""
        if self._writer.feed is None:
            return False
        if self._writer.is_stalled(now):
            self.server.limits_reached["stall_timeout"] += 1
            self.abort()
        return True

    def abort(self) -> None:
        """Close now."""
        if self._transport:
            self._transport.abort()

    def close_if_idle(self) -> None:
        """Close unless a request is being received or answered."""
        if self._writer.is_streaming:
            self._writer.closes = True
        elif not (self.is_receiving or self._held or self._reader.requests or self._pipeline.exchanges):
            self._writer.flush()
            self.close()
