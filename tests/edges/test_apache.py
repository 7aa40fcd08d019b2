"""
The real Apache httpd, with the snippet that users are given, between a client and origins that note every byte.

It writes its log to a file and, through logger, as syslog. Both are read by one `edgetally serve`, for a service each,
and every counter is compared with what the client and the origins saw. A domain is a fact. Apache does not log how many
bytes went to and came from origins, so what origins saw is compared without them.
"""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.edges.apache import laboratory, open_directory
from tests.edges.book import POP, Sums
from tests.edges.client import Answer, ask_http2, tls
from tests.edges.facts import INVALID, METHODS, STATUSES, Facts, skip_or_fail
from tests.edges.lab import Lab
from tests.edges.origin import Fetch
from tests.edges.reading import PATIENCE
from tests.edges.shipped import shipping, untimed, without_latency

ROADS = ("file", "udp")

FACTS = Facts()
fact = FACTS.note


def told(fetch: Fetch) -> Fetch | None:
    """What Apache says of a fetch: no sizes, and, unless it goes by a balancer, nothing without a response."""
    bare = ":" in fetch.origin
    if bare and fetch.status is None:
        return None
    address = "" if bare else fetch.address
    return replace(fetch, address=address, bereq_header=0, bereq_body=0, beresp_header=0, beresp_body=0)


async def ask(lab: Lab, path: str, *, cache: str = "", **request: Any) -> Answer:  # noqa: ANN401 - see `Lab.request`
    """Make a request, and book the answer; `cache` is what it counts as, HIT or MISS."""
    answer = await lab.send(lab.request(path, told=told, **request))
    note(lab, answer, cache=cache, domain=request.get("domain", ""))
    return answer


def note(lab: Lab, answer: Answer, *, cache: str = "", domain: str = "", **more: str) -> None:
    """Book an answer as Apache tells it: the framing of chunks and a 100 Continue are in the total, but no body."""
    other = answer.framing_bytes + answer.interim_bytes
    answer = replace(answer, header_bytes=answer.header_bytes + other, body_bytes=answer.body_bytes - other)
    lab.book.answered(domain or lab.domain, answer, cache=cache, **more)


# --- what clients and origins say -----------------------------------------------------------------------------------


@fact
async def statuses_of_every_kind(lab: Lab) -> None:
    for status in STATUSES:
        for method in METHODS:
            await ask(lab, "/plain/", method=method, status=status, body=status % 7 * 100)


@fact
async def responses_of_every_size_and_framing(lab: Lab) -> None:
    for size in (0, 1, 100, 5_000, 70_000, 300_000):
        for framing in ("length", "chunked", "close"):
            await ask(lab, "/plain/", framing=framing, body=size)


@fact
async def clients_that_speak_http_1_0(lab: Lab) -> None:
    for framing in ("length", "close", "chunked"):
        await ask(lab, "/plain/", version="1.0", framing=framing, body=300)
        await ask(lab, "/plain/", version="1.0", headers={"Connection": "keep-alive"}, framing=framing, body=300)


@fact
async def a_version_that_there_is_not_counts_by_its_first_digit(lab: Lab) -> None:
    request = lab.request("/plain/", version="2.5", headers={"Connection": "close"}, told=told)
    async with lab.connect() as connection:
        answer = await connection.ask(request)
    assert answer.status == 200
    note(lab, answer, proto="http2")


@fact
async def uploads_of_every_size_and_framing(lab: Lab) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for size in (1, 100, 5_000, 70_000):
            for chunked in (False, True):
                await ask(lab, "/plain/", method=method, upload=size, chunked=chunked)


@fact
async def a_100_continue_counts_as_header(lab: Lab) -> None:
    for size in (1, 5_000):
        answer = await ask(lab, "/plain/", method="PUT", upload=size, headers={"Expect": "100-continue"})
        assert answer.interim_bytes == len("HTTP/1.1 100 Continue\r\n\r\n")


@fact
async def ranges(lab: Lab) -> None:
    for wanted in ("bytes=0-9", "bytes=-5", "bytes=0-1,5-6", "bytes=900-"):
        for path in ("/plain/", "/text"):
            await ask(lab, path, headers={"Range": wanted}, body=300)


