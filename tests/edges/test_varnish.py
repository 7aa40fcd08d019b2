"""
The real Varnish, with what `edgetally formats varnish` prints, between a client and origins that note every byte.

Its log goes by files, by syslog over UDP and by syslog over TCP into one `edgetally serve`, and every counter that this
then shows is compared with what the client and the origins saw. A domain is a fact, as in test_nginx.py. Where Varnish
cannot tell what was on the wire, the fact says what Varnish says instead.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.edges.client import DATA, HEADERS, Answer, ask_http2, connected
from tests.edges.facts import INVALID, METHODS, STATUSES, Facts, skip_or_fail
from tests.edges.lab import Lab
from tests.edges.origin import Fetch
from tests.edges.shipped import Outcome, shipping, untimed, without_latency
from tests.edges.varnish import TOOLS, laboratory, proxied

pytestmark = skip_or_fail(*TOOLS)

ROADS = ("file", "udp", "tcp")
FIRST = ("first.example", "origin_first")
"""The domain and the origin of the requests that are made until a road is open."""
FIRST_REQUEST = b"GET /first/ HTTP/1.1\r\nHost: first.example\r\n\r\n"


Read = Callable[[int], Awaitable[bytes]]
FACTS = Facts()
fact = FACTS.note


def told(fetch: Fetch) -> Fetch:
    """What comes from an origin counts without the framing of chunks; what is sent there, with it."""
    return replace(fetch, beresp_body=fetch.beresp_body - fetch.beresp_framing)


def unanswered(fetch: Fetch) -> Fetch:
    return replace(told(fetch), status=None)


async def ask(lab: Lab, path: str, *, domain: str = "", cache: str | None = None, **request: Any) -> Answer:  # noqa: ANN401
    """Make a request, and book the answer as Varnish tells it: without the framing of chunks."""
    request.setdefault("told", told)
    answer = await lab.send(lab.request(path, domain=domain, **request))
    assert answer.status, (path, request)
    book(lab, answer, domain=domain, cache=cache)
    return answer


def book(lab: Lab, answer: Answer, *, domain: str = "", cache: str | None = None) -> None:
    assert not answer.interim_bytes
    plain = replace(answer, body_bytes=answer.body_bytes - answer.framing_bytes)
    lab.book.answered(domain or lab.domain, plain, cache=cache)


# --- what clients and origins say -----------------------------------------------------------------------------------


@fact
async def statuses_of_every_kind(lab: Lab) -> None:
    for status in STATUSES:
        for method in METHODS:
            answer = await ask(lab, "/plain/", method=method, status=status, body=status % 7 * 100)
            assert answer.status == status


@fact
async def responses_of_every_size_and_framing(lab: Lab) -> None:
    for size in (0, 1, 100, 5_000, 70_000, 300_000):
        for framing in ("length", "chunked", "close"):
            for path in ("/plain/", "/whole/"):
                await ask(lab, f"{path}{size}/{framing}", framing=framing, body=size)


@fact
async def clients_that_speak_http_1_0(lab: Lab) -> None:
    for framing in ("length", "close", "chunked"):
        await ask(lab, "/plain/", version="1.0", framing=framing, body=300)
        await ask(lab, "/plain/", version="1.0", headers={"Connection": "keep-alive"}, framing=framing, body=300)
        await lab.hang_up()  # Varnish closes, though it may say that it will not


@fact
async def uploads_of_every_size_and_framing(lab: Lab) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for size in (1, 100, 5_000, 70_000):
            for chunked in (False, True):
                await ask(lab, "/plain/", method=method, upload=size, chunked=chunked)


@fact
async def a_100_continue_counts_as_header(lab: Lab) -> None:
    for size in (1, 5_000):
        request = lab.request("/plain/", method="PUT", upload=size, headers={"Expect": "100-continue"}, told=told)
        async with lab.connect() as connection:
            # Varnish says it only to those who wait for it.
            await connection.send(request[:-size])
            go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
            assert await connection.read(len(go_on)) == go_on
            answer = await connection.ask(request[-size:])
            book(lab, replace(answer, header_bytes=answer.header_bytes + len(go_on)))


@fact
async def requests_in_one_go_on_one_connection(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(b"".join(lab.request("/plain/", body=size) for size in (1, 2_000, 30_000)))
        for _ in range(3):
            book(lab, await connection.answer())


@fact
async def ranges(lab: Lab) -> None:
    await ask(lab, "/cached/ranges", body=300)
    for wanted in ("bytes=0-9", "bytes=-5", "bytes=0-1,5-6", "bytes=900-"):
        await ask(lab, "/cached/ranges", headers={"Range": wanted})
    for wanted in ("bytes=0-9", "bytes=-5"):
        await ask(lab, "/plain/", headers={"Range": wanted}, status=206)
    await ask(lab, "/plain/", headers={"Range": "bytes=900-"}, status=416)


@fact
async def answers_that_varnish_makes(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/text", method=method)
        await ask(lab, "/moved", method=method)


@fact
async def a_request_that_starts_again_counts_once(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/again/", method=method)


@fact
async def the_domain_is_the_clients_whatever_the_origin_is_asked_for(lab: Lab) -> None:
    for method in METHODS:
        await ask(lab, "/renamed/", method=method)


@fact
async def the_status_of_the_origin_is_the_one_before_vcl_changed_it(lab: Lab) -> None:
    answer = await ask(lab, "/changed/", status=200)
    assert answer.status == 404


# --- HTTP/2 and TLS -------------------------------------------------------------------------------------------------


@fact
async def http_2(lab: Lab) -> None:
    requests: list[tuple[str, int, dict[str, Any]]] = [
        ("GET", 0, {"body": 0}),
        ("GET", 0, {"body": 100}),
        ("GET", 0, {"status": 404}),
        ("HEAD", 0, {}),
        ("POST", 300, {}),
    ]
    for method, upload, orders in requests:
        headers = {":method": method, ":path": "/plain/", ":scheme": "http", ":authority": lab.domain}
        headers |= {name.lower(): value for name, value in lab.identify(told, **orders).items()}
        async with lab.connect() as connection:
            reads: list[bytes] = []
            read = connection.read

            async def noted(size: int, *, reads: list[bytes] = reads, read: Read = read) -> bytes:
                reads.append(await read(size))
                return reads[-1]

            connection.read = noted  # type: ignore[method-assign]
            answer = await ask_http2(connection, headers, b"u" * upload)
            # Varnish leaves out the nine bytes that each frame of the answer begins with.
            frames = sum(9 for top in reads[::2] if top[3] in (DATA, HEADERS) and top[8])
            plain = replace(answer, header_bytes=answer.header_bytes - frames)
            lab.book.answered(lab.domain, plain, cache="", proto="http2")


@fact
async def versions_of_tls_that_a_proxy_tells(lab: Lab) -> None:
    for version, name in (("TLSv1.2", "tls_v12"), ("TLSv1.3", "tls_v13")):
        for method in METHODS:
            async with connected(lab.edge.tls_port) as connection:
                await connection.send(proxied(version))
                answer = await connection.ask(lab.request("/plain/", method=method, body=500))
                lab.book.answered(lab.domain, answer, tls=name)


# --- hosts and URLs -------------------------------------------------------------------------------------------------

HOSTS: dict[str | bytes, str] = {
    "hosts.example": "hosts.example",
    "HOSTS.Example": "hosts.example",
    "hosts.example:8080": "hosts.example",
    "Hosts.Example:": "hosts.example",
    "hosts.example:99999": "hosts.example",
    "hosts.example.": "hosts.example",
    "hosts.example.:8080": "hosts.example",
    "under_score.hosts.example": "under_score.hosts.example",
    "192.0.2.1:80": "192.0.2.1",
    "[2001:DB8::1]": "2001:db8::1",
    "[2001:db8::1]:443": "2001:db8::1",
    "hosts.example:80:80": INVALID,
    "[2001:db8::1": INVALID,
    "-": INVALID,
    "bücher.example": INVALID,
    b"\xff\xfe\x80.example": INVALID,
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
    # The log of Varnish holds no more of a header field than 255 bytes (vsl_reclen).
    "x." * 150 + "example": "x." * 123 + "x",
}


@fact
async def hosts_count_as_domains_in_one_form(lab: Lab) -> None:
    for host, domain in HOSTS.items():
        answer = await ask(lab, "/plain/", host=host, domain=domain)
        assert answer.status == 200, host


@fact
async def broken_bytes_in_urls_are_no_matter(lab: Lab) -> None:
    paths = ("/\xff\xfe", "/%ff%fe", '/"quoted"', "/back\\slash", "/{x}", "/a?b=\xc3\x28&c=%zz", "/a/../b/./c")
    for path in paths:
        await ask(lab, "/plain" + path)
        await ask(lab, "/cached" + path)


HOSTLESS = {
    b"GARBAGE\r\n\r\n": 400,
    b"GET\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
    b"GET / HTTP/1.x\r\nHost: www.example\r\n\r\n": 400,
    b"GET / FTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET /text HTTP/1.0\r\n\r\n": 200,
    b"GET /text HTTP/1.1\r\n\r\n": 200,
    b"GET /\x01 HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: www.example\r\nno colon\r\n\r\n": 400,
}


@fact
async def requests_that_cannot_be_read_or_name_no_host_are_for_no_domain(lab: Lab) -> None:
    """They are why the snippet does without -j, which would leave them out."""
    for request, status in HOSTLESS.items():
        async with lab.connect() as connection:
            answer = await connection.ask(request)
            assert answer.status == status, request
            book(lab, answer, domain=INVALID, cache="")


@fact
async def the_last_of_several_hosts_holds(lab: Lab) -> None:
    async with lab.connect() as connection:
        request = f"GET / HTTP/1.1\r\nHost: other.example\r\nHost: {lab.domain}\r\n\r\n"
        answer = await connection.ask(request.encode())
        assert answer.status == 400
        book(lab, answer, cache="")


# --- the cache ------------------------------------------------------------------------------------------------------

FRESH: dict[str, Any] = {"fields": {"Cache-Control": "max-age=600"}}


async def ask_in_turn(lab: Lab, path: str, requests: list[tuple[str, dict[str, Any]]]) -> None:
    """Make requests that are answered with these words about the cache."""
    for word, request in requests:
        answer = await ask(lab, path, **request)
        assert answer.headers.get("x-cache", "") == word


@fact
async def misses_then_hits(lab: Lab) -> None:
    for size in (0, 10, 5_000, 100_000):
        requests = [("MISS", FRESH), *(("HIT", {"method": method}) for method in ("GET", "HEAD", "GET"))]
        await ask_in_turn(lab, f"/cached/{size}", [(word, {"body": size, **request}) for word, request in requests])


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
            ("HIT", {"headers": {"Range": "bytes=1000-"}}),
        ],
    )


@fact
async def what_is_known_not_to_be_cacheable_is_a_miss(lab: Lab) -> None:
    await ask_in_turn(lab, "/cached/", [("MISS", {"fields": {"Cache-Control": "no-store"}})] * 3)


@fact
async def what_is_fetched_again_in_the_background_counts_as_a_fetch(lab: Lab) -> None:
    """The one who asked got a hit."""
    await ask_in_turn(lab, "/stale/", [("MISS", {}), ("HIT", {"hold": True, "body": 77})])
    gate = lab.origins["origin_a"].gates[lab.latest]
    await gate.arrived.wait()
    gate.opened.set()


@fact
async def what_did_not_change_is_a_304_of_the_origin(lab: Lab) -> None:
    await ask_in_turn(lab, "/kept/", [("MISS", {"etag": '"v1"', "body": 500})] * 3)


# --- origins that fail ----------------------------------------------------------------------------------------------


@fact
async def only_a_connection_that_was_tried_is_a_fetch(lab: Lab) -> None:
    """Varnish does not try again for a while."""
    for method in METHODS:
        answer = await ask(lab, "/dead/", method=method)
        assert answer.status == 503
    lab.book.attempted(lab.domain, "dead")


@fact
async def a_backend_that_is_sick_is_not_asked(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/sick/", method=method)
        assert answer.status == 503


@fact
async def an_error_that_vcl_makes_is_no_fetch(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/error/", method=method)
        assert answer.status == 555


@fact
async def a_refused_connection_and_its_retry_are_two_fetches(lab: Lab) -> None:
    answer = await ask(lab, "/dead_first/", body=300)
    assert answer.status == 200
    lab.book.attempted(lab.domain, "dead_first")


@fact
async def the_last_try_has_the_bytes_of_all(lab: Lab) -> None:
    """Every try has its own status, and counts where it went."""
    first: list[Fetch] = []

    def summed(fetch: Fetch) -> Fetch:
        fetch = told(fetch)
        if fetch.origin == "busy_first":
            first.append(fetch)
            return replace(fetch, bereq_header=0, beresp_header=0, beresp_body=0)
        before = first.pop()
        # The body of the first answer is never read.
        bereq, beresp = fetch.bereq_header + before.bereq_header, fetch.beresp_header + before.beresp_header
        return replace(fetch, bereq_header=bereq, beresp_header=beresp)

    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        answer = await ask(lab, "/busy_first/", method=method, told=summed)
        assert answer.status == 200


@fact
async def the_answer_of_a_busy_origin_is_passed_on(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/busy/", method=method)
        assert answer.status == 503


@fact
async def an_origin_that_closes_without_a_word_is_no_response(lab: Lab) -> None:
    answer = await ask(lab, "/at_b/", fault="closes")
    assert answer.status == 503


@fact
async def what_is_sent_again_on_a_new_connection_is_one_fetch(lab: Lab) -> None:
    """The bytes count as often as they were sent."""
    first: list[Fetch] = []

    def once(fetch: Fetch) -> Fetch | None:
        if not first:
            first.append(fetch)
            return None
        return replace(fetch, bereq_header=fetch.bereq_header + first[0].bereq_header)

    await ask(lab, "/plain/")  # its connection is kept
    answer = await ask(lab, "/plain/", fault="closes", told=once)
    assert answer.status == 503
    assert lab.book.seen[-1].request_id == lab.book.seen[-2].request_id


@fact
async def half_a_header_is_no_response(lab: Lab) -> None:
    answer = await ask(lab, "/half/", fault="half a header", told=unanswered)
    assert answer.status == 503


@fact
async def garbage_is_no_response(lab: Lab) -> None:
    """What came counts as header."""

    def header(fetch: Fetch) -> Fetch:
        return replace(fetch, beresp_header=fetch.beresp_body, beresp_body=0)

    answer = await ask(lab, "/at_b/", fault="garbage", told=header)
    assert answer.status == 503


@fact
async def half_a_body_is_a_response(lab: Lab) -> None:
    await ask(lab, "/at_b/", fault="half a body", body=100)


# --- pipes ----------------------------------------------------------------------------------------------------------


@fact
async def what_is_piped_has_no_status_and_counts_as_header(lab: Lab) -> None:
    def piped(fetch: Fetch) -> Fetch:
        beresp = fetch.beresp_header + fetch.beresp_body
        return replace(fetch, status=None, beresp_header=beresp, beresp_body=0)

    for upload in (0, 500):
        answer = await lab.send(lab.request("/piped/", upload=upload, body=300, framing="close", told=piped))
        assert answer.status == 200
        lab.book.answered(lab.domain, Answer(None, answer.header_bytes + answer.body_bytes), cache="")


# --- clients that leave ---------------------------------------------------------------------------------------------

SMALL, LARGE = 64_000, 8_000_000
LEFT = "clients-that-leave.example"


@fact
async def clients_that_leave(lab: Lab) -> None:
    """Varnish says what it wanted to send: the status is 200, and the bytes are those that the kernel took."""
    async with lab.connect() as connection:
        await connection.send(lab.request("/far/", body=LARGE))
        read = await connection.read(SMALL)
        connection.abort()
    header = read.index(b"\r\n\r\n") + 4
    lab.book.answered(lab.domain, Answer(200, header, len(read) - header), cache="")


# --- what came of it ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(show_all(tmp_path_factory.mktemp("varnish")))


async def show_all(directory: Path) -> Outcome:
    """Show all facts, and read what edgetally makes of them."""
    files = [directory / "client.log", directory / "backend.log"]
    async with shipping(directory, files, "udp", "tcp") as ship, laboratory(directory) as (lab, varnish):
        for road in ROADS:
            await varnish.log(road, ship.port(road) if road != "file" else 0)
        await ship.open(ROADS, FIRST[0], partial(lab.send, FIRST_REQUEST))
        for number, (domain, show) in enumerate(FACTS.items()):
            if number == len(FACTS) // 2:
                varnish.rotate()
            lab.domain = domain
            await show(lab)
        seen = lab.book.sums()
        read = await asyncio.gather(*(ship.read(road, seen, but=FIRST) for road in ROADS))
        shown = dict(zip(ROADS, read, strict=True))
    return Outcome(seen, shown, ship.complaints)


def test_every_line_counts(outcome: Outcome) -> None:
    assert outcome.complaints == []


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("domain", [*FACTS, *sorted(set(HOSTS.values()))])
def test_a_domain_shows_what_its_clients_and_origins_saw(outcome: Outcome, domain: str, road: str) -> None:
    key = "domains", (domain,)
    if domain != LEFT:
        assert outcome.shown[road].get(key) == outcome.seen.get(key)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("dataset", ["origins", "origin_insights"])
def test_origins_show_what_they_saw(outcome: Outcome, dataset: str, road: str) -> None:
    shown, seen = outcome.shown[road], outcome.seen
    assert without_latency(shown, dataset, but=("origin_far",)) == without_latency(seen, dataset, but=("origin_far",))


@pytest.mark.parametrize("road", ROADS)
def test_nothing_is_shown_that_nobody_saw(outcome: Outcome, road: str) -> None:
    assert outcome.shown[road].keys() == outcome.seen.keys()


@pytest.mark.parametrize("road", ROADS)
def test_every_response_of_an_origin_is_in_a_latency_bucket(outcome: Outcome, road: str) -> None:
    assert untimed(outcome.shown[road]) == []


@pytest.mark.parametrize("road", ROADS)
def test_of_a_client_that_left_more_counts_than_arrived_and_less_than_there_is(outcome: Outcome, road: str) -> None:
    key = "domains", (LEFT,)
    seen, said = outcome.seen[key], outcome.shown[road][key]
    assert SMALL - 1_000 < said["resp_body_bytes"] <= LARGE
    assert SMALL - 1_000 < said["origin_fetch_resp_body_bytes"] <= LARGE
    assert inexact(said) == inexact(seen)


def inexact(counters: Counter[str]) -> Counter[str]:
    """Leave out what depends on how much fits between the origin and the client."""
    return Counter({name: amount for name, amount in counters.items() if "body_bytes" not in name} | {"bandwidth": 0})
