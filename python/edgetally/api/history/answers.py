"""
The answers from history.

Documentation and generated clients spell some keys of `meta` in one way, real answers and go-fastly in another: both
are there.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edgetally.api.answers import Answer, Count
from edgetally.api.compat.answers import CUSTOMER
from edgetally.config.regions import StatsRegion

IsoDate = Annotated[str, Meta(description="In UTC, such as 2026-11-28T08:00:00Z.")]

FieldValue = int | float | str | None


class SeriesAnswer(Answer):
    """What one combination of dimensions did."""

    dimensions: Annotated[dict[str, str], Meta(description="Those of `group_by`.")]
    values: Annotated[
        list[dict[str, int | float]],
        Meta(description="By window: its first second as `timestamp`, and those of the metrics that are not 0."),
    ]


class FiltersAnswer(Answer, kw_only=True):
    """The filters of the question, in both spellings."""

    domains: str | UnsetType = UNSET
    domain: str | UnsetType = UNSET
    hosts: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    datacenters: str | UnsetType = UNSET
    datacenter: str | UnsetType = UNSET
    regions: str | UnsetType = UNSET
    region: str | UnsetType = UNSET


class Hole(Answer):
    """Seconds of which nothing is known: from `start` to before `end`."""

    start: IsoDate
    end: IsoDate


class MetricsMeta(Answer, kw_only=True):
    """What was asked."""

    start: IsoDate
    end: IsoDate
    downsample: Literal["minute", "hour", "day"]
    metric: str
    metrics: str
    limit: int
    next_cursor: Annotated[str, Meta(description="Empty on the last page.")]
    sort: str
    group_by: str
    filters: FiltersAnswer
    holes: Annotated[list[Hole] | UnsetType, Meta(description="Not 0, but unknown.")] = UNSET


class MetricsAnswer(Answer, kw_only=True):
    """Series of a dataset."""

    data: list[SeriesAnswer]
    meta: MetricsMeta
    status: Literal["success"] = "success"


class StatsMeta(Answer):
    """What was asked."""

    to: str
    from_: str = msgspec.field(name="from")
    by: Literal["minute", "hour", "day"]
    region: str


Block = Annotated[
    dict[str, FieldValue],
    Meta(description="Every measurement of the channel, 0 too, `start_time`, and `service_id` if it is of one."),
]


class StatsEnvelope(Answer, kw_only=True):
    """What all answers of `/stats` have."""

    status: Literal["success"] = "success"
    meta: StatsMeta
    msg: None = None


class BlocksAnswer(StatsEnvelope, kw_only=True):
    """Blocks, ascending."""

    data: list[Block]


class BlocksByServiceAnswer(StatsEnvelope, kw_only=True):
    """Blocks by service."""

    data: dict[str, list[Block]]


MAX_COUNT = 2**64 - 1
"""Where sums stop, as all counters do: many clients cannot read more."""


def added_up(counts: Iterable[int | float]) -> int:
    """Add up counts that may reach this limit together."""
    return min(int(sum(counts)), MAX_COUNT)


class Usage(Answer):
    """What was used."""

    bandwidth: Count = 0
    requests: Count = 0
    compute_requests: Count = 0

    def add(self, other: "Usage") -> None:
        """Add what was used elsewhere."""
        self.bandwidth = added_up((self.bandwidth, other.bandwidth))
        self.requests = added_up((self.requests, other.requests))
        self.compute_requests = added_up((self.compute_requests, other.compute_requests))


class UsageAnswer(StatsEnvelope, kw_only=True):
    """Usage by region."""

    data: dict[StatsRegion, Usage]


class UsageByServiceAnswer(StatsEnvelope, kw_only=True):
    """Usage by region and service."""

    data: dict[StatsRegion, dict[str, Usage]]


class NamedService(Answer):
    """A service."""

    name: str


class MonthlyUsage(Answer, kw_only=True):
    """Usage of a month."""

    customer_id: str = CUSTOMER
    services: dict[str, NamedService]
    total: dict[StatsRegion, Usage]


class UsageByMonthAnswer(StatsEnvelope, kw_only=True):
    """Usage of a month, all services together."""

    data: MonthlyUsage
