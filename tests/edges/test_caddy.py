"""
The real Caddy, with what `edgetally formats caddy` prints, between a client and origins that note every byte.

It logs to a file, over UDP and over TCP, all into one `edgetally serve --format caddy`, and every counter that this
then shows is compared with what the client and the origins saw. A domain is a fact, as in test_nginx.py. Caddy knows no
size but that of the body that it sends, and what it does not know is not shown. All facts are shown twice: of Debian's
Caddy, which can only log headers that it also sends, and of a new one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edges.caddy import PROGRAMS, Caddy, laboratory
from tests.edges.client import Answer
from tests.edges.common import ECHOED, HOSTS_OF_GO, CommonOfGo, Teller, switch_protocols
from tests.edges.facts import INVALID, METHODS, Facts, skip_or_fail
from tests.edges.lab import Lab
from tests.edges.origin import Fetch
from tests.edges.reading import PATIENCE
from tests.edges.shipped import Outcome, shipping, untimed, without_latency

pytestmark = skip_or_fail("openssl")
VERSIONS = [pytest.param(version, marks=skip_or_fail(path)) for version, path in PROGRAMS.items()]

ROADS = ("file", "udp", "tcp")

FACTS = Facts()
fact = FACTS.note


def is_old(lab: Lab) -> bool:
    assert isinstance(lab.edge, Caddy)
    return lab.edge.is_old


def told(fetch: Fetch) -> Fetch:
    return replace(fetch, bereq_header=0, bereq_body=0, beresp_header=0, beresp_body=0)


def unanswered(lab: Lab) -> Callable[[Fetch], Fetch | None]:
    """An old Caddy tells nothing of it."""
    return lambda fetch: None if is_old(lab) else replace(told(fetch), status=None)


def answered(answer: Answer) -> Answer:
    """Of its body, without the framing of chunks."""
    return Answer(answer.status, 0, answer.body_bytes - answer.framing_bytes)


TELL = Teller(fetched=lambda *_: told, answered=answered)
ask, book = TELL.ask, TELL.book


# --- what clients and origins say -----------------------------------------------------------------------------------


CommonOfGo(TELL).note(FACTS)


@fact
async def a_100_continue_counts_nowhere(lab: Lab) -> None:
    answer = await ask(lab, "/plain/", method="PUT", upload=5_000, headers={"Expect": "100-continue"})
    assert answer.interim_bytes


@fact
async def responses_that_caddy_compresses_count_as_they_are_sent(lab: Lab) -> None:
    answer = await ask(lab, "/gzipped/", headers={"Accept-Encoding": "gzip"}, body=5_000)
    assert answer.headers["content-encoding"] == "gzip"


@fact
async def answers_that_caddy_makes(lab: Lab) -> None:
    """To HEAD, it counts the body that it leaves out."""
    text = await ask(lab, "/text")
    for method in METHODS:
        for path, status in (("/text", 200), ("/moved", 301), ("/nowhere", 404)):
            answer = await lab.send(lab.request(path, method=method))
            assert answer.status == status
            book(lab, replace(answer, body_bytes=text.body_bytes) if path == "/text" else answer)


@fact
async def a_switch_of_protocols(lab: Lab) -> None:
    """An old Caddy logs 0, which is no status, and no size; a new one counts what follows as body."""
    answer = await switch_protocols(lab, told=told)
    book(lab, Answer(None) if is_old(lab) else replace(answer, body_bytes=len(ECHOED)))


# --- origins that fail ----------------------------------------------------------------------------------------------


@fact
async def a_connection_that_is_refused_is_no_response(lab: Lab) -> None:
    for method in METHODS:
        answer = await ask(lab, "/dead/", method=method)
        assert answer.status == 502
        if not is_old(lab):
            lab.book.attempted(lab.domain, "dead")


@fact
async def an_origin_that_says_nothing_whole_is_no_response(lab: Lab) -> None:
    for path, fault, status in (
        ("/other/", "closes", 502),
        ("/other/", "half a header", 502),
        ("/other/", "garbage", 502),
        ("/impatient/", "silence", 504),
    ):
        answer = await ask(lab, path, method="POST", fault=fault, told=unanswered(lab))
        assert answer.status == status


@fact
async def half_a_body_is_a_response_of_which_an_old_caddy_says_more(lab: Lab) -> None:
    """The new one leaves out what it was told to append."""
    await ask(lab, "/other/", fault="half a body", body=100, told=told if is_old(lab) else lambda _: None)


# --- clients that leave ---------------------------------------------------------------------------------------------

SMALL, LARGE = 64_000, 8_000_000
LEFT = "a-client-that-leaves-a-download.example"
"""Whose bytes depend on how much fits between the origin and the client."""


@fact
async def a_client_that_leaves_before_the_answer(lab: Lab) -> None:
    """An old Caddy logs 0, which is no status, a new one 499."""
    request = lab.request("/other/", method="GET", hold=True, told=unanswered(lab))
    async with lab.connect() as connection:
        await connection.send(request)
        await lab.origins["other"].gates[lab.latest].arrived.wait()
        connection.abort()
    lab.book.answered(lab.domain, Answer(None if is_old(lab) else 499), cache="")


@fact
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    async with lab.connect() as connection:
        await connection.send(lab.request("/far/", body=LARGE, told=told if is_old(lab) else lambda _: None))
        read = await connection.read(SMALL)
        connection.abort()
    header = read.index(b"\r\n\r\n") + 4
    lab.book.answered(lab.domain, Answer(200, 0, len(read) - header), cache="")


# --- what came of it ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=VERSIONS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(show_all(request.param, tmp_path_factory.mktemp("caddy")))


async def show_all(version: str, directory: Path) -> Outcome:
    """Show all facts, and read what edgetally makes of them."""
    async with (
        shipping(directory, [directory / "edgetally.log"], "udp", "tcp", format="caddy") as ship,
        laboratory(version, directory, ship.port("udp"), ship.port("tcp")) as (lab, _),
    ):
        for domain, show in FACTS.items():
            lab.domain = domain
            async with asyncio.timeout(PATIENCE):
                await show(lab)
        seen = lab.book.sums()
        shown = {road: await ship.read(road, seen) for road in ROADS}
    return Outcome(seen, shown, ship.complaints)


def test_every_line_counts(outcome: Outcome) -> None:
    assert outcome.complaints == []


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("domain", [*FACTS, *sorted({INVALID, *HOSTS_OF_GO.values()})])
def test_a_domain_shows_what_its_clients_and_origins_saw(outcome: Outcome, domain: str, road: str) -> None:
    key = "domains", (domain,)
    if domain != LEFT:
        assert outcome.shown[road].get(key) == outcome.seen.get(key)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("dataset", ["origins", "origin_insights"])
def test_origins_show_what_they_saw(outcome: Outcome, dataset: str, road: str) -> None:
    assert without_latency(outcome.shown[road], dataset) == without_latency(outcome.seen, dataset)


@pytest.mark.parametrize("road", ROADS)
def test_nothing_is_shown_that_nobody_saw(outcome: Outcome, road: str) -> None:
    assert outcome.shown[road].keys() == outcome.seen.keys()


@pytest.mark.parametrize("road", ROADS)
def test_every_response_of_an_origin_is_in_a_latency_bucket(outcome: Outcome, road: str) -> None:
    assert untimed(outcome.shown[road]) == []


@pytest.mark.parametrize("road", ROADS)
def test_no_size_is_shown_but_that_of_bodies_for_clients(outcome: Outcome, road: str) -> None:
    known = {"resp_body_bytes", "edge_resp_body_bytes"}
    for (dataset, key), shown in outcome.shown[road].items():
        sizes = {name for name, amount in shown.items() if name.endswith("_bytes") and amount}
        assert sizes <= (known if dataset == "domains" else set()), key


@pytest.mark.parametrize("road", ROADS)
def test_of_a_client_that_left_more_counts_than_arrived_and_less_than_there_is(outcome: Outcome, road: str) -> None:
    assert SMALL - 1_000 < outcome.shown[road]["domains", (LEFT,)]["resp_body_bytes"] <= LARGE
