"""
The real Envoy, with what `edgetally formats envoy` prints, between a client and origins that note every byte.

It logs to a file and to a pipe, both into one `edgetally serve`, and every counter that this then shows is compared
with what the client and the origins saw. A domain is a fact, as in test_nginx.py. Where Envoy cannot tell what was on
the wire, the fact says what Envoy says instead. Envoy has no cache, so nothing is a hit or a miss.
"""

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edges.client import Answer
from tests.edges.common import ECHOED, HOSTS, Common, Teller, switch_protocols
from tests.edges.envoy import laboratory
from tests.edges.facts import INVALID, METHODS, Facts, skip_or_fail
from tests.edges.lab import Lab
from tests.edges.origin import Fetch
from tests.edges.reading import PATIENCE, add_up
from tests.edges.shipped import Outcome, pipe, shipping, totals, untimed, without_latency

pytestmark = skip_or_fail("envoy", "openssl")

ROADS = ("file", "stdin")

FACTS = Facts()
fact = FACTS.note


def told(fetch: Fetch) -> Fetch:
    """The framing of chunks counts as header, both ways."""
    return replace(
        fetch,
        bereq_header=fetch.bereq_header + fetch.bereq_framing,
        bereq_body=fetch.bereq_body - fetch.bereq_framing,
        beresp_header=fetch.beresp_header + fetch.beresp_framing,
        beresp_body=fetch.beresp_body - fetch.beresp_framing,
    )


def answered(answer: Answer) -> Answer:
    """The framing of chunks counts as header here, too, and so does a 100 Continue."""
    other = answer.framing_bytes + answer.interim_bytes
    body = answer.body_bytes - answer.framing_bytes
    return replace(answer, header_bytes=answer.header_bytes + other, body_bytes=body, interim_bytes=0)


TELL = Teller(fetched=lambda *_: told, answered=answered)
ask, book = TELL.ask, TELL.book


# --- what clients and origins say -----------------------------------------------------------------------------------


@fact
async def a_100_continue_counts_as_header(lab: Lab) -> None:
    answer = await ask(lab, "/plain/", method="PUT", upload=5_000, headers={"Expect": "100-continue"})
    assert answer.interim_bytes


@fact
async def answers_that_envoy_makes(lab: Lab) -> None:
    for method in METHODS:
        for path, status in (("/text", 200), ("/moved", 301), ("/nowhere", 404)):
            answer = await ask(lab, path, method=method)
            assert answer.status == status


@fact
async def what_follows_a_switch_of_protocols_counts_as_body(lab: Lab) -> None:
    answer = await switch_protocols(lab, told=told)
    book(lab, replace(answer, body_bytes=len(ECHOED)))


# --- hosts and URLs -------------------------------------------------------------------------------------------------

Common(TELL, hosts=HOSTS).note(FACTS)

REFUSED_HOSTS: dict[str | bytes, str] = {
    "bücher.example": INVALID,
    b"\xff\xfe\x80.example": INVALID,
    '"quoted".example': INVALID,
    "hosts example": INVALID,
}


@fact
async def a_host_that_envoy_refuses_is_invalid(lab: Lab) -> None:
    for host, domain in REFUSED_HOSTS.items():
        answer = await ask(lab, "/plain/", host=host, domain=domain)
        assert answer.status == 400, host


@fact
async def the_host_that_the_client_said_counts_where_it_is_rewritten(lab: Lab) -> None:
    await ask(lab, "/renamed/")


@fact
async def a_client_may_say_what_the_host_was(lab: Lab) -> None:
    await ask(lab, "/plain/", host="other.example", headers={"X-Envoy-Original-Host": lab.domain})


HOSTLESS = {
    b"GARBAGE\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"GET /\xff\xfe HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: www.example\r\nno colon\r\n\r\n": 400,
}


