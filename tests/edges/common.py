"""What is shown of edges in the same way; each tells it as it can."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.edges.book import Told
from tests.edges.client import Answer, ask_http2, tls
from tests.edges.facts import INVALID, METHODS, STATUSES, Facts
from tests.edges.lab import Lab

TLS = ((ssl.TLSVersion.TLSv1_2, "tls_v12"), (ssl.TLSVersion.TLSv1_3, "tls_v13"))
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
"""Those that every edge answers, with the domain of each."""
HOSTS_OF_GO = {
    **HOSTS,
    "hosts.example:": "hosts.example",
    "hosts.example:80:80": INVALID,
    "a.example,b.example": INVALID,
}
"""Those that servers answer that are written in Go."""
UNREADABLE_BY_GO = (
    b"GARBAGE, and more of it\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\xfe.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: www.example\r\nno colon\r\n\r\n",
)
BROKEN = ("/%ff%fe", '/"quoted"', "/back\\slash", "/{x}", "/a?b=%c3%28&c=%zz", "/a/../b/./c")
"""URLs."""
ECHOED = b"hello" * 100
"""What is sent once protocols are switched, and comes back."""


async def switch_protocols(lab: Lab, *, told: Told) -> Answer:
    """Have an origin echo what is sent, until the client is done; return the answer that the switch got."""
    headers = {"Upgrade": "echo", "Connection": "Upgrade"}
    request = lab.request("/plain/", headers=headers, status=101, upgrade=True, told=told)
    async with lab.connect() as connection:
        answer = await connection.ask(request)
        await connection.send(ECHOED)
        assert await connection.read(len(ECHOED)) == ECHOED
        connection.end()
        assert await connection.answer() == Answer()
    assert answer.status == 101
    return answer


@dataclass(frozen=True)
class Teller:
    """What an edge tells of what happened."""

    fetched: Callable[[Lab, str], Told]
    """Of a fetch for a request with this path."""
    answered: Callable[[Answer], Answer]
    """Of an answer to a client."""
    cache: str | None = ""
    """Of its cache: nothing, or, if None, what the answer's header says."""

    async def ask(self, lab: Lab, path: str, *, domain: str = "", **request: Any) -> Answer:  # noqa: ANN401 - see `Lab.request`
        """Make a request, and book the answer as it is told."""
        request.setdefault("told", self.fetched(lab, path))
        answer = await lab.send(lab.request(path, domain=domain, **request))
        assert answer.status, (path, request)
        self.book(lab, answer, domain=domain)
        return answer

    def book(self, lab: Lab, answer: Answer, *, domain: str = "", **more: str) -> None:
        lab.book.answered(domain or lab.domain, self.answered(answer), cache=self.cache, **more)


