"""The book that is kept of what a client and origins saw, and what it adds up to by the counting rules."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

from tests.edges.client import Answer
from tests.edges.origin import Fetch
from tests.support import oracle
from tests.support.oracle_fields import RATIOS

SERVICE, POP = "shop", "LAB"

HITS = {"HIT", "STALE", "UPDATING", "REVALIDATED"}
MISSES = {"MISS", "EXPIRED"}

Key = tuple[str, tuple[str, ...]]
"""A dataset, and a key in it."""
Sums = dict[Key, Counter[str]]
Told = Callable[[Fetch], Fetch | None]
"""What an edge can tell of a fetch, if it tells of it."""


class Book:
    """What the client and the origins saw, in our words."""

    def __init__(self) -> None:
        self.seen: list[Fetch] = []
        """By origins."""
        self.requests = 0
        self._records: list[oracle.Record] = []
        self._asked: dict[str, tuple[str, Told]] = {}
        """By request id: the domain of the request, and what nginx says of its fetches."""

    def asked(self, request_id: str, domain: str, told: Told) -> None:
        """Note that a request with this id is on its way."""
        self._asked[request_id] = domain, told

    def answered(
        self, domain: str, answer: Answer, *, cache: str | None = None, proto: str | None = None, tls: str | None = None
    ) -> None:
        """Note what the client saw of one request."""
        word = answer.headers.get("x-cache", "") if cache is None else cache
        client = oracle.Client(
            status=answer.status,
            edge=True,
            cache="hit" if word in HITS else "miss" if word in MISSES else None,
            proto=proto,
            tls=tls,
            req=oracle.Sizes(0, 0),
            # nginx counts a 100 Continue as if it were a part of the body.
            resp=oracle.Sizes(answer.header_bytes, answer.body_bytes + answer.interim_bytes),
            execution_ms=Fraction(0),
            request_ms=Fraction(0),
        )
        self.requests += 1
        self._note(domain, client, [])

    def attempted(self, domain: str, name: str, address: str = "127.0.0.1", times: int = 1) -> None:
        """Note attempts that no origin saw."""
        for _ in range(times):
            self._fetched(domain, Fetch("", name, address))

    def _fetched(self, domain: str, fetch: Fetch) -> None:
        known = oracle.Fetch(
            name=fetch.origin,
            ip=fetch.address,
            status=fetch.status,
            ttfb_ms=None,
            bereq=oracle.Sizes(fetch.bereq_header, fetch.bereq_body),
            beresp=oracle.Sizes(fetch.beresp_header, fetch.beresp_body),
            shield=False,
        )
        self._note(domain, None, [known])

    def _note(self, domain: str, client: oracle.Client | None, fetches: list[oracle.Fetch]) -> None:
        self._records.append(
            oracle.Record(
                service_id=SERVICE,
                pop=POP,
                domain=domain,
                second=0,
                weight=1,
                compute=False,
                client=client,
                fetches=fetches,
            )
        )

    def sums(self) -> Sums:
        """Add everything up, as the counting rules say."""
        for fetch in self.seen:
            domain, told = self._asked[fetch.request_id]
            if said := told(fetch):
                self._fetched(domain, said)
        self.seen.clear()
        sums: Sums = {}
        for record in self._records:
            for dataset, key, name, amount in oracle.contributions(record):
                sums.setdefault((dataset, key), Counter())[name] += amount
        return {key: counts(oracle.measurements(key[0], counters)) for key, counters in sums.items()}


def counts(measurements: Mapping[str, float]) -> Counter[str]:
    """Keep what can be added up."""
    return Counter({name: int(amount) for name, amount in measurements.items() if name not in RATIOS})


def as_it_was(fetch: Fetch) -> Fetch:
    return fetch


def discarded(fetch: Fetch) -> Fetch:
    """A response that nginx read, but threw away: it knows its size, but no longer how much of it was body."""
    return replace(fetch, beresp_header=fetch.beresp_header + fetch.beresp_body, beresp_body=0)


def unlogged(_: Fetch) -> None:
    """A fetch that nginx makes for itself, and does not log."""
