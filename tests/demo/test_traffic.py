"""Made-up traffic."""

import json
import random

from edgetally.demo.traffic import FAILING, SITES, Site, records
from tests.support import oracle

START = 1_763_769_600


def made(site: Site, seconds: float = 2.0) -> list[bytes]:
    return list(records(site, START, seconds, random.Random(1)))  # noqa: S311 - traffic, not secrets


def test_every_record_counts_at_its_time() -> None:
    for site in SITES:
        lines = made(site)
        folded = oracle.fold(b"\n".join(lines), service_id="default", pop="local", now=0)

        assert folded.rejected == []
        assert folded.accepted == len(lines) == site.requests_per_second * 2
        assert {entry["service_id"] for entry in folded.entries} == {site.service_id}
        assert {entry["recorded"] for entry in folded.entries} == {START, START + 1}
        assert {entry["dataset"] for entry in folded.entries} == {"channel", "domains", "origins", "origin_insights"}


def test_every_domain_origin_and_pop_has_traffic() -> None:
    for site in SITES:
        found = [json.loads(line) for line in made(site)]

        assert {record["domain"] for record in found} == set(site.domains)
        assert {record["origin"] for record in found if "origin" in record} == set(site.origins)
        assert len({record["pop"] for record in found}) >= 5


def test_caches_mostly_hit() -> None:
    for site in SITES:
        found = [json.loads(line) for line in made(site, 20)]
        hits = sum(record["cache"] == "HIT" for record in found) / len(found)

        assert abs(hits - site.hit_share) < 0.03


def test_one_origin_has_a_bad_day() -> None:
    failed = {}
    for site in SITES:
        found = [json.loads(line) for line in made(site, 20)]
        for origin in site.origins:
            statuses = [record["origin_status"] for record in found if record.get("origin") == origin]
            failed[origin] = statuses.count(503) / len(statuses)

    assert failed.pop(FAILING) > 0.1
    assert set(failed.values()) == {0}