@dataclass(frozen=True)
class Common:
    """Facts of `/plain/`."""

    tell: Teller
    hosts: dict[str | bytes, str]
    urls: tuple[str, ...] = BROKEN

    def note(self, facts: Facts) -> None:
        """Note all of them."""
        for show in (
            self.statuses_of_every_kind,
            self.responses_of_every_size_and_framing,
            self.uploads_of_every_size_and_framing,
            self.clients_that_speak_http_1_0,
            self.ranges_and_conditional_requests,
            self.requests_in_one_go_on_one_connection,
            self.versions_of_tls,
            self.http_2,
            self.hosts_count_as_domains_in_one_form,
            self.broken_bytes_in_urls_are_no_matter,
        ):
            facts.note(show)

    async def statuses_of_every_kind(self, lab: Lab) -> None:
        for status in STATUSES:
            for method in METHODS:
                answer = await self.tell.ask(lab, "/plain/", method=method, status=status, body=status % 7 * 100)
                assert answer.status == status

    async def responses_of_every_size_and_framing(self, lab: Lab) -> None:
        for size in (0, 1, 100, 5_000, 70_000, 300_000):
            for framing in ("length", "chunked", "close"):
                await self.tell.ask(lab, "/plain/", framing=framing, body=size)

    async def uploads_of_every_size_and_framing(self, lab: Lab) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for size in (1, 100, 5_000, 70_000):
                for chunked in (False, True):
                    await self.tell.ask(lab, "/plain/", method=method, upload=size, chunked=chunked)

    async def clients_that_speak_http_1_0(self, lab: Lab) -> None:
        for framing in ("length", "close"):
            await self.tell.ask(lab, "/plain/", version="1.0", framing=framing, body=300)

    async def ranges_and_conditional_requests(self, lab: Lab) -> None:
        for wanted, status in (("bytes=0-9", 206), ("bytes=900-", 416)):
            await self.tell.ask(lab, "/plain/", headers={"Range": wanted}, status=status)
        answer = await self.tell.ask(lab, "/plain/", headers={"If-None-Match": '"v1"'}, etag='"v1"', body=900)
        assert answer.status == 304

    async def requests_in_one_go_on_one_connection(self, lab: Lab) -> None:
        told = self.tell.fetched(lab, "/plain/")
        async with lab.connect() as connection:
            requests = [lab.request("/plain/", body=size, told=told) for size in (1, 2_000, 30_000)]
            await connection.send(b"".join(requests))
            for _ in requests:
                self.tell.book(lab, await connection.answer())

    async def versions_of_tls(self, lab: Lab) -> None:
        told = self.tell.fetched(lab, "/plain/")
        for version, name in TLS:
            for method in METHODS:
                async with lab.connect(tls(version)) as connection:
                    answer = await connection.ask(lab.request("/plain/", method=method, body=500, told=told))
                    self.tell.book(lab, answer, tls=name)

    async def http_2(self, lab: Lab) -> None:
        told = self.tell.fetched(lab, "/plain/")
        for version, name in TLS:
            for method, upload, size in (("GET", 0, 0), ("GET", 0, 9_000), ("HEAD", 0, 9), ("POST", 300, 9)):
                headers = {":method": method, ":path": "/plain/", ":scheme": "https", ":authority": lab.domain}
                headers |= {field.lower(): value for field, value in lab.identify(told, body=size).items()}
                async with lab.connect(tls(version, "h2")) as connection:
                    answer = await ask_http2(connection, headers, b"u" * upload)
                    self.tell.book(lab, answer, proto="http2", tls=name)

    async def hosts_count_as_domains_in_one_form(self, lab: Lab) -> None:
        for host, domain in self.hosts.items():
            answer = await self.tell.ask(lab, "/plain/", host=host, domain=domain)
            assert answer.status == 200, host

    async def broken_bytes_in_urls_are_no_matter(self, lab: Lab) -> None:
        for url in self.urls:
            await self.tell.ask(lab, "/plain" + url, headers={"User-Agent": 'a"\\b'})


@dataclass(frozen=True)
class CommonOfGo(Common):
    """Facts of proxies that are written in Go, as well: those of `/plain/`, and `/busy/` and `/pool/`."""

    hosts: dict[str | bytes, str] = field(default_factory=lambda: HOSTS_OF_GO)
    urls: tuple[str, ...] = (*BROKEN, "/a?\xff\xfe")

    def note(self, facts: Facts) -> None:
        super().note(facts)
        for show in (
            self.requests_that_cannot_be_read_are_not_logged,
            self.the_503_of_an_origin_is_passed_on,
            self.of_several_tries_only_the_last_is_known,
        ):
            facts.note(show)

    async def requests_that_cannot_be_read_are_not_logged(self, lab: Lab) -> None:
        for request in UNREADABLE_BY_GO:
            async with lab.connect() as connection:
                answer = await connection.ask(request)
                assert answer.status == 400, request
        await self.tell.ask(lab, "/plain/")

    async def the_503_of_an_origin_is_passed_on(self, lab: Lab) -> None:
        for method in METHODS:
            answer = await self.tell.ask(lab, "/busy/", method=method)
            assert answer.status == 503

    async def of_several_tries_only_the_last_is_known(self, lab: Lab) -> None:
        for _ in range(3):
            answer = await self.tell.ask(lab, "/pool/", body=300)
            assert answer.status == 200
