"""
The real Envoy, with what `edgetally formats envoy` prints, between a client and origins that count every byte.

It logs to a file and to a pipe, both into one `edgetally serve`. Every counter that the API then shows is compared with
what the client and the origins observed. Scenarios are as in test_nginx.py. Where Envoy cannot log what was on the
wire, the scenario says what it logs instead. Envoy has no cache, so nothing is a hit or a miss.
"""

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edges.common import (
    ECHOED,
    HOSTS,
    UNREADABLE,
    Common,
    Failures,
    LogModel,
    ask_each,
    framing_as_header,
    switch_protocols,
)
from tests.edges.conformance import ExactConformance
from tests.support.edges.client import Answer
from tests.support.edges.envoy import envoy_lab
from tests.support.edges.lab import Lab
from tests.support.edges.observed import discarded, not_logged
from tests.support.edges.origin import Fetch
from tests.support.edges.receiver import Outcome, receiving
from tests.support.edges.scenarios import INVALID, METHODS, Scenarios
from tests.support.edges.servers import pipe
from tests.support.edges.sums import of_entries, totals
from tests.support.programs import skip_or_fail

pytestmark = skip_or_fail("envoy", "openssl")

TRANSPORTS = ("file", "stdin")

SCENARIOS = Scenarios()
scenario = SCENARIOS.scenario


def logged(fetch: Fetch) -> Fetch:
    """Log chunked framing as header, both ways."""
    return replace(
        fetch,
        bereq_header=fetch.bereq_header + fetch.bereq_framing,
        bereq_body=fetch.bereq_body - fetch.bereq_framing,
        beresp_header=fetch.beresp_header + fetch.beresp_framing,
        beresp_body=fetch.beresp_body - fetch.beresp_framing,
    )


def without_response(fetch: Fetch) -> Fetch:
    """Log what came as header."""
    return replace(discarded(fetch), status=None)


LOG = LogModel(fetch=lambda _: logged, response=framing_as_header)
ask, note = LOG.ask, LOG.note


# --- what clients and origins send ----------------------------------------------------------------------------------


@scenario
async def responses_that_envoy_makes(lab: Lab) -> None:
    for method in METHODS:
        for path, status in (("/text", 200), ("/moved", 301), ("/nowhere", 404)):
            answer = await ask(lab, path, method=method)
            assert answer.status == status


@scenario
async def what_follows_a_switch_of_protocols_counts_as_body(lab: Lab) -> None:
    answer = await switch_protocols(lab, logged=logged)
    note(lab, replace(answer, body_bytes=len(ECHOED)))


# --- hosts and URLs -------------------------------------------------------------------------------------------------

COMMON = Common(log=LOG, hosts=HOSTS)
SCENARIOS.add(*COMMON.messages(), *COMMON.tls(), COMMON.a_100_continue_before_the_response)

REFUSED_HOSTS: dict[str | bytes, str] = {
    "bücher.example": INVALID,
    b"\xff\xfe\x80.example": INVALID,
    '"quoted".example': INVALID,
    "hosts example": INVALID,
}


@scenario
async def a_host_that_envoy_refuses_is_invalid(lab: Lab) -> None:
    for host, domain in REFUSED_HOSTS.items():
        answer = await ask(lab, "/plain/", host=host, domain=domain)
        assert answer.status == 400, host


@scenario
async def the_host_that_the_client_sent_counts_if_it_is_rewritten(lab: Lab) -> None:
    await ask(lab, "/renamed/")


@scenario
async def a_client_can_set_the_original_host(lab: Lab) -> None:
    await ask(lab, "/plain/", host="other.example", headers={"X-Envoy-Original-Host": lab.domain})


HOSTLESS = {
    **UNREADABLE,
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"GET /\xff\xfe HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
}


@scenario
async def requests_that_cannot_be_parsed_are_for_no_domain(lab: Lab) -> None:
    for answer in await ask_each(lab, HOSTLESS):
        note(lab, answer, domain=INVALID)


@scenario
async def a_request_to_another_pop_is_not_a_fetch(lab: Lab) -> None:
    await ask(lab, "/inner/", logged=not_logged)


# --- origins that fail ----------------------------------------------------------------------------------------------


