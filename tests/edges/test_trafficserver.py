"""
The real Traffic Server, with the snippet for users, between a client and origins that count every byte.

It logs to a file and to a named pipe. `edgetally serve` reads both, and every counter is compared with what the client
and the origins observed. Where Traffic Server cannot log what was on the wire, the scenario says what it logs instead.
"""

import asyncio
import os
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.edges.common import FRESH, TLS
from tests.edges.conformance import ExactConformance
from tests.support.edges.client import Answer, ask_http2, tls
from tests.support.edges.lab import Lab
from tests.support.edges.observed import Logged, unchanged
from tests.support.edges.origin import Fetch
from tests.support.edges.receiver import Outcome, receiving
from tests.support.edges.scenarios import INVALID, Scenarios
from tests.support.edges.sums import equal
from tests.support.edges.trafficserver import trafficserver_lab
from tests.support.programs import skip_or_fail

TRANSPORTS = ("file", "stdin")

SCENARIOS = Scenarios()
scenario = SCENARIOS.scenario


async def ask(
    lab: Lab,
    path: str,
    *,
    cache: str = "MISS",
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    domain: str = "",
    logged: Logged = unchanged,
    **request: Any,  # noqa: ANN401 - see `Lab.request`
) -> Answer:
    """
    Make a request, and note the response; `cache` is what it counts as, HIT or MISS.

    Origins send a Date: Traffic Server would count the one that it adds itself as if it had come. It closes the
    connection when it is done with the request and its cache.
    """
    data = lab.request(
        path,
        fields={"Date": formatdate(usegmt=True), **(fields or {})},
        headers={"Connection": "close", **(headers or {})},
        domain=domain,
        logged=logged,
        **request,
    )
    async with lab.connect() as connection:
        answer = await connection.ask(data)
        if answer.is_whole:
            assert await connection.answer() == Answer()
    lab.observed.response(domain or lab.domain, answer, cache=cache)
    return answer


# --- what clients and origins send ----------------------------------------------------------------------------------

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
PRIVATE: dict[str, Any] = {"fields": {"Cache-Control": "no-store"}}
STATUSES = (
    *(200, 201, 202, 204, 206, 226, 299, 300, 301, 302, 303, 307, 308, 399),
    *(400, 401, 403, 404, 405, 410, 416, 418, 422, 429, 451, 499, 500, 501, 502, 503, 504, 511, 530, 599),
)


@scenario
async def statuses_of_every_kind(lab: Lab) -> None:
    for status in STATUSES:
        for method in ("GET", "HEAD", "POST"):
            await ask(lab, "/plain/", method=method, status=status, body=status % 7 * 100, **PRIVATE)


@scenario
async def responses_of_every_size_and_framing(lab: Lab) -> None:
    """Traffic Server does not count the header field Transfer-Encoding of an origin."""

    def logged(fetch: Fetch) -> Fetch:
        return replace(fetch, beresp_header=fetch.beresp_header - len("Transfer-Encoding: chunked\r\n"))

    for size in (0, 1, 100, 5_000, 70_000):
        await ask(lab, "/plain/", framing="length", body=size)
        await ask(lab, "/plain/", framing="chunked", body=size, logged=logged)


@scenario
async def an_origin_that_sends_505_is_asked_twice_and_logged_once(lab: Lab) -> None:
    known: list[Fetch] = []

    def logged(fetch: Fetch) -> Fetch | None:
        known.append(fetch)
        return replace(fetch, beresp_body=0) if len(known) == 1 else None

    await ask(lab, "/plain/", status=505, logged=logged, cache="", **PRIVATE)


@scenario
async def uploads_of_every_size_and_framing(lab: Lab) -> None:
    for method in ("POST", "PUT"):
        for size in (1, 100, 5_000, 70_000):
            for chunked in (False, True):
                await ask(lab, "/plain/", method=method, upload=size, chunked=chunked)


@scenario
async def responses_that_traffic_server_makes(lab: Lab) -> None:
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


@scenario
async def hosts_count_as_domains_in_one_form(lab: Lab) -> None:
    for host, domain in HOSTS.items():
        await ask(lab, "/plain/", host=host, domain=domain)


@scenario
async def a_host_that_is_not_ascii_is_refused(lab: Lab) -> None:
    for host in ("bücher.example", b"\xff\xfe\x80.example"):
        answer = await ask(lab, "/plain/", host=host, domain=INVALID, cache="")
        assert answer.status == 400


