"""What a client and origins observe, and what it adds up to by the counting rules."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from tests.support import oracle
from tests.support.edges.client import Answer
from tests.support.edges.origin import Fetch
from tests.support.edges.sums import Sums, add, counts

SERVICE, POP = "shop", "LAB"

HITS = {"HIT", "STALE", "UPDATING", "REVALIDATED"}
MISSES = {"MISS", "EXPIRED"}

Logged = Callable[[Fetch], Fetch | None]
"""How an edge logs a fetch; None if it does not."""


class Observations:
    """What the client and the origins observed, as far as the edge can log it."""

    def __init__(self) -> None:
        self.fetches: list[Fetch] = []
        """What origins received, as it was."""
        self.responses = 0
        self._records: list[oracle.Record] = []
        self._requests: dict[str, tuple[str, Logged]] = {}
        """By request id: the domain, and how the edge logs the fetches."""

    def request(self, request_id: str, domain: str, logged: Logged) -> None:
        """Note a request that will be sent."""
        self._requests[request_id] = domain, logged

    def response(
        self, domain: str, answer: Answer, *, cache: str | None = None, proto: str | None = None, tls: str | None = None
    ) -> None:
        """Note the response to one request, as the edge logs it; without `cache`, its header has the cache word."""
        word = answer.headers.get("x-cache", "") if cache is None else cache
        client = oracle.Client(
            status=answer.status,
            edge=True,
            cache="hit" if word in HITS else "miss" if word in MISSES else None,
            proto=proto,
            tls=tls,
            req=oracle.Sizes(0, 0),
            resp=oracle.Sizes(answer.header_bytes, answer.body_bytes),
            execution_ms=Fraction(0),
            request_ms=Fraction(0),
        )
        self.responses += 1
        self._record(domain, client, [])

    def attempt(self, domain: str, name: str, address: str = "127.0.0.1", times: int = 1) -> None:
        """Note attempts that no origin received."""
        for _ in range(times):
            self._fetch(domain, Fetch("", name, address))

    def _fetch(self, domain: str, fetch: Fetch) -> None:
        counted = oracle.Fetch(
            name=fetch.origin,
            ip=fetch.address,
            status=fetch.status,
            ttfb_ms=None,
            bereq=oracle.Sizes(fetch.bereq_header, fetch.bereq_body),
            beresp=oracle.Sizes(fetch.beresp_header, fetch.beresp_body),
            shield=False,
        )
        self._record(domain, None, [counted])

    def _record(self, domain: str, client: oracle.Client | None, fetches: list[oracle.Fetch]) -> None:
        self._records.append(
            oracle.Record(
                service_id=SERVICE,
                pop=POP,
                domain=domain,
                second=0,
                has_time=True,
                weight=1,
                compute=False,
                client=client,
                fetches=fetches,
            )
        )

    def sums(self) -> Sums:
        """Add everything up by the counting rules."""
        for fetch in self.fetches:
            domain, logged = self._requests[fetch.request_id]
            if counted := logged(fetch):
                self._fetch(domain, counted)
        self.fetches.clear()
        sums: Sums = {}
        for record in self._records:
            for dataset, key, name, amount in oracle.contributions(record):
                # The channel has times and sizes of requests, which are not observed.
                if dataset != "channel":
                    add(sums, (dataset, key), {name: amount})
        return {key: counts(oracle.measurements(key[0], counters)) for key, counters in sums.items()}


def unchanged(fetch: Fetch) -> Fetch:
    return fetch


def not_logged(_: Fetch) -> None:
    return None


def discarded(fetch: Fetch) -> Fetch:
    """Log a response that the edge read and discarded: all of it counts as header."""
    return replace(fetch, beresp_header=fetch.beresp_header + fetch.beresp_body, beresp_body=0)
