"""Regions of POPs, in the words of Fastly's API: its clients refuse a whole list of POPs over any other word."""

from typing import Literal

Region = Literal[
    "APAC",
    "Asia",
    "Asia-South",
    "AF-West",
    "EU-Central",
    "EU-East",
    "EU-West",
    "Middle-East",
    "MX-North",
    "MX-Central",
    "MX-South",
    "North-America",
    "US-Central",
    "US-East",
    "US-West",
    "SA-North",
    "SA-South",
    "SA-East",
    "SA-West",
    "South-Africa",
    "South-America",
]

StatsRegion = Literal[
    "usa", "europe", "asia", "asia_india", "asia_southkorea", "anzac", "africa_std", "mexico", "southamerica_std"
]
"""A region by which history is split."""

BillingRegion = Literal[
    "North America", "Europe", "Asia", "India", "South Korea", "Australia", "Africa", "Mexico", "South America"
]

USUAL_BILLING_REGIONS: dict[StatsRegion, BillingRegion] = {
    "usa": "North America",
    "europe": "Europe",
    "asia": "Asia",
    "asia_india": "India",
    "asia_southkorea": "South Korea",
    "anzac": "Australia",
    "africa_std": "Africa",
    "mexico": "Mexico",
    "southamerica_std": "South America",
}

USUAL_STATS_REGIONS: dict[Region, StatsRegion] = {
    "APAC": "anzac",
    "Asia": "asia",
    "Asia-South": "asia_india",
    "AF-West": "africa_std",
    "EU-Central": "europe",
    "EU-East": "europe",
    "EU-West": "europe",
    "Middle-East": "asia",
    "MX-North": "mexico",
    "MX-Central": "mexico",
    "MX-South": "mexico",
    "North-America": "usa",
    "US-Central": "usa",
    "US-East": "usa",
    "US-West": "usa",
    "SA-North": "southamerica_std",
    "SA-South": "southamerica_std",
    "SA-East": "southamerica_std",
    "SA-West": "southamerica_std",
    "South-Africa": "africa_std",
    "South-America": "southamerica_std",
}
"""The region of history of POPs whose settings name none."""
