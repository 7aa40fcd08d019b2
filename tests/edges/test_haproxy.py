"""
The real HAProxy, with what `edgetally formats haproxy` prints, between a client and origins that count every byte.

It logs to standard output, which goes to a file, by syslog over UDP and TCP, and to a Unix socket, all into one
`edgetally serve`. Every counter that the API then shows is compared with what the client and the origins observed.
Scenarios are as in test_nginx.py. What HAProxy does not log is not shown; its sizes are within SLACK.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tests.edges import common
from tests.edges.common import (
    DOWNLOAD,
    ODD_HOSTS,
    UNREADABLE,
    Cache,
    Common,
    Failures,
    LogModel,
    ask_each,
    without_framing,
)
from tests.edges.conformance import Conformance
from tests.support.edges.client import Answer
from tests.support.edges.haproxy import haproxy_lab
from tests.support.edges.lab import Lab
from tests.support.edges.observed import Logged
from tests.support.edges.origin import Fetch
from tests.support.edges.receiver import Outcome, receiving
from tests.support.edges.scenarios import INVALID, METHODS, Scenarios
from tests.support.edges.sums import totals
from tests.support.programs import skip_or_fail

pytestmark = skip_or_fail("haproxy", "openssl")

TRANSPORTS = ("file", "udp", "tcp")
"""Those that deliver every line. If a Unix socket is full, HAProxy drops lines, and counts them."""
SLACK = 50
"""Bytes of one header or one body, up to which HAProxy is wrong."""

SCENARIOS = Scenarios()
scenario = SCENARIOS.scenario


def logged(backend: str, fetch: Fetch) -> Fetch:
    """Log the backend as the origin, no sizes sent to it, and what comes from it without chunked framing."""
    body = fetch.beresp_body - fetch.beresp_framing
    return replace(fetch, origin=backend, bereq_header=0, bereq_body=0, beresp_body=body)


def without_response(backend: str, fetch: Fetch) -> Fetch:
    return replace(logged(backend, fetch), status=None, beresp_header=0, beresp_body=0)


def of_backend(log: Callable[[str, Fetch], Fetch | None], path: str) -> Logged:
    return partial(log, path.split("/")[1])


LOG = LogModel(fetch=partial(of_backend, logged), response=without_framing, cache=None)
ask, note = LOG.ask, LOG.note


# --- what clients and origins send ----------------------------------------------------------------------------------


@scenario
async def responses_that_haproxy_makes(lab: Lab) -> None:
    for method in METHODS:
        for path in ("/text", "/moved"):
            await ask(lab, path, method=method)


# --- HTTP/2 and TLS -------------------------------------------------------------------------------------------------


@scenario
async def a_handshake_that_fails_is_a_request_without_status_or_domain(lab: Lab) -> None:
    with pytest.raises(ssl.SSLError):
        async with lab.connect(ssl.create_default_context()):
            pass
    note(lab, Answer(None), domain=INVALID, tls="tls_v13")


# --- hosts and URLs -------------------------------------------------------------------------------------------------

HOSTS: dict[str | bytes, str] = {**common.HOSTS, **ODD_HOSTS, "Hosts.Example:": "hosts.example"}
COMMON = Common(log=LOG, hosts=HOSTS)
SCENARIOS.add(*COMMON.messages(), *COMMON.tls())


HOSTLESS = {
    **UNREADABLE,
    b"GET /\xff\xfe HTTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET / FTP/1.1\r\nHost: www.example\r\n\r\n": 400,
    b"GET /text HTTP/1.0\r\n\r\n": 200,
}


@scenario
async def requests_without_a_readable_host_are_for_no_domain(lab: Lab) -> None:
    for answer in await ask_each(lab, HOSTLESS):
        # HAProxy's own response to what it cannot parse counts no bytes.
        note(lab, Answer(400) if answer.status == 400 else answer, domain=INVALID)


# --- the cache ------------------------------------------------------------------------------------------------------

CACHE = Cache(
    in_turn=LOG.ask_in_turn,
    sizes=(1, 10, 5_000),
    conditions=[{"If-None-Match": '"v1"'}, {"If-None-Match": '"v0"'}],
)
SCENARIOS.add(*CACHE.scenarios())


# --- origins that fail ----------------------------------------------------------------------------------------------


@scenario
async def only_the_last_of_several_tries_is_logged(lab: Lab) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = await ask(lab, "/pool/", method=method)
        assert answer.status == 200

    def last(backend: str, fetch: Fetch) -> Fetch | None:
        return None if fetch.status == 503 else logged(backend, fetch)

    answer = await ask(lab, "/pool_of_answers/", logged=of_backend(last, "/pool_of_answers/"))
    assert answer.status == 200


FAILURES = Failures(
    log=LOG,
    without_response=lambda _, path: of_backend(without_response, path),
    faults=(
        ("/other/", "closes", 502),
        ("/other/", "half a header", 502),
        ("/other/", "garbage", 502),
        ("/impatient/", "silence", 504),
    ),
)
SCENARIOS.add(*FAILURES.scenarios())


# --- clients that leave ---------------------------------------------------------------------------------------------


@scenario
async def a_client_that_leaves_before_the_response_counts_as_if_it_stayed(lab: Lab) -> None:
    unanswered = of_backend(without_response, "/impatient/")
    answer = await ask(lab, "/impatient/", fault="silence", logged=unanswered)
    await lab.leave_before_response(lab.request("/impatient/", fault="silence", logged=unanswered), "other")
    note(lab, answer)


@scenario
async def a_client_that_leaves_a_download(lab: Lab) -> None:
    note(lab, await lab.leave_download(logged=LOG.fetch("/far/")))


# --- the outcome ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HAProxyOutcome(Outcome):
    dropped: int


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> HAProxyOutcome:
    return asyncio.run(run_all(tmp_path_factory.mktemp("haproxy")))


async def run_all(directory: Path) -> HAProxyOutcome:
    """Run all scenarios, and read what edgetally makes of them."""
    async with (
        receiving(directory, [directory / "haproxy.log"], "udp", "tcp", "unix") as receiver,
        haproxy_lab(directory, receiver.port("udp"), receiver.port("tcp")) as (lab, haproxy),
    ):
        await SCENARIOS.run(lab)
        seen = lab.observed.sums()
        shown = await receiver.read_all(TRANSPORTS, seen)
        # By now, everything is logged.
        dropped = await haproxy.dropped()
        shown["unix"] = await receiver.read("unix", seen, dropped=dropped)
    return HAProxyOutcome(
        seen, shown, receiver.complaints, dropped, channels=receiver.channels, written=receiver.written
    )


class TestHAProxy(Conformance):
    TRANSPORTS = TRANSPORTS


def exact(counters: Counter[str] | None) -> Counter[str]:
    """Keep what HAProxy logs exactly."""
    kept = (counters or Counter()).items()
    inexact = ("_bytes", "bandwidth", "latency")
    return Counter({name: amount for name, amount in kept if not any(word in name for word in inexact)})


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_everything_but_sizes_is_exact(outcome: Outcome, transport: str) -> None:
    shown, seen = outcome.shown[transport], outcome.seen
    assert {key: exact(shown.get(key)) for key in shown | seen} == {key: exact(seen.get(key)) for key in shown | seen}


def test_a_unix_socket_brings_what_haproxy_did_not_drop(outcome: HAProxyOutcome) -> None:
    shown, whole = outcome.shown["unix"], outcome.shown["file"]
    assert totals(shown)["requests"] + outcome.dropped == totals(whole)["requests"]
    for key, counters in shown.items():
        more = [name for name, amount in counters.items() if amount > whole[key][name] and "latency" not in name]
        assert more == [], key


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_sizes_are_nearly_exact(outcome: Outcome, transport: str) -> None:
    for key, seen in outcome.seen.items():
        if DOWNLOAD in key[1] or "far" in key[1]:
            continue
        shown = outcome.shown[transport][key]
        messages = max(seen["requests"], seen["origin_fetches"], seen["responses"])
        for name in seen | shown:
            if name.endswith("_bytes"):
                assert abs(shown[name] - seen[name]) <= SLACK * messages, (key, name, shown[name], seen[name])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_bodies_of_known_length_are_exact(outcome: Outcome, transport: str) -> None:
    for domain in ("statuses-of-every-kind", "uploads-of-every-size-and-framing", "misses-then-hits"):
        key = "domains", (f"{domain}.example",)
        for name in ("resp_body_bytes", "edge_resp_body_bytes", "origin_fetch_resp_body_bytes"):
            assert outcome.shown[transport][key][name] == outcome.seen[key][name], (domain, name)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_sizes_sent_to_origins_are_not_shown(outcome: Outcome, transport: str) -> None:
    assert not [key for key, shown in outcome.shown[transport].items() if any("bereq" in name for name in shown)]
