"""The application: which handler answers which path."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from edgetally.access.grants import ANY
from edgetally.api.admin import ENDPOINTS, OPEN_ENDPOINTS
from edgetally.api.authorization import forbidden, refuse_when_withdrawn
from edgetally.api.compat.paths import is_compat
from edgetally.api.encoding import takes_gzip
from edgetally.api.errors import CORS, ApiRefusal, Refusal, response_to
from edgetally.api.page import accepts_page
from edgetally.api.query import Query, parse, parse_filter
from edgetally.api.top import RankingView
from edgetally.clock import sleep_until
from edgetally.escaping import escape
from edgetally.http.messages import Response
from edgetally.model import SERVICE_ID

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from edgetally.access.grants import Grant
    from edgetally.api.admin import Admin
    from edgetally.api.authorization import Authorization
    from edgetally.api.compat.routes import Compat
    from edgetally.api.doors import Doors
    from edgetally.api.fastly_metrics import FastlyMetrics
    from edgetally.api.index import Index
    from edgetally.api.long_poll import LongPoll
    from edgetally.api.page import LivePage
    from edgetally.api.push import Ingest
    from edgetally.api.streams import Streams
    from edgetally.api.top import Rankings
    from edgetally.clock import Clock
    from edgetally.http.messages import Request
    from edgetally.http.pending import PendingResponse

KINDS = {"": "channel", "origin_insights": "origin_insights"}
"""The dataset of `/v1/channel` by its parameter `kind`."""

ID = re.compile(SERVICE_ID)

WRONG_TOKEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
"""Statuses that may answer a guess of a token."""

READING = ("GET", "HEAD")
WRITING = ("POST", "PUT")


class Handlers(msgspec.Struct, frozen=True):
    """What answers requests, once it is clear that they are permitted."""

    long_poll: LongPoll
    rankings: Rankings
    streams: Streams
    ingest: Ingest
    admin: Admin
    root: Index
    compat: Callable[[], Compat]
    """Made when it is first asked for, which takes long."""
    fastly_metrics: FastlyMetrics
    page: LivePage


class App:
    """Routes requests to handlers, and gives every refusal the same shape."""

    def __init__(
        self,
        *,
        authorization: Authorization,
        doors: Doors,
        handlers: Handlers,
        openapi: Callable[[], bytes],
        clock: Clock,
        error_delay: float,
    ) -> None:
        self._authorization = authorization
        self._doors = doors
        self._handlers = handlers
        self._openapi = openapi
        self._clock = clock
        self._error_delay = error_delay

    def __call__(self, request: Request) -> Response | PendingResponse | Awaitable[Response]:
        """Answer `request`."""
        path = _parts(request.path)
        try:
            if request.method != "OPTIONS":
                self._doors.check(path)
                if is_compat(path):
                    return self._handlers.compat().answer(request, path)
            return self._route(request, path)
        except Refusal as refusal:
            if self._is_delayed(request, refusal):
                request.body.discard()
                return self._delayed_response(request, refusal)
            return self._response(refusal)

    def error_response(self, status: HTTPStatus, problem: str, path: str) -> Response:
        """Return the response where no handler makes one, as the API that `path` belongs to does."""
        kind = ApiRefusal if is_compat(_parts(path)) else Refusal
        return self._response(kind(status, problem))

    def _route(self, request: Request, path: list[str]) -> Response | PendingResponse | Awaitable[Response]:
        if request.method == "OPTIONS":
            return Response(
                HTTPStatus.NO_CONTENT,
                b"",
                *CORS,
                b"Access-Control-Max-Age: 86400",
                b"Allow: POST, PUT, OPTIONS" if request.path.startswith("/ingest") else b"Allow: GET, HEAD, OPTIONS",
            )
        require = self._authorization.require
        match path:
            case ["v1" | "top", *_]:
                return self._route_read(request, path)
            case [""] | ["page", _]:
                _allow(request, READING)
                return self._route_page(request, path[-1])
            case ["openapi.json"]:
                _allow(request, READING)
                return Response(HTTPStatus.OK, self._openapi(), *CORS)
            case [name] if name in ENDPOINTS:
                _allow(request, READING)
                if name not in OPEN_ENDPOINTS:
                    require(request, "read", ANY)
                return self._handlers.admin.answer(name, request.header(b"accept"))
            case ["fastly", ("metrics" | "sd") as name]:
                _allow(request, READING)
                return self._await(request, self._scraping(request, name))
            case [".well-known", "fastly", "logging", "challenge"]:
                # Fastly asks for permission before it streams logs here, without a token: see
                # https://www.fastly.com/documentation/guides/integrations/logging-endpoints/log-streaming-https/.
                # `*` permits any service. The token of a push decides; hashes of service ids would reveal services.
                _allow(request, READING)
                return Response(HTTPStatus.OK, b"*\n", content_type=b"text/plain")
            case ["ingest"] | ["ingest", _]:
                _allow(request, WRITING)
                service_id = path[1] if len(path) > 1 else None
                grant = require(request, "ingest", service_id)
                return self._await(request, partial(self._handlers.ingest.push, request, service_id, grant))
        raise _no_such_endpoint(request)

    def _route_page(self, request: Request, name: str) -> Response:
        if name or (self._doors.reads and accepts_page(request)):
            gzip = takes_gzip(request)
            page = self._handlers.page.answer(request, name or "index.html", gzip=gzip)
            if not page:
                raise _no_such_endpoint(request)
            return page
        return self._handlers.root.answer(request, self._authorization.require(request, "read"))

    def _route_read(self, request: Request, path: list[str]) -> Response | PendingResponse | Awaitable[Response]:
        require = self._authorization.require
        answer: Response | asyncio.Future[Response]
        match path:
            case ["v1", ("domains" | "origins" | "channel") as endpoint, service_id, "ts", *suffix]:
                _allow(request, READING)
                return self._read(request, endpoint, service_id, suffix, require(request, "read", service_id))
            case ["v1", ("domains" | "origins" | "channel") as endpoint, service_id, "stream"]:
                _allow(request, READING)
                grant = require(request, "read", service_id)
                answer = self._stream(request, endpoint, service_id, grant)
            case ["top", service_id]:
                _allow(request, READING)
                grant = require(request, "read", service_id)
                answer = self._rank(request, service_id, grant)
            case _:
                raise _no_such_endpoint(request)
        return refuse_when_withdrawn(answer, grant, lambda: self._response(forbidden()))

    def _read(
        self, request: Request, path: str, service_id: str, suffix: list[str], grant: Grant
    ) -> Response | PendingResponse:
        _check(service_id)
        dataset = _dataset(request, path)
        gzip = takes_gzip(request)
        return self._handlers.long_poll.answer(parse(service_id, dataset, suffix, gzip=gzip), grant)

    def _stream(self, request: Request, path: str, service_id: str, grant: Grant) -> Response:
        _check(service_id)
        gzip = takes_gzip(request)
        dataset = _dataset(request, path)
        query = Query(
            service_id, dataset, cursor=None, limit=None, gzip=False, filter=parse_filter(dataset, request.query)
        )
        return self._handlers.streams.entries(request, query, grant, gzip=gzip)

    def _rank(self, request: Request, service_id: str, grant: Grant) -> Response | asyncio.Future[Response]:
        _check(service_id)
        view = RankingView(takes_gzip(request), grant.may("read", ANY))
        question = self._handlers.rankings.question(service_id, request.query)
        if "text/event-stream" not in request.header(b"accept").lower():
            return self._handlers.rankings.answer(question, view)
        if "at" in request.query or "downsample" in request.query:
            problem = "a stream of rankings shows the newest second: leave out `at` and `downsample`"
            raise Refusal(HTTPStatus.BAD_REQUEST, problem)
        return self._handlers.streams.ranking(request, question, view, grant)

    def _scraping(self, request: Request, name: str) -> Callable[[], Awaitable[Response]]:
        handler, require = self._handlers.fastly_metrics, self._authorization.require
        if name == "sd":
            return partial(handler.targets, require(request, "read"))
        target = request.query.get("target", "")
        grant = require(request, "read", target or None)
        accept, gzip = request.header(b"accept"), takes_gzip(request)
        return partial(handler.scrape, grant, target, accept=accept, gzip=gzip)

    async def _await(self, request: Request, answer: Callable[[], Awaitable[Response]]) -> Response:
        # Called in here: a task that is cancelled before it starts would leave behind a coroutine that is not awaited.
        try:
            return await answer()
        except Refusal as refusal:
            request.body.discard()
            return await self._delayed_response(request, refusal)

    def _is_delayed(self, request: Request, refusal: Refusal) -> bool:
        # Some clients poll without a pause and would turn a refusal into a busy loop. And a client that guesses tokens
        # gets one guess at a time and connection.
        return self._error_delay > 0 and (request.path.startswith("/v1/") or refusal.status in WRONG_TOKEN)

    async def _delayed_response(self, request: Request, refusal: Refusal) -> Response:
        """Return the response to a refusal, after the delay if there is one for it."""
        if self._is_delayed(request, refusal):
            await sleep_until(self._clock, self._clock.now() + self._error_delay)
        return self._response(refusal)

    def _response(self, refusal: Refusal) -> Response:
        return response_to(refusal, self._clock.now())


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _allow(request: Request, methods: tuple[str, ...]) -> None:
    """Raise Refusal unless the method of `request` is one of `methods`."""
    if request.method not in methods:
        allowed = ", ".join([*methods, "OPTIONS"])
        problem = f"method {request.method} not allowed (allowed: {allowed})"
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, problem, b"Allow: " + allowed.encode())


def _check(service_id: str) -> None:
    """Raise Refusal unless it can be the id of a service."""
    if not ID.fullmatch(service_id):
        problem = f"a service id has 1 to 64 letters, digits, - and _ (got {service_id[:80]!r})"
        raise Refusal(HTTPStatus.BAD_REQUEST, problem)


def _dataset(request: Request, path: str) -> str:
    """Return the dataset of a path; raise Refusal when its kind is unknown."""
    if path != "channel":
        return path
    kind = request.query.get("kind", "")
    if kind not in KINDS:
        problem = f"unknown kind {kind[:40]!r} (expected origin_insights, or no kind)"
        raise Refusal(HTTPStatus.BAD_REQUEST, problem)
    return KINDS[kind]


def _no_such_endpoint(request: Request) -> Refusal:
    problem = f"no such endpoint: {escape(request.path[:80])} (see / for the list)"
    return Refusal(HTTPStatus.NOT_FOUND, problem)


def endpoint(path: str) -> str:
    """Name the endpoint of `path` for metrics: `read`, `push` or `other`, whatever clients send."""
    if path.startswith("/v1/"):
        return "read"
    return {"v1": "read", "top": "read", "ingest": "push"}.get(path.strip("/").partition("/")[0], "other")
