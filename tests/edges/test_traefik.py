"""
The real Traefik, with what `edgetally formats traefik` prints, between a client and origins that note every byte.

It logs to a file, or to standard output, into `edgetally serve --format traefik`, and every counter that this then
shows is compared with what the client and the origins saw. A domain is a fact, as in test_nginx.py. Traefik knows the
sizes of bodies, but of no header, and nothing of what it sends to origins; what it does not know is not shown. All
facts are shown twice, because Traefik logs by one road only.
"""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edges.client import Answer
from tests.edges.common import HOSTS_OF_GO, CommonOfGo, Teller, switch_protocols
from tests.edges.facts import INVALID, METHODS, Facts, skip_or_fail
from tests.edges.lab import Lab
from tests.edges.origin import HELD_BACK, Fetch
from tests.edges.reading import PATIENCE
from tests.edges.shipped import Outcome, pipe, shipping, without_latency
from tests.edges.traefik import FIRST, laboratory

pytestmark = skip_or_fail("traefik", "openssl")

ROADS = ("file", "stdin")

FACTS = Facts()
fact = FACTS.note


def told(fetch: Fetch) -> Fetch:
    """An origin is a service and its provider. Of sizes, only that of the body that came is known."""
    body = fetch.beresp_body - fetch.beresp_framing
    return replace(
        fetch, origin=f"{fetch.origin}@file", bereq_header=0, bereq_body=0, beresp_header=0, beresp_body=body
    )


def unanswered(fetch: Fetch) -> Fetch:
    return replace(told(fetch), status=None, beresp_body=0)


def answered(answer: Answer) -> Answer:
    """Of its body, without the framing of chunks."""
    return Answer(answer.status, 0, answer.body_bytes - answer.framing_bytes)


TELL = Teller(fetched=lambda *_: told, answered=answered)
ask, book = TELL.ask, TELL.book


def book_whole(lab: Lab, answer: Answer) -> None:
    """Book an answer of Traefik's own: to HEAD, it counts the body that it leaves out."""
    book(lab, replace(answer, body_bytes=int(answer.headers["content-length"])))


# --- what clients and origins say -----------------------------------------------------------------------------------


CommonOfGo(TELL).note(FACTS)


@fact
async def a_100_continue_counts_nowhere(lab: Lab) -> None:
    answer = await ask(lab, "/plain/", method="PUT", upload=5_000, headers={"Expect": "100-continue"})
    assert answer.interim_bytes


@fact
async def responses_that_traefik_compresses_count_as_they_are_sent(lab: Lab) -> None:
    """Of what came from the origin, nothing is known but that something came: 10 bytes stand for it."""

    def compressed(fetch: Fetch) -> Fetch:
        return replace(told(fetch), beresp_body=10)

    answer = await ask(lab, "/gzipped/", headers={"Accept-Encoding": "gzip"}, body=5_000, told=compressed)
    assert answer.headers["content-encoding"] == "gzip"


@fact
async def answers_that_traefik_makes(lab: Lab) -> None:
    for method in METHODS:
        for path, statuses in (("/moved", (302, 307)), ("/nowhere", (404,)), ("/down/", (503,))):
            answer = await lab.send(lab.request(path, method=method))
            assert answer.status in statuses
            book_whole(lab, answer)


@fact
async def a_switch_of_protocols_has_no_status_and_no_size(lab: Lab) -> None:
    """And its origin gave no response."""
    await switch_protocols(lab, told=unanswered)
    book(lab, Answer(None))


# --- origins that fail ----------------------------------------------------------------------------------------------


@fact
async def a_connection_that_is_refused_is_no_response(lab: Lab) -> None:
    for method in METHODS:
        answer = await lab.send(lab.request("/dead/", method=method))
        assert answer.status == 502
        book_whole(lab, answer)
        lab.book.attempted(lab.domain, "dead@file")


@fact
async def an_origin_that_says_nothing_whole_is_no_response(lab: Lab) -> None:
    for path, fault, status in (
        ("/other/", "closes", 502),
        ("/other/", "half a header", 500),
        ("/other/", "garbage", 500),
        ("/impatient/", "silence", 504),
    ):
        answer = await ask(lab, path, method="POST", fault=fault, told=unanswered)
        assert answer.status == status, (path, fault, answer.status)


