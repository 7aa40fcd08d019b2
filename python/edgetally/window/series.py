"""What was counted since the start of the process, for Prometheus: each sealed second is added once."""

from collections.abc import Iterator, Mapping, Sequence

from edgetally import _core
from edgetally.telemetry import metrics
from edgetally.telemetry.prometheus import Family

Scrape = _core.Scrape
"""Totals as they were at one second, and how far they are written."""


class ExportedSeries:
    """The totals, and how many series they have. Every call may wait for another, so all are made in threads."""

    def __init__(self, *, series: int, domains: int, origins: int, split_by_pop: bool) -> None:
        """See `_core.SeriesTotals`."""
        self._totals = _core.SeriesTotals(series=series, domains=domains, origins=origins, split_by_pop=split_by_pop)
        self.newest = 0
        """The newest second that was added; 0 before the first."""
        self.count = 0
        """How many series there are."""
        self.overflowed = 0
        """Rows that were added under `_other` because of a limit."""

    def collect(self) -> Iterator[Family]:
        """Yield the metrics."""
        yield metrics.EXPORTED_SERIES.sample(self.count)
        yield metrics.EXPORTED_OVERFLOWED.sample(self.overflowed)

    def add(self, second: int, sealed: Sequence[_core.Sealed]) -> None:
        """Add sealed seconds, the last of which is `second`."""
        self.count, self.overflowed = self._totals.add(second, sealed)
        self.newest = second

    def name(self, services: Mapping[str, str], pops: Mapping[str, tuple[str, str, str, str]]) -> None:
        """Name services by id, and POPs with group, latitude and longitude, from now on."""
        self._totals.name(services, pops)

    def services(self) -> list[str]:
        """Return the services that have series, in alphabetical order."""
        return self._totals.services()

    def scrape(self, services: Sequence[str] | None, *, openmetrics: bool) -> Scrape:
        """Copy the totals of these services, or of all."""
        return self._totals.scrape(services, openmetrics=openmetrics)