@scenario
async def a_refused_connection_and_its_retry_are_two_fetches(lab: Lab) -> None:
    def of_cluster(fetch: Fetch) -> Fetch:
        return replace(logged(fetch), origin="half_dead")

    refused = 0
    for _ in range(4):
        answer = await ask(lab, "/half_dead/", body=300, logged=of_cluster)
        assert answer.status == 200
        refused += int(answer.headers["x-envoy-attempt-count"]) - 1
    assert refused
    lab.observed.attempt(lab.domain, "half_dead", times=refused)


@scenario
async def a_later_try_has_the_bytes_of_those_before_as_well(lab: Lab) -> None:
    """Every try has its own status, and counts where it went."""
    before: dict[str, list[Fetch]] = defaultdict(list)

    def summed(fetch: Fetch) -> Fetch:
        if fetch.status == 503:
            fetch = discarded(fetch)
        earlier = before[fetch.request_id]
        earlier.append(fetch)
        return replace(
            fetch,
            origin="half_busy",
            bereq_header=sum(one.bereq_header + one.bereq_body for one in earlier) - fetch.bereq_body,
            beresp_header=sum(one.beresp_header + one.beresp_body for one in earlier) - fetch.beresp_body,
        )

    for method, upload in (("GET", 0), ("POST", 500), ("GET", 0), ("PUT", 500)):
        answer = await ask(lab, "/half_busy/", method=method, upload=upload, body=300, logged=summed)
        assert answer.status == 200
    lab.observed.sums()
    assert max(len(fetches) for fetches in before.values()) == 2


FAILURES = Failures(
    log=LOG,
    without_response=lambda *_: without_response,
    faults=(
        ("/other/", "closes", 503),
        ("/other/", "half a header", 502),
        ("/other/", "garbage", 502),
        ("/impatient/", "silence", 504),
    ),
)
SCENARIOS.add(*FAILURES.scenarios())


# --- clients that leave ---------------------------------------------------------------------------------------------


@scenario
async def a_client_that_leaves_before_the_response_has_no_status(lab: Lab) -> None:
    for upload in (0, 500):
        request = lab.request("/other/", method="POST", upload=upload, hold=True, logged=without_response)
        await lab.leave_before_response(request, "other")
        note(lab, Answer(None))


@scenario
async def a_client_that_leaves_an_upload_counts_without_status(lab: Lab) -> None:
    request = lab.request("/other/", method="POST", upload=500, logged=logged)
    async with lab.connect() as connection:
        await connection.send(request[:-100])
        await lab.origins["other"].progress[lab.latest].header_received.wait()
        connection.end()
        await connection.answer()
    note(lab, Answer(None))


@scenario
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    note(lab, await lab.leave_download(logged=logged))


# --- the outcome ----------------------------------------------------------------------------------------------------

SHOP = "shop.example"
"""A virtual host that names its service."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(run_all(tmp_path_factory.mktemp("envoy")))


async def run_all(directory: Path) -> Outcome:
    """Run all scenarios, and read what edgetally makes of them."""
    async with contextlib.AsyncExitStack() as stack:
        reading, writing = stack.enter_context(pipe())
        log = directory / "edgetally.log"
        receiver = await stack.enter_async_context(receiving(directory, [log], stdin=reading))
        lab, envoy = await stack.enter_async_context(envoy_lab(directory, pipe=writing))
        await lab.send(lab.request("/", host=SHOP, logged=not_logged))
        await SCENARIOS.run(lab, stop=SCENARIOS.middle)
        envoy.rotate()
        await SCENARIOS.run(lab, SCENARIOS.middle)
        seen = lab.observed.sums()
        shown = {transport: await receiver.read(transport, seen) for transport in TRANSPORTS}
        shown[SHOP] = of_entries(await receiver.entries("shop"))
    return Outcome(seen, shown, receiver.complaints, channels=receiver.channels, written=receiver.written)


class TestEnvoy(ExactConformance):
    TIME = rb'"duration_ms":"?[0-9]+'
    TRANSPORTS = TRANSPORTS
    DOMAINS = (*SCENARIOS, *sorted({INVALID, *HOSTS.values()}))
    INEXACT = ("far",)


def test_a_virtual_host_can_name_its_service(outcome: Outcome) -> None:
    assert totals(outcome.shown[SHOP]) == dict.fromkeys(("requests", "origin_fetches"), len(TRANSPORTS))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_a_hit_or_a_miss(outcome: Outcome, transport: str) -> None:
    shown = outcome.shown[transport]
    assert [key for key, one in shown.items() if one["edge_hit_requests"] + one["edge_miss_requests"]] == []
