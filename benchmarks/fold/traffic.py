"""The traffic: made-up nginx logs, the same lines every time."""

from bisect import bisect
from collections.abc import Iterator, Mapping
from itertools import accumulate
from random import Random
from typing import Any

LINE = 480
"""Bytes of every line, including its newline."""

FIRST, SECONDS, SERVICES, DOMAINS, POPS, ORIGINS = 1_795_314_035, 10, 5, 40, 10, 5
MANY_DOMAINS = 2_000
"""Per service, for 100,000 keys when all lines are in one second."""

STATUSES = {200: 80, 304: 8, 404: 5, 206: 3, 301: 2, 500: 2}
HITS = {"HIT": 96, "STALE": 2, "UPDATING": 2}
FETCHES = {"MISS": 85, "EXPIRED": 10, "BYPASS": 5}
PROTOCOLS = {"HTTP/1.1": 45, "HTTP/2.0": 45, "HTTP/3.0": 10}
TLS = {"TLSv1.3": 80, "TLSv1.2": 18, "": 2}
AGENT = "Mozilla/5.0%20(X11;%20Linux%20x86_64)%20AppleWebKit/537.36%20(KHTML,%20like%20Gecko)%20Chrome/142.0"
AGENTS, ENDING = AGENT * 4, len('"}\n')

CODES = [200, 204, 206, 301, 302, 304, 400, 401, 403, 404, 416, 429, 499, 500, 501, 502, 503, 504, 505, 530]
ODD_STATUSES = dict.fromkeys([*CODES, 103, 418, 599, "000", 600, 999], 1)
ODD_HITS = ["Hit-Cluster", "tcp_hit", "TCP_MEM_HIT", "RefreshHit", "hit_stale", "cache hit", "Conditional Cache Hit: x"]
ODD_FETCHES = [
    "miss-wait",
    "TCP_MISS",
    "TCP_CLIENT_REFRESH",
    "hitmiss",
    "MISS_x",
    "Cache miss: y",
    "HITPASS",
    "pass",
    "",
]
ODD_PROTOCOLS = dict.fromkeys(["h2", "http/3", "h3", "2.0", "1.0", ""], 1)
ODD_TLS = dict.fromkeys(["TLSv1", "tls1.0", "TLSv1.1", "1.2", "tlsv1.3", "SSLv3"], 1)
ODD_HOSTS = ["WWW{}.Example{}.com:8080", "www{}.EXAMPLE{}.com.", "www{}.example{}.com.:443", "www{}.example{}.com:"]
ODD_TTFBS = [
    "0",
    "0.001",
    "0.0011",
    "0.005",
    "0.01",
    "0.050",
    "0.1",
    "0.250",
    "0.5",
    "1",
    "5.000",
    "10",
    "60",
    "60.001",
    "",
]


ODD_LINES = 20_000


class Choice:
    """Picks among the keys of a table by their weights: `Random.choices`, which adds them up for each pick."""

    def __init__(self, random: Random, weights: Mapping[Any, int]) -> None:
        self._random = random.random
        self._keys, self._sums = list(weights), list(accumulate(weights.values()))
        self._all = float(self._sums[-1])

    def __call__(self) -> Any:  # noqa: ANN401 - a key of the table
        """Return a key."""
        return self._keys[bisect(self._sums, self._random() * self._all, 0, len(self._keys) - 1)]


def lines(count: int, *, odd: bool = False, many: bool = False) -> Iterator[bytes]:
    """
    Make up nginx logs in order of time; the same lines for the same arguments.

    With `odd`, fields take every form: values of other servers, and absent ones. With `many`, there are
    many keys, and all lines are in one second.
    """
    random = Random(7)
    bits, chance = random.getrandbits, random.random

    def below(end: int) -> int:
        """Return what `randrange` would, without its checks."""
        size = end.bit_length()
        while (value := bits(size)) >= end:
            pass
        return value

    domains, seconds = (MANY_DOMAINS, 1) if many else (DOMAINS, SECONDS)
    statuses, odd_statuses = Choice(random, STATUSES), Choice(random, ODD_STATUSES)
    hits, fetches = Choice(random, HITS), Choice(random, FETCHES)
    protocols, odd_protocols = Choice(random, PROTOCOLS), Choice(random, ODD_PROTOCOLS)
    versions, odd_versions = Choice(random, TLS), Choice(random, ODD_TLS)

    for number in range(count):
        second = FIRST + number * seconds // count
        service, name, pop = below(SERVICES), below(domains), below(POPS)
        domain, status, hit = f"www{name}.example{service}.com", statuses(), chance() < 0.7
        cache, protocol, tls = hits() if hit else fetches(), protocols(), versions()
        header = 200 + below(300)
        body: Any = below(60_000)
        total, received, ttfb = header + body, body, f"{random.expovariate(20):.3f}"
        addr, origin_status = f"10.0.{service}.{name % 8}:8080", status
        if odd:
            domain = random.choice(ODD_HOSTS).format(name, service)
            status, origin_status = odd_statuses(), random.choice([*ODD_STATUSES, "", "0"])
            cache = random.choice(ODD_HITS if hit else ODD_FETCHES)
            protocol, tls = odd_protocols(), odd_versions()
            body, total = random.choice([(body, header + body), ("", header), (body, header), (body, "")])
            received, ttfb = random.choice([received, "", total]), random.choice(ODD_TTFBS)
            addr = random.choice([addr, addr.removesuffix(":8080"), f"Host{service}:80", ""])
        fetch: tuple[Any, ...] = ("",) * 6
        if not hit:
            fetch = (addr, origin_status, 100 + below(300), random.choice([total, 0]) if odd else total)
            fetch += (received, ttfb)
        addr, origin_status, sent, got, received, ttfb = fetch
        line = (
            f'{{"ts":{second}.{below(1000):03},"service_id":"service{service}","pop":"P{pop:02}",'
            f'"domain":"{domain}","status":"{status}","cache":"{cache}","proto":"{protocol}","tls":"{tls}",'
            f'"req_bytes":"{100 + below(800)}","resp_bytes":"{total}","resp_body_bytes":"{body}",'
            f'"origin":"origin_{name % ORIGINS}","origin_addr":"{addr}","origin_status":"{origin_status}",'
            f'"bereq_bytes":"{sent}","beresp_bytes":"{got}","beresp_body_bytes":"{received}",'
            f'"origin_ttfb_s":"{ttfb}","url":"/assets/'
        )
        yield f'{line}{AGENTS[: LINE - len(line) - ENDING]}"}}\n'.encode()
