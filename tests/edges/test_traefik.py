"""
The real Traefik, with what `edgetally formats traefik` prints, between a client and origins that count every byte.

It logs to a file, or to standard output, into `edgetally serve --format traefik`. Every counter that the API then shows
is compared with what the client and the origins observed. Scenarios are as in test_nginx.py. Traefik logs sizes of
bodies only, and none sent to origins; what it does not log is not shown. All scenarios run twice, because Traefik logs
by one transport only.
"""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edges.common import GO_HOSTS, Failures, GoCommon, LogModel, body_only, switch_protocols
from tests.edges.conformance import ExactConformance
from tests.support.edges.client import Answer
from tests.support.edges.lab import Lab
from tests.support.edges.origin import HELD_BACK, Fetch
from tests.support.edges.receiver import Outcome, receiving
from tests.support.edges.scenarios import INVALID, METHODS, Scenarios
from tests.support.edges.servers import pipe
from tests.support.edges.traefik import FIRST, traefik_lab
from tests.support.programs import skip_or_fail

pytestmark = skip_or_fail("traefik", "openssl")

TRANSPORTS = ("file", "stdin")

SCENARIOS = Scenarios()
scenario = SCENARIOS.scenario


def logged(fetch: Fetch) -> Fetch:
    """Log as origin a service and its provider; of sizes, only that of the body that came."""
    body = fetch.beresp_body - fetch.beresp_framing
    return replace(
        fetch, origin=f"{fetch.origin}@file", bereq_header=0, bereq_body=0, beresp_header=0, beresp_body=body
    )


def without_response(fetch: Fetch) -> Fetch:
    return replace(logged(fetch), status=None, beresp_body=0)


LOG = LogModel(fetch=lambda _: logged, response=body_only)
ask, note = LOG.ask, LOG.note
COMMON = GoCommon(log=LOG)
SCENARIOS.add(*COMMON.messages(), *COMMON.tls())


def note_whole(lab: Lab, answer: Answer) -> None:
    """Note a response of Traefik's own: for HEAD, it counts the body that it does not send."""
    note(lab, replace(answer, body_bytes=int(answer.headers["content-length"])))


# --- what clients and origins send ----------------------------------------------------------------------------------


@scenario
async def responses_that_traefik_compresses_count_as_they_are_sent(lab: Lab) -> None:
    """Of what the origin sent, only 10 bytes are logged."""

    def compressed(fetch: Fetch) -> Fetch:
        return replace(logged(fetch), beresp_body=10)

    answer = await ask(lab, "/gzipped/", headers={"Accept-Encoding": "gzip"}, body=5_000, logged=compressed)
    assert answer.headers["content-encoding"] == "gzip"


@scenario
async def responses_that_traefik_makes(lab: Lab) -> None:
    for method in METHODS:
        for path, statuses in (("/moved", (302, 307)), ("/nowhere", (404,)), ("/down/", (503,))):
            answer = await lab.send(lab.request(path, method=method))
            assert answer.status in statuses
            note_whole(lab, answer)


@scenario
async def a_switch_of_protocols_has_no_status_and_no_size(lab: Lab) -> None:
    """And its origin gave no response."""
    await switch_protocols(lab, logged=without_response)
    note(lab, Answer(None))


# --- origins that fail ----------------------------------------------------------------------------------------------


@scenario
async def an_origin_that_refuses_the_connection_is_no_response(lab: Lab) -> None:
    for method in METHODS:
        answer = await lab.send(lab.request("/dead/", method=method))
        assert answer.status == 502
        note_whole(lab, answer)
        lab.observed.attempt(lab.domain, "dead@file")


FAILURES = Failures(
    log=LOG,
    without_response=lambda *_: without_response,
    method="POST",
    faults=(
        ("/other/", "closes", 502),
        ("/other/", "half a header", 500),
        ("/other/", "garbage", 500),
        ("/impatient/", "silence", 504),
    ),
)
SCENARIOS.add(FAILURES.an_origin_that_sends_no_whole_header_is_no_response)


@scenario
async def half_a_body_is_no_response_but_counts_for_the_client(lab: Lab) -> None:
    """Traefik may break off before it has sent any of it."""
    await lab.send(lab.request("/other/", fault="half a body", body=100, logged=without_response))
    note(lab, Answer(200, 0, 100 - HELD_BACK))


# --- clients that leave ---------------------------------------------------------------------------------------------


@scenario
async def a_client_that_leaves_before_the_response_counts_as_499(lab: Lab) -> None:
    """With the text that could not be sent."""
    await lab.leave_before_response(lab.request("/other/", hold=True, logged=without_response), "other")
    note(lab, Answer(499, 0, len("Client Closed Request")))


@scenario
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    """Traefik then does not log what its origin answered."""
    note(lab, await lab.leave_download(logged=without_response))


LONG = "/plain/" + "x" * 100_000


@scenario
async def urls_of_100_kb_make_lines_of_100_kb(lab: Lab) -> None:
    await ask(lab, LONG)


# --- the outcome ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=TRANSPORTS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(run_all(request.param, tmp_path_factory.mktemp("traefik")))


@pytest.fixture
def transport(outcome: Outcome) -> str:
    """Return the only transport of the outcome."""
    (transport,) = outcome.shown
    return transport


async def run_all(transport: str, directory: Path) -> Outcome:
    """Run all scenarios, and read what edgetally makes of them."""
    async with contextlib.AsyncExitStack() as stack:
        reading, writing = stack.enter_context(pipe())
        files = [directory / "edgetally.log"] if transport == "file" else []
        receiver = await stack.enter_async_context(receiving(directory, files, stdin=reading, format="traefik"))
        lab, traefik = await stack.enter_async_context(traefik_lab(directory, transport, pipe=writing))
        await SCENARIOS.run(lab, stop=SCENARIOS.middle)
        for file in files:
            traefik.rotate(file)
        await SCENARIOS.run(lab, SCENARIOS.middle)
        seen = lab.observed.sums()
        shown = await receiver.read(transport, seen, without=FIRST)
    return Outcome(seen, {transport: shown}, receiver.complaints, channels=receiver.channels, written=receiver.written)


class TestTraefik(ExactConformance):
    TIME = rb'"Duration":[0-9]+'
    CLIENT = rb'"ClientHost":"127.0.0.1"'
    DOMAINS = (*SCENARIOS, *sorted({INVALID, *GO_HOSTS.values()}))
    LATENCIES = False
    DOWNLOAD_SIZES = ("resp_body_bytes",)


def test_no_size_of_a_header_and_no_size_sent_to_origins_is_shown(outcome: Outcome, transport: str) -> None:
    shown, unknown = outcome.shown[transport], ("header_bytes", "bereq_")
    assert [key for key, counters in shown.items() if any(word in name for name in counters for word in unknown)] == []
