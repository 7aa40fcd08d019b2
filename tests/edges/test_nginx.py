"""
The real nginx, with what `edgetally formats nginx` prints, between a client and origins that count every byte.

It logs to a file, by syslog over UDP, and to a Unix socket, all into one `edgetally serve`. Every counter that the API
then shows is compared with what the client and the origins observed. A scenario is one request or many that show one
thing, under a domain of their own. Where nginx cannot log what was on the wire, the scenario says what it logs instead.
"""

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
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
    ask_each,
)
from tests.edges.conformance import ExactConformance
from tests.support import oracle
from tests.support.edges.client import Answer, ask_http2, tls
from tests.support.edges.lab import LARGE, SMALL, Lab
from tests.support.edges.nginx import Nginx, nginx_lab
from tests.support.edges.observed import POP, Logged, discarded, not_logged, unchanged
from tests.support.edges.origin import Fetch
from tests.support.edges.receiver import Outcome, receiving
from tests.support.edges.scenarios import INVALID, METHODS, Scenarios
from tests.support.edges.servers import DEFAULT_HOST
from tests.support.edges.sums import counts, equal, leaves, totals
from tests.support.oracle_fields import FIELDS, RATIOS
from tests.support.programs import skip_or_fail

TRANSPORTS = ("file", "udp")
"""Those that deliver every line. If a Unix socket is full, nginx silently drops lines."""

SCENARIOS = Scenarios()
scenario = SCENARIOS.scenario


def with_interim(answer: Answer) -> Answer:
    """Log a 100 Continue as if it were a part of the body."""
    return replace(answer, body_bytes=answer.body_bytes + answer.interim_bytes)


LOG = LogModel(fetch=lambda _: unchanged, response=with_interim, cache=None)
ask = LOG.ask


# --- what clients and origins send ----------------------------------------------------------------------------------


@scenario
async def origins_that_speak_http_1_0(lab: Lab) -> None:
    for method in METHODS:
        for framing in ("length", "close"):
            await ask(lab, "/old/", method=method, framing=framing, body=300)


@scenario
async def uploads_with_get_and_uploads_that_are_not_buffered(lab: Lab) -> None:
    for size in (1, 100, 5_000, 70_000):
        for path in ("/plain/", "/old/"):
            for chunked in (False, True):
                await ask(lab, path, method="GET", upload=size, chunked=chunked)
        for method in ("POST", "PUT", "PATCH", "DELETE", "GET"):
            await ask(lab, "/unbuffered/", method=method, upload=size)


@scenario
async def the_framing_of_uploads_in_chunks_counts_as_header(lab: Lab) -> None:
    """If nginx passes on an upload while it comes. Otherwise it makes one of a known length."""

    def logged(upload: int, fetch: Fetch) -> Fetch:
        return replace(fetch, bereq_header=fetch.bereq_header + fetch.bereq_body - upload, bereq_body=upload)

    for upload in (1, 100, 5_000):
        await ask(lab, "/unbuffered/", method="POST", upload=upload, chunked=True, logged=partial(logged, upload))


@scenario
async def bytes_after_a_switch_of_protocols_count(lab: Lab) -> None:
    """To the client they are body. To and from the origin, nginx logs only sums, which count as header."""

    def logged(fetch: Fetch) -> Fetch:
        return replace(discarded(fetch), bereq_header=fetch.bereq_header + fetch.bereq_body, bereq_body=0)

    request = lab.request("/upgraded/", headers={"Upgrade": "echo"}, status=101, upgrade=True, logged=logged)
    async with lab.connect() as connection:
        answer = await connection.ask(request)
        await connection.send(b"hello")
        echoed = await connection.read(len("hello"))
        LOG.note(lab, replace(answer, body_bytes=len(echoed)))


