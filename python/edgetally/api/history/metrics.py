"""
Series by domain and by origin.

    GET /metrics/domains/services/{service_id}
    GET /metrics/origins/services/{service_id}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET

from edgetally.api.history.answers import FiltersAnswer, Hole, MetricsAnswer, MetricsMeta, SeriesAnswer
from edgetally.api.history.parameters import NAME_PARAMETERS, Filters, MetricsParameters
from edgetally.api.history.times import iso
from edgetally.history.question import DIMENSIONS, NAME, HistoryQuestion

if TYPE_CHECKING:
    import asyncio

    from edgetally.api.history.asking import Asking
    from edgetally.clock import Clock
    from edgetally.config.descriptions import Descriptions
    from edgetally.history.base import HistoryReader
    from edgetally.history.question import HistoryAnswer
    from edgetally.http.messages import Request, Response


class MetricsHistory:
    """Answers `/metrics/…/services/…`."""

    def __init__(self, asking: Asking, descriptions: Descriptions, clock: Clock) -> None:
        self._asking = asking
        self._descriptions = descriptions
        self._clock = clock

    def answer(self, dataset: str, service_id: str, request: Request) -> asyncio.Future[Response]:
        """Answer a question; raise HistoryRefusal when it is not valid."""
        asked = MetricsParameters.of(dataset, service_id, request.query, int(self._clock.now()))
        name = NAME_PARAMETERS[dataset]
        question = HistoryQuestion(
            services=(service_id,),
            dataset=dataset,
            tier=asked.tier,
            start=asked.interval.start,
            end=asked.interval.end,
            metrics=asked.metrics,
            group_by=asked.group_by,
            names=asked.filters.names,
            pops=asked.filters.pops,
            regions=asked.filters.regions,
            region_of=self._descriptions.stats_regions(),
            default_region=self._descriptions.pop("").stats_region,
            name_key=name,
            limit=asked.limit,
            after=asked.after,
        )

        def make(reader: HistoryReader) -> MetricsAnswer:
            answer = reader.answer(question)
            data = cast("list[SeriesAnswer]", msgspec.Raw(answer.data))
            return MetricsAnswer(data=data, meta=_meta(asked, answer, name))

        return self._asking.respond(request, make)


def _meta(asked: MetricsParameters, answer: HistoryAnswer, name: str) -> MetricsMeta:
    metrics = ",".join(asked.metrics)
    dimensions = ",".join(name if one == NAME else one for one in DIMENSIONS if one in asked.group_by)
    holes = [Hole(iso(first), iso(behind)) for first, behind in answer.holes]
    start, end = asked.interval
    return MetricsMeta(
        start=iso(asked.tier.window_of(start) if start < end else start),
        end=iso(end),
        downsample=cast("Any", asked.tier.name),
        metric=metrics,
        metrics=metrics,
        limit=asked.limit,
        next_cursor=asked.cursor(answer.next_after),
        sort=dimensions,
        group_by=dimensions or "none",
        filters=_filters(asked.filters, name),
        holes=holes or UNSET,
    )


def _filters(filters: Filters, name: str) -> FiltersAnswer:
    shown = {name: filters.names, "datacenter": filters.pops, "region": filters.regions}
    joined = {key: ",".join(sorted(values)) for key, values in shown.items() if values}
    return FiltersAnswer(**joined, **{f"{key}s": text for key, text in joined.items()})
