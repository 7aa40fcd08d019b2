"""
Reading: the bytes of one connection become requests.

    IDLE ─▶ HEADER ─▶ BODY ─▶ IDLE …   one request after the other
    any of these ─▶ DISCARDING          the rest of this request is dropped, and everything behind it
    any of these ─▶ FAILED              not a request, or too large: parsing stops

Parsing is llhttp's. Long bodies of known length bypass it, because it would copy them.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import httptools
import msgspec

from edgetally.http.host import HOST, MOST_SHOWN, host_problem
from edgetally.http.messages import Body, Request

if TYPE_CHECKING:
    from edgetally.http.messages import Flow
    from edgetally.http.server import Limit, Server

BYPASS_PARSER = 1 << 16
"""A body of known length that is longer than this bypasses the parser."""

PLAIN = re.compile(rb"GET ((?:/[A-Za-z0-9_-]+)+) HTTP/1\.1\r\n")
"""How a request begins whose path is the same when it is decoded."""

MOST_REPEATED = 1024
"""Bytes of the longest request that is recognized when it is repeated."""

MOST_PATH = 256
"""Bytes of its path; no limit is less."""


class Reading(Enum):
    """Where in its input a reader is."""

    IDLE = auto()
    HEADER = auto()
    BODY = auto()
    DISCARDING = auto()
    FAILED = auto()


# A member costs more to look up on its class than a request can afford.
IDLE, HEADER, BODY, DISCARDING, FAILED = Reading


class Failure(msgspec.Struct, frozen=True):
    """Why nothing more can be read; requests before it are answered first."""

    status: HTTPStatus
    problem: str
    limit: Limit | None = None


class Repeatable(msgspec.Struct, frozen=True):
    """A request without a body, and its bytes from behind the path."""

    rest: bytes
    request: Request


class RequestReader:
    """Parses what one client sends into `requests`. Each has its body from the start, and the body is filled here."""

    __slots__ = (
        "_bypassing",
        "_flow",
        "_header_size",
        "_headers",
        "_parser",
        "_repeatable",
        "_server",
        "_target",
        "_unparsed",
        "began",
        "body",
        "failure",
        "requests",
        "state",
    )

    def __init__(self, flow: Flow, server: Server) -> None:
        self._flow = flow
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_size = 0
        self._unparsed = 0
        """Bytes since the parser last reported something that is complete."""
        self._bypassing = 0
        """Bytes of a body that are still to come and bypass the parser."""
        self._repeatable: Repeatable | None = None
        self.state = IDLE
        self.requests: list[Request] = []
        """Requests with a complete header that no handler has yet. A list: a deque takes 0.7 KB of every connection."""
        self.body: Body | None = None
        """The body of the newest request."""
        self.began: float | None = None
        """When the first byte of the current request came; None between requests."""
        self.failure: Failure | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether more has come than should be buffered."""
        return bool(self.requests) or (self.body is not None and self.body.is_ahead)

    @property
    def path(self) -> str:
        """The start of the newest request's path, decoded, at most MOST_PATH bytes; empty if it has none."""
        try:
            return _decoded(httptools.parse_url(self._target[:MOST_PATH]).path or b"") if self._target else ""
        except httptools.HttpParserInvalidURLError:
            return ""

    def feed(self, data: bytes) -> None:
        """Parse `data`; what is wrong with it becomes the `failure`."""
        if self.state is FAILED or (self.state is IDLE and self._repeat(data)):
            return
        if self._bypassing:
            data = self._bypass(data)
        was_idle = self.state is IDLE and not self.requests
        self._unparsed += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self.fail(Failure(HTTPStatus.BAD_REQUEST, f"not an HTTP request: {error}"))
        # The parser buffers a field until it is complete, and reports nothing before.
        if self._unparsed > self._server.limits.max_target_bytes + self._server.limits.max_header_bytes:
            self._fail_header_too_large()
        if was_idle and self.state is IDLE and len(self.requests) == 1 and len(data) <= MOST_REPEATED:
            self._remember(data, self.requests[0])

    def fail(self, failure: Failure) -> None:
        """Stop parsing, and drop the request whose body is incomplete, unless a handler has it already."""
        if self.state is FAILED:
            return
        self.state = FAILED
        self.failure = failure
        if self.requests and not self.requests[-1].body.complete:
            self.requests.pop().body.clear()

    def discard(self) -> None:
        """Drop all that comes, and the requests that no handler has."""
        if self.state is not FAILED:
            self.state = DISCARDING
        for request in self.requests:
            request.body.clear()
        self.requests.clear()

    def abort(self) -> None:
        """Nothing more will come: the client has disconnected."""
        for request in self.requests:
            request.body.abort()

    def _remember(self, data: bytes, request: Request) -> None:
        """Recognize what will be like `data`, which is `request` and nothing else."""
        start = PLAIN.match(data)
        ends_with_header = data.find(b"\r\n\r\n") == len(data) - 4
        if start and ends_with_header and request.keep_alive:
            self._repeatable = Repeatable(data[start.end(1) :], request)

    def _repeat(self, data: bytes) -> bool:
        """Take a request that differs from one before only in its path, as long polls do; return whether it does."""
        before = self._repeatable
        if before is None or not data.endswith(before.rest):
            return False
        start = PLAIN.match(data)
        if start is None or start.end(1) != len(data) - len(before.rest) or start.end(1) > MOST_PATH:
            return False
        # Its fields are those of the other, and an empty body is as good for it.
        self.requests.append(before.request.with_path(start[1].decode("ascii")))
        self.body = before.request.body
        return True

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._headers.get(b"content-length", b"0").strip(b"0") or b"transfer-encoding" in self._headers:
                    # The parser takes the body for the other protocol.
                    if self.body:
                        self.body.complete = False
                    problem = "HTTP/1.1 only: send a body without Upgrade"
                    self.fail(Failure(HTTPStatus.BAD_REQUEST, problem))
                    return
                # Clients offer HTTP/2 this way; RFC 9110 lets a server ignore it. More requests may follow.
                data = data[offer.args[0] :]
            else:
                return

    def _bypass(self, data: bytes) -> bytes:
        """Take what belongs to a body of known length; return what follows it."""
        body, following = data[: self._bypassing], data[self._bypassing :]
        self.on_body(body)
        if not self._bypassing:
            # The old parser still waits for the body.
            self._parser = httptools.HttpRequestParser(self)
            self.on_message_complete()
        return following

    def _fail_header_too_large(self) -> None:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        self.fail(Failure(status, "the header fields are too long", "max_header_bytes"))

    # What the parser calls. It goes on to the end of the data that it has, also after a failure.

    def on_message_begin(self) -> None:
        """A request begins."""
        if self.state is IDLE:
            self.state = HEADER
            self.began = self._server.clock.now()
            self.body = None
            self._target = b""
            self._headers = {}
            self._header_size = 0

    def on_url(self, part: bytes) -> None:
        """Part of the target."""
        if self.state is HEADER:
            self._target += part
            if len(self._target) > self._server.limits.max_target_bytes:
                self.fail(Failure(HTTPStatus.REQUEST_URI_TOO_LONG, "the URL is too long", "max_target_bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field, of the header or behind a chunked body."""
        self._unparsed = 0
        self._header_size += len(name) + len(value) + 4
        if self._header_size > self._server.limits.max_header_bytes:
            self._fail_header_too_large()
        elif self.state is HEADER:  # behind the body it comes too late to mean anything
            name = name.lower()
            if name == b"host" and name in self._headers:
                self.fail(Failure(HTTPStatus.BAD_REQUEST, "expected one Host field, got two"))
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """The header is complete; the body, if there is one, follows."""
        if self.state is not HEADER:
            return
        headers = self._headers
        try:
            target = httptools.parse_url(self._target)
        except httptools.HttpParserInvalidURLError:
            shown = self._target[:MOST_SHOWN].decode("latin-1")
            self.fail(Failure(HTTPStatus.BAD_REQUEST, f"expected a path as the target, got {shown!r}"))
            return
        version = self._parser.get_http_version()
        http10 = version == "1.0"
        host = headers.get(b"host", None if version == "1.1" else b"")
        if host is None or not HOST.fullmatch(host):
            self.fail(Failure(HTTPStatus.BAD_REQUEST, host_problem(host)))
            return
        self.state = BODY
        # HTTP/1.0 has no interim responses: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1.
        expects_continue = not http10 and headers.get(b"expect", b"").lower() == b"100-continue"
        self.body = Body(self._flow, self._server.buffered, expects_continue=expects_continue)
        self.requests.append(
            Request(
                method=self._parser.get_method().decode("ascii"),
                path=_decoded(target.path or b"/"),
                query=_query(target.query) if target.query else {},
                headers=headers,
                body=self.body,
                keep_alive=self._parser.should_keep_alive(),
                http10=http10,
            )
        )
        length = headers.get(b"content-length", b"")
        self._bypassing = int(length) if length.isdigit() and int(length) > BYPASS_PARSER else 0

    def on_body(self, chunk: bytes) -> None:
        """Part of the body."""
        self._unparsed = 0
        self._bypassing -= min(self._bypassing, len(chunk))
        if self.body and self.state is BODY:
            self.body.put(chunk)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._unparsed = 0
        self.began = None
        if self.state is BODY:
            self.state = IDLE
            if self.body:
                self.body.finish()


def _decoded(path: bytes) -> str:
    return unquote(path.decode("ascii", "replace"))


def _query(query: bytes) -> dict[str, str]:
    return dict(parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True))
