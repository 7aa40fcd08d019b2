"""Descriptions of services and POPs: from the settings, and sound without them."""

from typing import get_args

import pytest
from fastly.model.pop import Pop
from hypothesis import given
from hypothesis import strategies as st

from edgetally.config.descriptions import Coordinates, Descriptions, PopDescription, ServiceDescription
from edgetally.config.regions import (
    USUAL_BILLING_REGIONS,
    USUAL_STATS_REGIONS,
    BillingRegion,
    Region,
    StatsRegion,
)
from edgetally.config.validation import check

REGIONS = {
    "region": get_args(Region),
    "stats_region": get_args(StatsRegion),
    "billing_region": get_args(BillingRegion),
}


def test_what_is_not_in_the_settings_has_sound_defaults() -> None:
    plain = Descriptions(check({}))

    assert plain.service("shop") == ServiceDescription("shop", "shop", "vcl", "")
    assert plain.pop("AMS") == PopDescription("AMS", "AMS", "", "North-America", "usa", "North America", None)
    assert not plain.services | plain.pops


def test_the_settings_describe_services_and_pops() -> None:
    described = Descriptions(
        check(
            {
                "services": {"shop": {"name": "Web shop", "type": "wasm", "comment": "x"}, "blog": {}},
                "pops": {
                    "AMS": {"name": "Amsterdam", "group": "Europe", "region": "EU-West"}
                    | {"latitude": 52.3, "longitude": 0},
                    "ICN": {"region": "Asia", "stats_region": "asia_southkorea"},
                    "MEX": {"billing_region": "Mexico"},
                },
                "api": {"pop_region": "US-East"},
            }
        )
    )

    assert described.service("shop") == ServiceDescription("shop", "Web shop", "wasm", "x")
    assert described.service("blog") == ServiceDescription("blog", "blog", "vcl", "")
    assert described.pop("AMS") == PopDescription(
        "AMS", "Amsterdam", "Europe", "EU-West", "europe", "Europe", Coordinates(52.3, 0.0)
    )
    icn, mex = described.pop("ICN"), described.pop("MEX")
    assert (icn.region, icn.stats_region, icn.billing_region) == ("Asia", "asia_southkorea", "South Korea")
    assert (mex.region, mex.stats_region, mex.billing_region) == ("US-East", "usa", "Mexico")
    assert described.services == {"shop", "blog"}
    assert described.pops == {"AMS", "ICN", "MEX"}


def test_a_service_is_found_by_its_name() -> None:
    described = Descriptions(check({"services": {"shop": {"name": "Web shop"}}}))

    assert [described.service_named(name) for name in ("Web shop", "shop", "other")] == ["shop", "shop", "other"]


def test_new_settings_replace_all_descriptions() -> None:
    described = Descriptions(check({"services": {"shop": {"name": "Web shop"}}}))
    before = described.version

    assert not described.replace(check({"services": {"shop": {"name": "Web shop"}}, "log": {"level": "debug"}}))
    assert described.version == before
    assert described.replace(check({"pops": {"AMS": {"name": "Amsterdam"}}}))
    assert described.version > before
    assert described.service("shop").name == "shop"
    assert described.service_named("Web shop") == "Web shop"
    assert described.pop("AMS").name == "Amsterdam"


@pytest.mark.parametrize("name", REGIONS)
def test_regions_are_those_that_clients_know(name: str) -> None:
    assert set(REGIONS[name]) == set(Pop.allowed_values[name,].values())


def test_every_region_has_a_usual_one_in_history_and_on_bills() -> None:
    assert set(USUAL_STATS_REGIONS) == set(get_args(Region))
    assert set(USUAL_STATS_REGIONS.values()) < set(get_args(StatsRegion))
    assert set(USUAL_BILLING_REGIONS) == set(get_args(StatsRegion))
    assert set(USUAL_BILLING_REGIONS.values()) == set(get_args(BillingRegion))


@given(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(words) for name, words in REGIONS.items()}),
    st.sampled_from(get_args(Region)),
)
def test_whatever_the_settings_say_every_region_is_a_known_one(pop: dict[str, str], default: str) -> None:
    found = Descriptions(check({"pops": {"AMS": pop}, "api": {"pop_region": default}})).pop("AMS")

    for name, words in REGIONS.items():
        assert getattr(found, name) in words
        assert getattr(found, name) == pop.get(name, getattr(found, name))
    assert found.region == pop.get("region", default)
