"""POPs: those in the settings, and those of the services that a token may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from edgetally.api.compat.answers import Datacenter, PlaceAnswer
from edgetally.api.compat.responses import in_thread, respond
from edgetally.api.compat.services import INLINE_SERVICES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from edgetally.access.grants import Grant
    from edgetally.api.compat.services import Services
    from edgetally.config.descriptions import Descriptions, PopDescription
    from edgetally.http.messages import Response


class Datacenters:
    """Answers what clients ask about POPs."""

    def __init__(
        self, kept: Callable[[Sequence[str]], list[str]], descriptions: Descriptions, services: Services
    ) -> None:
        """`kept` returns the POPs that are kept of some services."""
        self._kept = kept
        self._descriptions = descriptions
        self._services = services

    def all(self, grant: Grant) -> Response | asyncio.Future[Response]:
        """Answer `/datacenters`."""
        services = self._services.visible(grant)

        def make() -> Response:
            codes = self._descriptions.pops.union(self._kept(services))
            return respond([_datacenter(self._descriptions.pop(code)) for code in sorted(codes)])

        return in_thread(make) if len(services) > INLINE_SERVICES else make()


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