@fact
async def responses_that_apache_compresses(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/gzipped/", method=method, headers={"Accept-Encoding": "gzip"}, body=5_000)


@fact
async def answers_that_apache_makes(lab: Lab) -> None:
    for method in METHODS:
        for path in ("/text", "/moved", "/not-there", "/forbidden/"):
            await ask(lab, path, method=method)


@fact
async def an_error_page_of_apache_keeps_the_fetch_before_it(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/rescued/", method=method)


# --- hosts and URLs -------------------------------------------------------------------------------------------------

HOSTS: dict[str | bytes, str] = {
    "hosts.example": "hosts.example",
    "HOSTS.Example": "hosts.example",
    "hosts.example:8080": "hosts.example",
    "Hosts.Example:": "hosts.example",
    "hosts.example:99999": "hosts.example",
    "hosts.example:80:80": INVALID,
    "hosts.example.": "hosts.example",
    "hosts.example.:8080": "hosts.example",
    "under_score.hosts.example": "under_score.hosts.example",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    "192.0.2.1:80": "192.0.2.1",
    "[2001:DB8::1]": "2001:db8::1",
    "[2001:db8::1]:443": "2001:db8::1",
    "[2001:db8::1": INVALID,
    "": INVALID,
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
    "..": INVALID,
    "hosts..example": INVALID,
    "hosts.example/path": INVALID,
    "hosts example": INVALID,
    "hosts\texample": INVALID,
    "x" * 64 + ".example": INVALID,
    "x." * 150 + "example": INVALID,
}


@fact
async def hosts_count_as_domains_in_one_form(lab: Lab) -> None:
    for host, domain in HOSTS.items():
        await ask(lab, "/plain/", host=host, domain=domain)


@fact
async def a_host_in_the_first_line_wins(lab: Lab) -> None:
    await ask(lab, f"http://{lab.domain}/plain/", host="other.example")
    await ask(lab, f"http://{lab.domain.upper()}:80/plain/", host="other.example")


@fact
async def broken_bytes_in_urls_are_no_matter(lab: Lab) -> None:
    paths = ("/\xff\xfe", "/%ff%fe", '/"quoted"', "/back\\slash", "/{x}", "/a?b=\xc3\x28&c=%zz", "/a/../b/./c", "/%zz")
    for path in paths:
        await ask(lab, "/plain" + path, headers={"User-Agent": 'a"\\\x01b'})


HOSTLESS = (
    b"GARBAGE\r\n\r\n",
    b"G\xff\xfeT / HTTP/1.1\r\nHost: www.example\r\n\r\n",
    b"GET / FTP/1.1\r\nHost: www.example\r\n\r\n",
    b"GET / HTTP/1.x\r\nHost: www.example\r\n\r\n",
    b"GET /text HTTP/1.1\r\n\r\n",
    b"GET /text HTTP/1.0\r\n\r\n",
    b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: www.example\r\n\r\n",
)


@fact
async def requests_that_name_no_host_are_for_no_domain(lab: Lab) -> None:
    for request in HOSTLESS:
        async with lab.connect() as connection:
            note(lab, await connection.ask(request), domain=INVALID)


@fact
async def a_method_that_is_not_known_is_for_its_host(lab: Lab) -> None:
    async with lab.connect() as connection:
        note(lab, await connection.ask(f"get / HTTP/1.1\r\nHost: {lab.domain}\r\n\r\n".encode()))


# --- connections ----------------------------------------------------------------------------------------------------


@fact
async def requests_in_one_go_on_one_connection(lab: Lab) -> None:
    async with lab.connect() as connection:
        requests = [lab.request("/plain/", body=size, told=told) for size in (1, 2_000, 30_000)]
        await connection.send(b"".join(requests))
        for _ in requests:
            note(lab, await connection.answer())


OVER_TLS = "http-1-over-tls.example"
"""Its bytes are those of TLS, too: the handshake with the first request of a connection, and some for every 16 KB."""
OF_TLS = 2_000
"""More than TLS itself sends for a small response on a connection of its own, with a certificate like this one."""
TLS = ((ssl.TLSVersion.TLSv1_2, "tls_v12"), (ssl.TLSVersion.TLSv1_3, "tls_v13"))


@fact
async def http_1_over_tls(lab: Lab) -> None:
    for version, name in TLS:
        for method in METHODS:
            async with lab.connect(tls(version)) as connection:
                request = lab.request("/plain/", method=method, body=500, told=told)
                note(lab, await connection.ask(request), tls=name)


@fact
async def http_2(lab: Lab) -> None:
    for version, name in TLS:
        requests: tuple[tuple[str, int, dict[str, Any]], ...] = (
            ("GET", 0, {"body": 0}),
            ("GET", 0, {"body": 100}),
            ("GET", 0, {"body": 40_000}),
            ("GET", 0, {"status": 503}),
            ("HEAD", 0, {}),
            ("POST", 300, {}),
            ("POST", 10_000, {"status": 404}),
        )
        for method, upload, orders in requests:
            headers = {":method": method, ":path": "/plain/", ":scheme": "https", ":authority": lab.domain}
            known = lab.identify(told, **orders)
            headers |= {field.lower(): value for field, value in known.items()}
            async with lab.connect(tls(version, "h2")) as connection:
                answer = await ask_http2(connection, headers, b"u" * upload)
                note(lab, answer, proto="http2", tls=name)


# --- the cache ------------------------------------------------------------------------------------------------------

FRESH: dict[str, Any] = {"fields": {"Cache-Control": "max-age=600"}}
OLD: dict[str, Any] = {"fields": {"Cache-Control": "max-age=0"}}
SAID = {"HIT": "HIT", "MISS": "MISS", "REVALIDATE": "HIT"}
"""What the client reads about the cache, and what that counts as."""


async def ask_in_turn(lab: Lab, path: str, requests: list[tuple[str, dict[str, Any]]]) -> None:
    """Make requests that are answered with these words about the cache."""
    for word, request in requests:
        headers = {"Connection": "close", **request.get("headers", {})}
        async with lab.connect() as connection:
            answer = await connection.ask(lab.request(path, told=told, **{**request, "headers": headers}))
            # Apache may send a whole response before it is in the cache, but does not close the connection before.
            assert await connection.answer() == Answer()
        note(lab, answer, cache=SAID[word])
        assert answer.headers.get("x-cache", word).split()[0] == word, request  # a 304 has none


@fact
async def misses_then_hits(lab: Lab) -> None:
    for size in (1, 10, 5_000, 100_000):
        requests = [("MISS", FRESH), *(("HIT", {"method": method}) for method in ("GET", "HEAD", "GET"))]
        await ask_in_turn(lab, f"/cached/{size}", [(word, {"body": size, **request}) for word, request in requests])


@fact
async def conditional_requests_and_ranges_of_what_is_cached(lab: Lab) -> None:
    await ask_in_turn(
        lab,
        "/cached/",
        [
            ("MISS", {"etag": '"v1"', "body": 900, **FRESH}),
            ("HIT", {"headers": {"If-None-Match": '"v1"'}}),
            ("HIT", {"headers": {"Range": "bytes=0-99"}}),
            ("HIT", {"headers": {"Range": "bytes=0-9,50-59"}}),
            ("HIT", {"headers": {"Range": "bytes=1000-"}}),
        ],
    )


@fact
async def what_expired_and_did_not_change_is_revalidated(lab: Lab) -> None:
    old, fresh = {"etag": '"v1"', **OLD}, {"etag": '"v1"', **FRESH}
    await ask_in_turn(lab, "/cached/", [("MISS", old), ("REVALIDATE", old), ("REVALIDATE", fresh), ("HIT", {})])


@fact
async def what_expired_is_served_stale_when_its_origin_fails(lab: Lab) -> None:
    """The cache says so, and with it goes the fetch that failed."""
    old = {"etag": '"v1"', **OLD}
    await ask_in_turn(lab, "/cached/", [("MISS", old), ("HIT", {"status": 503}), ("HIT", {"fault": "closes"})])


@fact
async def what_may_not_be_cached_is_neither_hit_nor_miss(lab: Lab) -> None:
    """Apache says why it did not cache it, but no longer that it had looked for it."""
    for fields in ({"Cache-Control": "no-store"}, {}):
        answer = await ask(lab, "/cached/", fields=fields)
        assert answer.headers["x-cache"].startswith("MISS")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        await ask(lab, "/cached/", method=method, upload=10)


# --- origins that fail ----------------------------------------------------------------------------------------------


@fact
async def an_attempt_of_a_balancer_that_is_refused_is_no_response(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/dead/", method=method)
        assert answer.status == 503
        lab.book.attempted(lab.domain, "origin_dead")


@fact
async def an_origin_without_a_balancer_that_is_refused_is_not_told(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/bare_dead/", method=method)
        assert answer.status == 503


@fact
async def a_balancer_without_a_member_that_is_up_asks_nobody(lab: Lab) -> None:
    answer = await ask(lab, "/down/")
    assert answer.status == 503


@fact
async def of_several_attempts_only_the_last_is_told(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/pool/", method=method)
        assert answer.status == 200


@fact
async def a_503_of_an_origin_is_passed_on(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/busy/", method=method)


@fact
async def an_origin_that_breaks_off_before_its_header_ends_is_no_response(lab: Lab) -> None:
    for fault in ("closes", "half a header", "garbage"):
        for path in ("/other/", "/bare/"):
            answer = await ask(lab, path, fault=fault)
            assert answer.status == 502


@fact
async def an_origin_that_says_nothing_in_time_is_no_response(lab: Lab) -> None:
    answer = await ask(lab, "/impatient/", fault="silence")
    assert answer.status == 502


@fact
async def half_a_body_is_a_response(lab: Lab) -> None:
    for path in ("/other/", "/bare/"):
        await ask(lab, path, fault="half a body", body=100)


@fact
async def origins_without_a_balancer_have_no_address(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/bare/", method=method)
    await ask_in_turn(lab, "/bare_cached/", [("MISS", FRESH), ("HIT", {})])


# --- clients that leave ---------------------------------------------------------------------------------------------


@fact
async def a_client_that_leaves_before_the_answer(lab: Lab) -> None:
    request = lab.request("/other/", hold=True, told=told)
    gate = lab.origins["origin_b"].gates[lab.latest]
    async with lab.connect() as connection:
        await connection.send(request)
        await gate.arrived.wait()
        connection.abort()
    gate.opened.set()
    note(lab, Answer(200))


@fact
async def an_upload_that_breaks_off_early_counts_as_an_attempt(lab: Lab) -> None:
    """Apache has chosen whom to ask, but asks nobody before it has read some of the upload."""
    async with lab.connect() as connection:
        request = lab.request("/plain/", method="POST", headers={"Content-Length": "100000"}, told=told)
        await connection.send(request + b"u" * 500)
        connection.end()
        answer = await connection.answer()
    assert answer.status == 400
    note(lab, answer)
    lab.book.attempted(lab.domain, "origin_a")


SMALL, LARGE = 64_000, 8_000_000
BROKEN_OFF = "downloads-that-break-off.example"
"""Whose bytes depend on how much fits between the origin and the client at that moment."""


@fact
async def downloads_that_break_off(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/far/", body=LARGE, told=told))
        read = await connection.read(SMALL)
        connection.abort()
    header = read.index(b"\r\n\r\n") + 4
    note(lab, Answer(200, header, len(read) - header))


# --- what came of it ------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What was seen, and what is shown."""

    requests: int
    lines: int
    seen: Sums
    """What the client and the origins saw, as far as Apache can tell it."""
    shown: dict[str, Sums]
    """By road."""
    entries: dict[str, dict[str, list[Any]]]
    """By road and dataset."""
    complaints: list[str]
    """About lines."""


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    with open_directory() as directory:
        return asyncio.run(show_all(directory))


async def show_all(directory: Path) -> Outcome:
    """Show all facts, and read what edgetally makes of them."""
    async with shipping(directory, [directory / "edgetally.log"], "udp") as ship:
        async with laboratory(directory, syslog_port=ship.port("udp")) as (lab, apache):
            for number, (domain, show) in enumerate(FACTS.items()):
                if number == len(FACTS) // 2:
                    await lab.hang_up()
                    await ship.read("udp", lab.book.sums())  # what logger has not sent yet, Apache lets it lose
                    await apache.rotate()
                lab.domain = domain
                async with asyncio.timeout(PATIENCE):
                    await show(lab)
            await lab.hang_up()
            requests, seen = lab.book.requests, lab.book.sums()
            shown = {road: await ship.read(road, seen) for road in ROADS}
            entries = {road: await ship.entries(road) for road in ROADS}
        lines = sum(len(log.read_bytes().splitlines()) for log in (apache.old_log, apache.log))
    return Outcome(requests, lines, seen, shown, entries, ship.complaints)


pytestmark = skip_or_fail("apache2", "openssl", "logger")


def test_every_request_is_one_line_and_every_line_counts(outcome: Outcome) -> None:
    assert outcome.lines == outcome.requests
    assert outcome.complaints == []


@pytest.mark.parametrize("domain", [*FACTS, *sorted({INVALID, *HOSTS.values()})])
@pytest.mark.parametrize("road", ROADS)
def test_a_domain_shows_what_its_clients_and_origins_saw(outcome: Outcome, road: str, domain: str) -> None:
    key = "domains", (domain,)
    if domain not in (BROKEN_OFF, OVER_TLS):
        assert outcome.shown[road].get(key) == outcome.seen.get(key)


@pytest.mark.parametrize("dataset", ["origins", "origin_insights"])
@pytest.mark.parametrize("road", ROADS)
def test_origins_show_what_they_answered(outcome: Outcome, road: str, dataset: str) -> None:
    assert without_latency(outcome.shown[road], dataset) == without_latency(outcome.seen, dataset)


def test_both_roads_show_the_same(outcome: Outcome) -> None:
    assert outcome.shown["file"] == outcome.shown["udp"]


def test_what_went_to_and_came_from_origins_is_not_in_the_entries(outcome: Outcome) -> None:
    for (dataset, _), counters in outcome.shown["file"].items():
        untold = ("bereq_", "origin_fetch_resp_") if dataset == "domains" else ("resp_", "all_resp_")
        assert [name for name in counters if name.startswith(untold)] == []


def test_of_a_download_that_broke_off_there_was_more_than_arrived_and_less_than_there_is(outcome: Outcome) -> None:
    key = "domains", (BROKEN_OFF,)
    for shown in outcome.shown.values():
        for field in ("resp_body_bytes", "edge_resp_body_bytes", "bandwidth"):
            assert SMALL - 1_000 < shown[key][field] <= LARGE + 1_000, field
        exact = {name for name in outcome.seen[key] | shown[key] if "_bytes" not in name} - {"bandwidth"}
        assert {name: shown[key][name] for name in exact} == {name: outcome.seen[key][name] for name in exact}


def test_http_1_over_tls_counts_what_tls_sends_as_header(outcome: Outcome) -> None:
    key = "domains", (OVER_TLS,)
    for shown in outcome.shown.values():
        seen = outcome.seen[key]
        for field in ("resp_header_bytes", "edge_resp_header_bytes", "bandwidth"):
            assert seen[field] < shown[key][field] < seen[field] + seen["requests"] * OF_TLS, field
        exact = {name for name in seen | shown[key] if "header_bytes" not in name} - {"bandwidth"}
        assert {name: shown[key][name] for name in exact} == {name: seen[name] for name in exact}


def test_nothing_is_shown_that_nobody_saw(outcome: Outcome) -> None:
    for shown in outcome.shown.values():
        assert shown.keys() == outcome.seen.keys()


def test_every_response_of_an_origin_to_a_client_that_was_answered_is_in_a_latency_bucket(outcome: Outcome) -> None:
    assert untimed(outcome.shown["file"]) == []


def test_there_is_one_pop_and_it_shows_the_same_as_all_together(outcome: Outcome) -> None:
    for datasets in outcome.entries.values():
        for entries in datasets.values():
            for entry in entries:
                assert entry["datacenter"] == {POP: entry["aggregated"]}