@scenario
async def broken_bytes_in_urls_are_ignored(lab: Lab) -> None:
    for path in ("/%ff%fe", '/"quoted"', "/back\\slash", "/{x}", "/a/../b/./c", "/%zz"):
        await ask(lab, "/plain" + path, headers={"User-Agent": 'a"\\b\xff'})


# --- the cache ------------------------------------------------------------------------------------------------------

OLD: dict[str, Any] = {"fields": {"Cache-Control": "max-age=0"}, "etag": '"v1"'}


def stored(lab: Lab) -> Logged:
    """Log a request whose response will be cached as if its first line had named the origin."""
    return lambda fetch: replace(fetch, bereq_header=fetch.bereq_header + len(f"http://{lab.origins['plain'].address}"))


@scenario
async def misses_then_hits(lab: Lab) -> None:
    for size in (1, 10, 5_000, 70_000):
        await ask(lab, f"/plain/{size}", body=size, logged=stored(lab), **FRESH)
        for method in ("GET", "HEAD", "GET"):
            await ask(lab, f"/plain/{size}", method=method, body=size, cache="HIT")


@scenario
async def conditional_requests_and_ranges_of_what_is_cached(lab: Lab) -> None:
    await ask(lab, f"/plain/{lab.domain}", body=900, etag='"v1"', logged=stored(lab), **FRESH)
    for headers in ({"If-None-Match": '"v1"'}, {"Range": "bytes=0-99"}, {"Range": "bytes=1000-"}):
        await ask(lab, f"/plain/{lab.domain}", headers=headers, cache="HIT")


@scenario
async def what_expired_and_did_not_change_is_revalidated(lab: Lab) -> None:
    await ask(lab, f"/plain/{lab.domain}", logged=stored(lab), **OLD)
    for _ in range(2):
        await ask(lab, f"/plain/{lab.domain}", cache="HIT", **OLD)


@scenario
async def a_pass_counts_as_miss(lab: Lab) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        await ask(lab, "/plain/", method=method)


# --- origins that fail ----------------------------------------------------------------------------------------------


def logged_once() -> Logged:
    """Log only one of several attempts without a response, with 17 bytes of a header that never came."""
    known: list[Fetch] = []

    def logged(fetch: Fetch) -> Fetch | None:
        known.append(fetch)
        return replace(fetch, beresp_header=17, beresp_body=0) if len(known) == 1 else None

    return logged


@scenario
async def a_503_of_an_origin_is_passed_on(lab: Lab) -> None:
    def logged(fetch: Fetch) -> Fetch:
        return replace(fetch, beresp_header=fetch.beresp_header + len(f"Date: {formatdate(usegmt=True)}\r\n"))

    for method in METHODS:
        await ask(lab, "/busy/", method=method, logged=logged)


@scenario
async def an_origin_that_breaks_off_before_its_header_ends_is_one_attempt(lab: Lab) -> None:
    for fault in ("closes", "garbage"):
        answer = await ask(lab, "/other/", fault=fault, logged=logged_once(), cache="")
        assert answer.status == 502


@scenario
async def a_header_that_breaks_off_after_its_first_line_is_a_response(lab: Lab) -> None:
    """Its header counts as if it had no fields."""
    size = len("HTTP/1.1 200 Whatever\r\n\r\n")
    once = logged_once()

    def logged(fetch: Fetch) -> Fetch | None:
        first = once(fetch)
        return first and replace(first, status=200, beresp_header=size)

    answer = await ask(lab, "/other/", fault="half a header", logged=logged, cache="")
    assert answer.status == 502


@scenario
async def an_origin_that_sends_nothing_in_time_is_one_attempt(lab: Lab) -> None:
    answer = await ask(lab, "/impatient/", fault="silence", logged=logged_once(), cache="")
    assert answer.status == 504


@scenario
async def half_a_body_counts_as_none(lab: Lab) -> None:
    """On neither side, although the client may get it. If it gets nothing, the header counts all the same."""
    date = {"Date": formatdate(usegmt=True)}
    whole = await ask(lab, "/other/", body=100, fields=date)

    def bodiless(fetch: Fetch) -> Fetch:
        return replace(fetch, beresp_body=0)

    orders: dict[str, Any] = {"body": 100, "fields": date, "fault": "half a body"}
    await lab.send(lab.request("/other/", headers={"Connection": "close"}, logged=bodiless, **orders))
    lab.observed.response(lab.domain, replace(whole, body_bytes=0), cache="")


REFUSED = "an-attempt-that-is-refused-is-no-response.example"
"""Of which Traffic Server counts the request that it could not send."""