@fact
async def half_a_body_is_no_response_but_counts_for_the_client(lab: Lab) -> None:
    """To whom Traefik may break off before it has sent any of it."""
    await lab.send(lab.request("/other/", fault="half a body", body=100, told=unanswered))
    lab.book.answered(lab.domain, Answer(200, 0, 100 - HELD_BACK), cache="")


# --- clients that leave ---------------------------------------------------------------------------------------------

SMALL, LARGE = 64_000, 8_000_000
LEFT = "a-client-that-leaves-a-download.example"
"""Whose bytes depend on how much fits between the origin and the client."""


@fact
async def a_client_that_leaves_before_the_answer_counts_as_499(lab: Lab) -> None:
    """With the text that it could no longer be sent."""
    request = lab.request("/other/", hold=True, told=unanswered)
    async with lab.connect() as connection:
        await connection.send(request)
        await lab.origins["other"].gates[lab.latest].arrived.wait()
        connection.abort()
    lab.book.answered(lab.domain, Answer(499, 0, len("Client Closed Request")), cache="")


@fact
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    """What its origin answered, Traefik then forgets."""
    async with lab.connect() as connection:
        await connection.send(lab.request("/far/", body=LARGE, told=unanswered))
        read = await connection.read(SMALL)
        connection.abort()
    header = read.index(b"\r\n\r\n") + 4
    lab.book.answered(lab.domain, Answer(200, 0, len(read) - header), cache="")


LONG = "/plain/" + "x" * 100_000


@fact
async def urls_of_100_kb_make_lines_of_100_kb(lab: Lab) -> None:
    await ask(lab, LONG)


# --- what came of it ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=ROADS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(show_all(request.param, tmp_path_factory.mktemp("traefik")))


async def show_all(road: str, directory: Path) -> Outcome:
    """Show all facts, and read what edgetally makes of them."""
    async with contextlib.AsyncExitStack() as stack:
        reading, writing = stack.enter_context(pipe())
        files = [directory / "edgetally.log"] if road == "file" else []
        ship = await stack.enter_async_context(shipping(directory, files, stdin=reading, format="traefik"))
        lab, traefik = await stack.enter_async_context(laboratory(directory, road, pipe=writing))
        for number, (domain, show) in enumerate(FACTS.items()):
            if files and number == len(FACTS) // 2:
                traefik.rotate(*files)
            lab.domain = domain
            async with asyncio.timeout(PATIENCE):
                await show(lab)
        seen = lab.book.sums()
        shown = await ship.read(road, seen, but=FIRST)
    return Outcome(seen, {road: shown}, ship.complaints)


def test_every_line_counts(outcome: Outcome) -> None:
    assert outcome.complaints == []


@pytest.mark.parametrize("domain", [*FACTS, *sorted({INVALID, *HOSTS_OF_GO.values()})])
def test_a_domain_shows_what_its_clients_and_origins_saw(outcome: Outcome, domain: str) -> None:
    (shown,) = outcome.shown.values()
    key = "domains", (domain,)
    if domain != LEFT:
        assert shown.get(key) == outcome.seen.get(key)


@pytest.mark.parametrize("dataset", ["origins", "origin_insights"])
def test_origins_show_what_they_saw(outcome: Outcome, dataset: str) -> None:
    (shown,) = outcome.shown.values()
    assert without_latency(shown, dataset) == without_latency(outcome.seen, dataset)


def test_nothing_is_shown_that_nobody_saw(outcome: Outcome) -> None:
    (shown,) = outcome.shown.values()
    assert shown.keys() == outcome.seen.keys()


def test_no_response_of_an_origin_is_in_a_latency_bucket(outcome: Outcome) -> None:
    (shown,) = outcome.shown.values()
    assert [key for key, counters in shown.items() if any("latency" in name for name in counters)] == []


def test_no_size_of_a_header_is_shown_and_none_of_what_origins_are_sent(outcome: Outcome) -> None:
    (shown,) = outcome.shown.values()
    unknown = ("header_bytes", "bereq_")
    assert [key for key, counters in shown.items() if any(word in name for name in counters for word in unknown)] == []


def test_of_a_client_that_left_more_counts_than_arrived_and_less_than_there_is(outcome: Outcome) -> None:
    (shown,) = outcome.shown.values()
    assert SMALL - 1_000 < shown["domains", (LEFT,)]["resp_body_bytes"] <= LARGE
