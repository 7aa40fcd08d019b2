"""
Service-wide statistics.

    GET /stats, /stats/field/{field}                        blocks of every service that the token may read
    GET /stats/service/{service_id}[/field/{field}]         of one
    GET /stats/aggregate                                    of all together
    GET /stats/usage, /stats/usage_by_service, /stats/usage_by_month

A block has the measurements of the channel in one window.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

import msgspec

from edgetally.api.history.answers import (
    BlocksAnswer,
    BlocksByServiceAnswer,
    FieldValue,
    MonthlyUsage,
    NamedService,
    StatsMeta,
    Usage,
    UsageAnswer,
    UsageByMonthAnswer,
    UsageByServiceAnswer,
    added_up,
)
from edgetally.api.history.parameters import CHANNEL_FIELDS, Filters, StatsParameters, field_of, month_of_query
from edgetally.api.history.times import Interval
from edgetally.config.regions import StatsRegion
from edgetally.history.question import MAX_VALUES, REGION, HistoryQuestion, TooManyValues
from edgetally.history.tiers import DAYS, next_month

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from edgetally.access.grants import Grant
    from edgetally.api.history.asking import Asking
    from edgetally.clock import Clock
    from edgetally.config.descriptions import Descriptions
    from edgetally.history.base import HistoryReader
    from edgetally.http.messages import Request, Response

Values = dict[str, FieldValue]

BANDWIDTH = tuple(
    f"{which}_{part}_bytes"
    for which in ("resp", "bereq", "compute_resp", "compute_bereq")
    for part in ("header", "body")
)
"""The measurements that add up to bandwidth."""

USAGE = ("requests", "compute_requests", *BANDWIDTH)

STORED = tuple(field for field in CHANNEL_FIELDS if field != "bandwidth")

PRESENCE = ("requests", "compute_requests", "origin_fetches")
"""Whatever a service does, one of these is not 0: so a field that is 0 is shown, too."""

REGIONS: tuple[StatsRegion, ...] = get_args(StatsRegion)


class _Series(NamedTuple):
    """A series of the core."""

    dimensions: dict[str, str]
    values: list[dict[str, int | float]]


class Stats:
    """Answers `/stats`."""

    def __init__(self, asking: Asking, descriptions: Descriptions, clock: Clock) -> None:
        self._asking = asking
        self._descriptions = descriptions
        self._clock = clock

    def service(self, service_id: str, request: Request, field: str | None = None) -> asyncio.Future[Response]:
        """Answer `/stats/service/{id}`, or one field of it."""
        asked, field = self._asked(request), field and field_of(field)

        def make(reader: HistoryReader) -> BlocksAnswer:
            blocks = self._blocks(reader, asked, [service_id], field)
            return BlocksAnswer(meta=_meta(asked), data=_of_service(blocks, service_id))

        return self._asking.respond(request, make)

    def every(self, grant: Grant, request: Request, field: str | None = None) -> asyncio.Future[Response]:
        """Answer `/stats`, or one field of it."""
        asked, field = self._asked(request), field and field_of(field)

        def make(reader: HistoryReader) -> BlocksByServiceAnswer:
            found, size = {}, 0
            for service_id in _visible(reader, grant, asked):
                blocks = _of_service(self._blocks(reader, asked, [service_id], field), service_id)
                size += sum(map(len, blocks))
                if size > MAX_VALUES:
                    raise TooManyValues
                if blocks:
                    found[service_id] = blocks
            return BlocksByServiceAnswer(meta=_meta(asked), data=found)

        return self._asking.respond(request, make)

    def aggregate(self, grant: Grant, request: Request) -> asyncio.Future[Response]:
        """Answer `/stats/aggregate`."""
        asked = self._asked(request)

        def make(reader: HistoryReader) -> BlocksAnswer:
            blocks = self._blocks(reader, asked, _visible(reader, grant, asked), None)
            return BlocksAnswer(meta=_meta(asked), data=blocks)

        return self._asking.respond(request, make)

    def usage(self, grant: Grant, request: Request) -> asyncio.Future[Response]:
        """Answer `/stats/usage`."""
        asked = self._asked(request)

        def make(reader: HistoryReader) -> UsageAnswer:
            usage = self._usage(reader, asked, _visible(reader, grant, asked))
            return UsageAnswer(meta=_meta(asked), data=_with_every_region(usage))

        return self._asking.respond(request, make)

    def usage_by_service(self, grant: Grant, request: Request) -> asyncio.Future[Response]:
        """Answer `/stats/usage_by_service`."""
        asked = self._asked(request)

        def make(reader: HistoryReader) -> UsageByServiceAnswer:
            data: dict[StatsRegion, dict[str, Usage]] = {region: {} for region in REGIONS}
            for service_id in _visible(reader, grant, asked):
                for region, usage in self._usage(reader, asked, [service_id]).items():
                    data[region][service_id] = usage
            return UsageByServiceAnswer(meta=_meta(asked), data=data)

        return self._asking.respond(request, make)

    def usage_by_month(self, grant: Grant, request: Request) -> asyncio.Future[Response]:
        """Answer `/stats/usage_by_month`."""
        today = datetime.fromtimestamp(self._clock.now(), UTC)
        year, month = month_of_query(request.query, (today.year, today.month))
        start = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
        asked = StatsParameters(DAYS, Interval(start, next_month(start)), Filters(), "all", frozenset())

        def make(reader: HistoryReader) -> UsageByMonthAnswer:
            services = _visible(reader, grant, asked)
            usage = _with_every_region(self._usage(reader, asked, services))
            named = {one: NamedService(self._descriptions.service_name(one)) for one in services}
            return UsageByMonthAnswer(meta=_meta(asked), data=MonthlyUsage(services=named, total=usage))

        return self._asking.respond(request, make)

    def _asked(self, request: Request) -> StatsParameters:
        return StatsParameters.of(request.query, int(self._clock.now()))

    def _blocks(
        self, reader: HistoryReader, asked: StatsParameters, services: Sequence[str], field: str | None
    ) -> list[Values]:
        """Return the blocks of these services together, or one field of them."""
        metrics = tuple(dict.fromkeys((*_made_of(field), *PRESENCE))) if field else STORED
        fields = (field,) if field else CHANNEL_FIELDS
        return [
            {"start_time": values.pop("timestamp"), **{name: _field(name, values) for name in fields}}
            for series in self._series(reader, asked, services, metrics)
            for values in series.values
        ]

    def _usage(
        self, reader: HistoryReader, asked: StatsParameters, services: Sequence[str]
    ) -> dict[StatsRegion, Usage]:
        """Return what these services used together, by region."""
        usage: dict[StatsRegion, Usage] = defaultdict(Usage)
        for series in self._series(reader, asked, services, USAGE, frozenset({REGION})):
            region = cast("StatsRegion", series.dimensions[REGION])
            for values in series.values:
                usage[region].add(
                    Usage(
                        _bandwidth(values),
                        int(values.get("requests", 0)),
                        int(values.get("compute_requests", 0)),
                    )
                )
        return usage

    def _series(
        self,
        reader: HistoryReader,
        asked: StatsParameters,
        services: Sequence[str],
        metrics: tuple[str, ...],
        group_by: frozenset[str] = frozenset(),
    ) -> list[_Series]:
        answer = reader.answer(
            HistoryQuestion(
                services=tuple(services),
                dataset="channel",
                tier=asked.tier,
                start=asked.interval.start,
                end=asked.interval.end,
                metrics=metrics,
                group_by=group_by,
                pops=asked.filters.pops,
                regions=asked.filters.regions,
                region_of=self._descriptions.stats_regions(),
                default_region=self._descriptions.pop("").stats_region,
            )
        )
        decoded: list[dict[str, Any]] = msgspec.json.decode(answer.data)
        return [_Series(one["dimensions"], one["values"]) for one in decoded]


def _made_of(field: str) -> tuple[str, ...]:
    """Return the measurements from which a field of a block is made."""
    return {"bandwidth": BANDWIDTH, "hit_ratio": ("hit_ratio", "hits", "miss")}.get(field, (field,))


def _field(name: str, values: dict[str, int | float]) -> FieldValue:
    """Return a field of a block."""
    if name == "bandwidth":
        return _bandwidth(values)
    if name == "hit_ratio" and not (values.get("hits") or values.get("miss")):
        return None
    return values.get(name, 0)


def _bandwidth(values: dict[str, int | float]) -> int:
    return added_up(values.get(one, 0) for one in BANDWIDTH)


def _visible(reader: HistoryReader, grant: Grant, asked: StatsParameters) -> list[str]:
    """Return the services that are asked for, that there are, and that the token may read."""
    return [
        one for one in reader.services() if grant.may("read", one) and (not asked.services or one in asked.services)
    ]


def _of_service(blocks: list[Values], service_id: str) -> list[Values]:
    return [{**block, "service_id": service_id} for block in blocks]


def _with_every_region(usage: dict[StatsRegion, Usage]) -> dict[StatsRegion, Usage]:
    return {region: usage.get(region, Usage()) for region in REGIONS}


def _meta(asked: StatsParameters) -> StatsMeta:
    start, end = map(_written, asked.interval)
    return StatsMeta(to=end, from_=start, by=cast("Any", asked.tier.name), region=asked.region)


def _written(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
