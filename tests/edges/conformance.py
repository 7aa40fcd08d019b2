"""What holds for every edge: one suite, which the test of each edge inherits."""

import re
from collections.abc import Iterable
from typing import ClassVar

import pytest

from tests.edges.common import DOWNLOAD
from tests.support.edges.lab import LARGE, SMALL
from tests.support.edges.receiver import Outcome
from tests.support.edges.sums import untimed, without_latency


class Conformance:
    """Inherit this, define the fixture `outcome`, and say what the edge can log."""

    TRANSPORTS: ClassVar[tuple[str, ...]] = ()
    """Those that deliver every line, if `outcome` has them all; otherwise, define the fixture `transport`."""
    DOMAINS: ClassVar[Iterable[str]] = ()
    """Those of the scenarios, and those of their hosts."""
    LATENCIES: ClassVar[bool] = True
    """Whether the time to first byte of origins is logged."""
    DOWNLOAD_SIZES: ClassVar[tuple[str, ...]] = ("resp_body_bytes", "origin_fetch_resp_body_bytes")
    """The counters that have the size of an interrupted download."""
    TIME: ClassVar[bytes] = rb'"edge_time_m?s":"[0-9.]+(e-3)?"'
    """How a line says how long the edge took."""
    CLIENT: ClassVar[bytes] = rb'"ipv6":"127.0.0.1"'
    """How a line says from where the client came."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        for name, values in (
            ("transport", self.TRANSPORTS),
            ("domain", self.DOMAINS),
            ("dataset", ("origins", "origin_insights")),
        ):
            if name in metafunc.fixturenames and values:
                metafunc.parametrize(name, values)

    def test_every_line_counts(self, outcome: Outcome) -> None:
        assert outcome.complaints == []

    def test_nothing_is_shown_that_was_not_seen(self, outcome: Outcome, transport: str) -> None:
        assert outcome.shown[transport].keys() == outcome.seen.keys()

    def test_every_response_of_an_origin_is_in_a_latency_bucket_if_the_edge_logs_times(
        self, outcome: Outcome, transport: str
    ) -> None:
        shown = outcome.shown[transport]
        if self.LATENCIES:
            assert untimed(shown) == []
        else:
            assert [key for key, counters in shown.items() if any("latency" in name for name in counters)] == []

    def test_an_interrupted_download_counts_as_more_than_arrived_and_less_than_there_was(
        self, outcome: Outcome, transport: str
    ) -> None:
        shown = outcome.shown[transport]["domains", (DOWNLOAD,)]
        for name in self.DOWNLOAD_SIZES:
            assert SMALL - 1_000 < shown[name] <= LARGE, name

    def test_the_channel_shows_every_request_and_the_time_of_every_miss(self, outcome: Outcome, transport: str) -> None:
        channel = outcome.channels[transport]
        assert {name: channel.counters[name] for name in channel.totals} == channel.totals
        assert channel.timed_misses == channel.counters["miss"]
        assert channel.counters["ipv6"] == 0

    def test_every_response_has_the_time_that_the_edge_took_and_the_address_of_the_client(
        self, outcome: Outcome
    ) -> None:
        responses = [line for line in outcome.written if re.search(rb'"(Downstream)?[sS]tatus": ?"?200\b', line)]
        assert responses or "file" not in outcome.shown
        for line in responses:
            assert re.search(self.TIME, line), line
            assert re.search(self.CLIENT, line), line


class ExactConformance(Conformance):
    """Inherit this if every counter that the edge can log is exact."""

    INEXACT: ClassVar[tuple[str, ...]] = ()
    """Domains and origins that are not, each with a test of its own; besides the domain of the interrupted download."""

    def test_a_domain_shows_what_its_clients_and_origins_saw(
        self, outcome: Outcome, transport: str, domain: str
    ) -> None:
        key = "domains", (domain,)
        if domain not in (DOWNLOAD, *self.INEXACT):
            assert outcome.shown[transport].get(key) == outcome.seen.get(key)

    def test_origins_show_what_they_saw(self, outcome: Outcome, transport: str, dataset: str) -> None:
        shown = without_latency(outcome.shown[transport], dataset, without=self.INEXACT)
        assert shown == without_latency(outcome.seen, dataset, without=self.INEXACT)
