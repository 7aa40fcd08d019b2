"""Descriptions of services and POPs: what the settings say of them, and defaults for what they do not say."""

from typing import Literal, NamedTuple

import msgspec

from edgetally.config.regions import (
    USUAL_BILLING_REGIONS,
    USUAL_STATS_REGIONS,
    BillingRegion,
    Region,
    StatsRegion,
)
from edgetally.config.sections import Config, PopSettings, ServiceSettings


class ServiceDescription(msgspec.Struct, frozen=True):
    """What clients are told about a service."""

    id: str
    name: str
    """Of no other service."""
    type: Literal["vcl", "wasm"]
    comment: str


class Coordinates(NamedTuple):
    """Where a POP is, in degrees."""

    latitude: float
    longitude: float


class PopDescription(msgspec.Struct, frozen=True):
    """What clients are told about a POP."""

    code: str
    name: str
    group: str
    """Continent or country; empty if not known."""
    region: Region
    stats_region: StatsRegion
    billing_region: BillingRegion
    coordinates: Coordinates | None


class Descriptions:
    """The descriptions of all services and POPs."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ids = _ids(config)
        self.version = 0
        """Grows with every change."""

    def replace(self, config: Config) -> bool:
        """Describe services and POPs as these settings do from now on; return whether anything changes."""
        before, self._config = self._config, config
        self._ids = _ids(config)
        is_changed = _what_is_described(before) != _what_is_described(config)
        self.version += is_changed
        return is_changed

    @property
    def services(self) -> frozenset[str]:
        """The ids of the services in the settings."""
        return frozenset(self._config.services)

    @property
    def pops(self) -> frozenset[str]:
        """The codes of the POPs in the settings."""
        return frozenset(self._config.pops)

    def service(self, service_id: str) -> ServiceDescription:
        """Describe a service, whether it is in the settings or not."""
        one = self._config.services.get(service_id) or ServiceSettings()
        return ServiceDescription(service_id, self.service_name(service_id), one.type, one.comment)

    def service_name(self, service_id: str) -> str:
        """Return the name of a service."""
        one = self._config.services.get(service_id)
        return (one and one.name) or service_id

    def service_named(self, name: str) -> str:
        """Return the id of the service with this name, which may not exist."""
        return self._ids.get(name, name)

    def pop(self, code: str) -> PopDescription:
        """Describe a POP, whether it is in the settings or not."""
        one = self._config.pops.get(code) or PopSettings()
        region = one.region or self._config.api.pop_region
        stats_region = one.stats_region or USUAL_STATS_REGIONS[region]
        coordinates = None
        if one.latitude is not None and one.longitude is not None:
            coordinates = Coordinates(one.latitude, one.longitude)
        return PopDescription(
            code=code,
            name=one.name or code,
            group=one.group,
            region=region,
            stats_region=stats_region,
            billing_region=one.billing_region or USUAL_BILLING_REGIONS[stats_region],
            coordinates=coordinates,
        )

    def stats_regions(self) -> dict[str, StatsRegion]:
        """Return the region in history of every POP in the settings. All others have that of any unknown POP."""
        return {code: self.pop(code).stats_region for code in self._config.pops}


def _ids(config: Config) -> dict[str, str]:
    """Return the ids of services by their names."""
    return {one.name: service_id for service_id, one in config.services.items() if one.name}


def _what_is_described(config: Config) -> tuple[object, ...]:
    return config.services, config.pops, config.api.pop_region
