"""Made-up traffic."""

import json
import random

from edgetally.demo.traffic import INCIDENT, POPS, SITES, UNCACHED, Site, is_incident, records
from tests.support import oracle

START = 1_763_769_600
"""The start of a minute without an incident."""


def made(site: Site, seconds: float = 2.0, start: float = START) -> list[bytes]:
    return list(records(site, start, seconds, random.Random(1)))  # noqa: S311 - traffic, not secrets


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
        found = [json.loads(line) for line in made(site, 20)]

        assert {record["domain"] for record in found} == set(site.domains)
        assert {record["origin"] for record in found if "origin" in record} == set(site.origins.values())
        assert len({record["pop"] for record in found}) >= 5


def test_caches_mostly_hit() -> None:
    for site in SITES:
        found = [json.loads(line) for line in made(site, 20)]
        found = [record for record in found if record["domain"] not in UNCACHED]
        hits = sum(record["cache"] == "HIT" for record in found) / len(found)

        assert abs(hits - site.hit_share) < 0.03


def test_one_minute_in_three_is_an_incident() -> None:
    minutes = [[is_incident(START + 60 * minute + second) for second in (0, 59.9)] for minute in range(6)]
    assert minutes == [[False, False], [False, False], [True, True]] * 2


def test_an_origin_fails_in_two_pops_during_the_incident() -> None:
    def failures(start: float) -> set[tuple[str, str]]:
        found = [json.loads(line) for site in SITES for line in made(site, 20, start)]
        return {(record["origin"], record["pop"]) for record in found if record["status"] >= 500}

    assert failures(START) == set()
    assert failures(START + 120) == {(INCIDENT.origin, pop) for pop in INCIDENT.pops}
    assert set(POPS) > INCIDENT.pops

    fetches = [json.loads(line) for line in made(SITES[0], 30, START + 120)]
    fetches = [one for one in fetches if one.get("origin") == INCIDENT.origin and one["pop"] in INCIDENT.pops]
    for status in (503, 504):
        assert abs(sum(one["status"] == status for one in fetches) / len(fetches) - INCIDENT.unanswered) < 0.05
    assert all(("origin_status" in one) == (one["status"] != 504) for one in fetches)
