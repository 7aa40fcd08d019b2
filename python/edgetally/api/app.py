"""The application: which path is answered by whom."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from edgetally.api.errors import CORS, Refusal, refuse
from edgetally.api.http import Response
from edgetally.api.ingest import SERVICE_ID, Ingest
from edgetally.api.operate import PAGES
from edgetally.api.poll import Poll, question
from edgetally.clock import sleep_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from edgetally.api.http import Request
    from edgetally.api.operate import Operate
    from edgetally.clock import Clock
    from edgetally.shelf import Shelf

KINDS = ("origin_insights",)
"""What `/v1/channel` can show."""

READING = ("GET", "HEAD")
WRITING = ("POST", "PUT")

CHALLENGE = "/.well-known/fastly/logging/challenge"
"""Where Fastly asks, before it streams logs, whether it may: https://www.fastly.com/documentation/guides/integrations/
logging-endpoints/log-streaming-https/. `*` says that any service may."""


class App:
    """Routes requests, and gives every refusal the same shape."""

    def __init__(
        self,
        *,
        poll: Poll,
        ingest: Ingest,
        operate: Operate,
        shelf: Shelf,
        clock: Clock,
        openapi: bytes,
        version: str,
        error_delay: float,
    ) -> None:
        self._poll = poll
        self._ingest = ingest
        self._operate = operate
        self._shelf = shelf
        self._clock = clock
        self._openapi = openapi
        self._version = version
        self._error_delay = error_delay

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """Answer `request`."""
        try:
            answer = self._route(request)
        except Refusal as refusal:
            return self._refused(request, refusal)
        if asyncio.iscoroutine(answer):
            return self._guarded(request, answer)
        return answer

    def refuse(self, status: HTTPStatus, problem: str) -> Response:
        """Make the answer to what could not be routed."""
        return refuse(status, problem, self._clock.now())

    def _route(self, request: Request) -> Response | Awaitable[Response]:
        if request.method == "OPTIONS":
            return Response(
                HTTPStatus.NO_CONTENT,
                b"",
                *CORS,
                b"Access-Control-Max-Age: 86400",
                b"Allow: POST, PUT, OPTIONS" if request.path.startswith("/ingest") else b"Allow: GET, HEAD, OPTIONS",
            )
        match request.path.strip("/").split("/"):
            case [""]:
                self._only(request, READING)
                return self._index(request)
            case ["openapi.json"]:
                self._only(request, READING)
                return Response(HTTPStatus.OK, self._openapi, *CORS)
            case [page] if page in PAGES:
                self._only(request, READING)
                return self._operate.answer(page)
            case [".well-known", "fastly", "logging", "challenge"]:
                self._only(request, READING)
                return Response(HTTPStatus.OK, b"*\n", content_type=b"text/plain")
            case ["ingest"]:
                self._only(request, WRITING)
                return self._ingest.push(request, None)
            case ["ingest", service_id]:
                self._only(request, WRITING)
                return self._ingest.push(request, service_id)
            case ["v1", ("domains" | "origins" | "channel") as room, service_id, "ts", *rest]:
                self._only(request, READING)
                return self._read(request, room, service_id, rest)
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is nothing at {request.path[:80]!r}; / says what there is")

    def _read(self, request: Request, room: str, service_id: str, rest: list[str]) -> Response | Awaitable[Response]:
        if not SERVICE_ID.fullmatch(service_id):
            raise Refusal(HTTPStatus.BAD_REQUEST, f"no service id has this form: {service_id[:80]!r}")
        dataset = room
        if room == "channel":
            dataset = request.query.get("kind", "")
            if dataset not in KINDS:
                said = f"there is no kind {dataset[:40]!r}" if dataset else "a kind is missing"
                raise Refusal(HTTPStatus.BAD_REQUEST, f"{said}: ask with ?kind= and one of {', '.join(KINDS)}")
        gzip = accepts_gzip(request.header(b"accept-encoding"))
        return self._poll.answer(question(service_id, dataset, rest, gzip=gzip))

    @staticmethod
    def _only(request: Request, methods: tuple[str, ...]) -> None:
        if request.method not in methods:
            allow = ", ".join([*methods, "OPTIONS"])
            problem = f"{request.method} does nothing here; there is {allow}"
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, problem, b"Allow: " + allow.encode())

    def _index(self, request: Request) -> Response:
        host = request.header(b"host")
        base = f"http://{host}" if host else ""
        services = self._shelf.services
        example = services[0] if services else "{service_id}"
        body = {
            "name": "edgetally",
            "version": self._version,
            "about": "Exact counters for every domain and every origin of your edge, one entry per second.",
            "services": services,
            "links": {
                "domains": f"{base}/v1/domains/{example}/ts/h",
                "origins": f"{base}/v1/origins/{example}/ts/h",
                "origin_insights": f"{base}/v1/channel/{example}/ts/h?kind=origin_insights",
                "push": f"{base}/ingest",
                "openapi": f"{base}/openapi.json",
            },
        }
        return Response(HTTPStatus.OK, msgspec.json.format(msgspec.json.encode(body)), *CORS)

    async def _guarded(self, request: Request, answer: Coroutine[None, None, Response]) -> Response:
        try:
            return await answer
        except Refusal as refusal:
            return await self._refused_later(request, refusal)

    def _refused(self, request: Request, refusal: Refusal) -> Response | Awaitable[Response]:
        # A client that polls without a pause, as several do, would turn a refusal into a busy loop.
        if request.path.startswith("/v1/") and self._error_delay > 0:
            return self._refused_later(request, refusal)
        return refuse(refusal.status, refusal.problem, self._clock.now(), *refusal.fields)

    async def _refused_later(self, request: Request, refusal: Refusal) -> Response:
        if request.path.startswith("/v1/"):
            await sleep_until(self._clock, self._clock.now() + self._error_delay)
        return refuse(refusal.status, refusal.problem, self._clock.now(), *refusal.fields)


def room(path: str) -> str:
    """Name what `path` belongs to, for whoever counts: there are three such names, whatever clients ask for."""
    if path.startswith("/v1/"):
        return "read"
    return {"v1": "read", "ingest": "push"}.get(path.strip("/").partition("/")[0], "other")


def accepts_gzip(accepted: str) -> bool:
    """Tell whether an `Accept-Encoding` admits gzip: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3."""
    weights: dict[str, str] = {}
    for coding in accepted.lower().split(","):
        name, _, weight = coding.partition(";")
        weights[name.strip()] = weight.strip().removeprefix("q=")
    weight = weights.get("gzip", weights.get("*", "0"))
    # No weight is the highest; none of `0`, `0.` and `0.000` means "not this one".
    return not weight or weight.strip("0.") != ""
