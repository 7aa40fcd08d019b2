"""POPs: the exact shape that clients need, from the settings and from entries."""

from typing import get_args

from edgetally.config.regions import BillingRegion, Region, StatsRegion
from tests.support.served import record, served
from tests.support.shapes import Optional, differences

COORDINATES = {"x": 0, "y": 0, "latitude": float, "longitude": float}

DATACENTER = {
    **dict.fromkeys(("code", "name", "group", "region", "stats_region", "billing_region"), str),
    "coordinates": Optional(COORDINATES),
}

POPS = {
    "AMS": {"name": "Amsterdam", "group": "Europe", "region": "EU-West", "latitude": 52, "longitude": -4.5},
    "NRT": {"region": "Asia"},
}


async def test_pops_are_those_in_the_settings_and_those_that_are_kept() -> None:
    async with served({"pops": POPS, "shelf": {"keep": 120}}) as running:
        await running.push(record(0, pop="Zürich West"), record(0, service_id="other"))
        await running.to(2)

        found = (await running.client.get("/datacenters")).json()

        assert differences(found, [DATACENTER]) == []
        assert found == [
            {
                "code": "AMS",
                "name": "Amsterdam",
                "group": "Europe",
                "region": "EU-West",
                "stats_region": "europe",
                "billing_region": "Europe",
                "coordinates": {"latitude": 52.0, "longitude": -4.5, "x": 0, "y": 0},
            },
            {
                "code": "NRT",
                "name": "NRT",
                "group": "",
                "region": "Asia",
                "stats_region": "asia",
                "billing_region": "Asia",
            },
            {
                "code": "Zürich West",
                "name": "Zürich West",
                "group": "",
                "region": "North-America",
                "stats_region": "usa",
                "billing_region": "North America",
            },
        ]
        await running.to(122)
        assert [one["code"] for one in (await running.client.get("/datacenters")).json()] == ["AMS", "NRT"]


async def test_every_pop_has_regions_that_clients_know() -> None:
    async with served({"api": {"pop_region": "Middle-East"}}) as running:
        await running.push(*(record(0, pop=pop) for pop in ("a b", "_other", "x", "AMS-2", "é")))
        await running.to(2)

        found = (await running.client.get("/datacenters")).json()

    assert len(found) == 5
    assert differences(found, [DATACENTER]) == []
    for one in found:
        assert one["region"] in get_args(Region)
        assert one["stats_region"] in get_args(StatsRegion)
        assert one["billing_region"] in get_args(BillingRegion)
        assert one["region"] == "Middle-East"
