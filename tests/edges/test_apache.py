"""
The real Apache httpd, with the snippet for users, between a client and origins that count every byte.

It logs to a file and, through logger, to syslog. One `edgetally serve` receives both, each as a service, and every
counter is compared with what the client and the origins observed. Apache does not log sizes to and from origins, so
what origins observed is compared without them.
"""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.edges import common
from tests.edges.common import (
    DOWNLOAD,
    FRESH,
    MORE_HTTP_2,
    ODD_HOSTS,
    RAW_URLS,
    Cache,
    Common,
    Failures,
    LogModel,
    framing_as_header,
)
from tests.edges.conformance import ExactConformance
from tests.support.edges.apache import apache_lab, open_directory
from tests.support.edges.client import Answer
from tests.support.edges.lab import LARGE, SMALL, Lab
from tests.support.edges.observed import POP
from tests.support.edges.origin import Fetch
from tests.support.edges.receiver import Outcome, receiving
from tests.support.edges.scenarios import INVALID, METHODS, Scenarios
from tests.support.edges.sums import equal
from tests.support.programs import skip_or_fail

TRANSPORTS = ("file", "udp")

SCENARIOS = Scenarios()
scenario = SCENARIOS.scenario


def logged(fetch: Fetch) -> Fetch | None:
    """Log no sizes and, without a balancer, nothing without a response."""
    bare = ":" in fetch.origin
    if bare and fetch.status is None:
        return None
    address = "" if bare else fetch.address
    return replace(fetch, address=address, bereq_header=0, bereq_body=0, beresp_header=0, beresp_body=0)


LOG = LogModel(fetch=lambda _: logged, response=framing_as_header)
ask, note = LOG.ask, LOG.note


# --- what clients and origins send ----------------------------------------------------------------------------------


@scenario
async def an_unknown_version_counts_by_its_first_digit(lab: Lab) -> None:
    request = lab.request("/plain/", version="2.5", headers={"Connection": "close"}, logged=logged)
    async with lab.connect() as connection:
        answer = await connection.ask(request)
    assert answer.status == 200
    note(lab, answer, proto="http2")


@scenario
async def responses_that_apache_makes(lab: Lab) -> None:
    for method in METHODS:
        for path in ("/text", "/moved", "/not-there", "/forbidden/"):
            await ask(lab, path, method=method)


