"""
Handling: the requests of one connection become responses, in their order.

Of pipelined requests that send data (POST, PUT), several are handled at a time, so that the work on one overlaps with
receiving the next. All others are handled one after the other.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.http.messages import Disconnect, Response
from edgetally.http.pending import PendingResponse
from edgetally.telemetry.events import RequestFailed, say

if TYPE_CHECKING:
    from edgetally.http.messages import Flow, Request
    from edgetally.http.server import Server

PIPELINED = ("POST", "PUT")
"""Methods whose requests may be handled before earlier ones are answered."""

PIPELINE_DEPTH = 4
"""How many requests of one connection are handled at a time."""


class Exchange:
    """A request that a handler has. It takes the response, now or later."""

    __slots__ = ("_pipeline", "cache_key", "request", "response", "work")

    def __init__(self, pipeline: Pipeline, request: Request, cache_key: bytes | None) -> None:
        self._pipeline = pipeline
        self.request = request
        self.cache_key = cache_key
        """The bytes of the request, if its response may be cached for them."""
        self.response: Response | None = None
        self.work: asyncio.Future[Response] | PendingResponse | None = None
        """What the response comes from, if it comes later."""

    @property
    def admits_next(self) -> bool:
        """
        Whether the next pipelined request may be handled before this one is answered.

        Not behind a refused one: a client that guesses tokens waits for the refusal of each guess.
        """
        request, body = self.request, self.request.body
        return request.method in PIPELINED and body.complete and request.keep_alive and not body.discarded

    def take(self, response: Response) -> None:
        """Take the response that was waited for; it is sent once earlier requests are answered."""
        self.response = response
        self._pipeline.flow.proceed()

    def fail(self, error: BaseException) -> None:
        """There will be no response, because of `error`."""
        self.take(self._pipeline.internal_error(self.request, error))


class Pipeline:
    """The requests of one connection that a handler has and that are not answered, in their order."""

    __slots__ = ("_server", "exchanges", "flow")

    def __init__(self, flow: Flow, server: Server) -> None:
        self.flow = flow
        self._server = server
        self.exchanges: list[Exchange] = []

    def admits(self, request: Request) -> bool:
        """Whether `request` may be handled now: alone, or behind complete requests that were pipelined."""
        exchanges = self.exchanges
        if not exchanges:
            return True
        if request.method not in PIPELINED or len(exchanges) >= PIPELINE_DEPTH or self._server.closing:
            return False
        # The client would take `100 Continue` for the response to an earlier request.
        return exchanges[-1].admits_next and not request.body.expects_continue

    def start(self, request: Request, cache_key: bytes | None) -> None:
        """Hand `request` over. If it is not answered at once, `flow.proceed()` is called when it is."""
        exchange = Exchange(self, request, cache_key)
        self.exchanges.append(exchange)
        try:
            answer = self._server.handler(request)
        except Exception as error:  # noqa: BLE001 - any error is logged, and the client gets a 500
            exchange.response = self.internal_error(request, error)
            return
        if isinstance(answer, Response):
            exchange.response = answer
        elif isinstance(answer, PendingResponse):
            exchange.cache_key = None  # thousands may wait; who asks the same later, is answered at once
            exchange.work = answer
            answer.wait(exchange)
        else:
            exchange.work = asyncio.ensure_future(answer)
            exchange.work.add_done_callback(partial(self._finish, exchange))

    def cancel_incomplete(self) -> None:
        """Cancel the exchange whose request will never be complete, if there is one. It can only be the last."""
        if self.exchanges and not self.exchanges[-1].request.body.complete:
            exchange = self.exchanges.pop()
            exchange.request.body.clear()
            if exchange.work:
                exchange.work.cancel()

    def abort(self) -> None:
        """Cancel everything: the client has disconnected."""
        exchanges, self.exchanges = self.exchanges, []
        for exchange in exchanges:
            if exchange.work:
                exchange.work.cancel()
            exchange.request.body.abort()

    def _finish(self, exchange: Exchange, work: asyncio.Future[Response]) -> None:
        """Take the result of `work`."""
        if exchange not in self.exchanges:
            if not work.cancelled():
                work.exception()  # marks it as retrieved
            return
        if work.cancelled() or isinstance(error := work.exception(), Disconnect):
            self.flow.close()
            return
        exchange.take(self.internal_error(exchange.request, error) if error else work.result())

    def internal_error(self, request: Request, error: BaseException) -> Response:
        """Log `error`, and return the response to a request whose handler has failed."""
        say(RequestFailed(method=request.method, path=request.path), error=error)
        problem = "internal error; see the server log"
        return self._server.error_response(HTTPStatus.INTERNAL_SERVER_ERROR, problem, request.path)