@scenario
async def an_attempt_that_is_refused_is_no_response(lab: Lab) -> None:
    for method, upload in (("GET", 0), ("HEAD", 0), ("POST", 50)):
        answer = await ask(lab, "/dead/", method=method, upload=upload, cache="")
        assert answer.status == 502
        lab.observed.attempt(lab.domain, "127.0.0.1")


# --- clients that leave ---------------------------------------------------------------------------------------------


@scenario
async def a_client_that_leaves_before_the_response_counts_with_its_header(lab: Lab) -> None:
    """It could not be sent any more. No body counts, on either side."""
    date = {"Date": formatdate(usegmt=True)}
    whole = await lab.send(lab.request("/other/", fields=date))
    lab.observed.response(lab.domain, whole, cache="MISS")
    request = lab.request("/other/", hold=True, logged=lambda fetch: replace(fetch, beresp_body=0), fields=date)
    await lab.leave_before_response(request, "other", responds=True)
    lab.observed.response(lab.domain, Answer(200, whole.header_bytes), cache="")


@scenario
async def a_client_that_leaves_an_upload_counts_without_status(lab: Lab) -> None:
    """The part that was passed on does not count."""
    once = logged_once()

    def logged(fetch: Fetch) -> Fetch | None:
        first = once(fetch)
        return first and replace(first, bereq_body=0)

    request = lab.request("/other/", method="POST", upload=500, logged=logged)
    async with lab.connect() as connection:
        await connection.send(request[:-100])
        await lab.origins["other"].progress[lab.latest].header_received.wait()
        connection.abort()
    lab.observed.response(lab.domain, Answer(None), cache="")


@scenario
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    answer = await lab.leave_download(fields={"Date": formatdate(usegmt=True)})
    lab.observed.response(lab.domain, answer, cache="")


# --- TLS and HTTP/2 -------------------------------------------------------------------------------------------------


@scenario
async def http_1_over_tls(lab: Lab) -> None:
    for version, name in TLS:
        for method in METHODS:
            async with lab.connect(tls(version)) as connection:
                fields = {"Date": formatdate(usegmt=True)}
                answer = await connection.ask(lab.request("/plain/", method=method, body=500, fields=fields))
                lab.observed.response(lab.domain, answer, cache="MISS", tls=name)


HTTP_2 = "http-2.example"
"""Whose headers are counted as HTTP/1 would have written them."""


@scenario
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
                lab.observed.response(lab.domain, answer, cache="MISS", proto="http2", tls=name)


# --- the outcome ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(run_all(tmp_path_factory.mktemp("trafficserver")))


async def run_all(directory: Path) -> Outcome:
    """Run all scenarios, and read what edgetally makes of them."""
    os.mkfifo(directory / "edgetally.pipe")
    pipe = os.open(directory / "edgetally.pipe", os.O_RDWR)  # so that it does not end when Traffic Server does
    async with receiving(directory, [directory / "edgetally.log"], stdin=pipe) as receiver:
        os.close(pipe)
        async with trafficserver_lab(directory) as (lab, _):
            await SCENARIOS.run(lab)
            seen = lab.observed.sums()
            shown = {transport: await receiver.read(transport, seen) for transport in TRANSPORTS}
    return Outcome(seen, shown, receiver.complaints, channels=receiver.channels, written=receiver.written)


pytestmark = skip_or_fail("traffic_server", "openssl")


class TestTrafficServer(ExactConformance):
    TIME = rb'"duration_ms":"[0-9]+"'
    TRANSPORTS = TRANSPORTS
    DOMAINS = (*SCENARIOS, *sorted(set(HOSTS.values())))
    INEXACT = (HTTP_2, REFUSED, "127.0.0.6")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_http_2_counts_headers_as_http_1_would_have_written_them(outcome: Outcome, transport: str) -> None:
    key = "domains", (HTTP_2,)
    seen, shown = outcome.seen[key], outcome.shown[transport][key]
    for field in ("resp_header_bytes", "edge_resp_header_bytes"):
        assert 0.5 * seen[field] < shown[field] < 4 * seen[field], field
    assert equal(shown, seen, without=("header_bytes", "bandwidth"))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_attempt_that_is_refused_counts_the_request_that_was_not_sent(outcome: Outcome, transport: str) -> None:
    key = "domains", (REFUSED,)
    seen, shown = outcome.seen[key], outcome.shown[transport][key]
    assert 0 < shown["bereq_header_bytes"] <= 1_000 * seen["requests"]
    assert shown["bandwidth"] - shown["bereq_header_bytes"] == seen["bandwidth"]
    exact = (seen.keys() | shown.keys()) - {"bereq_header_bytes", "bandwidth"}
    assert {name: shown[name] for name in exact} == {name: seen[name] for name in exact}
