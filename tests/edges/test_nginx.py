"""
The real nginx, with what `edgetally formats nginx` prints, between a client and origins that note every byte.

It logs to a file, by syslog over UDP, and to a socket, all into one `edgetally serve`, and every counter that the API
then shows is compared with what the client and the origins saw. A domain is a fact: one request or many that show one
thing, under a domain of their own. Where nginx cannot tell what was on the wire, the fact says what nginx says instead.
"""

import asyncio
import ssl
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.edges.book import POP, Sums, as_it_was, counts, discarded, unlogged
from tests.edges.client import Answer, ask_http2, tls
from tests.edges.facts import INVALID, METHODS, STATUSES, Facts, skip_or_fail
from tests.edges.lab import Lab, laboratory
from tests.edges.nginx import DEFAULT_SERVER, Nginx
from tests.edges.origin import Fetch
from tests.edges.reading import leaves
from tests.edges.shipped import shipping, totals, untimed, without_latency
from tests.support import oracle
from tests.support.oracle_fields import RATIOS

ROADS = ("file", "udp")
"""Those that bring every line. Of a full unix socket, nginx drops what comes next, and does not say so."""

FACTS = Facts()
fact = FACTS.note


# --- what clients and origins say -----------------------------------------------------------------------------------


@fact
async def statuses_of_every_kind(lab: Lab) -> None:
    for status in STATUSES:
        for method in METHODS:
            await lab.ask("/plain/", method=method, status=status, body=status % 7 * 100)


@fact
async def origins_that_speak_http_1_0(lab: Lab) -> None:
    for method in METHODS:
        for framing in ("length", "close"):
            await lab.ask("/old/", method=method, framing=framing, body=300)


@fact
async def clients_that_speak_http_1_0(lab: Lab) -> None:
    for framing in ("length", "close", "chunked"):
        await lab.ask("/plain/", version="1.0", framing=framing, body=300)
        await lab.ask("/plain/", version="1.0", headers={"Connection": "keep-alive"}, framing=framing, body=300)


@fact
async def responses_of_every_size_and_framing(lab: Lab) -> None:
    for size in (0, 1, 100, 5_000, 70_000, 300_000):
        for framing in ("length", "chunked", "close"):
            for path in ("/plain/", "/streamed/", "/old/"):
                await lab.ask(path, framing=framing, body=size)


@fact
async def uploads_of_every_size_and_framing(lab: Lab) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "GET"):
        for size in (1, 100, 5_000, 70_000):
            for chunked in (False, True):
                await lab.ask("/plain/", method=method, upload=size, chunked=chunked)
                await lab.ask("/old/", method=method, upload=size, chunked=chunked)
            await lab.ask("/unbuffered/", method=method, upload=size)


@fact
async def the_framing_of_uploads_in_chunks_counts_as_header(lab: Lab) -> None:
    """Where nginx passes an upload on while it comes. Otherwise it makes one of a known length."""

    def told(upload: int, fetch: Fetch) -> Fetch:
        return replace(fetch, bereq_header=fetch.bereq_header + fetch.bereq_body - upload, bereq_body=upload)

    for upload in (1, 100, 5_000):
        await lab.ask("/unbuffered/", method="POST", upload=upload, chunked=True, told=partial(told, upload))


@fact
async def a_100_continue_counts_as_body(lab: Lab) -> None:
    for size in (1, 5_000):
        answer = await lab.ask("/plain/", method="PUT", upload=size, headers={"Expect": "100-continue"})
        assert answer.interim_bytes == len("HTTP/1.1 100 Continue\r\n\r\n")


@fact
async def ranges(lab: Lab) -> None:
    for wanted in ("bytes=0-9", "bytes=-5", "bytes=0-1,5-6", "bytes=900-"):
        for path in ("/plain/", "/cached/1", "/text"):
            await lab.ask(path, headers={"Range": wanted}, body=300)


@fact
async def responses_that_nginx_compresses(lab: Lab) -> None:
    for method in METHODS:
        await lab.ask("/gzipped/", method=method, headers={"Accept-Encoding": "gzip"}, body=5_000)


@fact
async def what_is_said_after_a_switch_of_protocols_counts(lab: Lab) -> None:
    """Towards the client it is body. Towards the origin, nginx knows only sums, which count as header."""

    def told(fetch: Fetch) -> Fetch:
        return replace(discarded(fetch), bereq_header=fetch.bereq_header + fetch.bereq_body, bereq_body=0)

    request = lab.request("/upgraded/", headers={"Upgrade": "echo"}, status=101, upgrade=True, told=told)
    async with lab.connect() as connection:
        answer = await connection.ask(request)
        await connection.send(b"hello")
        said = await connection.read(len("hello"))
        lab.book.answered(lab.domain, replace(answer, body_bytes=len(said)))


