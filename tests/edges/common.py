"""Scenarios that several edges show; each logs them in its own way."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.edges.client import Answer, ask_http2, tls
from tests.support.edges.lab import Lab
from tests.support.edges.observed import Logged
from tests.support.edges.scenarios import INVALID, METHODS, STATUSES, Scenario

TLS = ((ssl.TLSVersion.TLSv1_2, "tls_v12"), (ssl.TLSVersion.TLSv1_3, "tls_v13"))
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FRESH: dict[str, Any] = {"fields": {"Cache-Control": "max-age=600"}}
"""Orders to an origin whose response is to be cached."""

HOSTS: dict[str | bytes, str] = {
    "hosts.example": "hosts.example",
    "HOSTS.Example": "hosts.example",
    "hosts.example:8080": "hosts.example",
    "hosts.example.": "hosts.example",
    "hosts.example.:8080": "hosts.example",
    "under_score.hosts.example": "under_score.hosts.example",
    "192.0.2.1:80": "192.0.2.1",
    "[2001:DB8::1]": "2001:db8::1",
    "[2001:db8::1]:443": "2001:db8::1",
    "-": INVALID,
    ".hosts.example": INVALID,
    "..": INVALID,
    "hosts..example": INVALID,
    "x" * 64 + ".example": INVALID,
    "x." * 150 + "example": INVALID,
}
"""Hosts that every edge accepts, and the domain of each."""
ODD_HOSTS: dict[str | bytes, str] = {
    "hosts.example:80:80": INVALID,
    "[2001:db8::1": INVALID,
    "bücher.example": INVALID,
    b"\xff\xfe\x80.example": INVALID,
    '"quoted".example': INVALID,
    "back\\slash.example": INVALID,
    '{"domain":"x"}': INVALID,
    "user@hosts.example": INVALID,
    "a.example,b.example": INVALID,
    "hosts.example/path": INVALID,
    "hosts example": INVALID,
}
"""Hosts that only servers written in C accept."""
GO_HOSTS = {
    **HOSTS,
    "hosts.example:": "hosts.example",
    "hosts.example:80:80": INVALID,
    "a.example,b.example": INVALID,
}
"""Hosts that servers written in Go accept."""

URLS = ("/%ff%fe", '/"quoted"', "/back\\slash", "/{x}", "/a?b=%c3%28&c=%zz", "/a/../b/./c")
RAW_URLS = ("/\xff\xfe", "/%ff%fe", '/"quoted"', "/back\\slash", "/{x}", "/a?b=\xc3\x28&c=%zz", "/a/../b/./c")
"""With bytes that are not ASCII."""

UNREADABLE: dict[bytes, int] = {
    b"GARBAGE\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: www.example\r\nno colon\r\n\r\n": 400,
}
"""Requests that servers written in C cannot parse, and their statuses. The second is the start of a TLS handshake."""

Http2 = tuple[str, int, dict[str, Any]]
"""A method, the size of an upload, and orders to the origin."""
HTTP_2: tuple[Http2, ...] = (
    ("GET", 0, {"body": 0}),
    ("GET", 0, {"body": 9_000}),
    ("HEAD", 0, {"body": 9}),
    ("POST", 300, {"body": 9}),
)
MORE_HTTP_2: tuple[Http2, ...] = (
    ("GET", 0, {"body": 0}),
    ("GET", 0, {"body": 100}),
    ("GET", 0, {"body": 40_000}),
    ("GET", 0, {"status": 503}),
    ("HEAD", 0, {}),
    ("POST", 300, {}),
    ("POST", 10_000, {"status": 404}),
)

ECHOED = b"hello" * 100
"""What is sent and echoed once protocols are switched."""

DOWNLOAD = "a-client-that-leaves-a-download.example"
"""The domain of the interrupted download. Its bytes depend on how much fits between the origin and the client."""


async def switch_protocols(lab: Lab, *, logged: Logged) -> Answer:
    """Let an origin echo what is sent, until the client is done; return the response to the switch."""
    headers = {"Upgrade": "echo", "Connection": "Upgrade"}
    request = lab.request("/plain/", headers=headers, status=101, upgrade=True, logged=logged)
    async with lab.connect() as connection:
        answer = await connection.ask(request)
        await connection.send(ECHOED)
        assert await connection.read(len(ECHOED)) == ECHOED
        connection.end()
        assert await connection.answer() == Answer()
    assert answer.status == 101
    return answer


async def ask_each(lab: Lab, requests: dict[bytes, int]) -> list[Answer]:
    """Send each request over a connection of its own; return the responses, which have these statuses."""
    answers = []
    for request, status in requests.items():
        async with lab.connect() as connection:
            answers.append(await connection.ask(request))
            assert answers[-1].status == status, request
    return answers


def without_framing(answer: Answer) -> Answer:
    """Log the body without chunked framing, and no interim response."""
    return replace(answer, body_bytes=answer.body_bytes - answer.framing_bytes, interim_bytes=0)


def body_only(answer: Answer) -> Answer:
    """Log the status and the size of the body, without chunked framing."""
    return Answer(answer.status, 0, answer.body_bytes - answer.framing_bytes)


def framing_as_header(answer: Answer) -> Answer:
    """Log chunked framing and interim responses as header."""
    header = answer.header_bytes + answer.framing_bytes + answer.interim_bytes
    return replace(without_framing(answer), header_bytes=header)


@dataclass(frozen=True)
class LogModel:
    """How an edge logs what happens."""

    fetch: Callable[[str], Logged]
    """How it logs the fetches of a request for this path."""
    response: Callable[[Answer], Answer]
    """How it logs a response to a client."""
    cache: str | None = ""
    """The cache word that it logs; None: the one in the header of the response."""

    async def ask(self, lab: Lab, path: str, *, domain: str = "", **request: Any) -> Answer:  # noqa: ANN401 - see `Lab.request`
        """Make a request, and note the response as it is logged."""
        request.setdefault("logged", self.fetch(path))
        answer = await lab.send(lab.request(path, domain=domain, **request))
        assert answer.status, (path, request)
        self.note(lab, answer, domain=domain)
        return answer

    async def ask_with_each_method(self, lab: Lab, path: str, expected: int, **request: Any) -> None:  # noqa: ANN401 - see `Lab.request`
        """Make a request with each method; each gets the expected status."""
        for method in METHODS:
            answer = await self.ask(lab, path, method=method, **request)
            assert answer.status == expected, method

    async def ask_in_turn(self, lab: Lab, path: str, requests: list[tuple[str, dict[str, Any]]]) -> None:
        """Make requests, whose responses have these cache words in their header."""
        for word, request in requests:
            answer = await self.ask(lab, path, **request)
            assert answer.headers.get("x-cache", "") == word

    def note(self, lab: Lab, answer: Answer, *, domain: str = "", cache: str | None = None, **more: str) -> None:
        """Note a response as it is logged."""
        cache = self.cache if cache is None else cache
        lab.observed.response(domain or lab.domain, self.response(answer), cache=cache, **more)


@dataclass(frozen=True, kw_only=True)
class Common:
    """Scenarios of `/plain/`, `/busy/` and the paths that are named here."""

    log: LogModel
    hosts: dict[str | bytes, str]
    urls: Sequence[str] = tuple(f"/plain{url}" for url in URLS)
    user_agent: str = 'a"\\b'
    downloads: Sequence[str] = ("/plain/",)
    uploads: Sequence[str] = ("/plain/",)
    old_framings: Sequence[str] = ("length", "close")
    """The framings of responses to clients that speak HTTP/1.0."""
    keeps_alive: bool = False
    """Whether such clients may keep their connection."""
    http_2_requests: Sequence[Http2] = HTTP_2
    ranges_of: Sequence[str] = ("/plain/", "/text")
    """Paths for the scenario `ranges`."""

    def messages(self) -> tuple[Scenario, ...]:
        """Return the scenarios that need no TLS."""
        return (
            self.statuses_of_every_kind,
            self.responses_of_every_size_and_framing,
            self.uploads_of_every_size_and_framing,
            self.clients_that_speak_http_1_0,
            self.ranges_and_conditional_requests,
            self.requests_in_one_go_on_one_connection,
            self.hosts_count_as_domains_in_one_form,
            self.broken_bytes_in_urls_are_ignored,
            self.a_503_of_an_origin_is_passed_on,
        )

    def tls(self) -> tuple[Scenario, ...]:
        """Return the scenarios that need TLS."""
        return self.versions_of_tls, self.http_2

    async def statuses_of_every_kind(self, lab: Lab) -> None:
        for status in STATUSES:
            for method in METHODS:
                answer = await self.log.ask(lab, "/plain/", method=method, status=status, body=status % 7 * 100)
                assert answer.status == status

    async def responses_of_every_size_and_framing(self, lab: Lab) -> None:
        for size in (0, 1, 100, 5_000, 70_000, 300_000):
            for framing in ("length", "chunked", "close"):
                for path in self.downloads:
                    await self.log.ask(lab, f"{path}{size}/{framing}", framing=framing, body=size)

    async def uploads_of_every_size_and_framing(self, lab: Lab) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for size in (1, 100, 5_000, 70_000):
                for chunked in (False, True):
                    for path in self.uploads:
                        await self.log.ask(lab, path, method=method, upload=size, chunked=chunked)

    async def clients_that_speak_http_1_0(self, lab: Lab) -> None:
        for framing in self.old_framings:
            for headers in ({}, {"Connection": "keep-alive"}) if self.keeps_alive else ({},):
                await self.log.ask(lab, "/plain/", version="1.0", headers=headers, framing=framing, body=300)
            await lab.hang_up()  # some close although they say that they do not

    async def ranges_and_conditional_requests(self, lab: Lab) -> None:
        for wanted, status in (("bytes=0-9", 206), ("bytes=900-", 416)):
            await self.log.ask(lab, "/plain/", headers={"Range": wanted}, status=status)
        answer = await self.log.ask(lab, "/plain/", headers={"If-None-Match": '"v1"'}, etag='"v1"', body=900)
        assert answer.status == 304

    async def requests_in_one_go_on_one_connection(self, lab: Lab) -> None:
        logged = self.log.fetch("/plain/")
        async with lab.connect() as connection:
            requests = [lab.request("/plain/", body=size, logged=logged) for size in (1, 2_000, 30_000)]
            await connection.send(b"".join(requests))
            for _ in requests:
                self.log.note(lab, await connection.answer())

    async def versions_of_tls(self, lab: Lab) -> None:
        logged = self.log.fetch("/plain/")
        for version, name in TLS:
            for method in METHODS:
                async with lab.connect(tls(version)) as connection:
                    answer = await connection.ask(lab.request("/plain/", method=method, body=500, logged=logged))
                    self.log.note(lab, answer, tls=name)

    async def http_2(self, lab: Lab) -> None:
        for version, name in TLS:
            for method, upload, orders in self.http_2_requests:
                headers = {":method": method, ":path": "/plain/", ":scheme": "https", ":authority": lab.domain}
                identity = lab.identify(self.log.fetch("/plain/"), **orders)
                headers |= {field.lower(): value for field, value in identity.items()}
                async with lab.connect(tls(version, "h2")) as connection:
                    answer = await ask_http2(connection, headers, b"u" * upload)
                    self.log.note(lab, answer, proto="http2", tls=name)

    async def hosts_count_as_domains_in_one_form(self, lab: Lab) -> None:
        for host, domain in self.hosts.items():
            answer = await self.log.ask(lab, "/plain/", host=host, domain=domain)
            assert answer.status == 200, host

    async def broken_bytes_in_urls_are_ignored(self, lab: Lab) -> None:
        for url in self.urls:
            await self.log.ask(lab, url, headers={"User-Agent": self.user_agent})

    async def a_503_of_an_origin_is_passed_on(self, lab: Lab) -> None:
        await self.log.ask_with_each_method(lab, "/busy/", 503)

    async def ranges(self, lab: Lab) -> None:
        for wanted in ("bytes=0-9", "bytes=-5", "bytes=0-1,5-6", "bytes=900-"):
            for path in self.ranges_of:
                await self.log.ask(lab, path, headers={"Range": wanted}, body=300)

    async def responses_that_the_edge_compresses(self, lab: Lab) -> None:
        for method in METHODS:
            await self.log.ask(lab, "/gzipped/", method=method, headers={"Accept-Encoding": "gzip"}, body=5_000)

    async def a_host_in_the_first_line_wins(self, lab: Lab) -> None:
        await self.log.ask(lab, f"http://{lab.domain}/plain/", host="other.example")
        await self.log.ask(lab, f"http://{lab.domain.upper()}:80/plain/", host="other.example")

    async def a_100_continue_before_the_response(self, lab: Lab) -> None:
        for size in (1, 5_000):
            headers = {"Expect": "100-continue"}
            answer = await self.log.ask(lab, "/plain/", method="PUT", upload=size, headers=headers)
            assert answer.interim_bytes == len(CONTINUE)


@dataclass(frozen=True, kw_only=True)
class GoCommon(Common):
    """Scenarios of proxies that are written in Go: those of `/pool/`, as well."""

    hosts: dict[str | bytes, str] = field(default_factory=lambda: GO_HOSTS)
    urls: Sequence[str] = (*(f"/plain{url}" for url in URLS), "/plain/a?\xff\xfe")

    def messages(self) -> tuple[Scenario, ...]:
        return (
            *super().messages(),
            self.a_100_continue_before_the_response,
            self.requests_that_cannot_be_parsed_are_not_logged,
            self.only_the_last_of_several_tries_is_logged,
        )

    async def requests_that_cannot_be_parsed_are_not_logged(self, lab: Lab) -> None:
        for request in (
            b"GARBAGE, and more of it\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \xff\xfe.example\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: www.example\r\nno colon\r\n\r\n",
        ):
            async with lab.connect() as connection:
                answer = await connection.ask(request)
                assert answer.status == 400, request
        await self.log.ask(lab, "/plain/")

    async def only_the_last_of_several_tries_is_logged(self, lab: Lab) -> None:
        for _ in range(3):
            answer = await self.log.ask(lab, "/pool/", body=300)
            assert answer.status == 200


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Scenarios of origins that fail."""

    log: LogModel
    without_response: Callable[[Lab, str], Logged]
    """How a fetch for a request with this path is logged that got no whole header."""
    other: str = "/other/"
    faults: Sequence[tuple[str, str, int]]
    """A path, what the origin does, and the status that the client gets."""
    method: str = "GET"
    refused: int = 503
    """The status that the client gets if the origin refuses the connection."""

    def scenarios(self) -> tuple[Scenario, ...]:
        return (
            self.an_origin_that_sends_no_whole_header_is_no_response,
            self.half_a_body_is_a_response,
            self.an_origin_that_refuses_the_connection_is_no_response,
            self.an_origin_that_is_down_is_not_asked,
        )

    async def an_origin_that_sends_no_whole_header_is_no_response(self, lab: Lab) -> None:
        for path, fault, status in self.faults:
            logged = self.without_response(lab, path)
            answer = await self.log.ask(lab, path, method=self.method, fault=fault, logged=logged)
            assert answer.status == status, (path, fault)

    async def an_origin_that_refuses_the_connection_is_no_response(self, lab: Lab) -> None:
        for method in METHODS:
            answer = await self.log.ask(lab, "/dead/", method=method, upload=10)
            assert answer.status == self.refused, method
            lab.observed.attempt(lab.domain, "dead")

    async def an_origin_that_is_down_is_not_asked(self, lab: Lab) -> None:
        await self.log.ask_with_each_method(lab, "/down/", 503)

    async def half_a_body_is_a_response(self, lab: Lab) -> None:
        await self.log.ask(lab, self.other, fault="half a body", body=100)


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Scenarios of what is cached below `/cached/`."""

    in_turn: Callable[[Lab, str, list[tuple[str, dict[str, Any]]]], Awaitable[None]]
    """Makes requests one after the other, each answered with this cache word."""
    sizes: Sequence[int] = (0, 10, 5_000, 100_000)
    conditions: Sequence[dict[str, str]]
    """Headers of conditional requests, and of requests for ranges."""

    def scenarios(self) -> tuple[Scenario, ...]:
        return self.misses_then_hits, self.conditional_requests_and_ranges_of_what_is_cached

    async def misses_then_hits(self, lab: Lab) -> None:
        for size in self.sizes:
            requests = [("MISS", FRESH), *(("HIT", {"method": method}) for method in ("GET", "HEAD", "GET"))]
            requests = [(word, {"body": size, **request}) for word, request in requests]
            await self.in_turn(lab, f"/cached/{size}", requests)

    async def conditional_requests_and_ranges_of_what_is_cached(self, lab: Lab) -> None:
        first: dict[str, Any] = {"etag": '"v1"', "body": 900, **FRESH}
        hits = [("HIT", {"headers": headers}) for headers in self.conditions]
        await self.in_turn(lab, "/cached/conditional", [("MISS", first), *hits])
