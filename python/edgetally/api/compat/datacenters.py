"""POPs: those in the settings, and those of the services that a token may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from edgetally.api.compat.answers import Datacenter, PlaceAnswer
from edgetally.api.compat.responses import respond

if TYPE_CHECKING:
    from edgetally.access.grants import Grant
    from edgetally.api.compat.services import Services
    from edgetally.config.descriptions import Descriptions, PopDescription
    from edgetally.http.messages import Response
    from edgetally.window.shelf import Shelf


class Datacenters:
    """Answers what clients ask about POPs."""

    def __init__(self, shelf: Shelf, descriptions: Descriptions, services: Services) -> None:
        self._shelf = shelf
        self._descriptions = descriptions
        self._services = services

    def all(self, grant: Grant) -> Response:
        """Answer `/datacenters`."""
        codes = set(self._descriptions.pops)
        for service_id in self._services.visible(grant):
            codes.update(self._shelf.pops(service_id))
        return respond([_datacenter(self._descriptions.pop(code)) for code in sorted(codes)])


def _datacenter(pop: PopDescription) -> Datacenter:
    place = pop.coordinates
    return Datacenter(
        code=pop.code,
        name=pop.name,
        group=pop.group,
        region=pop.region,
        stats_region=pop.stats_region,
        billing_region=pop.billing_region,
        coordinates=PlaceAnswer(place.latitude, place.longitude) if place else UNSET,
    )
