"""
The real Traffic Server, with the snippet that users are given, between a client and origins that note every byte.

It writes its log to a file and into a named pipe. `edgetally serve` reads both, and every counter is compared with what
the client and the origins saw. A domain is a fact. Where Traffic Server cannot tell what was on the wire, the fact says
what it says instead.
"""

import asyncio
import os
import ssl
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.edges.book import Told, as_it_was
from tests.edges.client import Answer, ask_http2, tls
from tests.edges.facts import INVALID, Facts, skip_or_fail
from tests.edges.lab import Lab
from tests.edges.origin import Fetch
from tests.edges.reading import PATIENCE
from tests.edges.shipped import Outcome, shipping, untimed, without_latency
from tests.edges.trafficserver import laboratory

ROADS = ("file", "stdin")

FACTS = Facts()
fact = FACTS.note


async def ask(
    lab: Lab,
    path: str,
    *,
    cache: str = "MISS",
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    domain: str = "",
    told: Told = as_it_was,
    **request: Any,  # noqa: ANN401 - see `Lab.request`
) -> Answer:
    """Make a request, and book the answer; `cache` is what it counts as, HIT or MISS.

    Origins say when it is: Traffic Server counts a Date that it adds itself as if it had come. It closes the connection
    when it is done with the request, and with it with its cache.
    """
    data = lab.request(
        path,
        fields={"Date": formatdate(usegmt=True), **(fields or {})},
        headers={"Connection": "close", **(headers or {})},
        domain=domain,
        told=told,
        **request,
    )
    async with lab.connect() as connection:
        answer = await connection.ask(data)
        if answer.is_whole:
            assert await connection.answer() == Answer()
    lab.book.answered(domain or lab.domain, answer, cache=cache)
    return answer


# --- what clients and origins say -----------------------------------------------------------------------------------

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
PRIVATE: dict[str, Any] = {"fields": {"Cache-Control": "no-store"}}
STATUSES = (
    *(200, 201, 202, 204, 206, 226, 299, 300, 301, 302, 303, 307, 308, 399),
    *(400, 401, 403, 404, 405, 410, 416, 418, 422, 429, 451, 499, 500, 501, 502, 503, 504, 511, 530, 599),
)


@fact
async def statuses_of_every_kind(lab: Lab) -> None:
    for status in STATUSES:
        for method in ("GET", "HEAD", "POST"):
            await ask(lab, "/plain/", method=method, status=status, body=status % 7 * 100, **PRIVATE)


@fact
async def responses_of_every_size_and_framing(lab: Lab) -> None:
    """Traffic Server does not count the field that says that an origin's response comes in chunks."""

    def told(fetch: Fetch) -> Fetch:
        return replace(fetch, beresp_header=fetch.beresp_header - len("Transfer-Encoding: chunked\r\n"))

    for size in (0, 1, 100, 5_000, 70_000):
        await ask(lab, "/plain/", framing="length", body=size)
        await ask(lab, "/plain/", framing="chunked", body=size, told=told)


@fact
async def an_origin_that_says_505_is_asked_twice_but_told_once(lab: Lab) -> None:
    known: list[Fetch] = []

    def told(fetch: Fetch) -> Fetch | None:
        known.append(fetch)
        return replace(fetch, beresp_body=0) if len(known) == 1 else None

    await ask(lab, "/plain/", status=505, told=told, cache="", **PRIVATE)


@fact
async def uploads_of_every_size_and_framing(lab: Lab) -> None:
    for method in ("POST", "PUT"):
        for size in (1, 100, 5_000, 70_000):
            for chunked in (False, True):
                await ask(lab, "/plain/", method=method, upload=size, chunked=chunked)


