"""
The real Caddy, with what `edgetally formats caddy` prints, between a client and origins that count every byte.

It logs to a file, over UDP and over TCP, all into one `edgetally serve --format caddy`. Every counter that the API then
shows is compared with what the client and the origins observed. Scenarios are as in test_nginx.py. Caddy logs only the
size of the body that it sends; what it does not log is not shown. All scenarios run twice: with Debian's Caddy, which
can only log headers that it also sends, and with a new one.
"""

import asyncio
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edges.common import ECHOED, GO_HOSTS, Failures, GoCommon, LogModel, body_only, switch_protocols
from tests.edges.conformance import ExactConformance
from tests.support.edges.caddy import PROGRAMS, Caddy, caddy_lab
from tests.support.edges.client import Answer
from tests.support.edges.lab import Lab
from tests.support.edges.observed import Logged, not_logged
from tests.support.edges.origin import Fetch
from tests.support.edges.receiver import Outcome, receiving
from tests.support.edges.scenarios import INVALID, METHODS, Scenarios
from tests.support.programs import skip_or_fail

pytestmark = skip_or_fail("openssl")
VERSIONS = [pytest.param(version, marks=skip_or_fail(path)) for version, path in PROGRAMS.items()]

TRANSPORTS = ("file", "udp", "tcp")

SCENARIOS = Scenarios()
scenario = SCENARIOS.scenario


def is_old(lab: Lab) -> bool:
    assert isinstance(lab.edge, Caddy)
    return lab.edge.is_old


def logged(fetch: Fetch) -> Fetch:
    """Log no sizes."""
    return replace(fetch, bereq_header=0, bereq_body=0, beresp_header=0, beresp_body=0)


def without_response(lab: Lab, _: str = "") -> Logged:
    """An old Caddy does not log it."""
    return not_logged if is_old(lab) else lambda fetch: replace(logged(fetch), status=None)


def interrupted(lab: Lab) -> Logged:
    """A new Caddy leaves out the fields that it appends."""
    return logged if is_old(lab) else not_logged


LOG = LogModel(fetch=lambda _: logged, response=body_only)
ask, note = LOG.ask, LOG.note
COMMON = GoCommon(log=LOG)
SCENARIOS.add(*COMMON.messages(), *COMMON.tls())


# --- what clients and origins send ----------------------------------------------------------------------------------


@scenario
async def responses_that_caddy_compresses_count_as_they_are_sent(lab: Lab) -> None:
    answer = await ask(lab, "/gzipped/", headers={"Accept-Encoding": "gzip"}, body=5_000)
    assert answer.headers["content-encoding"] == "gzip"


@scenario
async def responses_that_caddy_makes(lab: Lab) -> None:
    """For HEAD, it counts the body that it does not send."""
    text = await ask(lab, "/text")
    for method in METHODS:
        for path, status in (("/text", 200), ("/moved", 301), ("/nowhere", 404)):
            answer = await lab.send(lab.request(path, method=method))
            assert answer.status == status
            note(lab, replace(answer, body_bytes=text.body_bytes) if path == "/text" else answer)


@scenario
async def a_switch_of_protocols(lab: Lab) -> None:
    """An old Caddy logs the status 0 and no size; a new one counts what follows as body."""
    answer = await switch_protocols(lab, logged=logged)
    note(lab, Answer(None) if is_old(lab) else replace(answer, body_bytes=len(ECHOED)))


# --- origins that fail ----------------------------------------------------------------------------------------------


@scenario
async def an_origin_that_refuses_the_connection_is_no_response(lab: Lab) -> None:
    await LOG.ask_with_each_method(lab, "/dead/", 502)
    if not is_old(lab):
        lab.observed.attempt(lab.domain, "dead", times=len(METHODS))


FAILURES = Failures(
    log=LOG,
    without_response=without_response,
    method="POST",
    faults=(
        ("/other/", "closes", 502),
        ("/other/", "half a header", 502),
        ("/other/", "garbage", 502),
        ("/impatient/", "silence", 504),
    ),
)
SCENARIOS.add(FAILURES.an_origin_that_sends_no_whole_header_is_no_response)


@scenario
async def half_a_body_is_a_response_that_only_an_old_caddy_logs(lab: Lab) -> None:
    await ask(lab, "/other/", fault="half a body", body=100, logged=interrupted(lab))


# --- clients that leave ---------------------------------------------------------------------------------------------


@scenario
async def a_client_that_leaves_before_the_response(lab: Lab) -> None:
    """An old Caddy logs the status 0, a new one 499."""
    request = lab.request("/other/", hold=True, logged=without_response(lab))
    await lab.leave_before_response(request, "other")
    note(lab, Answer(None if is_old(lab) else 499))


@scenario
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    note(lab, await lab.leave_download(logged=interrupted(lab)))


# --- the outcome ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=VERSIONS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(run_all(request.param, tmp_path_factory.mktemp("caddy")))


async def run_all(version: str, directory: Path) -> Outcome:
    """Run all scenarios, and read what edgetally makes of them."""
    async with (
        receiving(directory, [directory / "edgetally.log"], "udp", "tcp", format="caddy") as receiver,
        caddy_lab(version, directory, receiver.port("udp"), receiver.port("tcp")) as (lab, _),
    ):
        await SCENARIOS.run(lab)
        seen = lab.observed.sums()
        shown = await receiver.read_all(TRANSPORTS, seen)
    mode = (directory / "edgetally.log").stat().st_mode
    assert mode & stat.S_IRGRP  # as the snippet says
    return Outcome(seen, shown, receiver.complaints, channels=receiver.channels, written=receiver.written)


class TestCaddy(ExactConformance):
    TIME = rb'"duration":[0-9.e-]+'
    CLIENT = rb'"remote_ip":"127.0.0.1"'
    TRANSPORTS = TRANSPORTS
    DOMAINS = (*SCENARIOS, *sorted({INVALID, *GO_HOSTS.values()}))
    DOWNLOAD_SIZES = ("resp_body_bytes",)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_only_sizes_of_bodies_to_clients_are_shown(outcome: Outcome, transport: str) -> None:
    known = {"resp_body_bytes", "edge_resp_body_bytes"}
    for (dataset, key), shown in outcome.shown[transport].items():
        sizes = {name for name, amount in shown.items() if name.endswith("_bytes") and amount}
        assert sizes <= (known if dataset == "domains" else set()), key
