"""
Made-up traffic for `edgetally demo`.

Three services with a few dozen busy and quiet domains, POPs in several cities, and caches that mostly hit. One minute
in three is an incident: an origin fails in two POPs, and takes a domain with it.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

import msgspec


class Site(NamedTuple):
    """One service of the demo."""

    service_id: str
    domains: tuple[str, ...]
    """The busiest first."""
    origins: dict[str, str]
    """The origin of each domain that has one of its own; the others use the origin of `""`."""
    requests_per_second: int
    hit_share: float


class Incident(NamedTuple):
    """An origin that fails in some POPs."""

    origin: str
    pops: frozenset[str]
    unanswered: float
    """The share of fetches that get no response, for which the client gets 504. As many again are answered with 503."""


SITES = (
    Site(
        "shop",
        tuple(
            f"{name}.example"
            for name in (
                *("www.shop", "img.shop", "checkout.shop", "api.shop", "static.shop", "search.shop", "login.shop"),
                *("m.shop", "cart.shop", "reviews.shop", "gifts.shop", "outlet.shop", "press.shop", "jobs.shop"),
                *(f"{land}.shop" for land in ("de", "fr", "nl", "uk", "us", "sg", "au", "jp", "pl", "it")),
            )
        ),
        {"": "shop-app", "img.shop.example": "shop-images", "checkout.shop.example": "shop-payments"},
        400,
        0.86,
    ),
    Site(
        "news",
        tuple(f"{name}news.example" for name in ("", "live.", "m.", "sport.", "video.", "weather.", "archive.")),
        {"": "news-cms", "live.news.example": "news-live"},
        250,
        0.93,
    ),
    Site("games", ("games.example", "cdn.games.example", "forum.games.example"), {"": "games-files"}, 120, 0.70),
)
POPS = ("AMS", "FRA", "LHR", "NYC", "SIN", "SYD")
INCIDENT = Incident("shop-payments", frozenset({"AMS", "FRA"}), 0.4)
UNCACHED = frozenset({"checkout.shop.example"})
"""Domains whose every request is fetched."""


def is_incident(ts: float) -> bool:
    """Tell whether a second lies in the minute of three in which the incident is."""
    return int(ts) // 60 % 3 == 2  # noqa: PLR2004 - the last minute of three


def records(site: Site, start: float, seconds: float, chance: random.Random) -> Iterator[bytes]:
    """Yield the lines that a site's edges log between `start` and `start + seconds`."""
    for _ in range(round(site.requests_per_second * seconds)):
        yield msgspec.json.encode(one_record(site, start + chance.random() * seconds, chance))


def one_record(site: Site, ts: float, chance: random.Random) -> dict[str, object]:
    """Make the record of one request."""
    # Squares favour the first of a tuple: some domains and POPs are busier than others.
    domain = site.domains[int(chance.random() ** 2 * len(site.domains))]
    body = int(chance.lognormvariate(9, 1.5))
    pop = POPS[int(chance.random() ** 2 * len(POPS))]
    hit = domain not in UNCACHED and chance.random() < site.hit_share
    status = 200 if chance.random() < 0.96 else chance.choice((301, 304, 404))  # noqa: PLR2004
    record: dict[str, object] = {
        "ts": round(ts, 3),
        "service_id": site.service_id,
        "pop": pop,
        "domain": domain,
        "status": status,
        "cache": "HIT" if hit else "MISS",
        "proto": chance.choice(("HTTP/1.1", "HTTP/2.0", "HTTP/2.0", "HTTP/3.0")),
        "tls": chance.choice(("TLSv1.2", "TLSv1.3", "TLSv1.3")),
        "resp_header_bytes": chance.randrange(250, 600),
        "resp_body_bytes": body,
    }
    if hit:
        return record
    origin = site.origins.get(domain, site.origins[""])
    record |= {
        "origin": origin,
        "origin_addr": f"10.0.{len(origin)}.{chance.randrange(1, 4)}:8080",
        "bereq_header_bytes": chance.randrange(200, 500),
    }
    fate = chance.random() if origin == INCIDENT.origin and pop in INCIDENT.pops and is_incident(ts) else 1
    if fate < INCIDENT.unanswered:
        # The fetch is named, but nothing came back.
        return record | {"status": 504, "resp_body_bytes": 0}
    if fate < 2 * INCIDENT.unanswered:
        record["status"] = 503
    return record | {
        "origin_status": record["status"],
        "beresp_header_bytes": chance.randrange(150, 400),
        "beresp_body_bytes": body,
        "origin_ttfb_ms": round(chance.lognormvariate(3.5, 0.8), 1),
    }
