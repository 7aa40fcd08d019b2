"""
Made-up traffic for `edgetally demo`.

Three services with busy and quiet domains, POPs in several cities, caches that mostly hit, and an origin that often
fails.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

import msgspec


class Site(NamedTuple):
    """One service of the demo."""

    service_id: str
    domains: tuple[str, ...]
    origins: tuple[str, ...]
    requests_per_second: int
    hit_share: float


SITES = (
    Site("shop", ("shop.example", "img.shop.example", "api.shop.example"), ("shop-app", "shop-images"), 400, 0.86),
    Site("news", ("news.example", "live.news.example", "m.news.example"), ("news-cms", "news-live"), 250, 0.93),
    Site("games", ("games.example", "cdn.games.example"), ("games-files",), 120, 0.70),
)
POPS = ("AMS", "FRA", "LHR", "NYC", "SIN", "SYD")
FAILING = "shop-images"
"""The origin that often fails: one response in five is a 503."""


def records(site: Site, start: float, seconds: float, chance: random.Random) -> Iterator[bytes]:
    """Yield the lines that a site's edges log between `start` and `start + seconds`."""
    for _ in range(round(site.requests_per_second * seconds)):
        yield msgspec.json.encode(_record(site, start + chance.random() * seconds, chance))


def _record(site: Site, ts: float, chance: random.Random) -> dict[str, object]:
    # Squares favour the first of a tuple: some domains and POPs are busier than others.
    domain = site.domains[int(chance.random() ** 2 * len(site.domains))]
    body = int(chance.lognormvariate(9, 1.5))
    hit = chance.random() < site.hit_share
    status = 200 if chance.random() < 0.96 else chance.choice((301, 304, 404))  # noqa: PLR2004
    record: dict[str, object] = {
        "ts": round(ts, 3),
        "service_id": site.service_id,
        "pop": POPS[int(chance.random() ** 2 * len(POPS))],
        "domain": domain,
        "status": status,
        "cache": "HIT" if hit else "MISS",
        "proto": chance.choice(("HTTP/1.1", "HTTP/2.0", "HTTP/2.0", "HTTP/3.0")),
        "tls": chance.choice(("TLSv1.2", "TLSv1.3", "TLSv1.3")),
        "resp_header_bytes": chance.randrange(250, 600),
        "resp_body_bytes": body,
    }
    if not hit:
        origin = site.origins[int(chance.random() * len(site.origins))]
        failed = origin == FAILING and chance.random() < 0.2  # noqa: PLR2004
        record |= {
            "status": 503 if failed else status,
            "origin": origin,
            "origin_addr": f"10.0.{len(origin)}.{chance.randrange(1, 4)}:8080",
            "origin_status": 503 if failed else status,
            "bereq_header_bytes": chance.randrange(200, 500),
            "beresp_header_bytes": chance.randrange(150, 400),
            "beresp_body_bytes": body,
            "origin_ttfb_ms": round(chance.lognormvariate(3.5, 0.8), 1),
        }
    return record
