"""
The real Varnish, with what `edgetally formats varnish` prints, between a client and origins that count every byte.

Its log goes to files, to syslog over UDP and to syslog over TCP, all into one `edgetally serve`. Every counter that the
API then shows is compared with what the client and the origins observed. Scenarios are as in test_nginx.py. Where
Varnish cannot log what was on the wire, the scenario says what it logs instead.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.edges import common
from tests.edges.common import (
    CONTINUE,
    DOWNLOAD,
    HTTP_2,
    ODD_HOSTS,
    RAW_URLS,
    UNREADABLE,
    Cache,
    Common,
    Failures,
    LogModel,
    ask_each,
    without_framing,
)
from tests.edges.conformance import ExactConformance
from tests.support.edges.client import DATA, HEADERS, Answer, ask_http2, connected
from tests.support.edges.lab import Lab
from tests.support.edges.origin import Fetch
from tests.support.edges.receiver import Outcome, receiving
from tests.support.edges.scenarios import INVALID, METHODS, Scenarios
from tests.support.edges.sums import equal
from tests.support.edges.varnish import TOOLS, proxied, varnish_lab
from tests.support.programs import skip_or_fail

pytestmark = skip_or_fail(*TOOLS)

TRANSPORTS = ("file", "udp", "tcp")
FIRST = ("first.example", "first")
"""The domain and the origin of the requests that are made until each transport delivers lines."""
FIRST_REQUEST = b"GET /first/ HTTP/1.1\r\nHost: first.example\r\n\r\n"

Read = Callable[[int], Awaitable[bytes]]
SCENARIOS = Scenarios()
scenario = SCENARIOS.scenario


def logged(fetch: Fetch) -> Fetch:
    """Log what comes from an origin without chunked framing; what is sent there, with it."""
    return replace(fetch, beresp_body=fetch.beresp_body - fetch.beresp_framing)


def without_response(fetch: Fetch) -> Fetch:
    return replace(logged(fetch), status=None)


LOG = LogModel(fetch=lambda _: logged, response=without_framing, cache=None)
ask = LOG.ask


# --- what clients and origins send ----------------------------------------------------------------------------------


@scenario
async def a_100_continue_counts_as_header(lab: Lab) -> None:
    for size in (1, 5_000):
        request = lab.request("/plain/", method="PUT", upload=size, headers={"Expect": "100-continue"}, logged=logged)
        async with lab.connect() as connection:
            # Varnish sends it only to clients that wait for it.
            await connection.send(request[:-size])
            assert await connection.read(len(CONTINUE)) == CONTINUE
            answer = await connection.ask(request[-size:])
            LOG.note(lab, replace(answer, header_bytes=answer.header_bytes + len(CONTINUE)))


@scenario
async def ranges(lab: Lab) -> None:
    await ask(lab, "/cached/ranges", body=300)
    for wanted in ("bytes=0-9", "bytes=-5", "bytes=0-1,5-6", "bytes=900-"):
        await ask(lab, "/cached/ranges", headers={"Range": wanted})
    await ask(lab, "/plain/", headers={"Range": "bytes=-5"}, status=206)


@scenario
async def responses_that_varnish_makes(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/text", method=method)
        await ask(lab, "/moved", method=method)


@scenario
async def a_request_that_starts_again_counts_once(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/again/", method=method)


@scenario
async def the_domain_is_the_clients_whatever_the_origin_is_asked_for(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/renamed/", method=method)


@scenario
async def the_status_of_the_origin_is_the_one_before_vcl_changed_it(lab: Lab) -> None:
    answer = await ask(lab, "/changed/", status=200)
    assert answer.status == 404


# --- HTTP/2 and TLS -------------------------------------------------------------------------------------------------


@scenario
async def http_2(lab: Lab) -> None:
    for method, upload, orders in (*HTTP_2, ("GET", 0, {"body": 100}), ("GET", 0, {"status": 404})):
        headers = {":method": method, ":path": "/plain/", ":scheme": "http", ":authority": lab.domain}
        headers |= {name.lower(): value for name, value in lab.identify(logged, **orders).items()}
        async with lab.connect() as connection:
            reads: list[bytes] = []
            read = connection.read

            async def noted(size: int, *, reads: list[bytes] = reads, read: Read = read) -> bytes:
                reads.append(await read(size))
                return reads[-1]

            connection.read = noted  # type: ignore[method-assign]
            answer = await ask_http2(connection, headers, b"u" * upload)
            # Varnish does not log the nine bytes that start each frame of the response.
            frames = sum(9 for top in reads[::2] if top[3] in (DATA, HEADERS) and top[8])
            LOG.note(lab, replace(answer, header_bytes=answer.header_bytes - frames), proto="http2")


@scenario
async def versions_of_tls_that_a_proxy_sends(lab: Lab) -> None:
    for version, name in (("TLSv1.2", "tls_v12"), ("TLSv1.3", "tls_v13")):
        for method in METHODS:
            async with connected(lab.edge.tls_port) as connection:
                await connection.send(proxied(version))
                answer = await connection.ask(lab.request("/plain/", method=method, body=500))
                LOG.note(lab, answer, tls=name)


# --- hosts and URLs -------------------------------------------------------------------------------------------------

HOSTS: dict[str | bytes, str] = {
    **common.HOSTS,
    **ODD_HOSTS,
    "Hosts.Example:": "hosts.example",
    "hosts.example:99999": "hosts.example",
    "hosts\texample": INVALID,
    # Varnish logs at most 255 bytes of a header field (vsl_reclen).
    "x." * 150 + "example": "x." * 123 + "x",
}
COMMON = Common(
    log=LOG,
    hosts=HOSTS,
    urls=[f"{path}{url}" for url in RAW_URLS for path in ("/plain", "/cached")],
    downloads=("/plain/", "/whole/"),
    old_framings=("length", "close", "chunked"),
    keeps_alive=True,
)
SCENARIOS.add(*COMMON.messages())


HOSTLESS = {
    **UNREADABLE,
    b"GET\r\n\r\n": 400,
    b"GET / HTTP/1.x\r\nHost: www.example\r\n\r\n": 400,
    b"GET / FTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET /text HTTP/1.0\r\n\r\n": 200,
    b"GET /text HTTP/1.1\r\n\r\n": 200,
    b"GET /\x01 HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
}


@scenario
async def requests_without_a_readable_host_are_for_no_domain(lab: Lab) -> None:
    """The snippet does not use -j, which would leave them out."""
    for answer in await ask_each(lab, HOSTLESS):
        LOG.note(lab, answer, domain=INVALID)


@scenario
async def the_last_of_several_hosts_holds(lab: Lab) -> None:
    async with lab.connect() as connection:
        request = f"GET / HTTP/1.1\r\nHost: other.example\r\nHost: {lab.domain}\r\n\r\n"
        answer = await connection.ask(request.encode())
        assert answer.status == 400
        LOG.note(lab, answer)


# --- the cache ------------------------------------------------------------------------------------------------------

ask_in_turn = LOG.ask_in_turn

CACHE = Cache(
    in_turn=ask_in_turn,
    conditions=[
        {"If-None-Match": '"v1"'},
        {"If-None-Match": '"v0"'},
        {"Range": "bytes=0-99"},
        {"Range": "bytes=1000-"},
    ],
)
SCENARIOS.add(*CACHE.scenarios())


@scenario
async def what_is_known_not_to_be_cacheable_is_a_miss(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", {"fields": {"Cache-Control": "no-store"}})] * 3)


@scenario
async def what_is_fetched_again_in_the_background_counts_as_a_fetch(lab: Lab) -> None:
    """The client got a hit."""
    await ask_in_turn(lab, "/stale/", [("MISS", {}), ("HIT", {"hold": True, "body": 77})])
    progress = lab.origins["plain"].progress[lab.latest]
    await progress.received.wait()
    progress.released.set()


@scenario
async def what_did_not_change_is_a_304_of_the_origin(lab: Lab) -> None:
    await ask_in_turn(lab, "/kept/", [("MISS", {"etag": '"v1"', "body": 500})] * 3)


# --- origins that fail ----------------------------------------------------------------------------------------------


@scenario
async def only_a_connection_that_was_tried_is_a_fetch(lab: Lab) -> None:
    """Varnish does not try again for a while."""
    await LOG.ask_with_each_method(lab, "/dead/", 503)
    lab.observed.attempt(lab.domain, "dead")


@scenario
async def an_error_that_vcl_makes_is_no_fetch(lab: Lab) -> None:
    await LOG.ask_with_each_method(lab, "/error/", 555)


@scenario
async def a_refused_connection_and_its_retry_are_two_fetches(lab: Lab) -> None:
    answer = await ask(lab, "/dead_first/", body=300)
    assert answer.status == 200
    lab.observed.attempt(lab.domain, "dead_first")


@scenario
async def the_last_try_has_the_bytes_of_all(lab: Lab) -> None:
    """Every try has its own status, and counts where it went."""
    first: list[Fetch] = []

    def summed(fetch: Fetch) -> Fetch:
        fetch = logged(fetch)
        if fetch.origin == "busy_first":
            first.append(fetch)
            return replace(fetch, bereq_header=0, beresp_header=0, beresp_body=0)
        before = first.pop()
        # The body of the first answer is never read.
        bereq, beresp = fetch.bereq_header + before.bereq_header, fetch.beresp_header + before.beresp_header
        return replace(fetch, bereq_header=bereq, beresp_header=beresp)

    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        answer = await ask(lab, "/busy_first/", method=method, logged=summed)
        assert answer.status == 200


FAILURES = Failures(
    log=LOG,
    without_response=lambda *_: without_response,
    faults=(("/other/", "closes", 503), ("/half/", "half a header", 503)),
)
SCENARIOS.add(
    FAILURES.an_origin_that_sends_no_whole_header_is_no_response,
    FAILURES.half_a_body_is_a_response,
    FAILURES.an_origin_that_is_down_is_not_asked,
)


@scenario
async def what_is_sent_again_on_a_new_connection_is_one_fetch(lab: Lab) -> None:
    """The bytes count as often as they were sent."""
    first: list[Fetch] = []

    def once(fetch: Fetch) -> Fetch | None:
        if not first:
            first.append(fetch)
            return None
        return replace(fetch, bereq_header=fetch.bereq_header + first[0].bereq_header)

    await ask(lab, "/plain/")  # its connection is kept
    answer = await ask(lab, "/plain/", fault="closes", logged=once)
    assert answer.status == 503
    assert lab.observed.fetches[-1].request_id == lab.observed.fetches[-2].request_id


@scenario
async def garbage_is_no_response(lab: Lab) -> None:
    """What came counts as header."""

    def header(fetch: Fetch) -> Fetch:
        return replace(fetch, beresp_header=fetch.beresp_body, beresp_body=0)

    answer = await ask(lab, "/other/", fault="garbage", logged=header)
    assert answer.status == 503


# --- pipes ----------------------------------------------------------------------------------------------------------


@scenario
async def what_is_piped_has_no_status_and_counts_as_header(lab: Lab) -> None:
    def piped(fetch: Fetch) -> Fetch:
        beresp = fetch.beresp_header + fetch.beresp_body
        return replace(fetch, status=None, beresp_header=beresp, beresp_body=0)

    for upload in (0, 500):
        answer = await lab.send(lab.request("/piped/", upload=upload, body=300, framing="close", logged=piped))
        assert answer.status == 200
        LOG.note(lab, Answer(None, answer.header_bytes + answer.body_bytes))


# --- clients that leave ---------------------------------------------------------------------------------------------


@scenario
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    """Varnish logs what it wanted to send: the status is 200, and the bytes are those that the kernel took."""
    LOG.note(lab, await lab.leave_download())


# --- the outcome ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(run_all(tmp_path_factory.mktemp("varnish")))


async def run_all(directory: Path) -> Outcome:
    """Run all scenarios, and read what edgetally makes of them."""
    files = [directory / "client.log", directory / "backend.log"]
    async with receiving(directory, files, "udp", "tcp") as receiver, varnish_lab(directory) as (lab, varnish):
        for transport in TRANSPORTS:
            await varnish.log(transport, receiver.port(transport) if transport != "file" else 0)
        await receiver.wait_for(TRANSPORTS, FIRST[0], partial(lab.send, FIRST_REQUEST))
        await SCENARIOS.run(lab, stop=SCENARIOS.middle)
        varnish.rotate()
        await SCENARIOS.run(lab, SCENARIOS.middle)
        seen = lab.observed.sums()
        shown = await receiver.read_all(TRANSPORTS, seen, without=FIRST)
    return Outcome(seen, shown, receiver.complaints, channels=receiver.channels, written=receiver.written)


class TestVarnish(ExactConformance):
    TRANSPORTS = TRANSPORTS
    DOMAINS = (*SCENARIOS, *sorted(set(HOSTS.values())))
    INEXACT = ("far",)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_channel_counts_restarts_and_the_time_of_hits(outcome: Outcome, transport: str) -> None:
    counters = outcome.channels[transport].counters
    assert counters["restarts"] == len(METHODS)
    assert 0 < counters["hits_time"] < counters["hits"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_interrupted_download_is_exact_but_for_the_bytes_of_its_body(outcome: Outcome, transport: str) -> None:
    key = "domains", (DOWNLOAD,)
    assert equal(outcome.shown[transport][key], outcome.seen[key], without=("body_bytes", "bandwidth"))
