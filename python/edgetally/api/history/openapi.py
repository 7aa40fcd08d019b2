"""The paths of history in the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from edgetally.api.answers import HistoryError
from edgetally.api.history.answers import (
    BlocksAnswer,
    BlocksByServiceAnswer,
    MetricsAnswer,
    UsageAnswer,
    UsageByMonthAnswer,
    UsageByServiceAnswer,
)
from edgetally.api.history.parameters import CHANNEL_FIELDS, DEFAULT_METRICS, MAX_LIMIT, MAX_METRICS, NAME_PARAMETERS
from edgetally.config.regions import StatsRegion
from edgetally.history.tiers import LAST_SECOND, TIERS
from edgetally.model import measurements

if TYPE_CHECKING:
    from collections.abc import Iterable

    Json = dict[str, Any]


class HistoryOperation(NamedTuple):
    """What a path of history answers."""

    summary: str
    answer: Any
    """A type."""
    parameters: tuple[Json, ...]

    @property
    def others(self) -> dict[str, tuple[str, Any]]:
        """Descriptions and types of other answers by status."""
        return {
            "400": ("A parameter is not valid, or the answer would be too large.", HistoryError),
            "404": ("There is no history.", HistoryError),
            "503": ("Too many questions at a time: try again after Retry-After.", HistoryError),
        }


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _or_empty(*schemas: Json) -> Json:
    """Return the schema of a parameter that may be there and empty."""
    return {"anyOf": [*schemas, {"const": ""}]}


def _list_of(words: Iterable[str], most: str = "") -> Json:
    word = f"({'|'.join(words)})"
    return {"type": "string", "pattern": f"^{word}(,{word}){most or '*'}$"}


UNIX = {"type": "integer", "minimum": 0, "maximum": LAST_SECOND}
TIME = _or_empty(UNIX, {"type": "string", "format": "date-time"}, {"type": "string", "format": "date"})
MOMENT = _or_empty(UNIX, {"type": "string"})
TIER = _or_empty({"enum": list(TIERS)})
TEXT = {"type": "string"}
REGION = _query("region", _or_empty(_list_of(get_args(StatsRegion))), "Only these regions, separated by commas.")
DATACENTER = _query("datacenter", TEXT, "Only these POPs, separated by commas.")

BLOCKS = (
    _query("from", MOMENT, "From when: Unix seconds, a date, or `2 weeks ago`. Default: as for `start` in /metrics."),
    _query("to", MOMENT, "Until when, itself not included. Default: now."),
    _query("by", TIER, "The length of the windows. Default: `day`."),
    {**REGION, "schema": _or_empty({"const": "all"}, _list_of(get_args(StatsRegion)))},
    DATACENTER,
)
SERVICES = _query("services", TEXT, "Only these services, separated by commas.")

MONTH = (
    _query("year", _or_empty({"type": "integer", "minimum": 1970, "maximum": 9998}), "Default: this year."),
    _query("month", _or_empty({"type": "integer", "minimum": 1, "maximum": 12}), "Default: this month."),
)


def _metrics(dataset: str) -> HistoryOperation:
    name = NAME_PARAMETERS[dataset]
    fields = _list_of((one.name for one in measurements(dataset)), f"{{0,{MAX_METRICS - 1}}}")
    dimensions = _list_of((name, "datacenter", "region"))
    return HistoryOperation(
        f"Minutes, hours or days of {dataset}.",
        MetricsAnswer,
        (
            _query("start", TIME, "From when. Default: 30 minutes, one day or 30 days before `end`."),
            _query("end", TIME, "Until when, itself not included. Default: now."),
            _query("downsample", TIER, "The length of the windows. Default: `hour`."),
            _query("metric", _or_empty(fields), f"At most ten measurements. Default: `{DEFAULT_METRICS[dataset]}`."),
            _query("group_by", _or_empty({"const": "none"}, dimensions), "What to keep apart. Default: nothing."),
            _query(name, TEXT, f"Only these {dataset}, separated by commas."),
            DATACENTER,
            REGION,
            _query(
                "limit",
                _or_empty({"type": "integer", "minimum": 1}),
                f"Series on a page, at most {MAX_LIMIT}. Default: 100.",
            ),
            _query("cursor", TEXT, "`next_cursor` of the page before."),
        ),
    )


HISTORY = {
    "/metrics/domains/services/{service_id}": _metrics("domains"),
    "/metrics/origins/services/{service_id}": _metrics("origins"),
    "/stats": HistoryOperation(
        "Blocks of every service that the token may read.", BlocksByServiceAnswer, (*BLOCKS, SERVICES)
    ),
    "/stats/aggregate": HistoryOperation("Blocks of all these services together.", BlocksAnswer, (*BLOCKS, SERVICES)),
    "/stats/field/{field}": HistoryOperation("One field of these blocks.", BlocksByServiceAnswer, (*BLOCKS, SERVICES)),
    "/stats/service/{service_id}": HistoryOperation("Blocks of one service.", BlocksAnswer, BLOCKS),
    "/stats/service/{service_id}/field/{field}": HistoryOperation("One field of these blocks.", BlocksAnswer, BLOCKS),
    "/stats/usage": HistoryOperation("Usage by region.", UsageAnswer, (*BLOCKS, SERVICES)),
    "/stats/usage_by_month": HistoryOperation("Usage in a month by region.", UsageByMonthAnswer, MONTH),
    "/stats/usage_by_service": HistoryOperation(
        "Usage by region and service.", UsageByServiceAnswer, (*BLOCKS, SERVICES)
    ),
}
"""By template."""

FIELD: Json = {"enum": list(CHANNEL_FIELDS)}
"""The schema of a part of some paths."""