@fact
async def origins_on_a_socket_and_origins_without_a_name(lab: Lab) -> None:
    for method in METHODS:
        await lab.ask("/unix/", method=method)
        await lab.ask("/unnamed/", method=method)


# --- what nginx does by itself --------------------------------------------------------------------------------------


@fact
async def answers_that_nginx_makes(lab: Lab) -> None:
    for method in METHODS:
        await lab.ask("/text", method=method)
        await lab.ask("/moved", method=method)
        await lab.ask("/not-there", method=method)
    await lab.ask("/text", headers={"If-Modified-Since": "Sun, 22 Nov 2026 00:00:00 GMT"})


@fact
async def a_connection_that_nginx_drops_counts_as_444(lab: Lab) -> None:
    await lab.send(lab.request("/dropped"))
    lab.book.answered(lab.domain, Answer(444))


@fact
async def uploads_that_nginx_refuses(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/plain/", method="POST", headers={"Content-Length": "3000000"}))
        lab.book.answered(lab.domain, await connection.answer())
    for length in ("abc", "-1", "1, 2"):
        await lab.ask("/plain/", method="POST", headers={"Content-Length": length})
    await lab.ask("/plain/", method="POST", headers={"Transfer-Encoding": "unknown"})


@fact
async def http_0_9_has_no_status_on_the_wire_but_one_in_the_log(lab: Lab) -> None:
    async with lab.connect() as connection:
        answer = await connection.ask(b"GET /text\r\n")
        assert answer == Answer(None, 0, len("made by nginx\n"))
        lab.book.answered(INVALID, replace(answer, status=200))


HOSTS: dict[str | bytes, str] = {
    "hosts.example": "hosts.example",
    "HOSTS.Example": "hosts.example",
    "hosts.example:8080": "hosts.example",
    "Hosts.Example:": "hosts.example",
    "hosts.example:99999": "hosts.example",
    "hosts.example:80:80": "hosts.example",
    "hosts.example.": "hosts.example",
    "hosts.example.:8080": "hosts.example",
    "under_score.hosts.example": "under_score.hosts.example",
    "-.hosts.example": "-.hosts.example",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    "192.0.2.1:80": "192.0.2.1",
    "[2001:DB8::1]": "2001:db8::1",
    "[2001:db8::1]:443": "2001:db8::1",
    "[2001:db8::1": INVALID,
    "-": INVALID,
    "bücher.example": INVALID,
    b"\xff\xfe\x80.example": INVALID,
    b"caf\xe9.example": INVALID,
    '"quoted".example': INVALID,
    "back\\slash.example": INVALID,
    '{"domain":"x"}': INVALID,
    "user@hosts.example": INVALID,
    "a.example,b.example": INVALID,
    ".hosts.example": INVALID,
    "x" * 64 + ".example": INVALID,
    "x." * 150 + "example": INVALID,
    # These it refuses, and says that they were for its first server_name.
    "..": DEFAULT_SERVER,
    "hosts..example": DEFAULT_SERVER,
    "hosts.example/path": DEFAULT_SERVER,
    "hosts example": DEFAULT_SERVER,
    "hosts\texample": DEFAULT_SERVER,
}


@fact
async def hosts_count_as_domains_in_one_form(lab: Lab) -> None:
    for host, domain in HOSTS.items():
        answer = await lab.ask("/plain/", host=host, domain=domain)
        assert answer.status == (400 if domain == DEFAULT_SERVER else 200), host


@fact
async def a_host_in_the_first_line_wins(lab: Lab) -> None:
    await lab.ask(f"http://{lab.domain}/plain/", host="other.example")
    await lab.ask(f"http://{lab.domain.upper()}:80/plain/", host="other.example")


@fact
async def broken_bytes_in_urls_are_no_matter(lab: Lab) -> None:
    paths = ("/\xff\xfe", "/%ff%fe", '/"quoted"', "/back\\slash", "/{x}", "/a?b=\xc3\x28&c=%zz", "/a/../b/./c")
    for path in paths:
        await lab.ask("/plain" + path)
        await lab.ask("/cached" + path)


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


@fact
async def requests_that_name_no_host_are_for_no_domain(lab: Lab) -> None:
    for request, status in HOSTLESS.items():
        async with lab.connect() as connection:
            answer = await connection.ask(request)
            assert answer.status == status, request
            lab.book.answered(INVALID, answer)


@fact
async def header_fields_that_cannot_be_read(lab: Lab) -> None:
    for field in ("X-Long: " + "x" * 9_000, "no colon", "Bad\x00Name: x"):
        async with lab.connect() as connection:
            answer = await connection.ask(lab.request("/plain/", headers={"A": "b\r\n" + field}))
            lab.book.answered(lab.domain, answer)


# --- connections ----------------------------------------------------------------------------------------------------


@fact
async def requests_in_one_go_on_one_connection(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(b"".join(lab.request("/plain/", body=size) for size in (1, 2_000, 30_000)))
        for _ in range(3):
            lab.book.answered(lab.domain, await connection.answer())


@fact
async def versions_of_tls(lab: Lab) -> None:
    for version, name in ((ssl.TLSVersion.TLSv1_2, "tls_v12"), (ssl.TLSVersion.TLSv1_3, "tls_v13")):
        for method in METHODS:
            async with lab.connect(tls(version)) as connection:
                answer = await connection.ask(lab.request("/plain/", method=method, body=500))
                lab.book.answered(lab.domain, answer, tls=name)


@fact
async def http_2(lab: Lab) -> None:
    for version, name in ((ssl.TLSVersion.TLSv1_2, "tls_v12"), (ssl.TLSVersion.TLSv1_3, "tls_v13")):
        for method, upload, orders in (
            ("GET", 0, {"body": 0}),
            ("GET", 0, {"body": 100}),
            ("GET", 0, {"body": 40_000}),
            ("GET", 0, {"status": 503}),
            ("GET", 0, {"framing": "chunked"}),
            ("HEAD", 0, {}),
            ("POST", 300, {}),
            ("POST", 10_000, {"status": 404}),
        ):
            headers = {":method": method, ":path": "/plain/", ":scheme": "https", ":authority": lab.domain}
            headers |= {field.lower(): value for field, value in lab.identify(**orders).items()}
            async with lab.connect(tls(version, "h2")) as connection:
                answer = await ask_http2(connection, headers, b"u" * upload)
                lab.book.answered(lab.domain, answer, proto="http2", tls=name)


@fact
async def an_http_2_header_that_is_refused_has_no_status(lab: Lab) -> None:
    headers = {":method": "GET", ":path": "/plain/", ":scheme": "https", ":authority": lab.domain, "X-Upper": "1"}
    async with lab.connect(tls(ssl.TLSVersion.TLSv1_3, "h2")) as connection:
        answer = await ask_http2(connection, headers)
    assert answer == Answer(None)
    lab.book.answered(lab.domain, answer, cache="", proto="http2", tls="tls_v13")


# --- the cache ------------------------------------------------------------------------------------------------------

FRESH: dict[str, Any] = {"fields": {"Cache-Control": "max-age=600"}}
OLD: dict[str, Any] = {"fields": {"X-Accel-Expires": "@1"}}


async def ask_in_turn(lab: Lab, path: str, requests: list[tuple[str, dict[str, Any]]]) -> None:
    """Make requests that are answered with these words about the cache."""
    for word, request in requests:
        answer = await lab.ask(path, **request)
        assert answer.headers.get("x-cache", "") == word


@fact
async def misses_then_hits(lab: Lab) -> None:
    for size in (0, 10, 5_000, 100_000):
        requests = [("MISS", FRESH), *(("HIT", {"method": method}) for method in ("GET", "HEAD", "GET"))]
        await ask_in_turn(lab, f"/cached/{size}", [(word, {"body": size, **request}) for word, request in requests])


@fact
async def a_miss_on_head_fetches_it_all(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", {"method": "HEAD", "body": 900, **FRESH}), ("HIT", {})])


@fact
async def conditional_requests_and_ranges_of_what_is_cached(lab: Lab) -> None:
    known, unknown = {"If-None-Match": '"v1"'}, {"If-None-Match": '"v0"'}
    await ask_in_turn(
        lab,
        "/cached/",
        [
            ("MISS", {"etag": '"v1"', "body": 900, **FRESH}),
            ("HIT", {"headers": known}),
            ("HIT", {"headers": unknown}),
            ("HIT", {"headers": {"Range": "bytes=0-99"}}),
            ("HIT", {"headers": {"Range": "bytes=0-9,50-59"}}),
            ("HIT", {"headers": {"Range": "bytes=1000-"}}),
        ],
    )


@fact
async def what_may_not_be_cached_misses_every_time(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", {"fields": {"Cache-Control": "no-store"}})] * 3)


@fact
async def methods_that_are_not_cached_are_neither_hit_nor_miss(lab: Lab) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        await ask_in_turn(lab, "/cached/", [("", {"method": method, "upload": 10})])


@fact
async def a_bypass_is_neither_hit_nor_miss(lab: Lab) -> None:
    bypass = {"headers": {"X-Bypass": "1"}, **FRESH}
    await ask_in_turn(lab, "/cached/", [("MISS", FRESH), ("BYPASS", bypass), ("BYPASS", bypass), ("HIT", {})])


@fact
async def what_expired_is_fetched_again(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", OLD), ("EXPIRED", OLD), ("EXPIRED", FRESH), ("HIT", {})])


@fact
async def what_expired_and_did_not_change_is_revalidated(lab: Lab) -> None:
    old, fresh = {"etag": '"v1"', **OLD}, {"etag": '"v1"', **FRESH}
    await ask_in_turn(lab, "/cached/", [("MISS", old), ("REVALIDATED", old), ("REVALIDATED", fresh), ("HIT", {})])


@fact
async def what_expired_is_served_stale_when_its_origin_fails(lab: Lab) -> None:
    """The answer of the origin is thrown away."""
    failing = {"status": 503, "body": 30, "told": discarded}
    await ask_in_turn(lab, "/cached/", [("MISS", OLD), ("STALE", failing), ("STALE", {"fault": "closes"})])


@fact
async def what_expired_is_served_while_it_is_fetched_again(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", OLD)])
    first = lab.request("/cached/", hold=True, **FRESH)
    gate = lab.origins["origin_a"].gates[lab.latest]
    async with lab.connect() as connection:
        await connection.send(first)
        await gate.arrived.wait()
        await ask_in_turn(lab, "/cached/", [("UPDATING", {})])
        gate.opened.set()
        lab.book.answered(lab.domain, await connection.answer())
    await ask_in_turn(lab, "/cached/", [("HIT", {})])


@fact
async def what_is_fetched_again_in_the_background_does_not_count(lab: Lab) -> None:
    await ask_in_turn(lab, "/background/", [("MISS", OLD), ("STALE", {"told": unlogged, **FRESH})])
    await ask_in_turn(lab, "/background/", [("HIT", {})])


# --- origins that fail ----------------------------------------------------------------------------------------------


@fact
async def an_attempt_that_is_refused_is_no_response(lab: Lab) -> None:
    for method in METHODS:
        await lab.ask("/dead/", method=method, upload=10)
        lab.book.attempted(lab.domain, "origin_dead")


@fact
async def every_attempt_is_a_fetch(lab: Lab) -> None:
    def told(fetch: Fetch) -> Fetch:
        return discarded(fetch) if fetch.status == 503 else fetch

    for upload in (0, 0, 0, 500, 500):
        answer = await lab.ask("/pool/", upload=upload, told=told)
        assert answer.status == 200
        lab.book.attempted(lab.domain, "pool")
    for method in METHODS:
        await lab.ask("/pool_of_two/", method=method, upload=200)
        lab.book.attempted(lab.domain, "pool_of_two")


@fact
async def the_last_attempt_is_passed_on(lab: Lab) -> None:
    for method in METHODS:
        await lab.ask("/busy/", method=method)


@fact
async def an_upstream_that_is_down_counts_as_an_attempt_at_its_name(lab: Lab) -> None:
    """Nobody was asked, but nginx logs a status and an address as if there had been an attempt."""
    await lab.ask("/pool_down/")
    lab.book.attempted(lab.domain, "pool_down", times=2)
    await lab.ask("/pool_down/")
    lab.book.attempted(lab.domain, "pool_down", "pool_down")


@fact
async def an_origin_that_closes_without_a_word_is_no_response(lab: Lab) -> None:
    for path in ("/old/", "/cached/"):
        answer = await lab.ask(path, fault="closes")
        assert answer.status == 502


@fact
async def an_origin_that_says_nothing_in_time_is_no_response(lab: Lab) -> None:
    answer = await lab.ask("/impatient/", fault="silence")
    assert answer.status == 504


@fact
async def half_a_header_is_no_response(lab: Lab) -> None:
    for path, fault, status in (
        ("/old/", "half a header", 502),
        ("/impatient/", "half a header, then silence", 504),
    ):
        answer = await lab.ask(path, fault=fault)
        assert answer.status == status


@fact
async def a_header_that_is_too_large_is_no_response(lab: Lab) -> None:
    """Nginx gives up when its buffer is full, so it does not know how much more there was."""

    def told(fetch: Fetch) -> Fetch:
        return replace(fetch, status=None, beresp_header=1024, beresp_body=0)

    answer = await lab.ask("/small/", fields={"X-Long": "x" * 2_000}, told=told)
    assert answer.status == 502


@fact
async def half_a_header_is_no_response_among_others_either(lab: Lab) -> None:
    for method in METHODS:
        await lab.ask("/pool_of_halves/", method=method)


@fact
async def half_a_body_is_a_response(lab: Lab) -> None:
    await lab.ask("/old/", fault="half a body", body=100)


@fact
async def garbage_is_a_response_of_http_0_9(lab: Lab) -> None:
    """Nginx passes it on as such. It says that its status was 200, unless it would have cached it."""

    def told(fetch: Fetch) -> Fetch:
        return replace(fetch, status=200)

    for path, cache, whose in (("/old/", "", told), ("/cached/", "MISS", as_it_was)):
        request = lab.request(path, fault="garbage", headers={"Connection": "close"}, told=whose)
        answer = await lab.send(request)
        assert answer.header_bytes == 0
        lab.book.answered(lab.domain, answer, cache=cache)


# --- several origins in one request ---------------------------------------------------------------------------------


def renamed(fetch: Fetch) -> Fetch:
    """What went to the origin before is logged under the name of the last one; its body was thrown away."""
    return fetch if fetch.origin == "origin_b" else discarded(replace(fetch, origin="origin_b"))


@fact
async def an_internal_redirect_is_two_fetches(lab: Lab) -> None:
    for method in METHODS:
        for body in (0, 100):
            await lab.ask(
                "/accelerated/",
                method=method,
                body=body,
                told=renamed,
                at="origin_a",
                fields={"X-Accel-Redirect": "/inside/"},
            )


@fact
async def an_error_page_from_another_origin_is_two_fetches(lab: Lab) -> None:
    for method in METHODS:
        await lab.ask("/rescued/", method=method, told=renamed)


# --- clients that leave ---------------------------------------------------------------------------------------------


@fact
async def a_client_that_leaves_before_the_answer_counts_as_499(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/old/", fault="silence"))
        await lab.origins["origin_b"].gates[lab.latest].arrived.wait()
        connection.abort()
    lab.book.answered(lab.domain, Answer(499))


@fact
async def a_client_that_leaves_a_miss_counts_as_what_was_not_sent(lab: Lab) -> None:
    """Nginx goes on fetching, for its cache, logs the status that it could no longer send, and gives up only then."""
    request = lab.request("/cached/", hold=True, told=discarded, **FRESH)
    gate = lab.origins["origin_a"].gates[lab.latest]
    async with lab.connect() as connection:
        await connection.send(request)
        await gate.arrived.wait()
        connection.abort()
    gate.opened.set()
    lab.book.answered(lab.domain, Answer(200), cache="MISS")


@fact
async def an_upload_that_breaks_off_counts_as_400(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/plain/", method="POST", headers={"Content-Length": "100000"}) + b"u" * 500)
    lab.book.answered(lab.domain, Answer(400))


@fact
async def downloads_that_break_off(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/far/", body=LARGE))
        read = await connection.read(SMALL)
        connection.abort()
    header = read.index(b"\r\n\r\n") + 4
    lab.book.answered(lab.domain, Answer(200, header, len(read) - header))


SMALL, LARGE = 64_000, 8_000_000
BROKEN_OFF = ("downloads-that-break-off.example", "origin_far")
"""Whose bytes depend on how much fits between the origin and the client at that moment."""


# --- what came of it ------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What was seen, and what is shown."""

    requests: int
    lines: list[int]
    """In each log."""
    seen: Sums
    """What the client and the origins saw."""
    shown: dict[str, Sums]
    """By road."""
    entries: dict[str, list[Any]]
    """Of the file, by dataset."""
    complaints: list[str]
    """About lines."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(show_all(tmp_path_factory.mktemp("nginx")))


async def show_all(directory: Path) -> Outcome:
    """Show all facts, and read what edgetally makes of them."""
    async with shipping(directory, [directory / "access.log"], "udp", "unix") as ship:
        servers = f"127.0.0.1:{ship.port('udp')}", f"unix:{directory}/log.sock,nohostname"
        async with laboratory(directory, *servers) as (lab, nginx):
            logs = await show_facts(lab, nginx)
        seen = lab.book.sums()
        shown = {road: await ship.read(road, seen) for road in ROADS}
        shown["unix"] = await ship.read("unix", seen, dropped=lab.book.requests // 2)
        entries = await ship.entries("file")
    lines = [len(log.read_bytes().splitlines()) for log in logs]
    return Outcome(lab.book.requests, lines, seen, shown, entries, ship.complaints)


async def show_facts(lab: Lab, nginx: Nginx) -> list[Path]:
    """Show all facts, and return the logs: in the middle of it, they are rotated."""
    old = nginx.log.with_suffix(".log.1")
    middle = len(FACTS) // 2
    for number, (domain, show) in enumerate(FACTS.items()):
        if number == middle:
            nginx.log.rename(old)
        if number == middle + 3:  # until then, it goes on writing to the renamed one
            nginx.reopen_logs()
        lab.domain = domain
        await show(lab)
    return [old, nginx.log]


pytestmark = skip_or_fail("nginx", "openssl")


def test_every_request_is_one_line_in_one_of_the_logs_and_every_line_counts(outcome: Outcome) -> None:
    assert all(outcome.lines), "there were requests before and after the rotation"
    assert sum(outcome.lines) == outcome.requests
    assert outcome.complaints == []


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("domain", [*FACTS, *sorted({INVALID, *HOSTS.values()})])
def test_a_domain_shows_what_its_clients_and_origins_saw(outcome: Outcome, domain: str, road: str) -> None:
    key = "domains", (domain,)
    if domain not in BROKEN_OFF:
        assert outcome.shown[road].get(key) == outcome.seen.get(key)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("dataset", ["origins", "origin_insights"])
def test_origins_show_what_they_saw(outcome: Outcome, dataset: str, road: str) -> None:
    shown, seen = outcome.shown[road], outcome.seen
    assert without_latency(shown, dataset, but=BROKEN_OFF) == without_latency(seen, dataset, but=BROKEN_OFF)


@pytest.mark.parametrize("road", ROADS)
def test_nothing_is_shown_that_nobody_saw(outcome: Outcome, road: str) -> None:
    assert outcome.shown[road].keys() == outcome.seen.keys()


def test_a_unix_socket_brings_nothing_else(outcome: Outcome) -> None:
    shown, whole = outcome.shown["unix"], outcome.shown["file"]
    assert totals(shown)["requests"] >= outcome.requests // 2
    for key, counters in shown.items():
        assert [name for name, amount in counters.items() if amount > whole[key][name]] == [], key


def test_of_a_download_that_broke_off_there_was_more_than_arrived_and_less_than_there_is(outcome: Outcome) -> None:
    for dataset, key, field in (
        ("domains", BROKEN_OFF[:1], "resp_body_bytes"),
        ("domains", BROKEN_OFF[:1], "origin_fetch_resp_body_bytes"),
        ("origins", BROKEN_OFF[1:], "resp_body_bytes"),
    ):
        seen, said = outcome.seen[dataset, key], outcome.shown["file"][dataset, key]
        assert SMALL - 1_000 < said[field] <= LARGE, (dataset, field)
        exact = {name for name in seen | said if "latency" not in name and "body_bytes" not in name} - {"bandwidth"}
        assert {name: said[name] for name in exact} == {name: seen[name] for name in exact}


@pytest.mark.parametrize("road", ROADS)
def test_every_response_of_an_origin_is_in_a_latency_bucket(outcome: Outcome, road: str) -> None:
    assert untimed(outcome.shown[road]) == []


def test_the_ratios_of_an_entry_follow_from_its_counters(outcome: Outcome) -> None:
    found: Counter[str] = Counter()
    for entry in outcome.entries["domains"]:
        for key, measurements in leaves(entry["aggregated"]):
            ratios = {name: ratio for name, ratio in oracle.ratios(counts(measurements)).items() if ratio}
            assert {name: measurements[name] for name in RATIOS & measurements.keys()} == ratios, key
            found.update(ratios.keys())
    assert found.keys() == RATIOS


def test_there_is_one_pop_and_it_shows_the_same_as_all_together(outcome: Outcome) -> None:
    for entries in outcome.entries.values():
        for entry in entries:
            assert entry["datacenter"] == {POP: entry["aggregated"]}


def test_no_second_is_shown_twice(outcome: Outcome) -> None:
    for entries in outcome.entries.values():
        seconds = [entry["recorded"] for entry in entries]
        assert seconds == sorted(set(seconds))
