"""The application: which path is answered by whom."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from edgetally.access.grants import ANY
from edgetally.api.admin import OPEN_PAGES, PAGES
from edgetally.api.errors import CORS, Refusal, refuse
from edgetally.api.push import SERVICE_ID, Ingest
from edgetally.api.query import question
from edgetally.clock import sleep_until
from edgetally.http.messages import Response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from edgetally.access.grants import Grant
    from edgetally.api.admin import Operate
    from edgetally.api.authorization import Guard
    from edgetally.api.index import Index
    from edgetally.api.long_poll import Poll
    from edgetally.clock import Clock
    from edgetally.http.messages import Request

KINDS = ("origin_insights",)
"""What `/v1/channel` can show."""

READING = ("GET", "HEAD")
WRITING = ("POST", "PUT")

CHALLENGE = "/.well-known/fastly/logging/challenge"
"""Where Fastly asks, before it streams logs, whether it may: https://www.fastly.com/documentation/guides/integrations/
logging-endpoints/log-streaming-https/. `*` says that any service may: the token of the push says which one really
does, and the hashes of their ids would tell strangers which services there are."""


class App:
    """Routes requests, and gives every refusal the same shape."""

    def __init__(
        self,
        *,
        guard: Guard,
        poll: Poll,
        ingest: Ingest,
        operate: Operate,
        index: Index,
        openapi: bytes,
        clock: Clock,
        error_delay: float,
    ) -> None:
        self._guard = guard
        self._poll = poll
        self._ingest = ingest
        self._operate = operate
        self._index = index
        self._openapi = openapi
        self._clock = clock
        self._error_delay = error_delay

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """Answer `request`."""
        try:
            return self._route(request)
        except Refusal as refusal:
            return self._refused(request, refusal)

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
                return self._index.answer(request, self._guard.grant(request, "read"))
            case ["openapi.json"]:
                self._only(request, READING)
                return Response(HTTPStatus.OK, self._openapi, *CORS)
            case [page] if page in PAGES:
                self._only(request, READING)
                if page not in OPEN_PAGES:
                    self._guard.grant(request, "read", ANY)
                return self._operate.answer(page, request.header(b"accept"))
            case [".well-known", "fastly", "logging", "challenge"]:
                self._only(request, READING)
                return Response(HTTPStatus.OK, b"*\n", content_type=b"text/plain")
            case ["ingest"]:
                self._only(request, WRITING)
                return self._push(request, None, self._guard.grant(request, "ingest"))
            case ["ingest", service_id]:
                self._only(request, WRITING)
                return self._push(request, service_id, self._guard.grant(request, "ingest", service_id))
            case ["v1", ("domains" | "origins" | "channel") as room, service_id, "ts", *rest]:
                self._only(request, READING)
                grant = self._guard.grant(request, "read", service_id)
                return self._guard.hold(self._read(request, room, service_id, rest), grant, self._refusal)
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is nothing at {request.path[:80]!r}; / says what there is")

    def _read(
        self, request: Request, room: str, service_id: str, rest: list[str]
    ) -> Response | asyncio.Future[Response]:
        if not SERVICE_ID.fullmatch(service_id):
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                f"a service id has 1 to 64 letters, digits, - and _: {service_id[:80]!r} is none",
            )
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

    def _refusal(self, refusal: Refusal) -> Response:
        return refuse(refusal.status, refusal.problem, self._clock.now(), *refusal.fields)

    async def _push(self, request: Request, service_id: str | None, grant: Grant) -> Response:
        # Called in here: work that is cancelled before it begins would leave a coroutine behind that nobody awaits.
        try:
            return await self._ingest.push(request, service_id, grant)
        except Refusal as refusal:
            return await self._refused_later(request, refusal)

    def _refused(self, request: Request, refusal: Refusal) -> Response | Awaitable[Response]:
        if self._is_slow(request, refusal):
            request.body.discard()
            return self._refused_later(request, refusal)
        return self._refusal(refusal)

    def _is_slow(self, request: Request, refusal: Refusal) -> bool:
        # A client that polls without a pause, as several do, would turn a refusal into a busy loop; and whoever tries
        # tokens has one try at a time and connection.
        is_held = request.path.startswith("/v1/") or refusal.status is HTTPStatus.FORBIDDEN
        return is_held and self._error_delay > 0

    async def _refused_later(self, request: Request, refusal: Refusal) -> Response:
        request.body.discard()
        if self._is_slow(request, refusal):
            await sleep_until(self._clock, self._clock.now() + self._error_delay)
        return self._refusal(refusal)


def endpoint(path: str) -> str:
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