@fact
async def requests_that_cannot_be_read_are_for_no_domain(lab: Lab) -> None:
    for request, status in HOSTLESS.items():
        async with lab.connect() as connection:
            answer = await connection.ask(request)
            assert answer.status == status, request
            book(lab, answer, domain=INVALID)


@fact
async def what_another_pop_is_asked_is_no_fetch(lab: Lab) -> None:
    await ask(lab, "/inner/", told=lambda _: None)


# --- origins that fail ----------------------------------------------------------------------------------------------


@fact
async def a_connection_that_is_refused_is_no_response(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/dead/", method=method)
        assert answer.status == 503
        lab.book.attempted(lab.domain, "dead")


@fact
async def a_cluster_without_servers_is_not_asked(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/down/", method=method)
        assert answer.status == 503


@fact
async def the_503_of_an_origin_is_passed_on(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/busy/", method=method)
        assert answer.status == 503


@fact
async def a_refused_connection_and_its_retry_are_two_fetches(lab: Lab) -> None:
    refused = 0
    for _ in range(4):
        answer = await ask(lab, "/half_dead/", body=300, told=lambda fetch: replace(told(fetch), origin="half_dead"))
        assert answer.status == 200
        refused += int(answer.headers["x-envoy-attempt-count"]) - 1
    assert refused
    lab.book.attempted(lab.domain, "half_dead", times=refused)


@fact
async def a_later_try_has_the_bytes_of_those_before_as_well(lab: Lab) -> None:
    """Every try has its own status, and counts where it went."""
    before: dict[str, list[Fetch]] = defaultdict(list)

    def summed(fetch: Fetch) -> Fetch:
        # The body of an answer that is thrown away is read, but not counted as body.
        if fetch.status == 503:
            fetch = replace(fetch, beresp_header=fetch.beresp_header + fetch.beresp_body, beresp_body=0)
        earlier = before[fetch.request_id]
        earlier.append(fetch)
        return replace(
            fetch,
            origin="half_busy",
            bereq_header=sum(one.bereq_header + one.bereq_body for one in earlier) - fetch.bereq_body,
            beresp_header=sum(one.beresp_header + one.beresp_body for one in earlier) - fetch.beresp_body,
        )

    for method, upload in (("GET", 0), ("POST", 500), ("GET", 0), ("PUT", 500)):
        answer = await ask(lab, "/half_busy/", method=method, upload=upload, body=300, told=summed)
        assert answer.status == 200
    lab.book.sums()
    assert max(len(fetches) for fetches in before.values()) == 2


def unanswered(fetch: Fetch) -> Fetch:
    return replace(fetch, status=None, beresp_header=fetch.beresp_header + fetch.beresp_body, beresp_body=0)


@fact
async def an_origin_that_says_nothing_whole_is_no_response(lab: Lab) -> None:
    """What came counts as header."""
    for path, fault, status in (
        ("/other/", "closes", 503),
        ("/other/", "half a header", 502),
        ("/other/", "garbage", 502),
        ("/impatient/", "silence", 504),
    ):
        answer = await ask(lab, path, fault=fault, told=lambda fetch: replace(unanswered(fetch), origin="other"))
        assert answer.status == status


@fact
async def half_a_body_is_a_response(lab: Lab) -> None:
    await ask(lab, "/other/", fault="half a body", body=100)


# --- clients that leave ---------------------------------------------------------------------------------------------

SMALL, LARGE = 64_000, 8_000_000
LEFT = "a-client-that-leaves-a-download.example"
"""Whose bytes depend on how much fits between the origin and the client."""


@fact
async def a_client_that_leaves_before_the_answer_counts_without_status(lab: Lab) -> None:
    for upload in (0, 500):
        request = lab.request("/other/", method="POST", upload=upload, hold=True, told=unanswered)
        async with lab.connect() as connection:
            await connection.send(request)
            await lab.origins["other"].gates[lab.latest].arrived.wait()
            connection.abort()
        lab.book.answered(lab.domain, Answer(None), cache="")


@fact
async def a_client_that_leaves_an_upload_counts_without_status(lab: Lab) -> None:
    request = lab.request("/other/", method="POST", upload=500, told=told)
    async with lab.connect() as connection:
        await connection.send(request[:-100])
        await lab.origins["other"].gates[lab.latest].asked.wait()
        connection.end()
        await connection.answer()
    lab.book.answered(lab.domain, Answer(None), cache="")


@fact
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/far/", body=LARGE, told=told))
        read = await connection.read(SMALL)
        connection.abort()
    header = read.index(b"\r\n\r\n") + 4
    lab.book.answered(lab.domain, Answer(200, header, len(read) - header), cache="")


# --- what came of it ------------------------------------------------------------------------------------------------

SHOP = "shop.example"
"""A virtual host that says of which service it is."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(show_all(tmp_path_factory.mktemp("envoy")))


async def show_all(directory: Path) -> Outcome:
    """Show all facts, and read what edgetally makes of them."""
    async with contextlib.AsyncExitStack() as stack:
        reading, writing = stack.enter_context(pipe())
        log = directory / "edgetally.log"
        ship = await stack.enter_async_context(shipping(directory, [log], stdin=reading))
        lab, envoy = await stack.enter_async_context(laboratory(directory, pipe=writing))
        await lab.send(lab.request("/", host=SHOP, told=lambda _: None))
        for number, (domain, show) in enumerate(FACTS.items()):
            if number == len(FACTS) // 2:
                envoy.rotate()
            lab.domain = domain
            async with asyncio.timeout(PATIENCE):
                await show(lab)
        seen = lab.book.sums()
        shown = {road: await ship.read(road, seen) for road in ROADS}
        shown[SHOP] = add_up(await ship.entries("shop"))
    return Outcome(seen, shown, ship.complaints)


def test_every_line_counts(outcome: Outcome) -> None:
    assert outcome.complaints == []


def test_a_virtual_host_may_say_of_which_service_it_is(outcome: Outcome) -> None:
    assert totals(outcome.shown[SHOP]) == dict.fromkeys(("requests", "origin_fetches"), len(ROADS))


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("domain", [*FACTS, *sorted({INVALID, *HOSTS.values()})])
def test_a_domain_shows_what_its_clients_and_origins_saw(outcome: Outcome, domain: str, road: str) -> None:
    key = "domains", (domain,)
    if domain != LEFT:
        assert outcome.shown[road].get(key) == outcome.seen.get(key)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("dataset", ["origins", "origin_insights"])
def test_origins_show_what_they_saw(outcome: Outcome, dataset: str, road: str) -> None:
    shown, seen = outcome.shown[road], outcome.seen
    assert without_latency(shown, dataset, but=("far",)) == without_latency(seen, dataset, but=("far",))


@pytest.mark.parametrize("road", ROADS)
def test_nothing_is_shown_that_nobody_saw(outcome: Outcome, road: str) -> None:
    assert outcome.shown[road].keys() == outcome.seen.keys()


@pytest.mark.parametrize("road", ROADS)
def test_every_response_of_an_origin_is_in_a_latency_bucket(outcome: Outcome, road: str) -> None:
    assert untimed(outcome.shown[road]) == []


@pytest.mark.parametrize("road", ROADS)
def test_nothing_is_a_hit_or_a_miss(outcome: Outcome, road: str) -> None:
    assert [
        key for key, shown in outcome.shown[road].items() if shown["edge_hit_requests"] + shown["edge_miss_requests"]
    ] == []


@pytest.mark.parametrize("road", ROADS)
def test_of_a_client_that_left_more_counts_than_arrived_and_less_than_there_is(outcome: Outcome, road: str) -> None:
    said = outcome.shown[road]["domains", (LEFT,)]
    for name in ("resp_body_bytes", "origin_fetch_resp_body_bytes"):
        assert SMALL - 1_000 < said[name] <= LARGE