@scenario
async def origins_on_a_socket_and_origins_without_a_name(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/local/", method=method)
        await ask(lab, "/unnamed/", method=method)


# --- what nginx does by itself --------------------------------------------------------------------------------------


@scenario
async def responses_that_nginx_makes(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/text", method=method)
        await ask(lab, "/moved", method=method)
        await ask(lab, "/not-there", method=method)
    await ask(lab, "/text", headers={"If-Modified-Since": "Sun, 22 Nov 2026 00:00:00 GMT"})


@scenario
async def a_connection_that_nginx_drops_counts_as_444(lab: Lab) -> None:
    await lab.send(lab.request("/dropped"))
    LOG.note(lab, Answer(444))


@scenario
async def uploads_that_nginx_refuses(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/plain/", method="POST", headers={"Content-Length": "3000000"}))
        LOG.note(lab, await connection.answer())
    for length in ("abc", "-1", "1, 2"):
        await ask(lab, "/plain/", method="POST", headers={"Content-Length": length})
    await ask(lab, "/plain/", method="POST", headers={"Transfer-Encoding": "unknown"})


@scenario
async def http_0_9_has_no_status_on_the_wire_but_one_in_the_log(lab: Lab) -> None:
    async with lab.connect() as connection:
        answer = await connection.ask(b"GET /text\r\n")
        assert answer == Answer(None, 0, len("made by nginx\n"))
        LOG.note(lab, replace(answer, status=200), domain=INVALID)


REFUSED_HOSTS = ("..", "hosts..example", "hosts.example/path", "hosts example", "hosts\texample")
HOSTS: dict[str | bytes, str] = {
    **{host: domain for host, domain in {**common.HOSTS, **ODD_HOSTS}.items() if host not in REFUSED_HOSTS},
    "Hosts.Example:": "hosts.example",
    "hosts.example:99999": "hosts.example",
    "hosts.example:80:80": "hosts.example",
    "-.hosts.example": "-.hosts.example",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    b"caf\xe9.example": INVALID,
}
COMMON = Common(
    log=LOG,
    hosts=HOSTS,
    urls=[f"{path}{url}" for url in RAW_URLS for path in ("/plain", "/cached")],
    downloads=("/plain/", "/streamed/", "/old/"),
    uploads=("/plain/", "/old/"),
    old_framings=("length", "close", "chunked"),
    keeps_alive=True,
    ranges_of=("/plain/", "/cached/1", "/text"),
    http_2_requests=(*MORE_HTTP_2, ("GET", 0, {"framing": "chunked"})),
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
async def hosts_that_nginx_refuses_are_for_its_first_server(lab: Lab) -> None:
    for host in REFUSED_HOSTS:
        answer = await ask(lab, "/plain/", host=host, domain=DEFAULT_HOST)
        assert answer.status == 400, host


HOSTLESS = {
    b"GARBAGE\r\n\r\n": 400,
    b"GET\r\n\r\n": 400,
    b"get / HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"G\xff\xfeT / HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
    b"GET / HTTP/9.9\r\nHost: www.example\r\n\r\n": 505,
    b"GET / HTTP/1.x\r\nHost: www.example\r\n\r\n": 400,
    b"GET / FTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET /%00 HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET /%zz HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET /text HTTP/1.1\r\n\r\n": 400,
    b"GET /text HTTP/1.0\r\n\r\n": 200,
    b"GET /text HTTP/1.1\r\nHost:\r\n\r\n": 400,
    b"GET /\x7f HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: www.example\r\n\r\n": 414,
}


@scenario
async def requests_that_name_no_host_are_for_no_domain(lab: Lab) -> None:
    for answer in await ask_each(lab, HOSTLESS):
        LOG.note(lab, answer, domain=INVALID)


@scenario
async def header_fields_that_cannot_be_parsed(lab: Lab) -> None:
    for field in ("X-Long: " + "x" * 9_000, "no colon", "Bad\x00Name: x"):
        async with lab.connect() as connection:
            answer = await connection.ask(lab.request("/plain/", headers={"A": "b\r\n" + field}))
            LOG.note(lab, answer)


@scenario
async def an_http_2_header_that_is_refused_has_no_status(lab: Lab) -> None:
    headers = {":method": "GET", ":path": "/plain/", ":scheme": "https", ":authority": lab.domain, "X-Upper": "1"}
    async with lab.connect(tls(ssl.TLSVersion.TLSv1_3, "h2")) as connection:
        answer = await ask_http2(connection, headers)
    assert answer == Answer(None)
    LOG.note(lab, answer, proto="http2", tls="tls_v13")


# --- the cache ------------------------------------------------------------------------------------------------------

OLD: dict[str, Any] = {"fields": {"X-Accel-Expires": "@1"}}
ask_in_turn = LOG.ask_in_turn

CACHE = Cache(
    in_turn=ask_in_turn,
    conditions=[
        {"If-None-Match": '"v1"'},
        {"If-None-Match": '"v0"'},
        {"Range": "bytes=0-99"},
        {"Range": "bytes=0-9,50-59"},
        {"Range": "bytes=1000-"},
    ],
)
SCENARIOS.add(*CACHE.scenarios())


@scenario
async def a_miss_on_head_fetches_it_all(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", {"method": "HEAD", "body": 900, **FRESH}), ("HIT", {})])


@scenario
async def what_may_not_be_cached_misses_every_time(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", {"fields": {"Cache-Control": "no-store"}})] * 3)


@scenario
async def methods_that_are_not_cached_are_neither_hit_nor_miss(lab: Lab) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        await ask_in_turn(lab, "/cached/", [("", {"method": method, "upload": 10})])


@scenario
async def a_bypass_is_neither_hit_nor_miss(lab: Lab) -> None:
    bypass = {"headers": {"X-Bypass": "1"}, **FRESH}
    await ask_in_turn(lab, "/cached/", [("MISS", FRESH), ("BYPASS", bypass), ("BYPASS", bypass), ("HIT", {})])


@scenario
async def what_expired_is_fetched_again(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", OLD), ("EXPIRED", OLD), ("EXPIRED", FRESH), ("HIT", {})])


@scenario
async def what_expired_and_did_not_change_is_revalidated(lab: Lab) -> None:
    old, fresh = {"etag": '"v1"', **OLD}, {"etag": '"v1"', **FRESH}
    await ask_in_turn(lab, "/cached/", [("MISS", old), ("REVALIDATED", old), ("REVALIDATED", fresh), ("HIT", {})])


@scenario
async def what_expired_is_served_stale_when_its_origin_fails(lab: Lab) -> None:
    """The response of the origin is discarded."""
    failing = {"status": 503, "body": 30, "logged": discarded}
    await ask_in_turn(lab, "/cached/", [("MISS", OLD), ("STALE", failing), ("STALE", {"fault": "closes"})])


@scenario
async def what_expired_is_served_while_it_is_fetched_again(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", OLD)])
    first = lab.request("/cached/", hold=True, **FRESH)
    progress = lab.origins["plain"].progress[lab.latest]
    async with lab.connect() as connection:
        await connection.send(first)
        await progress.received.wait()
        await ask_in_turn(lab, "/cached/", [("UPDATING", {})])
        progress.released.set()
        LOG.note(lab, await connection.answer())
    await ask_in_turn(lab, "/cached/", [("HIT", {})])


@scenario
async def what_is_fetched_again_in_the_background_does_not_count(lab: Lab) -> None:
    await ask_in_turn(lab, "/background/", [("MISS", OLD), ("STALE", {"logged": not_logged, **FRESH})])
    await ask_in_turn(lab, "/background/", [("HIT", {})])


# --- origins that fail ----------------------------------------------------------------------------------------------


FAILURES = Failures(
    log=LOG,
    without_response=lambda *_: unchanged,
    other="/old/",
    refused=502,
    faults=(
        ("/old/", "closes", 502),
        ("/cached/", "closes", 502),
        ("/impatient/", "silence", 504),
        ("/old/", "half a header", 502),
        ("/impatient/", "half a header, then silence", 504),
    ),
)
SCENARIOS.add(
    FAILURES.an_origin_that_sends_no_whole_header_is_no_response,
    FAILURES.half_a_body_is_a_response,
    FAILURES.an_origin_that_refuses_the_connection_is_no_response,
)


@scenario
async def every_attempt_is_a_fetch(lab: Lab) -> None:
    def logged(fetch: Fetch) -> Fetch:
        return discarded(fetch) if fetch.status == 503 else fetch

    for upload in (0, 0, 0, 500, 500):
        answer = await ask(lab, "/pool/", upload=upload, logged=logged)
        assert answer.status == 200
        lab.observed.attempt(lab.domain, "pool")
    for method in METHODS:
        await ask(lab, "/pool_of_two/", method=method, upload=200)
        lab.observed.attempt(lab.domain, "pool_of_two")


@scenario
async def an_upstream_that_is_down_counts_as_an_attempt_at_its_name(lab: Lab) -> None:
    """No server was asked, but nginx logs a status and an address as if there had been an attempt."""
    await ask(lab, "/pool_down/")
    lab.observed.attempt(lab.domain, "pool_down", times=2)
    await ask(lab, "/pool_down/")
    lab.observed.attempt(lab.domain, "pool_down", "pool_down")


@scenario
async def a_header_that_is_too_large_is_no_response(lab: Lab) -> None:
    """Nginx gives up when its buffer is full, so it does not know how much more there was."""

    def logged(fetch: Fetch) -> Fetch:
        return replace(fetch, status=None, beresp_header=1024, beresp_body=0)

    answer = await ask(lab, "/small/", fields={"X-Long": "x" * 2_000}, logged=logged)
    assert answer.status == 502


@scenario
async def half_a_header_is_no_response_among_others_either(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/pool_of_halves/", method=method)


@scenario
async def garbage_is_a_response_of_http_0_9(lab: Lab) -> None:
    """Nginx passes it on as such. It logs the status 200, unless it would have cached the response."""

    def ok(fetch: Fetch) -> Fetch:
        return replace(fetch, status=200)

    cases: tuple[tuple[str, str, Logged], ...] = (("/old/", "", ok), ("/cached/", "MISS", unchanged))
    for path, cache, logged in cases:
        request = lab.request(path, fault="garbage", headers={"Connection": "close"}, logged=logged)
        answer = await lab.send(request)
        assert answer.header_bytes == 0
        LOG.note(lab, answer, cache=cache)


# --- several origins in one request ---------------------------------------------------------------------------------


def renamed(fetch: Fetch) -> Fetch:
    """Log all fetches under the name of the last origin; the bodies of the others are discarded."""
    return fetch if fetch.origin == "other" else discarded(replace(fetch, origin="other"))


@scenario
async def an_internal_redirect_is_two_fetches(lab: Lab) -> None:
    redirect = {"X-Accel-Redirect": "/inside/"}
    for method in METHODS:
        for body in (0, 100):
            await ask(lab, "/accelerated/", method=method, body=body, logged=renamed, at="plain", fields=redirect)


@scenario
async def an_error_page_from_another_origin_is_two_fetches(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/rescued/", method=method, logged=renamed)


# --- clients that leave ---------------------------------------------------------------------------------------------


@scenario
async def a_client_that_leaves_before_the_response_counts_as_499(lab: Lab) -> None:
    await lab.leave_before_response(lab.request("/old/", fault="silence"), "other")
    LOG.note(lab, Answer(499))


@scenario
async def a_client_that_leaves_a_miss_counts_with_the_status_not_sent(lab: Lab) -> None:
    """Nginx goes on fetching for its cache, logs the status that it could not send, and gives up only then."""
    request = lab.request("/cached/", hold=True, logged=discarded, **FRESH)
    await lab.leave_before_response(request, "plain", responds=True)
    LOG.note(lab, Answer(200), cache="MISS")


@scenario
async def an_upload_that_breaks_off_counts_as_400(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/plain/", method="POST", headers={"Content-Length": "100000"}) + b"u" * 500)
    LOG.note(lab, Answer(400))


@scenario
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    LOG.note(lab, await lab.leave_download())


# --- the outcome ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NginxOutcome(Outcome):
    responses: int
    lines: list[int]
    """In each log."""
    entries: dict[str, list[Any]]
    """Of the file, by dataset."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> NginxOutcome:
    return asyncio.run(run_all(tmp_path_factory.mktemp("nginx")))


async def run_all(directory: Path) -> NginxOutcome:
    """Run all scenarios, and read what edgetally makes of them."""
    async with receiving(directory, [directory / "access.log"], "udp", "unix") as receiver:
        servers = f"127.0.0.1:{receiver.port('udp')}", f"unix:{directory}/log.sock,nohostname"
        async with nginx_lab(directory, *servers) as (lab, nginx):
            logs = await run_scenarios(lab, nginx)
        seen = lab.observed.sums()
        shown = {transport: await receiver.read(transport, seen) for transport in TRANSPORTS}
        shown["unix"] = await receiver.read("unix", seen, dropped=lab.observed.responses // 2)
        entries = await receiver.entries("file")
    lines = [len(log.read_bytes().splitlines()) for log in logs]
    return NginxOutcome(
        seen,
        shown,
        receiver.complaints,
        lab.observed.responses,
        lines,
        entries,
        channels=receiver.channels,
        written=receiver.written,
    )


async def run_scenarios(lab: Lab, nginx: Nginx) -> list[Path]:
    """Run all scenarios; return the logs, which are rotated in the middle."""
    old = nginx.log.with_suffix(".log.1")
    await SCENARIOS.run(lab, stop=SCENARIOS.middle)
    nginx.log.rename(old)
    await SCENARIOS.run(lab, SCENARIOS.middle, SCENARIOS.middle + 3)  # into the renamed log
    nginx.reopen_logs()
    await SCENARIOS.run(lab, SCENARIOS.middle + 3)
    return [old, nginx.log]


pytestmark = skip_or_fail("nginx", "openssl")


class TestNginx(ExactConformance):
    TRANSPORTS = TRANSPORTS
    DOMAINS = (*SCENARIOS, *sorted({INVALID, DEFAULT_HOST, *HOSTS.values()}))
    INEXACT = ("far",)


def test_every_request_is_one_line_in_one_of_the_logs(outcome: NginxOutcome) -> None:
    assert all(outcome.lines), "there were requests before and after the rotation"
    assert sum(outcome.lines) == outcome.responses


def test_a_unix_socket_brings_nothing_else(outcome: NginxOutcome) -> None:
    shown, whole = outcome.shown["unix"], outcome.shown["file"]
    assert totals(shown)["requests"] >= outcome.responses // 2
    for key, counters in shown.items():
        assert [name for name, amount in counters.items() if amount > whole[key][name]] == [], key


def test_an_interrupted_download_is_exact_but_for_the_bytes_of_its_body(outcome: NginxOutcome) -> None:
    for key in (("domains", (DOWNLOAD,)), ("origins", ("far",))):
        seen, shown = outcome.seen[key], outcome.shown["file"][key]
        assert SMALL - 1_000 < shown["resp_body_bytes"] <= LARGE
        assert equal(shown, seen, without=("latency", "body_bytes", "bandwidth"))


OF_DOMAINS = FIELDS["domains"] & RATIOS


def test_the_ratios_of_an_entry_follow_from_its_counters(outcome: NginxOutcome) -> None:
    found: Counter[str] = Counter()
    for entry in outcome.entries["domains"]:
        for key, measurements in leaves(entry["aggregated"]):
            ratios = {name: ratio for name, ratio in oracle.ratios(counts(measurements)).items() if ratio}
            assert {name: measurements[name] for name in OF_DOMAINS & measurements.keys()} == ratios, key
            found.update(ratios.keys())
    assert found.keys() == OF_DOMAINS


def test_there_is_one_pop_and_it_shows_the_same_as_all_together(outcome: NginxOutcome) -> None:
    for entries in outcome.entries.values():
        for entry in entries:
            assert entry["datacenter"] == {POP: entry["aggregated"]}


def test_no_second_is_shown_twice(outcome: NginxOutcome) -> None:
    for entries in outcome.entries.values():
        seconds = [entry["recorded"] for entry in entries]
        assert seconds == sorted(set(seconds))
