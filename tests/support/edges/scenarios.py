"""What the test of an edge is made of: scenarios, each under a domain of its own."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.support.edges.lab import Lab
from tests.support.edges.servers import TIMEOUT

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
STATUSES = (
    *(200, 201, 202, 204, 206, 226, 299, 300, 301, 302, 303, 304, 307, 308, 399),
    *(400, 401, 403, 404, 405, 410, 416, 418, 422, 429, 451, 499, 500, 501, 502, 503, 504, 505, 511, 530, 599),
)

INVALID = "_invalid"
"""The domain of requests without a valid host."""

Scenario = Callable[[Lab], Awaitable[None]]


class Scenarios(dict[str, Scenario]):
    """The scenarios of one edge by their domains, in the order in which they run."""

    def add(self, *scenarios: Scenario) -> None:
        """Add scenarios; the name of each becomes its domain."""
        for scenario in scenarios:
            self[domain_of(scenario)] = scenario

    def scenario(self, scenario: Scenario) -> Scenario:
        """Add the scenario below this decorator."""
        self.add(scenario)
        return scenario

    async def run(self, lab: Lab, start: int = 0, stop: int | None = None) -> None:
        """Run the scenarios from number `start` up to `stop`."""
        for domain, scenario in [*self.items()][start:stop]:
            lab.domain = domain
            async with asyncio.timeout(TIMEOUT):
                await scenario(lab)

    @property
    def middle(self) -> int:
        """The number of the scenario before which logs are rotated."""
        return len(self) // 2


def domain_of(scenario: Scenario) -> str:
    label = scenario.__name__.replace("_", "-")
    assert len(label) <= 63, "longer than a label of a host name may be"
    return f"{label}.example"