@scenario
async def an_error_page_of_apache_keeps_the_fetch_before_it(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/rescued/", method=method)


# --- hosts and URLs -------------------------------------------------------------------------------------------------

REFUSED_HOSTS: dict[str | bytes, str] = {
    **ODD_HOSTS,
    "Hosts.Example:": "hosts.example",
    "hosts.example:99999": "hosts.example",
    "..": INVALID,
    "hosts..example": INVALID,
    "": INVALID,
    b"caf\xe9.example": INVALID,
    "hosts\texample": INVALID,
}
HOSTS: dict[str | bytes, str] = {
    **{host: domain for host, domain in common.HOSTS.items() if host not in REFUSED_HOSTS},
    "xn--bcher-kva.example": "xn--bcher-kva.example",
}
COMMON = Common(
    log=LOG,
    hosts=HOSTS,
    urls=[f"/plain{url}" for url in (*RAW_URLS, "/%zz")],
    user_agent='a"\\\x01b',
    old_framings=("length", "close", "chunked"),
    keeps_alive=True,
    http_2_requests=MORE_HTTP_2,
)
SCENARIOS.add(
    *COMMON.messages(),
    *COMMON.tls(),
    COMMON.ranges,
    COMMON.responses_that_the_edge_compresses,
    COMMON.a_host_in_the_first_line_wins,
    COMMON.a_100_continue_before_the_response,
)


@scenario
async def hosts_that_apache_refuses_count_as_domains_all_the_same(lab: Lab) -> None:
    for host, domain in REFUSED_HOSTS.items():
        answer = await ask(lab, "/plain/", host=host, domain=domain)
        assert answer.status == 400, host


HOSTLESS = (
    b"GARBAGE\r\n\r\n",
    b"G\xff\xfeT / HTTP/1.1\r\nHost: www.example\r\n\r\n",
    b"GET / FTP/1.1\r\nHost: www.example\r\n\r\n",
    b"GET / HTTP/1.x\r\nHost: www.example\r\n\r\n",
    b"GET /text HTTP/1.1\r\n\r\n",
    b"GET /text HTTP/1.0\r\n\r\n",
    b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: www.example\r\n\r\n",
)


@scenario
async def requests_that_name_no_host_are_for_no_domain(lab: Lab) -> None:
    for request in HOSTLESS:
        async with lab.connect() as connection:
            note(lab, await connection.ask(request), domain=INVALID)


@scenario
async def a_method_that_is_not_known_is_for_its_host(lab: Lab) -> None:
    async with lab.connect() as connection:
        note(lab, await connection.ask(f"get / HTTP/1.1\r\nHost: {lab.domain}\r\n\r\n".encode()))


OVER_TLS = "versions-of-tls.example"
"""Its bytes are those of TLS, too: the handshake with the first request of a connection, and some for every 16 KB."""
OF_TLS = 2_000
"""More than TLS itself sends for a small response on a connection of its own, with a certificate like this one."""


# --- the cache ------------------------------------------------------------------------------------------------------

OLD: dict[str, Any] = {"fields": {"Cache-Control": "max-age=0"}}
CACHE_WORDS = {"HIT": "HIT", "MISS": "MISS", "REVALIDATE": "HIT"}
"""The words of the header `X-Cache`, and what they count as."""


async def ask_in_turn(lab: Lab, path: str, requests: list[tuple[str, dict[str, Any]]]) -> None:
    """Make requests, whose responses have these cache words in their header."""
    for word, request in requests:
        headers = {"Connection": "close", **request.get("headers", {})}
        async with lab.connect() as connection:
            answer = await connection.ask(lab.request(path, logged=logged, **{**request, "headers": headers}))
            # Apache may send a whole response before it is in the cache, but does not close the connection before.
            assert await connection.answer() == Answer()
        note(lab, answer, cache=CACHE_WORDS[word])
        assert answer.headers.get("x-cache", word).split()[0] == word, request  # a 304 has none


CACHE = Cache(
    in_turn=ask_in_turn,
    sizes=(1, 10, 5_000, 100_000),
    conditions=[
        {"If-None-Match": '"v1"'},
        {"Range": "bytes=0-99"},
        {"Range": "bytes=0-9,50-59"},
        {"Range": "bytes=1000-"},
    ],
)
SCENARIOS.add(*CACHE.scenarios())


@scenario
async def what_expired_and_did_not_change_is_revalidated(lab: Lab) -> None:
    old, fresh = {"etag": '"v1"', **OLD}, {"etag": '"v1"', **FRESH}
    await ask_in_turn(lab, "/cached/", [("MISS", old), ("REVALIDATE", old), ("REVALIDATE", fresh), ("HIT", {})])


@scenario
async def what_expired_is_served_stale_when_its_origin_fails(lab: Lab) -> None:
    """The failed fetch is logged with the hit."""
    old = {"etag": '"v1"', **OLD}
    await ask_in_turn(lab, "/cached/", [("MISS", old), ("HIT", {"status": 503}), ("HIT", {"fault": "closes"})])


@scenario
async def what_may_not_be_cached_is_neither_hit_nor_miss(lab: Lab) -> None:
    """Apache logs why it did not cache it, instead of the lookup."""
    for fields in ({"Cache-Control": "no-store"}, {}):
        answer = await ask(lab, "/cached/", fields=fields)
        assert answer.headers["x-cache"].startswith("MISS")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        await ask(lab, "/cached/", method=method, upload=10)


# --- origins that fail ----------------------------------------------------------------------------------------------


@scenario
async def a_refused_attempt_without_a_balancer_is_not_logged(lab: Lab) -> None:
    await LOG.ask_with_each_method(lab, "/bare_dead/", 503)


@scenario
async def of_several_attempts_only_the_last_is_logged(lab: Lab) -> None:
    await LOG.ask_with_each_method(lab, "/pool/", 200)


FAILURES = Failures(
    log=LOG,
    without_response=lambda *_: logged,
    faults=[
        *((path, fault, 502) for fault in ("closes", "half a header", "garbage") for path in ("/other/", "/bare/")),
        ("/impatient/", "silence", 502),
    ],
)
SCENARIOS.add(*FAILURES.scenarios())


@scenario
async def half_a_body_is_a_response_without_a_balancer(lab: Lab) -> None:
    await ask(lab, "/bare/", fault="half a body", body=100)


@scenario
async def origins_without_a_balancer_have_no_address(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/bare/", method=method)
    await ask_in_turn(lab, "/bare_cached/", [("MISS", FRESH), ("HIT", {})])


# --- clients that leave ---------------------------------------------------------------------------------------------


@scenario
async def a_client_that_leaves_before_the_response(lab: Lab) -> None:
    await lab.leave_before_response(lab.request("/other/", hold=True, logged=logged), "other", responds=True)
    note(lab, Answer(200))


@scenario
async def an_upload_that_breaks_off_early_counts_as_an_attempt(lab: Lab) -> None:
    """Apache has chosen an origin, but asks it only after it has read some of the upload."""
    async with lab.connect() as connection:
        request = lab.request("/plain/", method="POST", headers={"Content-Length": "100000"}, logged=logged)
        await connection.send(request + b"u" * 500)
        connection.end()
        answer = await connection.answer()
    assert answer.status == 400
    note(lab, answer)
    lab.observed.attempt(lab.domain, "plain")


@scenario
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    note(lab, await lab.leave_download(logged=logged))


# --- the outcome ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ApacheOutcome(Outcome):
    responses: int
    lines: int
    entries: dict[str, dict[str, list[Any]]]
    """By transport and dataset."""


@pytest.fixture(scope="module")
def outcome() -> ApacheOutcome:
    with open_directory() as directory:
        return asyncio.run(run_all(directory))


async def run_all(directory: Path) -> ApacheOutcome:
    """Run all scenarios, and read what edgetally makes of them."""
    async with receiving(directory, [directory / "edgetally.log"], "udp") as receiver:
        async with apache_lab(directory, syslog_port=receiver.port("udp")) as (lab, apache):
            await SCENARIOS.run(lab, stop=SCENARIOS.middle)
            await lab.hang_up()
            await receiver.read("udp", lab.observed.sums())  # what logger has not sent yet, it would lose
            await apache.rotate()
            await SCENARIOS.run(lab, SCENARIOS.middle)
            await lab.hang_up()
            seen = lab.observed.sums()
            shown = {transport: await receiver.read(transport, seen) for transport in TRANSPORTS}
            entries = {transport: await receiver.entries(transport) for transport in TRANSPORTS}
        lines = sum(len(log.read_bytes().splitlines()) for log in (apache.old_log, apache.log))
    return ApacheOutcome(
        seen,
        shown,
        receiver.complaints,
        lab.observed.responses,
        lines,
        entries,
        channels=receiver.channels,
        written=receiver.written,
    )


pytestmark = skip_or_fail("apache2", "openssl", "logger")


class TestApache(ExactConformance):
    TRANSPORTS = TRANSPORTS
    DOMAINS = (*SCENARIOS, *sorted({INVALID, *HOSTS.values()}))
    INEXACT = (OVER_TLS,)
    DOWNLOAD_SIZES = ("resp_body_bytes", "edge_resp_body_bytes")


def test_every_request_is_one_line(outcome: ApacheOutcome) -> None:
    assert outcome.lines == outcome.responses


def test_both_transports_show_the_same(outcome: Outcome) -> None:
    assert outcome.shown["file"] == outcome.shown["udp"]


def test_sizes_to_and_from_origins_are_not_in_the_entries(outcome: Outcome) -> None:
    for (dataset, _), counters in outcome.shown["file"].items():
        unknown = ("bereq_", "origin_fetch_resp_") if dataset == "domains" else ("resp_", "all_resp_")
        assert [name for name in counters if name.startswith(unknown)] == []


def test_an_interrupted_download_is_exact_but_for_its_bytes(outcome: Outcome) -> None:
    key = "domains", (DOWNLOAD,)
    for shown in outcome.shown.values():
        assert SMALL - 1_000 < shown[key]["bandwidth"] <= LARGE + 1_000
        assert equal(shown[key], outcome.seen[key], without=("_bytes", "bandwidth"))


def test_http_1_over_tls_counts_the_overhead_of_tls_as_header(outcome: Outcome) -> None:
    key = "domains", (OVER_TLS,)
    for shown in outcome.shown.values():
        seen = outcome.seen[key]
        for field in ("resp_header_bytes", "edge_resp_header_bytes", "bandwidth"):
            assert seen[field] < shown[key][field] < seen[field] + seen["requests"] * OF_TLS, field
        assert equal(shown[key], seen, without=("header_bytes", "bandwidth"))


def test_there_is_one_pop_and_it_shows_the_same_as_all_together(outcome: ApacheOutcome) -> None:
    for datasets in outcome.entries.values():
        for entries in datasets.values():
            for entry in entries:
                assert entry["datacenter"] == {POP: entry["aggregated"]}