@fact
async def answers_that_traffic_server_makes(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/not-there", method=method, cache="")
        assert answer.status == 404


# --- hosts and URLs -------------------------------------------------------------------------------------------------

HOSTS: dict[str | bytes, str] = {
    "hosts.example": "hosts.example",
    "HOSTS.Example": "hosts.example",
    "hosts.example:8080": "hosts.example",
    "under_score.hosts.example": "under_score.hosts.example",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    "192.0.2.1:80": "192.0.2.1",
    "[2001:DB8::1]": INVALID,
    "[2001:db8::1]:443": INVALID,
}


@fact
async def hosts_count_as_domains_in_one_form(lab: Lab) -> None:
    for host, domain in HOSTS.items():
        await ask(lab, "/plain/", host=host, domain=domain)


@fact
async def a_host_that_is_not_ascii_is_refused(lab: Lab) -> None:
    for host in ("bücher.example", b"\xff\xfe\x80.example"):
        answer = await ask(lab, "/plain/", host=host, domain=INVALID, cache="")
        assert answer.status == 400


@fact
async def broken_bytes_in_urls_are_no_matter(lab: Lab) -> None:
    for path in ("/%ff%fe", '/"quoted"', "/back\\slash", "/{x}", "/a/../b/./c", "/%zz"):
        await ask(lab, "/plain" + path, headers={"User-Agent": 'a"\\b\xff'})


# --- the cache ------------------------------------------------------------------------------------------------------

FRESH: dict[str, Any] = {"fields": {"Cache-Control": "max-age=600"}}
OLD: dict[str, Any] = {"fields": {"Cache-Control": "max-age=0"}, "etag": '"v1"'}


def stored(lab: Lab) -> Told:
    """The request for what is going to be cached is counted as if it had named the origin in its first line."""
    return lambda fetch: replace(fetch, bereq_header=fetch.bereq_header + len(f"http://{lab.origins['plain'].address}"))


@fact
async def misses_then_hits(lab: Lab) -> None:
    for size in (1, 10, 5_000, 70_000):
        await ask(lab, f"/plain/{size}", body=size, told=stored(lab), **FRESH)
        for method in ("GET", "HEAD", "GET"):
            await ask(lab, f"/plain/{size}", method=method, body=size, cache="HIT")


@fact
async def conditional_requests_and_ranges_of_what_is_cached(lab: Lab) -> None:
    await ask(lab, f"/plain/{lab.domain}", body=900, etag='"v1"', told=stored(lab), **FRESH)
    for headers in ({"If-None-Match": '"v1"'}, {"Range": "bytes=0-99"}, {"Range": "bytes=1000-"}):
        await ask(lab, f"/plain/{lab.domain}", headers=headers, cache="HIT")


@fact
async def what_expired_and_did_not_change_is_revalidated(lab: Lab) -> None:
    await ask(lab, f"/plain/{lab.domain}", told=stored(lab), **OLD)
    for _ in range(2):
        await ask(lab, f"/plain/{lab.domain}", cache="HIT", **OLD)


@fact
async def a_pass_counts_as_miss(lab: Lab) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        await ask(lab, "/plain/", method=method)


# --- origins that fail ----------------------------------------------------------------------------------------------


def told_once() -> Told:
    """Of attempts without a response, only one is told, and with 17 bytes of a header that never came."""
    known: list[Fetch] = []

    def told(fetch: Fetch) -> Fetch | None:
        known.append(fetch)
        return replace(fetch, beresp_header=17, beresp_body=0) if len(known) == 1 else None

    return told


@fact
async def a_503_of_an_origin_is_passed_on(lab: Lab) -> None:
    def told(fetch: Fetch) -> Fetch:
        return replace(fetch, beresp_header=fetch.beresp_header + len(f"Date: {formatdate(usegmt=True)}\r\n"))

    for method in METHODS:
        await ask(lab, "/busy/", method=method, told=told)


@fact
async def an_origin_that_breaks_off_before_its_header_ends_is_one_attempt(lab: Lab) -> None:
    for fault in ("closes", "garbage"):
        answer = await ask(lab, "/other/", fault=fault, told=told_once(), cache="")
        assert answer.status == 502


@fact
async def a_header_that_breaks_off_after_its_first_line_is_a_response(lab: Lab) -> None:
    """With as much of a header as there would be with nothing else."""
    size = len("HTTP/1.1 200 Whatever\r\n\r\n")
    once = told_once()

    def told(fetch: Fetch) -> Fetch | None:
        first = once(fetch)
        return first and replace(first, status=200, beresp_header=size)

    answer = await ask(lab, "/other/", fault="half a header", told=told, cache="")
    assert answer.status == 502


@fact
async def an_origin_that_says_nothing_in_time_is_one_attempt(lab: Lab) -> None:
    answer = await ask(lab, "/impatient/", fault="silence", told=told_once(), cache="")
    assert answer.status == 504


@fact
async def half_a_body_counts_as_none(lab: Lab) -> None:
    """On neither side, although the client may get it. It may also get nothing: its header counts."""
    date = {"Date": formatdate(usegmt=True)}
    whole = await ask(lab, "/other/", body=100, fields=date)

    def bodiless(fetch: Fetch) -> Fetch:
        return replace(fetch, beresp_body=0)

    orders: dict[str, Any] = {"body": 100, "fields": date, "fault": "half a body"}
    await lab.send(lab.request("/other/", headers={"Connection": "close"}, told=bodiless, **orders))
    lab.book.answered(lab.domain, replace(whole, body_bytes=0), cache="")


REFUSED = "an-attempt-that-is-refused-is-no-response.example"
"""Of which Traffic Server counts the request that it could not send."""


@fact
async def an_attempt_that_is_refused_is_no_response(lab: Lab) -> None:
    for method, upload in (("GET", 0), ("HEAD", 0), ("POST", 50)):
        answer = await ask(lab, "/dead/", method=method, upload=upload, cache="")
        assert answer.status == 502
        lab.book.attempted(lab.domain, "127.0.0.1")


# --- clients that leave ---------------------------------------------------------------------------------------------


@fact
async def a_client_that_leaves_before_the_answer_counts_with_its_header(lab: Lab) -> None:
    """It could no longer be sent. No body counts, on either side."""
    date = {"Date": formatdate(usegmt=True)}
    whole = await lab.send(lab.request("/other/", fields=date))
    lab.book.answered(lab.domain, whole, cache="MISS")
    request = lab.request("/other/", hold=True, told=lambda fetch: replace(fetch, beresp_body=0), fields=date)
    gate = lab.origins["other"].gates[lab.latest]
    async with lab.connect() as connection:
        await connection.send(request)
        await gate.arrived.wait()
        connection.abort()
    gate.opened.set()
    lab.book.answered(lab.domain, Answer(200, whole.header_bytes), cache="")


@fact
async def a_client_that_leaves_an_upload_counts_without_status(lab: Lab) -> None:
    """What was passed on of it does not count."""
    once = told_once()

    def told(fetch: Fetch) -> Fetch | None:
        first = once(fetch)
        return first and replace(first, bereq_body=0)

    request = lab.request("/other/", method="POST", upload=500, told=told)
    async with lab.connect() as connection:
        await connection.send(request[:-100])
        await lab.origins["other"].gates[lab.latest].asked.wait()
        connection.abort()
    lab.book.answered(lab.domain, Answer(None), cache="")


SMALL, LARGE = 64_000, 8_000_000
LEFT = "a-client-that-leaves-a-download.example"
"""Whose bytes depend on how much fits between the origin and the client."""


@fact
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    async with lab.connect() as connection:
        date = {"Date": formatdate(usegmt=True)}
        await connection.send(lab.request("/far/", body=LARGE, fields=date))
        read = await connection.read(SMALL)
        connection.abort()
    header = read.index(b"\r\n\r\n") + 4
    lab.book.answered(lab.domain, Answer(200, header, len(read) - header), cache="")


# --- TLS and HTTP/2 -------------------------------------------------------------------------------------------------

TLS = ((ssl.TLSVersion.TLSv1_2, "tls_v12"), (ssl.TLSVersion.TLSv1_3, "tls_v13"))


@fact
async def http_1_over_tls(lab: Lab) -> None:
    for version, name in TLS:
        for method in METHODS:
            async with lab.connect(tls(version)) as connection:
                fields = {"Date": formatdate(usegmt=True)}
                answer = await connection.ask(lab.request("/plain/", method=method, body=500, fields=fields))
                lab.book.answered(lab.domain, answer, cache="MISS", tls=name)


HTTP_2 = "http-2.example"
"""Whose headers are counted as HTTP/1 would have written them."""


@fact
async def http_2(lab: Lab) -> None:
    for version, name in TLS:
        for method, upload, size in (
            ("GET", 0, 0),
            ("GET", 0, 100),
            ("GET", 0, 9_000),
            ("HEAD", 0, 9),
            ("POST", 300, 9),
        ):
            headers = {":method": method, ":path": "/plain/", ":scheme": "https", ":authority": lab.domain}
            known = lab.identify(body=size, fields={"Date": formatdate(usegmt=True)})
            headers |= {field.lower(): value for field, value in known.items()}
            if upload:
                headers["content-length"] = f"{upload}"
            async with lab.connect(tls(version, "h2")) as connection:
                answer = await ask_http2(connection, headers, b"u" * upload)
                lab.book.answered(lab.domain, answer, cache="MISS", proto="http2", tls=name)


# --- what came of it ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(show_all(tmp_path_factory.mktemp("trafficserver")))


async def show_all(directory: Path) -> Outcome:
    """Show all facts, and read what edgetally makes of them."""
    os.mkfifo(directory / "edgetally.pipe")
    pipe = os.open(directory / "edgetally.pipe", os.O_RDWR)  # so that it does not end when Traffic Server does
    async with shipping(directory, [directory / "edgetally.log"], stdin=pipe) as ship:
        os.close(pipe)
        async with laboratory(directory) as (lab, _):
            for domain, show in FACTS.items():
                lab.domain = domain
                async with asyncio.timeout(PATIENCE):
                    await show(lab)
            seen = lab.book.sums()
            shown = {road: await ship.read(road, seen) for road in ROADS}
    return Outcome(seen, shown, ship.complaints)


pytestmark = skip_or_fail("traffic_server", "openssl")


def test_every_line_counts(outcome: Outcome) -> None:
    assert outcome.complaints == []


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("domain", [*FACTS, *sorted(set(HOSTS.values()))])
def test_a_domain_shows_what_its_clients_and_origins_saw(outcome: Outcome, domain: str, road: str) -> None:
    key = "domains", (domain,)
    if domain not in (HTTP_2, REFUSED, LEFT):
        assert outcome.shown[road].get(key) == outcome.seen.get(key)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("dataset", ["origins", "origin_insights"])
def test_origins_show_what_they_answered(outcome: Outcome, dataset: str, road: str) -> None:
    shown, seen = outcome.shown[road], outcome.seen
    far = ("127.0.0.6",)
    assert without_latency(shown, dataset, but=far) == without_latency(seen, dataset, but=far)


@pytest.mark.parametrize("road", ROADS)
def test_nothing_is_shown_that_nobody_saw(outcome: Outcome, road: str) -> None:
    assert outcome.shown[road].keys() == outcome.seen.keys()


@pytest.mark.parametrize("road", ROADS)
def test_http_2_counts_headers_as_http_1_would_have_written_them(outcome: Outcome, road: str) -> None:
    key = "domains", (HTTP_2,)
    seen, shown = outcome.seen[key], outcome.shown[road][key]
    for field in ("resp_header_bytes", "edge_resp_header_bytes"):
        assert 0.5 * seen[field] < shown[field] < 4 * seen[field], field
    exact = {name for name in seen | shown if "header_bytes" not in name} - {"bandwidth"}
    assert {name: shown[name] for name in exact} == {name: seen[name] for name in exact}


@pytest.mark.parametrize("road", ROADS)
def test_an_attempt_that_is_refused_counts_the_request_that_was_not_sent(outcome: Outcome, road: str) -> None:
    key = "domains", (REFUSED,)
    seen, shown = outcome.seen[key], outcome.shown[road][key]
    assert 0 < shown["bereq_header_bytes"] <= 1_000 * seen["requests"]
    assert shown["bandwidth"] - shown["bereq_header_bytes"] == seen["bandwidth"]
    exact = (seen.keys() | shown.keys()) - {"bereq_header_bytes", "bandwidth"}
    assert {name: shown[name] for name in exact} == {name: seen[name] for name in exact}


@pytest.mark.parametrize("road", ROADS)
def test_every_response_of_an_origin_is_in_a_latency_bucket(outcome: Outcome, road: str) -> None:
    assert untimed(outcome.shown[road]) == []


@pytest.mark.parametrize("road", ROADS)
def test_of_a_client_that_left_more_counts_than_arrived_and_less_than_there_is(outcome: Outcome, road: str) -> None:
    said = outcome.shown[road]["domains", (LEFT,)]
    for name in ("resp_body_bytes", "origin_fetch_resp_body_bytes"):
        assert SMALL - 1_000 < said[name] <= LARGE
