"""
The real HAProxy, with what `edgetally formats haproxy` prints, between a client and origins that note every byte.

It logs to standard output, which goes to a file, by syslog over UDP and TCP, and to a socket, all into one `edgetally
serve`, and every counter that this then shows is compared with what the client and the origins saw. A domain is a fact,
as in test_nginx.py. What HAProxy does not know is not shown; of sizes, it knows so much: see SLACK.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.edges import common
from tests.edges.client import Answer
from tests.edges.common import Common, Teller
from tests.edges.facts import INVALID, METHODS, Facts, skip_or_fail
from tests.edges.haproxy import laboratory
from tests.edges.lab import Lab
from tests.edges.origin import Fetch
from tests.edges.shipped import Outcome, shipping, totals, untimed

pytestmark = skip_or_fail("haproxy", "openssl")

ROADS = ("file", "udp", "tcp")
"""Those that bring every line. Of a full unix socket, HAProxy drops what comes next; it says how many."""
SLACK = 50
"""Bytes of one header or one body, up to which HAProxy is wrong."""
LEFT = "a-client-that-leaves-a-download.example"
"""Whose bytes depend on how much fits between the origin and the client."""

FACTS = Facts()
fact = FACTS.note


def told(backend: str, fetch: Fetch) -> Fetch:
    """An origin is a backend. What it is sent is not known; of what comes, the framing of chunks is not."""
    body = fetch.beresp_body - fetch.beresp_framing
    return replace(fetch, origin=backend, bereq_header=0, bereq_body=0, beresp_body=body)


def unanswered(backend: str, fetch: Fetch) -> Fetch:
    return replace(told(backend, fetch), status=None, beresp_header=0, beresp_body=0)


def answered(answer: Answer) -> Answer:
    """Of an answer, the framing of chunks and a 100 Continue count nowhere."""
    return replace(answer, body_bytes=answer.body_bytes - answer.framing_bytes, interim_bytes=0)


TELL = Teller(fetched=lambda _, path: partial(told, backend(path)), answered=answered, cache=None)
book = TELL.book


def backend(path: str) -> str:
    return path.split("/")[1]


async def ask(
    lab: Lab,
    path: str,
    *,
    tell: Callable[[str, Fetch], Fetch | None] = told,
    **request: Any,  # noqa: ANN401 - see `Lab.request`
) -> Answer:
    return await TELL.ask(lab, path, told=partial(tell, backend(path)), **request)


# --- what clients and origins say -----------------------------------------------------------------------------------


@fact
async def answers_that_haproxy_makes(lab: Lab) -> None:
    for method in METHODS:
        for path in ("/text", "/moved"):
            await ask(lab, path, method=method)


# --- HTTP/2 and TLS -------------------------------------------------------------------------------------------------


@fact
async def a_handshake_that_fails_is_a_request_without_status_or_domain(lab: Lab) -> None:
    with pytest.raises(ssl.SSLError):
        async with lab.connect(ssl.create_default_context()):
            pass
    lab.book.answered(INVALID, Answer(None), tls="tls_v13")


# --- hosts and URLs -------------------------------------------------------------------------------------------------

HOSTS: dict[str | bytes, str] = {
    **common.HOSTS,
    "Hosts.Example:": "hosts.example",
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

Common(TELL, hosts=HOSTS).note(FACTS)


HOSTLESS = {
    b"GARBAGE\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
    b"GET /\xff\xfe HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET / FTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: www.example\r\nno colon\r\n\r\n": 400,
    b"GET /text HTTP/1.0\r\n\r\n": 200,
}


@fact
async def requests_that_cannot_be_read_or_name_no_host_are_for_no_domain(lab: Lab) -> None:
    for request, status in HOSTLESS.items():
        async with lab.connect() as connection:
            answer = await connection.ask(request)
            assert answer.status == status, request
            # Its own answer to what it could not read counts no bytes.
            book(lab, Answer(400) if status == 400 else answer, domain=INVALID)


# --- the cache ------------------------------------------------------------------------------------------------------

FRESH: dict[str, Any] = {"fields": {"Cache-Control": "max-age=600"}}


async def ask_in_turn(lab: Lab, path: str, requests: list[tuple[str, dict[str, Any]]]) -> None:
    """Make requests that are answered with these words about the cache."""
    for word, request in requests:
        answer = await ask(lab, path, **request)
        assert (answer.headers["x-cache"] == "HIT") == (word == "HIT")


@fact
async def misses_then_hits(lab: Lab) -> None:
    for size in (1, 10, 5_000):
        requests = [("MISS", FRESH), *(("HIT", {"method": method}) for method in ("GET", "HEAD", "GET"))]
        await ask_in_turn(lab, f"/cached/{size}", [(word, {"body": size, **request}) for word, request in requests])


@fact
async def conditional_requests_of_what_is_cached(lab: Lab) -> None:
    known, unknown = {"If-None-Match": '"v1"'}, {"If-None-Match": '"v0"'}
    first = {"etag": '"v1"', "body": 900, **FRESH}
    await ask_in_turn(lab, "/cached/x", [("MISS", first), ("HIT", {"headers": known}), ("HIT", {"headers": unknown})])


# --- origins that fail ----------------------------------------------------------------------------------------------


@fact
async def a_connection_that_is_refused_is_no_response(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/dead/", method=method)
        assert answer.status == 503
        lab.book.attempted(lab.domain, "dead")


@fact
async def a_server_that_is_down_is_not_asked(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/down/", method=method)
        assert answer.status == 503


@fact
async def of_several_tries_only_the_last_is_known(lab: Lab) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = await ask(lab, "/pool/", method=method)
        assert answer.status == 200

    def last(backend: str, fetch: Fetch) -> Fetch | None:
        return None if fetch.status == 503 else told(backend, fetch)

    answer = await ask(lab, "/pool_of_answers/", tell=last)
    assert answer.status == 200


@fact
async def an_origin_that_says_nothing_whole_is_no_response(lab: Lab) -> None:
    for path, fault, status in (
        ("/at_b/", "closes", 502),
        ("/at_b/", "half a header", 502),
        ("/at_b/", "garbage", 502),
        ("/impatient/", "silence", 504),
    ):
        answer = await ask(lab, path, fault=fault, tell=unanswered)
        assert answer.status == status


@fact
async def half_a_body_is_a_response(lab: Lab) -> None:
    await ask(lab, "/at_b/", fault="half a body", body=100)


# --- clients that leave ---------------------------------------------------------------------------------------------

SMALL, LARGE = 64_000, 8_000_000


@fact
async def a_client_that_leaves_before_the_answer_counts_as_one_who_stays(lab: Lab) -> None:
    answer = await ask(lab, "/impatient/", fault="silence", tell=unanswered)
    request = lab.request("/impatient/", fault="silence", told=partial(unanswered, "impatient"))
    async with lab.connect() as connection:
        await connection.send(request)
        await lab.origins["origin_b"].gates[lab.latest].arrived.wait()
        connection.abort()
    book(lab, answer)


@fact
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/far/", body=LARGE, told=partial(told, "far")))
        read = await connection.read(SMALL)
        connection.abort()
    header = read.index(b"\r\n\r\n") + 4
    lab.book.answered(lab.domain, Answer(200, header, len(read) - header))


# --- what came of it ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def all_of_it(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, int]:
    return asyncio.run(show_all(tmp_path_factory.mktemp("haproxy")))


@pytest.fixture(scope="module")
def outcome(all_of_it: tuple[Outcome, int]) -> Outcome:
    return all_of_it[0]


@pytest.fixture(scope="module")
def dropped(all_of_it: tuple[Outcome, int]) -> int:
    return all_of_it[1]


async def show_all(directory: Path) -> tuple[Outcome, int]:
    """Show all facts, and read what edgetally makes of them."""
    async with (
        shipping(directory, [directory / "haproxy.log"], "udp", "tcp", "unix") as ship,
        laboratory(directory, ship.port("udp"), ship.port("tcp")) as (lab, haproxy),
    ):
        for domain, show in FACTS.items():
            lab.domain = domain
            await show(lab)
        seen = lab.book.sums()
        shown = dict(zip(ROADS, await asyncio.gather(*(ship.read(road, seen) for road in ROADS)), strict=True))
        # By now, everything is logged.
        dropped = await haproxy.dropped()
        shown["unix"] = await ship.read("unix", seen, dropped=dropped)
    return Outcome(seen, shown, ship.complaints), dropped


def exact(counters: Counter[str] | None) -> Counter[str]:
    """Keep what HAProxy knows exactly."""
    kept = (counters or Counter()).items()
    inexact = ("_bytes", "bandwidth", "latency")
    return Counter({name: amount for name, amount in kept if not any(word in name for word in inexact)})


def test_every_line_counts(outcome: Outcome) -> None:
    assert outcome.complaints == []


@pytest.mark.parametrize("road", ROADS)
def test_everything_but_sizes_is_as_it_was(outcome: Outcome, road: str) -> None:
    shown, seen = outcome.shown[road], outcome.seen
    assert {key: exact(shown.get(key)) for key in shown | seen} == {key: exact(seen.get(key)) for key in shown | seen}


def test_a_unix_socket_brings_what_haproxy_did_not_drop(outcome: Outcome, dropped: int) -> None:
    shown, whole = outcome.shown["unix"], outcome.shown["file"]
    assert totals(shown)["requests"] + dropped == totals(whole)["requests"]
    for key, counters in shown.items():
        more = [name for name, amount in counters.items() if amount > whole[key][name] and "latency" not in name]
        assert more == [], key


@pytest.mark.parametrize("road", ROADS)
def test_sizes_are_nearly_as_they_were(outcome: Outcome, road: str) -> None:
    for key, seen in outcome.seen.items():
        if LEFT in key[1] or "far" in key[1]:
            continue
        shown = outcome.shown[road][key]
        messages = max(seen["requests"], seen["origin_fetches"], seen["responses"])
        for name in seen | shown:
            if name.endswith("_bytes"):
                assert abs(shown[name] - seen[name]) <= SLACK * messages, (key, name, shown[name], seen[name])


@pytest.mark.parametrize("road", ROADS)
def test_bodies_of_known_length_are_exact(outcome: Outcome, road: str) -> None:
    for domain in ("statuses-of-every-kind", "uploads-of-every-size-and-framing", "misses-then-hits"):
        key = "domains", (f"{domain}.example",)
        for name in ("resp_body_bytes", "edge_resp_body_bytes", "origin_fetch_resp_body_bytes"):
            assert outcome.shown[road][key][name] == outcome.seen[key][name], (domain, name)


@pytest.mark.parametrize("road", ROADS)
def test_what_origins_are_sent_is_not_shown(outcome: Outcome, road: str) -> None:
    assert not [key for key, shown in outcome.shown[road].items() if any("bereq" in name for name in shown)]


@pytest.mark.parametrize("road", ROADS)
def test_every_response_of_an_origin_is_in_a_latency_bucket(outcome: Outcome, road: str) -> None:
    assert untimed(outcome.shown[road]) == []


@pytest.mark.parametrize("road", ROADS)
def test_of_a_client_that_left_more_counts_than_arrived_and_less_than_there_is(outcome: Outcome, road: str) -> None:
    said = outcome.shown[road]["domains", (LEFT,)]
    for name in ("resp_body_bytes", "origin_fetch_resp_body_bytes"):
        assert SMALL - 1_000 < said[name] <= LARGE
